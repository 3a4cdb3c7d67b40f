package whisper

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"earshot/processors/transcribe/speech"
	"earshot/processors/transcribe/tinymodel"
	"earshot/schemas"
)

// Questions that begin with these samples do to the process what no recording
// should.
const (
	crashes = 31_001
	hangs   = 31_002
)

// The test binary is its own engine, as the program is, with the tiny model
// embedded.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Command {
		before = func(samples []float32) {
			switch {
			case len(samples) == 0:
			case samples[0] == float32(crashes)/32768:
				_ = syscall.Kill(os.Getpid(), syscall.SIGSEGV)
				select {}
			case samples[0] == float32(hangs)/32768:
				select {}
			}
		}
		os.Exit(ChildMain(os.Stdin, os.Stdout, tiny()))
	}
	goleak.VerifyTestMain(m)
}

var quietLog = slog.New(slog.NewTextHandler(io.Discard, nil))

var tiny = sync.OnceValue(func() []byte { return written(false) })

func written(multilingual bool) []byte {
	var b bytes.Buffer
	if err := tinymodel.Write(&b, 1, multilingual); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}

// silero is a Silero model of zeros: it finds anything half likely.
func silero() []byte {
	b := binary.LittleEndian.AppendUint32(nil, magic)
	ints := func(values ...int) {
		for _, v := range values {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
	}
	ints(len(sileroType))
	b = append(b, sileroType...)
	ints(6, 2, 0, 512, 64, 4, 129, 128, 3, 128, 64, 3, 64, 64, 3, 64, 128, 3, 128, 128, 128, 1)
	tensor := func(name string, size int, dims ...int) {
		ints(len(dims), len(name), 2-size/2)
		ints(dims...)
		b = append(b, name...)
		for _, d := range dims {
			size *= d
		}
		b = append(b, make([]byte, size)...)
	}
	for i, dims := range [][]int{{3, 129, 128}, {3, 128, 64}, {3, 64, 64}, {3, 64, 128}} {
		name := "_model.encoder." + string(rune('0'+i)) + ".reparam_conv."
		tensor(name+"weight", 2, dims...)
		tensor(name+"bias", 4, dims[2])
	}
	tensor("_model.decoder.rnn.weight_ih", 4, 128, 512)
	tensor("_model.decoder.rnn.weight_hh", 4, 128, 512)
	tensor("_model.decoder.rnn.bias_ih", 4, 512)
	tensor("_model.decoder.rnn.bias_hh", 4, 512)
	tensor("_model.decoder.decoder.2.weight", 2, 128)
	tensor("_model.decoder.decoder.2.bias", 4)
	tensor("_model.stft.forward_basis_buffer", 2, 256, 1, 258)
	return b
}

func file(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// babble is a sound that changes like speech does, anew every twenty seconds;
// the seed makes one voice differ from another.
func babble(seed, seconds float64) []int16 {
	samples := make([]int16, int(min(seconds, 20)*speech.Rate))
	for i := range samples {
		at := float64(i) / speech.Rate
		syllable := math.Floor(at * 4)
		phase := 2 * math.Pi * at * math.Floor(100+200*math.Abs(math.Sin(seed*12.9898+syllable*78.233)))
		timbre := math.Abs(math.Sin(seed*4.1414 + syllable*31.77))
		envelope := math.Sin(math.Pi * (at*4 - syllable))
		samples[i] = int16(6000 * envelope * (math.Sin(phase) + timbre*math.Sin(3*phase) + math.Sin(11*phase)/4))
	}
	return slices.Repeat(samples, int(math.Ceil(seconds/20)))[:int(seconds*speech.Rate)]
}

func beginning(with int16, samples []int16) []int16 {
	samples[0] = with
	return samples
}

// wantCode fails unless err is the record's fault with that code; 0 wants a
// fault of ours.
func wantCode(t testing.TB, err error, want schemas.Code) {
	t.Helper()
	fault, ok := schemas.RecordFault(err)
	switch {
	case err == nil:
		t.Errorf("got no error, want code %d", want)
	case ok != (want != 0), ok && fault.Code != want:
		t.Errorf("got %v, want code %d", err, want)
	}
}

// await waits until what it names has come true.
func await(t testing.TB, what string, come func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !come(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func newEngine(t testing.TB, cfg Config) *Engine {
	t.Helper()
	if cfg.Patience == 0 {
		cfg.Patience = 20
	}
	e, err := New(cfg, t.TempDir(), tiny(), quietLog)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// hear is one recording of one question.
func hear(ctx context.Context, e *Engine, a speech.Ask) (heard speech.Heard, err error) {
	err = e.Use(ctx, func(s *Session) error {
		heard, err = s.Hear(ctx, a)
		return err
	})
	return heard, err
}
