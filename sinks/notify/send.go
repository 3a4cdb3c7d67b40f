package notify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"earshot/schemas"
	"earshot/sinks/state"
)

const (
	lookEvery   = 5 * time.Second
	tryTime     = time.Minute     // one try of one recipient, the file's reading included
	lease       = 3 * time.Minute // who took a send on and says nothing for so long has died
	atOnce      = 8               // tries, of all organisations
	atOnceOf    = 4               // and of one, so that receivers that hang keep nobody else waiting for long
	attachMost  = 10 << 20        // bytes of a file; a larger one is linked
	maxErrorLen = 500             // bytes
)

// waits are the times between the tries of one recipient: five within an hour.
var waits = []time.Duration{time.Minute, 4 * time.Minute, 15 * time.Minute, 40 * time.Minute}

// failure is why a recipient was not told.
type failure struct {
	say       schemas.Text // for a person who may change the schedule
	err       error        // cause, for the log; nil: say has it all
	permanent bool         // another try would only repeat it
}

// Error is for the log.
func (f *failure) Error() string {
	if f.err == nil {
		return f.say.String()
	}
	return f.say.String() + ": " + f.err.Error()
}

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.err }

// explained is what a person reads of an error.
func explained(err error, lang string) (text string, permanent bool) {
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{say: schemas.T("an internal error; the log of Earshot has it")}
	}
	text = f.say.In(lang)
	if len(text) > maxErrorLen {
		text = strings.ToValidUTF8(text[:maxErrorLen], "") + "…"
	}
	return text, f.permanent
}

// errand is one send that this process has taken on.
type errand struct {
	org    string
	report schemas.Scheduled
	send   schemas.Send
}

// send does what is due, until ctx ends.
func (n *Notifier) send(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if err := n.round(ctx); err != nil && !errors.Is(err, state.ErrNotReady) && ctx.Err() == nil {
			n.Log.Error("send scheduled reports", "error", err, "again_in", lookEvery)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-n.ended:
		}
	}
}

// round takes on what is due, tells the recipients, and writes down how it went.
func (n *Notifier) round(ctx context.Context) error {
	orgs, err := n.Store.Organisations(ctx)
	if err != nil {
		return err
	}
	var tries errgroup.Group
	tries.SetLimit(atOnce)
	for _, org := range orgs {
		errands, failed := n.takeOn(ctx, org)
		err = errors.Join(err, failed)
		for _, e := range errands {
			tries.Go(func() error { return n.run(ctx, e) })
		}
	}
	return errors.Join(err, tries.Wait())
}

// takeOn claims sends that are due, on the log: whoever else looks finds them not
// due, until the lease is over. Of a disabled organisation they wait, and those of
// a schedule that was deleted are forgotten.
func (n *Notifier) takeOn(ctx context.Context, org string) (errands []errand, err error) {
	runs, err := state.List[schemas.ScheduleRun](ctx, n.Store, org, schemas.KindScheduleRun)
	if err != nil || !slices.ContainsFunc(runs, n.anyDue) {
		return nil, err
	}
	owner, err := n.Store.Organisation(ctx, org)
	if err != nil || owner.Disabled {
		return nil, err
	}
	for _, run := range runs {
		if len(errands) >= atOnceOf || !n.anyDue(run) {
			continue
		}
		var mine []errand
		failed := n.inTurn(ctx, org, run.Schedule, func(ctx context.Context, run *schemas.ScheduleRun) (bool, error) {
			if s, err := state.Get[schemas.ReportSchedule](ctx, n.Store, org, schemas.KindSchedule, run.Schedule); err != nil {
				return false, err
			} else if s == nil {
				return false, n.Remove(ctx, org, schemas.KindScheduleRun, strconv.FormatInt(run.Schedule, 10))
			}
			for i := range run.Reports {
				report := &run.Reports[i]
				for j := range report.Sends {
					s := &report.Sends[j]
					if len(errands)+len(mine) >= atOnceOf || !n.due(*s) {
						continue
					}
					s.Tries, s.Next = s.Tries+1, n.now().Add(lease).UTC().Truncate(time.Microsecond)
					mine = append(mine, errand{org, *report, *s})
				}
			}
			return len(mine) > 0, nil
		})
		if failed == nil {
			errands = append(errands, mine...)
		}
		err = errors.Join(err, failed)
	}
	return errands, err
}

func (n *Notifier) due(s schemas.Send) bool { return !s.Next.IsZero() && !s.Next.After(n.now()) }

func (n *Notifier) anyDue(run schemas.ScheduleRun) bool {
	return slices.ContainsFunc(run.Reports, func(r schemas.Scheduled) bool { return slices.ContainsFunc(r.Sends, n.due) })
}

// run tries one recipient, and writes down how it went.
func (n *Notifier) run(ctx context.Context, e errand) error {
	if n.now().Add(tryTime).After(e.send.Next) {
		return nil // it had to wait, and before it is through somebody else may try, too
	}
	begin := time.Now()
	s, err := state.Get[schemas.ReportSchedule](ctx, n.Store, e.org, schemas.KindSchedule, e.report.Schedule)
	if err != nil || s == nil { // it was deleted: nobody is told any more
		return err
	}
	err = n.try(ctx, e, *s)
	if ctx.Err() != nil {
		return nil // cut off: it comes again when the lease is over
	}
	n.Metrics.Latency(schemas.StageNotify).Observe(time.Since(begin).Seconds())
	given := e.send // as it is written down
	given.Error, given.Next, given.Sent = "", time.Time{}, time.Time{}
	if err == nil {
		given.Sent = n.now().UTC().Truncate(time.Microsecond)
		n.Metrics.Out(schemas.StageNotify).Inc()
		return n.settle(ctx, e, given)
	}
	var permanent bool
	given.Error, permanent = explained(err, s.Language)
	if again := int(given.Tries) - 1; !permanent && again < len(waits) {
		given.Next = n.now().Add(waits[again]).UTC().Truncate(time.Microsecond)
	}
	n.Log.Warn("tell of a scheduled report", "org", e.org, "schedule", s.ID, "task", e.report.TaskCode, "way", given.Way, "try", given.Tries, "again_at", given.Next, "error", err)
	n.Metrics.Errors(schemas.StageNotify, "ours").Inc()
	if err := n.settle(ctx, e, given); err != nil || !given.Next.IsZero() {
		return err
	}
	n.Metrics.Errors(schemas.StageNotify, "dead").Inc()
	n.Audit(schemas.AuditRecorded{Org: e.org, User: s.User, Action: schemas.AuditGivenUp, Object: fmt.Sprintf("%s/%d/%s", schemas.KindSchedule, s.ID, given.Way)})
	return nil
}

// settle writes down how a try went, unless another process has taken the send on
// since.
func (n *Notifier) settle(ctx context.Context, e errand, given schemas.Send) error {
	for {
		err := n.inTurn(ctx, e.org, e.report.Schedule, func(_ context.Context, run *schemas.ScheduleRun) (bool, error) {
			report := run.Run(e.report.From, e.report.To)
			if report == nil || !report.Ended.Equal(e.report.Ended) { // or it has ended otherwise since
				return false, nil
			}
			for i, s := range report.Sends {
				if s.Way == given.Way && s.To == given.To && s.Tries == given.Tries {
					report.Sends[i] = given
					return true, nil
				}
			}
			return false, nil
		})
		if err == nil || n.now().After(e.send.Next) { // later somebody else tries it, too
			return err
		}
		n.Log.Error("note that a recipient was told; another try may tell it again", "org", e.org, "schedule", e.report.Schedule, "error", err)
		if pause(ctx, retryMost) != nil {
			return nil
		}
	}
}

// try tells one recipient, unless the process that made the last try died over it.
func (n *Notifier) try(ctx context.Context, e errand, s schemas.ReportSchedule) error {
	if int(e.send.Tries) > len(waits)+1 {
		return &failure{say: schemas.T("the program ended during the last try"), permanent: true}
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	m := &message{schedule: s, report: e.report, base: n.base}
	for _, hook := range s.Webhooks {
		if e.send.Way == schemas.SendWebhook && hook.URL == e.send.To {
			e.send.Salt = hook.Salt // the secret may have been renewed since the report ended
		}
	}
	if e.send.Way == schemas.SendEmail {
		if err := n.attach(ctx, e.org, m); err != nil {
			return err
		}
		m.figures = n.figures(ctx, e.org, m)
	}
	return n.tell(ctx, e.org, e.send, messageID(e.org, e.report.ExternalID()+"/"+e.report.Status, e.send.To), m)
}

func (n *Notifier) tell(ctx context.Context, org string, s schemas.Send, id string, m *message) error {
	if s.Way == schemas.SendEmail {
		return n.mail(ctx, s.To, id, m)
	}
	return n.post(ctx, s.To, n.Secret(org, s.Salt), id, m)
}

// attach reads the file that an e-mail brings along: the PDF, or where no browser
// printed one the page; none that is too large.
func (n *Notifier) attach(ctx context.Context, org string, m *message) error {
	for _, kind := range []string{".pdf", ".html"} {
		i := slices.IndexFunc(m.report.Files, func(name string) bool { return path.Ext(name) == kind })
		if i < 0 {
			continue
		}
		name := m.report.Files[i]
		r, err := n.Blobs.NewReader(ctx, schemas.ReportKey(schemas.Task{Org: org, Code: m.report.TaskCode}, name), nil)
		if err != nil {
			return &failure{say: schemas.T("the report's file cannot be read"), err: err}
		}
		defer r.Close()
		if r.Size() > attachMost {
			continue
		}
		if m.file, err = io.ReadAll(io.LimitReader(r, attachMost)); err != nil {
			return &failure{say: schemas.T("the report's file cannot be read"), err: err}
		}
		m.fileName = name
		return nil
	}
	return nil
}

// Test tells all recipients of a schedule at once that they would be told, and
// gives how each went, with the errors in the language of who asks; nothing of it
// is kept or repeated.
func (n *Notifier) Test(ctx context.Context, org string, s schemas.ReportSchedule, lang string) []schemas.Send {
	day := n.now().UTC()
	report := schemas.Scheduled{Schedule: s.ID, From: day.Format(time.DateOnly), To: day.Format(time.DateOnly)}
	report.End(schemas.StatusCompleted, "", nil, day.Truncate(time.Second), s)
	m := &message{schedule: s, report: report, test: true, base: n.base}
	id := rand.Text()
	var tries errgroup.Group
	tries.SetLimit(schemas.MaxRecipients)
	for i := range report.Sends {
		to := &report.Sends[i]
		to.Tries, to.Next = 1, time.Time{}
		tries.Go(func() error {
			if err := n.tell(ctx, org, *to, messageID(org, id, to.To), m); err != nil {
				to.Error, _ = explained(err, lang)
				n.Log.Info("a test message", "org", org, "schedule", s.ID, "way", to.Way, "error", err)
				return nil
			}
			to.Sent = n.now().UTC().Truncate(time.Second)
			return nil
		})
	}
	_ = tries.Wait() // they end in report.Sends
	return report.Sends
}
