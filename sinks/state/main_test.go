package state

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"earshot/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onBoth runs a test on miniredis and on a real Redis.
func onBoth(t *testing.T, test func(t *testing.T, rdb *redis.Client)) {
	t.Run("miniredis", func(t *testing.T) { test(t, miniRedis(t)) })
	t.Run("redis", func(t *testing.T) { test(t, realRedis(t)) })
}

func miniRedis(t testing.TB) *redis.Client {
	_, rdb := failingRedis(t)
	return rdb
}

// failingRedis is a miniredis that can be made to fail.
func failingRedis(t testing.TB) (*miniredis.Miniredis, *redis.Client) {
	m := miniredis.RunT(t)
	return m, client(t, m.Addr())
}

func client(t testing.TB, addr string) *redis.Client {
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

func realRedis(t testing.TB) *redis.Client {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is not installed: run make setup")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(path, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--appendonly", "no")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Process.Kill(); err != nil {
			t.Error(err)
		}
		if err := server.Wait(); err == nil {
			t.Error("redis-server ended by itself")
		}
	})
	rdb := client(t, fmt.Sprintf("127.0.0.1:%d", port))
	eventually(t, "redis-server answers", func() bool { return rdb.Ping(context.Background()).Err() == nil })
	return rdb
}

// eventually waits until a condition holds, at most 20 seconds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// The tests' clock stands still; it is later than planStart by more than a
// minute, so that a rebuild leaves no gap in the ids.
var (
	planStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock     = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
)

func storeAt(rdb *redis.Client, now time.Time) *Store {
	s := New(rdb, Config{TextTTL: time.Hour})
	s.now = func() time.Time { return now }
	return s
}

// readyStore is a store whose state counts as built, without a log.
func readyStore(t testing.TB, rdb *redis.Client) *Store {
	if err := rdb.Set(context.Background(), keyReady, "epoch", 0).Err(); err != nil {
		t.Fatal(err)
	}
	return storeAt(rdb, clock)
}

const org = "org_1"

// plan is a subscription of org for the year with these limits.
func plan(org string, version int64, limits map[string]int64) schemas.EntityChanged {
	return entityOf(org, schemas.KindPlan, "1", version, schemas.Subscription{PlanID: 4, Name: "Test", Start: planStart,
		End: planStart.AddDate(1, 0, 0), Limits: limits})
}

// renewedAt is a subscription that ends and one like it that begins then.
func renewedAt(end time.Time, limits map[string]int64) []any {
	first := schemas.Subscription{PlanID: 4, Start: planStart, End: end, Limits: limits}
	next := schemas.Subscription{PlanID: 4, Start: end, End: end.AddDate(1, 0, 0), Limits: limits}
	return []any{entityOf(org, schemas.KindPlan, "1", 1, first), entityOf(org, schemas.KindPlan, "2", 1, next)}
}

func entityOf(org, kind, id string, version int64, v any) schemas.EntityChanged {
	return schemas.EntityChanged{Org: org, Kind: kind, ID: id, Version: version, Data: must(jsonOf(v)), UpdatedAt: planStart}
}

func apply(t testing.TB, s *Store, entities ...schemas.EntityChanged) {
	t.Helper()
	for _, e := range entities {
		if err := s.Apply(context.Background(), e); err != nil {
			t.Fatal(err)
		}
	}
}

// chat is a task that reserves one chat.
func chat(org string) schemas.Task {
	return schemas.Task{Code: must(uuid.NewV7()).String(), Org: org, User: 1, Type: schemas.TypeChat, Source: "chat",
		Digest: "d1", Resource: schemas.ResourceChats, Reserved: 1, CreatedAt: clock.Add(-time.Hour)}
}

// upload is a task of five call minutes with a file.
func upload(org, file, digest string) schemas.Task {
	t := chat(org)
	t.Type, t.Source, t.FileName, t.Digest, t.Resource, t.Reserved = schemas.TypeCall, "upload", file, digest, schemas.ResourceCallMinutes, 5
	return t
}

// kafka is a fake cluster with our topics, and clients of it.
type kafka struct {
	t       testing.TB
	cluster *kfake.Cluster
	codec   schemas.Codec
	client  *kgo.Client
}

func newKafka(t testing.TB) *kafka {
	opts := []kfake.Opt{kfake.NumBrokers(1)}
	for _, topic := range schemas.Topics {
		opts = append(opts, kfake.SeedTopics(int32(topic.Partitions), topic.Name))
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	k := &kafka{t: t, cluster: cluster}
	k.client = must(k.open())
	t.Cleanup(k.client.Close)
	return k
}

func (k *kafka) open(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(opts, kgo.SeedBrokers(k.cluster.ListenAddrs()...), kgo.FetchMaxWait(50*time.Millisecond))...)
}

// produce writes events and waits for the acknowledgement.
func (k *kafka) produce(topic string, events ...any) {
	k.t.Helper()
	records := make([]*kgo.Record, len(events))
	for i, e := range events {
		records[i] = must(k.codec.Record(topic, "test", e))
	}
	if err := k.client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		k.t.Fatal(err)
	}
}

// follow runs a projection until stop is called (at the latest at the end of
// the test) and waits until the state is built.
func (k *kafka) follow(s *Store) (stop func()) {
	k.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := NewProjection(s, k.open, &k.codec, schemas.NewStageMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				k.t.Error(err)
			}
		case <-time.After(10 * time.Second):
			k.t.Error("the projection does not stop")
		}
	}
	k.t.Cleanup(stop)
	eventually(k.t, "the state is built", func() bool { return s.Ready(context.Background()) == nil })
	return stop
}
