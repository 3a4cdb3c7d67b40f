package warehouse

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

type partition struct {
	topic  string
	number int32
}

func partitionOf(r *kgo.Record) partition { return partition{r.Topic, r.Partition} }

type taskKey struct {
	org  string
	code uuid.UUID
}

// batch is what one insert takes: records, and the rows they make.
type batch struct {
	records  []*kgo.Record
	rows     map[taskKey]*interaction
	segments map[taskKey][]segment
	usage    map[[2]string]ledgerLine // by organisation and id
	audit    map[string]auditLine     // by id
	finished map[taskKey]finish
	poison   []poison
}

// finish is a task that is completed once its row can be queried.
type finish struct {
	task    schemas.Task
	version uint64
	csat    *int64
	at      time.Time
	usedAt  time.Time // when what it used was: zero when an earlier version said so already
}

// poison is a record that no row can be made of, whatever is tried.
type poison struct {
	record *kgo.Record
	err    error
}

// source is what the records that this sink produces say of their origin.
const source = schemas.StageWarehouse

// fold turns records into rows. Of several versions of one task only the
// highest stays: the others would be replaced by it anyway.
func fold(codec *schemas.Codec, records []*kgo.Record) *batch {
	b := &batch{records: records, rows: map[taskKey]*interaction{}, segments: map[taskKey][]segment{}, usage: map[[2]string]ledgerLine{}, audit: map[string]auditLine{}, finished: map[taskKey]finish{}}
	for _, r := range records {
		if err := b.add(codec, r); err != nil {
			b.poison = append(b.poison, poison{r, err})
		}
	}
	return b
}

func (b *batch) add(codec *schemas.Codec, r *kgo.Record) error {
	switch r.Topic {
	case schemas.TopicStatus:
		return b.addStatus(codec, r)
	case schemas.TopicTranscripts:
		return b.addTranscript(codec, r)
	case schemas.TopicAnalyses:
		return b.addAnalysis(codec, r)
	case schemas.TopicUsage:
		return b.addUsage(codec, r)
	case schemas.TopicAudit:
		return b.addAudit(codec, r)
	}
	// The text of a chat comes with its analysis, so its utterances are not decoded here.
	task, err := codec.DecodeTask(r.Value)
	if err != nil {
		return err
	}
	version, err := rowVersion(schemas.StatusVersion(schemas.StatusPending), 0)
	if err != nil {
		return err
	}
	row, err := taskRow(task, schemas.StatusPending, version, orRecord(task.CreatedAt, r))
	return b.put(row, err)
}

func (b *batch) addStatus(codec *schemas.Codec, r *kgo.Record) error {
	if producedHere(r) { // the row that made us say so is older than this record
		return nil
	}
	var e schemas.TaskStatus
	if err := codec.Decode(r.Value, &e); err != nil {
		return err
	}
	if e.ErrorCode < math.MinInt32 || e.ErrorCode > math.MaxInt32 {
		return fmt.Errorf("error code %d is out of range", e.ErrorCode)
	}
	version, err := rowVersion(e.Version, 0)
	if err != nil {
		return err
	}
	row, err := taskRow(e.Task, e.Status, version, orRecord(e.UpdatedAt, r))
	if err != nil {
		return err
	}
	row.ErrorCode, row.ErrorMessage = int32(e.ErrorCode), e.Error
	return b.put(row, nil)
}

func (b *batch) addTranscript(codec *schemas.Codec, r *kgo.Record) error {
	var e schemas.Transcript
	if err := codec.Decode(r.Value, &e); err != nil {
		return err
	}
	status := schemas.StatusAudioCompleted
	if e.Task.Processing == schemas.ProcessTranscription { // nothing more will come
		status = schemas.StatusCompleted
	}
	version, err := rowVersion(schemas.StatusVersion(status), e.Version)
	if err != nil {
		return err
	}
	at := orRecord(e.CreatedAt, r)
	row, err := taskRow(e.Task, status, version, at)
	if err != nil {
		return err
	}
	row.setConversation(e.Language, e.RoleSource, e.NoSpeech, e.Utterances)
	if err := row.setMeasures(e.Metrics, e.Sound); err != nil {
		return fmt.Errorf("transcript of task %s: %w", e.Task.Code, err)
	}
	row.Engine, row.SpeechModel = e.Engine, e.SpeechModel()
	row.Words = schemas.SearchWords(row.Text)
	b.putWhole(row, e.Utterances)
	if status == schemas.StatusCompleted {
		b.finish(row, finish{e.Task, version, nil, at, at})
	}
	return nil
}

func (b *batch) addAnalysis(codec *schemas.Codec, r *kgo.Record) error {
	var e schemas.Analysis
	if err := codec.Decode(r.Value, &e); err != nil {
		return err
	}
	version, err := rowVersion(schemas.StatusVersion(schemas.StatusCompleted), e.Version)
	if err != nil {
		return err
	}
	at := orRecord(e.CreatedAt, r)
	row, err := taskRow(e.Task, schemas.StatusCompleted, version, at)
	if err != nil {
		return err
	}
	row.setConversation(e.Language, e.RoleSource, e.NoSpeech, e.Utterances)
	if err := errors.Join(row.setMeasures(e.Metrics, e.Sound), row.setAnalysis(e)); err != nil {
		return fmt.Errorf("analysis of task %s: %w", e.Task.Code, err)
	}
	row.Words = schemas.SearchWords(row.Summary, row.Text)
	b.putWhole(row, e.Utterances)
	f := finish{task: e.Task, version: version, csat: e.CSAT, at: at}
	if e.Version <= 1 { // a re-analysis a month later must not move the usage there
		f.usedAt = at
	}
	b.finish(row, f)
	return nil
}

func (b *batch) addUsage(codec *schemas.Codec, r *kgo.Record) error {
	var e schemas.UsageRecorded
	if err := codec.Decode(r.Value, &e); err != nil {
		return err
	}
	if e.Org == "" || e.ID == "" {
		return errors.New("usage without organisation or id")
	}
	at := orRecord(e.At, r)
	if err := checkTime("time of usage", at); err != nil {
		return err
	}
	b.usage[[2]string{e.Org, e.ID}] = ledgerLine{Org: e.Org, ID: e.ID, TaskCode: e.TaskCode, Resource: e.Resource, Units: e.Units, Processing: e.Processing, At: at}
	return nil
}

func (b *batch) put(row *interaction, err error) error {
	if err != nil {
		return err
	}
	key := taskKey{row.Org, row.Code}
	if old, ok := b.rows[key]; !ok || old.Version <= row.Version {
		b.rows[key] = row
	}
	return nil
}

// putWhole puts a row with its utterances.
func (b *batch) putWhole(row *interaction, utterances []schemas.Utterance) {
	key := taskKey{row.Org, row.Code}
	if old := b.segments[key]; len(old) == 0 || old[0].Version <= row.Version {
		b.segments[key] = segmentsOf(row, utterances)
	}
	_ = b.put(row, nil) // fails only with the error it is given
}

func (b *batch) finish(row *interaction, f finish) {
	key := taskKey{row.Org, row.Code}
	if old, ok := b.finished[key]; ok {
		used := f.usedAt
		if used.IsZero() {
			used = old.usedAt
		}
		if old.version > f.version {
			f = old
		}
		f.usedAt = used
	}
	b.finished[key] = f
}

// orRecord is t, or when t is not given the time of the record: never the
// clock, so that the same record always makes the same row.
func orRecord(t time.Time, r *kgo.Record) time.Time {
	if t.IsZero() {
		return r.Timestamp.UTC()
	}
	return t
}

func producedHere(r *kgo.Record) bool {
	return slices.ContainsFunc(r.Headers, func(h kgo.RecordHeader) bool {
		return h.Key == "ce_source" && string(h.Value) == "/earshot/"+source
	})
}

// token names the batch's content for ClickHouse, which drops an insert whose
// token it has seen: a retry after a lost answer writes nothing twice. ClickHouse
// would drop other rows under the same token too, so the token holds, beside
// each partition's first and last offset, a hash of the records themselves: a
// batch that was cut differently, or a log that began anew, has another token.
func (b *batch) token() string {
	type span struct{ first, last int64 }
	spans := map[partition]*span{}
	hash := xxhash.New()
	for _, r := range b.records {
		p := partitionOf(r)
		if s, ok := spans[p]; ok {
			s.first, s.last = min(s.first, r.Offset), max(s.last, r.Offset)
		} else {
			spans[p] = &span{r.Offset, r.Offset}
		}
	}
	var names []string
	for p, s := range spans {
		names = append(names, fmt.Sprintf("%s-%d-%d-%d", p.topic, p.number, s.first, s.last))
	}
	slices.Sort(names)
	// Records of one partition are in order, but partitions may interleave
	// differently each time: hash by partition.
	for _, r := range inOrder(b.records) {
		fmt.Fprintf(hash, "%s/%d/%d/%d;", r.Topic, r.Partition, r.Offset, len(r.Value))
		_, _ = hash.Write(r.Value) // a hash takes everything
	}
	return fmt.Sprintf("%s-%016x", strings.Join(names, ","), hash.Sum64())
}

func inOrder(records []*kgo.Record) []*kgo.Record {
	sorted := slices.Clone(records)
	slices.SortFunc(sorted, func(a, b *kgo.Record) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		if a.Partition != b.Partition {
			return int(a.Partition) - int(b.Partition)
		}
		return int(a.Offset - b.Offset)
	})
	return sorted
}
