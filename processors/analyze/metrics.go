package analyze

import "earshot/schemas"

// Gaps shorter than silenceMin are breath; an overlap shorter than talkOver is
// a "yes" in passing. Seconds.
const (
	silenceMin = 3.0
	talkOver   = 0.3
)

// measure counts and clocks. What needs a clock stays nil without one.
func measure(turns []schemas.Utterance, words int64) schemas.Metrics {
	m := schemas.Metrics{Turns: int64(len(turns)), Words: words}
	started, ended := len(turns) > 0, len(turns) > 0
	for i := range turns {
		switch turns[i].Speaker {
		case schemas.RoleOperator:
			m.OperatorTurns++
		case schemas.RoleCustomer:
			m.CustomerTurns++
		}
		started = started && turns[i].Start != nil
		ended = ended && turns[i].End != nil
	}
	if started {
		responses(&m, turns)
	}
	if started && ended {
		talk(&m, turns)
	}
	return m
}

// talk measures who spoke how long, silence and talking over each other.
func talk(m *schemas.Metrics, turns []schemas.Utterance) {
	var op, cu, silence, over, longest, run float64
	var interruptions int64
	said := *turns[0].End // the latest end so far
	for i := range turns {
		t := &turns[i]
		length := max(0, *t.End-*t.Start)
		switch t.Speaker {
		case schemas.RoleOperator:
			op += length
		case schemas.RoleCustomer:
			cu += length
		}
		if i > 0 {
			before := &turns[i-1]
			if gap := *t.Start - said; gap > silenceMin {
				silence += gap
			}
			if shared := min(*before.End, *t.End) - *t.Start; t.Speaker != before.Speaker && shared > 0 {
				over += shared
				if shared > talkOver {
					interruptions++
				}
			}
			if t.Speaker != before.Speaker {
				run = 0
			}
		}
		run += length
		longest = max(longest, run)
		said = max(said, *t.End)
	}
	m.Silence, m.Overlap, m.LongestMonologue, m.Interruptions = secs(silence), secs(over), secs(longest), &interruptions
	if m.OperatorTurns > 0 {
		m.OperatorTalk = secs(op)
	}
	if m.CustomerTurns > 0 {
		m.CustomerTalk = secs(cu)
	}
}

// responses measures how long the customer waits for the operator: from the
// end of the customer's turn (its beginning in a chat) to the operator's next.
func responses(m *schemas.Metrics, turns []schemas.Utterance) {
	var sum float64
	var n int
	waiting := (*float64)(nil)
	for i := range turns {
		t := &turns[i]
		switch t.Speaker {
		case schemas.RoleCustomer:
			if waiting == nil || t.End != nil {
				waiting = t.Start
				if t.End != nil {
					waiting = t.End
				}
			}
		case schemas.RoleOperator:
			if waiting == nil {
				continue
			}
			wait := max(0, *t.Start-*waiting)
			if n == 0 {
				m.FirstResponse = secs(wait)
			}
			sum, n, waiting = sum+wait, n+1, nil
		}
	}
	if n > 0 {
		m.AverageResponse = secs(sum / float64(n))
	}
}

func secs(x float64) *float64 {
	x = round(x, 2)
	return &x
}
