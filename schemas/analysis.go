package schemas

import "time"

// Analysis is everything the analyser says about one conversation, with the
// evidence for it. Topic analyses. Re-analysis is a new Version, not a new
// task.
type Analysis struct {
	Task       Task        `avro:"task"`
	Version    int64       `avro:"version"`  // 1 for the first analysis of a task, then up
	Engine     string      `avro:"engine"`   // analyser and its rules version
	Language   string      `avro:"language"` // ISO 639-1, "und" when it cannot be told
	NoSpeech   bool        `avro:"no_speech"`
	RoleSource string      `avro:"role_source"` // channel, diarized, text
	Utterances []Utterance `avro:"utterances"`  // with Sentiment set

	Summary        string  `avro:"summary"`
	Sentiment      string  `avro:"sentiment"`       // positive, neutral, negative; "" when nothing was said
	SentimentScore float64 `avro:"sentiment_score"` // -1..1; means nothing when nothing was said
	Tone           string  `avro:"tone"`            // key of dictionary tone; "" when nothing was said
	CSAT           *int64  `avro:"csat"`            // 0..10; nil when nothing was said
	// Politeness is 0..1; the 1..5 of filters and reports is PolitenessGrade of it.
	Politeness *float64 `avro:"politeness"`
	Empathy    *float64 `avro:"empathy"` // 0..1

	Tags       []string `avro:"tags"`
	Topics     []string `avro:"topics"`
	Intent     string   `avro:"intent"`
	Reason     string   `avro:"reason_for_contact"`
	Product    string   `avro:"product_or_service"`
	RootCause  string   `avro:"root_cause"`
	Driver     string   `avro:"decision_driver"`
	Obstacles  string   `avro:"key_obstacles"`
	Dynamics   string   `avro:"emotional_dynamics"`
	NextAction string   `avro:"next_action"`

	Resolution   string   `avro:"resolution"`    // key of dictionary resolved_status
	Priority     string   `avro:"priority"`      // key of dictionary priority
	FunnelStage  string   `avro:"funnel_stage"`  // key of dictionary funnel_stage
	RiskSignals  []string `avro:"risk_signals"`  // keys of dictionary risk_signal, ["none"] when there are none
	SalesSignals []string `avro:"sales_signals"` // keys of dictionary sales_signal, ["none"] when there are none

	Actions     []string `avro:"actions"`              // what should happen next
	Commitments []string `avro:"operator_commitments"` // what the operator promised
	Categories  []int64  `avro:"category_ids"`

	Checklist []ChecklistAnswer `avro:"checklist"`
	Script    *float64          `avro:"script_alignment"` // 0..100; nil when there is no script
	ScriptID  int64             `avro:"script_id"`
	ScriptVer int64             `avro:"script_version"`

	Metrics   Metrics    `avro:"metrics"`
	Evidence  []Evidence `avro:"evidence"`
	Sound     Sound      `avro:"sound"` // as in the transcript
	CreatedAt time.Time  `avro:"created_at"`
	// AskedAt is the At of the newest AnalysisRequested that this version fulfils,
	// or that an earlier one did; zero when nobody asked for another analysis.
	AskedAt time.Time `avro:"asked_at"`

	SpeechModel string `avro:"speech_model"` // Transcript.SpeechModel; "" for text, and in versions of before it was recorded
	// Profile is a digest of the organisation's settings that judged: active
	// questions, active scripts by their versions, categories. The same settings
	// have the same one; "" in versions of before it was recorded.
	Profile string `avro:"profile"`
}

// Analysed is a task with the version of its newest analysis that can be read.
type Analysed struct {
	Code    string
	Version int64
}

// Checklist answers, in English on the log and in the database; the API
// localises them. The analyser gives no other; a person may answer with any text
// of at most MaxAnswer bytes (seed section 5, "Field construction rules").
const (
	AnswerYes       = "Yes"
	AnswerPartially = "Partially"
	AnswerNo        = "No"
	MaxAnswer       = 1000
)

// ChecklistAnswer is the answer to one question of a checklist.
type ChecklistAnswer struct {
	ID       int64   `avro:"checklist_id"` // of the question
	Question string  `avro:"question"`
	Answer   string  `avro:"answer"` // one of the Answer constants, or a person's own words
	Score    float64 `avro:"score"`  // AnswerScore(Answer); means nothing unless Scored(Answer)
	// AnsweredBy is the user who gave the answer in place of the analyser, 0 when
	// nobody did. A re-analysis keeps such answers.
	AnsweredBy int64 `avro:"answered_by"`
}

// Scored says whether an answer is worth anything: a person's own words are
// neither good nor bad, and count in no rate.
func Scored(answer string) bool {
	_, fixed := answerNames[answer]
	return fixed
}

// AnswerScore is what an answer is worth: 1, 0.5 or 0.
func AnswerScore(answer string) float64 {
	switch answer {
	case AnswerYes:
		return 1
	case AnswerPartially:
		return 0.5
	}
	return 0
}

// Evidence is the literal quote that proves one judgement.
type Evidence struct {
	Judgement string   `avro:"judgement"` // e.g. "risk_signals.churn", "checklist.3", "csat"
	Turn      int64    `avro:"turn"`
	Speaker   string   `avro:"speaker"`
	Quote     string   `avro:"quote"` // a substring of that turn's text
	Start     *float64 `avro:"start"` // seconds; nil when the conversation has no clock
}

// Metrics are measured, not judged: package measure says how. nil = unknown,
// never 0 for unknown. Seconds unless the name says otherwise.
type Metrics struct {
	Turns            int64    `avro:"turns"`
	OperatorTurns    int64    `avro:"operator_turns"`
	CustomerTurns    int64    `avro:"customer_turns"`
	Words            int64    `avro:"words"` // of persons, not of a machine
	OperatorTalk     *float64 `avro:"operator_talk"`
	CustomerTalk     *float64 `avro:"customer_talk"`
	Silence          *float64 `avro:"silence"` // stretches longer than EARSHOT_SILENCE in which nobody speaks, hold not counted
	Overlap          *float64 `avro:"overlap"`
	Interruptions    *int64   `avro:"interruptions"`
	FirstResponse    *float64 `avro:"first_response"` // operator's, after the customer's first turn
	AverageResponse  *float64 `avro:"average_response"`
	LongestMonologue *float64 `avro:"longest_monologue"`
	// Hold is the time of all hold and music marks together.
	Hold        *float64         `avro:"hold"`
	Speakers    []SpeakerMetrics `avro:"speakers"`    // one of each role that speaks, in order of appearance
	Interrupted []Interruption   `avro:"interrupted"` // each one counted in Interruptions
}

// SpeakerMetrics are the measures of one role.
type SpeakerMetrics struct {
	Role             string   `avro:"role"`
	Talk             *float64 `avro:"talk"`
	LongestMonologue *float64 `avro:"longest_monologue"`
	Words            int64    `avro:"words"`
	WordsPerMinute   *float64 `avro:"words_per_minute"`  // of its own talk
	ShareOfTalk      *float64 `avro:"share_of_talk"`     // 0..1 of all talk
	ShareOfDuration  *float64 `avro:"share_of_duration"` // 0..1 of the recording
	Interruptions    *int64   `avro:"interruptions"`     // of others, by this role
}

// Interruption is a turn that begins while another's goes on.
type Interruption struct {
	Start float64 `avro:"start"` // when By began
	End   float64 `avro:"end"`   // when one of the two fell silent
	By    string  `avro:"by"`    // role
}

// PolitenessGrade is the 1..5 of filters and reports, from the 0..1 of
// Analysis.Politeness: one number, two scales (DESIGN "Reading the seeds").
func PolitenessGrade(p float64) int64 {
	switch {
	case p < 0.2:
		return 1
	case p < 0.4:
		return 2
	case p < 0.6:
		return 3
	case p < 0.8:
		return 4
	}
	return 5
}

var answerNames = map[string]Text{AnswerYes: T("Yes"), AnswerPartially: T("Partially"), AnswerNo: T("No")}

// AnswerName is a checklist answer in the language of a BCP 47 tag, English when
// we do not speak it.
func AnswerName(answer, lang string) string {
	if name, ok := answerNames[answer]; ok {
		return name.In(lang)
	}
	return answer
}
