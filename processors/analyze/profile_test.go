package analyze

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/processors"
	"earshot/schemas"
	"earshot/sinks/state"
)

// newStore is a state that was built from an empty log.
func newStore(t *testing.T) *state.Store {
	t.Helper()
	seeds := []kfake.Opt{kfake.NumBrokers(1)}
	for _, topic := range schemas.Topics {
		seeds = append(seeds, kfake.SeedTopics(1, topic.Name))
	}
	cluster, err := kfake.NewCluster(seeds...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { rdb.Close() })
	store := state.New(rdb, state.Config{})
	client := func(opts ...kgo.Opt) (*kgo.Client, error) {
		return kgo.NewClient(append(opts, kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.FetchMaxWait(50*time.Millisecond))...)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- state.NewProjection(store, client, &schemas.Codec{}, schemas.NewStageMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)).Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if err := store.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}

// nothing saves nothing: for organisations without a checklist.
func nothing(context.Context, string, string, string, any) error {
	return errors.New("nothing is saved here")
}

// A question is marked as asked before it is answered. While that cannot be
// written, a conversation waits: it does not end in error.
func TestQuestionsAreMarkedBeforeTheyAreAnswered(t *testing.T) {
	store := newStore(t)
	var version int64
	apply := func(_ context.Context, org, kind, id string, value any) error {
		data, err := json.Marshal(value)
		if err != nil {
			return err
		}
		version++
		return store.Apply(t.Context(), schemas.EntityChanged{Org: org, Kind: kind, ID: id, Version: version, Data: data})
	}
	for id, active := range map[string]bool{"101": true, "102": false} {
		n, _ := strconv.ParseInt(id, 10, 64)
		if err := apply(t.Context(), "org_1", schemas.KindChecklist, id, schemas.ChecklistQuestion{ID: n, Question: "Q", Active: active}); err != nil {
			t.Fatal(err)
		}
	}
	job := processors.Job{Task: schemas.Task{Org: "org_1", CreatedAt: time.Now()}}
	_, err := newProfiles(store, nothing).of(t.Context(), job)
	if _, fault := schemas.RecordFault(err); err == nil || fault {
		t.Error(err)
	}
	busy := func(context.Context, string, string, string, any) error {
		return schemas.Fail(schemas.CodeInProgress, "")
	}
	_, err = newProfiles(store, busy).of(t.Context(), job)
	if _, fault := schemas.RecordFault(err); err == nil || fault {
		t.Error(err)
	}
	got, err := newProfiles(store, apply).of(t.Context(), job)
	if err != nil || len(got.questions) != 2 || !got.questions[0].Asked || got.questions[1].Asked {
		t.Errorf("%+v, %v", got.questions, err)
	}
	if again, err := newProfiles(store, nothing).of(t.Context(), job); err != nil || !again.questions[0].Asked || again.digest != got.settings() {
		t.Errorf("the second time there is something to be saved: %+v, %v", again, err)
	}
}

// The digest of the settings is another one when what judges has changed, and
// only then.
func TestDigestOfSettings(t *testing.T) {
	made := func(change func(*profile)) string {
		p := profile{questions: []schemas.ChecklistQuestion{{ID: 101, Question: "Did they greet?", Active: true}, {ID: 102, Question: "Off"}},
			scripts: []schemas.Script{{ID: 7, Version: 3, Active: true}, {ID: 8, Version: 1}}, categories: []schemas.Category{{ID: 1, Name: "Bills", Description: "invoice"}}}
		change(&p)
		return p.settings()
	}
	const before = "5cc7bc67ffcc" // on the log already: never another one for the same settings
	for name, test := range map[string]struct {
		change  func(*profile)
		another bool
	}{
		"nothing":                       {func(*profile) {}, false},
		"a question was asked":          {func(p *profile) { p.questions[0].Asked = true }, false},
		"one that is off":               {func(p *profile) { p.questions[1].Question, p.scripts[1].Version = "Still off", 2 }, false},
		"saved again":                   {func(p *profile) { p.categories[0].UpdatedAt = time.Now() }, false},
		"a question in other words":     {func(p *profile) { p.questions[0].Question = "Did they say hello?" }, true},
		"switched on":                   {func(p *profile) { p.questions[1].Active = true }, true},
		"another version of the script": {func(p *profile) { p.scripts[0].Version = 4 }, true},
		"a category in other words":     {func(p *profile) { p.categories[0].Description = "invoice, bill" }, true},
		"no category":                   {func(p *profile) { p.categories = nil }, true},
	} {
		if got := made(test.change); (got != before) != test.another {
			t.Errorf("%s: %s, before %s", name, got, before)
		}
	}
}

// What was changed before a conversation came in, or was asked for again, counts
// for it; and a stream of conversations does not read the settings for each.
func TestWhichSettingsCount(t *testing.T) {
	p := newProfiles(newStore(t), nothing)
	now := time.Now()
	cameIn := func(at time.Time) processors.Job {
		return processors.Job{Task: schemas.Task{Org: "org_1", CreatedAt: at}}
	}
	again := processors.Job{Task: schemas.Task{Org: "org_1"}, Again: &schemas.AnalysisRequested{Org: "org_1", At: now}}
	for name, test := range map[string]struct {
		job   processors.Job
		known time.Duration // for how long the settings were known
		anew  bool
	}{
		"asked for again":                       {again, 0, true},
		"came in after the settings were read":  {cameIn(now), 2 * time.Second, true},
		"came in just before they were read":    {cameIn(now.Add(-2500 * time.Millisecond)), 2 * time.Second, true}, // by another clock it was after
		"a stream":                              {cameIn(now), profileLook / 2, false},
		"came in long before, waited elsewhere": {cameIn(now.Add(-time.Minute)), 2 * time.Second, false},
	} {
		p.known.Add("org_1", profile{locale: "old", loaded: time.Now().Add(-test.known)})
		for range 2 { // what was read anew is kept
			got, err := p.of(t.Context(), test.job)
			if err != nil || (got.locale != "old") != test.anew {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
		if kept, _ := p.known.Get("org_1"); (kept.locale != "old") != test.anew {
			t.Errorf("%s: kept %+v", name, kept)
		}
	}
}
