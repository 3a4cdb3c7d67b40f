package transcribe

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// errNoWhisper says why this binary hears nothing and how to get one that does.
var errNoWhisper = errors.New("this program was built without whisper.cpp; run `make build` and start bin/earshot")

var errClosed = errors.New("the transcriber is closed")

// engine is the pool of recognisers. A recogniser starts when a slot is first
// used and stays, with its model; one that died or hung is replaced.
type engine struct {
	threads  int
	patience time.Duration
	log      *slog.Logger
	idle     chan *slot
	closed   chan struct{}
}

// slot is the place of one recogniser.
type slot struct {
	process  *process // nil when there is none yet or none any more
	failures int      // in a row
	rested   time.Time
}

func newEngine(cfg Config, log *slog.Logger) *engine {
	e := &engine{threads: cfg.threads(), patience: cfg.patience(), log: log, idle: make(chan *slot, cfg.Slots), closed: make(chan struct{})}
	for range cfg.Slots {
		e.idle <- &slot{}
	}
	return e
}

// use runs work with a recogniser that has the model loaded. It waits for a
// free slot, and after failures for the slot to have rested.
func (e *engine) use(ctx context.Context, model string, work func(*process) error) error {
	var s *slot
	select {
	case s = <-e.idle:
	case <-ctx.Done():
		return ctx.Err()
	case <-e.closed:
		return errClosed
	}
	defer func() { e.idle <- s }()
	err := e.ready(ctx, s, model)
	if err == nil {
		err = work(s.process)
	}
	if s.process != nil && !s.process.dead {
		s.failures = 0
		return err
	}
	s.process = nil
	if err != nil && ctx.Err() == nil && !errors.Is(err, errUnusable) && !errors.Is(err, errClosed) {
		s.failures++
		pause := min(100*time.Millisecond<<min(s.failures, 10), 30*time.Second)
		s.rested = time.Now().Add(pause)
		e.log.Warn("the recogniser ended", "error", err, "failures", s.failures, "pause", pause)
	}
	return err
}

func (e *engine) ready(ctx context.Context, s *slot, model string) error {
	if s.process != nil {
		return nil
	}
	rest := time.NewTimer(time.Until(s.rested))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
		return ctx.Err()
	case <-e.closed:
		return errClosed
	}
	var err error
	s.process, err = start(ctx, model, e.threads, e.log)
	return err
}

// close ends all recognisers, each when the work it is used for has ended.
func (e *engine) close() {
	close(e.closed)
	for range cap(e.idle) {
		if s := <-e.idle; s.process != nil {
			s.process.end()
		}
	}
}
