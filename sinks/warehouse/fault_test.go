package warehouse_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
	"earshot/sinks/warehouse"
)

var quick = warehouse.Config{BatchRecords: 1000, BatchBytes: 1 << 20, BatchAge: 5 * time.Millisecond}

// While ClickHouse is down nothing is committed and nothing announced; then it
// goes on by itself.
func TestClickHouseDown(t *testing.T) {
	e, closeEnv := newEnv(t, t.Output())
	defer closeEnv()
	var down atomic.Bool
	down.Store(true)
	tries := make(chan struct{}, 1000)
	conn := behind(t, func(int64) bool { return false }, func() error {
		if down.Load() {
			tries <- struct{}{}
			return errors.New("down")
		}
		return nil
	})
	f := fates["finished chat"](e, 0)
	e.produce(f.records)
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	running.Go(func() {
		for range 3 {
			<-tries
		}
		committed, err := kadm.NewClient(e.client).FetchOffsets(ctx, schemas.GroupWarehouse)
		if err != nil || len(committed.Offsets()) > 0 {
			t.Errorf("committed while ClickHouse is down: %v, %v", committed.Offsets(), err)
		}
		if completed, _ := e.readLog(t); len(completed) > 0 {
			t.Errorf("announced while ClickHouse is down: %v", completed)
		}
		down.Store(false)
	})
	e.run(conn, quick, nil)
	cancel()
	running.Wait()
	e.audit(t, []fate{f}, 0)
}

// Who sees "completed" finds the analysis.
func TestCompletedMeansQueryable(t *testing.T) {
	e, closeEnv := newEnv(t, t.Output())
	defer closeEnv()
	var want []fate
	for i := range 200 {
		f := fates["finished chat"](e, i)
		want = append(want, f)
	}
	var watching sync.WaitGroup
	watching.Go(func() {
		client, err := e.newClient(kgo.ConsumeTopics(schemas.TopicStatus), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		if err != nil {
			t.Error(err)
			return
		}
		defer client.Close()
		for seen := 0; seen < len(want); {
			client.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
				var n uint64
				scan(t, "SELECT count() FROM interactions FINAL WHERE analysis != '' AND code = '"+string(r.Key)+"'", &n)
				if n != 1 {
					t.Errorf("task %s is announced as completed, but has %d rows", r.Key, n)
				}
				seen++
			})
		}
	})
	go func() {
		for _, f := range want {
			e.produce(f.records)
		}
	}()
	done := make(chan struct{})
	go func() { watching.Wait(); close(done) }()
	e.run(db.Conn, quick, done)
	watching.Wait()
	e.audit(t, want, 0)
}

// Two members share the partitions, one leaves in the middle: nothing is lost
// and nothing is there twice.
func TestMembersComeAndGo(t *testing.T) {
	e, closeEnv := newEnv(t, t.Output())
	defer closeEnv()
	var want []fate
	for i := range 300 {
		want = append(want, fates[sorted(fates)[i%len(fates)]](e, i))
	}
	half := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for i, f := range want {
			if i == len(want)/2 {
				close(half)
			}
			e.produce(f.records)
		}
	})
	others.Go(func() { e.run(db.Conn, quick, half) })
	others.Go(func() { e.run(db.Conn, quick, half) })
	<-half
	e.run(db.Conn, quick, make(chan struct{}))
	others.Wait()
	e.run(db.Conn, quick, nil)
	e.audit(t, want, 0)
}

// Every column of an analysed call holds what the event says.
func TestRowOfAnAnalysis(t *testing.T) {
	e, closeEnv := newEnv(t, t.Output())
	defer closeEnv()
	task := newTask(0, schemas.TypeCall, schemas.ResourceCallMinutes)
	task.CallDate, task.CallTime, task.Seconds, task.DirectoryID = "2026-02-28", epoch.Add(-time.Hour), 100, 7
	record := e.fullAnalysis(task, chat(1))
	e.produce([]*kgo.Record{record})
	e.run(db.Conn, quick, nil)
	var event, stored schemas.Analysis
	if err := e.codec.Decode(record.Value, &event); err != nil {
		t.Fatal(err)
	}
	event.Utterances = nil
	var text, got string
	scan(t, "SELECT analysis FROM interactions FINAL", &text)
	if err := json.Unmarshal([]byte(text), &stored); err != nil || !reflect.DeepEqual(stored, event) {
		t.Errorf("stored analysis: %v\ngot  %+v\nwant %+v", err, stored, event)
	}
	scan(t, `SELECT toString((status, version, updated_at, type, directory_id, call_date, call_time, call_datetime, seconds, length, language, analysis_version, engine, role_source,
		no_speech, sentiment, sentiment_score, tone_id, csat, politeness, politeness_grade, empathy, tags, tag_keys, topics, reason, resolved_status_id, priority_id, funnel_stage_id,
		risk_signal_ids, sales_signal_ids, actions, operator_commitments, category_ids, checklist_ids, checklist_answers, checklist_keys, script_alignment, turns, operator_turns, word_count,
		operator_talk, interruptions, hasAll(words, ['refund', 'router', '555', 'phone']), startsWith(text, 'Client: Good morning'))) FROM interactions FINAL`, &got)
	const want = `('completed',214748364801,'2026-03-01 12:00:00.000000','call',7,'2026-02-28','2026-03-01 11:00:00.000000','2026-03-01 11:00:00.000000',100,1.67,'en',1,'builtin 1','text',` +
		`false,'negative',-0.4,3,4,0.9,5,0.5,['delivery','refund','router'],['delivery','refund','router'],['delivery'],'late delivery',3,3,1,` +
		`[6,2],[1],['Check the delivery'],['Call back'],[],[1,2],['Yes','No'],['1=Yes','2=No'],NULL,12,6,120,NULL,NULL,1,1)`
	if got != want {
		t.Errorf("row\n got %s\nwant %s", got, want)
	}
	scan(t, "SELECT toString((count(), max(turn), groupUniqArray(speaker), any(language), any(sentiment), any(start))) FROM segments FINAL", &got)
	if want := "(12,11,['operator','customer'],'en',0.1,NULL)"; got != want && got != strings.Replace(want, "'operator','customer'", "'customer','operator'", 1) {
		t.Errorf("segments %s, want %s", got, want)
	}
}

// What nothing shows to be the reason for contact is none.
func TestReasonThatIsNotClear(t *testing.T) {
	e, closeEnv := newEnv(t, t.Output())
	defer closeEnv()
	us := chat(1)
	e.produce([]*kgo.Record{e.record(schemas.TopicAnalyses, schemas.Analysis{Task: newTask(0, schemas.TypeChat, ""), Version: 1, Utterances: us, Reason: "не ясно", Intent: "не ясно",
		Evidence: []schemas.Evidence{{Judgement: "sentiment", Turn: 1, Speaker: "customer", Quote: us[1].Text}}, CreatedAt: epoch})})
	e.run(db.Conn, quick, nil)
	var got string
	if scan(t, "SELECT toString((status, reason, JSONExtractString(analysis, 'Reason'))) FROM interactions FINAL", &got); got != "('completed','','не ясно')" {
		t.Errorf("the row is %s", got)
	}
}

// A chat as long as ingest takes goes through in one piece.
func TestLongestChat(t *testing.T) {
	e, closeEnv := newEnv(t, t.Output())
	defer closeEnv()
	f := fates["finished chat"](e, 0)
	us := talk(strings.Repeat("где мой заказ ", schemas.MaxTextBytes/2/26), strings.Repeat("refund ", schemas.MaxTextBytes/2/7))
	f.turns, f.records = 2, []*kgo.Record{e.analysis(f.task, 1, us)}
	e.produce(f.records)
	e.run(db.Conn, quick, nil)
	e.audit(t, []fate{f}, 0)
}

func TestRunEndsWhenNoClientOpens(t *testing.T) {
	sink := warehouse.New(db.Conn, func(...kgo.Opt) (*kgo.Client, error) { return nil, errors.New("no broker") }, &schemas.Codec{},
		schemas.NewStageMetrics(prometheus.NewRegistry()), quick, slog.New(slog.DiscardHandler))
	if err := sink.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "no broker") {
		t.Errorf("Run: %v", err)
	}
}

// A record that is too large to be put into a dead letter stops nothing.
func TestDeadLetterOfALargeRecord(t *testing.T) {
	e, closeEnv := newEnv(t, t.Output())
	defer closeEnv()
	open := e.newClient
	e.newClient = func(opts ...kgo.Opt) (*kgo.Client, error) {
		return open(append(opts, kgo.ProducerBatchMaxBytes(100_000))...)
	}
	f := fates["finished chat"](e, 0)
	e.produce(append(f.records, &kgo.Record{Topic: schemas.TopicText, Value: make([]byte, 200_000)}))
	e.run(db.Conn, quick, nil)
	e.audit(t, []fate{f}, 1)
}
