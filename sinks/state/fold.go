package state

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

// A fold is the log in memory, one entry per task: its furthest status as it
// was written (decoded only when the record is made), or its submission when
// it has no status yet, and its usage. Texts are never kept.
type fold struct {
	statuses  map[string]rawStatus    // by task code
	submitted map[string]schemas.Task // by task code
	usage     map[string][]usageLine  // by task code
	entities  map[string]schemas.EntityChanged
	names     map[string]string // organisations and resources, each kept once
}

type rawStatus struct {
	version int64
	value   []byte
	at      position
}

type position struct {
	partition int32
	offset    int64
}

type usageLine struct {
	org, resource, processing string
	units, at                 int64 // at: µs
}

func newFold() *fold {
	return &fold{map[string]rawStatus{}, map[string]schemas.Task{}, map[string][]usageLine{}, map[string]schemas.EntityChanged{}, map[string]string{}}
}

func (f *fold) once(s string) string {
	if kept, ok := f.names[s]; ok {
		return kept
	}
	s = strings.Clone(s)
	f.names[s] = s
	return s
}

// tasks is the number of tasks.
func (f *fold) tasks() int { return len(f.statuses) + len(f.submitted) }

// add folds records of any of the topics in and gives those that cannot be
// read. Statuses must come before submissions.
func (f *fold) add(codec *schemas.Codec, records []*kgo.Record) (bad []poison, err error) {
	var todo []*kgo.Record
	for _, r := range records {
		if len(r.Value) > 0 && !f.addUnread(codec, r) {
			todo = append(todo, r)
		}
	}
	facts, bad, err := decodeAll(codec, todo)
	for i, fact := range facts {
		switch {
		case fact.status != nil:
			f.addStatus(codec, fact.status, todo[i])
		case fact.submitted != nil:
			f.submitted[fact.code] = *fact.submitted
		case fact.usage != nil:
			f.addUsage(fact.usage)
		case fact.entity != nil:
			f.addEntity(fact.entity)
		}
	}
	return bad, err
}

// addUnread takes a record that says all that is needed without its value.
func (f *fold) addUnread(codec *schemas.Codec, r *kgo.Record) bool {
	switch r.Topic {
	case schemas.TopicStatus:
		version, ok := schemas.RecordVersion(r)
		known := f.statuses[string(r.Key)]
		if !ok || version == known.version || version > known.version && codec.Readable(r.Value, schemas.TaskStatus{}) != nil {
			return false // must be decoded, or buried
		}
		if version > known.version {
			f.keep(version, r)
		}
		return true
	case schemas.TopicUsage, schemas.TopicEntities:
		return false
	}
	_, known := f.statuses[string(r.Key)]
	if !known {
		_, known = f.submitted[string(r.Key)]
	}
	return known
}

func (f *fold) keep(version int64, r *kgo.Record) {
	// A slice of the record would keep the whole fetch in memory.
	f.statuses[string(r.Key)] = rawStatus{version, bytes.Clone(r.Value), position{r.Partition, r.Offset}}
}

// addStatus compares as record.applyStatus does.
func (f *fold) addStatus(codec *schemas.Codec, e *schemas.TaskStatus, r *kgo.Record) {
	known, ok := f.statuses[string(r.Key)]
	if ok && known.version == e.Version {
		var was schemas.TaskStatus
		if codec.Decode(known.value, &was) == nil && !e.UpdatedAt.After(was.UpdatedAt) {
			return
		}
	} else if ok && known.version > e.Version {
		return
	}
	f.keep(e.Version, r)
}

func (f *fold) addUsage(e *schemas.UsageRecorded) {
	lines := f.usage[e.TaskCode]
	if !slices.ContainsFunc(lines, func(l usageLine) bool { return l.resource == e.Resource }) {
		f.usage[e.TaskCode] = append(lines, usageLine{f.once(e.Org), f.once(e.Resource), f.once(e.Processing), e.Units, e.At.UnixMicro()})
	}
}

func (f *fold) addEntity(e *schemas.EntityChanged) {
	key := e.Org + "/" + e.Kind + "/" + e.ID
	if known, ok := f.entities[key]; !ok || known.Version < e.Version {
		f.entities[key] = *e
	}
}

// codes are all tasks.
func (f *fold) codes() []string {
	all := make([]string, 0, f.tasks())
	for code := range f.statuses {
		all = append(all, code)
	}
	for code := range f.submitted {
		if _, ok := f.statuses[code]; !ok {
			all = append(all, code)
		}
	}
	for code := range f.usage {
		_, known := f.statuses[code]
		if _, ok := f.submitted[code]; !ok && !known {
			all = append(all, code)
		}
	}
	return all
}

// change is all that the log says about a task, in the form in which a batch
// says it. bad is a status that turned out not to be readable.
func (f *fold) change(codec *schemas.Codec, code string) (c *taskChange, bad *poison) {
	c = &taskChange{code: code}
	if raw, ok := f.statuses[code]; ok {
		r := &kgo.Record{Topic: schemas.TopicStatus, Partition: raw.at.partition, Offset: raw.at.offset, Key: []byte(code), Value: raw.value}
		if fact, err := decode(codec, r); err != nil {
			bad = &poison{r, err}
		} else {
			c.org, c.facts = fact.org, append(c.facts, fact)
		}
	}
	if t, ok := f.submitted[code]; ok {
		c.org, c.facts = t.Org, append(c.facts, fact{submitted: &t})
	}
	for _, l := range f.usage[code] {
		if c.org == "" {
			c.org = l.org
		}
		if c.org == l.org { // another organisation cannot pay
			c.facts = append(c.facts, fact{usage: &schemas.UsageRecorded{Resource: l.resource, Units: l.units, At: time.UnixMicro(l.at), Processing: l.processing}})
		}
	}
	return c, bad
}

// changes are the entities in the order in which they were made, which decides
// who owns an e-mail address.
func (f *fold) changes() []schemas.EntityChanged {
	return slices.SortedFunc(maps.Values(f.entities), func(a, b schemas.EntityChanged) int {
		return cmp.Or(a.UpdatedAt.Compare(b.UpdatedAt), cmp.Compare(a.Org, b.Org), cmp.Compare(a.Kind, b.Kind), byNumber(a.ID, b.ID))
	})
}

// plans are the subscriptions of each organisation.
func (f *fold) plans() map[string]windows {
	all := map[string]windows{}
	for _, e := range f.entities {
		if d, err := derive(e); err == nil && d.window != nil {
			all[e.Org] = append(all[e.Org], *d.window)
		}
	}
	for _, w := range all {
		w.sort()
	}
	return all
}
