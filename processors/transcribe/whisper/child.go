package whisper

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// ChildMain is the engine's process: it answers the questions that come on
// stdin and ends when stdin does, so that it never outlives the program.
// embedded is the model that is loaded by no path, or nil. It returns the
// process's exit code.
func ChildMain(stdin, stdout *os.File, embedded []byte) int {
	// A service manager signals all processes of a service at once; the work in
	// hand may still be finished, and the end of stdin says when it is over.
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	debug.SetGCPercent(50) // large short-lived buffers beside a large model
	answers, err := claim(stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "whisper-child:", err)
		return 1
	}
	c := &child{embedded: embedded, out: answers, slots: map[int]*slot{}}
	// The end of stdin ends the process even while C is at work: nobody waits
	// for that answer any more.
	if err := c.serve(bufio.NewReaderSize(stdin, 64<<10)); !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, "whisper-child:", err)
		return 1
	}
	return 0
}

// claim keeps stdout for answers alone: what else prints there, in C or in Go,
// goes to stderr.
func claim(stdout *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(stdout.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("keep stdout: %w", err)
	}
	if err := unix.Dup3(int(os.Stderr.Fd()), int(stdout.Fd()), 0); err != nil {
		return nil, fmt.Errorf("turn stdout to stderr: %w", err)
	}
	return os.NewFile(uintptr(fd), "answers"), nil
}

// child is what the process holds: one model, and a state for each slot that
// was asked for. The model is whisper.cpp's when the program was built with it,
// see cgo.go and nowhisper.go.
type child struct {
	embedded []byte
	model    *model
	slots    map[int]*slot // of the reader alone

	writing sync.Mutex
	out     io.Writer
}

// slot works on one question at a time, beside the others.
type slot struct {
	questions chan asked
	asked     uint64 // number of the last question; of the reader alone
	cancelled atomic.Bool
}

type asked struct {
	question
	samples []float32
}

// serve hands questions to their slots until stdin ends, with io.EOF.
func (c *child) serve(in io.Reader) error {
	for {
		var q asked
		var err error
		if q.samples, err = readFrame(in, &q.question); err != nil {
			return err
		}
		switch {
		case q.Ask == askOpen:
			err = c.tell(q.ID, c.open(q.question))
		case q.Ask == askCancel:
			for _, s := range c.slots {
				s.cancelled.CompareAndSwap(false, s.asked == q.ID)
			}
		case c.model == nil:
			err = c.tell(q.ID, answer{Error: "asked to " + q.Ask + " before a model was opened"})
		default:
			err = c.hand(q)
		}
		if err != nil {
			return err
		}
	}
}

func (c *child) open(q question) answer {
	if c.model != nil {
		return answer{Error: "a model is open already"}
	}
	m, err := openModel(q, c.embedded)
	if err != nil {
		return answer{Error: err.Error(), Unusable: true}
	}
	c.model = m
	return answer{Engine: m.engine(), Languages: m.languages()}
}

// hand gives a question to its slot, which has answered the one before.
func (c *child) hand(q asked) error {
	s := c.slots[q.Slot]
	if s == nil {
		if len(c.slots) == maxSlots {
			return fmt.Errorf("asked for more than %d slots", maxSlots)
		}
		s = &slot{questions: make(chan asked, 1)}
		c.slots[q.Slot] = s
		go c.work(s)
	}
	s.asked = q.ID
	s.cancelled.Store(false)
	select {
	case s.questions <- q:
		return nil
	default:
		return fmt.Errorf("slot %d was asked before it had answered", q.Slot)
	}
}

// before is called with the samples of each question. Tests crash here.
var before = func([]float32) {}

func (c *child) work(s *slot) {
	st := c.model.newState()
	for q := range s.questions {
		before(q.samples)
		a, err := c.answer(s, st, &q)
		if err != nil {
			a.Error = err.Error()
		}
		if err := c.tell(q.ID, a); err != nil { // a model of nonsense gives what is no number
			err = c.tell(q.ID, answer{Error: fmt.Sprintf("the answer to %s cannot be told: %v", q.Ask, err)})
			if err != nil {
				fmt.Fprintln(os.Stderr, "whisper-child: answer:", err)
			}
		}
	}
}

func (c *child) answer(s *slot, st *state, q *asked) (a answer, err error) {
	switch q.Ask {
	case askLanguage:
		a.Language, a.Probability, err = st.language(q.samples, q.Threads)
	case askHear:
		a.Language, a.Segments, err = st.hear(q, watch{
			window:    func() { err := c.tell(q.ID, answer{Alive: true}); s.cancelled.CompareAndSwap(false, err != nil) },
			cancelled: s.cancelled.Load,
		})
	case askActivity:
		a.Activity, err = st.activity(q.samples)
	default:
		err = errors.New("does not know how to " + q.Ask)
	}
	return a, err
}

// watch follows whisper.cpp at work.
type watch struct {
	window    func()      // a window begins
	cancelled func() bool // whether to give up
}

func (c *child) tell(id uint64, a answer) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	a.ID = id
	return writeFrame(c.out, a, nil)
}
