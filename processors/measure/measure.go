// Package measure says of a conversation what needs no judgement: who spoke how
// long and how fast, who waited, who talked over whom.
//
// What cannot be known is nil and never 0. Times without an end say nothing of
// talk, one channel cannot tell two voices that speak at once, and what an
// unknown speaker says may be said by several.
package measure

import (
	"math"
	"slices"
	"time"

	"earshot/schemas"
)

// Conversation measures turns, which are in time order. marks are what was
// found beside speech in the recording, of seconds length; seconds is 0 where
// there is no recording (or its length is unknown), and then neither hold nor
// the silence before the first and after the last word is known.
//
// With the times of every turn:
//
//   - talk of a role is the union of its turns: what two turns share counts once;
//   - silence are the stretches longer than cfg.Silence in which nobody speaks,
//     a machine included, and which no mark covers;
//   - hold is the union of marks of hold and of music;
//   - overlap is when two roles or more speak at once;
//   - an interruption is a turn that begins while a turn of another role goes on
//     and shares more than talkOver with it, unless it is a back-channel: shorter
//     than backChannel and wholly within the other's turn;
//   - a monologue is the talk of one role while no other takes a turn, be it of
//     several utterances; back-channels do not end it.
//
// With the beginnings alone, as in a chat: how long the customer waited for the
// operator. Words are always counted. The machine (schemas.RoleSystem) has its
// own talk and words in Speakers; it is no part of anything else but silence.
func Conversation(cfg Config, turns []schemas.Utterance, marks []schemas.Mark, seconds float64) schemas.Metrics {
	m := schemas.Metrics{Turns: int64(len(turns))}
	voices := voicesOf(turns)
	for _, v := range voices {
		switch v.Role {
		case schemas.RoleOperator:
			m.OperatorTurns = v.turns
		case schemas.RoleCustomer:
			m.CustomerTurns = v.turns
		}
		if v.person() {
			m.Words += v.Words
		}
	}
	responses(&m, turns)
	if !clocked(seconds) {
		seconds = 0
	}
	length := at(seconds)
	if length > 0 {
		m.Hold = inSeconds(total(union(within(spansOf(marks, schemas.MarkHold, schemas.MarkMusic), length), 0)))
	}
	if timed(turns) && (len(turns) > 0 || length > 0) {
		clock(cfg, &m, turns, voices, spansOf(marks), length)
	}
	for _, v := range voices {
		m.Speakers = append(m.Speakers, v.SpeakerMetrics)
	}
	return m
}

// voice is one role and what it says.
type voice struct {
	schemas.SpeakerMetrics
	turns int64
	odd   bool   // some of it is written without spaces: its words cannot be counted
	spans []span // when it speaks
}

func (v *voice) person() bool { return v.Role != schemas.RoleSystem }
func (v *voice) known() bool  { return v.Role != schemas.RoleUnknown && v.person() }

// voicesOf gives the roles in the order in which they first speak.
func voicesOf(turns []schemas.Utterance) (voices []*voice) {
	for i := range turns {
		u := &turns[i]
		v := find(voices, u.Speaker)
		if v == nil {
			v = &voice{SpeakerMetrics: schemas.SpeakerMetrics{Role: u.Speaker}}
			voices = append(voices, v)
		}
		n, odd := words(u.Text)
		v.turns, v.Words, v.odd = v.turns+1, v.Words+n, v.odd || odd
	}
	return voices
}

// find is a loop, because there are four roles at most.
func find(voices []*voice, role string) *voice {
	for _, v := range voices {
		if v.Role == role {
			return v
		}
	}
	return nil
}

// clock measures all that needs every turn's beginning and end. length is that
// of the recording, 0 when it is unknown.
func clock(cfg Config, m *schemas.Metrics, turns []schemas.Utterance, voices []*voice, marked []span, length time.Duration) {
	begin, end := time.Duration(math.MaxInt64), length
	busy := marked
	for i := range turns {
		s := span{at(*turns[i].Start), max(at(*turns[i].Start), at(*turns[i].End))}
		v := find(voices, turns[i].Speaker)
		v.spans = append(v.spans, s)
		busy = append(busy, s)
		begin, end = min(begin, s.from), max(end, s.to)
	}
	if length > 0 {
		begin = min(begin, 0)
	}
	m.Silence = inSeconds(silence(union(busy, 0), span{begin, end}, cfg.Silence))

	var talk time.Duration // of all persons together
	for _, v := range voices {
		v.spans = union(v.spans, 0)
		if v.person() {
			talk += total(v.spans)
		}
	}
	for _, v := range voices {
		v.share(talk, length, end)
		switch v.Role {
		case schemas.RoleOperator:
			m.OperatorTalk = v.Talk
		case schemas.RoleCustomer:
			m.CustomerTalk = v.Talk
		}
	}
	all := turnsOf(voices)
	monologues(m, voices, all)
	if apart(turns) {
		m.Overlap = inSeconds(overlap(voices))
		interruptions(m, voices, all)
	}
}

// share sets what follows from a voice's talk alone. end is where the
// conversation ends: a recording is at least as long as what is said in it.
func (v *voice) share(talk, length, end time.Duration) {
	own := total(v.spans)
	v.Talk = inSeconds(own)
	if own > 0 && !v.odd {
		v.WordsPerMinute = rounded(float64(v.Words)/own.Minutes(), 1)
	}
	if talk > 0 && v.person() {
		v.ShareOfTalk = rounded(float64(own)/float64(talk), 4)
	}
	if length > 0 {
		v.ShareOfDuration = rounded(float64(own)/float64(end), 4)
	}
}

// apart tells whether two who speak at once would be noticed: not when nobody
// is known, and not when two roles share one channel, because a recogniser
// writes one voice at a time.
func apart(turns []schemas.Utterance) bool {
	anybody := false
	onChannel := map[int64]string{}
	for i := range turns {
		u := &turns[i]
		if u.Speaker == schemas.RoleSystem {
			continue
		}
		anybody = anybody || u.Speaker != schemas.RoleUnknown
		if u.Channel < 0 {
			continue
		}
		if role, ok := onChannel[u.Channel]; ok && role != u.Speaker {
			return false
		}
		onChannel[u.Channel] = u.Speaker
	}
	return anybody
}

// responses measures how long the customer waits for the operator: from the
// end of the customer's turn (its beginning in a chat) to the operator's next.
func responses(m *schemas.Metrics, turns []schemas.Utterance) {
	if slices.ContainsFunc(turns, func(u schemas.Utterance) bool { return u.Start == nil || !clocked(*u.Start) }) {
		return
	}
	var sum time.Duration
	n := 0
	waiting := (*float64)(nil)
	for i := range turns {
		t := &turns[i]
		switch t.Speaker {
		case schemas.RoleCustomer:
			if waiting == nil || t.End != nil {
				waiting = t.Start
				if t.End != nil && clocked(*t.End) {
					waiting = t.End
				}
			}
		case schemas.RoleOperator:
			if waiting == nil {
				continue
			}
			wait := max(0, at(*t.Start)-at(*waiting))
			if n == 0 {
				m.FirstResponse = inSeconds(wait)
			}
			sum, n, waiting = sum+wait, n+1, nil
		}
	}
	if n > 0 {
		m.AverageResponse = rounded(sum.Seconds()/float64(n), 2)
	}
}
