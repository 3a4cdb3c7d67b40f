package whisper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"earshot/processors/transcribe/stderr"
)

// loading is how long a model may take to load: three gigabytes from a slow disk.
const loading = 5 * time.Minute

var (
	// errUnusable marks what the engine's process refused for good.
	errUnusable = errors.New("unusable")
	// errSuspect is the end of a question that was not alone when the process
	// died: it or another one killed it.
	errSuspect = errors.New("the process died with several questions in flight")
	// errGone is the end of a question that came to a process that had ended.
	errGone = errors.New("the process has ended")
)

// process is the engine's process, seen from the program. Any number of
// goroutines ask it, each for a slot of its own.
type process struct {
	about About
	cmd   *exec.Cmd
	said  *stderr.Tail
	out   io.Reader

	writing sync.Mutex // of in
	in      io.WriteCloser

	mu    sync.Mutex
	last  uint64 // number of the last question
	calls map[uint64]*call
	ended error // why it answers nothing more

	gone     chan struct{} // closed when it has ended
	answered bool          // a question of the work, so that it is sound; guarded by mu
}

// call is a question in flight.
type call struct {
	id       uint64
	patience time.Duration
	watch    *time.Timer
	sent     chan struct{} // closed when the question was written, or cannot be
	hung     bool          // guarded by process.mu
	done     chan struct{} // closed when answer and err are there
	answer   answer
	err      error
}

// start runs this very program again as the engine and has it load a model.
// Errors wrap errUnusable when a second try would end alike.
func start(ctx context.Context, open question, log *slog.Logger) (*process, error) {
	// /proc/self/exe is this program even after its file was replaced by a newer
	// version, which may speak another protocol.
	cmd := exec.Command("/proc/self/exe", Command)
	cmd.Args[0] = "earshot"
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "EARSHOT_") }) // secrets
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}                                                      // a terminal's Ctrl-C is not for it
	p := &process{cmd: cmd, said: stderr.New("recogniser", log), calls: map[uint64]*call{}, gone: make(chan struct{})}
	cmd.Stderr = p.said
	cmd.WaitDelay = time.Second
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("recogniser: %w", err)
	}
	if p.out, err = cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("recogniser: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the recogniser: %w", err)
	}
	go p.read()
	open.Ask = askOpen
	c := p.ask(open, nil, loading)
	select {
	case <-c.done:
		err = c.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		p.end()
		return nil, err
	}
	a := c.answer
	p.about = About{Engine: a.Engine, Languages: a.Languages, Multilingual: len(a.Languages) > 1, PID: cmd.Process.Pid}
	return p, nil
}

// ask puts a question. The process is killed when it gives no sign of life for
// longer than patience. The samples are read until the call is done.
func (p *process) ask(q question, samples []int16, patience time.Duration) *call {
	c := &call{patience: patience, sent: make(chan struct{}), done: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended != nil {
		c.err = errGone
		close(c.sent)
		close(c.done)
		return c
	}
	p.last++
	c.id, q.ID = p.last, p.last
	p.calls[c.id] = c
	c.watch = time.AfterFunc(patience, func() { p.hang(c) })
	go func() {
		defer close(c.sent)
		p.write(q, samples)
	}()
	return c
}

// cancel tells the process that nobody waits for the answer. It still comes.
func (p *process) cancel(c *call) {
	<-c.sent
	p.write(question{Ask: askCancel, ID: c.id}, nil)
}

func (p *process) write(q question, samples []int16) {
	p.writing.Lock()
	defer p.writing.Unlock()
	if err := writeFrame(p.in, q, samples); err != nil {
		p.kill() // half a question cannot be taken back; when it is dead already, read says so
	}
}

func (p *process) hang(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-c.done:
	default:
		c.hung = true
		p.kill()
	}
}

// read hands out answers until the process ends, and says to all that still
// wait how it ended.
func (p *process) read() {
	defer close(p.gone)
	var err error
	for {
		var a answer
		if _, err = readFrame(p.out, &a); err != nil {
			break
		}
		p.take(a)
	}
	p.kill() // when it said something that is no frame
	// Waiting fails when it did not end well, which is seen in ProcessState.
	_ = p.cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = fmt.Errorf("recogniser died (%s): %w: %s", p.cmd.ProcessState, err, p.said.Last())
	alone := len(p.calls) == 1
	for _, c := range p.calls {
		switch {
		case c.hung:
			c.err = fmt.Errorf("recogniser gave no sign of life for %s", c.patience)
		case alone:
			c.err = p.ended
		default:
			c.err = errSuspect
		}
		c.finish()
	}
	clear(p.calls)
}

func (p *process) take(a answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.calls[a.ID]
	if c == nil {
		return
	}
	if a.Alive {
		c.watch.Reset(c.patience)
		return
	}
	delete(p.calls, a.ID)
	c.answer = a
	p.answered = p.answered || c.id > 1 // the first one was to load the model
	switch {
	case a.Error != "" && a.Unusable:
		c.err = fmt.Errorf("%w: %s: %s", errUnusable, a.Error, p.said.Last())
	case a.Error != "":
		c.err = fmt.Errorf("recogniser: %s", a.Error)
	}
	c.finish()
}

func (c *call) finish() {
	c.watch.Stop()
	close(c.done)
}

// kill is safe at any time: os.Process knows whether it still is the process.
func (p *process) kill() {
	// The only error is that it has ended, which is what is wanted.
	_ = p.cmd.Process.Kill()
}

// dead says whether it answers nothing more.
func (p *process) dead() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// end closes stdin, at which the process ends by itself; if it does not, it is
// killed. What it was working on is lost. end may be called again.
func (p *process) end() {
	kill := time.AfterFunc(2*time.Second, p.kill)
	defer kill.Stop()
	// Not under the lock of a writer that a process which does not read holds up:
	// closing a pipe ends the write. It fails when the process is gone.
	_ = p.in.Close()
	<-p.gone
}
