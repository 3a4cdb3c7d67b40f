package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"gocloud.dev/blob/memblob"

	"earshot/schemas"
	"earshot/sinks/state"
)

const org = "org_1"

// house is a door with all that it stands on. While away is set, the log takes
// nothing; what was sent to it meanwhile waits in the producer.
type house struct {
	*Door
	t        *testing.T
	rdb      *redis.Client
	store    *state.Store
	producer *kgo.Client
	away     atomic.Bool
}

func newHouse(t *testing.T, opts ...kgo.Opt) *house {
	t.Helper()
	h := &house{t: t}
	seeds := []kfake.Opt{kfake.NumBrokers(1)}
	for _, topic := range schemas.Topics {
		seeds = append(seeds, kfake.SeedTopics(int32(topic.Partitions), topic.Name))
	}
	cluster, err := kfake.NewCluster(seeds...)
	h.must(err)
	t.Cleanup(cluster.Close)
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		return nil, errors.New("away"), h.away.Load()
	})
	client := func(opts ...kgo.Opt) (*kgo.Client, error) {
		return kgo.NewClient(append(opts, kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.FetchMaxWait(50*time.Millisecond))...)
	}
	h.rdb = redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { h.rdb.Close() })
	h.store = state.New(h.rdb, state.Config{})
	h.producer, err = client(opts...)
	h.must(err)
	t.Cleanup(h.producer.Close)
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { bucket.Close() })

	var codec schemas.Codec
	metrics, log := schemas.NewStageMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- state.NewProjection(h.store, client, &codec, metrics, log).Run(ctx) }()
	t.Cleanup(func() { cancel(); h.must(<-done) })
	h.must(h.store.AwaitReady(t.Context()))
	h.Door = NewDoor(Config{ProduceTimeout: 20 * time.Second}, h.store, h.producer, &codec, bucket, metrics, log)
	plan, err := json.Marshal(schemas.Plans["enterprise"].Subscribe(time.Now().Add(-time.Hour)))
	h.must(err)
	h.must(h.Put(t.Context(), schemas.EntityChanged{Org: org, Kind: schemas.KindPlan, ID: org, Version: 1, Data: plan}))
	return h
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// goAway makes the log take nothing, and the door wait not long for it.
func (h *house) goAway() { h.away.Store(true); h.cfg.ProduceTimeout = 100 * time.Millisecond }

func (h *house) comeBack() { h.away.Store(false); h.cfg.ProduceTimeout = 20 * time.Second }

func (h *house) reserved(resource string) int64 {
	h.t.Helper()
	q, err := h.store.Quota(h.t.Context(), org)
	h.must(err)
	return q.Resources[resource].Reserved
}

// refused submits and wants the code.
func (h *house) refused(s Submission, code schemas.Code) {
	h.t.Helper()
	_, err := h.Submit(h.t.Context(), s)
	wantCode(h.t, err, code)
}

// call is an upload of one minute with a key.
func (h *house) call() Submission {
	h.t.Helper()
	path := filepath.Join(h.t.TempDir(), "received")
	h.must(os.WriteFile(path, []byte("audio"), 0o600))
	return Submission{Audio: path, Task: schemas.Task{Org: org, Type: schemas.TypeCall, Source: "upload", FileName: "a.wav", Digest: "d1", Seconds: 60, Idempotency: "key"}}
}

// TestWhatWasNeverSentIsGivenBack: a first try that fails before its event is
// sent leaves nothing behind.
func TestWhatWasNeverSentIsGivenBack(t *testing.T) {
	h := newHouse(t)
	s := h.call()
	broken := s
	broken.Audio = t.TempDir() // can be opened and not be read
	h.refused(broken, schemas.CodeUnavailable)
	if n := h.reserved(schemas.ResourceCallMinutes); n != 0 {
		t.Errorf("%d minutes stay reserved", n)
	}
	if blob, err := h.blobs.List(nil).Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("the audio store has %+v, %v", blob, err)
	}
	r, err := h.Submit(t.Context(), s)
	h.must(err)
	if r.Repeated || r.Duplicate || r.Task.ID == 0 {
		t.Errorf("the next try: %+v", r)
	}
}

// TestAFailedRepetitionKeepsTheFirstReservation: the event of the first try may
// yet reach the log, so a second one that fails, even before it sends anything,
// must not give the key, the name and the quota to somebody else.
func TestAFailedRepetitionKeepsTheFirstReservation(t *testing.T) {
	h := newHouse(t)
	h.goAway()
	s := h.call()
	h.refused(s, schemas.CodeUnavailable) // it waits in the producer
	// As 15 s later, when the next caller takes over.
	open := h.rdb.ZRange(t.Context(), "earshot:{"+org+"}:accepting", 0, -1).Val()
	if len(open) != 1 {
		t.Fatalf("reservations: %v", open)
	}
	h.must(h.rdb.ZAdd(t.Context(), "earshot:{"+org+"}:accepting", redis.Z{Member: open[0], Score: float64(time.Now().Add(-time.Minute).UnixMilli())}).Err())
	gone := s
	gone.Audio += ".gone"
	if _, err := h.Submit(t.Context(), gone); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("without its file: %v", err)
	}

	h.must(prepare(&s))
	if a, err := h.store.Accept(t.Context(), s.Task, ""); err != nil || a.Outcome != state.InFlight || a.Task.Code != open[0] {
		t.Fatalf("a third try: %+v, %v", a, err)
	}
	h.comeBack()
	deadline := time.Now().Add(20 * time.Second)
	for a := (state.Acceptance{}); a.Outcome != state.Existing; {
		var err error
		if a, err = h.store.Accept(t.Context(), s.Task, ""); err != nil || a.Task.Code != open[0] || time.Now().After(deadline) {
			t.Fatalf("when the log is back: %+v, %v", a, err)
		}
	}
	if n := h.reserved(schemas.ResourceCallMinutes); n != 1 {
		t.Errorf("%d minutes are reserved for one call", n)
	}
}

// TestALogThatIsAwayDoesNotFillTheMemory: what waits for the log is bounded;
// beyond it a submission is refused at once and takes nothing.
func TestALogThatIsAwayDoesNotFillTheMemory(t *testing.T) {
	const most, size, units = 1 << 20, 300 << 10, 6 // of 50 KB
	h := newHouse(t, kgo.MaxBufferedBytes(most))
	chat := func(n int) Submission {
		text := fmt.Sprint(n, " ") + strings.Repeat("x", size-10)
		return Submission{Text: text, Utterances: []schemas.Utterance{{Text: text}}, Task: schemas.Task{Org: org, Type: schemas.TypeChat, Source: "chat"}}
	}
	h.goAway()
	const fit = most / size
	for n := range 3 * fit {
		_, err := h.Submit(t.Context(), chat(n))
		wantCode(t, err, schemas.CodeUnavailable)
		if atOnce := errors.Is(err, kgo.ErrMaxBuffered); atOnce != (n >= fit) {
			t.Errorf("chat %d, %d have room, is refused for want of it: %v", n, fit, err)
		}
	}
	if n := h.producer.BufferedProduceBytes(); n > most {
		t.Errorf("%d bytes wait for the log", n)
	}
	if n := h.reserved(schemas.ResourceChats); n != fit*units {
		t.Errorf("%d units are reserved, want %d for the %d chats that may reach the log", n, fit*units, fit)
	}
	h.comeBack()
	h.must(h.producer.Flush(t.Context()))
	_, err := h.Submit(t.Context(), chat(100))
	h.must(err)
}

// TestAPublisherKeepsToItsTurn: while the log is away a change of settings ends
// with the turn it has, however long the door would wait; and a turn that is over
// writes nothing.
func TestAPublisherKeepsToItsTurn(t *testing.T) {
	h := newHouse(t)
	h.away.Store(true)
	turn, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	err := h.Save(turn, org, schemas.KindDirectory, "1", schemas.Directory{ID: 1, Name: "Calls"})
	wantCode(t, err, schemas.CodeUnavailable)
	if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took > h.cfg.ProduceTimeout/2 {
		t.Errorf("after %v: %v", took, err)
	}
	waiting := h.producer.BufferedProduceRecords()
	err = h.Amend(turn, schemas.Analysis{Task: schemas.Task{Org: org, Code: "x"}})
	wantCode(t, err, schemas.CodeUnavailable)
	if n := h.producer.BufferedProduceRecords(); !errors.Is(err, ErrNeverSent) || n != waiting {
		t.Errorf("%d records wait, before %d: %v", n, waiting, err)
	}
	h.comeBack()
	h.must(h.producer.Flush(t.Context()))
}

func TestTheDoorWaitsLessLongThanATurn(t *testing.T) {
	for timeout, ok := range map[time.Duration]bool{0: false, time.Second: true, 8 * time.Second: true, state.TurnMost: false} {
		if err := (&Config{ProduceTimeout: timeout}).Validate(); (err == nil) != ok {
			t.Errorf("%s: %v", timeout, err)
		}
	}
}
