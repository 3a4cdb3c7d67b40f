package state

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

func benchStore(b *testing.B) *Store {
	s := readyStore(b, miniRedis(b))
	s.now = time.Now
	apply(b, s, plan(org, 1, map[string]int64{schemas.ResourceChats: -1}))
	return s
}

func benchTask() schemas.Task {
	code, _ := uuid.NewV7()
	return schemas.Task{Code: code.String(), Org: org, User: 1, Type: schemas.TypeChat, Source: "chat", Processing: "standard",
		Digest: strings.Repeat("a", 64), OperatorName: "Operator 1", CallDate: "2026-01-02", Resource: schemas.ResourceChats, Reserved: 1,
		Idempotency: code.String(), CreatedAt: time.Now()}
}

// BenchmarkAccept is one caller after another, and 64 at once.
func BenchmarkAccept(b *testing.B) {
	var text strings.Builder
	for i := range 12 {
		fmt.Fprintf(&text, "Operator: utterance %d of a chat about a payment that went wrong, with %x in it\n", i, i*7919)
	}
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			s := benchStore(b)
			before := cpuSeconds(b)
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := s.Accept(context.Background(), benchTask(), text.String()); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric((cpuSeconds(b)-before)*1e6/float64(b.N), "cpu-µs/op")
		})
	}
}

func BenchmarkTask(b *testing.B) {
	s := benchStore(b)
	task := benchTask()
	if _, err := s.Accept(context.Background(), task, strings.Repeat("Operator: hello, how may I help\n", 50)); err != nil {
		b.Fatal(err)
	}
	before := cpuSeconds(b)
	for b.Loop() {
		if _, err := s.Task(context.Background(), org, task.Code); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((cpuSeconds(b)-before)*1e6/float64(b.N), "cpu-µs/op")
}

// BenchmarkRebuild reads 100,000 chats of twelve utterances, three statuses
// and one usage each. It measures the build alone: the log is written before.
func BenchmarkRebuild(b *testing.B) {
	const n = 100_000
	k := newKafka(b)
	k.produce(schemas.TopicEntities, plan(org, 1, map[string]int64{schemas.ResourceChats: -1}))
	utterances := make([]schemas.Utterance, 12)
	for i := range utterances {
		utterances[i] = schemas.Utterance{Turn: int64(i), Speaker: schemas.RoleOperator, Channel: -1,
			Text: fmt.Sprintf("Utterance %d: I have been waiting for an answer about my order %x for a week, could you look into it, please? Thank you.", i, i*7919)}
	}
	inParallel(n/100, func(from, to int) {
		for i := from; i < to; i++ {
			var records []*kgo.Record
			for j := range 100 {
				task := benchTask()
				task.ID = int64(i*100 + j + 1)
				task.ExternalID, task.FileName = task.Code, ""
				records = append(records, must(k.codec.Record(schemas.TopicText, "bench", schemas.TaskSubmitted{Task: task, Utterances: utterances})))
				for at, status := range []string{schemas.StatusProcessing, schemas.StatusAudioCompleted, schemas.StatusCompleted} {
					records = append(records, must(k.codec.Record(schemas.TopicStatus, "bench", statusOf(task, status, time.Duration(at)))))
				}
				records = append(records, must(k.codec.Record(schemas.TopicUsage, "bench", usageOf(task, schemas.ResourceChats, 1))))
			}
			if err := k.client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
				b.Error(err)
			}
		}
	})
	for _, engine := range []string{"miniredis", "redis"} {
		b.Run(engine, func(b *testing.B) {
			rdb := map[string]func(testing.TB) *redis.Client{"miniredis": miniRedis, "redis": realRedis}[engine](b)
			s := New(rdb, Config{})
			p := NewProjection(s, k.open, &k.codec, schemas.NewStageMetrics(prometheus.NewRegistry()), slog.New(slog.NewTextHandler(b.Output(), nil)))
			before := cpuSeconds(b)
			for b.Loop() {
				rdb.FlushAll(context.Background())
				if err := p.ensure(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			if q := must(s.Quota(context.Background(), org)); q.Resources[schemas.ResourceChats].Used != n {
				b.Errorf("quota %+v", q)
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/rebuild")
			b.ReportMetric((cpuSeconds(b)-before)/float64(b.N), "cpu-s/rebuild")
		})
	}
}

// cpuSeconds is what this process has used of all cores, with kfake and
// miniredis: on a busy machine it says more than the time on the wall.
func cpuSeconds(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
