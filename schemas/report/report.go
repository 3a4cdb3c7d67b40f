// Package report holds what a report says: the facts that query/read computes,
// charts draws, and the blob store keeps beside the files, so that a report can
// be made again. Plain data that goes through JSON unharmed: no NaN, no Inf, and
// nil where nothing is known, never 0.
package report

import "time"

// Query names a report: the same query on the same data gives the same report.
type Query struct {
	Kind   string // one of schemas.Report*
	Period Period
	Link   string // see Report.Link
}

// Period is the time [From, Until). Days, hours and week days are those of Zone.
type Period struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	Zone  string    `json:"zone"` // IANA name
}

// Report is one report. Of Quality, Business and Daily the one of its kind is set.
type Report struct {
	Kind         string     `json:"kind"` // one of schemas.Report*
	Organisation string     `json:"organisation"`
	Period       Period     `json:"period"`
	Previous     Period     `json:"previous"` // as long, right before
	MadeAt       time.Time  `json:"made_at"`
	Provenance   Provenance `json:"provenance"`
	// PreviousProvenance is what judged the conversations of the period before;
	// without Program and Log, which are of the report.
	PreviousProvenance Provenance `json:"previous_provenance"`
	// Link leads to a conversation, {code} stands for its task code; "" when there
	// is nothing to lead to.
	Link     string    `json:"link,omitempty"`
	Quality  *Quality  `json:"quality,omitempty"`
	Business *Business `json:"business,omitempty"`
	Daily    *Daily    `json:"daily,omitempty"`
}

// Provenance says what a report was made from.
type Provenance struct {
	Program string `json:"program"` // version of Earshot
	// Log is how far into the log the database was, the next offset by partition.
	Log     []Position `json:"log"`
	Engines []Engine   `json:"engines"` // analysers (rules and their version), most used first
	// Models are the speech models that heard recordings, Profiles digests of the
	// organisation's settings that judged (schemas.Analysis.Profile): most used
	// first, at most MaxUsed of each; nil in reports of before they were recorded.
	Models   []Engine `json:"models"`
	Profiles []Engine `json:"profiles"`
	Scripts  []Script `json:"scripts"` // by id and version
}

// Position is a place in the log.
type Position struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// MaxUsed bounds Provenance.Models and Provenance.Profiles.
const MaxUsed = 50

// Engine is what heard or judged conversations of the report, and how many.
type Engine struct {
	Name          string `json:"name"`
	Conversations int64  `json:"conversations"`
}

// Script is a version of a check script and how many conversations were held against it.
type Script struct {
	ID            int64 `json:"id"`
	Version       int64 `json:"version"`
	Conversations int64 `json:"conversations"`
}

// Figures are the measures of a set of conversations: of all, of an operator, of
// a day. Averages are over those conversations in which the measure is known.
type Figures struct {
	Conversations int64    `json:"conversations"`
	Analysed      int64    `json:"analysed"` // with an analysis: what Risky and Sales are shares of
	Scored        int64    `json:"scored"`   // with a score of their own: see Score
	Calls         int64    `json:"calls"`
	Chats         int64    `json:"chats"`
	Emails        int64    `json:"emails"`
	Seconds       float64  `json:"seconds"`           // of recordings
	TalkSeconds   *float64 `json:"talk_seconds"`      // of operators
	Politeness    *float64 `json:"politeness"`        // 1..5, the mean grade
	Empathy       *float64 `json:"empathy"`           // 0..1
	CSAT          *float64 `json:"csat"`              // 0..10
	Script        *float64 `json:"script_alignment"`  // 0..100
	Checklist     *float64 `json:"checklist"`         // 0..1, mean score of all answers
	Resolved      *float64 `json:"resolved"`          // 0..1, of those whose outcome is known
	Positive      *float64 `json:"positive"`          // 0..1 of those with a sentiment
	Negative      *float64 `json:"negative"`          // 0..1
	Sentiments    int64    `json:"sentiments"`        // conversations with a sentiment
	Risky         int64    `json:"risky"`             // conversations with a risk signal
	Sales         int64    `json:"sales"`             // with a sales signal
	SilenceShare  *float64 `json:"silence_share"`     // 0..1 of the length of calls
	HoldShare     *float64 `json:"hold_share"`        // 0..1
	Interruptions *float64 `json:"interruptions"`     // a call, by anybody
	Monologue     *float64 `json:"longest_monologue"` // mean of the longest ones, seconds
	FirstResponse *float64 `json:"first_response"`    // mean seconds, chats and e-mails
	Response      *float64 `json:"average_response"`  // mean seconds
	Score         *float64 `json:"score"`             // 0..100: see Score
}

// QuestionRate is how a checklist question was answered.
type QuestionRate struct {
	ID        int64   `json:"id"`
	Question  string  `json:"question"`
	Yes       int64   `json:"yes"`
	Partially int64   `json:"partially"`
	No        int64   `json:"no"`
	Rate      float64 `json:"rate"` // 0..1, the mean of schemas.AnswerScore
}

// SignalCount is how many conversations show a signal.
type SignalCount struct {
	ID       int64   `json:"id"` // in the dictionary risk_signal or sales_signal
	Count    int64   `json:"count"`
	Previous int64   `json:"previous"`
	Quotes   []Quote `json:"quotes,omitempty"` // where people say so, at most 5
}

// Quote is what somebody said, word by word.
type Quote struct {
	Code    string    `json:"code"` // of the task
	TaskID  int64     `json:"task_id"`
	At      time.Time `json:"at"` // of the conversation
	Speaker string    `json:"speaker"`
	Text    string    `json:"text"`
	Start   *float64  `json:"start"`     // seconds into the recording
	About   string    `json:"judgement"` // schemas.Evidence.Judgement
}

// Case is one conversation that is worth a look.
type Case struct {
	Code     string    `json:"code"`
	TaskID   int64     `json:"task_id"`
	Type     string    `json:"type"`
	At       time.Time `json:"at"`
	Operator string    `json:"operator"`
	Seconds  float64   `json:"seconds"`
	Score    *float64  `json:"score"` // 0..100; nil when nothing is known that makes one
	CSAT     *int64    `json:"csat"`
	Summary  string    `json:"summary"`
	Quotes   []Quote   `json:"quotes"` // what proves the judgement, at most 3
}

// Quality is the operator quality report (report_type standard).
type Quality struct {
	Total     Figures    `json:"total"`
	Previous  Figures    `json:"previous"`
	Days      []Day      `json:"days"`      // every day of the period, in order
	Operators []Operator `json:"operators"` // the busiest ones, by rank; those without a name last, as ""
	// OperatorCount is how many operators the period has, with those left out of Operators.
	OperatorCount int64          `json:"operator_count"`
	Spread        *Spread        `json:"spread"` // of Score over ranked operators; nil below two
	Checklist     []QuestionRate `json:"checklist"`
	Risks         []SignalCount  `json:"risks"`
	SalesSigs     []SignalCount  `json:"sales"`
	Best          []Case         `json:"best"`  // of all operators, at most 5
	Worst         []Case         `json:"worst"` // at most 5, none that is among the best
}

// Day is one day with its figures; a day without conversations has none.
type Day struct {
	Date string `json:"date"` // YYYY-MM-DD in the period's zone
	Figures
}

// RankedFrom is how many scored conversations an operator has to have for a
// rank: the mean of fewer is chance.
const RankedFrom = 5

// Operator is one operator's period.
type Operator struct {
	Name      string         `json:"name"`
	Rank      int64          `json:"rank"` // 1 is best; 0 below RankedFrom scored conversations
	Figures   Figures        `json:"figures"`
	Previous  *Figures       `json:"previous"` // nil: none in the period before
	Checklist []QuestionRate `json:"checklist"`
	Risks     []SignalCount  `json:"risks"`
	SalesSigs []SignalCount  `json:"sales"`
	Best      []Case         `json:"best"`  // at most 2
	Worst     []Case         `json:"worst"` // at most 2
}

// Spread is how far apart operators are: five numbers of Figures.Score.
type Spread struct {
	Min    float64 `json:"min"`
	Q1     float64 `json:"q1"`
	Median float64 `json:"median"`
	Q3     float64 `json:"q3"`
	Max    float64 `json:"max"`
}

// Business is the report for leadership (report_type business).
type Business struct {
	Total    Figures      `json:"total"`
	Previous Figures      `json:"previous"`
	Days     []Day        `json:"days"`
	Hours    [7][24]int64 `json:"hours"` // conversations whose hour is known by week day (Monday first) and hour: sums
	// Occurs is on how many dates of the period there is such an hour: Hours
	// divided by it compares week days that the period has more and less often.
	Occurs          [7][24]int64     `json:"occurs"`
	Topics          []Topic          `json:"topics"`      // at most 20, most frequent first
	NewTopics       []Topic          `json:"new_topics"`  // at most 10 that nobody spoke of in the period before, be they in Topics or not
	GoneTopics      []Topic          `json:"gone_topics"` // at most 10 that nobody speaks of any more, by Previous
	Reasons         []Reason         `json:"reasons"`     // at most 15
	CSATs           [11]int64        `json:"csats"`       // conversations by CSAT 0..10
	PreviousCSATs   [11]int64        `json:"previous_csats"`
	Funnel          []Stage          `json:"funnel"` // every stage of the dictionary, in its order
	Risks           []SignalCount    `json:"risks"`
	SalesSigs       []SignalCount    `json:"sales"`
	Responses       *Responses       `json:"responses"`       // of chats; nil: none with times
	EmailResponses  *Responses       `json:"email_responses"` // of e-mails; nil: none with times
	Unresolved      []Theme          `json:"unresolved"`      // at most 10
	Recommendations []Recommendation `json:"recommendations"`
}

// Topic is a topic of conversation.
type Topic struct {
	Name          string   `json:"name"` // the analyser's key: schemas.TopicName has its name in the reader's language
	Count         int64    `json:"count"`
	Previous      int64    `json:"previous"`
	Share         *float64 `json:"share"`          // 0..1 of the analysed conversations of the period
	PreviousShare *float64 `json:"previous_share"` // nil: the period before has no analysed ones
	Growth        *float64 `json:"growth"`         // (count-previous)/previous; nil when there was none before
	CSAT          *float64 `json:"csat"`
	Sentiments    int64    `json:"sentiments"` // conversations with a sentiment
	Negative      *float64 `json:"negative"`   // 0..1 of those with a sentiment
}

// Reason is why people get in touch, and how that ends.
type Reason struct {
	Name     string  `json:"name"`
	Count    int64   `json:"count"`
	Previous int64   `json:"previous"`
	Outcomes []Count `json:"outcomes"` // by id in the dictionary resolved_status
}

// Count is a number of conversations by dictionary id.
type Count struct {
	ID    int64 `json:"id"`
	Count int64 `json:"count"`
}

// Stage is a stage of the sales funnel. A conversation has one: the furthest on
// the way from awareness to a purchase.
type Stage struct {
	ID              int64 `json:"id"`    // in the dictionary funnel_stage
	Count           int64 `json:"count"` // conversations that came so far and no further
	Previous        int64 `json:"previous"`
	Apart           bool  `json:"apart"`   // none and retention: not on the way to a sale; Reached is Count
	Reached         int64 `json:"reached"` // came at least so far
	PreviousReached int64 `json:"previous_reached"`
	// Conversion is the share 0..1 of those that reached the stage before; nil of
	// the first one and of those Apart.
	Conversion *float64 `json:"conversion"`
}

// First responses that Responses.Within counts, in seconds: nobody expects
// e-mails to be answered as chats are.
const (
	ResponseTarget = 60
	EmailTarget    = 24 * 60 * 60
)

// Responses are how fast written questions of one kind are answered, in seconds.
type Responses struct {
	Conversations int64   `json:"conversations"` // with a first response
	Target        float64 `json:"target"`
	Median        float64 `json:"median"`
	P90           float64 `json:"p90"`
	P95           float64 `json:"p95"`
	Within        float64 `json:"within"`  // 0..1 of them answered within Target
	Average       float64 `json:"average"` // mean of average_response
}

// Theme is a reason for contact that stays open.
type Theme struct {
	Reason     string   `json:"reason"`
	Unresolved int64    `json:"unresolved"`
	Total      int64    `json:"total"`  // with a known outcome: what Unresolved is a share of
	CSAT       *float64 `json:"csat"`   // of the unresolved ones
	Quotes     []Quote  `json:"quotes"` // at most 3
}

// Recommendation is a piece of advice with the numbers it rests on. Its words
// belong to charts, which has them in every language; Key names them.
type Recommendation struct {
	Key     string  `json:"key"`     // one of the Advise constants
	Subject string  `json:"subject"` // a topic, reason, operator or weekday and hour, as the key says
	Value   float64 `json:"value"`   // what was measured
	Against float64 `json:"against"` // what it is held against
	Count   int64   `json:"count"`   // conversations it rests on, as the key says
}

// Advice, what Subject, Value and Against are, and when it is given. What is held
// against the period before, or against all others, differs by more than chance.
const (
	AdviseTopicGrowth   = "topic_growth"   // topic; its share 0..1 of conversations; the share before, two thirds of it or less; Count has the topic.
	AdviseNewTopic      = "new_topic"      // topic; its share 0..1 of conversations; 0: there was none before; Count has the topic.
	AdviseUnresolved    = "unresolved"     // reason; its share unresolved 0..1 of the known outcomes, which Count is; that of all.
	AdviseSlowResponse  = "slow_response"  // ""; share of chats answered within the target 0..1; 0.8; Count is of chats.
	AdvisePeak          = "peak"           // "w h": weekday 0..6 and hour of the busiest hour; its conversations a day that has it; the mean of an hour with any; Count is their sum.
	AdviseRisk          = "risk"           // key of the dictionary risk_signal; share 0..1 of the analysed; the share before; Count shows it.
	AdviseSales         = "sales"          // key of the dictionary sales_signal; its conversations; those that ended resolved; Count shows it.
	AdviseSatisfaction  = "satisfaction"   // ""; mean CSAT; the mean before, more by 0.5 or more; Count has a CSAT.
	AdviseNegativeTopic = "negative_topic" // topic; its negative share 0..1 of those with a sentiment, which Count is; that of all.
)

// Daily is the report of one day, or of a few, hour by hour (report_type daily).
type Daily struct {
	Total         Figures       `json:"total"`
	Previous      Figures       `json:"previous"`
	Hours         []Hour        `json:"hours"`          // 24, summed over the days of the period; conversations that have a date and no time are in none
	Operators     []Operator    `json:"operators"`      // the busiest ones, without their cases
	OperatorCount int64         `json:"operator_count"` // as in Quality
	Topics        []Topic       `json:"topics"`         // at most 10
	Risks         []SignalCount `json:"risks"`
	SalesSigs     []SignalCount `json:"sales"`
	Attention     []Case        `json:"attention"` // at most 10: risky, unresolved or unhappy, worst first
}

// Hour is an hour of the day with its figures.
type Hour struct {
	Hour int64 `json:"hour"` // 0..23
	Figures
}

// Score is the composite of a conversation or of a set of them, 0..100: the mean
// of what is known of politeness, empathy, CSAT, script alignment and checklist,
// each on 0..100; nil when nothing is. Politeness is the 1..5 grade.
func Score(politeness, empathy, csat, script, checklist *float64) *float64 {
	var sum, n float64
	add := func(v *float64, low, high float64) {
		if v != nil {
			sum, n = sum+(*v-low)/(high-low)*100, n+1
		}
	}
	add(politeness, 1, 5)
	add(empathy, 0, 1)
	add(csat, 0, 10)
	add(script, 0, 100)
	add(checklist, 0, 1)
	if n == 0 {
		return nil
	}
	mean := sum / n
	return &mean
}
