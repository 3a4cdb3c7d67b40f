package state

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

// Redis may come back with older data than it had, or stay while the log was
// made anew; neither may be taken for the state.
func TestAStateOfAnotherTimeIsNotTrusted(t *testing.T) {
	ctx := context.Background()
	cases := map[string]func(rdb *redis.Client, k *kafka) *kafka{
		"older data": func(rdb *redis.Client, k *kafka) *kafka {
			for field := range must(rdb.HGetAll(ctx, keyOffsets).Result()) {
				must(rdb.HSet(ctx, keyOffsets, field, 0).Result())
			}
			return k
		},
		"another log": func(_ *redis.Client, k *kafka) *kafka {
			k = newKafka(k.t)
			k.produce(schemas.TopicEntities, plan(org, 1, limits()))
			return k
		},
		"unreadable record": func(rdb *redis.Client, k *kafka) *kafka {
			must(rdb.Set(ctx, orgPrefix(org)+subTask+"x", "?", 0).Result())
			k.produce(schemas.TopicStatus, statusOf(schemas.Task{Org: org, Code: "x"}, schemas.StatusProcessing, 0))
			return k
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			rdb := miniRedis(t)
			k, s := newKafka(t), storeAt(rdb, clock)
			k.produce(schemas.TopicEntities, plan(org, 1, limits()), plan("org_2", 1, limits()))
			stop := k.follow(s)
			submit(t, k, s, chat(org))
			eventually(t, "the task is applied", func() bool { return rdb.HGet(ctx, keyOffsets, schemas.TopicEntities+"/0").Err() == nil })
			epoch := rdb.Get(ctx, keyReady).Val()
			if name == "another log" {
				stop()
			}
			if other := change(rdb, k); other != k {
				other.follow(s)
			}
			eventually(t, "the state is built again", func() bool {
				now := rdb.Get(ctx, keyReady).Val()
				return now != "" && now != epoch
			})
		})
	}
}

func TestASuspendedBuilderWritesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		b := &builder{p: &Projection{store: storeAt(rdb, clock)}, token: "mine"}
		if err := b.clear(ctx); err != nil {
			t.Fatal(err)
		}
		write := func() error {
			return b.fenced(ctx, func(pipe redis.Pipeliner) { pipe.Set(ctx, keyReady, "mine", 0) })
		}
		if err := write(); err != nil {
			t.Fatal(err)
		}
		for _, other := range []func(){func() { rdb.Set(ctx, keyFence, "theirs", 0) }, func() { rdb.FlushAll(ctx) }} {
			other()
			before := rdb.Get(ctx, keyReady).Val()
			if err := write(); !errors.Is(err, errFenced) || rdb.Get(ctx, keyReady).Val() != before {
				t.Errorf("error %v", err)
			}
		}
	})
}

// Ids given just before Redis was lost may not be on the log yet.
func TestIdsLeaveAGapAfterALossInFlight(t *testing.T) {
	task := upload(org, "a.wav", "d1")
	task.ID = 7
	who := user(org, "3", 3, 1, "ann@x.org")
	who.UpdatedAt = task.CreatedAt
	for _, c := range []struct {
		ago        time.Duration
		task, user int64
	}{{2 * gapFor, 8, 4}, {gapFor / 2, 8 + gapTasks, 4 + gapEntities}} {
		rdb := miniRedis(t)
		rebuildAt(rdb, task.CreatedAt.Add(c.ago), []any{plan(org, 1, limits()), who, schemas.TaskSubmitted{Task: task}})
		s := storeAt(rdb, clock)
		a, err := s.Accept(context.Background(), chat(org), "")
		if err != nil || a.Task.ID != c.task {
			t.Errorf("%v: task %d (%v), want %d", c.ago, a.Task.ID, err, c.task)
		}
		if id, err := s.NextID(context.Background(), org, schemas.KindUser); err != nil || id != c.user {
			t.Errorf("%v: user %d (%v), want %d", c.ago, id, err, c.user)
		}
	}
}

// Retention may delete what was about to be read.
func TestDeletedRecordsAreNotWaitedFor(t *testing.T) {
	ctx := context.Background()
	k := newKafka(t)
	k.produce(schemas.TopicEntities, plan(org, 1, limits()), plan("org_2", 1, limits()), user(org, "7", 7, 1, "ann@x.org"))
	b := &builder{p: NewProjection(storeAt(miniRedis(t), clock), k.open, &k.codec, nil, slog.New(slog.DiscardHandler)), client: k.client, stall: 200 * time.Millisecond}
	log, err := b.locate(ctx, schemas.TopicEntities)
	if err != nil {
		t.Fatal(err)
	}
	count := func() (n int, err error) {
		err = b.read(ctx, log.only(schemas.TopicEntities), func(records []*kgo.Record) error { n += len(records); return nil })
		return n, err
	}
	if n, err := count(); n != 3 || err != nil {
		t.Errorf("read %d records, %v", n, err)
	}
	gone := kadm.Offsets{}
	for part, end := range log.ends {
		gone.Add(kadm.Offset{Topic: part.topic, Partition: part.n, At: end})
	}
	if _, err := kadm.NewClient(k.client).DeleteRecords(ctx, gone); err != nil {
		t.Fatal(err)
	}
	if n, err := count(); n != 0 || err != nil {
		t.Errorf("after the deletion: read %d records, %v", n, err)
	}
	for part := range log.ends {
		log.ends[part]++ // an end that nothing reaches
	}
	if _, err := count(); err == nil {
		t.Error("a log that gives nothing counts as read")
	}
}
