package whisper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"earshot/processors/transcribe/speech"
	"earshot/schemas"
)

// Session is the use of a slot for one recording, for one goroutine at a time
// and for as long as the work of Use runs. It is of no use any more after one
// of its calls was cancelled; whisper.cpp may then go on for a while, and the
// slot stays taken until it has noticed.
//
// Errors are ours and worth another try, except *schemas.Error.
type Session struct {
	engine   *Engine
	about    About
	slot     int
	patience time.Duration
	late     bool // its last question is still worked on
}

// longestPrompt bounds a prompt, in bytes; Whisper takes some 220 tokens of it,
// and whisper.cpp cuts it with std::regex, which recurses by the letter.
const longestPrompt = 2 << 10

// About says what hears.
func (s *Session) About() About { return s.about }

// Knows says whether speech of language can be heard: nil, or a *schemas.Error.
// "" is known always.
func (s *Session) Knows(language string) error {
	if language == "" || slices.Contains(s.about.Languages, language) {
		return nil
	}
	if !s.about.Multilingual {
		return schemas.Fail(schemas.CodeNoModel, "the model knows English only and the recording is in %q; install a multilingual model (one without .en in its name)", language)
	}
	return schemas.Fail(schemas.CodeInvalid, "language %q is not one that can be heard; give its ISO 639-1 code, or none to have it detected", language)
}

// Hear says what is said in a.Samples, at most half an hour of them. Each 30 s
// are heard with the text before as context, so longer is better than shorter.
// The language is told by the first 30 s when a has none. Of a prompt the first
// 2 KiB are used, for all windows.
func (s *Session) Hear(ctx context.Context, a speech.Ask) (speech.Heard, error) {
	if err := s.Knows(a.Language); err != nil {
		return speech.Heard{}, err
	}
	prompt := strings.ToValidUTF8(a.Prompt[:min(len(a.Prompt), longestPrompt)], "")
	got, err := s.ask(ctx, question{Ask: askHear, Language: a.Language, Prompt: prompt}, a.Samples)
	return speech.Heard{Language: got.Language, Segments: got.Segments}, err
}

// Language tells by the first 30 s of samples which language is spoken, and how
// likely it is that one, 0 to 1. A model that knows English only says so.
func (s *Session) Language(ctx context.Context, samples []int16) (string, float64, error) {
	if !s.about.Multilingual {
		return "en", 1, nil
	}
	a, err := s.ask(ctx, question{Ask: askLanguage}, samples[:min(len(samples), int(window.Seconds())*speech.Rate)])
	return a.Language, a.Probability, err
}

// ActivityFrame is how many samples each probability of Activity stands for.
const ActivityFrame = 512

// Activity is Silero's probability of speech, 0 to 1, for each ActivityFrame
// samples and what is left at the end. ErrNoActivity says that there is no
// Silero model.
func (s *Session) Activity(ctx context.Context, samples []int16) ([]float32, error) {
	if s.engine.weights.activity == "" {
		return nil, ErrNoActivity
	}
	if len(samples) == 0 {
		return nil, nil
	}
	a, err := s.ask(ctx, question{Ask: askActivity}, samples)
	return a.Activity, err
}

// ask puts a question, and once more, alone, when it was among those that may
// have killed the process.
func (s *Session) ask(ctx context.Context, q question, samples []int16) (answer, error) {
	if 2*len(samples) > maxBody {
		return answer{}, fmt.Errorf("%d samples are more than can be heard at once", len(samples))
	}
	a, err := s.put(ctx, q, samples, 1)
	for tries := 0; errors.Is(err, errGone) && tries < 3; tries++ {
		a, err = s.put(ctx, q, samples, 1)
	}
	if errors.Is(err, errSuspect) {
		s.engine.log.Warn("a question is put again, alone", "slot", s.slot, "ask", q.Ask)
		a, err = s.put(ctx, q, samples, s.engine.Slots())
	}
	return a, err
}

// put puts a question while at most the slots less weight others are in flight.
func (s *Session) put(ctx context.Context, q question, samples []int16, weight int) (answer, error) {
	e := s.engine
	if s.late {
		return answer{}, errors.New("the session was cancelled")
	}
	if err := e.gate.Acquire(ctx, int64(weight)); err != nil {
		return answer{}, err
	}
	p, err := e.ready(ctx)
	if err != nil {
		e.gate.Release(int64(weight))
		return answer{}, err
	}
	q.Slot, q.Threads = s.slot, e.cfg.threads(int(e.busy.Add(1)))
	c := p.ask(q, samples, s.patience)
	free := func() {
		e.busy.Add(-1)
		e.gate.Release(int64(weight))
	}
	select {
	case <-c.done:
		free()
		return c.answer, c.err
	case <-ctx.Done():
	}
	s.late = true
	e.late.Add(1)
	go func() {
		defer e.late.Done()
		p.cancel(c)
		<-c.done
		free()
		e.idle <- s.slot
	}()
	return answer{}, ctx.Err()
}

// release gives the slot back, now or when it is free.
func (s *Session) release() {
	if !s.late {
		s.engine.idle <- s.slot
	}
}
