package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
	"gocloud.dev/blob/memblob"

	"earshot/schemas"
	"earshot/schemas/fetch"
	"earshot/sinks/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	org     = "org_1"
	testKey = "0123456789abcdef0123456789abcdef"
)

// world is a log, a state that follows it, and a clock that a test moves.
type world struct {
	t        *testing.T
	deps     Deps
	rdb      *redis.Client
	producer *kgo.Client
	version  atomic.Int64
	ahead    atomic.Int64 // of the real time
	mu       sync.Mutex
	audited  []schemas.AuditRecorded
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	seeds := []kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second)}
	for _, topic := range schemas.Topics {
		seeds = append(seeds, kfake.SeedTopics(int32(topic.Partitions), topic.Name))
	}
	cluster, err := kfake.NewCluster(seeds...)
	w.must(err)
	t.Cleanup(cluster.Close)
	client := func(opts ...kgo.Opt) (*kgo.Client, error) {
		return kgo.NewClient(append(opts, kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.FetchMaxWait(50*time.Millisecond))...)
	}
	w.rdb = redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { w.rdb.Close() })
	w.producer, err = client()
	w.must(err)
	t.Cleanup(w.producer.Close)
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { bucket.Close() })
	w.deps = Deps{Store: state.New(w.rdb, state.Config{}), NewClient: client, Codec: &schemas.Codec{}, Blobs: bucket,
		Metrics: schemas.NewStageMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler), Save: w.save, Remove: w.remove,
		Audit: func(e schemas.AuditRecorded) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.audited = append(w.audited, e)
		}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- state.NewProjection(w.deps.Store, client, w.deps.Codec, w.deps.Metrics, w.deps.Log).Run(ctx)
	}()
	t.Cleanup(func() { cancel(); w.must(<-done) })
	w.must(w.deps.Store.AwaitReady(t.Context()))
	w.must(w.save(t.Context(), org, schemas.KindOrganisation, org, schemas.Organisation{ID: org}))
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// save is what ingest's Door does, which may not be imported here.
func (w *world) save(ctx context.Context, org, kind, id string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return w.change(ctx, schemas.EntityChanged{Org: org, Kind: kind, ID: id, Data: data})
}

func (w *world) remove(ctx context.Context, org, kind, id string) error {
	return w.change(ctx, schemas.EntityChanged{Org: org, Kind: kind, ID: id, Deleted: true})
}

func (w *world) change(ctx context.Context, e schemas.EntityChanged) error {
	e.Version, e.UpdatedAt = w.version.Add(1), time.Now()
	r, err := w.deps.Codec.Record(schemas.TopicEntities, "test", e)
	if err != nil {
		return err
	}
	return errors.Join(w.producer.ProduceSync(ctx, r).FirstErr(), w.deps.Store.Apply(ctx, e))
}

// notifier is one that may reach this machine, with the mail server at smtp.
func (w *world) notifier(smtp string, allow ...string) *Notifier {
	w.t.Helper()
	cfg := Config{SMTP: smtp, Key: testKey, PublicURL: "https://earshot.example.com/", Fetch: fetch.Config{Allow: allow}}
	w.must(cfg.Validate())
	n := New(cfg, w.deps)
	n.now = func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }
	w.t.Cleanup(n.http.CloseIdleConnections)
	return n
}

// run runs a notifier until stop.
func (w *world) run(n *Notifier) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	return func() { cancel(); w.must(<-done) }
}

// schedule is a weekly one with a report of a week, and its files.
func (w *world) schedule(s schemas.ReportSchedule) (schemas.ReportSchedule, schemas.TaskStatus) {
	w.t.Helper()
	s.Name, s.Every, s.At, s.Zone, s.Active = "Monday", schemas.EveryWeek, "08:00", "Europe/Berlin", true
	if s.ReportType == "" {
		s.ReportType = schemas.ReportStandard
	}
	w.must(w.save(w.t.Context(), org, schemas.KindSchedule, fmt.Sprint(s.ID), s))
	report := schemas.Scheduled{Schedule: s.ID, From: "2026-10-05", To: "2026-10-11"}
	task := schemas.Task{Code: fmt.Sprintf("0199aaaa-0000-7000-8000-%012d", s.ID), ID: s.ID, Org: org, Type: schemas.TypeReport, Source: schemas.SourceSchedule,
		ExternalID: report.ExternalID(), ReportType: s.ReportType, Language: s.Language}
	e := schemas.TaskStatus{Task: task, Status: schemas.StatusCompleted, Version: schemas.StatusVersion(schemas.StatusCompleted), UpdatedAt: time.Now(),
		Files: []string{"report_1.pdf", "report_1.html", "report_1.json", "report_1_days.csv"}}
	for name, content := range map[string]string{"report_1.pdf": "%PDF-1.7 of schedule " + fmt.Sprint(s.ID), "report_1.html": "<html>",
		"report_1.json": `{"quality":{"total":{"conversations":120,"score":78.25,"csat":8.1,"resolved":0.834,"risky":7},"previous":{"conversations":100}}}`} {
		w.must(w.deps.Blobs.WriteAll(w.t.Context(), schemas.ReportKey(task, name), []byte(content), nil))
	}
	return s, e
}

func (w *world) produce(e schemas.TaskStatus) {
	w.t.Helper()
	r, err := w.deps.Codec.Record(schemas.TopicStatus, "test", e)
	w.must(err)
	w.must(w.producer.ProduceSync(w.t.Context(), r).FirstErr())
}

// sends is how far telling of a schedule's newest report has come.
func (w *world) sends(id int64) []schemas.Send {
	w.t.Helper()
	run, err := state.Get[schemas.ScheduleRun](w.t.Context(), w.deps.Store, org, schemas.KindScheduleRun, id)
	if errors.Is(err, state.ErrNotReady) {
		return nil
	}
	w.must(err)
	if run == nil || len(run.Reports) == 0 {
		return nil
	}
	return run.Reports[len(run.Reports)-1].Sends
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// receiver is a webhook's; it answers with the statuses of its list in turn, then
// with 200.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	statuses []int
	ids      []string
	bodies   []string
}

func newReceiver(t *testing.T, statuses ...int) *receiver {
	t.Helper()
	r := &receiver{statuses: statuses}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bodies = append(r.bodies, string(body))
		r.ids = append(r.ids, req.Header.Get(standardwebhooks.HeaderWebhookID))
		verifier, err := standardwebhooks.NewWebhook(secretOf)
		if err != nil {
			t.Error(err)
		} else if err := verifier.VerifyIgnoringTimestamp(body, req.Header); err != nil { // the tests move the clock
			t.Error(err)
		}
		if len(r.statuses) > 0 {
			if r.statuses[0] == http.StatusFound {
				w.Header().Set("Location", "http://10.0.0.1/")
			}
			w.WriteHeader(r.statuses[0])
			r.statuses = r.statuses[1:]
		}
	}))
	t.Cleanup(r.Close)
	return r
}

const salt = "SALT"

// secretOf signs what the tests' webhooks get.
var secretOf = (&Notifier{key: testKey}).Secret(org, salt)

func (r *receiver) seen() (bodies, ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.bodies...), append([]string{}, r.ids...)
}

func (r *receiver) hook() []schemas.Webhook {
	return []schemas.Webhook{{URL: r.URL + "/hook", Salt: salt}}
}
