package warehouse_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"earshot/schemas"
	"earshot/sinks/warehouse"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newTask(i int, typ, resource string) schemas.Task {
	return schemas.Task{Code: uuid.Must(uuid.NewV7()).String(), ID: int64(i + 1), Org: []string{"org_a", "org_b"}[i%2], Type: typ, Source: "test",
		Processing: schemas.ProcessStandard, OperatorName: "Ольга", CreatedAt: epoch.Add(time.Duration(i) * time.Minute), Resource: resource, Reserved: 9}
}

func talk(words ...string) []schemas.Utterance {
	out := make([]schemas.Utterance, len(words))
	for i, w := range words {
		out[i] = schemas.Utterance{Turn: int64(i), Speaker: []string{schemas.RoleCustomer, schemas.RoleOperator}[i%2], Channel: -1, Text: w}
	}
	return out
}

// fate is what happens to a task, and what must be in the warehouse for it in
// the end.
type fate struct {
	task     schemas.Task
	records  []*kgo.Record
	status   string
	turns    int
	units    int64 // debited
	hasUsage bool
}

func (e *env) record(topic string, event any) *kgo.Record {
	r, err := e.codec.Record(topic, "test", event)
	if err != nil {
		e.t.Fatal(err)
	}
	return r
}

func (e *env) status(task schemas.Task, status string) *kgo.Record {
	s := schemas.TaskStatus{Task: task, Status: status, Version: schemas.StatusVersion(status), UpdatedAt: task.CreatedAt.Add(time.Hour)}
	if status == schemas.StatusError {
		s.ErrorCode, s.Error = int64(schemas.CodeUndecodable), "broken"
	}
	return e.record(schemas.TopicStatus, s)
}

func (e *env) analysis(task schemas.Task, version int64, us []schemas.Utterance) *kgo.Record {
	csat := int64(7)
	return e.record(schemas.TopicAnalyses, schemas.Analysis{Task: task, Version: version, Engine: "test", Language: "en", Utterances: us, Summary: "A refund", CSAT: &csat,
		CreatedAt: task.CreatedAt.Add(2*time.Hour).AddDate(0, int(version-1), 0)}) // another version is another month's
}

// fates of a task, by name; each drawn in the property test.
var fates = map[string]func(e *env, i int) fate{
	"waiting chat": func(e *env, i int) fate {
		t := newTask(i, schemas.TypeChat, schemas.ResourceChats)
		return fate{task: t, status: schemas.StatusPending, records: []*kgo.Record{e.record(schemas.TopicText, schemas.TaskSubmitted{Task: t, Utterances: talk("hi")})}}
	},
	"finished chat": func(e *env, i int) fate {
		t := newTask(i, schemas.TypeChat, schemas.ResourceChats)
		us := talk("hello", "good day", "where is my refund")
		return fate{task: t, status: schemas.StatusCompleted, turns: 3, units: 9, hasUsage: true, records: []*kgo.Record{
			e.record(schemas.TopicTextBulk, schemas.TaskSubmitted{Task: t, Utterances: us}), e.analysis(t, 1, us)}}
	},
	"chat analysed again": func(e *env, i int) fate {
		t := newTask(i, schemas.TypeChat, "")
		us := talk("one", "two", "three")
		return fate{task: t, status: schemas.StatusCompleted, turns: 2, records: []*kgo.Record{
			e.record(schemas.TopicText, schemas.TaskSubmitted{Task: t, Utterances: us}), e.analysis(t, 2, us[:2]), e.analysis(t, 1, us)}}
	},
	"paid once, analysed again": func(e *env, i int) fate {
		t := newTask(i, schemas.TypeChat, schemas.ResourceChats)
		us := talk("one", "two")
		return fate{task: t, status: schemas.StatusCompleted, turns: 2, units: 9, hasUsage: true, records: []*kgo.Record{
			e.record(schemas.TopicText, schemas.TaskSubmitted{Task: t, Utterances: us}), e.analysis(t, 1, us), e.analysis(t, 2, us), e.analysis(t, 3, us)}}
	},
	"finished call": func(e *env, i int) fate {
		t := newTask(i, schemas.TypeCall, schemas.ResourceCallMinutes)
		us := talk("алло", "здравствуйте")
		long := t
		long.Seconds = 61
		return fate{task: t, status: schemas.StatusCompleted, turns: 2, units: 2, hasUsage: true, records: []*kgo.Record{
			e.record(schemas.TopicAudio, schemas.TaskSubmitted{Task: t}), e.status(t, schemas.StatusProcessing),
			e.record(schemas.TopicTranscripts, schemas.Transcript{Task: long, Version: 1, Language: "ru", Utterances: us, CreatedAt: t.CreatedAt}),
			e.status(long, schemas.StatusAudioCompleted), e.analysis(long, 1, us)}}
	},
	"transcription only": func(e *env, i int) fate {
		t := newTask(i, schemas.TypeCall, schemas.ResourceCallMinutes)
		t.Processing, t.Seconds = schemas.ProcessTranscription, 600
		return fate{task: t, status: schemas.StatusCompleted, turns: 1, units: 10, hasUsage: true, records: []*kgo.Record{
			e.record(schemas.TopicAudioBulk, schemas.TaskSubmitted{Task: t}),
			e.record(schemas.TopicTranscripts, schemas.Transcript{Task: t, Version: 1, Utterances: talk("only"), CreatedAt: t.CreatedAt}), e.status(t, schemas.StatusAudioCompleted)}}
	},
	"broken call": func(e *env, i int) fate {
		t := newTask(i, schemas.TypeCall, schemas.ResourceCallMinutes)
		return fate{task: t, status: schemas.StatusError, records: []*kgo.Record{
			e.record(schemas.TopicAudio, schemas.TaskSubmitted{Task: t}), e.status(t, schemas.StatusError), e.status(t, schemas.StatusProcessing)}}
	},
}

// poisons are records that no row can be made of.
var poisons = map[string]func(e *env) *kgo.Record{
	"no Avro": func(*env) *kgo.Record {
		return &kgo.Record{Topic: schemas.TopicAnalyses, Key: []byte("k"), Value: []byte("garbage")}
	},
	"empty": func(*env) *kgo.Record { return &kgo.Record{Topic: schemas.TopicText} },
	"wrong event": func(e *env) *kgo.Record {
		return e.record(schemas.TopicStatus, schemas.UsageRecorded{ID: "x", Org: "y"})
	},
	"no UUID": func(e *env) *kgo.Record {
		return e.record(schemas.TopicAudio, schemas.TaskSubmitted{Task: schemas.Task{Code: "x", Org: "y", CreatedAt: epoch}})
	},
	"no tenant": func(e *env) *kgo.Record { t := newTask(0, "chat", ""); t.Org = ""; return e.analysis(t, 1, nil) },
	"wrong year": func(e *env) *kgo.Record {
		t := newTask(0, "chat", "")
		t.CallTime = epoch.AddDate(300, 0, 0)
		return e.analysis(t, 1, nil)
	},
	"CSAT of 300": func(e *env) *kgo.Record {
		c := int64(300)
		return e.record(schemas.TopicAnalyses, schemas.Analysis{Task: newTask(0, "chat", ""), Version: 1, CSAT: &c})
	},
	"unknown step": func(e *env) *kgo.Record {
		return e.record(schemas.TopicStatus, schemas.TaskStatus{Task: newTask(0, "chat", ""), Status: "dreaming"})
	},
	"usage of nobody": func(e *env) *kgo.Record {
		return e.record(schemas.TopicUsage, schemas.UsageRecorded{ID: "x", At: epoch})
	},
	"nothing done": func(e *env) *kgo.Record {
		return e.record(schemas.TopicAudit, schemas.AuditRecorded{ID: "x", At: epoch})
	},
}

// Whatever comes twice or out of order, cannot be read, is cut off in the
// middle or answered too late: accepted = rows + dead letters, and each task has
// one row, the right one, and one debit.
func TestSinkBalances(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		e, closeEnv := newEnv(t, t.Output())
		defer closeEnv()
		var want []fate
		var records []*kgo.Record
		for i, kind := range rapid.SliceOfN(rapid.SampledFrom(sorted(fates)), 1, 25).Draw(r, "tasks") {
			f := fates[kind](e, i)
			want = append(want, f)
			records = append(records, f.records...)
			for _, again := range f.records {
				if rapid.Bool().Draw(r, "redelivered") {
					copied := *again
					records = append(records, &copied)
				}
			}
		}
		bad := rapid.SliceOfN(rapid.SampledFrom(sorted(poisons)), 0, 6).Draw(r, "poison")
		for _, kind := range bad {
			records = append(records, poisons[kind](e))
		}
		records = rapid.Permutation(records).Draw(r, "order")
		kill := make(chan struct{}, 100)
		killAt := rapid.SliceOfN(rapid.Int64Range(1, 30), 0, 4).Draw(r, "kills at insert")
		loseAt := rapid.SliceOfN(rapid.Int64Range(1, 30), 0, 8).Draw(r, "lost answers")
		conn := behind(t, func(insert int64) bool {
			if slices.Contains(killAt, insert) {
				kill <- struct{}{}
			}
			return slices.Contains(loseAt, insert) || slices.Contains(killAt, insert)
		}, func() error { return nil })
		var producing sync.WaitGroup
		producing.Go(func() { e.produce(records) })
		for range killAt {
			e.run(conn, drawConfig(r), kill)
		}
		producing.Wait()
		e.run(conn, drawConfig(r), nil)
		e.audit(r, want, len(bad))
	})
}

func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

func drawConfig(r *rapid.T) warehouse.Config {
	return warehouse.Config{
		BatchRecords: rapid.IntRange(1, 60).Draw(r, "batch records"),
		BatchBytes:   rapid.SampledFrom([]int{1, 2000, 1 << 20}).Draw(r, "batch bytes"),
		BatchAge:     time.Duration(rapid.IntRange(1, 30).Draw(r, "batch age")) * time.Millisecond,
	}
}

// produce writes records to the log, the same order each time.
func (e *env) produce(records []*kgo.Record) {
	for _, r := range records {
		if err := e.client.ProduceSync(context.Background(), r).FirstErr(); err != nil {
			e.t.Errorf("produce: %v", err)
		}
	}
}

// run lets a sink work until it has caught up with the log or kill says so.
func (e *env) run(conn driver.Conn, cfg warehouse.Config, kill <-chan struct{}) {
	e.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	sink := warehouse.New(conn, e.newClient, &e.codec, schemas.NewStageMetrics(prometheus.NewRegistry()), cfg, e.log)
	var running sync.WaitGroup
	running.Go(func() {
		if err := sink.Run(ctx); err != nil {
			e.t.Errorf("Run: %v", err)
		}
	})
	caughtUp := make(chan struct{})
	running.Go(func() {
		defer close(caughtUp)
		e.waitCaughtUp(ctx)
	})
	select {
	case <-caughtUp:
	case <-kill:
	}
	cancel()
	running.Wait()
}

// waitCaughtUp returns when the group has committed all there is. The committed
// offsets are read before the ends, so equal means equal.
func (e *env) waitCaughtUp(ctx context.Context) {
	admin := kadm.NewClient(e.client)
	for ctx.Err() == nil {
		lags, err := admin.Lag(ctx, schemas.GroupWarehouse)
		if err == nil && lags.Error() == nil {
			lag := lags[schemas.GroupWarehouse]
			if lag.State == "Stable" && lag.Lag.Total() == 0 {
				return
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// audit checks the warehouse and the log against what was sent.
func (e *env) audit(r failer, want []fate, dead int) {
	r.Helper()
	var tasks, rows, usage, lines uint64
	scan(r, "SELECT uniqExact(org, code), count() FROM interactions FINAL", &tasks, &rows)
	if tasks != uint64(len(want)) || rows != tasks {
		r.Errorf("%d rows of %d tasks, want %d of each", rows, tasks, len(want))
	}
	scan(r, "SELECT count(), uniqExact(id) FROM usage FINAL", &lines, &usage)
	if lines != usage {
		r.Errorf("%d lines of the ledger for %d debits", lines, usage)
	}
	completed, letters := e.readLog(r)
	if letters != dead {
		r.Errorf("%d dead letters, want %d", letters, dead)
	}
	for _, f := range want {
		e.auditTask(r, f, completed)
		if f.hasUsage {
			usage--
		}
	}
	if usage != 0 {
		r.Errorf("%d debits of nobody", usage)
	}
}

func (e *env) auditTask(r failer, f fate, completed map[string]int) {
	r.Helper()
	var org, status, operator string
	var id int64
	var turns, units uint64
	code := f.task.Code
	scan(r, "SELECT org, id, status, operator_name FROM interactions FINAL WHERE code = '"+code+"'", &org, &id, &status, &operator)
	if org != f.task.Org || id != f.task.ID || operator != f.task.OperatorName || status != f.status {
		r.Errorf("task %d of %s, %s is %q, want %d of %s, %s %q", id, org, operator, status, f.task.ID, f.task.Org, f.task.OperatorName, f.status)
	}
	scan(r, `SELECT count() FROM segments FINAL WHERE (org, code, version) IN (SELECT org, code, version FROM interactions FINAL WHERE code = '`+code+`')`, &turns)
	if turns != uint64(f.turns) {
		r.Errorf("%s: %d segments, want %d", f.status, turns, f.turns)
	}
	scan(r, "SELECT toUInt64(sum(units)) FROM usage FINAL WHERE task_code = '"+code+"' AND at < toDateTime('2026-04-01')", &units)
	if units != uint64(f.units) {
		r.Errorf("%s %s: debit of %d %s, want %d", f.status, f.task.Type, units, f.task.Resource, f.units)
	}
	scan(r, "SELECT countIf(processing_type != '"+f.task.Processing+"') FROM usage FINAL WHERE task_code = '"+code+"'", &units)
	if units != 0 {
		r.Errorf("%s %s: not debited at the rate of %q", f.status, f.task.Type, f.task.Processing)
	}
	if done := f.status == schemas.StatusCompleted; done != (completed[code] > 0) {
		r.Errorf("%s task announced as completed %d times", f.status, completed[code])
	}
}

// readLog counts the announcements of completed tasks, and the records that
// have a dead letter: a crash may write a letter twice.
func (e *env) readLog(r failer) (completed map[string]int, letters int) {
	r.Helper()
	completed = map[string]int{}
	dead := map[[3]any]bool{}
	for _, record := range e.readAll(r, schemas.TopicStatus, schemas.TopicDeadLetter) {
		if record.Topic == schemas.TopicDeadLetter {
			var d schemas.DeadLetter
			if err := e.codec.Decode(record.Value, &d); err != nil || d.Reason == "" {
				r.Errorf("dead letter %+v: %v", d, err)
			}
			dead[[3]any{d.Topic, d.Partition, d.Offset}] = true
			continue
		}
		var s schemas.TaskStatus
		if e.codec.Decode(record.Value, &s) == nil && s.Status == schemas.StatusCompleted {
			completed[s.Task.Code]++
		}
	}
	return completed, len(dead)
}

// readAll reads topics from their beginning to what is now their end.
func (e *env) readAll(r failer, topics ...string) []*kgo.Record {
	r.Helper()
	ends, err := kadm.NewClient(e.client).ListEndOffsets(context.Background(), topics...)
	if err != nil {
		r.Fatalf("list offsets: %v", err)
	}
	left := int64(0)
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	client, err := e.newClient(kgo.ConsumeTopics(topics...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		r.Fatalf("%v", err)
	}
	defer client.Close()
	var records []*kgo.Record
	for int64(len(records)) < left {
		fetches := client.PollFetches(context.Background())
		if err := fetches.Err(); err != nil {
			r.Fatalf("read %v: %v", topics, err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}
