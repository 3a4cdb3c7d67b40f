package transcribe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"
)

// childCommand is the hidden subcommand under which the program runs ChildMain.
const childCommand = "whisper-child"

// ChildMain is the recogniser's process: it answers the questions that come on
// stdin and ends when stdin does, so that it never outlives the program. It
// returns the process's exit code. It runs apart because whisper.cpp is C: a
// crash there costs one job and not the program.
func ChildMain(stdin, stdout *os.File) int {
	// A service manager signals all processes of a service at once; the work in
	// hand may still be finished, and the end of stdin says when it is over.
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	debug.SetGCPercent(50) // large short-lived buffers beside a large model
	answers, err := claim(stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "whisper-child:", err)
		return 1
	}
	var c child
	defer c.close()
	for q := range questions(stdin) {
		a := c.answer(q, func() error { return writeFrame(answers, answer{Alive: true}, nil) })
		if err := writeFrame(answers, a, nil); err != nil {
			fmt.Fprintln(os.Stderr, "whisper-child: answer:", err)
			return 1
		}
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

type asked struct {
	question
	samples []byte
}

// questions reads ahead, so that the end of stdin ends the process even while
// C is at work: nobody waits for that answer any more.
func questions(r io.Reader) <-chan asked {
	out := make(chan asked)
	go func() {
		for {
			var q asked
			var err error
			if q.samples, err = readFrame(r, &q.question); err != nil {
				if !errors.Is(err, io.EOF) {
					fmt.Fprintln(os.Stderr, "whisper-child: question:", err)
				}
				os.Exit(0)
			}
			out <- q
		}
	}()
	return out
}

// child holds what was loaded. The recogniser is of package whisper.cpp when
// the program was built with it, see whisper.go and nowhisper.go.
type child struct {
	recogniser *recogniser
	floats     []float32
}

func (c *child) close() {
	if c.recogniser != nil {
		c.recogniser.close()
	}
}

func (c *child) answer(q asked, alive func() error) answer {
	if q.Ask == askOpen {
		return c.open(q)
	}
	if c.recogniser == nil {
		return answer{Error: "asked " + q.Ask + " before a model was opened"}
	}
	samples := c.convert(q.samples)
	switch q.Ask {
	case askLanguage:
		language, probability, err := c.recogniser.language(samples)
		if err != nil {
			return answer{Error: err.Error()}
		}
		return answer{Language: language, Probability: probability}
	case askTranscribe:
		segments, err := c.recogniser.transcribe(samples, q.Language, alive)
		if err != nil {
			return answer{Error: err.Error()}
		}
		return answer{Segments: segments}
	}
	return answer{Error: "does not know how to " + q.Ask}
}

func (c *child) open(q asked) answer {
	if c.recogniser != nil {
		return answer{Error: "a model is open already"}
	}
	r, err := openRecogniser(q.Model, q.Threads)
	if err != nil {
		return answer{Error: err.Error(), Unusable: true}
	}
	c.recogniser = r
	return r.about()
}

// shortest is the least that whisper.cpp is given: it reads 201 samples of
// whatever it gets, and leaves out a last tenth of a second.
const shortest = 1.1 * rate

// convert turns 16 bit samples into whisper.cpp's, with silence behind a short
// piece. The result is overwritten by the next call.
func (c *child) convert(b []byte) []float32 {
	n := len(b) / 2
	c.floats = c.floats[:0]
	if cap(c.floats) < n {
		c.floats = make([]float32, 0, n)
	}
	for i := range n {
		c.floats = append(c.floats, float32(int16(binary.LittleEndian.Uint16(b[2*i:])))/(1<<15))
	}
	for len(c.floats) < shortest {
		c.floats = append(c.floats, 0)
	}
	return c.floats
}
