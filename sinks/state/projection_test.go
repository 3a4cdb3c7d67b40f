package state

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

// submit does what the door does: Accept, produce, Confirm.
func submit(t testing.TB, k *kafka, s *Store, task schemas.Task) schemas.Task {
	t.Helper()
	ctx := context.Background()
	var a Acceptance
	eventually(t, "the task is accepted", func() bool {
		var err error
		a, err = s.Accept(ctx, task, "text of "+task.Code)
		if err != nil && !errors.Is(err, ErrNotReady) {
			t.Fatal(err)
		}
		return err == nil
	})
	if a.Outcome != Accepted {
		t.Fatalf("outcome %d of %+v", a.Outcome, a.Task)
	}
	k.produce(topicFor(a.Task), schemas.TaskSubmitted{Task: a.Task})
	if err := s.Confirm(ctx, task.Org, task.Code); err != nil {
		t.Fatal(err)
	}
	return a.Task
}

func topicFor(t schemas.Task) string {
	if t.Type == schemas.TypeChat {
		return schemas.TopicText
	}
	return schemas.TopicAudio
}

func isStatus(s *Store, task schemas.Task, status string) func() bool {
	return func() bool {
		got, err := s.Task(context.Background(), task.Org, task.Code)
		return err == nil && got.Status == status
	}
}

func chatsOf(s *Store, org string) Amount {
	q, err := s.Quota(context.Background(), org)
	if err != nil {
		return Amount{}
	}
	return q.Resources[schemas.ResourceChats]
}

func limits() map[string]int64 {
	return map[string]int64{schemas.ResourceChats: 100, schemas.ResourceCallMinutes: 100}
}

func TestProjectionFollowsTheLog(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		k, s := newKafka(t), storeAt(rdb, clock)
		k.produce(schemas.TopicEntities, plan(org, 1, limits()), plan("org_2", 1, limits()))
		stop := k.follow(s)

		done := submit(t, k, s, chat(org))
		theirs := submit(t, k, s, chat("org_2"))
		failed := submit(t, k, s, upload(org, "a.wav", "d1"))
		if got := must(s.Task(context.Background(), org, done.Code)); got.Text != "text of "+done.Code || got.Task.ID != 1 {
			t.Errorf("accepted %+v", got)
		}
		k.produce(schemas.TopicUsage, usageOf(done, schemas.ResourceChats, 1)) // before the status that it belongs to
		k.produce(schemas.TopicStatus, statusOf(done, schemas.StatusProcessing, 1), statusOf(done, schemas.StatusCompleted, 2),
			statusOf(done, schemas.StatusProcessing, 3), statusOf(failed, schemas.StatusError, 4))
		eventually(t, "the chat is completed", isStatus(s, done, schemas.StatusCompleted))
		eventually(t, "the call has failed", isStatus(s, failed, schemas.StatusError))
		eventually(t, "the usage is counted", func() bool { return chatsOf(s, org) == Amount{Limit: 100, Used: 1} })
		if !isStatus(s, theirs, schemas.StatusPending)() || chatsOf(s, "org_2") != (Amount{Limit: 100, Reserved: 1}) {
			t.Errorf("another organisation was touched: %+v", chatsOf(s, "org_2"))
		}
		heard := schemas.Transcript{Task: failed, Utterances: []schemas.Utterance{{Speaker: schemas.RoleOperator, Text: "Hello"}, {Speaker: schemas.RoleCustomer, Text: "Hi"}}}
		k.produce(schemas.TopicTranscripts, heard)
		eventually(t, "the transcript is the text", func() bool {
			got, err := s.Task(context.Background(), org, failed.Code)
			return err == nil && got.Text == schemas.DialogueText(heard.Utterances)
		})
		again := submit(t, k, s, upload(org, "a.wav", "d1")) // the failed one freed its file name and minutes
		if again.ID != 3 {
			t.Errorf("id %d, want 3", again.ID)
		}

		unconfirmed := must(s.Accept(context.Background(), chat(org), "")).Task // by a door that dies here
		k.produce(schemas.TopicText, schemas.TaskSubmitted{Task: unconfirmed})
		eventually(t, "what is on the log is confirmed", func() bool {
			return rdb.Exists(context.Background(), orgPrefix(org)+subAccepting).Val() == 0
		})

		epoch := rdb.Get(context.Background(), keyReady).Val()
		stop()
		k.produce(schemas.TopicStatus, statusOf(again, schemas.StatusAudioCompleted, 5))
		k.follow(s)
		eventually(t, "what came meanwhile is applied", isStatus(s, again, schemas.StatusAudioCompleted))
		if now := rdb.Get(context.Background(), keyReady).Val(); now != epoch {
			t.Error("a restart built the state again, though Redis had it")
		}
		committed := must(kadm.NewClient(k.client).FetchOffsets(context.Background(), schemas.GroupState))
		if len(committed.Offsets()[schemas.TopicStatus]) == 0 {
			t.Error("nothing is committed for lag tools")
		}
	})
}

func TestFlushedRedisIsBuiltAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		k, s := newKafka(t), storeAt(rdb, clock)
		k.produce(schemas.TopicEntities, plan(org, 1, limits()), plan("org_2", 1, limits()), user(org, "7", 7, 1, "ann@x.org"))
		k.follow(s)
		var tasks []schemas.Task
		for i := range 40 {
			task := chat([]string{org, "org_2"}[i%2])
			task.Idempotency, task.ExternalID = task.Code, task.Code
			tasks = append(tasks, submit(t, k, s, task))
		}
		for i, task := range tasks {
			switch i % 4 {
			case 1:
				k.produce(schemas.TopicStatus, statusOf(task, schemas.StatusProcessing, 1), statusOf(task, schemas.StatusError, 2))
			case 2, 3:
				k.produce(schemas.TopicStatus, statusOf(task, schemas.StatusProcessing, 1), statusOf(task, schemas.StatusCompleted, 2))
				k.produce(schemas.TopicUsage, usageOf(task, schemas.ResourceChats, 1))
			}
		}
		settled := func() bool {
			return chatsOf(s, org) == Amount{Limit: 100, Used: 10, Reserved: 10} && chatsOf(s, "org_2") == Amount{Limit: 100, Used: 10, Reserved: 0}
		}
		eventually(t, "all is settled", settled)
		want := dump(t, rdb)

		must(rdb.FlushAll(ctx).Result())
		next := submit(t, k, s, chat(org)) // waits until it is built again
		if next.ID != 21 {
			t.Errorf("id %d after the rebuild, want 21", next.ID)
		}
		repeated, err := s.Accept(ctx, repeat(tasks[0], nil), "")
		if err != nil || repeated.Outcome != Existing || !reflect.DeepEqual(repeated.Task, tasks[0]) {
			t.Errorf("an Idempotency-Key was forgotten: %+v, %v", repeated, err)
		}
		k.produce(schemas.TopicStatus, statusOf(next, schemas.StatusError, 1))
		eventually(t, "the new task is gone", isStatus(s, next, schemas.StatusError))

		got := dump(t, rdb)
		delete(got, orgPrefix(org)+subTask+next.Code)
		for _, d := range []map[string]any{got, want} {
			delete(d, orgPrefix(org)+subIDs)
		}
		sameState(t, got, want)
	})
}

func TestTwoProcessesShareTheLog(t *testing.T) {
	rdb := realRedis(t)
	k := newKafka(t)
	k.produce(schemas.TopicEntities, plan(org, 1, limits()))
	one, two := storeAt(rdb, clock), storeAt(rdb, clock)
	stop := make([]func(), 2)
	var wg sync.WaitGroup
	for i, s := range []*Store{one, two} {
		wg.Go(func() { stop[i] = k.follow(s) })
	}
	wg.Wait()
	var tasks []schemas.Task
	for range 30 {
		tasks = append(tasks, submit(t, k, one, chat(org)))
	}
	complete := func(tasks []schemas.Task) {
		for _, task := range tasks {
			k.produce(schemas.TopicStatus, statusOf(task, schemas.StatusCompleted, 1))
			k.produce(schemas.TopicUsage, usageOf(task, schemas.ResourceChats, 1))
		}
	}
	complete(tasks[:15])
	eventually(t, "half is counted", func() bool { return chatsOf(two, org) == Amount{Limit: 100, Used: 15, Reserved: 15} })
	stop[0]()
	complete(tasks)
	eventually(t, "the other process does it all", func() bool { return chatsOf(two, org) == Amount{Limit: 100, Used: 30, Reserved: 0} })
}

func TestPoisonIsBuriedOnceAndTheRestGoesOn(t *testing.T) {
	rdb := miniRedis(t)
	k, s := newKafka(t), storeAt(rdb, clock)
	k.produce(schemas.TopicEntities, plan(org, 1, limits()))
	ctx := context.Background()
	task := chat(org)
	poison := []*kgo.Record{
		{Topic: schemas.TopicText, Key: []byte("a"), Value: []byte("not Avro")},
		{Topic: schemas.TopicStatus, Key: []byte("b"), Value: must(k.codec.Encode(schemas.UsageRecorded{}))},
		{Topic: schemas.TopicStatus, Key: []byte("c"), Value: must(k.codec.Encode(statusOf(schemas.Task{Org: "{", Code: "c"}, schemas.StatusError, 0)))},
		{Topic: schemas.TopicUsage, Key: []byte("d"), Value: must(k.codec.Encode(schemas.UsageRecorded{Org: org, TaskCode: "x", Resource: "chat_count", Units: -5}))},
		{Topic: schemas.TopicEntities, Key: []byte("e"), Value: must(k.codec.Encode(schemas.EntityChanged{Org: org, Kind: schemas.KindUser, ID: "1", Data: []byte("{")}))},
		{Topic: schemas.TopicStatus, Key: []byte("f")}, // a tombstone is no poison
	}
	if err := k.client.ProduceSync(ctx, poison...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	letters := func() int64 {
		ends := must(kadm.NewClient(k.client).ListEndOffsets(ctx, schemas.TopicDeadLetter))
		end, _ := ends.Lookup(schemas.TopicDeadLetter, 0)
		return end.Offset
	}
	stop := k.follow(s) // meets them while it builds
	if n := letters(); n != 5 {
		t.Errorf("%d dead letters, want 5", n)
	}
	if err := k.client.ProduceSync(ctx, poison[0]).FirstErr(); err != nil {
		t.Fatal(err)
	}
	task = submit(t, k, s, task)
	k.produce(schemas.TopicStatus, statusOf(task, schemas.StatusCompleted, 1))
	eventually(t, "the good ones are applied", isStatus(s, task, schemas.StatusCompleted))
	eventually(t, "the sixth is buried", func() bool { return letters() == 6 })
	stop()
	must(rdb.FlushAll(ctx).Result())
	k.follow(s)
	if n := letters(); n != 6 {
		t.Errorf("%d dead letters after a rebuild, want 6", n)
	}
}

func TestRedisDownIsWaitedOut(t *testing.T) {
	m, rdb := failingRedis(t)
	k, s := newKafka(t), storeAt(rdb, clock)
	k.produce(schemas.TopicEntities, plan(org, 1, limits()))
	k.follow(s)
	task := submit(t, k, s, chat(org))
	m.SetError("LOADING Redis is loading the dataset in memory")
	k.produce(schemas.TopicStatus, statusOf(task, schemas.StatusCompleted, time.Second))
	k.produce(schemas.TopicUsage, usageOf(task, schemas.ResourceChats, 1))
	if _, err := s.Accept(context.Background(), chat(org), ""); err == nil {
		t.Error("accepted without Redis")
	}
	m.SetError("")
	eventually(t, "all is applied", func() bool { return chatsOf(s, org) == Amount{Limit: 100, Used: 1, Reserved: 0} })
	eventually(t, "the status is applied", isStatus(s, task, schemas.StatusCompleted))
}

// TestLagCountsWhatNobodyHasRead: the lag is the log's, not of what this
// process happened to fetch.
func TestLagCountsWhatNobodyHasRead(t *testing.T) {
	k := newKafka(t)
	server, rdb := failingRedis(t)
	s := storeAt(rdb, clock)
	registry := prometheus.NewRegistry()
	p := NewProjection(s, k.open, &k.codec, schemas.NewStageMetrics(registry), slog.New(slog.DiscardHandler))
	lag := func(n float64) func() bool {
		return func() bool { return lagOf(registry, schemas.TopicText) == n }
	}
	chats := func(n int) {
		for range n {
			k.produce(schemas.TopicText, schemas.TaskSubmitted{Task: chat(org)})
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	chats(5)
	server.SetError("LOADING")
	go func() { done <- p.Run(ctx) }()
	eventually(t, "the lag counts all, while nothing can be built", lag(5))
	server.SetError("")
	eventually(t, "nothing is left", lag(0))
	server.SetError("LOADING")
	chats(3)
	eventually(t, "the lag counts what came since, while nothing can be written", lag(3))
	server.SetError("")
	eventually(t, "nothing is left", lag(0))
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// lagOf is the lag of a topic in the registry, -1 when it is not told.
func lagOf(registry *prometheus.Registry, topic string) float64 {
	for _, family := range must(registry.Gather()) {
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if family.GetName() == "earshot_stage_lag_records" && label.GetValue() == topic {
					return m.GetGauge().GetValue()
				}
			}
		}
	}
	return -1
}
