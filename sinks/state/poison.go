package state

import (
	"context"

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
