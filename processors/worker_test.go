package processors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"earshot/deploy/engines"
	"earshot/schemas"
	"earshot/sinks/state"
)

const org = "org_test"

// bed is the real engines, embedded, with the state projection running.
type bed struct {
	t        *testing.T
	engines  *engines.Engines
	store    *state.Store
	producer *kgo.Client
	codec    schemas.Codec
	metrics  *schemas.StageMetrics
	batch    int32               // of the worker; 0 = 10
	watch    func([]*kgo.Record) // sees what the worker is handed; may be nil
}

func newBed(t *testing.T) *bed {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
	log := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	e, err := engines.Open(ctx, engines.Config{Data: t.TempDir(), ClickHouseMemory: 512 << 20, ClickHouseListen: "127.0.0.1:0", KafkaReplication: -1}, log)
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t, engines: e, store: state.New(e.Redis, state.Config{}), metrics: schemas.NewStageMetrics(prometheus.NewRegistry())}
	b.must(e.EnsureTopics(ctx, schemas.Topics))
	b.must(e.EnsureShareGroup(ctx, schemas.GroupAnalyze, 2*time.Second))
	b.producer, err = e.Kafka()
	b.must(err)
	done := make(chan error, 1)
	go func() { done <- state.NewProjection(b.store, e.Kafka, &b.codec, b.metrics, log).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		b.producer.Close()
		stop, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		b.must(e.Close(stop))
	})
	b.must(b.store.AwaitReady(ctx))
	return b
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// run starts a worker whose Handle is handle and returns the way to stop it.
func (b *bed) run(attempts int32, handle func(context.Context, Job) ([]Event, error)) (stop func()) {
	return b.runStage(attempts, schemas.StatusCompleted, handle)
}

// runStage is run for a stage that is done with a task at status done.
func (b *bed) runStage(attempts int32, done string, handle func(context.Context, Job) ([]Event, error)) (stop func()) {
	w := &Worker{
		Config: Config{Lock: 2 * time.Second, Grace: time.Second, Attempts: attempts},
		Stage: Stage{Name: schemas.StageAnalyze, Group: schemas.GroupAnalyze, Live: []string{schemas.TopicText}, Bulk: []string{schemas.TopicTextBulk, schemas.TopicAgain},
			Batch: cmp.Or(b.batch, 10), Done: schemas.StatusVersion(done), Handle: handle},
		Slots: 2, NewClient: b.client, Producer: b.producer, Store: b.store, Codec: &b.codec,
		Metrics: b.metrics, Log: slog.New(slog.DiscardHandler),
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	return sync.OnceFunc(func() { cancel(); b.must(<-ended) })
}

// client is a client of the worker's, watched.
func (b *bed) client(opts ...kgo.Opt) (*kgo.Client, error) {
	if b.watch != nil {
		opts = append(opts, kgo.WithHooks(watcher(b.watch)))
	}
	return b.engines.Kafka(opts...)
}

// watcher sees the records that a poll gives.
type watcher func([]*kgo.Record)

func (w watcher) OnFetchRecordUnbuffered(r *kgo.Record, _ bool) { w([]*kgo.Record{r}) }

func (b *bed) submit(topic string) schemas.Task {
	b.t.Helper()
	task := schemas.Task{Code: uuid.NewString(), ID: 1, Org: org, Type: schemas.TypeChat, CreatedAt: time.Now().UTC()}
	r, err := b.codec.Record(topic, "test", schemas.TaskSubmitted{Task: task, Utterances: []schemas.Utterance{{Text: "hello"}}})
	b.must(err)
	b.must(b.producer.ProduceSync(context.Background(), r).FirstErr())
	return task
}

func completes(_ context.Context, job Job) ([]Event, error) {
	return []Event{{schemas.TopicStatus, Status(job.Task, schemas.StatusCompleted)}}, nil
}

func (b *bed) await(task schemas.Task, status string) state.TaskState {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	var last state.TaskState
	var err error
	for time.Now().Before(deadline) {
		if last, err = b.store.Task(context.Background(), org, task.Code); err == nil && last.Status == status {
			return last
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.t.Fatalf("task %s is %q (%v), want %q", task.Code, last.Status, err, status)
	return last
}

func (b *bed) letters(dryRun bool) (letters []schemas.DeadLetter) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	n, err := Replay(ctx, b.engines.Kafka, &b.codec, dryRun, func(d schemas.DeadLetter) { letters = append(letters, d) })
	b.must(err)
	if n != len(letters) {
		b.t.Fatalf("replay says %d, showed %d", n, len(letters))
	}
	return letters
}

func TestWorkerDecidesWhatBecomesOfARecord(t *testing.T) {
	cases := []struct {
		name    string
		handle  func(calls int) error // what the nth call of Handle returns
		status  string
		code    schemas.Code
		letters int
	}{
		{"done at once", func(int) error { return nil }, schemas.StatusCompleted, 0, 0},
		{"ours, then done", func(n int) error { return ifUpTo(n, 2) }, schemas.StatusCompleted, 0, 0},
		{"the record's fault is not tried again", func(n int) error {
			if n > 1 {
				return nil
			}
			return schemas.Fail(schemas.CodeUndecodable, "broken")
		}, schemas.StatusError, schemas.CodeUndecodable, 0},
		{"ours to the end", func(n int) error { return ifUpTo(n, 3) }, schemas.StatusError, schemas.CodeInternal, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			var mu sync.Mutex
			calls := 0
			stop := b.run(3, func(ctx context.Context, job Job) ([]Event, error) {
				mu.Lock()
				defer mu.Unlock()
				calls++
				if err := c.handle(calls); err != nil {
					return nil, err
				}
				return completes(ctx, job)
			})
			defer stop()
			task := b.submit(schemas.TopicText)
			got := b.await(task, c.status)
			if got.ErrorCode != int64(c.code) {
				t.Errorf("error code %d, want %d (%s)", got.ErrorCode, c.code, got.Error)
			}
			letters := b.letters(true)
			if len(letters) != c.letters {
				t.Fatalf("%d dead letters, want %d", len(letters), c.letters)
			}
			if c.letters == 0 {
				return
			}
			if letters[0].Reason == "" || string(letters[0].Key) != task.Code || letters[0].Attempts != 3 {
				t.Errorf("dead letter %+v", letters[0])
			}
			// Replay takes it back: now the work succeeds, and nothing is left to replay.
			b.letters(false)
			b.await(task, schemas.StatusCompleted)
			if again := b.letters(true); len(again) != 0 {
				t.Errorf("%d dead letters after the replay", len(again))
			}
		})
	}
}

func ifUpTo(n, failures int) error {
	if n <= failures {
		return fmt.Errorf("engine down, call %d", n)
	}
	return nil
}

// However often a record may be tried, it is buried before Kafka drops it.
func TestWorkerBuriesBeforeKafkaDrops(t *testing.T) {
	b := newBed(t)
	limit, err := b.engines.DeliveryLimit(context.Background())
	b.must(err)
	for configured, want := range map[int32]int32{0: int32(limit) - 1, 1: 1, int32(limit) - 1: int32(limit) - 1, int32(limit): int32(limit) - 1, 1000: int32(limit) - 1} {
		c := Config{Attempts: configured}
		if c.LimitAttempts(limit); c.Attempts != want {
			t.Errorf("EARSHOT_ATTEMPTS=%d gives %d tries of %d deliveries, want %d", configured, c.Attempts, limit, want)
		}
	}
	c := Config{Attempts: 1000}
	c.LimitAttempts(limit)
	defer b.run(c.Attempts, func(context.Context, Job) ([]Event, error) { return nil, errors.New("never") })()
	b.await(b.submit(schemas.TopicText), schemas.StatusError)
	if letters := b.letters(true); len(letters) != 1 || letters[0].Attempts != int64(limit)-1 {
		t.Errorf("dead letters: %+v", letters)
	}
}

func TestWorkerBuriesWhatItCannotRead(t *testing.T) {
	b := newBed(t)
	defer b.run(3, completes)()
	b.must(b.producer.ProduceSync(context.Background(), &kgo.Record{Topic: schemas.TopicText, Key: []byte("k"), Value: []byte("no avro")}).FirstErr())
	task := b.submit(schemas.TopicText)
	b.await(task, schemas.StatusCompleted) // others flow
	deadline := time.Now().Add(10 * time.Second)
	for {
		letters := b.letters(true)
		if slices.ContainsFunc(letters, func(d schemas.DeadLetter) bool {
			return string(d.Value) == "no avro" && d.Stage == schemas.StageAnalyze
		}) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("dead letters: %+v", letters)
		}
	}
}

// A redelivered record whose task is done is accepted without work: after a
// crash the embedded Kafka delivers such records.
func TestWorkerSkipsWhatIsDone(t *testing.T) {
	b := newBed(t)
	var mu sync.Mutex
	worked := map[string]int{}
	stop := b.run(3, func(ctx context.Context, job Job) ([]Event, error) {
		mu.Lock()
		defer mu.Unlock()
		worked[job.Task.Code]++
		return completes(ctx, job)
	})
	defer stop()
	task := b.submit(schemas.TopicText)
	b.await(task, schemas.StatusCompleted)
	r, err := b.codec.Record(schemas.TopicText, "test", schemas.TaskSubmitted{Task: task})
	b.must(err)
	b.must(b.producer.ProduceSync(context.Background(), r).FirstErr())
	after := b.submit(schemas.TopicText)
	b.await(after, schemas.StatusCompleted)
	mu.Lock()
	defer mu.Unlock()
	if worked[task.Code] != 1 {
		t.Errorf("worked %d times on one task", worked[task.Code])
	}
}

// A job longer than the lock is renewed: it is delivered once.
func TestWorkerRenewsLongJobs(t *testing.T) {
	b := newBed(t)
	var mu sync.Mutex
	calls := 0
	defer b.run(5, func(ctx context.Context, job Job) ([]Event, error) {
		mu.Lock()
		calls++
		mu.Unlock()
		if err := pause(ctx, 5*time.Second); err != nil { // two and a half locks
			return nil, err
		}
		return completes(ctx, job)
	})()
	task := b.submit(schemas.TopicText)
	b.await(task, schemas.StatusCompleted)
	mu.Lock()
	defer mu.Unlock()
	if calls != 1 {
		t.Errorf("the job was begun %d times", calls)
	}
}

func TestWorkerTakesLiveBeforeBulk(t *testing.T) {
	b := newBed(t)
	var codes []string
	for range 30 {
		codes = append(codes, b.submit(schemas.TopicTextBulk).Code)
	}
	var live []schemas.Task
	for range 30 {
		live = append(live, b.submit(schemas.TopicText))
	}
	var mu sync.Mutex
	var order []string
	defer b.run(3, func(ctx context.Context, job Job) ([]Event, error) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, job.Task.Code)
		return completes(ctx, job)
	})()
	for _, task := range live {
		b.await(task, schemas.StatusCompleted)
	}
	b.await(schemas.Task{Code: codes[29]}, schemas.StatusCompleted)
	mu.Lock()
	defer mu.Unlock()
	if first := slices.IndexFunc(order, func(c string) bool { return slices.Contains(codes, c) }); first < 20 {
		// Two slots of ten: when the last live records are in work the other slot may begin with bulk.
		t.Errorf("bulk work began after %d live tasks", first)
	}
}

// A worker that is told to stop gives back what it cannot finish, and the next
// one finishes it.
func TestWorkerReleasesOnStop(t *testing.T) {
	b := newBed(t)
	started := make(chan struct{}, 10)
	stop := b.run(5, func(ctx context.Context, _ Job) ([]Event, error) {
		started <- struct{}{}
		<-ctx.Done()
		return nil, errors.Join(errors.New("interrupted"), ctx.Err())
	})
	task := b.submit(schemas.TopicText)
	<-started
	stop()
	if letters := b.letters(true); len(letters) != 0 {
		t.Fatalf("an interrupted job went to the dead letters: %+v", letters)
	}
	defer b.run(5, completes)()
	b.await(task, schemas.StatusCompleted)
}

// The status that makes a redelivery skip the work is never on the log without
// the result it speaks of.
func TestWorkerPublishesTheStatusLast(t *testing.T) {
	b := newBed(t)
	var mu sync.Mutex
	calls := 0
	defer b.runStage(5, schemas.StatusAudioCompleted, func(_ context.Context, job Job) ([]Event, error) {
		mu.Lock()
		defer mu.Unlock()
		calls++
		text := "short"
		if calls == 1 {
			text = strings.Repeat("too large for a record ", 2*schemas.MaxRecordBytes/20)
		}
		return []Event{
			{schemas.TopicTranscripts, schemas.Transcript{Task: job.Task, Utterances: []schemas.Utterance{{Text: text}}}},
			{schemas.TopicStatus, Status(job.Task, schemas.StatusAudioCompleted)},
		}, nil
	})()
	task := b.submit(schemas.TopicText)
	b.await(task, schemas.StatusAudioCompleted)
	mu.Lock()
	defer mu.Unlock()
	if calls != 2 {
		t.Errorf("the work was done %d times, want 2: once for the result that could not be written", calls)
	}
}

// A panic is one record's, not the process's.
func TestWorkerSurvivesAPanic(t *testing.T) {
	b := newBed(t)
	bad := b.submit(schemas.TopicText)
	good := b.submit(schemas.TopicText)
	defer b.run(5, func(ctx context.Context, job Job) ([]Event, error) {
		if job.Task.Code == bad.Code {
			panic("index out of range")
		}
		return completes(ctx, job)
	})()
	b.await(good, schemas.StatusCompleted)
	b.await(bad, schemas.StatusError)
	if letters := b.letters(true); len(letters) != 1 || letters[0].Attempts != 1 {
		t.Errorf("dead letters: %+v", letters)
	}
}

// What is completed is analysed again when that is asked for, and stays
// completed whatever becomes of it.
func TestWorkerTakesWhatIsAskedForAgain(t *testing.T) {
	b := newBed(t)
	ask := func(task schemas.Task) {
		r, err := b.codec.Record(schemas.TopicAgain, "test", schemas.AnalysisRequested{Org: org, TaskCode: task.Code, Version: 2, User: 1, At: time.Now()})
		b.must(err)
		b.must(b.producer.ProduceSync(context.Background(), r).FirstErr())
	}
	var mu sync.Mutex
	again := map[string]int{}
	var broken string
	defer b.run(2, func(ctx context.Context, job Job) ([]Event, error) {
		if job.Again == nil {
			return completes(ctx, job)
		}
		mu.Lock()
		defer mu.Unlock()
		if again[job.Task.Code]++; job.Task.Code == broken {
			return nil, errors.New("no ClickHouse")
		}
		return []Event{{schemas.TopicAnalyses, schemas.Analysis{Task: job.Task, Version: 2}}}, nil
	})()
	good, bad := b.submit(schemas.TopicText), b.submit(schemas.TopicText)
	mu.Lock()
	broken = bad.Code
	mu.Unlock()
	for _, task := range []schemas.Task{good, bad} {
		b.await(task, schemas.StatusCompleted)
		b.must(b.store.ExpectAgain(t.Context(), state.MarkAsked, org, []schemas.Analysed{{Code: task.Code, Version: 2}}, time.Hour))
		ask(task)
	}
	deadline := time.Now().Add(20 * time.Second)
	letters := b.letters(true)
	for len(letters) == 0 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
		letters = b.letters(true)
	}
	if len(letters) != 1 || string(letters[0].Key) != bad.Code || letters[0].Topic != schemas.TopicAgain {
		t.Fatalf("dead letters %+v", letters)
	}
	b.await(bad, schemas.StatusCompleted)
	var free []string // nobody must wait for what was given up
	for deadline = time.Now().Add(20 * time.Second); len(free) == 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var err error
		free, err = b.store.MarkAgain(t.Context(), state.MarkAsked, org, []schemas.Analysed{{Code: bad.Code, Version: 1}})
		b.must(err)
	}
	if len(free) == 0 {
		t.Error("a dead letter keeps its mark")
	}
	mu.Lock()
	broken = ""
	mu.Unlock()
	if n := len(b.letters(false)); n != 1 { // replay takes it back
		t.Fatalf("%d dead letters replayed", n)
	}
	deadline = time.Now().Add(20 * time.Second)
	for done := false; !done && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		mu.Lock()
		done = again[bad.Code] == 3 && again[good.Code] == 1
		mu.Unlock()
	}
	mu.Lock()
	defer mu.Unlock()
	if again[bad.Code] != 3 || again[good.Code] != 1 {
		t.Errorf("analysed again %v, want %s once and %s twice in vain and then once", again, good.Code, bad.Code)
	}
}
