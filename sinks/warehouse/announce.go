package warehouse

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

// announce says, of each task whose row can now be queried, that it is
// completed and what it used. Everything in these events comes from the
// finished event, so that saying it twice says the same.
func (s *Sink) announce(ctx context.Context, finished map[taskKey]finish) error {
	var records []*kgo.Record
	for _, f := range finished {
		status, err := s.codec.Record(schemas.TopicStatus, source, schemas.TaskStatus{
			Task: f.task, Status: schemas.StatusCompleted, Version: schemas.StatusVersion(schemas.StatusCompleted), CSAT: f.csat, UpdatedAt: f.at})
		if err != nil {
			return err
		}
		records = append(records, status)
		if f.task.Resource == "" || f.usedAt.IsZero() {
			continue
		}
		usage, err := s.codec.Record(schemas.TopicUsage, source, schemas.UsageRecorded{
			ID: f.task.Code + "/" + f.task.Resource, Org: f.task.Org, TaskCode: f.task.Code, Resource: f.task.Resource, Units: settled(f.task), At: f.usedAt,
			Processing: f.task.Processing})
		if err != nil {
			return err
		}
		records = append(records, usage)
	}
	if len(records) == 0 {
		return nil
	}
	return s.client.ProduceSync(ctx, records...).FirstErr()
}

// settled is what a finished task really used: minutes of a recording, begun
// ones counted whole, by the length that decoding found. Chats and reports, and
// a recording of unknown length, use what was reserved.
func settled(t schemas.Task) int64 {
	switch t.Resource {
	case schemas.ResourceCallMinutes, schemas.ResourceAudioMinutes, schemas.ResourceVideoMinutes:
		if t.Seconds > 0 {
			return int64(math.Ceil(t.Seconds / 60))
		}
	}
	return t.Reserved
}

// bury writes the dead letters of records that no row can be made of, and takes
// each off the batch, so that a repetition goes on where it stopped. Only a crash
// before the offsets are committed can write one twice.
func (s *Sink) bury(ctx context.Context, b *batch) error {
	for len(b.poison) > 0 {
		p := b.poison[0]
		s.metrics.Errors(schemas.StageWarehouse, "record").Inc()
		s.log.Error("a record cannot be read", "topic", p.record.Topic, "partition", p.record.Partition, "offset", p.record.Offset, "error", p.err)
		letter := schemas.DeadLetter{Topic: p.record.Topic, Partition: int64(p.record.Partition), Offset: p.record.Offset,
			Key: p.record.Key, Value: p.record.Value, Stage: schemas.StageWarehouse, Reason: p.err.Error(), Attempts: 1, At: time.Now().UTC()}
		err := s.send(ctx, letter)
		if errors.Is(err, kerr.MessageTooLarge) {
			letter.Value = nil
			letter.Reason = fmt.Sprintf("%s (the record is too large for a dead letter: it is left where it was)", letter.Reason)
			err = s.send(ctx, letter)
		}
		if err != nil {
			return err
		}
		s.metrics.Errors(schemas.StageWarehouse, "dead").Inc()
		b.poison = b.poison[1:]
	}
	return nil
}

func (s *Sink) send(ctx context.Context, letter schemas.DeadLetter) error {
	r, err := s.codec.Record(schemas.TopicDeadLetter, source, letter)
	if err != nil {
		return err
	}
	return s.client.ProduceSync(ctx, r).FirstErr()
}
