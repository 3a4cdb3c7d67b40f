// Package speech holds the few types that the engines which hear speech and the
// transcriber that asks them have in common.
package speech

// Rate of all samples, a second. Whisper hears no other.
const Rate = 16_000

// Ask is a stretch of one channel that is to be heard.
type Ask struct {
	Samples  []int16 // mono, Rate a second; read until the answer comes, never changed
	Language string  // ISO 639-1 (Javanese is "jw", as Whisper has it); "" = detect it
	Prompt   string  // words that are likely to be said, as text; "" = none
}

// Heard is the answer to an Ask.
type Heard struct {
	Language string // what was asked for or detected
	Segments []Segment
}

// Segment is one stretch of text as the engine cut it. Times are seconds from
// the first sample of the Ask. A measure that an engine does not give is nil:
// unknown, never 0.
type Segment struct {
	Start      float64  `json:"start"`
	End        float64  `json:"end"`
	Text       string   `json:"text"`
	Words      []Word   `json:"words,omitempty"` // in order; empty when the engine gives none
	Confidence *float64 `json:"confidence,omitempty"`
	// Tokens are how many tokens of text there are: the weight of Confidence.
	Tokens int `json:"tokens,omitempty"`
	// LogProb is the mean log probability of the tokens, below 0.
	LogProb *float64 `json:"log_prob,omitempty"`
	// NoSpeech is the probability that nothing is said, 0..1.
	NoSpeech *float64 `json:"no_speech,omitempty"`
	// Temperature at which it was decoded; above 0 the engine fell back.
	Temperature *float64 `json:"temperature,omitempty"`
}

// Word is a word of a segment with its times, on the clock of the segment.
type Word struct {
	Start      float64  `json:"start"`
	End        float64  `json:"end"`
	Text       string   `json:"text"` // without spaces around it, with its punctuation
	Confidence *float64 `json:"confidence,omitempty"`
}
