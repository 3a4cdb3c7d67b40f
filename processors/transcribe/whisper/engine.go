// Package whisper is the local engine: whisper.cpp in a process of its own,
// which holds one model and hears several recordings at once, each with a state
// of its own. It is this very program, started once more, because C may crash:
// that must cost one recording and not the program.
//
//	Use ─► slot ─► Session.Hear ─► question ─► process ─► whisper_state of the slot ─► answer
//
// When the process dies with several questions in flight, it is not known which
// of them killed it: it is started anew and each is put once more, alone. Only
// the one that kills it alone is lost.
package whisper

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"earshot/schemas"
)

// Command is the hidden subcommand under which the program runs ChildMain.
const Command = "whisper-child"

var (
	// errNoWhisper says why this binary hears nothing and how to get one that does.
	errNoWhisper = errors.New("this program was built without whisper.cpp; run `make build` and start bin/earshot")

	errClosed = errors.New("the transcriber is closed")

	// ErrNoActivity is what Session.Activity returns when there is no Silero model.
	ErrNoActivity = errors.New("there is no Silero model")
)

// Engine hears with whisper.cpp. It is safe for concurrent use.
type Engine struct {
	cfg      Config
	models   string
	embedded []byte
	log      *slog.Logger

	idle chan int            // slots
	gate *semaphore.Weighted // a question in flight holds 1, one that must be alone all
	busy atomic.Int32        // questions in flight

	closing sync.Mutex // of closed and using
	closed  chan struct{}
	using   sync.WaitGroup // calls of Use
	late    sync.WaitGroup // questions that are still worked on though nobody waits

	starting chan struct{} // a lock of what follows that can be waited for with a context
	process  *process      // nil when there is none yet
	weights  *weights      // once found
	failures int           // in a row
	rested   time.Time
}

// About says what hears.
type About struct {
	Engine string // "whisper.cpp 1.9.1"
	Model  string // file name and digest, "ggml-base.bin@sha256:60ed5bc3dd14"
	Ships  bool   // it is the model that is embedded in the program
	// Languages that the model knows, ISO 639-1, sorted (Javanese is "jw");
	// "en" alone when it is not Multilingual.
	Languages    []string
	Multilingual bool
	PID          int // process
}

// New returns an engine that loads cfg.Model, or else the one Whisper model in
// the folder models, or else embedded (nil: there is none; the process has it
// from ChildMain and must be given the same). It starts nothing: the process
// starts with the first recording, and a model may be installed any time before.
func New(cfg Config, models string, embedded []byte, log *slog.Logger) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := cfg.slots()
	e := &Engine{cfg: cfg, models: models, embedded: embedded, log: log,
		idle: make(chan int, n), gate: semaphore.NewWeighted(int64(n)), closed: make(chan struct{}), starting: make(chan struct{}, 1)}
	for slot := range n {
		e.idle <- slot
	}
	return e, nil
}

// Slots is how many recordings can be heard at a time.
func (e *Engine) Slots() int { return cap(e.idle) }

// Close waits for the recordings in progress and ends the process. Close is
// called once; Use returns an error from then on.
func (e *Engine) Close() {
	e.closing.Lock()
	close(e.closed)
	e.closing.Unlock()
	e.using.Wait()
	e.starting <- struct{}{}
	if e.process != nil {
		e.process.end()
	}
	e.late.Wait()
}

// Use runs work with a slot for one recording. It waits for a free one and
// starts the process if there is none, after a pause when it died before.
//
// A *schemas.Error of it is final: CodeNoModel says how to get a model. Any
// other error is ours and may be gone at the next try. Errors of work are
// returned as they are.
func (e *Engine) Use(ctx context.Context, work func(*Session) error) error {
	if !e.enter() {
		return errClosed
	}
	defer e.using.Done()
	select {
	case slot := <-e.idle:
		s := &Session{engine: e, slot: slot, patience: e.cfg.patience()}
		defer s.release()
		p, err := e.ready(ctx)
		if err != nil {
			return err
		}
		s.about = p.about
		return work(s)
	case <-ctx.Done():
		return ctx.Err()
	case <-e.closed:
		return errClosed
	}
}

// enter counts a call of Use, unless the engine is closed.
func (e *Engine) enter() bool {
	e.closing.Lock()
	defer e.closing.Unlock()
	select {
	case <-e.closed:
		return false
	default:
		e.using.Add(1)
		return true
	}
}

// ready returns the process, started if need be.
func (e *Engine) ready(ctx context.Context) (*process, error) {
	select {
	case e.starting <- struct{}{}:
		defer func() { <-e.starting }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if p := e.process; p != nil {
		if !p.dead() {
			return p, nil
		}
		if e.process = nil; p.answered {
			e.failures = 0
		}
		e.failed(p.ended)
	}
	if err := e.find(); err != nil {
		return nil, err
	}
	rest := time.NewTimer(time.Until(e.rested))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.closed:
		return nil, errClosed
	}
	q := question{Model: e.weights.path, Activity: e.weights.activity, GPU: e.cfg.GPU, Flash: e.cfg.Flash}
	p, err := start(ctx, q, e.log)
	switch {
	case errors.Is(err, errUnusable):
		return nil, schemas.Because(schemas.CodeNoModel, err, "whisper.cpp refuses %s; %s", e.weights.name, howToGet(e.models))
	case err != nil && ctx.Err() == nil:
		e.failed(err)
		return nil, err
	case err != nil:
		return nil, err
	}
	p.about.Model, p.about.Ships = e.weights.name, e.weights.path == ""
	e.process = p
	e.log.Info("recogniser ready", "pid", p.about.PID, "engine", p.about.Engine, "model", p.about.Model, "slots", e.Slots(), "multilingual", p.about.Multilingual)
	return p, nil
}

// find looks for the models until they are found; then they stay.
func (e *Engine) find() (err error) {
	if !withWhisper {
		return schemas.Because(schemas.CodeNoModel, errNoWhisper, "this program was built without whisper.cpp; run `make build` and start bin/earshot")
	}
	if e.weights == nil {
		e.weights, err = findWeights(e.cfg, e.models, e.embedded)
	}
	return err
}

// failed makes the next start wait, longer each time.
func (e *Engine) failed(err error) {
	e.failures++
	pause := min(100*time.Millisecond<<min(e.failures, 10), 30*time.Second)
	e.rested = time.Now().Add(pause)
	e.log.Warn("the recogniser ended", "error", err, "failures", e.failures, "pause", pause)
}
