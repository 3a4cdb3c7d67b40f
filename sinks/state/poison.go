package state

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

// bury writes a dead letter for each record that cannot be read, so that the
// projection goes on without it and an operator finds it. It tries until it is
// done or ctx ends.
func (p *Projection) bury(ctx context.Context, client *kgo.Client, bad []poison) error {
	for _, b := range bad {
		p.metrics.Errors(schemas.StageState, "record").Inc()
		p.log.Error("a record cannot be read", "topic", b.record.Topic, "partition", b.record.Partition, "offset", b.record.Offset, "error", b.err)
		letter, err := p.codec.Record(schemas.TopicDeadLetter, schemas.StageState, schemas.DeadLetter{
			Topic: b.record.Topic, Partition: int64(b.record.Partition), Offset: b.record.Offset,
			Key: b.record.Key, Value: b.record.Value, Stage: schemas.StageState,
			Reason: b.err.Error(), Attempts: 1, At: p.store.now().UTC(),
		})
		for wait := retryFirst; ; wait = min(2*wait, retryMost) {
			if err == nil {
				err = client.ProduceSync(ctx, letter).FirstErr()
			}
			if err == nil {
				p.metrics.Errors(schemas.StageState, "dead").Inc()
				break
			}
			p.log.Error("write a dead letter", "error", err, "again_in", wait)
			if err := sleep(ctx, wait); err != nil {
				return err
			}
			err = nil
		}
	}
	return nil
}

// place is where a record lies.
type place struct {
	partition
	offset int64
}

// buryNew writes dead letters for the records that have none yet: a build
// meets again what the log held before.
func (b *builder) buryNew(ctx context.Context, bad []poison) error {
	if len(bad) == 0 {
		return nil
	}
	if b.buried == nil {
		if err := b.readLetters(ctx); err != nil {
			return err
		}
	}
	return b.p.bury(ctx, b.client, slices.DeleteFunc(bad, func(p poison) bool {
		return b.buried[place{partition{p.record.Topic, p.record.Partition}, p.record.Offset}]
	}))
}

func (b *builder) readLetters(ctx context.Context) error {
	log, err := b.locate(ctx, schemas.TopicDeadLetter)
	if err != nil {
		return err
	}
	b.buried = map[place]bool{}
	return b.read(ctx, log.only(schemas.TopicDeadLetter), func(records []*kgo.Record) error {
		for _, r := range records {
			var letter schemas.DeadLetter
			if b.p.codec.Decode(r.Value, &letter) == nil && letter.Stage == schemas.StageState {
				b.buried[place{partition{letter.Topic, int32(letter.Partition)}, letter.Offset}] = true
			}
		}
		return nil
	})
}
