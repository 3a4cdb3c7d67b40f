package transcribe

import (
	"math"
	"slices"
	"time"

	"earshot/processors/measure"
	"earshot/schemas"
)

// sameLength is how far apart, in seconds, the length of a recording may be that
// was read without decoding it: encoders fill up their last frame.
const sameLength = 0.5

// transcript is what was heard as an event. Roles go by channel when both
// sides have one of their own or the submission says so; one channel, twins,
// and two of which one is silent throughout are mono, where voices are told
// apart by their sound and, in a call, named by what they say: in a recording of
// anything nobody need be an operator.
func (l *listener) transcript(submitted schemas.TaskSubmitted, r *recording, clock measure.Config) schemas.Transcript {
	t := schemas.Transcript{
		Task: submitted.Task, Version: 1, Language: trim(l.language), RoleSource: schemas.RoleFromChannel,
		Engine: l.session.engine, Model: l.session.model, CreatedAt: time.Now().UTC(),
	}
	if heard := r.seconds(); math.Abs(t.Task.Seconds-heard) > sameLength {
		t.Task.Seconds = heard // what is paid for, whatever a header claimed
	}
	roles, stated := rolesOf(submitted.Channels, submitted.Task.Source, r.channels)
	if l.byChannel(r.channels, stated, len(submitted.Channels)) {
		t.Utterances = merge(l.segments, roles, true, nil)
	} else {
		t.Utterances, t.RoleSource, t.Sound.RoleConfidence = l.unmix(submitted.Task)
	}
	t.NoSpeech = len(t.Utterances) == 0
	t.Sound.Suppressed = l.suppressed
	marks := append(l.marks, announce(t.Utterances)...)
	t.Sound.Marks = inOrder(append(marks, holds(t.Utterances, r.seconds())...))
	t.Metrics = measure.Conversation(clock, t.Utterances, t.Sound.Marks, r.seconds())
	return t
}

// byChannel says whether a channel is a side of the call.
func (l *listener) byChannel(channels int, stated bool, given int) bool {
	sounding := 0
	for _, on := range l.sounding {
		if on {
			sounding++
		}
	}
	twins := l.mono != nil && *l.mono
	return !twins && (sounding > 1 || stated && (channels > 1 || given == 1))
}

// unmix tells the voices of the one channel apart.
func (l *listener) unmix(task schemas.Task) (utterances []schemas.Utterance, source string, confidence *float64) {
	voices := 0
	segments := l.segments
	if l.voices != nil {
		segments, voices = assign(l.segments, l.voices.Turns())
	}
	if voices < 2 {
		for i := range segments {
			segments[i].voice = 0
		}
		utterances = merge(segments, []string{schemas.RoleUnknown}, false, nil)
		if task.Type != schemas.TypeAudio {
			confidence = guess(utterances)
		}
		return utterances, schemas.RoleFromText, confidence
	}
	if task.Type == schemas.TypeAudio {
		return merge(segments, slices.Repeat([]string{schemas.RoleUnknown}, voices), true, nil), schemas.RoleFromDiarized, nil
	}
	roles, sure := nameVoices(segments, voices, task.CallType)
	if sure > 0 {
		confidence = &sure
	}
	return merge(segments, roles, true, confidence), schemas.RoleFromDiarized, confidence
}
