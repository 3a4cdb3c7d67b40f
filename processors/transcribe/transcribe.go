// Package transcribe turns a recording into a transcript: ffmpeg decodes it,
// channel by channel, whisper.cpp hears it, and what was heard is merged into
// one conversation on the recording's own clock. Both run as processes of their
// own: the file is hostile and the code is C.
//
//	file ─► ffmpeg ─► windows ─► silent? ─► whisper (a slot of it) ─► segments ─► merge ─► Transcript
package transcribe

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"time"

	"earshot/processors/transcribe/speech"
	"earshot/processors/transcribe/whisper"
	"earshot/schemas"
)

// Transcriber transcribes recordings. It is safe for concurrent use; as many
// as Slots at a time are worked on, the rest wait.
type Transcriber struct {
	cfg    Config
	log    *slog.Logger
	engine *whisper.Engine
	window int // samples of a channel in a window, at most
}

// New returns a Transcriber that looks for a model in the folder models when
// cfg names none. It starts nothing: a recogniser starts with the first
// recording, and a model may be installed at any time before.
func New(cfg Config, models string, log *slog.Logger) (*Transcriber, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	engine, err := whisper.New(cfg.Whisper, models, nil, log)
	if err != nil {
		return nil, err
	}
	return &Transcriber{cfg: cfg, log: log, engine: engine, window: longestWindow}, nil
}

// Slots is how many recordings can be worked on at a time.
func (t *Transcriber) Slots() int { return t.engine.Slots() }

// Close ends the recognisers, after the work in progress has ended.
func (t *Transcriber) Close() { t.engine.Close() }

// longestWindow is twelve minutes: most calls fit in one, and two channels of
// it are 46 MB. More channels share that memory.
const longestWindow = 12 * 60 * rate

// Transcribe hears the recording at path, a file of our own naming. The task's
// Language forces a language, else it is detected; its Channels say who is on
// which. The transcript's task carries the length of the recording where the
// submitted one did not.
//
// A *schemas.Error is final: CodeBadFormat, CodeUndecodable and CodeBadLength
// are the recording's fault, CodeInvalid a language that does not exist, and
// CodeNoModel says how to get a model. Any other error is ours and may be gone
// at the next try: the recogniser or the decoder died or hung, ctx ended.
func (t *Transcriber) Transcribe(ctx context.Context, submitted schemas.TaskSubmitted, path string) (schemas.Transcript, error) {
	r, err := decode(ctx, t.cfg, path, t.log)
	if err != nil {
		return schemas.Transcript{}, err
	}
	defer r.close()
	var out schemas.Transcript
	err = t.engine.Use(ctx, func(s *whisper.Session) error {
		l := &listener{session: s, language: normal(submitted.Task.Language)}
		if err := s.Knows(l.language); err != nil {
			return err
		}
		if err := l.hear(ctx, r, t.window); err != nil {
			return err
		}
		out = l.transcript(submitted, r)
		out.Engine, out.Model = s.About().Engine, s.About().Model
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

// listener hears one recording.
type listener struct {
	session  *whisper.Session
	language string // "" until it is known
	segments []segment
	sounding []bool // channels that were not silent throughout
	mono     *bool  // whether two channels are twins, once both were heard
}

// hear takes the recording window by window.
func (l *listener) hear(ctx context.Context, r *recording, window int) error {
	most := min(window, 2*longestWindow/r.channels)
	l.sounding = make([]bool, r.channels)
	for {
		w, err := r.next(most)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := l.window(ctx, w); err != nil {
			return err
		}
	}
}

func (l *listener) window(ctx context.Context, w window) error {
	frames := make([][]bool, len(w.channels))
	for c, samples := range w.channels {
		if frames[c] = activity(samples); !anyVoice(frames[c]) {
			frames[c] = nil // silent: skipped
			continue
		}
		l.sounding[c] = true
	}
	if len(w.channels) == 2 && frames[0] != nil && frames[1] != nil && l.mono == nil {
		same := twins(w.channels[0], w.channels[1])
		l.mono = &same
	}
	if l.mono != nil && *l.mono && frames[0] != nil {
		frames[1] = nil
	}
	if err := l.tell(ctx, w, frames); err != nil {
		return err
	}
	for c, samples := range w.channels {
		if frames[c] == nil {
			continue
		}
		if err := l.channel(ctx, w.from, c, samples, frames[c]); err != nil {
			return err
		}
	}
	return nil
}

// tell finds out the language, once, by the channel with the most sound.
func (l *listener) tell(ctx context.Context, w window, frames [][]bool) error {
	best := -1
	for c := range frames {
		if frames[c] != nil && (best < 0 || voiced(frames[c]) > voiced(frames[best])) {
			best = c
		}
	}
	if l.language != "" || best < 0 {
		return nil
	}
	var err error
	l.language, _, err = l.session.Language(ctx, opening(w.channels[best], frames[best]))
	return err
}

func (l *listener) channel(ctx context.Context, from int64, channel int, samples []int16, frames []bool) error {
	a, err := l.session.Hear(ctx, speech.Ask{Samples: samples, Language: l.language})
	if err != nil {
		return err
	}
	length, offset := float64(len(samples))/rate, float64(from)/rate
	for _, h := range a.Segments {
		h.Text = clean(h.Text)
		h.Start = min(max(0, h.Start), length)
		h.End = min(max(h.Start, h.End), length)
		// What Whisper hears where there is no sound, it made up.
		if h.Text == "" || !anyVoice(between(frames, h.Start, h.End)) {
			continue
		}
		h.Start, h.End = offset+h.Start, offset+h.End
		l.segments = append(l.segments, segment{h, channel})
	}
	return nil
}

// transcript is what was heard as an event. Roles go by channel when both
// sides have one of their own or the submission says so; one channel, twins,
// and two of which one is silent throughout are mono.
func (l *listener) transcript(submitted schemas.TaskSubmitted, r *recording) schemas.Transcript {
	roles, stated := rolesOf(submitted.Channels, r.channels)
	sounding := 0
	for _, on := range l.sounding {
		if on {
			sounding++
		}
	}
	same := l.mono != nil && *l.mono
	byChannel := !same && (sounding > 1 || stated && (r.channels > 1 || len(submitted.Channels) == 1))
	if !byChannel {
		for c := range roles {
			roles[c] = schemas.RoleUnknown
		}
	}
	t := schemas.Transcript{
		Task: submitted.Task, Version: 1, Language: l.language, RoleSource: schemas.RoleFromChannel,
		Utterances: merge(l.segments, roles, byChannel), CreatedAt: time.Now().UTC(),
	}
	if !byChannel {
		t.RoleSource = schemas.RoleFromText
		guess(t.Utterances)
	}
	if t.Task.Seconds == 0 {
		t.Task.Seconds = r.seconds()
	}
	t.NoSpeech = len(t.Utterances) == 0
	if t.Language = strings.TrimSpace(t.Language); t.Language == "" {
		t.Language = "und"
	}
	if t.Language == "jw" {
		t.Language = "jv"
	}
	return t
}

// normal is a language as whisper.cpp names it: lower case, without region.
func normal(language string) string {
	language, _, _ = strings.Cut(strings.ReplaceAll(strings.ToLower(strings.TrimSpace(language)), "_", "-"), "-")
	if language == "jv" { // Javanese was jw once
		return "jw"
	}
	return language
}
