package warehouse

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"earshot/schemas"
)

// interaction is one row of the table interactions, field by column; the
// columns are described in schemas/ddl.
type interaction struct {
	Org          string    `ch:"org"`
	Code         uuid.UUID `ch:"code"`
	Version      uint64    `ch:"version"`
	UpdatedAt    time.Time `ch:"updated_at"`
	Status       string    `ch:"status"`
	ErrorCode    int32     `ch:"error_code"`
	ErrorMessage string    `ch:"error_message"`

	ID             int64      `ch:"id"`
	User           int64      `ch:"user_id"`
	Type           string     `ch:"type"`
	Source         string     `ch:"source"`
	ExternalID     string     `ch:"external_id"`
	ProcessingType string     `ch:"processing_type"`
	ReportType     string     `ch:"report_type"`
	FileName       string     `ch:"file_name"`
	ContentType    string     `ch:"content_type"`
	Blob           string     `ch:"blob"`
	Digest         string     `ch:"digest"`
	Bytes          int64      `ch:"bytes"`
	DirectoryID    int64      `ch:"directory_id"`
	OperatorName   string     `ch:"operator_name"`
	ClientID       string     `ch:"client_id"`
	CallType       string     `ch:"call_type"`
	CallDate       *time.Time `ch:"call_date"`
	CallTime       *time.Time `ch:"call_time"`
	CallDatetime   time.Time  `ch:"call_datetime"`
	CreatedAt      time.Time  `ch:"created_at"`
	Seconds        float64    `ch:"seconds"`
	Length         float64    `ch:"length"`
	Language       string     `ch:"language"`

	Text  string   `ch:"text"`
	Words []string `ch:"words"`

	AnalysisVersion   uint32   `ch:"analysis_version"`
	Engine            string   `ch:"engine"`
	SpeechModel       string   `ch:"speech_model"`
	Profile           string   `ch:"profile"`
	RoleSource        string   `ch:"role_source"`
	RoleConfidence    *float64 `ch:"role_confidence"`
	NoSpeech          bool     `ch:"no_speech"`
	Summary           string   `ch:"summary"`
	Sentiment         string   `ch:"sentiment"`
	SentimentScore    *float64 `ch:"sentiment_score"`
	Tone              uint8    `ch:"tone_id"`
	CSAT              *uint8   `ch:"csat"`
	Politeness        *float64 `ch:"politeness"`
	PolitenessGrade   uint8    `ch:"politeness_grade"`
	Empathy           *float64 `ch:"empathy"`
	Tags              []string `ch:"tags"`
	TagKeys           []string `ch:"tag_keys"`
	Topics            []string `ch:"topics"`
	Intent            string   `ch:"intent"`
	Reason            string   `ch:"reason"`
	Product           string   `ch:"product"`
	RootCause         string   `ch:"root_cause"`
	DecisionDriver    string   `ch:"decision_driver"`
	KeyObstacles      string   `ch:"key_obstacles"`
	EmotionalDynamics string   `ch:"emotional_dynamics"`
	NextAction        string   `ch:"next_action"`
	Resolution        uint8    `ch:"resolved_status_id"`
	Priority          uint8    `ch:"priority_id"`
	FunnelStage       uint8    `ch:"funnel_stage_id"`
	Risks             []uint8  `ch:"risk_signal_ids"`
	Sales             []uint8  `ch:"sales_signal_ids"`
	Actions           []string `ch:"actions"`
	Commitments       []string `ch:"operator_commitments"`
	Categories        []int64  `ch:"category_ids"`
	ChecklistIDs      []int64  `ch:"checklist_ids"`
	ChecklistAnswers  []string `ch:"checklist_answers"`
	ChecklistKeys     []string `ch:"checklist_keys"`
	ScriptAlignment   *float64 `ch:"script_alignment"`
	ScriptID          int64    `ch:"script_id"`
	ScriptVersion     int64    `ch:"script_version"`

	Turns            uint32   `ch:"turns"`
	OperatorTurns    uint32   `ch:"operator_turns"`
	CustomerTurns    uint32   `ch:"customer_turns"`
	WordCount        uint32   `ch:"word_count"`
	OperatorTalk     *float64 `ch:"operator_talk"`
	CustomerTalk     *float64 `ch:"customer_talk"`
	Silence          *float64 `ch:"silence"`
	Overlap          *float64 `ch:"overlap"`
	Interruptions    *uint32  `ch:"interruptions"`
	FirstResponse    *float64 `ch:"first_response"`
	AverageResponse  *float64 `ch:"average_response"`
	LongestMonologue *float64 `ch:"longest_monologue"`
	Hold             *float64 `ch:"hold"`

	OperatorMonologue       *float64 `ch:"operator_longest_monologue"`
	CustomerMonologue       *float64 `ch:"customer_longest_monologue"`
	OperatorWordsPerMinute  *float64 `ch:"operator_words_per_minute"`
	CustomerWordsPerMinute  *float64 `ch:"customer_words_per_minute"`
	OperatorShareOfTalk     *float64 `ch:"operator_share_of_talk"`
	CustomerShareOfTalk     *float64 `ch:"customer_share_of_talk"`
	OperatorShareOfDuration *float64 `ch:"operator_share_of_duration"`
	CustomerShareOfDuration *float64 `ch:"customer_share_of_duration"`
	OperatorInterruptions   *uint32  `ch:"operator_interruptions"`
	CustomerInterruptions   *uint32  `ch:"customer_interruptions"`

	Analysis string `ch:"analysis"`
}

// ledgerLine is one row of the table usage.
type ledgerLine struct {
	Org      string    `ch:"org"`
	ID       string    `ch:"id"`
	TaskCode string    `ch:"task_code"`
	Resource string    `ch:"resource"`
	Units    int64     `ch:"units"`
	At       time.Time `ch:"at"`

	Processing string `ch:"processing_type"`
}

// rowVersion orders the rows of a task: first by status, then by the version
// of what the status brought.
func rowVersion(status, content int64) (uint64, error) {
	if status <= 0 || status > math.MaxInt32 || content < 0 || content > math.MaxUint32 {
		return 0, fmt.Errorf("status version %d with version %d is out of range", status, content)
	}
	return uint64(status)<<32 | uint64(content), nil
}

// taskRow is the part of a row that the task gives.
func taskRow(t schemas.Task, status string, version uint64, updated time.Time) (*interaction, error) {
	code, err := uuid.Parse(t.Code)
	if err != nil {
		return nil, fmt.Errorf("task code %q is not a UUID", t.Code)
	}
	if t.Org == "" {
		return nil, fmt.Errorf("task %s has no organisation", t.Code)
	}
	row := &interaction{
		Org: t.Org, Code: code, Version: version, UpdatedAt: updated, Status: status,
		ID: t.ID, User: t.User, Type: t.Type, Source: t.Source, ExternalID: t.ExternalID, ProcessingType: t.Processing,
		ReportType: t.ReportType, FileName: t.FileName, ContentType: t.ContentType, Blob: t.Blob, Digest: t.Digest, Bytes: t.Bytes,
		DirectoryID: t.DirectoryID, OperatorName: t.OperatorName, ClientID: t.ClientID, CallType: t.CallType,
		CallDatetime: t.CreatedAt, CreatedAt: t.CreatedAt, Seconds: t.Seconds, Length: minutes(t.Seconds), Language: t.Language,
	}
	if day, err := time.Parse(time.DateOnly, t.CallDate); err == nil {
		row.CallDate, row.CallDatetime = &day, day
	}
	if !t.CallTime.IsZero() {
		row.CallTime, row.CallDatetime = &t.CallTime, t.CallTime
	}
	return row, row.checkTimes()
}

// checkTimes keeps out what ClickHouse would refuse the whole batch for.
func (r *interaction) checkTimes() error {
	times := map[string]time.Time{"updated_at": r.UpdatedAt, "created_at": r.CreatedAt, "call time": r.CallDatetime}
	for name, t := range times {
		if err := checkTime(name, t); err != nil {
			return fmt.Errorf("task %s: %w", r.Code, err)
		}
	}
	return nil
}

func checkTime(name string, t time.Time) error {
	if y := t.Year(); y < 1970 || y > 2199 {
		return fmt.Errorf("%s %s is not between 1970 and 2199", name, t.Format(time.RFC3339))
	}
	return nil
}

// minutes is the length as the API shows it: two decimals.
func minutes(seconds float64) float64 {
	return math.Round(seconds/60*100) / 100
}

func (r *interaction) setConversation(language, roleSource string, noSpeech bool, utterances []schemas.Utterance) {
	if language != "" {
		r.Language = language
	}
	r.RoleSource, r.NoSpeech = roleSource, noSpeech
	r.Text = schemas.DialogueText(utterances)
	r.Turns = uint32(len(utterances))
}

func (r *interaction) setAnalysis(a schemas.Analysis) error {
	r.AnalysisVersion, r.Engine, r.Summary = uint32(a.Version), a.Engine, a.Summary
	r.SpeechModel, r.Profile = a.SpeechModel, a.Profile
	if r.Sentiment = a.Sentiment; !a.NoSpeech {
		r.SentimentScore = &a.SentimentScore
	}
	r.Tone = termID(schemas.DictTone, a.Tone)
	r.Politeness, r.Empathy = a.Politeness, a.Empathy
	if a.Politeness != nil {
		r.PolitenessGrade = uint8(schemas.PolitenessGrade(*a.Politeness))
	}
	r.Tags, r.Topics, r.Intent, r.Product = a.Tags, a.Topics, a.Intent, a.Product
	// Without words that show it, the reason is the analyser's "not clear", in its
	// own language: no reason to be counted.
	if slices.ContainsFunc(a.Evidence, func(e schemas.Evidence) bool { return e.Judgement == "reason_for_contact" }) {
		r.Reason = a.Reason
	}
	for _, tag := range a.Tags {
		r.TagKeys = append(r.TagKeys, schemas.TagKey(tag))
	}
	r.RootCause, r.DecisionDriver, r.KeyObstacles = a.RootCause, a.Driver, a.Obstacles
	r.EmotionalDynamics, r.NextAction = a.Dynamics, a.NextAction
	r.Resolution = termID(schemas.DictResolution, a.Resolution)
	r.Priority = termID(schemas.DictPriority, a.Priority)
	r.FunnelStage = termID(schemas.DictFunnelStage, a.FunnelStage)
	r.Risks, r.Sales = termIDs(schemas.DictRisk, a.RiskSignals), termIDs(schemas.DictSales, a.SalesSignals)
	r.Actions, r.Commitments, r.Categories = a.Actions, a.Commitments, a.Categories
	for _, answer := range a.Checklist {
		r.ChecklistIDs = append(r.ChecklistIDs, answer.ID)
		r.ChecklistAnswers = append(r.ChecklistAnswers, answer.Answer)
		r.ChecklistKeys = append(r.ChecklistKeys, schemas.ChecklistKey(answer.ID, answer.Answer))
	}
	r.ScriptAlignment, r.ScriptID, r.ScriptVersion = a.Script, a.ScriptID, a.ScriptVer
	if a.CSAT != nil {
		if *a.CSAT < 0 || *a.CSAT > 10 {
			return fmt.Errorf("CSAT %d is not within 0..10", *a.CSAT)
		}
		csat := uint8(*a.CSAT)
		r.CSAT = &csat
	}
	a.Utterances = nil // they are in text and segments
	text, err := json.Marshal(a)
	r.Analysis = string(text)
	return err
}

func termID(dictionary, key string) uint8 { return uint8(schemas.TermID(dictionary, key)) }

func termIDs(dictionary string, keys []string) []uint8 {
	var ids []uint8
	for _, id := range schemas.TermIDs(dictionary, keys) {
		ids = append(ids, uint8(id))
	}
	return ids
}
