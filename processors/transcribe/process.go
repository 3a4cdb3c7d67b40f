package transcribe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// loading is how long a model may take to load: three gigabytes from a slow disk.
const loading = 5 * time.Minute

// errUnusable marks what the recogniser refused for good.
var errUnusable = errors.New("unusable")

// process is a recogniser's process, seen from the program. One goroutine
// uses it at a time. Once dead it answers nothing more.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.Reader
	said   *tail
	dead   bool
	engine string
	// languages that the model knows, ISO 639-1; only "en" when it is not multilingual.
	languages    []string
	multilingual bool
}

// start runs this very program again as a recogniser and loads the model.
// Errors wrap errUnusable when a second try would end alike.
func start(ctx context.Context, model string, threads int, log *slog.Logger) (*process, error) {
	// /proc/self/exe is this program even after its file was replaced by a newer
	// version, which may speak another protocol.
	cmd := exec.Command("/proc/self/exe", childCommand)
	cmd.Args[0] = "earshot"
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "EARSHOT_") }) // secrets
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}                                                      // a terminal's Ctrl-C is not for it
	p := &process{cmd: cmd, said: &tail{log: log}}
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
	a, err := p.ask(ctx, question{Ask: askOpen, Model: model, Threads: threads}, nil, loading)
	if err != nil {
		p.end()
		return nil, err
	}
	p.engine, p.languages, p.multilingual = a.Engine, a.Languages, a.Multilingual
	log.Info("recogniser ready", "pid", cmd.Process.Pid, "engine", p.engine, "model", model, "threads", threads, "multilingual", p.multilingual)
	return p, nil
}

// ask puts a question and waits for the answer. patience is how long the
// process may give no sign of life. When it dies, hangs, or ctx ends first, it
// is dead.
func (p *process) ask(ctx context.Context, q question, samples []byte, patience time.Duration) (answer, error) {
	var hung atomic.Bool
	watch := time.AfterFunc(patience, func() { hung.Store(true); p.kill() })
	defer watch.Stop()
	unwatch := context.AfterFunc(ctx, p.kill)
	defer unwatch()
	a, err := p.exchange(q, samples, func() { watch.Reset(patience) })
	if err == nil && !hung.Load() && ctx.Err() == nil {
		if a.Error != "" && a.Unusable {
			return a, fmt.Errorf("%w: %s: %s", errUnusable, a.Error, p.said.last())
		}
		if a.Error != "" {
			return a, fmt.Errorf("recogniser: %s", a.Error)
		}
		return a, nil
	}
	p.end()
	switch {
	case ctx.Err() != nil:
		return a, ctx.Err()
	case hung.Load():
		return a, fmt.Errorf("recogniser gave no sign of life for %s", patience)
	}
	return a, fmt.Errorf("recogniser died (%s): %w: %s", p.cmd.ProcessState, err, p.said.last())
}

func (p *process) exchange(q question, samples []byte, alive func()) (answer, error) {
	if err := writeFrame(p.in, q, samples); err != nil {
		return answer{}, err
	}
	for {
		var a answer
		if _, err := readFrame(p.out, &a); err != nil || !a.Alive {
			return a, err
		}
		alive()
	}
}

// kill is safe at any time: os.Process knows whether it still is the process.
func (p *process) kill() {
	// The only error is that it has ended, which is what is wanted.
	_ = p.cmd.Process.Kill()
}

// end closes stdin, at which the process ends by itself; if it does not, it is
// killed. What it was working on is lost. end may be called again.
func (p *process) end() {
	if p.dead {
		return
	}
	p.dead = true
	kill := time.AfterFunc(2*time.Second, p.kill)
	defer kill.Stop()
	// Closing fails when the process is gone, and so does waiting when it did
	// not end well; both are seen in ProcessState.
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

// tail logs what a process writes to its stderr and keeps the end of it.
type tail struct {
	log  *slog.Logger
	kept atomic.Pointer[string]
	line []byte
}

// tailBytes bounds a line and what is kept.
const tailBytes = 2 << 10

// Write never fails: a process that says too much is cut, not broken.
func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, rest, ended := bytes.Cut(p, []byte("\n"))
		t.line = append(t.line, line[:min(len(line), tailBytes-len(t.line))]...)
		if p = rest; ended {
			t.flush()
		}
	}
	return n, nil
}

func (t *tail) flush() {
	line := strings.ToValidUTF8(strings.TrimSpace(string(t.line)), "?")
	t.line = t.line[:0]
	if line == "" {
		return
	}
	t.log.Debug("recogniser says", "line", line)
	all := line
	if before := t.kept.Load(); before != nil {
		all = *before + "; " + line
		all = strings.ToValidUTF8(all[max(0, len(all)-tailBytes):], "")
	}
	t.kept.Store(&all)
}

// last is the end of what was said, for an error message.
func (t *tail) last() string {
	if s := t.kept.Load(); s != nil {
		return (*s)[max(0, len(*s)-300):]
	}
	return "it said nothing"
}
