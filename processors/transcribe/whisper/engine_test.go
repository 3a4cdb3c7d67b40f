//go:build whisper

package whisper

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"earshot/processors/transcribe/speech"
	"earshot/schemas"
)

func heard(t testing.TB, e *Engine, a speech.Ask) speech.Heard {
	t.Helper()
	got, err := hear(t.Context(), e, a)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// The process of an engine that is at work.
func pid(t testing.TB, e *Engine) int {
	t.Helper()
	e.starting <- struct{}{}
	defer func() { <-e.starting }()
	if e.process == nil {
		return 0
	}
	return e.process.cmd.Process.Pid
}

func inFlight(e *Engine, n int32) func() bool {
	return func() bool { return e.busy.Load() == n }
}

func TestHear(t *testing.T) {
	e := newEngine(t, Config{Slots: 1, Threads: 1})
	a := heard(t, e, speech.Ask{Samples: babble(1, 40), Language: "en"})
	if a.Language != "en" || len(a.Segments) != 4 {
		t.Fatalf("got %d segments in %q, want 4 in en", len(a.Segments), a.Language)
	}
	for i, s := range a.Segments {
		if s.Text == "" || s.Start < 0 || s.End <= s.Start || s.Tokens == 0 || *s.Confidence <= 0 || *s.Confidence > 1 ||
			*s.LogProb >= 0 || *s.LogProb < -10 || *s.NoSpeech < 0 || *s.NoSpeech > 1 || *s.Temperature != 0 {
			t.Errorf("segment %d: %+v", i, s)
		}
	}
	if b := heard(t, e, speech.Ask{Samples: babble(1, 40)}); !reflect.DeepEqual(a, b) {
		t.Error("the same samples, another answer")
	}
	if b := heard(t, e, speech.Ask{Samples: babble(2, 40)}); reflect.DeepEqual(a, b) {
		t.Error("other samples, the same answer")
	}
	if b := heard(t, e, speech.Ask{}); b.Language != "en" {
		t.Errorf("nothing at all: %+v", b)
	}
	if _, err := hear(t.Context(), e, speech.Ask{Samples: make([]int16, maxBody)}); err == nil {
		t.Error("an hour was taken")
	}
	heard(t, e, speech.Ask{Samples: babble(1, 3), Prompt: strings.Repeat("word ", 10_000)})
}

func TestLanguages(t *testing.T) {
	english := newEngine(t, Config{Slots: 1})
	many := newEngine(t, Config{Slots: 1, Model: file(t, "many.bin", written(true))})
	tests := []struct {
		name     string
		engine   *Engine
		language string
		want     []string // any of these
		code     schemas.Code
	}{
		{"detected", many, "", []string{"en", "ru"}, 0},
		{"forced", many, "ru", []string{"ru"}, 0},
		{"no such language", many, "xx", nil, schemas.CodeInvalid},
		{"English only", english, "", []string{"en"}, 0},
		{"English only, asked for Russian", english, "ru", nil, schemas.CodeNoModel},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := hear(t.Context(), tt.engine, speech.Ask{Samples: babble(1, 5), Language: tt.language})
			if tt.code != 0 {
				wantCode(t, err, tt.code)
			} else if err != nil || !slices.Contains(tt.want, got.Language) {
				t.Errorf("got %q (%v), want %q", got.Language, err, tt.want)
			}
		})
	}
	err := many.Use(t.Context(), func(s *Session) error {
		language, probability, err := s.Language(t.Context(), babble(1, 40))
		if about := s.About(); !about.Multilingual || len(about.Languages) < 90 || !strings.HasPrefix(about.Model, "many.bin@sha256:") {
			t.Errorf("about %+v", about)
		}
		if !slices.Contains([]string{"en", "ru"}, language) || probability <= 0 || probability > 1 {
			t.Errorf("language %q with %g", language, probability)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestActivity(t *testing.T) {
	activity := func(e *Engine, samples []int16) (p []float32, err error) {
		err = e.Use(t.Context(), func(s *Session) error {
			p, err = s.Activity(t.Context(), samples)
			return err
		})
		return p, err
	}
	if _, err := activity(newEngine(t, Config{Slots: 1}), babble(1, 1)); !errors.Is(err, ErrNoActivity) {
		t.Errorf("without a model: %v", err)
	}
	e := newEngine(t, Config{Slots: 1, Activity: file(t, "silero.bin", silero())})
	got, err := activity(e, babble(1, 10)[:10*speech.Rate-1])
	if err != nil || len(got) != 313 || slices.Max(got) != 0.5 {
		t.Errorf("%d probabilities (%v), want 313 of 0.5", len(got), err)
	}
	if got, err := activity(e, nil); err != nil || len(got) != 0 {
		t.Errorf("of nothing: %v, %v", got, err)
	}
}

func TestEngineStarts(t *testing.T) {
	tests := []struct {
		name string
		cfg  Config
		want schemas.Code // 0 = it does
	}{
		{"embedded", Config{}, 0},
		{"flash attention", Config{Flash: on}, 0},
		{"no GPU wanted", Config{GPU: off}, 0},
		{"no GPU there", Config{GPU: on}, schemas.CodeNoModel},
		{"half a model", Config{Model: file(t, "half.bin", tiny()[:1<<20])}, schemas.CodeNoModel},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Slots = 1
			_, err := hear(t.Context(), newEngine(t, tt.cfg), speech.Ask{Samples: babble(1, 3)})
			if tt.want != 0 {
				wantCode(t, err, tt.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// A model may be installed while the program runs.
func TestModelIsFoundOnceItIsThere(t *testing.T) {
	e, err := New(Config{Slots: 1, Patience: 20}, t.TempDir(), nil, quietLog)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	_, err = hear(t.Context(), e, speech.Ask{Samples: babble(1, 3)})
	wantCode(t, err, schemas.CodeNoModel)
	if err := os.WriteFile(filepath.Join(e.models, "any.bin"), tiny(), 0o600); err != nil {
		t.Fatal(err)
	}
	heard(t, e, speech.Ask{Samples: babble(1, 3)})
}

func TestSlotsWorkAtOnce(t *testing.T) {
	e := newEngine(t, Config{Slots: 2, Threads: 1})
	voices := [][]int16{babble(1, 14), babble(2, 14)}
	alone := []speech.Heard{heard(t, e, speech.Ask{Samples: voices[0]}), heard(t, e, speech.Ask{Samples: voices[1]})}
	var both sync.WaitGroup // nobody asks before two hold a slot
	both.Add(2)
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			err := e.Use(t.Context(), func(s *Session) error {
				both.Done()
				both.Wait()
				for range 3 {
					got, err := s.Hear(t.Context(), speech.Ask{Samples: voices[i]})
					if err != nil || !reflect.DeepEqual(got, alone[i]) {
						t.Errorf("voice %d: %+v, %v", i, got, err)
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// A question that kills or hangs the process is lost, alone; those beside it
// are answered, and so is the next one.
func TestOneCrashCostsOneRecording(t *testing.T) {
	tests := []struct {
		name     string
		guilty   int16
		patience time.Duration // with the guilty one
		alone    bool
	}{
		{"crash beside others", crashes, time.Minute, false},
		{"hang beside others", hangs, 200 * time.Millisecond, false},
		{"crash alone", crashes, time.Minute, true},
		{"hang alone", hangs, 200 * time.Millisecond, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEngine(t, Config{Slots: 3, Threads: 1})
			want := heard(t, e, speech.Ask{Samples: babble(1, 120)})
			first := pid(t, e)
			var wg sync.WaitGroup
			if !tt.alone {
				for range 2 {
					wg.Go(func() {
						got, err := hear(t.Context(), e, speech.Ask{Samples: babble(1, 120)})
						if err != nil || !reflect.DeepEqual(got, want) {
							t.Errorf("an innocent one got %d segments, %v", len(got.Segments), err)
						}
					})
				}
				await(t, "the innocent to be at work", inFlight(e, 2))
			}
			err := e.Use(t.Context(), func(s *Session) error {
				s.patience = tt.patience
				_, err := s.Hear(t.Context(), speech.Ask{Samples: beginning(tt.guilty, babble(2, 5))})
				return err
			})
			wantCode(t, err, 0)
			wg.Wait()
			if err := syscall.Kill(first, 0); err == nil {
				t.Error("the process lives on")
			}
			heard(t, e, speech.Ask{Samples: babble(1, 3)})
		})
	}
}

// Whatever kills the process from outside costs no recording but a lone one.
func TestKilledFromOutside(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGABRT} {
		t.Run(signal.String(), func(t *testing.T) {
			e := newEngine(t, Config{Slots: 2, Threads: 1})
			heard(t, e, speech.Ask{Samples: babble(1, 3)})
			errs := make(chan error)
			for range 2 {
				go func() {
					_, err := hear(context.WithoutCancel(t.Context()), e, speech.Ask{Samples: babble(1, 120)})
					errs <- err
				}()
			}
			await(t, "both to be at work", inFlight(e, 2))
			if err := syscall.Kill(pid(t, e), signal); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(<-errs, <-errs); err != nil {
				t.Error(err)
			}
		})
	}
}

// Cancelled work gives its slot back as soon as whisper.cpp has noticed, and
// leaves the others and the process alone.
func TestCancelledWorkEndsAtOnce(t *testing.T) {
	e := newEngine(t, Config{Slots: 2, Threads: 1})
	want := heard(t, e, speech.Ask{Samples: babble(1, 120)})
	first := pid(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	failed, other := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := hear(ctx, e, speech.Ask{Samples: babble(2, 600)})
		failed <- err
	}()
	await(t, "it to be at work", inFlight(e, 1))
	go func() {
		got, err := hear(context.WithoutCancel(t.Context()), e, speech.Ask{Samples: babble(1, 120)})
		if err == nil && !reflect.DeepEqual(got, want) {
			err = errors.New("another answer")
		}
		other <- err
	}()
	await(t, "both to be at work", inFlight(e, 2))
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	await(t, "the slot to be free", func() bool { return len(e.idle) >= 1 })
	heard(t, e, speech.Ask{Samples: babble(1, 3)})
	if err := <-other; err != nil {
		t.Errorf("the other one: %v", err)
	}
	if now := pid(t, e); now != first {
		t.Error("it is another process")
	}
}

// When the program is killed, nothing closes its engine but the kernel, which
// closes the stdin of it. It ends even in the middle of its work.
func TestProcessEndsWithTheProgram(t *testing.T) {
	p, err := start(t.Context(), question{}, quietLog)
	if err != nil {
		t.Fatal(err)
	}
	c := p.ask(question{Ask: askHear, Language: "en", Threads: 1}, babble(1, 900), time.Minute)
	<-c.sent
	if err := syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM); err != nil { // is ignored: the work may still be finished
		t.Fatal(err)
	}
	if err := p.in.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.gone:
		if !p.cmd.ProcessState.Success() || c.err == nil {
			t.Errorf("ended with %s, the question with %v", p.cmd.ProcessState, c.err)
		}
	case <-time.After(20 * time.Second):
		p.kill()
		t.Error("still at work")
	}
}

func TestClosed(t *testing.T) {
	e, err := New(Config{Slots: 1, Patience: 20}, t.TempDir(), tiny(), quietLog)
	if err != nil {
		t.Fatal(err)
	}
	heard(t, e, speech.Ask{Samples: babble(1, 3)})
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := hear(ctx, e, speech.Ask{Samples: babble(2, 900)})
		failed <- err
	}()
	await(t, "it to be at work", inFlight(e, 1))
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	e.Close() // does not wait for what nobody waits for
	if err := e.Use(t.Context(), nil); !errors.Is(err, errClosed) {
		t.Errorf("after the end: %v", err)
	}
}
