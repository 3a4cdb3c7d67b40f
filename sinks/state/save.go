package state

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	saveTasks  = 500  // task records in one transaction
	saveFields = 1000 // fields in one command
)

// Ids that were given shortly before Redis was lost may not be on the log yet.
// When the log was written to within gapFor, the next ids leave a gap.
const (
	gapFor      = time.Minute
	gapTasks    = 1000
	gapEntities = 10
)

// tally adds up what hangs on the records: the same steps that settle.lua
// takes one by one.
type tally struct {
	ledger map[string]int64  // key and field, see at
	dups   map[string]string // -> code
	idems  map[string]idem
	owners map[string]string    // of reports, by code
	ids    map[string]int64     // by organisation
	latest map[string]time.Time // by organisation, the creation of its last task
}

type idem struct {
	code string
	left int64 // ms
}

func newTally(tasks int) *tally {
	return &tally{map[string]int64{}, make(map[string]string, tasks), make(map[string]idem, tasks), map[string]string{}, map[string]int64{}, map[string]time.Time{}}
}

// at joins a key and a field of its hash; neither holds a NUL.
func at(key, field string) string { return key + "\x00" + field }

func (t *tally) take(m madeRecord) {
	r, org, p := m.record, m.org, orgPrefix(m.org)
	for _, s := range m.hanging {
		switch s[0] {
		case "ledger":
			t.ledger[at(p+subLedger, s[1].(string))] += s[2].(int64)
		case "claim":
			place := at(p+subDup, s[1].(string))
			if owner, ok := t.dups[place]; !ok || owner > r.Task.Code {
				t.dups[place] = r.Task.Code
			}
		case "claimkey":
			key := p + subIdem + s[1].(string)
			if owner, ok := t.idems[key]; !ok || owner.code > r.Task.Code {
				t.idems[key] = idem{r.Task.Code, s[2].(int64)}
			}
		case "report":
			t.owners[r.Task.Code] = s[1].(string)
		case "id":
			t.ids[org] = max(t.ids[org], s[1].(int64))
		}
	}
	if r.Task.CreatedAt.After(t.latest[org]) {
		t.latest[org] = r.Task.CreatedAt
	}
}

// save writes the folded log to Redis, the marker last.
func (b *builder) save(ctx context.Context) error {
	entities := b.fold.changes()
	for len(entities) > 0 {
		n := min(saveFields, len(entities))
		if err := b.p.store.applyEntities(ctx, keyFence, b.token, entities[:n]); err != nil {
			return err
		}
		entities = entities[n:]
	}
	t, err := b.saveTasks(ctx)
	if err != nil {
		return err
	}
	if err := b.saveTally(ctx, t); err != nil {
		return err
	}
	return b.fenced(ctx, func(pipe redis.Pipeliner) {
		offsets := []any{}
		for part, end := range b.ends {
			offsets = append(offsets, part.field(), end)
		}
		pipe.HSet(ctx, keyOffsets, offsets...)
		pipe.Set(ctx, keyReady, rand.Text(), 0)
	})
}

// saveTasks writes the task records on all cores.
func (b *builder) saveTasks(ctx context.Context) (*tally, error) {
	codes, plans, now := b.fold.codes(), b.fold.plans(), b.p.store.now()
	t := newTally(len(codes))
	var bad []poison
	var failed error
	var lock sync.Mutex
	inParallel(len(codes), func(from, to int) {
		for err := error(nil); from < to && err == nil; from += saveTasks {
			var made []madeRecord
			var unread []poison
			made, unread, err = b.make(codes[from:min(from+saveTasks, to)], plans, now)
			if err == nil {
				err = b.saveRecords(ctx, made)
			}
			lock.Lock()
			for _, m := range made {
				t.take(m)
			}
			bad, failed = append(bad, unread...), errors.Join(failed, err)
			lock.Unlock()
		}
	})
	if failed != nil {
		return nil, failed
	}
	return t, b.buryNew(ctx, bad)
}

// madeRecord is a task as it goes into Redis.
type madeRecord struct {
	org     string
	record  *record
	encoded string
	hanging []step
}

func (b *builder) make(codes []string, plans map[string]windows, now time.Time) (made []madeRecord, bad []poison, err error) {
	for _, code := range codes {
		c, unread := b.fold.change(b.p.codec, code)
		if unread != nil {
			bad = append(bad, *unread)
		}
		r, hanging := c.merge(nil, plans[c.org], now)
		if r == nil {
			continue // nothing about it could be read
		}
		encoded, err := r.encode()
		if err != nil {
			return nil, nil, err
		}
		made = append(made, madeRecord{c.org, r, encoded, hanging})
	}
	return made, bad, nil
}

func (b *builder) saveRecords(ctx context.Context, made []madeRecord) error {
	set := make([]any, 0, 2*len(made))
	for _, m := range made {
		set = append(set, orgPrefix(m.org)+subTask+m.record.Task.Code, m.encoded)
	}
	if len(set) == 0 {
		return nil
	}
	return b.fenced(ctx, func(pipe redis.Pipeliner) { pipe.MSet(ctx, set...) })
}

// saveTally writes ledger, duplicates, idempotency keys and next ids.
func (b *builder) saveTally(ctx context.Context, t *tally) error {
	now := b.p.store.now()
	fields := map[string][]any{}
	for place, units := range t.ledger {
		key, field, _ := strings.Cut(place, "\x00")
		fields[key] = append(fields[key], field, units)
	}
	for code, org := range t.owners {
		fields[keyReports] = append(fields[keyReports], code, org)
	}
	for place, code := range t.dups {
		key, field, _ := strings.Cut(place, "\x00")
		fields[key] = append(fields[key], field, code)
	}
	for org, id := range t.ids {
		if now.Sub(t.latest[org]) < gapFor {
			id += gapTasks
		}
		fields[orgPrefix(org)+subIDs] = []any{"task", id}
	}
	for key, pairs := range fields {
		for some := range slices.Chunk(pairs, 2*saveFields) {
			if err := b.fenced(ctx, func(pipe redis.Pipeliner) { pipe.HSet(ctx, key, some...) }); err != nil {
				return err
			}
		}
	}
	for keys := range slices.Chunk(slices.Collect(maps.Keys(t.idems)), saveFields) {
		err := b.fenced(ctx, func(pipe redis.Pipeliner) {
			for _, key := range keys {
				pipe.Set(ctx, key, t.idems[key].code, time.Duration(t.idems[key].left)*time.Millisecond)
			}
		})
		if err != nil {
			return err
		}
	}
	recent := map[[2]string]bool{}
	for _, e := range b.fold.entities {
		if now.Sub(e.UpdatedAt) < gapFor {
			recent[[2]string{orgPrefix(e.Org) + subIDs, e.Kind}] = true
		}
	}
	if len(recent) == 0 {
		return nil
	}
	return b.fenced(ctx, func(pipe redis.Pipeliner) {
		for key := range recent {
			pipe.HIncrBy(ctx, key[0], key[1], gapEntities)
		}
	})
}
