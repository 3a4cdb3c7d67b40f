package engines_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"earshot/deploy/config"
	"earshot/deploy/engines"
	"earshot/schemas"
)

// load gives the configuration of embedded engines on dir, changed by NAME=value pairs.
func load(t testing.TB, dir string, environ ...string) engines.Config {
	t.Helper()
	var cfg engines.Config
	if err := config.Load(&cfg, append([]string{"EARSHOT_DATA=" + dir}, environ...)); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func open(t testing.TB, cfg engines.Config) *engines.Engines {
	t.Helper()
	e, err := engines.Open(t.Context(), cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func shut(t testing.TB, e *engines.Engines) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Error(err)
	}
}

func client(t testing.TB, e *engines.Engines, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := e.Kafka(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func produce(t testing.TB, c *kgo.Client, topic string, n int) {
	t.Helper()
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Key: fmt.Append(nil, i), Value: fmt.Appendf(nil, "value %d", i)}
	}
	if err := c.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestEmbeddedEnginesKeepWhatTheyAreGiven(t *testing.T) {
	cfg := load(t, t.TempDir())
	e := open(t, cfg)
	if err := e.EnsureTopics(t.Context(), schemas.Topics); err != nil {
		t.Fatal(err)
	}
	c := client(t, e)
	produce(t, c, schemas.TopicStatus, 100)
	large := &kgo.Record{Topic: schemas.TopicText, Value: make([]byte, 30<<20)}
	if err := c.ProduceSync(t.Context(), large).FirstErr(); err != nil {
		t.Errorf("a record of 30 MiB: %v", err)
	}
	c.Close()
	if err := e.ClickHouse.Exec(t.Context(), "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.SQL().ExecContext(t.Context(), "INSERT INTO t SELECT number FROM numbers(10)"); err != nil {
		t.Fatal(err)
	}
	if err := e.Blobs.WriteAll(t.Context(), "a/b/c.ogg", []byte("sound"), nil); err != nil {
		t.Fatal(err)
	}
	for name, err := range e.Health(t.Context()) {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	shut(t, e)

	stranded := filepath.Join(cfg.Data, "blobs", "a", "x.ogg.18c3f2a1b4d5e6f7.tmp")
	if err := os.WriteFile(stranded, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	e = open(t, cfg)
	defer shut(t, e)
	if err := e.EnsureTopics(t.Context(), schemas.Topics); err != nil {
		t.Fatal(err)
	}
	ends, err := kadm.NewClient(kafka(t, e)).ListEndOffsets(t.Context(), schemas.TopicStatus)
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	ends.Each(func(o kadm.ListedOffset) { total += o.Offset })
	if total != 100 {
		t.Errorf("%d records", total)
	}
	var n uint64
	if err := e.ClickHouse.QueryRow(t.Context(), "SELECT count() FROM t").Scan(&n); err != nil || n != 10 {
		t.Error(n, err)
	}
	if sound, err := e.Blobs.ReadAll(t.Context(), "a/b/c.ogg"); err != nil || string(sound) != "sound" {
		t.Error(sound, err)
	}
	files, err := filepath.Glob(filepath.Join(cfg.Data, "blobs", "a", "*"))
	if err != nil || len(files) != 1 {
		t.Errorf("beside the folder b there are %v, %v", files, err)
	}
}

// kafka is a client that ends with the test.
func kafka(t testing.TB, e *engines.Engines) *kgo.Client {
	c := client(t, e)
	t.Cleanup(c.Close)
	return c
}

func TestTopicsAreMadeAsSpecified(t *testing.T) {
	e := open(t, load(t, t.TempDir()))
	defer shut(t, e)
	topics := []schemas.Topic{
		{Name: "a", Partitions: 3, Retention: time.Hour},
		{Name: "b", Partitions: 1, Compact: true, MaxBytes: 5 << 20},
	}
	for range 2 { // the second finds them
		if err := e.EnsureTopics(t.Context(), topics); err != nil {
			t.Fatal(err)
		}
	}
	configs, err := kadm.NewClient(kafka(t, e)).DescribeTopicConfigs(t.Context(), "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, topic := range configs {
		for _, c := range topic.Configs {
			got[topic.Name+" "+c.Key] = c.MaybeValue()
		}
	}
	for key, want := range map[string]string{"a cleanup.policy": "delete", "a retention.ms": "3600000", "b cleanup.policy": "delete", "b retention.ms": "-1", "b max.message.bytes": "5308416"} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
}

func TestLuaAndExpiryInTheEmbeddedRedis(t *testing.T) {
	e := open(t, load(t, t.TempDir()))
	defer shut(t, e)
	script := redis.NewScript(`
		if redis.call('EXISTS', KEYS[1]) == 1 then return {0, redis.call('HGET', KEYS[1], 'v')} end
		redis.call('HSET', KEYS[1], 'v', ARGV[1])
		redis.call('PEXPIRE', KEYS[1], ARGV[2])
		return {1, cjson.encode({v = ARGV[1]})}`)
	for i, want := range []string{`[1 {"v":"x"}]`, `[0 x]`} {
		got, err := script.Run(t.Context(), e.Redis, []string{"k"}, "x", 1500).Result()
		if err != nil || fmt.Sprint(got) != want {
			t.Fatalf("%d: got %v, %v", i, got, err)
		}
	}
	for deadline := time.Now().Add(10 * time.Second); e.Redis.Exists(t.Context(), "k").Val() == 1; {
		if time.Now().After(deadline) {
			t.Fatal("the key does not expire")
		}
	}
	stranger := redis.NewClient(&redis.Options{Addr: e.Redis.Options().Addr})
	defer func() { _ = stranger.Close() }()
	if err := stranger.Ping(t.Context()).Err(); err == nil {
		t.Error("the embedded Redis asks no password")
	}
}

func TestWrongAddressesAreToldAtOnce(t *testing.T) {
	for _, c := range []struct{ variable, want string }{
		{"EARSHOT_KAFKA_BROKERS=127.0.0.1:1", "Kafka at [127.0.0.1:1] does not answer (named by EARSHOT_KAFKA_BROKERS)"},
		{"EARSHOT_CLICKHOUSE_URL=http://u:hunter2@127.0.0.1:1/db", "ClickHouse at [127.0.0.1:1] does not answer (named by EARSHOT_CLICKHOUSE_URL)"},
		{"EARSHOT_CLICKHOUSE_URL=u:hunter2@h", "EARSHOT_CLICKHOUSE_URL is not an address"},
		{"EARSHOT_REDIS_URL=redis://:hunter2@127.0.0.1:1/0", "Redis at 127.0.0.1:1 does not answer (named by EARSHOT_REDIS_URL)"},
		{"EARSHOT_REDIS_URL=hunter2", "EARSHOT_REDIS_URL is not an address"},
		{"EARSHOT_BLOB_URL=ftp://x", "EARSHOT_BLOB_URL"},
		{"EARSHOT_BLOB_URL=file:///proc/nowhere", "EARSHOT_BLOB_URL"},
		{"EARSHOT_LIBCHDB=/nowhere/libchdb.so", "/nowhere/libchdb.so cannot be read (without the variable, the one that `make setup` installs is used)"},
		{"EARSHOT_DATA=/proc/nowhere", "EARSHOT_DATA"},
	} {
		t.Run(c.variable, func(t *testing.T) {
			started := time.Now()
			_, err := engines.Open(t.Context(), load(t, t.TempDir(), c.variable), slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v", err)
			}
			if took := time.Since(started); took > 6*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestDataFolderHasOneHolder(t *testing.T) {
	cfg := load(t, t.TempDir())
	e := open(t, cfg)
	defer shut(t, e)
	if _, err := engines.Open(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "in use by another Earshot") {
		t.Errorf("got %v", err)
	}
}

func TestHealthNamesTheEngine(t *testing.T) {
	e := open(t, load(t, t.TempDir(), "EARSHOT_DISK_MIN_FREE=4611686018427387904"))
	defer shut(t, e)
	if err := e.Redis.Close(); err != nil {
		t.Fatal(err)
	}
	health := e.Health(t.Context())
	if len(health) != 5 || health["kafka"] != nil || health["clickhouse"] != nil || health["blobs"] != nil || health["redis"] == nil || !errors.Is(health["disk"], engines.ErrDiskFull) {
		t.Errorf("got %v", health)
	}
	// What the test took away cannot be closed again.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := e.Close(ctx); !errors.Is(err, redis.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// fetch polls a share group until n records came, accepts them all and gives their values.
func fetch(t testing.TB, c *kgo.Client, n int) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := map[string]int{}
	for total := 0; total < n; {
		fetches := c.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%d of %d records came: %v", total, n, fetches.Err())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			got[string(r.Value)]++
			total++
			r.Ack(kgo.AckAccept)
		})
	}
	if err := c.FlushAcks(ctx); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestShareGroupBeginsWithTheOldestAndKnowsItsLimit(t *testing.T) {
	e := open(t, load(t, t.TempDir()))
	defer shut(t, e)
	if err := e.EnsureTopics(t.Context(), schemas.Topics); err != nil {
		t.Fatal(err)
	}
	p := client(t, e)
	defer p.Close()
	produce(t, p, schemas.TopicText, 20)
	if err := e.EnsureShareGroup(t.Context(), schemas.GroupAnalyze, 45*time.Second); err != nil {
		t.Fatal(err)
	}
	if limit, err := e.DeliveryLimit(t.Context()); err != nil || limit != 10 {
		t.Error(limit, err)
	}
	c := client(t, e, kgo.ConsumeTopics(schemas.TopicText), kgo.ShareGroup(schemas.GroupAnalyze))
	defer c.Close()
	if got := fetch(t, c, 20); len(got) != 20 {
		t.Errorf("got %v", got)
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv("CRASH_TEST_DIR"); dir != "" {
		crash(dir)
	}
	goleak.VerifyTestMain(m)
}
