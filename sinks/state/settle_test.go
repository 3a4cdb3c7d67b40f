package state

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"earshot/schemas"
)

// Events of one task come from several topics, and so through several
// processes at once.
func TestConcurrentWritersLoseNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		plans := []any{plan(org, 1, map[string]int64{schemas.ResourceCallMinutes: 1000})}
		var streams [3][]any // submissions, statuses, usage
		for i := range 60 {
			task := upload(org, fmt.Sprint("file", i), fmt.Sprint("d", i))
			task.ID = int64(i + 1)
			streams[0] = append(streams[0], schemas.TaskSubmitted{Task: task})
			streams[1] = append(streams[1], statusOf(task, schemas.StatusProcessing, 1), statusOf(task, schemas.StatusCompleted, 2))
			streams[2] = append(streams[2], usageOf(task, task.Resource, 3), usageOf(task, schemas.ResourceTextTokens, 10))
		}
		project(rdb, slices.Concat(plans, streams[0], streams[1], streams[2]), func() int { return 1000 })
		want := dump(t, rdb)

		project(rdb, plans, func() int { return 1 })
		s := storeAt(rdb, clock)
		var wg sync.WaitGroup
		for _, events := range streams {
			for range 2 { // and each of them redelivered
				wg.Go(func() {
					facts, _, err := decodeAll(&schemas.Codec{}, recordsOf(events))
					for some := range slices.Chunk(facts, 7) {
						err = errors.Join(err, s.applyFacts(ctx, "epoch", some))
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		sameState(t, dump(t, rdb), want)
	})
}

// Whoever still writes to a state that was lost or built again writes nothing.
func TestNothingIsWrittenToAnotherState(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		s := readyStore(t, rdb)
		before := dump(t, rdb)
		task := chat(org)
		for _, events := range [][]any{{plan(org, 1, limits())}, {schemas.TaskSubmitted{Task: task}}, {usageOf(task, task.Resource, 1)}} {
			facts, _, err := decodeAll(&schemas.Codec{}, recordsOf(events))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.applyFacts(ctx, "another epoch", facts); !errors.Is(err, errStale) {
				t.Errorf("%T: %v", events[0], err)
			}
		}
		sameState(t, dump(t, rdb), before)
	})
}

// A task in error frees its file name; when it is replayed and completed after
// another task took the name, the earlier task has it again, as after a rebuild.
func TestReplayedTaskOwnsItsNameAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		first, second := upload(org, "a.wav", "d1"), upload(org, "a.wav", "d1")
		first.ID, second.ID = 1, 2
		first.Idempotency, second.Idempotency = "key", "key"
		events := []any{plan(org, 1, limits()),
			schemas.TaskSubmitted{Task: first}, statusOf(first, schemas.StatusError, 1),
			schemas.TaskSubmitted{Task: second}, statusOf(second, schemas.StatusProcessing, 2)}
		s := storeAt(rdb, clock)
		for _, owner := range []schemas.Task{second, first} {
			project(rdb, events, func() int { return 1 })
			want := dump(t, rdb)
			for _, change := range []func(*schemas.Task){nil, func(t *schemas.Task) { t.Idempotency = "" }} {
				a, err := s.Accept(ctx, repeat(second, change), "")
				if err != nil || a.Task.Code != owner.Code {
					t.Errorf("the owner is %+v (%v), want task %d", a, err, owner.ID)
				}
			}
			rebuild(rdb, events)
			sameState(t, dump(t, rdb), want)
			events = append(events, statusOf(first, schemas.StatusCompleted, time.Minute))
		}
	})
}

func TestTheFirstUsageOfATaskCounts(t *testing.T) {
	rdb := miniRedis(t)
	task := chat(org)
	events := []any{plan(org, 1, limits()), schemas.TaskSubmitted{Task: task}, usageOf(task, task.Resource, 2), usageOf(task, task.Resource, 5)}
	project(rdb, events, func() int { return 1 })
	if got := chatsOf(storeAt(rdb, clock), org); got != (Amount{Limit: 100, Used: 2}) {
		t.Errorf("quota %+v", got)
	}
	want := dump(t, rdb)
	rebuild(rdb, events)
	sameState(t, dump(t, rdb), want)
}

// What was reserved at the end of a period and used in the next one is gone
// from the first, not from both; what was never reserved counts when it is used.
func TestUsageCountsWhereItWasReserved(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		end := clock.Add(time.Second)
		limits := map[string]int64{schemas.ResourceChats: 1}
		plans := renewedAt(end, limits)
		task := chat(org)
		task.CreatedAt, task.Processing = clock, schemas.ProcessTranscription
		s := readyStore(t, rdb)
		apply(t, s, plans[0].(schemas.EntityChanged), plans[1].(schemas.EntityChanged))
		a, err := s.Accept(ctx, task, "")
		if err != nil {
			t.Fatal(err)
		}
		settled := []any{usageOf(a.Task, task.Resource, 1), usageOf(a.Task, schemas.ResourceTextTokens, 9), statusOf(a.Task, schemas.StatusCompleted, 2*time.Minute)}
		facts, _, err := decodeAll(&schemas.Codec{}, recordsOf(settled))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.applyFacts(ctx, "epoch", facts); err != nil {
			t.Fatal(err)
		}
		check := func() {
			t.Helper()
			for at, want := range map[time.Time]map[string]Amount{
				clock: {schemas.ResourceChats: {Limit: 1, Used: 1, Transcribed: 1}},
				end:   {schemas.ResourceChats: {Limit: 1}, schemas.ResourceTextTokens: {Used: 9, Transcribed: 9}},
			} {
				if q, err := storeAt(rdb, at).Quota(ctx, org); err != nil || !reflect.DeepEqual(q.Resources, want) {
					t.Errorf("at %s: %+v, %v", at, q.Resources, err)
				}
			}
		}
		check()
		rebuild(rdb, slices.Concat(plans, []any{schemas.TaskSubmitted{Task: a.Task}}, settled))
		check()
	})
}
