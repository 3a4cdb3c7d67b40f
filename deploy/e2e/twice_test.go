package e2e

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

// TestEveryRecordTwiceChangesNothing puts the whole log on the log again, which
// is more than any crash between a result and its acknowledgement can do:
// delivery is at least once, the effect exactly once.
func TestEveryRecordTwiceChangesNothing(t *testing.T) {
	s := newStack(t, speech(t)...)
	s.start()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	f := newFlow(ctx, s.Client, 4, true)
	f.release(60, 0)
	codes := slices.Sorted(maps.Values(f.finish(t)))
	s.audit(codes, 3, time.Minute)
	before := s.answers(codes)

	s.onLog(func(cl *kgo.Client) {
		records := s.readAll(cl)
		for _, r := range records {
			again := &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Headers: r.Headers}
			if err := cl.ProduceSync(t.Context(), again).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%d records are there twice", len(records))
		if len(records) < 4*len(codes) { // submitted, analysed, completed, paid for
			t.Errorf("%d tasks left only %d records", len(codes), len(records))
		}
	})
	s.audit(codes, 3, time.Minute)
	s.sameAnswers(before, codes)
	if n := s.total(url.Values{}); n != len(codes) {
		t.Errorf("there are %d tasks", n)
	}
}

// readAll reads every topic to its end.
func (s *stack) readAll(cl *kgo.Client) (all []*kgo.Record) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	var topics []string
	for _, t := range schemas.Topics {
		topics = append(topics, t.Name)
	}
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topics...)
	if err != nil {
		s.Fatal(err)
	}
	from, open := map[string]map[int32]kgo.Offset{}, map[string]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if from[o.Topic] == nil {
			from[o.Topic] = map[int32]kgo.Offset{}
		}
		from[o.Topic][o.Partition] = kgo.NewOffset().AtStart()
		open[o.Topic] += o.Offset
	})
	cl.AddConsumePartitions(from)
	for left := sum(open); left > 0; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			s.Fatalf("read the log: %v", err)
		}
		all = append(all, fetches.Records()...)
		left -= int64(fetches.NumRecords())
	}
	return all
}

func sum(counts map[string]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}
