package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/deploy/client"
	"earshot/schemas"
)

// answers are what the API says about tasks, whole: everything that must be
// the same after the state was rebuilt.
func (s *stack) answers(codes []string) map[string]string {
	s.Helper()
	all := map[string]string{}
	paths := []string{"/tasks/filter?per_page=1000&task_code=" + codes[0]}
	for _, code := range codes {
		paths = append(paths, "/gettask?task_code="+code)
	}
	for _, code := range codes[:min(10, len(codes))] {
		paths = append(paths, "/api/calls_analysis_v2/"+code)
	}
	for _, path := range paths {
		a := s.call(s.Client, http.MethodGet, path, nil, nil)
		all[path] = fmt.Sprint(a.status, " ", string(a.body))
	}
	return all
}

func (s *stack) sameAnswers(before map[string]string, codes []string) {
	s.Helper()
	after := s.answers(codes)
	for path, was := range before {
		if after[path] != was {
			s.Errorf("GET %s was\n%s\nand is\n%s", path, was, after[path])
		}
	}
}

// TestRedisFlushedInMidFlowIsRebuilt empties Redis while chats flow: FLUSHALL
// on the real one, a kill on the embedded one, which lives in the program's
// memory.
func TestRedisFlushedInMidFlowIsRebuilt(t *testing.T) {
	s := newStack(t)
	s.start()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	f := newFlow(ctx, s.Client, 4, false)
	f.release(100, 0)
	s.completed(100, time.Minute)
	s.eventually(30*time.Second, "every consumer at the end of the log", s.lagging)
	f.mu.Lock()
	early := maps.Clone(f.codes)
	f.mu.Unlock()
	before := s.answers(slices.Sorted(maps.Values(early)))

	f.release(200, 2*time.Second)
	s.eventually(20*time.Second, "the flow runs", func() string {
		if f.taken() < 120 {
			return "fewer than 20 new tasks are taken"
		}
		return ""
	})
	s.flushRedis()
	f.server.Store(s.Client)
	codes := f.finish(t)
	s.audit(slices.Collect(maps.Values(codes)), 0, time.Minute)
	s.sameAnswers(before, slices.Sorted(maps.Values(early)))
	for n, code := range early {
		if again, err := newTask(n, false).submit(ctx, s.Client); err != nil || again != code {
			t.Fatalf("the key of task %s now gives %q, %v", code, again, err)
		}
	}
}

// TestEnginesDownAndBack stops one engine after the other under the running
// program. Only the real engines can be stopped: the embedded ones live and die
// with the program, as the kill test has it.
func TestEnginesDownAndBack(t *testing.T) {
	if *engineSet == embeddedSet {
		return
	}
	// A record that Kafka handed out just before it went down stays locked for a while.
	s := newStack(t, "EARSHOT_PRODUCE_TIMEOUT=3s", "EARSHOT_LOCK=5s")
	s.start()
	first := s.mustTake(newTask(0, false))
	s.kafkaDown()
	s.clickHouseDown()
	s.redisDown(first)
	s.completed(14, 30*time.Second)
	if letters := s.deadLetters(); len(letters) > 0 {
		t.Errorf("%d dead letters; the first: %s: %s", len(letters), letters[0].Stage, letters[0].Reason)
	}
}

func (s *stack) mustTake(t task) (code string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	code, _, err := t.insist(ctx, func() *client.Client { return s.Client })
	if err != nil {
		s.Fatal(err)
	}
	return code
}

// refused sends a chat that must be answered 503 with Retry-After.
func (s *stack) refused(n int) {
	s.Helper()
	c := newTask(n, false)
	a := s.call(s.Client, http.MethodPost, "/add_chat_analysis_task", http.Header{"Idempotency-Key": {c.key}}, c.chat)
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); a.status != http.StatusServiceUnavailable || err != nil || seconds < 1 {
		s.Errorf("a chat is answered HTTP %d, Retry-After %q: %s", a.status, a.header.Get("Retry-After"), a.body)
	}
}

// unready waits until /readyz is red and names the engine, and no other. (The
// state is no engine, but is down with Redis.)
func (s *stack) unready(engine string) {
	s.Helper()
	s.eventually(15*time.Second, "/readyz names "+engine, func() string {
		a := s.call(s.Client, http.MethodGet, "/readyz", nil, nil)
		if a.status == http.StatusServiceUnavailable && slices.Equal(slices.DeleteFunc(a.broken(s), func(name string) bool { return name == "state" }), []string{engine}) {
			return ""
		}
		return fmt.Sprintf("HTTP %d %s", a.status, a.body)
	})
}

func (s *stack) ready() {
	s.Helper()
	s.eventually(30*time.Second, "/readyz is green", func() string {
		a := s.call(s.Client, http.MethodGet, "/readyz", nil, nil)
		if a.status == http.StatusOK {
			return ""
		}
		return string(a.body)
	})
}

func (s *stack) kafkaDown() {
	s.kafka.signal(syscall.SIGSTOP)
	s.unready("kafka")
	s.refused(1)
	s.kafka.signal(syscall.SIGCONT)
	s.ready()
	one := s.mustTake(newTask(1, false)) // the same key again
	s.kafka.kill()
	s.unready("kafka")
	s.refused(2)
	if err := s.kafka.start(); err != nil {
		s.Fatal(err)
	}
	s.ready()
	s.mustTake(newTask(2, false))
	if again := s.mustTake(newTask(1, false)); again != one {
		s.Errorf("the key of task %s now gives %s", one, again)
	}
	s.completed(3, time.Minute)
}

// committed are the offsets up to which the warehouse has committed, and how
// many records it has not.
func (s *stack) committed() (offsets string, lag int64) {
	s.Helper()
	s.onLog(func(cl *kgo.Client) {
		groups, err := kadm.NewClient(cl).Lag(s.Context(), schemas.GroupWarehouse)
		if err == nil {
			err = groups.Error()
		}
		if err != nil {
			s.Fatal(err)
		}
		for _, l := range groups[schemas.GroupWarehouse].Lag.Sorted() {
			offsets += fmt.Sprintf("%s/%d@%d ", l.Topic, l.Partition, l.Commit.At)
		}
		lag = groups[schemas.GroupWarehouse].Lag.Total()
	})
	return offsets, lag
}

func (s *stack) clickHouseDown() {
	s.eventually(30*time.Second, "the warehouse has committed everything", func() string {
		if offsets, lag := s.committed(); lag > 0 {
			return fmt.Sprintf("%d records behind: %s", lag, offsets)
		}
		return ""
	})
	s.warehouse.kill()
	s.unready("clickhouse")
	before, _ := s.committed()
	var codes []string
	for n := range 10 {
		codes = append(codes, s.mustTake(newTask(10+n, false)))
	}
	a := s.call(s.Client, http.MethodGet, "/tasks/filter", nil, nil)
	if a.status != http.StatusServiceUnavailable {
		s.Errorf("/tasks/filter is answered HTTP %d: %s", a.status, a.body)
	}
	s.eventually(20*time.Second, "/metrics shows that the warehouse lags", func() string {
		if !strings.Contains(s.lagging(), `stage="warehouse"`) {
			return "it does not"
		}
		return ""
	})
	for _, code := range codes {
		if task, err := s.Task(s.Context(), code); err != nil || task.Done() {
			s.Errorf("without ClickHouse task %s is %q, %v", code, task.Status, err)
		}
	}
	if after, lag := s.committed(); after != before || lag < 10 {
		s.Errorf("offsets moved without ClickHouse:\n%s\n%s, lag %d", before, after, lag)
	}
	if err := s.warehouse.start(); err != nil {
		s.Fatal(err)
	}
	s.ready()
	s.completed(13, 30*time.Second)
}

func (s *stack) redisDown(first string) {
	before := s.answers([]string{first})
	s.redis.kill()
	s.unready("redis")
	s.refused(3)
	a := s.call(s.Client, http.MethodGet, "/gettask?task_code="+first, nil, nil)
	if a.status != http.StatusServiceUnavailable {
		s.Errorf("/gettask is answered HTTP %d: %s", a.status, a.body)
	}
	if err := s.redis.start(); err != nil { // empty: it keeps nothing on disk
		s.Fatal(err)
	}
	s.ready()
	s.sameAnswers(before, []string{first})
	s.mustTake(newTask(3, false))
}
