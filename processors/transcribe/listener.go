package transcribe

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"

	"earshot/processors/transcribe/acoustic"
	"earshot/processors/transcribe/speech"
	"earshot/processors/transcribe/whisper"
	"earshot/schemas"
)

// listener hears one recording.
type listener struct {
	session    session
	log        *slog.Logger
	checkpoint *Checkpoint
	digest     string
	prompt     string
	language   string // "" until it is known
	segments   []segment
	suppressed []schemas.Suppressed
	marks      []schemas.Mark
	said       [][]string       // by channel, the texts of the last segments
	sounding   []bool           // channels that were not silent throughout
	mono       *bool            // whether two channels are twins, once both were heard
	voices     *acoustic.Voices // of the one channel that carries all; nil where each side has its own
}

// maxVoices is how many people are told apart on one channel.
const maxVoices = 4

// promptMax bounds the vocabulary as a recogniser gets it: Whisper keeps the
// last 224 tokens of a prompt.
const promptMax = 800

func (t *Transcriber) listener(ctx context.Context, s session, task schemas.Task, o Options, r *recording) (*listener, error) {
	l := &listener{session: s, log: t.log, checkpoint: o.Checkpoint, digest: task.Digest, prompt: prompt(o.Vocabulary),
		language: normal(task.Language), said: make([][]string, r.channels), sounding: make([]bool, r.channels), voices: acoustic.NewVoices(maxVoices)}
	if err := s.knows(l.language); err != nil {
		return nil, err
	}
	p, err := o.Checkpoint.load(ctx, l.digest, s.engine, s.model)
	if err != nil {
		t.log.Warn("heard from the beginning", "task", task.Code, "error", err)
	}
	if err != nil || p == nil || len(p.Sounding) != r.channels {
		return l, nil
	}
	t.log.Info("transcription resumed", "task", task.Code, "at_seconds", p.From/speech.Rate)
	return l, errors.Join(l.restore(p), r.skip(p.From))
}

func prompt(vocabulary []string) string {
	text := ""
	for _, term := range vocabulary {
		if len(text)+len(term)+2 > promptMax {
			break
		}
		if text != "" {
			text += ", "
		}
		text += term
	}
	return text
}

// hear takes the recording window by window, of most samples of each channel.
func (l *listener) hear(ctx context.Context, r *recording, most int) error {
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
		if r.ended {
			continue // all is heard: nothing to go on from
		}
		if err := l.save(ctx, w.from+int64(len(w.channels[0]))); err != nil {
			l.log.Warn("a restart will hear this part again", "error", err)
		}
	}
}

func (l *listener) window(ctx context.Context, w window) error {
	spans, err := l.listen(ctx, w)
	if err != nil {
		return err
	}
	for _, c := range l.order(spans) {
		if err := l.channel(ctx, w.from, c, w.channels[c], spans[c]); err != nil {
			return err
		}
	}
	return nil
}

// listen finds what is worth hearing: spans of speech by channel, none of them
// the other channel's voice, music or a tone.
func (l *listener) listen(ctx context.Context, w window) ([][]acoustic.Span, error) {
	spans := make([][]acoustic.Span, len(w.channels))
	for c, samples := range w.channels {
		probabilities, err := l.activity(ctx, samples)
		if err != nil {
			return nil, err
		}
		spans[c] = acoustic.Spans(probabilities, len(samples))
		for _, m := range acoustic.Marks(samples) {
			spans[c] = without(spans[c], acoustic.Span{From: m.From, To: m.To})
			l.marks = append(l.marks, schemas.Mark{Kind: m.Kind, Channel: int64(c), Start: seconds(w.from, m.From), End: seconds(w.from, m.To)})
		}
		l.sounding[c] = l.sounding[c] || len(spans[c]) > 0
	}
	l.alike(w, spans)
	if l.mono != nil && !*l.mono {
		l.mute(w, spans)
	}
	l.tellApart(w, spans)
	return spans, nil
}

// activity is the probability of speech, by Silero where its model is there.
func (l *listener) activity(ctx context.Context, samples []int16) ([]float32, error) {
	if l.session.activity == nil {
		return acoustic.Probabilities(samples), nil
	}
	p, err := l.session.activity(ctx, samples)
	if errors.Is(err, whisper.ErrNoActivity) {
		return acoustic.Probabilities(samples), nil
	}
	return p, err
}

// alike decides once whether two channels are one call stored twice; of twins
// only the first is heard.
func (l *listener) alike(w window, spans [][]acoustic.Span) {
	if len(w.channels) != 2 {
		return
	}
	if l.mono == nil && len(spans[0]) > 0 && len(spans[1]) > 0 {
		same := acoustic.Twins(w.channels[0], w.channels[1])
		l.mono = &same
	}
	if l.mono != nil && *l.mono && len(spans[0]) > 0 {
		spans[1] = nil
	}
}

// leastBleed is shorter than any word worth reporting.
const leastBleed = speech.Rate / 4

// mute silences a voice that is heard through from the other channel, where it
// is heard better.
func (l *listener) mute(w window, spans [][]acoustic.Span) {
	kept, bled := acoustic.Bleed(w.channels, spans)
	copy(spans, kept)
	for c, through := range bled {
		for _, s := range through {
			clear(w.channels[c][s.From:s.To])
			if s.To-s.From >= leastBleed {
				l.suppressed = append(l.suppressed, schemas.Suppressed{Channel: int64(c), Start: seconds(w.from, s.From), End: seconds(w.from, s.To), Reason: schemas.SuppressedBleed})
			}
		}
	}
}

// tellApart collects the voices of a channel that is the only one to speak.
func (l *listener) tellApart(w window, spans [][]acoustic.Span) {
	speaking := -1
	for c := range spans {
		if !l.sounding[c] || l.mono != nil && *l.mono && c > 0 {
			continue
		}
		if speaking >= 0 {
			l.voices = nil // each side has a channel of its own
			return
		}
		speaking = c
	}
	if l.voices != nil && speaking >= 0 {
		l.voices.Add(w.from, w.channels[speaking], spans[speaking])
	}
}

// order is the channels that have speech; while the language is not known, the
// one with the most of it comes first, by which it is told.
func (l *listener) order(spans [][]acoustic.Span) (channels []int) {
	for c := range spans {
		if len(spans[c]) > 0 {
			channels = append(channels, c)
		}
	}
	if l.language == "" {
		slices.SortStableFunc(channels, func(a, b int) int { return length(spans[b]) - length(spans[a]) })
	}
	return channels
}

// channel hears what is said on a channel: all of it at once, or a sentence at
// a time.
func (l *listener) channel(ctx context.Context, from int64, channel int, samples []int16, spans []acoustic.Span) error {
	if !l.session.brief {
		packed, clock := pack(from, samples, spans)
		return l.ask(ctx, packed, clock, from, channel, spans)
	}
	for _, p := range acoustic.Phrases(samples, spans) {
		whole := clock{offset: from + int64(p.From), pieces: []piece{{0, 0, p.To - p.From}}}
		if err := l.ask(ctx, samples[p.From:p.To], whole, from, channel, spans); err != nil {
			return err
		}
	}
	return nil
}

// ask hears samples and takes what was said on the recording's clock.
func (l *listener) ask(ctx context.Context, samples []int16, c clock, from int64, channel int, spans []acoustic.Span) error {
	heard, err := l.session.hear(ctx, speech.Ask{Samples: samples, Language: l.language, Prompt: l.prompt})
	if err != nil {
		return err
	}
	if l.language == "" {
		l.language = heard.Language
	}
	for _, h := range heard.Segments {
		for _, s := range c.original(h) {
			l.take(segment{Segment: s, channel: channel, voice: channel, sure: 1}, from, spans)
		}
	}
	return nil
}

// take keeps a segment or says why not.
func (l *listener) take(s segment, from int64, spans []acoustic.Span) {
	if s.Text = clean(s.Text); s.Text == "" {
		return
	}
	reason := gate(s, voiced(spans, from, s.Start, s.End), l.said[s.channel])
	said := append(l.said[s.channel], words(s.Text))
	l.said[s.channel] = said[max(0, len(said)-sameInARow):]
	if reason != "" {
		l.suppressed = append(l.suppressed, schemas.Suppressed{Channel: int64(s.channel), Start: s.Start, End: s.End, Text: s.Text, Reason: reason})
		return
	}
	l.segments = append(l.segments, s)
}

// save writes the checkpoint after sample from.
func (l *listener) save(ctx context.Context, from int64) error {
	if l.checkpoint == nil {
		return nil
	}
	p, err := l.progress(from)
	if err != nil {
		return err
	}
	return l.checkpoint.save(ctx, p)
}

// progress is what a checkpoint holds after sample from.
func (l *listener) progress(from int64) (progress, error) {
	p := progress{Digest: l.digest, Engine: l.session.engine, Model: l.session.model, From: from, Language: l.language,
		Suppressed: l.suppressed, Marks: l.marks, Sounding: l.sounding, Mono: l.mono}
	for _, s := range l.segments {
		p.Segments = append(p.Segments, heardOn{s.Segment, s.channel})
	}
	var err error
	if l.voices != nil {
		p.Voices, err = l.voices.Save()
	}
	return p, err
}

func (l *listener) restore(p *progress) (err error) {
	l.language, l.suppressed, l.marks, l.sounding, l.mono = p.Language, p.Suppressed, p.Marks, p.Sounding, p.Mono
	for _, s := range p.Segments {
		l.segments = append(l.segments, segment{Segment: s.Segment, channel: s.Channel, voice: s.Channel, sure: 1})
	}
	if p.Voices == nil {
		l.voices = nil
		return nil
	}
	return l.voices.Load(p.Voices)
}

func seconds(from int64, sample int) float64 { return float64(from+int64(sample)) / speech.Rate }

func length(spans []acoustic.Span) (samples int) {
	for _, s := range spans {
		samples += s.To - s.From
	}
	return samples
}

// voiced says whether the voice detector heard anybody from start to end,
// seconds of the recording.
func voiced(spans []acoustic.Span, from int64, start, end float64) bool {
	a, b := int(start*speech.Rate)-int(from), int(end*speech.Rate)-int(from)
	return slices.ContainsFunc(spans, func(s acoustic.Span) bool { return s.From < b && a < s.To })
}

// without takes a stretch out of spans.
func without(spans []acoustic.Span, out acoustic.Span) (left []acoustic.Span) {
	for _, s := range spans {
		if s.From < min(s.To, out.From) {
			left = append(left, acoustic.Span{From: s.From, To: min(s.To, out.From)})
		}
		if max(s.From, out.To) < s.To {
			left = append(left, acoustic.Span{From: max(s.From, out.To), To: s.To})
		}
	}
	return left
}

// normal is a language as Whisper names it: lower case, without region.
func normal(language string) string {
	language, _, _ = strings.Cut(strings.ReplaceAll(strings.ToLower(strings.TrimSpace(language)), "_", "-"), "-")
	if language == "jv" { // Javanese was jw once
		return "jw"
	}
	return language
}

// trim is a language as events carry it.
func trim(language string) string {
	switch language = strings.TrimSpace(language); language {
	case "":
		return "und"
	case "jw":
		return "jv"
	}
	return language
}
