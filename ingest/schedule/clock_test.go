package schedule

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"gocloud.dev/blob/memblob"

	"earshot/ingest"
	"earshot/schemas"
	"earshot/sinks/state"
)

// house is a door with all that it stands on.
type house struct {
	t      *testing.T
	rdb    *redis.Client
	store  *state.Store
	door   *ingest.Door
	client func(...kgo.Opt) (*kgo.Client, error)
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t}
	seeds := []kfake.Opt{kfake.NumBrokers(1)}
	for _, topic := range schemas.Topics {
		seeds = append(seeds, kfake.SeedTopics(int32(topic.Partitions), topic.Name))
	}
	cluster, err := kfake.NewCluster(seeds...)
	h.must(err)
	t.Cleanup(cluster.Close)
	h.client = func(opts ...kgo.Opt) (*kgo.Client, error) {
		return kgo.NewClient(append(opts, kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.FetchMaxWait(50*time.Millisecond))...)
	}
	h.rdb = redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { h.rdb.Close() })
	h.store = state.New(h.rdb, state.Config{})
	producer, err := h.client()
	h.must(err)
	t.Cleanup(producer.Close)
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { bucket.Close() })
	var codec schemas.Codec
	metrics, log := schemas.NewStageMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- state.NewProjection(h.store, h.client, &codec, metrics, log).Run(ctx) }()
	t.Cleanup(func() { cancel(); h.must(<-done) })
	h.must(h.store.AwaitReady(t.Context()))
	h.door = ingest.NewDoor(ingest.Config{ProduceTimeout: 8 * time.Second}, h.store, producer, &codec, bucket, metrics, log)
	return h
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) save(org, kind, id string, value any) {
	h.t.Helper()
	h.must(h.door.Save(h.t.Context(), org, kind, id, value))
}

// clock is one at a moment.
func (h *house) clock(now string) *Clock {
	c := NewClock(h.store, h.door, slog.New(slog.DiscardHandler))
	c.now = func() time.Time { return at(h.t, now) }
	return c
}

func (h *house) runs(org string) schemas.ScheduleRun {
	h.t.Helper()
	run, err := state.Get[schemas.ScheduleRun](h.t.Context(), h.store, org, schemas.KindScheduleRun, 1)
	h.must(err)
	if run == nil {
		return schemas.ScheduleRun{}
	}
	return *run
}

// ordered reads the whole topic of reports: by organisation and external id.
func (h *house) ordered(want int) map[string]schemas.TaskSubmitted {
	h.t.Helper()
	client, err := h.client(kgo.ConsumeTopics(schemas.TopicReport), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	h.must(err)
	defer client.Close()
	all := map[string]schemas.TaskSubmitted{}
	var codec schemas.Codec
	n := 0
	for quiet := 0; n < want || quiet < 3; quiet++ { // and a little longer, for what should not be there
		ctx, cancel := context.WithTimeout(h.t.Context(), 10*time.Second)
		if n >= want {
			ctx, cancel = context.WithTimeout(h.t.Context(), 100*time.Millisecond)
		}
		fetches := client.PollFetches(ctx)
		cancel()
		fetches.EachRecord(func(r *kgo.Record) {
			var e schemas.TaskSubmitted
			h.must(codec.Decode(r.Value, &e))
			all[e.Task.Org+" "+e.Task.ExternalID] = e
			n++
		})
		if n < want && quiet > 10 {
			break
		}
	}
	if n != want || len(all) != want {
		h.t.Errorf("%d records of %d reports, want %d", n, len(all), want)
	}
	return all
}

func daily() schemas.ReportSchedule {
	return schemas.ReportSchedule{ID: 1, User: 3, Name: "Every morning", Every: schemas.EveryDay, At: "08:00", Zone: "Europe/Berlin", ReportType: schemas.ReportBusiness,
		Language: "ru", Emails: []string{"anna@example.com"}, Webhooks: []schemas.Webhook{}, Active: true, Since: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
}

func (h *house) organisation(org string) {
	h.t.Helper()
	h.save(org, schemas.KindOrganisation, org, schemas.Organisation{ID: org})
	h.save(org, schemas.KindPlan, org, schemas.Plans["enterprise"].Subscribe(time.Now().Add(-time.Hour)))
}

// Several processes, ten days in which none ran, a crash and a Redis that lost
// everything: of each organisation one report, the last one that was missed.
func TestEachReportIsOrderedOnce(t *testing.T) {
	h := newHouse(t)
	for _, org := range []string{"org_1", "org_2"} {
		h.organisation(org)
		h.save(org, schemas.KindSchedule, "1", daily())
	}
	look := func(now string) {
		t.Helper()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if err := h.clock(now).look(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	look("2026-03-29T07:00:00Z") // summer time began that night: 09:00 there, and nothing ran since the first of March
	all := h.ordered(2)
	e := all["org_2 1/2026-03-28/2026-03-28"]
	task := schemas.Task{Code: e.Task.Code, ID: 1, Org: "org_2", User: 3, Type: schemas.TypeReport, Source: schemas.SourceSchedule, ExternalID: "1/2026-03-28/2026-03-28",
		Processing: e.Task.Processing, Digest: e.Task.Digest, Language: "ru", CreatedAt: e.Task.CreatedAt, ReportType: schemas.ReportBusiness, Resource: schemas.ResourceReports, Reserved: 1}
	if e.Task != task || e.Report == nil || !e.Report.From.Equal(at(t, "2026-03-27T23:00:00Z")) || !e.Report.Until.Equal(at(t, "2026-03-28T23:00:00Z")) || e.Report.Zone != "Europe/Berlin" {
		t.Errorf("%+v %+v", e.Task, e.Report)
	}
	if run := h.runs("org_2"); len(run.Reports) != 1 || run.Reports[0].TaskCode != e.Task.Code || !run.Reports[0].Due.Equal(at(t, "2026-03-29T06:00:00Z")) || run.Reports[0].Sends != nil {
		t.Errorf("%+v", run)
	}

	h.must(h.rdb.FlushAll(t.Context()).Err())
	h.must(h.clock("2026-03-29T07:01:00Z").look(t.Context())) // not ready: nothing
	h.must(h.store.AwaitReady(t.Context()))
	look("2026-03-29T07:02:00Z")
	h.ordered(2)

	// The process died after the order and before it was noted.
	h.must(h.door.Remove(t.Context(), "org_2", schemas.KindScheduleRun, "1"))
	look("2026-03-29T07:03:00Z")
	h.ordered(2)
	if run := h.runs("org_2"); len(run.Reports) != 1 || run.Reports[0].TaskCode != e.Task.Code {
		t.Errorf("%+v", run)
	}

	look("2026-03-30T05:59:59Z")
	h.ordered(2)
	look("2026-03-30T06:00:00Z")
	h.ordered(4)
	if run := h.runs("org_1"); len(run.Reports) != 2 || run.Reports[1].From != "2026-03-29" {
		t.Errorf("%+v", run)
	}
}

func TestNothingIsOrdered(t *testing.T) {
	h := newHouse(t)
	for name, change := range map[string]func(*schemas.ReportSchedule){
		"off":                  func(s *schemas.ReportSchedule) { s.Active = false },
		"made after it":        func(s *schemas.ReportSchedule) { s.Since = at(t, "2026-03-29T06:00:00Z") },
		"a zone that was lost": func(s *schemas.ReportSchedule) { s.Zone = "Mars/Olympus" },
		"disabled":             func(*schemas.ReportSchedule) {},
	} {
		org := "org_" + strings.ReplaceAll(name, " ", "_")
		h.organisation(org)
		if name == "disabled" {
			h.save(org, schemas.KindOrganisation, org, schemas.Organisation{ID: org, Disabled: true})
		}
		s := daily()
		change(&s)
		h.save(org, schemas.KindSchedule, "1", s)
	}
	err := h.clock("2026-03-29T07:00:00Z").look(t.Context())
	if e, ok := schemas.RecordFault(err); !ok || e.Code != schemas.CodeInvalid {
		t.Errorf("the zone: %v", err)
	}
	h.ordered(0)
}

// Whatever a schedule is changed to, periods that end later than the newest, or
// with it, are ordered, each once.
func TestAnotherFrequencyLosesNoReport(t *testing.T) {
	h := newHouse(t)
	h.organisation("org_1")
	for i, step := range []struct{ every, at, since, now string }{
		{schemas.EveryDay, "08:00", "2026-10-08T00:00:00Z", "2026-10-08T07:00:00Z"},  // Thursday: of Wednesday
		{schemas.EveryWeek, "08:00", "2026-10-08T09:00:00Z", "2026-10-12T07:00:00Z"}, // Monday: of a week that began before that
		{schemas.EveryDay, "10:00", "2026-10-12T07:30:00Z", "2026-10-12T08:30:00Z"},  // of Sunday, as the week's last day
		{schemas.EveryWeek, "11:00", "2026-10-12T08:40:00Z", "2026-10-12T09:30:00Z"}, // that week was ordered
	} {
		s := daily()
		s.Every, s.At, s.Since = step.every, step.at, at(t, step.since)
		h.save("org_1", schemas.KindSchedule, "1", s)
		for range 2 {
			h.must(h.clock(step.now).look(t.Context()))
		}
		h.ordered(min(i+1, 3))
	}
	for _, id := range []string{"1/2026-10-07/2026-10-07", "1/2026-10-05/2026-10-11", "1/2026-10-11/2026-10-11"} {
		if _, ok := h.ordered(3)["org_1 "+id]; !ok {
			t.Errorf("%s was not ordered", id)
		}
	}
}

// A schedule that goes between the look and its turn orders nothing, and leaves
// nothing behind.
func TestASchedulesEnd(t *testing.T) {
	h := newHouse(t)
	h.organisation("org_1")
	c := h.clock("2026-03-29T07:00:00Z")
	h.must(c.submit(t.Context(), "org_1", 1)) // it was deleted
	s := daily()
	s.Active = false
	h.save("org_1", schemas.KindSchedule, "1", s)
	h.must(c.submit(t.Context(), "org_1", 1))
	h.ordered(0)
	if run := h.runs("org_1"); run.Schedule != 0 {
		t.Errorf("%+v", run)
	}
}

// What the plan refuses is not tried again and again, and everybody hears of it.
func TestAPlanRefuses(t *testing.T) {
	h := newHouse(t)
	plan := schemas.Plans["enterprise"].Subscribe(time.Now().Add(-time.Hour))
	plan.Limits = map[string]int64{schemas.ResourceReports: 0}
	h.save("org_1", schemas.KindOrganisation, "org_1", schemas.Organisation{ID: "org_1"})
	h.save("org_1", schemas.KindPlan, "org_1", plan)
	h.save("org_1", schemas.KindSchedule, "1", daily())
	for range 3 {
		h.must(h.clock("2026-03-29T07:00:00Z").look(t.Context()))
	}
	h.ordered(0)
	run := h.runs("org_1")
	if len(run.Reports) != 1 || run.Reports[0].Status != schemas.StatusError || !strings.Contains(run.LastError(), "бизнес-отчёт") ||
		len(run.Reports[0].Sends) != 1 || run.Reports[0].Sends[0].To != "anna@example.com" || run.Reports[0].Sends[0].Next.IsZero() {
		t.Errorf("%+v", run)
	}
	for i := range 2 * schemas.MaxScheduled { // only the last ones are kept
		h.must(h.clock(fmt.Sprintf("2026-04-%02dT07:00:00Z", i+1)).look(t.Context()))
	}
	if run := h.runs("org_1"); len(run.Reports) != schemas.MaxScheduled || run.Reports[0].From != "2026-04-05" {
		t.Errorf("%+v", run)
	}
}
