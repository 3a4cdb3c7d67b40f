package processors

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// lanes takes records for one slot: live ones first, bulk ones only when no
// live one came for as long as a fetch takes. Bulk topics are paused meanwhile.
//
//	closed: live only ── nothing for pollWait ──► open: both ── a batch, and pollWait ──► closed
//
// A fetch that brings records of a topic that is paused by then is the hazard:
// the client gives them back to the broker, that counts as a delivery, and at the
// limit Kafka drops a record that nobody ever saw. The client fetches only while
// it is polled (ShareMaxRecordsStrict). So topics are paused only after a poll
// that gave records, and after what other brokers were asked for at the same time
// has come in too; a poll that gave nothing leaves a fetch on its way, and the
// lanes as they are.
type lanes struct {
	client *kgo.Client
	bulk   []string
	batch  int
	stage  string
	log    *slog.Logger

	open   bool      // bulk topics are asked for
	took   time.Time // when a poll gave records first since they are open; zero: none has
	behind atomic.Int64
}

// pollWait is longer than a share fetch waits at the broker (500 ms), so that
// live topics from which nothing comes for so long have really been seen empty.
const pollWait = 600 * time.Millisecond

// OnFetchRecordBuffered is kgo's hook: bulk records that wait for a poll are counted.
func (l *lanes) OnFetchRecordBuffered(r *kgo.Record) { l.count(r, 1) }

// OnFetchRecordUnbuffered is kgo's hook.
func (l *lanes) OnFetchRecordUnbuffered(r *kgo.Record, _ bool) { l.count(r, -1) }

func (l *lanes) count(r *kgo.Record, n int64) {
	if slices.Contains(l.bulk, r.Topic) {
		l.behind.Add(n)
	}
}

// begin uses a client that was made with l as a hook.
func (l *lanes) begin(cl *kgo.Client) {
	l.client = cl
	cl.PauseFetchTopics(l.bulk...)
}

// next gives at most a batch of records, none when there are none for pollWait.
func (l *lanes) next(ctx context.Context) []*kgo.Record {
	if l.open && !l.took.IsZero() && time.Since(l.took) > pollWait && l.settled(ctx) {
		l.client.PauseFetchTopics(l.bulk...)
		l.open = false
	}
	records := l.poll(ctx)
	switch {
	case len(records) > 0 && l.open && l.took.IsZero():
		l.took = time.Now()
	case len(records) == 0 && len(l.bulk) > 0:
		l.client.ResumeFetchTopics(l.bulk...)
		l.open, l.took = true, time.Time{}
	}
	return records
}

// settled says whether no bulk record waits or is on its way. The poll that gave
// records last asked all brokers, and only one of them may have answered yet.
func (l *lanes) settled(ctx context.Context) bool {
	if len(l.client.DiscoveredBrokers()) > 1 {
		if pause(ctx, pollWait) != nil {
			return false
		}
	}
	return l.behind.Load() == 0
}

func (l *lanes) poll(ctx context.Context) []*kgo.Record {
	ctx, cancel := context.WithTimeout(ctx, pollWait)
	defer cancel()
	fetches := l.client.PollRecords(ctx, l.batch)
	fetches.EachError(func(topic string, _ int32, err error) {
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) && !errors.Is(err, kgo.ErrClientClosed) {
			l.log.Warn("fetch", "stage", l.stage, "topic", topic, "error", err)
		}
	})
	return fetches.Records()
}
