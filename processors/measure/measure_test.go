package measure

import (
	"math"
	"reflect"
	"testing"
	"time"

	"earshot/schemas"
)

var standard = Config{Silence: 3 * time.Second}

// said is a turn: on channel 0 of the operator, 1 of the customer, 2 of
// anybody else; times below 0 are unknown.
func said(role string, start, end float64, text string) schemas.Utterance {
	u := schemas.Utterance{Speaker: role, Channel: map[string]int64{"operator": 0, "customer": 1}[role], Text: text}
	if role != "operator" && role != "customer" {
		u.Channel = 2
	}
	if start >= 0 {
		u.Start = &start
	}
	if end >= 0 {
		u.End = &end
	}
	return u
}

func on(channel int64, turns ...schemas.Utterance) []schemas.Utterance {
	for i := range turns {
		turns[i].Channel = channel
	}
	return turns
}

func f(x float64) *float64 { return &x }
func n(x int64) *int64     { return &x }

func TestConversation(t *testing.T) {
	const op, cu, sys, unknown = schemas.RoleOperator, schemas.RoleCustomer, schemas.RoleSystem, schemas.RoleUnknown
	type by = schemas.Interruption
	for _, c := range []struct {
		name    string
		turns   []schemas.Utterance
		marks   []schemas.Mark
		seconds float64
		want    schemas.Metrics
	}{
		{"a call on two channels", []schemas.Utterance{
			said(op, 4, 8, "Good day, how can I help?"), // 4 s of leading silence
			said(cu, 9, 14, "My line is dead."),
			said(op, 13, 16, "I am sorry."),     // shares 1 s: an interruption
			said(op, 16.5, 24, "Let me look."),  // the same monologue, as is the last: 3 + 7.5 + 1
			said(cu, 20, 20.5, "Mhm."),          // a back-channel: overlap only
			said(op, 54, 55, "Still there?"),    // 30 s of which 20 on hold
			said(cu, 55.2, 56, "Yes -- I am !"), // trailing: 4 s
		}, []schemas.Mark{{Kind: schemas.MarkMusic, Start: 30, End: 45}, {Kind: schemas.MarkHold, Start: 28, End: 48}, {Kind: schemas.MarkTone, Start: 0, End: 0.5}}, 60,
			schemas.Metrics{Turns: 7, OperatorTurns: 4, CustomerTurns: 3, Words: 6 + 4 + 3 + 3 + 1 + 2 + 3, OperatorTalk: f(15.5), CustomerTalk: f(6.3),
				Silence: f(3.5 + 4 + 6 + 4), Overlap: f(1.5), Interruptions: n(1), FirstResponse: f(0), AverageResponse: f(16.75), LongestMonologue: f(11.5), Hold: f(20),
				Interrupted: []by{{Start: 13, End: 14, By: op}},
				Speakers: []schemas.SpeakerMetrics{
					{Role: op, Talk: f(15.5), LongestMonologue: f(11.5), Words: 14, WordsPerMinute: f(54.2), ShareOfTalk: f(0.711), ShareOfDuration: f(0.2583), Interruptions: n(1)},
					{Role: cu, Talk: f(6.3), LongestMonologue: f(5), Words: 8, WordsPerMinute: f(76.2), ShareOfTalk: f(0.289), ShareOfDuration: f(0.105), Interruptions: n(0)}}}},
		{"talk of one role that overlaps itself counts once", []schemas.Utterance{said(op, 0, 10, "a"), said(op, 2, 5, "b"), said(op, 9, 12, "c")}, nil, 0,
			schemas.Metrics{Turns: 3, OperatorTurns: 3, Words: 3, OperatorTalk: f(12), Silence: f(0), Overlap: f(0), Interruptions: n(0), LongestMonologue: f(12),
				Speakers: []schemas.SpeakerMetrics{{Role: op, Talk: f(12), LongestMonologue: f(12), Words: 3, WordsPerMinute: f(15), ShareOfTalk: f(1), Interruptions: n(0)}}}},
		{"a pause of 3 s is a pause, a longer one silence", []schemas.Utterance{said(op, 1, 2, "a"), said(op, 5, 6, "b"), said(op, 9.01, 10, "c")}, nil, 13,
			schemas.Metrics{Turns: 3, OperatorTurns: 3, Words: 3, OperatorTalk: f(2.99), Silence: f(3.01), Overlap: f(0), Interruptions: n(0), LongestMonologue: f(2.99), Hold: f(0),
				Speakers: []schemas.SpeakerMetrics{{Role: op, Talk: f(2.99), LongestMonologue: f(2.99), Words: 3, WordsPerMinute: f(60.2), ShareOfTalk: f(1), ShareOfDuration: f(0.23), Interruptions: n(0)}}}},
		{"both begin at once: neither interrupts; who goes on after a breath interrupts nobody", []schemas.Utterance{
			said(op, 0, 5, "a"), said(cu, 0, 4, "b"), said(cu, 4.2, 8, "c"), said(op, 5.25, 9, "d")}, nil, 0,
			schemas.Metrics{Turns: 4, OperatorTurns: 2, CustomerTurns: 2, Words: 4, OperatorTalk: f(8.75), CustomerTalk: f(7.8), Silence: f(0), Overlap: f(7.55), Interruptions: n(0),
				FirstResponse: f(0), AverageResponse: f(0), LongestMonologue: f(8.75),
				Speakers: []schemas.SpeakerMetrics{
					{Role: op, Talk: f(8.75), LongestMonologue: f(8.75), Words: 2, WordsPerMinute: f(13.7), ShareOfTalk: f(0.5287), Interruptions: n(0)},
					{Role: cu, Talk: f(7.8), LongestMonologue: f(7.8), Words: 2, WordsPerMinute: f(15.4), ShareOfTalk: f(0.4713), Interruptions: n(0)}}}},
		{"0.3 s shared is close following, a second within the other's turn is no back-channel", []schemas.Utterance{
			said(op, 0, 5, "a"), said(cu, 4.7, 9, "b"), said(op, 6, 7, "c")}, nil, 0,
			schemas.Metrics{Turns: 3, OperatorTurns: 2, CustomerTurns: 1, Words: 3, OperatorTalk: f(6), CustomerTalk: f(4.3), Silence: f(0), Overlap: f(1.3), Interruptions: n(1),
				FirstResponse: f(0), AverageResponse: f(0), LongestMonologue: f(5), Interrupted: []by{{Start: 6, End: 7, By: op}},
				Speakers: []schemas.SpeakerMetrics{
					{Role: op, Talk: f(6), LongestMonologue: f(5), Words: 2, WordsPerMinute: f(20), ShareOfTalk: f(0.5825), Interruptions: n(1)},
					{Role: cu, Talk: f(4.3), LongestMonologue: f(4.3), Words: 1, WordsPerMinute: f(14), ShareOfTalk: f(0.4175), Interruptions: n(0)}}}},
		{"a machine is not silence and not a party", []schemas.Utterance{said(sys, 0, 20, "Your call is important."), said(cu, 10, 12, "Operator!")}, nil, 20,
			schemas.Metrics{Turns: 2, CustomerTurns: 1, Words: 1, CustomerTalk: f(2), Silence: f(0), Overlap: f(0), Interruptions: n(0), LongestMonologue: f(2), Hold: f(0),
				Speakers: []schemas.SpeakerMetrics{
					{Role: sys, Talk: f(20), Words: 4, WordsPerMinute: f(12), ShareOfDuration: f(1)},
					{Role: cu, Talk: f(2), LongestMonologue: f(2), Words: 1, WordsPerMinute: f(30), ShareOfTalk: f(1), ShareOfDuration: f(0.1), Interruptions: n(0)}}}},
		{"one channel, nobody known", on(0, said(unknown, 0, 5, "one two"), said(unknown, 5, 10, "three")), nil, 10,
			schemas.Metrics{Turns: 2, Words: 3, Silence: f(0), Hold: f(0),
				Speakers: []schemas.SpeakerMetrics{{Role: unknown, Talk: f(10), Words: 3, WordsPerMinute: f(18), ShareOfTalk: f(1), ShareOfDuration: f(1)}}}},
		{"one channel, voices told apart: talking over each other would not be noticed", on(0, said(op, 0, 6, "one two"), said(cu, 6, 10, "three")), nil, 10,
			schemas.Metrics{Turns: 2, OperatorTurns: 1, CustomerTurns: 1, Words: 3, OperatorTalk: f(6), CustomerTalk: f(4), Silence: f(0), Hold: f(0), LongestMonologue: f(6),
				Speakers: []schemas.SpeakerMetrics{
					{Role: op, Talk: f(6), LongestMonologue: f(6), Words: 2, WordsPerMinute: f(20), ShareOfTalk: f(0.6), ShareOfDuration: f(0.6)},
					{Role: cu, Talk: f(4), LongestMonologue: f(4), Words: 1, WordsPerMinute: f(15), ShareOfTalk: f(0.4), ShareOfDuration: f(0.4)}}}},
		{"nobody speaks", nil, []schemas.Mark{{Kind: schemas.MarkHold, Start: 5, End: 100}}, 10, schemas.Metrics{Silence: f(5), Hold: f(5)}},
		{"what is said goes on after the recording's declared end", []schemas.Utterance{said(op, 0, 12, "a")}, nil, 10,
			schemas.Metrics{Turns: 1, OperatorTurns: 1, Words: 1, OperatorTalk: f(12), Silence: f(0), Overlap: f(0), Interruptions: n(0), LongestMonologue: f(12), Hold: f(0),
				Speakers: []schemas.SpeakerMetrics{{Role: op, Talk: f(12), LongestMonologue: f(12), Words: 1, WordsPerMinute: f(5), ShareOfTalk: f(1), ShareOfDuration: f(1), Interruptions: n(0)}}}},
		{"a chat: beginnings only", []schemas.Utterance{said(cu, 0, -1, "Hi"), said(cu, 10, -1, "Anyone?"), said(op, 70, -1, "Yes, hello"), said(cu, 80, -1, "ok"), said(op, 90, -1, "Bye")}, nil, 0,
			schemas.Metrics{Turns: 5, OperatorTurns: 2, CustomerTurns: 3, Words: 6, FirstResponse: f(70), AverageResponse: f(40),
				Speakers: []schemas.SpeakerMetrics{{Role: cu, Words: 3}, {Role: op, Words: 3}}}},
		{"no clock", []schemas.Utterance{said(cu, -1, -1, "Hi"), said(op, 3, -1, "Hello")}, nil, 0,
			schemas.Metrics{Turns: 2, OperatorTurns: 1, CustomerTurns: 1, Words: 2, Speakers: []schemas.SpeakerMetrics{{Role: cu, Words: 1}, {Role: op, Words: 1}}}},
		{"a clock that is none", []schemas.Utterance{said(op, 0, math.Inf(1), "Hi")}, nil, math.NaN(),
			schemas.Metrics{Turns: 1, OperatorTurns: 1, Words: 1, Speakers: []schemas.SpeakerMetrics{{Role: op, Words: 1}}}},
		{"an end before the beginning, and words without spaces", []schemas.Utterance{said(op, 6, 2, "你好，我的订单在哪里？"), said(cu, 6, 8, "ห้าคำ")}, nil, 0,
			schemas.Metrics{Turns: 2, OperatorTurns: 1, CustomerTurns: 1, Words: 2, OperatorTalk: f(0), CustomerTalk: f(2), Silence: f(0), Overlap: f(0), Interruptions: n(0), LongestMonologue: f(2),
				Speakers: []schemas.SpeakerMetrics{
					{Role: op, Talk: f(0), LongestMonologue: f(0), Words: 1, ShareOfTalk: f(0), Interruptions: n(0)},
					{Role: cu, Talk: f(2), LongestMonologue: f(2), Words: 1, ShareOfTalk: f(1), Interruptions: n(0)}}}},
		{"nothing at all", nil, nil, 0, schemas.Metrics{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			differ(t, Conversation(standard, c.turns, c.marks, c.seconds), c.want)
		})
	}
}

// differ names the fields that differ; pointers are compared by value.
func differ(t testing.TB, got, want schemas.Metrics) {
	t.Helper()
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		a, b := g.Field(i).Interface(), w.Field(i).Interface()
		if g.Field(i).Kind() == reflect.Slice && g.Field(i).Len() == 0 && w.Field(i).Len() == 0 {
			continue
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s is %s, want %s", g.Type().Field(i).Name, show(g.Field(i)), show(w.Field(i)))
		}
	}
}

func TestConfigRefusesASilenceThatIsNone(t *testing.T) {
	for silence, ok := range map[time.Duration]bool{0: false, -time.Second: false, 2 * time.Hour: false, time.Millisecond: true, time.Hour: true} {
		if err := (&Config{Silence: silence}).Validate(); (err == nil) != ok {
			t.Errorf("%s: %v", silence, err)
		}
	}
}
