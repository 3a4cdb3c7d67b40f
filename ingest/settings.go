package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

// Save publishes value, the entity struct of its kind, as the newest version of
// an entity, and applies it at once. Of two who save at once the later one
// stays, in Redis as on the log. Errors: 5030, or the state's.
func (d *Door) Save(ctx context.Context, org, kind, id string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind, id, err)
	}
	return d.change(ctx, schemas.EntityChanged{Org: org, Kind: kind, ID: id, Data: data})
}

// Remove publishes that an entity is deleted, and applies it at once. Errors are
// those of Save.
func (d *Door) Remove(ctx context.Context, org, kind, id string) error {
	return d.change(ctx, schemas.EntityChanged{Org: org, Kind: kind, ID: id, Deleted: true})
}

// change numbers a version by the clock, and past the known one where the clock
// of another process was ahead: a version that is not newer would be dropped
// without a word.
func (d *Door) change(ctx context.Context, e schemas.EntityChanged) error {
	known, err := d.store.Version(ctx, e.Org, e.Kind, e.ID)
	if err != nil {
		return err
	}
	e.UpdatedAt = time.Now().UTC().Truncate(time.Microsecond)
	e.Version = max(e.UpdatedAt.UnixMicro(), known+1)
	return d.Put(ctx, e)
}

// Amend publishes a newer version of an analysis, with acks=all. Errors: 5030;
// the event may yet be on the log.
func (d *Door) Amend(ctx context.Context, a schemas.Analysis) error {
	return d.publish(ctx, schemas.TopicAnalyses, a)
}

// AnalyseAgain asks for finished tasks of an organisation to be analysed again,
// with acks=all. Errors: 5030; unless it is ErrNeverSent, some of the requests may
// yet be on the log, and are fulfilled then.
func (d *Door) AnalyseAgain(ctx context.Context, requests []schemas.AnalysisRequested) error {
	records := make([]*kgo.Record, len(requests))
	for i, r := range requests {
		var err error
		if records[i], err = d.codec.Record(schemas.TopicAgain, schemas.StageSubmit, r); err != nil {
			return errors.Join(schemas.Because(schemas.CodeUnavailable, err, ""), ErrNeverSent)
		}
	}
	within, cancel := context.WithTimeout(ctx, d.cfg.ProduceTimeout)
	defer cancel()
	outcomes := make(chan error, len(records))
	for _, r := range records {
		d.producer.TryProduce(context.WithoutCancel(ctx), r, func(_ *kgo.Record, err error) { outcomes <- err })
	}
	var failed error
	refused := 0
	for range records {
		var err error
		select {
		case err = <-outcomes:
		case <-within.Done():
			err = within.Err()
		}
		if errors.Is(err, kgo.ErrMaxBuffered) {
			refused++
		}
		failed = cmp.Or(failed, err)
	}
	if failed == nil {
		return nil
	}
	d.log.Error("publish", "topic", schemas.TopicAgain, "records", len(records), "error", failed)
	if refused == len(records) {
		failed = errors.Join(failed, ErrNeverSent)
	}
	return schemas.Because(schemas.CodeUnavailable, failed, "the event log does not answer")
}
