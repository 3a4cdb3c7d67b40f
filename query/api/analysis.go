package api

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"earshot/schemas"
	"earshot/sinks/state"
)

type analysisAnswer struct {
	Success    bool             `json:"success"`
	ErrorCode  int64            `json:"error_code"`
	TaskCode   string           `json:"task_code"`
	CallTime   string           `json:"call_datetime"`
	CallType   *string          `json:"call_type"`
	Seconds    int64            `json:"duration_sec"`
	Transcript transcriptAnswer `json:"transcript"`
	Analysis   judgements       `json:"analysis"`
	Checklists []checklist      `json:"call_checklists"`
	Categories []int64          `json:"category_ids"`
	CSAT       *int64           `json:"customer_satisfaction_score"`
}

type transcriptAnswer struct {
	Language string `json:"language"`
	Turns    int64  `json:"turns"`
}

// judgements are the seed's fields first, then ours.
type judgements struct {
	Summary   string   `json:"summary"`
	Sentiment string   `json:"sentiment"`
	Scores    scores   `json:"scores"`
	Actions   []string `json:"actions"`
	Tags      []string `json:"tags"`
	Notes     notes    `json:"analysis_notes"`

	Resolution     string       `json:"resolution"`
	SentimentScore *float64     `json:"sentiment_score"` // null when nobody spoke
	Intent         string       `json:"intent"`
	Topics         []string     `json:"topics"`
	Dictionaries   terms        `json:"dictionaries"`
	Script         *scriptMatch `json:"script_alignment"`
	Metrics        metrics      `json:"metrics"`
	Evidence       []evidence   `json:"evidence"`
	NoSpeech       bool         `json:"no_speech"`
	RoleSource     string       `json:"role_source"`     // channel, diarized, text
	RoleConfidence *float64     `json:"role_confidence"` // 0..1 where the roles are guessed, else null
	Sound          sound        `json:"sound"`
	Engine         string       `json:"engine"`
	Version        int64        `json:"version"`
}

type scores struct {
	CSAT       *int64   `json:"csat"`
	Politeness *float64 `json:"politeness"`
	Empathy    *float64 `json:"empathy"`
}

type notes struct {
	Driver      string `json:"decision_driver"`
	Dynamics    string `json:"emotional_dynamics"`
	FunnelStage string `json:"funnel_stage"`
	Intention   string `json:"intention"`
	Obstacles   string `json:"key_obstacles"`
	NextAction  string `json:"next_action"`
	Commitments string `json:"operator_commitments"`
	Product     string `json:"product_or_service"`
	Reason      string `json:"reason_for_contact"`
	Risks       string `json:"risk_signals"`
	RootCause   string `json:"root_cause"`
	Sales       string `json:"sales_signals"`
}

// term is an entry of a dictionary; the filter parameters take its ID.
type term struct {
	ID   int64  `json:"id"`
	Key  string `json:"key"`
	Name string `json:"name"`
}

type terms struct {
	Tone       *term  `json:"tone"`
	Resolution *term  `json:"resolved_status"`
	Priority   *term  `json:"priority"`
	Funnel     *term  `json:"funnel_stage"`
	Risks      []term `json:"risk_signal"`
	Sales      []term `json:"sales_signal"`
}

type scriptMatch struct {
	Score     float64 `json:"score"` // 0..100
	ScriptID  int64   `json:"script_id"`
	ScriptVer int64   `json:"script_version"`
}

type evidence struct {
	Judgement string   `json:"judgement"`
	Turn      int64    `json:"turn"`
	Speaker   string   `json:"speaker"`
	Guessed   bool     `json:"speaker_guessed"` // by what is heard; see role_confidence
	Quote     string   `json:"quote"`
	Start     *float64 `json:"start_sec"`
}

// checklist is the answer to one checklist question. "checklist_id" names a
// question everywhere else (filter, /checklist), so it does here: one entry a
// question, and an id read here can be used there.
type checklist struct {
	ID      int64    `json:"checklist_id"`
	Title   string   `json:"title"`
	Score   *float64 `json:"score"` // null for a person's own words
	Answers []answer `json:"answers"`
}

type answer struct {
	QuestionID int64      `json:"question_id"`
	Title      string     `json:"title"`
	Value      bool       `json:"value"`  // true for Yes only
	Answer     string     `json:"answer"` // localised
	Evidence   []evidence `json:"evidence"`
	AnsweredBy *int64     `json:"answered_by"` // the user who answered in place of the analyser, else null
}

// callsAnalysis answers GET /api/calls_analysis_v2/{task_code}: 4021, and 4057
// while there is no analysis.
func (a *API) callsAnalysis(c *fiber.Ctx) error {
	code, err := taskCode(c.Params("task_code"))
	if err != nil {
		return err
	}
	call := callOf(c.Context())
	// The state knows a task before ClickHouse does, so it tells an unknown
	// one from one that is not analysed yet.
	versions, err := a.Store.Versions(c.UserContext(), []state.TaskKey{{Org: call.user.Org, Code: code}})
	if err != nil {
		return err
	}
	if versions[0] == 0 {
		return schemas.Fail(schemas.CodeTaskNotFound, "")
	}
	found, err := a.Reader.Analysis(c.UserContext(), call.user.Org, code)
	if isCode(err, schemas.CodeTaskNotFound) {
		return schemas.Fail(schemas.CodeNoAnalysis, "")
	}
	if err != nil {
		return err
	}
	return a.ok(c, newAnalysis(found, call.lang))
}

func newAnalysis(a schemas.Analysis, lang string) analysisAnswer {
	return analysisAnswer{
		Success: true, TaskCode: a.Task.Code, CallTime: stamp(callTime(a.Task)), CallType: optional(a.Task.CallType),
		Seconds: int64(math.Round(a.Task.Seconds)), Transcript: transcriptAnswer{a.Language, a.Metrics.Turns},
		Analysis: newJudgements(a, lang), Checklists: newChecklists(a, lang), Categories: list(a.Categories), CSAT: a.CSAT,
	}
}

// callTime is the time that filters go by: when the call was, else its day,
// else when it was submitted.
func callTime(t schemas.Task) time.Time {
	if !t.CallTime.IsZero() {
		return t.CallTime
	}
	if day, err := time.Parse(time.DateOnly, t.CallDate); err == nil {
		return day
	}
	return t.CreatedAt
}

// list is never null in JSON.
func list[T any](v []T) []T {
	if v == nil {
		return []T{}
	}
	return v
}

func newJudgements(a schemas.Analysis, lang string) judgements {
	j := judgements{
		Summary: a.Summary, Sentiment: cmp.Or(a.Sentiment, "unknown"), Scores: scores{a.CSAT, a.Politeness, a.Empathy}, Actions: list(a.Actions), Tags: list(a.Tags),
		Notes: notes{a.Driver, a.Dynamics, a.FunnelStage, a.Intent, a.Obstacles, a.NextAction, strings.Join(a.Commitments, "; "), a.Product,
			a.Reason, signals(a.RiskSignals), a.RootCause, signals(a.SalesSignals)},
		Resolution: a.Resolution, Intent: a.Intent, Topics: list(a.Topics),
		Dictionaries: terms{
			termOf(schemas.DictTone, a.Tone, lang), termOf(schemas.DictResolution, a.Resolution, lang), termOf(schemas.DictPriority, a.Priority, lang),
			termOf(schemas.DictFunnelStage, a.FunnelStage, lang), termsOf(schemas.DictRisk, a.RiskSignals, lang), termsOf(schemas.DictSales, a.SalesSignals, lang),
		},
		Metrics: newMetrics(a.Metrics), Evidence: newEvidence(a, func(string) bool { return true }),
		NoSpeech: a.NoSpeech, RoleSource: a.RoleSource, RoleConfidence: a.Sound.RoleConfidence, Sound: newSound(a.Sound), Engine: a.Engine, Version: a.Version,
	}
	if !a.NoSpeech {
		j.SentimentScore = &a.SentimentScore
	}
	if a.Script != nil {
		j.Script = &scriptMatch{*a.Script, a.ScriptID, a.ScriptVer}
	}
	return j
}

// signals is the seed's one string: the keys, or "none".
func signals(keys []string) string {
	if len(keys) == 0 {
		return "none"
	}
	return strings.Join(keys, ", ")
}

func termOf(dictionary, key, lang string) *term {
	i := slices.IndexFunc(schemas.Dictionaries[dictionary], func(t schemas.Term) bool { return t.Key == key })
	if i < 0 {
		return nil
	}
	t := schemas.Dictionaries[dictionary][i]
	return &term{t.ID, t.Key, t.Name(lang)}
}

func termsOf(dictionary string, keys []string, lang string) []term {
	out := []term{}
	for _, k := range keys {
		if t := termOf(dictionary, k, lang); t != nil {
			out = append(out, *t)
		}
	}
	return out
}

func newEvidence(a schemas.Analysis, want func(judgement string) bool) []evidence {
	out := []evidence{}
	for _, e := range a.Evidence {
		if want(e.Judgement) {
			out = append(out, evidence{e.Judgement, e.Turn, e.Speaker, a.Sound.RoleConfidence != nil && e.Speaker != schemas.RoleUnknown, e.Quote, e.Start})
		}
	}
	return out
}

func newChecklists(a schemas.Analysis, lang string) []checklist {
	out := []checklist{}
	for _, q := range a.Checklist {
		judgement := "checklist." + strconv.FormatInt(q.ID, 10)
		var score *float64
		if schemas.Scored(q.Answer) {
			score = &q.Score
		}
		out = append(out, checklist{q.ID, q.Question, score, []answer{{q.ID, q.Question, q.Answer == schemas.AnswerYes, schemas.AnswerName(q.Answer, lang),
			newEvidence(a, func(j string) bool { return j == judgement }), optional(q.AnsweredBy)}}})
	}
	return out
}
