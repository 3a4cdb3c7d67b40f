package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"earshot/deploy/client"
	"earshot/deploy/config"
	"earshot/deploy/engines"
	"earshot/schemas"
)

// Of the administrator that the first start makes.
const (
	email    = "admin@example.com"
	password = "end-to-end"
)

// stack is one set of engines with the program on top, all of it made for one
// test.
type stack struct {
	testing.TB
	*client.Server // the running program; nil before start and after a kill
	data           string
	logs           string
	env, args      []string // of the program
	clickHouse     string   // URL of ClickHouse's HTTP interface, with user and password

	// The engines of the real set, else nil and "".
	kafka, redis, warehouse *process
	brokers, redisURL       string
}

// newStack starts the engines; env is added to the program's environment.
func newStack(t testing.TB, env ...string) *stack {
	t.Helper()
	s := &stack{TB: t, data: filepath.Join(t.TempDir(), "data"), logs: logFolder(t)}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	s.env = append([]string{"EARSHOT_BOOTSTRAP_EMAIL=" + email, "EARSHOT_BOOTSTRAP_PASSWORD=" + password}, env...)
	s.clickHouse = fmt.Sprintf("http://e2e:e2e@127.0.0.1:%d/", port)
	if *engineSet == embeddedSet {
		s.env = append(s.env, fmt.Sprintf("EARSHOT_CLICKHOUSE_LISTEN=127.0.0.1:%d", port), "EARSHOT_CLICKHOUSE_USER=e2e", "EARSHOT_CLICKHOUSE_PASSWORD=e2e")
	} else {
		s.startEngines(port)
	}
	t.Cleanup(func() {
		if s.Server != nil {
			s.kill()
		}
	})
	return s
}

func (s *stack) startEngines(clickHousePort int) {
	s.Helper()
	dir := s.TempDir()
	kafkaPort, err1 := freePort()
	redisPort, err2 := freePort()
	var err3 error
	s.kafka = newKafka(s, filepath.Join(dir, "kafka"), filepath.Join(s.logs, "kafka.log"), kafkaPort)
	s.redis = newRedis(s, dir, filepath.Join(s.logs, "redis.log"), redisPort)
	s.warehouse, err3 = newClickHouse(s, filepath.Join(dir, "clickhouse"), filepath.Join(s.logs, "clickhouse.log"), clickHousePort)
	if err := errors.Join(err1, err2, err3); err != nil {
		s.Fatal(err)
	}
	var group errgroup.Group
	for _, p := range []*process{s.kafka, s.redis, s.warehouse} {
		group.Go(p.start)
		s.Cleanup(func() {
			if p.exited != nil {
				p.kill()
			}
		})
	}
	if err := group.Wait(); err != nil {
		s.Fatal(err)
	}
	s.brokers, s.redisURL = fmt.Sprintf("127.0.0.1:%d", kafkaPort), fmt.Sprintf("redis://127.0.0.1:%d/0", redisPort)
	s.env = append(s.env, "EARSHOT_KAFKA_BROKERS="+s.brokers, "EARSHOT_REDIS_URL="+s.redisURL, "EARSHOT_WEBHOOK_KEY="+strings.Repeat("k", 32), "EARSHOT_CLICKHOUSE_URL="+s.clickHouse+"default")
}

// logFolder is where the logs of a test lie; they stay there when it fails.
func logFolder(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(root, ".build", "e2e", *engineSet, filepath.Base(t.Name())))
	if err == nil {
		err = errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() || *keep {
			t.Logf("the logs are in %s", dir)
		} else if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// startTimeout bounds a start of the program until /readyz is green.
const startTimeout = 45 * time.Second

// tryStart starts the program and gives up, killing it, after a while.
func (s *stack) tryStart(patience time.Duration) error {
	log, err := os.OpenFile(filepath.Join(s.logs, "earshot.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	server, err := client.Start(ctx, client.Options{Binary: *program, Args: append([]string{"--data", s.data}, s.args...), Env: s.env, Log: log})
	if err != nil {
		return errors.Join(err, log.Close())
	}
	s.Server = server
	s.Logf("ready after %v", server.Startup.Round(10*time.Millisecond))
	return nil
}

// start starts the program and logs its administrator in.
func (s *stack) start() {
	s.Helper()
	if err := s.tryStart(startTimeout); err != nil {
		s.Fatal(err)
	}
	if err := s.Login(s.Context(), email, password); err != nil {
		s.Fatalf("log in: %v", err)
	}
}

// kill ends the program as a power cut would.
func (s *stack) kill() {
	s.Helper()
	if err := s.Kill(); err != nil {
		s.Error(err)
	}
	s.Server = nil
}

// graceTime is how long the program may take to stop: EARSHOT_GRACE and some
// time to close the engines.
const graceTime = 25 * time.Second

// stop ends the program as an operator would; its exit status must be 0.
func (s *stack) stop() {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), graceTime)
	defer cancel()
	begin := time.Now()
	if err := s.Stop(ctx); err != nil {
		s.Errorf("stop: %v", err)
	}
	s.Logf("stopped after %v", time.Since(begin).Round(10*time.Millisecond))
	s.Server = nil
}

// onLog calls f with a client of the log. The embedded log is open to one
// process at a time, so there the program is stopped before and started after,
// when it ran.
func (s *stack) onLog(f func(*kgo.Client)) {
	s.Helper()
	if s.brokers != "" {
		cl, err := kgo.NewClient(kgo.SeedBrokers(s.brokers))
		if err != nil {
			s.Fatal(err)
		}
		defer cl.Close()
		f(cl)
		return
	}
	if s.Server != nil {
		s.stop()
		defer s.start()
	}
	var cfg engines.Config
	if err := config.Load(&cfg, []string{"EARSHOT_DATA=" + s.data}); err != nil {
		s.Fatal(err)
	}
	e, err := engines.Open(s.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		s.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			s.Error(err)
		}
	}()
	cl, err := e.Kafka()
	if err != nil {
		s.Error(err)
		return
	}
	defer cl.Close()
	f(cl)
}

// publish puts events on the log, past the door.
func (s *stack) publish(topic string, events ...any) {
	s.Helper()
	var codec schemas.Codec
	s.onLog(func(cl *kgo.Client) {
		for _, e := range events {
			r, err := codec.Record(topic, "e2e", e)
			if err != nil {
				s.Fatal(err)
			}
			if err := cl.ProduceSync(s.Context(), r).FirstErr(); err != nil {
				s.Fatal(err)
			}
		}
	})
}

// deadLetters reads the whole dead-letter topic.
func (s *stack) deadLetters() (letters []schemas.DeadLetter) {
	s.Helper()
	var codec schemas.Codec
	s.onLog(func(cl *kgo.Client) {
		ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
		defer cancel()
		ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, schemas.TopicDeadLetter)
		if err != nil {
			s.Fatal(err)
		}
		end, _ := ends.Lookup(schemas.TopicDeadLetter, 0)
		cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{schemas.TopicDeadLetter: {0: kgo.NewOffset().AtStart()}})
		for next := int64(0); next < end.Offset; {
			fetches := cl.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				s.Fatalf("read the dead letters: %v", err)
			}
			for _, r := range fetches.Records() {
				var letter schemas.DeadLetter
				if err := codec.Decode(r.Value, &letter); err != nil {
					s.Fatal(err)
				}
				letters, next = append(letters, letter), r.Offset+1
			}
		}
	})
	return letters
}

// flushRedis empties the redis-server. The embedded one lives in the program's
// memory: there a kill empties it.
func (s *stack) flushRedis() {
	s.Helper()
	if s.redisURL == "" {
		s.kill()
		s.start()
		return
	}
	opts, err := redis.ParseURL(s.redisURL)
	if err != nil {
		s.Fatal(err)
	}
	rdb := redis.NewClient(opts)
	defer rdb.Close()
	if err := rdb.FlushAll(s.Context()).Err(); err != nil {
		s.Fatal(err)
	}
}

// sql asks ClickHouse itself and gives the rows of the answer, each a list of
// columns as text.
func (s *stack) sql(query string) (rows [][]string) {
	s.Helper()
	res, err := http.Get(s.clickHouse + "?database=default&default_format=TabSeparated&query=" + url.QueryEscape(query))
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.Fatalf("%s: HTTP %d %s %v", query, res.StatusCode, raw, err)
	}
	for line := range strings.Lines(string(raw)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows
}

// eventually polls until ok gives "", and fails with what it gave last.
func (s *stack) eventually(within time.Duration, what string, ok func() (missing string)) {
	s.Helper()
	begin := time.Now()
	for {
		missing := ok()
		if missing == "" {
			if took := time.Since(begin); took > time.Second {
				s.Logf("%s: after %v", what, took.Round(100*time.Millisecond))
			}
			return
		}
		if time.Since(begin) > within {
			s.Fatalf("%s: not within %v: %s", what, within, missing)
		}
		time.Sleep(50 * time.Millisecond) // between two looks
	}
}
