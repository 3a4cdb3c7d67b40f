package notify

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"earshot/schemas"
	"earshot/sinks/state"
)

// A mail server that is busy, a receiver that is broken, a program that stops and
// a Redis that loses everything: in the end everybody was told, under one id.
func TestEverybodyIsToldInTheEnd(t *testing.T) {
	w, o, hook := newWorld(t), newOffice(t, false, true), newReceiver(t, http.StatusInternalServerError)
	o.refusal = []error{errNotYet}
	s, e := w.schedule(schemas.ReportSchedule{ID: 7, Language: "en", Emails: []string{"anna@example.com"}, Webhooks: hook.hook()})
	notifier := func() *Notifier {
		n := w.notifier(o.url("smtp://%s?from=earshot@example.com"), "127.0.0.0/8")
		n.roots = o.roots
		return n
	}
	stop := w.run(notifier())
	w.produce(e)
	tried := func(sends []schemas.Send) bool {
		return len(sends) == 2 && sends[0].Error != "" && sends[1].Error != "" && sends[0].Tries == 1 && sends[1].Tries == 1
	}
	eventually(t, "both were tried", func() bool { return tried(w.sends(s.ID)) })
	stop()
	if sends := w.sends(s.ID); !strings.Contains(sends[0].Error, "421") || !strings.Contains(sends[1].Error, "500") || len(o.got()) != 0 {
		t.Errorf("%+v", sends)
	}
	w.must(w.rdb.FlushAll(t.Context()).Err())
	w.ahead.Add(int64(waits[0] + time.Second))
	stop = w.run(notifier())
	defer stop()
	eventually(t, "both were told", func() bool {
		sends := w.sends(s.ID)
		return len(sends) == 2 && !sends[0].Sent.IsZero() && !sends[1].Sent.IsZero()
	})
	bodies, ids := hook.seen()
	if len(ids) != 2 || ids[0] != ids[1] || len(o.got()) != 1 || o.got()[0].attachment != "%PDF-1.7 of schedule 7" {
		t.Errorf("webhooks %v, letters %d", ids, len(o.got()))
	}
	var got struct {
		Event string         `json:"event"`
		At    time.Time      `json:"timestamp"`
		Data  map[string]any `json:"data"`
	}
	w.must(json.Unmarshal([]byte(bodies[1]), &got))
	link := func(name string) any {
		return map[string]any{"filename": name, "url": "https://earshot.example.com/user/callreport/file?filename=" + name + "&task_code=" + e.Task.Code}
	}
	want := map[string]any{"schedule_id": 7.0, "schedule_name": "Monday", "task_code": e.Task.Code, "report_type": "standard", "language": "en", "status": "completed",
		"period": map[string]any{"from": "2026-10-05", "to": "2026-10-11", "time_zone": "Europe/Berlin"},
		"files":  []any{link("report_1.pdf"), link("report_1.html"), link("report_1.json"), link("report_1_days.csv")}}
	if got.Event != eventCompleted || got.At.IsZero() || !reflect.DeepEqual(got.Data, want) || bodies[0] != bodies[1] {
		t.Errorf("%s", bodies[1])
	}
}

// What was said once is not said again, whatever comes again from the log, and
// whoever looks at the same time.
func TestToldOnce(t *testing.T) {
	w, hook := newWorld(t), newReceiver(t)
	s, e := w.schedule(schemas.ReportSchedule{ID: 1, Language: "en", Webhooks: hook.hook()})
	n, other := w.notifier("", "127.0.0.1"), w.notifier("", "127.0.0.1")
	for range 2 {
		var both sync.WaitGroup
		for _, one := range []*Notifier{n, other} {
			both.Go(func() {
				if err := errors.Join(one.note(t.Context(), e), one.round(t.Context())); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
	}
	w.must(n.round(t.Context()))
	if bodies, _ := hook.seen(); len(bodies) != 1 || w.sends(s.ID)[0].Tries != 1 {
		t.Errorf("%d messages, %+v", len(bodies), w.sends(s.ID))
	}
	// An earlier period that nobody remembers, another task of the same one, and
	// a schedule that was deleted.
	for _, id := range []string{"1/2026-09-28/2026-10-04", "1/2026-10-05/2026-10-11", "9/2026-10-12/2026-10-18", "nonsense"} {
		late := e
		late.Task.Code, late.Task.ExternalID = "0199bbbb-0000-7000-8000-000000000000", id
		w.must(n.note(t.Context(), late))
	}
	w.must(n.round(t.Context()))
	if bodies, _ := hook.seen(); len(bodies) != 1 {
		t.Errorf("%q", bodies)
	}
}

// A claim of a process that died is taken on by another one when its lease is
// over, and not before; five who die are enough.
func TestALeaseEnds(t *testing.T) {
	w, hook := newWorld(t), newReceiver(t)
	s, e := w.schedule(schemas.ReportSchedule{ID: 1, Language: "en", Webhooks: hook.hook()})
	n := w.notifier("", "127.0.0.1")
	w.must(n.note(t.Context(), e))
	claimed, err := n.takeOn(t.Context(), org)
	if err != nil || len(claimed) != 1 {
		t.Fatal(claimed, err)
	}
	w.must(n.round(t.Context()))
	if bodies, _ := hook.seen(); len(bodies) != 0 {
		t.Error("told although another one is at it")
	}
	w.ahead.Add(int64(lease - tryTime/2))
	w.must(n.run(t.Context(), claimed[0])) // it had to wait for so long
	if bodies, _ := hook.seen(); len(bodies) != 0 {
		t.Error("told when another one might be at it before this one is through")
	}
	w.ahead.Add(int64(tryTime/2 + time.Second))
	w.must(n.round(t.Context()))
	if bodies, _ := hook.seen(); len(bodies) != 1 || w.sends(s.ID)[0].Tries != 2 {
		t.Errorf("%+v", w.sends(s.ID))
	}
	s, e = w.schedule(schemas.ReportSchedule{ID: 2, Language: "en", Webhooks: hook.hook()})
	w.must(n.note(t.Context(), e))
	for range len(waits) + 1 {
		if claimed, err := n.takeOn(t.Context(), org); err != nil || len(claimed) != 1 {
			t.Fatal(claimed, err)
		}
		w.ahead.Add(int64(lease + time.Second))
	}
	w.must(n.round(t.Context()))
	if bodies, _ := hook.seen(); len(bodies) != 1 || !w.sends(s.ID)[0].Next.IsZero() || w.sends(s.ID)[0].Error != "the program ended during the last try" {
		t.Errorf("%+v", w.sends(s.ID))
	}
}

// A report whose dead letter was taken back is told of after all, as another
// message, whatever the log repeats.
func TestMadeAfterAll(t *testing.T) {
	w, hook := newWorld(t), newReceiver(t)
	_, made := w.schedule(schemas.ReportSchedule{ID: 1, Language: "en", Webhooks: hook.hook()})
	failed := made
	failed.Status, failed.Error, failed.Files = schemas.StatusError, "no disk", nil
	n := w.notifier("", "127.0.0.1")
	for _, e := range []schemas.TaskStatus{failed, failed, made, failed, made} {
		w.must(n.note(t.Context(), e))
		w.must(n.round(t.Context()))
	}
	bodies, ids := hook.seen()
	if len(bodies) != 2 || ids[0] == ids[1] || !strings.Contains(bodies[0], eventFailed) || !strings.Contains(bodies[1], eventCompleted) {
		t.Errorf("%v %q", ids, bodies)
	}
}

// Nobody hears of a schedule that was deleted, nor while the organisation is
// disabled; and the secret is the one of now.
func TestWhoIsNotTold(t *testing.T) {
	w, hook := newWorld(t), newReceiver(t)
	old := []schemas.Webhook{{URL: hook.URL + "/hook", Salt: "what it was"}}
	_, deleted := w.schedule(schemas.ReportSchedule{ID: 1, Language: "en", Webhooks: old})
	s, e := w.schedule(schemas.ReportSchedule{ID: 2, Language: "en", Webhooks: old})
	n := w.notifier("", "127.0.0.1")
	w.must(n.note(t.Context(), deleted))
	w.must(n.note(t.Context(), e))
	w.must(w.remove(t.Context(), org, schemas.KindSchedule, "1"))
	w.must(w.save(t.Context(), org, schemas.KindOrganisation, org, schemas.Organisation{ID: org, Disabled: true}))
	w.must(n.round(t.Context()))
	if bodies, _ := hook.seen(); len(bodies) != 0 || w.sends(s.ID)[0].Tries != 0 {
		t.Errorf("%q %+v", bodies, w.sends(s.ID))
	}
	s.Webhooks = hook.hook()
	w.must(w.save(t.Context(), org, schemas.KindSchedule, "2", s))
	w.must(w.save(t.Context(), org, schemas.KindOrganisation, org, schemas.Organisation{ID: org}))
	w.must(n.round(t.Context()))
	if bodies, _ := hook.seen(); len(bodies) != 1 || w.sends(s.ID)[0].Sent.IsZero() {
		t.Errorf("%q %+v", bodies, w.sends(s.ID))
	}
	if run, err := state.Get[schemas.ScheduleRun](t.Context(), w.deps.Store, org, schemas.KindScheduleRun, 1); run != nil || err != nil {
		t.Errorf("what became of the deleted one is kept: %+v %v", run, err)
	}
}

func TestGivenUp(t *testing.T) {
	w, o := newWorld(t), newOffice(t, false, true)
	moved := []int{http.StatusFound, http.StatusFound, http.StatusFound, http.StatusFound, http.StatusFound, http.StatusFound}
	for i, c := range []struct {
		name  string
		hook  *receiver
		mail  int // what the server says to the recipient; 0: it is not asked
		allow string
		tries int64
		error string
	}{
		{"a mailbox that is not there", nil, 550, "", 1, "550"},
		{"a private address", newReceiver(t), 0, "10.0.0.0/8", 1, "EARSHOT_FETCH_ALLOW"},
		{"one that wants no more", newReceiver(t, http.StatusGone), 0, "127.0.0.1", 1, "410"},
		{"one that has moved to a private address", newReceiver(t, moved...), 0, "127.0.0.1", 5, "302"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := schemas.ReportSchedule{ID: int64(i + 1), User: 3, Language: "en"}
			if c.hook != nil {
				s.Webhooks = c.hook.hook()
			} else {
				s.Emails = []string{"anna@example.com"}
				o.refusal = []error{&smtp.SMTPError{Code: c.mail, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}}
			}
			s, e := w.schedule(s)
			n := w.notifier(o.url("smtp://%s?from=earshot@example.com"), strings.Fields(c.allow)...)
			n.roots = o.roots
			w.must(n.note(t.Context(), e))
			begin := w.ahead.Load()
			for range 10 {
				w.must(n.round(t.Context()))
				w.must(n.round(t.Context())) // too early: nothing
				if next := w.sends(s.ID)[0].Next; !next.IsZero() {
					w.ahead.Add(int64(next.Sub(n.now())))
				}
			}
			send := w.sends(s.ID)[0]
			if send.Tries != c.tries || !send.Next.IsZero() || !send.Sent.IsZero() || !strings.Contains(send.Error, c.error) {
				t.Errorf("%+v", send)
			}
			if took := time.Duration(w.ahead.Load() - begin); took > 61*time.Minute {
				t.Errorf("tried for %s", took)
			}
			run, err := state.Get[schemas.ScheduleRun](t.Context(), w.deps.Store, org, schemas.KindScheduleRun, s.ID)
			w.must(err)
			if !strings.Contains(run.LastError(), c.error) {
				t.Errorf("%q", run.LastError())
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.audited) != i+1 || w.audited[i].Action != schemas.AuditGivenUp || w.audited[i].Org != org {
				t.Errorf("%+v", w.audited)
			}
		})
	}
}
