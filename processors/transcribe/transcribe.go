// Package transcribe turns a recording into a transcript: ffmpeg decodes it,
// channel by channel, a recogniser hears what is speech, and what was heard is
// merged into one conversation on the recording's own clock.
//
//	file ─► ffmpeg ─► windows ─► voices, music, bleed ─► recogniser ─► gates ─► roles ─► Transcript
//
// The recogniser is whisper.cpp in a process of its own (package whisper) or a
// server with OpenAI's interface (package remote).
package transcribe

import (
	"context"
	"log/slog"

	"earshot/processors/measure"
	"earshot/processors/transcribe/model"
	"earshot/processors/transcribe/remote"
	"earshot/processors/transcribe/speech"
	"earshot/processors/transcribe/whisper"
	"earshot/schemas"
)

// Transcriber transcribes recordings. It is safe for concurrent use; as many
// as Slots at a time are worked on, the rest wait.
type Transcriber struct {
	cfg     Config
	measure measure.Config
	log     *slog.Logger
	engine  engine
	window  int // samples of a channel in a window, at most
}

// engine is what hears: whisper.cpp or a remote server.
type engine struct {
	slots int
	use   func(ctx context.Context, work func(session) error) error
	close func()
}

// session is a slot of an engine, for one recording.
type session struct {
	engine, model string
	knows         func(language string) error
	hear          func(context.Context, speech.Ask) (speech.Heard, error)
	// activity is the probability of speech for each acoustic.Frame samples; nil
	// where the engine cannot tell.
	activity func(context.Context, []int16) ([]float32, error)
	brief    bool // hears one sentence at a time, as the model that ships does
}

// New returns a Transcriber that looks for a model in the folder models when
// cfg names none, and takes the one that ships when there is none either. It
// starts nothing: a recogniser starts with the first recording, and a model may
// be installed at any time before.
func New(cfg Config, clock measure.Config, models string, log *slog.Logger) (t *Transcriber, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t = &Transcriber{cfg: cfg, measure: clock, log: log, window: longestWindow}
	if cfg.Remote.URL != "" {
		t.engine, err = far(cfg.Remote, log)
	} else {
		t.engine, err = near(cfg.Whisper, models, log)
	}
	return t, err
}

// near is whisper.cpp on this machine.
func near(cfg whisper.Config, models string, log *slog.Logger) (engine, error) {
	e, err := whisper.New(cfg, models, model.Weights, log)
	if err != nil {
		return engine{}, err
	}
	return engine{e.Slots(), func(ctx context.Context, work func(session) error) error {
		return e.Use(ctx, func(s *whisper.Session) error {
			about := s.About()
			return work(session{about.Engine, about.Model, s.Knows, s.Hear, s.Activity, about.Ships})
		})
	}, e.Close}, nil
}

// far is a server with OpenAI's interface.
func far(cfg remote.Config, log *slog.Logger) (engine, error) {
	e, err := remote.New(cfg, log)
	if err != nil {
		return engine{}, err
	}
	name, weights, _, _ := e.About()
	anything := func(string) error { return nil } // the server says what it does not know
	return engine{e.Slots(), func(ctx context.Context, work func(session) error) error {
		return e.Use(ctx, func(s *remote.Session) error { return work(session{name, weights, anything, s.Hear, nil, false}) })
	}, e.Close}, nil
}

// Slots is how many recordings can be worked on at a time.
func (t *Transcriber) Slots() int { return t.engine.slots }

// Close ends the recognisers, after the work in progress has ended.
func (t *Transcriber) Close() { t.engine.close() }

// longestWindow is twelve minutes: most calls fit in one, and two channels of
// it are 46 MB. More channels share that memory.
const longestWindow = 12 * 60 * speech.Rate

// stretch is how much of each channel is heard at a time, in samples. A
// recording that does not fit in one window is taken in thirds of it: that
// keeps memory low and checkpoints near.
func (t *Transcriber) stretch(seconds float64, channels int) int {
	most := min(t.window, 2*longestWindow/channels)
	if seconds*speech.Rate > float64(most) {
		return most / 3
	}
	return most
}

// Options of one recording beyond what was submitted.
type Options struct {
	Vocabulary []string    // words that are likely to be said: names, products
	Checkpoint *Checkpoint // where a recording longer than a window keeps its progress; nil = nowhere
}

// Transcribe hears the recording at path, a file of our own naming. The task's
// Language forces a language, else it is detected; its Channels say who is on
// which. The transcript's task carries the length of the recording that was heard
// where the submitted one is another.
//
// A *schemas.Error is final: CodeBadFormat, CodeUndecodable and CodeBadLength
// are the recording's fault, CodeInvalid a language that does not exist, and
// CodeNoModel says how to get a model. Any other error is ours and may be gone
// at the next try: the recogniser or the decoder died or hung, ctx ended.
func (t *Transcriber) Transcribe(ctx context.Context, submitted schemas.TaskSubmitted, path string, o Options) (out schemas.Transcript, err error) {
	r, err := decode(ctx, t.cfg, path, t.log)
	if err != nil {
		return schemas.Transcript{}, err
	}
	defer r.close()
	err = t.engine.use(ctx, func(s session) error {
		l, err := t.listener(ctx, s, submitted.Task, o, r)
		if err != nil {
			return err
		}
		if err := l.hear(ctx, r, t.stretch(submitted.Task.Seconds, r.channels)); err != nil {
			return err
		}
		out = l.transcript(submitted, r, t.measure)
		return nil
	})
	if err == nil {
		err = cutShort(submitted.Task, r.seconds())
	}
	if err != nil {
		return schemas.Transcript{}, err
	}
	return out, nil
}

// estimated are the formats whose length is guessed from a bit rate.
var estimated = map[string]bool{"audio/mpeg": true, "audio/aac": true, "audio/amr": true}

// cutShort refuses a file that holds much less than its header says: the rest
// of the upload was lost, and half a conversation must not be judged as one.
func cutShort(task schemas.Task, seconds float64) error {
	if seconds < schemas.MinAudio.Seconds() {
		return schemas.Fail(schemas.CodeBadLength, "%.1f seconds of sound, at least %.0f are needed", seconds, schemas.MinAudio.Seconds())
	}
	if !estimated[task.ContentType] && seconds < 0.9*task.Seconds-1 {
		return schemas.Fail(schemas.CodeUndecodable, "the file is cut off: it holds %.0f of %.0f seconds; upload it whole", seconds, task.Seconds)
	}
	return nil
}
