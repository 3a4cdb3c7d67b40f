// Package processors holds the stages between one event and the next, and the
// share-group worker that runs them.
package processors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
	"earshot/sinks/state"
)

// Job is one record of a stage, decoded. Exactly one of the pointers is set, by
// the topic it came from.
type Job struct {
	Task       schemas.Task // with Again its code and organisation only
	Submitted  *schemas.TaskSubmitted
	Transcript *schemas.Transcript
	Again      *schemas.AnalysisRequested // of a task that is completed
}

// Stage is what a worker runs.
type Stage struct {
	Name     string   // one of schemas.Stage*
	Group    string   // share group
	Live     []string // topics taken first
	Bulk     []string // topics taken only while the live ones are empty
	Batch    int32    // records held at once
	Done     int64    // status version from which a task needs this stage no more
	Announce bool     // publish StatusProcessing before the work, for jobs a person waits for

	// Handle does the work and returns the events that carry its result. A
	// *schemas.Error with a client's code ends the task in error; any other
	// error is ours and the record is tried again.
	Handle func(ctx context.Context, job Job) ([]Event, error)
}

// Event is a result on its way to a topic.
type Event struct {
	Topic string
	Value any
}

// Config of the workers of every stage.
type Config struct {
	Lock         time.Duration `env:"EARSHOT_LOCK" envDefault:"30s" help:"how long a worker holds a record without a sign of life before another gets it"`
	Grace        time.Duration `env:"EARSHOT_GRACE" envDefault:"20s" help:"how long work in progress may go on after the signal to stop"`
	Attempts     int32         `env:"EARSHOT_ATTEMPTS" envDefault:"0" help:"tries of a record before it goes to the dead letters; 0: one less than Kafka's group.share.delivery.count.limit, at which Kafka drops it"`
	AnalyzeSlots int           `env:"EARSHOT_ANALYZE_SLOTS" envDefault:"2" help:"analyses at a time"`
}

// Validate refuses what cannot be meant.
func (c *Config) Validate() error {
	if c.Lock < time.Second || c.Grace <= 0 || c.Attempts < 0 || c.AnalyzeSlots < 1 {
		return errors.New("EARSHOT_LOCK must be 1s or more, EARSHOT_GRACE above 0, EARSHOT_ATTEMPTS 0 or more, EARSHOT_ANALYZE_SLOTS 1 or more")
	}
	return nil
}

// LimitAttempts sets Attempts for a broker that hands a record out so often
// (group.share.delivery.count.limit): at that limit it drops the record without
// a word, so it must be buried one delivery earlier, whatever was configured.
func (c *Config) LimitAttempts(deliveries int) {
	if most := max(int32(deliveries)-1, 1); c.Attempts == 0 || c.Attempts > most {
		c.Attempts = most
	}
}

// Worker takes records of a stage from a share group. Each slot is a client of
// its own, because in a share group the next poll accepts whatever is still
// held: a slot polls only after everything it held has its final ack.
//
//	poll ─► decode ─► skip what is done ─► Handle ─► produce (acks=all) ─► accept ─► flush ─► poll
//	                                        │ record's fault ─► status error ─► accept
//	                                        │ ours ─► release; after the last delivery dead letter + reject
//	                     renew ◄── ticker ──┘
type Worker struct {
	Config
	Stage
	Slots     int // records or batches worked on at the same time
	NewClient func(...kgo.Opt) (*kgo.Client, error)
	Producer  *kgo.Client
	Store     *state.Store
	Codec     *schemas.Codec
	Metrics   *schemas.StageMetrics
	Log       *slog.Logger
}

// Run works until ctx ends, then finishes or releases what is held within
// Grace. It returns only errors that no retry can cure.
func (w *Worker) Run(ctx context.Context) error {
	// Without the state, work that is already done cannot be told from work that is not.
	if err := w.Store.AwaitReady(ctx); err != nil {
		return nil // shut down before the state was ready
	}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		w.Metrics.WatchLag(ctx, w.Producer, w.Name, slices.Concat(w.Live, w.Bulk), schemas.Accepted(w.Group), w.Log)
	}()
	errs := make([]error, w.Slots)
	for i := range w.Slots {
		wg.Add(1)
		go func() { defer wg.Done(); errs[i] = w.slot(ctx) }()
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (w *Worker) slot(ctx context.Context) error {
	l := &lanes{bulk: w.Bulk, batch: int(w.Batch), stage: w.Name, log: w.Log}
	cl, err := w.NewClient(
		kgo.WithHooks(l),
		kgo.ShareGroup(w.Group), kgo.ConsumeTopics(slices.Concat(w.Live, w.Bulk)...),
		kgo.ShareMaxRecords(w.Batch), kgo.ShareMaxRecordsStrict(),
		kgo.ShareAckCallback(func(_ *kgo.Client, rs kgo.ShareAckResults) {
			// A late accept: the lock ran out and another slot has the record too.
			// The result is already on the log and doing it twice changes nothing.
			if err := rs.Error(); err != nil {
				w.Log.Warn("acknowledge", "stage", w.Name, "error", err)
			}
		}),
	)
	if err != nil {
		return fmt.Errorf("%s worker: %w", w.Name, err)
	}
	defer cl.Close()
	l.begin(cl)
	for ctx.Err() == nil {
		if records := l.next(ctx); len(records) > 0 {
			w.batch(ctx, cl, records)
		}
	}
	return nil
}

// held is one record of a batch and what became of it.
type held struct {
	record *kgo.Record
	job    Job
	events []Event
	err    error // nil: accept; errSkip: accept; else ours: release or bury
	// hopeless: no retry can help; dead: the dead letter is written.
	hopeless, dead bool
}

func (w *Worker) batch(ctx context.Context, cl *kgo.Client, records []*kgo.Record) {
	// The work outlives the signal to stop by Grace, so that what is nearly
	// done is finished and not begun again elsewhere.
	work, cancel := graceful(ctx, w.Grace)
	defer cancel()
	stop := w.renew(work, cl, records)
	begin := time.Now()
	w.Metrics.In(w.Name).Add(float64(len(records)))

	batch := w.decode(records)
	w.skipDone(work, batch)
	for i := range batch {
		w.handle(work, &batch[i])
	}
	w.publish(work, batch)
	w.bury(work, batch)
	stop()
	w.acknowledge(work, cl, batch)
	w.Metrics.Latency(w.Name).Observe(time.Since(begin).Seconds() / float64(len(records)))
}

// renew keeps the acquisition locks of records while they are worked on. The
// returned function ends it and waits until it has ended.
func (w *Worker) renew(ctx context.Context, cl *kgo.Client, records []*kgo.Record) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(w.Lock / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				cl.MarkAcks(kgo.AckRenew, records...)
				if err := cl.FlushAcks(ctx); err != nil && ctx.Err() == nil {
					w.Log.Warn("renew", "stage", w.Name, "error", err)
				}
			}
		}
	}()
	return func() { cancel(); <-done }
}

func (w *Worker) decode(records []*kgo.Record) []held {
	batch := make([]held, len(records))
	for i, r := range records {
		h := &batch[i]
		h.record = r
		switch r.Topic {
		case schemas.TopicTranscripts:
			h.job.Transcript = &schemas.Transcript{}
			h.err = w.Codec.Decode(r.Value, h.job.Transcript)
			h.job.Task = h.job.Transcript.Task
		case schemas.TopicAgain:
			h.job.Again = &schemas.AnalysisRequested{}
			h.err = w.Codec.Decode(r.Value, h.job.Again)
			h.job.Task = schemas.Task{Org: h.job.Again.Org, Code: h.job.Again.TaskCode}
		default:
			h.job.Submitted = &schemas.TaskSubmitted{}
			h.err = w.Codec.Decode(r.Value, h.job.Submitted)
			h.job.Task = h.job.Submitted.Task
		}
		// No retry makes unreadable bytes readable; a record that was
		// delivered more often than it may fail killed its worker each time.
		h.hopeless = h.err != nil
		if h.err == nil && r.DeliveryCount() > w.Attempts {
			h.hopeless, h.err = true, fmt.Errorf("delivered %d times without a result: its work crashed or outlived its worker each time", r.DeliveryCount())
		}
	}
	return batch
}

// errSkip marks a record whose work was already done before a crash or a
// redelivery. It is accepted and nothing is published.
var errSkip = errors.New("already done")

func (w *Worker) skipDone(ctx context.Context, batch []held) {
	var open []*held
	var keys []state.TaskKey
	for i := range batch {
		if h := &batch[i]; h.err == nil {
			open, keys = append(open, h), append(keys, state.TaskKey{Org: h.job.Task.Org, Code: h.job.Task.Code})
		}
	}
	versions, err := w.versions(ctx, keys)
	for i, h := range open {
		switch {
		case err != nil:
			h.err = err
		case h.job.Again != nil: // what is done is done again on purpose
		case versions[i] == schemas.StatusVersion(schemas.StatusError):
			if !replayed(h.record) {
				h.err = errSkip
			}
		case versions[i] >= w.Done:
			h.err = errSkip
		}
	}
}

// versions waits for the state for as long as it takes, the locks being
// renewed meanwhile: an outage of Redis must not use up the deliveries of a
// record, and work done twice would say "processing" of a task that is completed.
func (w *Worker) versions(ctx context.Context, keys []state.TaskKey) ([]int64, error) {
	for {
		versions, err := w.Store.Versions(ctx, keys)
		if err == nil {
			return versions, nil
		}
		w.Log.Warn("waiting for the state", "stage", w.Name, "error", err)
		if pause(ctx, time.Second) != nil {
			return nil, err
		}
	}
}

func (w *Worker) handle(ctx context.Context, h *held) {
	if h.err != nil {
		return
	}
	if w.Announce {
		if err := w.produce(ctx, []Event{{schemas.TopicStatus, Status(h.job.Task, schemas.StatusProcessing)}}); err != nil {
			h.err = err
			return
		}
	}
	h.events, h.err = w.safely(ctx, h)
	if fault, ok := schemas.RecordFault(h.err); ok {
		w.Metrics.Errors(w.Name, "record").Inc()
		w.Log.Info("task ends in error", "stage", w.Name, "task", h.job.Task.Code, "error", h.err)
		h.events, h.err = []Event{{schemas.TopicStatus, Failure(h.job.Task, fault.Code, fault.Message("en"))}}, nil
	}
}

// safely turns a panic into a failure of this record alone; no retry helps
// against it.
func (w *Worker) safely(ctx context.Context, h *held) (events []Event, err error) {
	defer func() {
		if p := recover(); p != nil {
			h.hopeless = true
			w.Log.Error("panic", "stage", w.Name, "task", h.job.Task.Code, "panic", p, "stack", string(debug.Stack()))
			events, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	return w.Handle(ctx, h.job)
}

// Status is the event that moves a task.
func Status(t schemas.Task, status string) schemas.TaskStatus {
	return schemas.TaskStatus{Task: t, Status: status, Version: schemas.StatusVersion(status), UpdatedAt: time.Now().UTC()}
}

// Failure is the event that ends a task in error.
func Failure(t schemas.Task, code schemas.Code, message string) schemas.TaskStatus {
	s := Status(t, schemas.StatusError)
	s.ErrorCode, s.Error = int64(code), message
	return s
}

// publish writes all results of a batch with acks=all. A record whose result
// could not be written counts as failed by us. Statuses go last: a redelivered
// record is skipped by its task's status, which must not be there without the
// result it speaks of.
func (w *Worker) publish(ctx context.Context, batch []held) {
	var results, statuses []*kgo.Record
	owner := map[*kgo.Record]*held{}
	for i := range batch {
		h := &batch[i]
		if h.err != nil {
			continue
		}
		rs, err := w.records(h.events)
		if err != nil {
			h.err = err
			continue
		}
		for _, r := range rs {
			owner[r] = h
			if replayed(h.record) { // the stages after this one see the task in error too
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: replayHeader, Value: []byte("1")})
			}
			if r.Topic == schemas.TopicStatus {
				statuses = append(statuses, r)
			} else {
				results = append(results, r)
			}
		}
	}
	w.send(ctx, results, owner)
	w.send(ctx, slices.DeleteFunc(statuses, func(r *kgo.Record) bool { return owner[r].err != nil }), owner)
}

func (w *Worker) send(ctx context.Context, records []*kgo.Record, owner map[*kgo.Record]*held) {
	for _, r := range w.Producer.ProduceSync(ctx, records...) {
		if r.Err != nil {
			owner[r.Record].err = fmt.Errorf("publish to %s: %w", r.Record.Topic, r.Err)
		}
	}
}

func (w *Worker) records(events []Event) ([]*kgo.Record, error) {
	records := make([]*kgo.Record, len(events))
	for i, e := range events {
		r, err := w.Codec.Record(e.Topic, w.Name, e.Value)
		if err != nil {
			return nil, err
		}
		records[i] = r
	}
	return records, nil
}

func (w *Worker) produce(ctx context.Context, events []Event) error {
	records, err := w.records(events)
	if err != nil {
		return err
	}
	return w.Producer.ProduceSync(ctx, records...).FirstErr()
}

// acknowledge gives every record its final ack and waits until the broker has
// it; only then may the slot poll again. What failed is held back for a while
// before it is released, because a released record is delivered again at once.
func (w *Worker) acknowledge(ctx context.Context, cl *kgo.Client, batch []held) {
	var failed []*kgo.Record
	var deliveries int32
	for i := range batch {
		h := &batch[i]
		switch {
		case h.dead:
			h.record.Ack(kgo.AckReject)
		case h.err == nil || errors.Is(h.err, errSkip):
			h.record.Ack(kgo.AckAccept)
			w.Metrics.Out(w.Name).Inc()
		default:
			failed = append(failed, h.record)
			deliveries = max(deliveries, h.record.DeliveryCount())
		}
	}
	w.flush(ctx, cl)
	if len(failed) == 0 {
		return
	}
	// Shorter than the lock, so that the release still counts.
	if err := pause(ctx, min(100*time.Millisecond<<min(deliveries, 10), w.Lock/2)); err != nil {
		w.Log.Info("releasing what is held", "stage", w.Name, "records", len(failed))
	}
	cl.MarkAcks(kgo.AckRelease, failed...)
	w.flush(ctx, cl)
}

func (w *Worker) flush(ctx context.Context, cl *kgo.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := cl.FlushAcks(ctx); err != nil {
		w.Log.Warn("flush acknowledgements", "stage", w.Name, "error", err)
	}
}
