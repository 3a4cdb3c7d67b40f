package schemas

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// lagEvery is how often a stage's lag is looked up: three small requests.
const lagEvery = 2 * time.Second

// GroupOffsets are topic -> partition -> the offset of the first record that a
// group has not handled. Partitions that it has not begun are not in it.
type GroupOffsets map[string]map[int32]int64

// HandledOf asks how far a group is.
type HandledOf func(ctx context.Context, admin *kadm.Client) (GroupOffsets, error)

// WatchLag keeps a stage's lag gauges until ctx ends: how many records of each
// topic its group has not handled. The broker is asked, not a member, so the
// figures are the whole group's, and hold while members stand still, have no
// partition or have not begun.
func (m *StageMetrics) WatchLag(ctx context.Context, client *kgo.Client, stage string, topics []string, handled HandledOf, log *slog.Logger) {
	admin := kadm.NewClient(client)
	tick := time.NewTicker(lagEvery)
	defer tick.Stop()
	for failing := false; ; {
		lags, err := lagByTopic(ctx, admin, topics, handled)
		if err != nil && !failing && ctx.Err() == nil {
			log.Warn("read the consumer lag", "stage", stage, "error", err)
		}
		failing = err != nil
		for topic, lag := range lags {
			m.Lag(stage, topic).Set(float64(lag))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// lagByTopic reads the group's offsets before the ends: what is written in
// between counts as not handled, and 0 means 0.
func lagByTopic(ctx context.Context, admin *kadm.Client, topics []string, handled HandledOf) (map[string]int64, error) {
	offsets, err := handled(ctx, admin)
	if err != nil {
		return nil, err
	}
	starts, err1 := admin.ListStartOffsets(ctx, topics...)
	ends, err2 := admin.ListEndOffsets(ctx, topics...)
	if err := errors.Join(err1, err2, starts.Error(), ends.Error()); err != nil {
		return nil, err
	}
	lags := map[string]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		start, _ := starts.Lookup(end.Topic, end.Partition)
		lags[end.Topic] += max(end.Offset-max(start.Offset, offsets[end.Topic][end.Partition]), 0)
	})
	return lags, nil
}

// Committed is HandledOf for a consumer group.
func Committed(group string) HandledOf {
	return func(ctx context.Context, admin *kadm.Client) (GroupOffsets, error) {
		committed, err := admin.FetchOffsets(ctx, group)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // it has committed nothing yet
			return nil, err
		}
		offsets := GroupOffsets{}
		committed.Each(func(o kadm.OffsetResponse) { offsets.Set(o.Topic, o.Partition, o.At) })
		return offsets, committed.Error()
	}
}

// Accepted is HandledOf for a share group. It counts from the oldest record
// that is not accepted, so a single long job holds the lag up.
func Accepted(group string) HandledOf {
	return func(ctx context.Context, admin *kadm.Client) (GroupOffsets, error) {
		groups, err := admin.DescribeShareGroupOffsets(ctx, group)
		if err != nil {
			return nil, err
		}
		offsets := GroupOffsets{}
		for topic, parts := range groups[group].Offsets {
			for n, o := range parts {
				offsets.Set(topic, n, o.StartOffset)
			}
		}
		return offsets, nil
	}
}

// Set notes one partition's offset.
func (g GroupOffsets) Set(topic string, n int32, offset int64) {
	if g[topic] == nil {
		g[topic] = map[int32]int64{}
	}
	g[topic][n] = offset
}
