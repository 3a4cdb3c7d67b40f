package report

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
	"github.com/pressly/goose/v3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"earshot/charts/pdf"
	"earshot/deploy/engines"
	"earshot/processors"
	"earshot/query/read"
	"earshot/schemas"
	"earshot/sinks/state"
)

const org = "org_test"

// october is the period of the rows that every test finds.
var october = schemas.ReportOrder{From: time.Date(2025, 10, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2025, 11, 1, 0, 0, 0, 0, time.UTC), Zone: "UTC"}

// bed is the real engines, embedded, with the state and a worker of reports running.
type bed struct {
	*Maker
	t        *testing.T
	engines  *engines.Engines
	producer *kgo.Client
	codec    schemas.Codec
	metrics  *schemas.StageMetrics
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newBed(t *testing.T, cfg pdf.Config) *bed {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
	log := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	b := &bed{t: t, metrics: schemas.NewStageMetrics(prometheus.NewRegistry())}
	b.engines = must(engines.Open(ctx, engines.Config{Data: t.TempDir(), ClickHouseMemory: 512 << 20, ClickHouseListen: "127.0.0.1:0", KafkaReplication: -1}, log))
	check(t, b.engines.EnsureTopics(ctx, schemas.Topics), b.engines.EnsureShareGroup(ctx, schemas.GroupReport, 2*time.Second))
	provider := must(goose.NewProvider(goose.DialectClickHouse, b.engines.SQL(), must(fs.Sub(schemas.DDL, "ddl"))))
	must(provider.Up(ctx))
	b.producer = must(b.engines.Kafka())
	store := state.New(b.engines.Redis, state.Config{})
	projected := make(chan error, 1)
	go func() { projected <- state.NewProjection(store, b.engines.Kafka, &b.codec, b.metrics, log).Run(ctx) }()
	check(t, store.AwaitReady(ctx))
	cfg.Timeout, cfg.Idle, cfg.Memory, cfg.MaxBytes = cmp.Or(cfg.Timeout, time.Minute), time.Minute, 2048, 64<<20
	b.Maker = New(Config{PDF: cfg, Link: "https://crm.example.com/{code}"}, "test-1", store, read.New(b.engines.ClickHouse), b.engines.Blobs, b.producer, b.metrics, log)
	w := &processors.Worker{Config: processors.Config{Lock: 5 * time.Second, Grace: time.Second, Attempts: 3}, Stage: b.Stage(), Slots: Slots,
		NewClient: b.engines.Kafka, Producer: b.producer, Store: store, Codec: &b.codec, Metrics: b.metrics, Log: log}
	worked := make(chan error, 1)
	go func() { worked <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		check(t, <-worked, <-projected)
		b.Close()
		b.producer.Close()
		stop, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		check(t, b.engines.Close(stop))
	})
	b.insert(2000)
	b.commit(2000)
	b.produce(schemas.TopicEntities, schemas.EntityChanged{Org: org, Kind: schemas.KindOrganisation, ID: org, Version: 1, UpdatedAt: time.Now(), Data: must(json.Marshal(schemas.Organisation{ID: org, Name: "Acme & Söhne"}))},
		schemas.EntityChanged{Org: org, Kind: schemas.KindPlan, ID: org, Version: 1, UpdatedAt: time.Now(), Data: must(json.Marshal(schemas.Plans["enterprise"].Subscribe(time.Now().Add(-time.Hour))))})
	b.await("the name of the organisation", func() bool { o, err := store.Organisation(ctx, org); return err == nil && o.Name != "" })
	return b
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
}

// insert puts interactions of October into the database, as benchmarks do.
func (b *bed) insert(rows int) {
	b.t.Helper()
	query := string(must(os.ReadFile("../../query/read/testdata/interactions.sql")))
	check(b.t, b.engines.ClickHouse.Exec(b.t.Context(), query, clickhouse.Named("org", org), clickhouse.Named("first", 0), clickhouse.Named("rows", rows),
		clickhouse.Named("begin", october.From), clickhouse.Named("step", 30*24*3600*1000/rows)))
}

// commit says that the warehouse has read the log up to an offset.
func (b *bed) commit(offset int64) {
	b.t.Helper()
	var o kadm.Offsets
	for _, topic := range []string{schemas.TopicAnalyses, schemas.TopicAudit} {
		o.AddOffset(topic, 1, offset, -1)
	}
	check(b.t, kadm.NewClient(b.producer).CommitAllOffsets(b.t.Context(), schemas.GroupWarehouse, o))
}

func (b *bed) produce(topic string, events ...any) {
	b.t.Helper()
	for _, e := range events {
		check(b.t, b.producer.ProduceSync(b.t.Context(), must(b.codec.Record(topic, "test", e))).FirstErr())
	}
}

func (b *bed) await(what string, holds func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("waited in vain: %s", what)
		}
	}
}

var ids int64

func (b *bed) task(kind, lang string) schemas.Task {
	ids++
	t := schemas.Task{Code: must(uuid.NewV7()).String(), ID: ids, Org: org, User: 1, Type: schemas.TypeReport, ReportType: kind, Language: lang, CreatedAt: time.Now().UTC().Truncate(time.Microsecond)}
	if kind == schemas.ReportBusiness {
		t.Resource, t.Reserved = schemas.ResourceReports, 1
	}
	return t
}

// order has a report made and gives what became of its task.
func (b *bed) order(t schemas.Task) (ended state.TaskState) {
	b.t.Helper()
	b.produce(schemas.TopicReport, schemas.TaskSubmitted{Task: t, Report: &october})
	b.await("the report ends", func() bool {
		var err error
		ended, err = b.Store.Task(b.t.Context(), org, t.Code)
		return err == nil && (ended.Status == schemas.StatusCompleted || ended.Status == schemas.StatusError)
	})
	return ended
}

// used are business reports used and reserved.
func (b *bed) used() state.Amount {
	return must(b.Store.Quota(b.t.Context(), org)).Resources[schemas.ResourceReports]
}

func TestReports(t *testing.T) {
	b := newBed(t, pdf.Config{})
	for _, c := range []struct{ kind, lang, says string }{{schemas.ReportStandard, "en", "Operator"}, {schemas.ReportBusiness, "ru", "отчёт"}, {schemas.ReportDaily, "en", "Daily"}} {
		t.Run(c.kind, func(t *testing.T) {
			task := b.task(c.kind, c.lang)
			got := b.order(task)
			base := fmt.Sprintf("report_%d", task.ID)
			if got.Status != schemas.StatusCompleted || got.Error != "" || len(got.Files) < 5 || !slices.Equal(got.Files[:4], []string{base + ".pdf", base + ".html", base + ".xlsx", base + ".json"}) || got.Task.FileName != base+".pdf" {
				t.Fatalf("%+v", got)
			}
			for _, file := range got.Files {
				content := must(b.Blobs.ReadAll(t.Context(), schemas.ReportKey(got.Task, file)))
				begins := map[string]string{".pdf": "%PDF-", ".html": "<!", ".xlsx": "PK", ".json": "{", ".csv": ""}[filepath.Ext(file)]
				if len(content) < 10 || !bytes.HasPrefix(bytes.ToLower(content), []byte(strings.ToLower(begins))) {
					t.Errorf("%s begins with %.20q", file, content)
				}
				if strings.HasSuffix(file, ".html") && (!bytes.Contains(content, []byte("Acme &amp; Söhne")) || !bytes.Contains(bytes.ToLower(content), bytes.ToLower([]byte(c.says)))) {
					t.Errorf("the page names no organisation, or does not say %q", c.says)
				}
			}
			facts := must(b.Kept(t.Context(), got.Task))
			p := facts.Provenance
			if facts.Kind != c.kind || p.Program != "test-1" || len(p.Log) != 1 || p.Log[0].Topic != schemas.TopicAnalyses || p.Log[0].Offset != 2000 || len(p.Engines) == 0 || len(p.Models) == 0 || len(p.Profiles) == 0 || time.Since(facts.MadeAt) > time.Minute {
				t.Errorf("%+v made at %s", p, facts.MadeAt)
			}
		})
	}
	b.await("one business report is used", func() bool { a := b.used(); return a.Used == 1 && a.Reserved == 0 })
}

// Delivered once more, or to two workers at once, a report is made of the facts
// that were kept first, whatever has come in since.
func TestFactsAreKeptOnce(t *testing.T) {
	b := newBed(t, pdf.Config{Browser: "/no/such/browser"})
	task := b.task(schemas.ReportBusiness, "en")
	var group sync.WaitGroup
	made := make([]string, 4)
	for i := range made {
		group.Go(func() {
			facts, err := b.facts(t.Context(), task, october)
			made[i] = fmt.Sprint(string(must(encode(facts))), err)
		})
	}
	group.Wait()
	b.insert(1000)
	b.commit(3000)
	events := must(b.handle(t.Context(), processors.Job{Task: task, Submitted: &schemas.TaskSubmitted{Task: task, Report: &october}}))
	again := fmt.Sprint(string(must(b.Blobs.ReadAll(t.Context(), schemas.ReportKey(task, name(task, ".json"))))), error(nil))
	for i, text := range made {
		if text != again {
			t.Errorf("worker %d went on with other facts", i)
		}
	}
	second := must(b.handle(t.Context(), processors.Job{Task: task, Submitted: &schemas.TaskSubmitted{Task: task, Report: &october}}))
	first, repeated := events[1].Value.(schemas.UsageRecorded), second[1].Value.(schemas.UsageRecorded)
	if first.ID != repeated.ID || first.ID != task.Code+"/report_count" || first.Units != 1 {
		t.Errorf("%+v and %+v", first, repeated)
	}
}

// Without a browser there is everything but the PDF, and the task says why.
func TestWithoutABrowser(t *testing.T) {
	b := newBed(t, pdf.Config{Browser: "/no/such/browser"})
	got := b.order(b.task(schemas.ReportBusiness, "en"))
	if got.Status != schemas.StatusCompleted || got.Error != noBrowser() || got.ErrorCode != 0 || !strings.HasSuffix(got.Files[0], ".html") || got.Task.FileName != got.Files[0] {
		t.Errorf("%+v", got)
	}
	if ru := schemas.Retell(got.Error, "ru"); ru == got.Error || !strings.Contains(ru, "Chromium") {
		t.Errorf("in Russian: %s", ru)
	}
	b.await("it is used all the same", func() bool { return b.used().Used == 1 })
}

// A browser that crashes twice ends the task in an error, and nothing is used.
func TestABrowserThatCrashes(t *testing.T) {
	crash := filepath.Join(t.TempDir(), "chromium")
	check(t, os.WriteFile(crash, []byte("#!/bin/sh\nkill -SEGV $$\n"), 0o700))
	b := newBed(t, pdf.Config{Browser: crash, Timeout: 5 * time.Second})
	got := b.order(b.task(schemas.ReportBusiness, "en"))
	if got.Status != schemas.StatusError || got.ErrorCode != int64(schemas.CodeReport) || got.Error == "" || len(got.Files) != 0 {
		t.Errorf("%+v", got)
	}
	b.await("nothing is used", func() bool { a := b.used(); return a.Used == 0 && a.Reserved == 0 })
	// Called off, as when the process stops, it is nobody's fault and comes again.
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	task := b.task(schemas.ReportStandard, "en")
	hang := filepath.Join(t.TempDir(), "chromium")
	check(t, os.WriteFile(hang, []byte("#!/bin/sh\nexec sleep 60\n"), 0o700))
	facts := must(b.facts(t.Context(), task, october))
	hanging := *b.Maker
	hanging.Printer = pdf.New(pdf.Config{Browser: hang, Timeout: time.Minute, Idle: time.Minute, Memory: 2048, MaxBytes: 64 << 20}, slog.New(slog.DiscardHandler))
	defer hanging.Close()
	_, err := hanging.files(ctx, task, facts)
	if _, fault := schemas.RecordFault(err); err == nil || fault {
		t.Errorf("called off: %v", err)
	}
}

func TestMadeAgain(t *testing.T) {
	b := newBed(t, pdf.Config{Browser: "/no/such/browser"})
	got := b.order(b.task(schemas.ReportStandard, "ru"))
	again := func(recompute bool) (string, error) {
		dir := t.TempDir()
		var out strings.Builder
		err := Command{Code: got.Task.Code, Dir: dir, Recompute: recompute}.Run(t.Context(), b.Maker, &out)
		entries := must(os.ReadDir(dir))
		if len(entries) != len(got.Files)-1 { // all but the facts
			t.Errorf("%d files of %v", len(entries), got.Files)
		}
		return out.String(), err
	}
	out, err := again(true)
	if err != nil || !strings.Contains(out, fmt.Sprintf("%d files are the same, byte by byte", len(got.Files)-1)) || !strings.Contains(out, "the database gives the same facts") {
		t.Errorf("%s %v", out, err)
	}
	// Rows came in without the log having moved: that cannot be, and is said.
	b.insert(500)
	if out, err = again(true); err == nil || strings.Contains(out, "the same facts") {
		t.Errorf("%s %v", out, err)
	}
	b.commit(2500)
	if out, err = again(true); err != nil || !strings.Contains(out, "other facts now: it has 2500 records of the log, and had 2000 records") || !strings.Contains(out, "byte by byte") {
		t.Errorf("%s %v", out, err)
	}
	// Another program may make other files.
	for _, suffix := range []string{".html", ".xlsx", "_operators.csv"} {
		b.Version = "test-1"
		key := schemas.ReportKey(got.Task, name(got.Task, suffix))
		first := must(b.Blobs.ReadAll(t.Context(), key))
		check(t, b.Blobs.WriteAll(t.Context(), key, []byte("another"), nil))
		if _, err = again(false); err == nil || !strings.Contains(err.Error(), suffix) {
			t.Errorf("the same program made another %s, and nobody noticed: %v", suffix, err)
		}
		b.Version = "test-2"
		if out, err = again(false); err != nil || !strings.Contains(out, name(got.Task, suffix)+"; test-1 made the first ones, this is test-2") {
			t.Errorf("%s %v", out, err)
		}
		check(t, b.Blobs.WriteAll(t.Context(), key, first, nil))
	}
	for _, code := range []string{"7", uuid.NewString()} {
		if err := (Command{Code: code}).Run(t.Context(), b.Maker, io.Discard); err == nil {
			t.Errorf("there is no report %s", code)
		}
	}
}

func TestConfig(t *testing.T) {
	for link, ok := range map[string]bool{"": true, "https://a.example/{code}": true, "http://a/{code}?x": true, "https://a.example/": false, "javascript:alert('{code}')": false} {
		if err := (&Config{Link: link}).Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", link, err)
		}
	}
}
