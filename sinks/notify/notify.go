package notify

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"gocloud.dev/blob"

	"earshot/schemas"
	"earshot/sinks/state"
)

// Deps are what a Notifier stands on.
type Deps struct {
	Store     *state.Store
	NewClient func(...kgo.Opt) (*kgo.Client, error)
	Codec     *schemas.Codec
	Blobs     *blob.Bucket // of the reports' files
	Metrics   *schemas.StageMetrics
	// Save publishes an entity and applies it: ingest's Door.
	Save func(ctx context.Context, org, kind, id string, value any) error
	// Remove publishes that an entity is deleted, and applies it: ingest's Door.
	Remove func(ctx context.Context, org, kind, id string) error
	Audit  func(schemas.AuditRecorded)
	Log    *slog.Logger
}

// Notifier tells recipients of scheduled reports. It is safe for concurrent use.
type Notifier struct {
	Deps
	smtp  *server // nil: there is none
	key   string
	base  string
	http  *http.Client
	roots *x509.CertPool // nil: those of the system
	now   func() time.Time
	ended chan struct{} // something is to be sent
}

// New returns a notifier. cfg must have passed Validate; its Key must be set.
func New(cfg Config, deps Deps) *Notifier {
	smtp, bad := cfg.server()
	client, err := cfg.Fetch.Client(hookTime, 0)
	if err := errors.Join(bad, err); err != nil {
		panic(err) // Validate refuses it
	}
	deps.Log = deps.Log.With("stage", schemas.StageNotify)
	return &Notifier{Deps: deps, smtp: smtp, key: cfg.Key, base: cfg.PublicURL, http: client, now: time.Now, ended: make(chan struct{}, 1)}
}

// Run follows the statuses of scheduled reports and tells their recipients, until
// ctx ends; an error means that no client could be opened. What is under way then
// is told again by whoever comes next: at least once, and with the same id.
func (n *Notifier) Run(ctx context.Context) error {
	client, err := n.NewClient(kgo.ConsumerGroup(schemas.GroupNotify), kgo.ConsumeTopics(schemas.TopicStatus),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	defer client.Close()
	defer n.http.CloseIdleConnections()
	var tasks sync.WaitGroup
	defer tasks.Wait()
	tasks.Go(func() {
		n.Metrics.WatchLag(ctx, client, schemas.StageNotify, []string{schemas.TopicStatus}, schemas.Committed(schemas.GroupNotify), n.Log)
	})
	tasks.Go(func() { n.send(ctx) })
	for ctx.Err() == nil {
		n.follow(ctx, client)
	}
	return nil
}

// follow takes in one poll. Its offsets are committed when what was said is on
// the log in another form; a record that comes again changes nothing.
func (n *Notifier) follow(ctx context.Context, client *kgo.Client) {
	fetches := client.PollFetches(ctx)
	fetches.EachError(func(topic string, partition int32, err error) {
		if ctx.Err() == nil {
			n.Log.Error("read the log", "topic", topic, "partition", partition, "error", err)
			_ = pause(ctx, time.Second) // it comes again with the next poll, at once
		}
	})
	records := fetches.Records()
	for _, r := range records {
		if err := n.take(ctx, r); err != nil {
			return // ctx has ended
		}
	}
	if len(records) == 0 {
		return
	}
	if err := client.CommitRecords(ctx, records...); err != nil && ctx.Err() == nil {
		n.Log.Warn("commit offsets; the records may come again, which changes nothing", "error", err)
	}
}

// take notes the end of a scheduled report, however long the state is away.
func (n *Notifier) take(ctx context.Context, r *kgo.Record) error {
	if !bytes.Contains(r.Value, []byte(schemas.TypeReport)) { // most are of conversations, and decoding costs more than this
		return nil
	}
	var e schemas.TaskStatus
	if err := n.Codec.Decode(r.Value, &e); err != nil { // the warehouse makes a dead letter of it
		n.Log.Error("a status cannot be read", "partition", r.Partition, "offset", r.Offset, "error", err)
		return nil
	}
	if e.Task.Type != schemas.TypeReport || e.Task.Source != schemas.SourceSchedule || e.Status != schemas.StatusCompleted && e.Status != schemas.StatusError {
		return nil
	}
	n.Metrics.In(schemas.StageNotify).Inc()
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		err := n.note(ctx, e)
		if err == nil {
			return nil
		}
		if !errors.Is(err, state.ErrNotReady) && ctx.Err() == nil {
			n.Metrics.Errors(schemas.StageNotify, "ours").Inc()
			n.Log.Error("note that a report has ended", "task", e.Task.Code, "error", err, "again_in", wait)
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

const (
	retryFirst = 200 * time.Millisecond
	retryMost  = 10 * time.Second
)

// note writes down how a report ended and whom to tell. Nobody is told of a
// schedule that was deleted, nor of a period that is no longer remembered. Of a
// report that failed and is made after all, when its dead letter is taken back,
// everybody is told anew.
func (n *Notifier) note(ctx context.Context, e schemas.TaskStatus) error {
	named, err := schemas.ScheduledFrom(e.Task.ExternalID)
	if err != nil {
		n.Log.Error("a report of no schedule", "task", e.Task.Code, "error", err)
		return nil
	}
	org := e.Task.Org
	return n.inTurn(ctx, org, named.Schedule, func(ctx context.Context, run *schemas.ScheduleRun) (bool, error) {
		s, err := state.Get[schemas.ReportSchedule](ctx, n.Store, org, schemas.KindSchedule, named.Schedule)
		if err != nil || s == nil {
			return false, err
		}
		report := run.Run(named.From, named.To)
		if report == nil { // whoever submitted it has not noted it yet
			named.Status, named.TaskCode = schemas.StatusPending, e.Task.Code
			report = run.Add(named)
		}
		if report == nil || report.TaskCode != e.Task.Code {
			return false, nil
		}
		again := report.Status == schemas.StatusError && e.Status == schemas.StatusCompleted
		if report.Status != schemas.StatusPending && !again {
			return false, nil
		}
		report.End(e.Status, e.Error, e.Files, n.now().UTC().Truncate(time.Microsecond), *s)
		select {
		case n.ended <- struct{}{}:
		default:
		}
		return true, nil
	})
}

// inTurn changes what became of a schedule's reports, while nobody else does;
// change says whether there is something to save.
func (n *Notifier) inTurn(ctx context.Context, org string, schedule int64, change func(context.Context, *schemas.ScheduleRun) (bool, error)) error {
	return n.Store.InTurn(ctx, org, schemas.ScheduleTurn(schedule), func(ctx context.Context) error {
		run, err := state.Get[schemas.ScheduleRun](ctx, n.Store, org, schemas.KindScheduleRun, schedule)
		if err != nil {
			return err
		}
		if run == nil {
			run = &schemas.ScheduleRun{Schedule: schedule}
		}
		if save, err := change(ctx, run); err != nil || !save {
			return err
		}
		return n.Save(ctx, org, schemas.KindScheduleRun, strconv.FormatInt(schedule, 10), run)
	})
}

// pause waits; it ends early with ctx, and then gives its error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
