package state

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"earshot/schemas"
)

// dump is the state as far as it must not depend on the order of events:
// everything but revisions, texts, times to live and the bookkeeping of builds.
func dump(t testing.TB, rdb *redis.Client) map[string]any {
	ctx := context.Background()
	all := map[string]any{}
	for _, key := range must(rdb.Keys(ctx, keyPrefix+"*").Result()) {
		_, sub, inOrg := strings.Cut(key, "}:")
		switch {
		case key == keyReady, key == keyLock, key == keyFence, key == keyOffsets, strings.HasPrefix(sub, subText):
			continue
		case strings.HasPrefix(sub, subTask):
			all[key] = must(rdb.Get(ctx, key).Result())[endRevision:]
		case strings.HasPrefix(sub, subIdem):
			all[key] = must(rdb.Get(ctx, key).Result())
		case key == keyOrgs:
			members := must(rdb.SMembers(ctx, key).Result())
			slices.Sort(members)
			all[key] = members
		case sub == subAccepting:
			all[key] = must(rdb.ZRange(ctx, key, 0, -1).Result())
		case inOrg || key == keyUsers || key == keyReports:
			fields := must(rdb.HGetAll(ctx, key).Result())
			if sub == subLedger { // what was added and taken back leaves a zero
				maps.DeleteFunc(fields, func(_, units string) bool { return units == "0" })
			}
			if len(fields) > 0 {
				all[key] = fields
			}
		default:
			t.Fatalf("unknown key %s", key)
		}
	}
	return all
}

// errorer is a testing.T or a rapid.T.
type errorer interface {
	Helper()
	Errorf(format string, args ...any)
}

func sameState(t errorer, got, want map[string]any) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !reflect.DeepEqual(got[key], want[key]) {
			t.Errorf("%s:\n got  %v\n want %v", key, got[key], want[key])
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%s should not be there: %v", key, got[key])
		}
	}
}

func statusOf(task schemas.Task, status string, at time.Duration) schemas.TaskStatus {
	e := schemas.TaskStatus{Task: task, Status: status, Version: schemas.StatusVersion(status), UpdatedAt: task.CreatedAt.Add(at)}
	if status == schemas.StatusError {
		e.ErrorCode, e.Error = 4026, "cannot be decoded"
	}
	return e
}

func usageOf(task schemas.Task, resource string, units int64) schemas.UsageRecorded {
	return schemas.UsageRecorded{ID: task.Code + "/" + resource, Org: task.Org, TaskCode: task.Code, Resource: resource,
		Units: units, At: task.CreatedAt.Add(time.Minute), Processing: task.Processing}
}

// life is what may happen to a task, in order.
func life(t *rapid.T, task schemas.Task) []any {
	events := []any{schemas.TaskSubmitted{Task: task}}
	for i := range rapid.IntRange(0, 2).Draw(t, "starts") { // a worker that died leaves a second "processing"
		events = append(events, statusOf(task, schemas.StatusProcessing, time.Duration(i+1)*time.Second))
	}
	if rapid.Bool().Draw(t, "failed") {
		events = append(events, statusOf(task, schemas.StatusError, 5*time.Second))
	}
	if rapid.Bool().Draw(t, "finished") {
		events = append(events, statusOf(task, schemas.StatusAudioCompleted, 6*time.Second),
			statusOf(task, schemas.StatusCompleted, 7*time.Second), usageOf(task, task.Resource, rapid.Int64Range(0, 9).Draw(t, "units")))
	}
	if rapid.Bool().Draw(t, "tokens") {
		events = append(events, usageOf(task, schemas.ResourceTextTokens, 1000))
	}
	return events
}

var topicOf = map[reflect.Type]string{
	reflect.TypeOf(schemas.TaskSubmitted{}): schemas.TopicAudio,
	reflect.TypeOf(schemas.TaskStatus{}):    schemas.TopicStatus,
	reflect.TypeOf(schemas.UsageRecorded{}): schemas.TopicUsage,
	reflect.TypeOf(schemas.EntityChanged{}): schemas.TopicEntities,
}

func recordsOf(events []any) []*kgo.Record {
	var codec schemas.Codec
	records := make([]*kgo.Record, len(events))
	for i, e := range events {
		records[i] = must(codec.Record(topicOf[reflect.TypeOf(e)], "test", e))
	}
	return records
}

// project applies events to an empty state in batches of the given sizes.
func project(rdb *redis.Client, events []any, batch func() int) {
	ctx := context.Background()
	must(rdb.FlushAll(ctx).Result())
	must(rdb.Set(ctx, keyReady, "epoch", 0).Result())
	s := storeAt(rdb, clock)
	facts, bad, err := decodeAll(&schemas.Codec{}, recordsOf(events))
	if err != nil || len(bad) > 0 {
		panic(fmt.Sprint(err, bad))
	}
	for len(facts) > 0 {
		n := min(batch(), len(facts))
		must(0, s.applyFacts(ctx, "epoch", facts[:n]))
		facts = facts[n:]
	}
}

// rebuild folds events and saves them, as a build does.
func rebuild(rdb *redis.Client, events []any) { rebuildAt(rdb, clock, events) }

func rebuildAt(rdb *redis.Client, now time.Time, events []any) {
	ctx := context.Background()
	must(rdb.FlushAll(ctx).Result())
	must(rdb.Set(ctx, keyFence, "token", 0).Result())
	b := &builder{p: &Projection{store: storeAt(rdb, now), codec: &schemas.Codec{}}, token: "token", fold: newFold(),
		ends: map[partition]int64{{schemas.TopicStatus, 0}: 1}}
	var submitted []*kgo.Record
	for _, r := range recordsOf(events) {
		if r.Topic == schemas.TopicAudio {
			submitted = append(submitted, r)
		} else if bad := must(b.fold.add(b.p.codec, []*kgo.Record{r})); bad != nil {
			panic(bad[0].err)
		}
	}
	must(b.fold.add(b.p.codec, submitted))
	must(0, b.save(ctx))
}

// However events are repeated, shuffled and cut into batches, and whether they
// are applied or folded, the state is that of each event once and in order.
func TestAnyOrderOfEventsEndsInTheSameState(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		rapid.Check(t, func(rt *rapid.T) {
			// Tasks are submitted before the renewal or after it, and used after it.
			renewal := clock.Add(-time.Hour + 30*time.Second)
			plans := renewedAt(renewal, map[string]int64{schemas.ResourceCallMinutes: 100})
			events := slices.Clone(plans)
			for i := range rapid.IntRange(1, 3).Draw(rt, "tasks") {
				task := upload(org, fmt.Sprint("file", i), fmt.Sprint("d", i))
				task.ID, task.Idempotency = int64(i+1), fmt.Sprint("key", i)
				if rapid.Bool().Draw(rt, "report") {
					task.Type = schemas.TypeReport
				}
				task.Processing = rapid.SampledFrom([]string{schemas.ProcessStandard, schemas.ProcessTranscription}).Draw(rt, "processing")
				task.CreatedAt = renewal.Add(rapid.SampledFrom([]time.Duration{-time.Second, 0}).Draw(rt, "created"))
				events = append(events, life(rt, task)...)
			}
			project(rdb, events, func() int { return 1 })
			want := dump(t, rdb)

			again := slices.Concat(events[len(plans):], rapid.SliceOf(rapid.SampledFrom(events[len(plans):])).Draw(rt, "repeated"))
			again = append(plans, rapid.Permutation(again).Draw(rt, "order")...)
			project(rdb, again, func() int { return rapid.IntRange(1, 10).Draw(rt, "batch") })
			sameState(rt, dump(t, rdb), want)
			rebuild(rdb, again)
			sameState(rt, dump(t, rdb), want)
		})
	})
}
