package processors

import (
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// lagEvery is how often the consumer lag of a share group is looked up.
const lagEvery = 5 * time.Second

// watchLag keeps the lag gauges of the stage until ctx ends: the records of
// each topic behind which not everything is accepted yet. It counts from the
// oldest open record, so a single long job holds the figure up.
func (w *Worker) watchLag(ctx context.Context) {
	adm := kadm.NewClient(w.Producer)
	for pause(ctx, lagEvery) == nil {
		if err := w.measureLag(ctx, adm); err != nil && ctx.Err() == nil {
			w.Log.Debug("consumer lag", "stage", w.Name, "error", err)
		}
	}
}

func (w *Worker) measureLag(ctx context.Context, adm *kadm.Client) error {
	topics := slices.Concat(w.Live, w.Bulk)
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return err
	}
	groups, err := adm.DescribeShareGroupOffsets(ctx, w.Group)
	if err != nil {
		return err
	}
	started := groups[w.Group].Offsets
	lag := map[string]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		begin := int64(0)
		if s, ok := started[o.Topic][o.Partition]; ok {
			begin = max(s.StartOffset, 0)
		}
		lag[o.Topic] += max(o.Offset-begin, 0)
	})
	for _, topic := range topics {
		w.Metrics.Lag(w.Name, topic).Set(float64(lag[topic]))
	}
	return nil
}
