package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"earshot/processors/measure"
	"earshot/processors/transcribe"
	"earshot/processors/transcribe/speech"
	"earshot/processors/transcribe/whisper"
	"earshot/schemas"
)

// flash is what the engine does on a CPU when it is left to choose.
const flash = false

func (b *bench) config(slots, threads int) whisper.Config {
	return whisper.Config{Model: b.model, Slots: slots, Threads: threads, Patience: 100, GPU: "off"}
}

func (b *bench) transcriber(slots, threads int) (*transcribe.Transcriber, error) {
	c := transcribe.Config{Whisper: b.config(slots, threads), Longest: time.Hour, FFmpeg: "ffmpeg", Memory: 1024}
	return transcribe.New(c, measure.Config{Silence: 3 * time.Second}, b.folder, b.log)
}

// heard is all text of a transcript in the order of time, and what the gates
// held back.
func heard(t schemas.Transcript) (text, suppressed string) {
	var said, held []string
	for _, u := range t.Utterances {
		said = append(said, u.Text)
	}
	for _, s := range t.Sound.Suppressed {
		held = append(held, s.Text)
	}
	return oneLine(strings.Join(said, " ")), oneLine(strings.Join(held, " "))
}

// call: one dense call of ten minutes. Earshot's time is from nothing to the
// transcript: its engine's process started, the model loaded, the file decoded
// by ffmpeg, voices, music and speakers told apart, heard, merged. whisper-cli's
// is its process, with the same model, threads, decoding and flash attention;
// the stock build runs as it comes, with flash attention.
func (b *bench) call(ctx context.Context) error {
	s, err := newSpeaker(b.sentences, b.folder, 1)
	if err != nil {
		return err
	}
	c, err := s.call(ctx, "call", b.seconds, 0)
	if err != nil {
		return err
	}
	var ours, theirs, held string
	earshot := &contender{name: "earshot", work: func(ctx context.Context) error {
		t, err := b.transcriber(1, cores())
		if err != nil {
			return err
		}
		defer t.Close()
		got, err := t.Transcribe(ctx, schemas.TaskSubmitted{}, c.path, transcribe.Options{})
		ours, held = heard(got)
		return err
	}}
	same := &contender{name: "whisper-cli of the same build", work: func(ctx context.Context) (err error) {
		theirs, err = b.cli(ctx, b.ours, c.path, flash)
		return err
	}}
	stock := &contender{name: "whisper-cli of the stock build", work: func(ctx context.Context) error {
		_, err := b.cli(ctx, b.stock, c.path, true)
		return err
	}}
	if err := b.race(ctx, earshot, same, stock); err != nil {
		return err
	}
	length := fmt.Sprintf("a dense call of %.0f s, %d threads", float64(len(c.samples))/speech.Rate, cores())
	e, same1, stock1 := b.timed("call_earshot", earshot.took, length+", process start and model load included"), b.timed("call_cli", same.took, length), b.timed("call_cli_stock", stock.took, length)
	b.atMost("call_earshot_to_cli", ratio(e, same1), "x", 1.05, "Earshot to whisper-cli of the same build")
	b.atMost("call_build_to_stock", ratio(same1, stock1), "x", 0.75, "whisper-cli of our build to that of the stock build")
	differ := wrong(strings.Fields(theirs), strings.Fields(ours))
	note := fmt.Sprintf("words that differ, of %d; held back by gates: %q", len(strings.Fields(theirs)), held[:min(len(held), 60)])
	b.atMost("call_text", float64(differ), "words", 0, note)
	b.report(figure{Figure: "call_word_error_rate", Value: rate(c.text, ours), Unit: "of words", Note: "Earshot, of what was spoken"})
	b.report(figure{Figure: "call_word_error_rate_cli", Value: rate(c.text, theirs), Unit: "of words", Note: "whisper-cli"})
	return nil
}

func rate(said, heard string) float64 {
	words := wordsOf(said)
	return ratio(float64(wrong(words, wordsOf(heard))), float64(len(words)))
}

// states: two calls of half the length on two states of one thread each, to one
// after the other on one state of two threads; the engine alone.
func (b *bench) states(ctx context.Context) error {
	s, err := newSpeaker(b.sentences, b.folder, 2)
	if err != nil {
		return err
	}
	var calls [2]call
	for i := range calls {
		if calls[i], err = s.call(ctx, fmt.Sprintf("state%d", i), b.seconds/2, 0); err != nil {
			return err
		}
	}
	one, err := whisper.New(b.config(1, 2), b.folder, nil, b.log)
	if err != nil {
		return err
	}
	defer one.Close()
	two, err := whisper.New(b.config(2, 1), b.folder, nil, b.log)
	if err != nil {
		return err
	}
	defer two.Close()
	loaded, err := memory(ctx, one)
	if err != nil {
		return err
	}
	turn := &contender{name: "one after the other", work: func(ctx context.Context) error {
		return errors.Join(hear(ctx, one, calls[0].samples), hear(ctx, one, calls[1].samples))
	}}
	beside := &contender{name: "two states", work: func(ctx context.Context) error {
		var wg sync.WaitGroup
		var errs [2]error
		for i, c := range calls {
			wg.Go(func() { errs[i] = hear(ctx, two, c.samples) })
		}
		wg.Wait()
		return errors.Join(errs[:]...)
	}}
	if err := b.race(ctx, turn, beside); err != nil {
		return err
	}
	note := fmt.Sprintf("two calls of %.0f s", b.seconds/2)
	a, c := b.timed("states_in_turn", turn.took, note+", one state of two threads"), b.timed("states_at_once", beside.took, note+", two states of one thread")
	b.atMost("states_at_once_to_in_turn", ratio(c, a), "x", 0.95, "")
	single, err := memory(ctx, one)
	if err != nil {
		return err
	}
	double, err := memory(ctx, two)
	if err != nil {
		return err
	}
	b.report(figure{Figure: "memory_model", Value: loaded.now, Unit: "MB", Note: "the engine's process with the model and no state"})
	b.report(figure{Figure: "memory_one_state", Value: single.peak, Unit: "MB", Note: "at its highest"})
	b.atMost("memory_two_states", double.peak, "MB", 1.1*(2*single.peak-loaded.now), "at its highest; target: the model and two states, and 10 %")
	return nil
}

// hear has an engine hear samples.
func hear(ctx context.Context, e *whisper.Engine, samples []int16) error {
	return e.Use(ctx, func(s *whisper.Session) error {
		_, err := s.Hear(ctx, speech.Ask{Samples: samples, Language: "en"})
		return err
	})
}

// batch: calls of a minute and a half, 40 % of it silence in long pauses, as
// they come from a recorder: all at once to Earshot with a slot for each core,
// and file after file to whisper-cli. Times as in call.
func (b *bench) batch(ctx context.Context) error {
	s, err := newSpeaker(b.sentences, b.folder, 3)
	if err != nil {
		return err
	}
	calls, length := make([]call, b.calls), 0.0
	for i := range calls {
		if calls[i], err = s.call(ctx, fmt.Sprintf("batch%02d", i), 90, 0.4); err != nil {
			return err
		}
		length += float64(len(calls[i].samples)) / speech.Rate
	}
	ours, theirs := make([]string, len(calls)), make([]string, len(calls))
	earshot := &contender{name: "earshot", work: func(ctx context.Context) error {
		t, err := b.transcriber(0, 0)
		if err != nil {
			return err
		}
		defer t.Close()
		var wg sync.WaitGroup
		errs := make([]error, len(calls))
		for i, c := range calls {
			wg.Go(func() {
				got, err := t.Transcribe(ctx, schemas.TaskSubmitted{}, c.path, transcribe.Options{})
				ours[i], _ = heard(got)
				errs[i] = err
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	}}
	cli := &contender{name: "whisper-cli, file after file", work: func(ctx context.Context) (err error) {
		for i, c := range calls {
			if theirs[i], err = b.cli(ctx, b.ours, c.path, flash); err != nil {
				return err
			}
		}
		return nil
	}}
	if err := b.race(ctx, earshot, cli); err != nil {
		return err
	}
	note := fmt.Sprintf("%d calls, %.0f s, %.0f %% silence", len(calls), length, 100*silence(calls))
	e, c := b.timed("batch_earshot", earshot.took, note), b.timed("batch_cli", cli.took, note+", file after file")
	b.atMost("batch_earshot_to_cli", ratio(e, c), "x", 0.65, "Earshot to whisper-cli of the same build")
	said := ""
	for _, c := range calls {
		said += c.text + "\n"
	}
	cliRate := rate(said, strings.Join(theirs, "\n"))
	b.report(figure{Figure: "batch_word_error_rate_cli", Value: cliRate, Unit: "of words", Note: "whisper-cli"})
	b.atMost("batch_word_error_rate", rate(said, strings.Join(ours, "\n")), "of words", cliRate, "Earshot; target: not worse than whisper-cli")
	return nil
}

// silence is the share of calls in which nothing is said for a second or more.
func silence(calls []call) float64 {
	quiet, all := 0, 0
	for _, c := range calls {
		all += len(c.samples)
		still := 0
		for frame := range slices.Chunk(c.samples, speech.Rate/50) {
			if slices.Max(frame) > 200 {
				if still >= speech.Rate {
					quiet += still
				}
				still = 0
				continue
			}
			still += len(frame)
		}
		if still >= speech.Rate {
			quiet += still
		}
	}
	return float64(quiet) / float64(all)
}
