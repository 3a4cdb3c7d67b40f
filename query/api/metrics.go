package api

import "earshot/schemas"

// metrics are schemas.Metrics; null = unknown.
type metrics struct {
	Turns            int64            `json:"turns"`
	OperatorTurns    int64            `json:"operator_turns"`
	CustomerTurns    int64            `json:"customer_turns"`
	Words            int64            `json:"words"`
	OperatorTalk     *float64         `json:"operator_talk_sec"`
	CustomerTalk     *float64         `json:"customer_talk_sec"`
	Silence          *float64         `json:"silence_sec"`
	Overlap          *float64         `json:"overlap_sec"`
	Interruptions    *int64           `json:"interruptions"`
	FirstResponse    *float64         `json:"first_response_sec"`
	AverageResponse  *float64         `json:"average_response_sec"`
	LongestMonologue *float64         `json:"longest_monologue_sec"`
	Hold             *float64         `json:"hold_sec"`
	Speakers         []speakerMetrics `json:"speakers"`
	Interrupted      []interruption   `json:"interrupted"`
}

type speakerMetrics struct {
	Role             string   `json:"role"`
	Talk             *float64 `json:"talk_sec"`
	LongestMonologue *float64 `json:"longest_monologue_sec"`
	Words            int64    `json:"words"`
	WordsPerMinute   *float64 `json:"words_per_minute"`
	ShareOfTalk      *float64 `json:"share_of_talk"`
	ShareOfDuration  *float64 `json:"share_of_duration"`
	Interruptions    *int64   `json:"interruptions"`
}

type interruption struct {
	Start float64 `json:"start_sec"`
	End   float64 `json:"end_sec"`
	By    string  `json:"by"`
}

func newMetrics(m schemas.Metrics) metrics {
	out := metrics{
		Turns: m.Turns, OperatorTurns: m.OperatorTurns, CustomerTurns: m.CustomerTurns, Words: m.Words,
		OperatorTalk: m.OperatorTalk, CustomerTalk: m.CustomerTalk, Silence: m.Silence, Overlap: m.Overlap, Interruptions: m.Interruptions,
		FirstResponse: m.FirstResponse, AverageResponse: m.AverageResponse, LongestMonologue: m.LongestMonologue, Hold: m.Hold,
		Speakers: []speakerMetrics{}, Interrupted: []interruption{},
	}
	for _, s := range m.Speakers {
		out.Speakers = append(out.Speakers, speakerMetrics(s))
	}
	for _, i := range m.Interrupted {
		out.Interrupted = append(out.Interrupted, interruption(i))
	}
	return out
}

// sound is what a recording tells beyond its words: schemas.Sound.
type sound struct {
	Marks           []mark       `json:"marks"`
	SuppressedCount int          `json:"suppressed_count"`
	Suppressed      []suppressed `json:"suppressed"`
}

type mark struct {
	Kind    string  `json:"kind"`    // music, tone, ivr, hold
	Channel int64   `json:"channel"` // -1: all
	Start   float64 `json:"start_sec"`
	End     float64 `json:"end_sec"`
}

type suppressed struct {
	Channel int64   `json:"channel"`
	Start   float64 `json:"start_sec"`
	End     float64 `json:"end_sec"`
	Text    string  `json:"text"`
	Reason  string  `json:"reason"`
}

func newSound(s schemas.Sound) sound {
	out := sound{Marks: []mark{}, SuppressedCount: len(s.Suppressed), Suppressed: []suppressed{}}
	for _, m := range s.Marks {
		out.Marks = append(out.Marks, mark(m))
	}
	for _, x := range s.Suppressed {
		out.Suppressed = append(out.Suppressed, suppressed(x))
	}
	return out
}
