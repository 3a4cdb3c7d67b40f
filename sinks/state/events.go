package state

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

// A fact is what one record of the log says about the state; exactly one of
// the pointers is set.
type fact struct {
	org, code string // of the task; empty for an entity
	submitted *schemas.Task
	status    *schemas.TaskStatus
	usage     *schemas.UsageRecorded
	heard     *schemas.Transcript
	entity    *schemas.EntityChanged
}

// decode reads a record. Its errors are the record's fault: no retry helps.
func decode(codec *schemas.Codec, r *kgo.Record) (f fact, err error) {
	switch r.Topic {
	case schemas.TopicStatus:
		f.status = &schemas.TaskStatus{}
		err = codec.Decode(r.Value, f.status)
		f.org, f.code = f.status.Task.Org, f.status.Task.Code
	case schemas.TopicUsage:
		f.usage = &schemas.UsageRecorded{}
		err = codec.Decode(r.Value, f.usage)
		f.org, f.code = f.usage.Org, f.usage.TaskCode
	case schemas.TopicTranscripts:
		f.heard = &schemas.Transcript{}
		err = codec.Decode(r.Value, f.heard)
		f.org, f.code = f.heard.Task.Org, f.heard.Task.Code
	case schemas.TopicEntities:
		f.entity = &schemas.EntityChanged{}
		if err = codec.Decode(r.Value, f.entity); err == nil {
			_, err = derive(*f.entity)
		}
		return f, err
	default:
		var t schemas.Task
		t, err = codec.DecodeTask(r.Value)
		f.submitted, f.org, f.code = &t, t.Org, t.Code
	}
	if err != nil {
		return fact{}, err
	}
	return f, f.check()
}

// check refuses what could not be a key or a number in the state.
func (f *fact) check() error {
	var version int64
	var resource string
	switch {
	case f.status != nil:
		version, resource = f.status.Version, f.status.Task.Resource
	case f.submitted != nil:
		resource = f.submitted.Resource
	case f.usage != nil:
		resource = f.usage.Resource
		if f.usage.Units < 0 || resource == "" {
			return fmt.Errorf("%w: usage %q of %d units of %q", errMalformed, f.usage.ID, f.usage.Units, resource)
		}
	}
	if !validName(f.org) || !validName(f.code) || !validResource(resource) || version < 0 || version > 9999 {
		return fmt.Errorf("%w: organisation %q, task %q, resource %q or version %d", errMalformed, f.org, f.code, resource, version)
	}
	return nil
}

// poison is a record that could not be decoded.
type poison struct {
	record *kgo.Record
	err    error
}

// decodeAll decodes records on all cores and keeps their order. A record
// without a value is a tombstone and says nothing. The only error is that the
// schema registry does not answer.
func decodeAll(codec *schemas.Codec, records []*kgo.Record) (facts []fact, bad []poison, err error) {
	facts = make([]fact, len(records))
	errs := make([]error, len(records))
	inParallel(len(records), func(from, to int) {
		for i := from; i < to; i++ {
			if len(records[i].Value) > 0 {
				facts[i], errs[i] = decode(codec, records[i])
			}
		}
	})
	for i, err := range errs {
		if errors.Is(err, schemas.ErrRegistry) {
			return nil, nil, err
		}
		if err != nil {
			facts[i] = fact{}
			bad = append(bad, poison{records[i], err})
		}
	}
	return facts, bad, nil
}

// inParallel splits n pieces of work among the cores.
func inParallel(n int, work func(from, to int)) {
	workers := min(runtime.GOMAXPROCS(0), n/16+1)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { work(w*n/workers, (w+1)*n/workers) })
	}
	wg.Wait()
}

// A taskChange is all that a batch says about one task, in order.
type taskChange struct {
	org, code string
	facts     []fact
}

// byTask folds a batch: one change per task, and the entities in order.
func byTask(facts []fact) (changes []*taskChange, entities []schemas.EntityChanged) {
	places := map[TaskKey]*taskChange{}
	for _, f := range facts {
		switch {
		case f.entity != nil:
			entities = append(entities, *f.entity)
		case f.code != "":
			key := TaskKey{f.org, f.code}
			c, ok := places[key]
			if !ok {
				c = &taskChange{org: f.org, code: f.code}
				places[key], changes = c, append(changes, c)
			}
			c.facts = append(c.facts, f)
		}
	}
	return changes, entities
}

// merge applies a change to what is known (nil = nothing) and gives the record
// to be written, nil when nothing changes, with what goes with it.
func (c *taskChange) merge(before *record, plans windows, now time.Time) (*record, []step) {
	after := &record{body: body{Task: compactTask{Code: c.code, Org: c.org}}, digest: shortDigest("")}
	if before != nil {
		after = before.clone()
	}
	lines := map[string]*schemas.UsageRecorded{} // that are counted now, by resource
	changed := false
	for _, f := range c.facts {
		switch {
		case f.submitted != nil:
			changed = after.applySubmitted(*f.submitted) || changed
		case f.status != nil:
			changed = after.applyStatus(*f.status) || changed
		case f.usage != nil:
			if after.applyUsage(f.usage.Resource, f.usage.Units) {
				changed, lines[f.usage.Resource] = true, f.usage
			}
		}
	}
	if !changed {
		return nil, nil
	}
	after.settle(plans.period)
	return after, append(steps(before, after, plans.period, lines, now), step{"durable", "", ""})
}
