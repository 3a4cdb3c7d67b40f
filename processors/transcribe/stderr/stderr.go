// Package stderr follows what a process of ours says on its stderr.
package stderr

import (
	"bytes"
	"log/slog"
	"strings"
	"sync/atomic"
)

// Tail is an io.Writer that logs each line at DEBUG and keeps the end of all
// that was written, for an error message. One goroutine writes at a time; Last
// may be called at any time.
type Tail struct {
	log  *slog.Logger
	who  string
	kept atomic.Pointer[string]
	line []byte
}

// New returns a Tail for the process named who in the log.
func New(who string, log *slog.Logger) *Tail { return &Tail{log: log, who: who} }

// tailBytes bounds a line and what is kept.
const tailBytes = 2 << 10

// Write never fails: a process that says too much is cut, not broken.
func (t *Tail) Write(p []byte) (int, error) {
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

func (t *Tail) flush() {
	line := strings.ToValidUTF8(strings.TrimSpace(string(t.line)), "?")
	t.line = t.line[:0]
	if line == "" {
		return
	}
	t.log.Debug(t.who+" says", "line", line)
	all := line
	if before := t.kept.Load(); before != nil {
		all = *before + "; " + line
		all = strings.ToValidUTF8(all[max(0, len(all)-tailBytes):], "")
	}
	t.kept.Store(&all)
}

// Last is the end of what was said, at most 300 bytes.
func (t *Tail) Last() string {
	if s := t.kept.Load(); s != nil {
		return (*s)[max(0, len(*s)-300):]
	}
	return "it said nothing"
}
