package schemas

import (
	"strings"
	"time"
)

// Task types, as the seed spells them (section "Get all user tasks").
const (
	TypeCall   = "call"
	TypeChat   = "chat"
	TypeEmail  = "email"
	TypeAudio  = "audio"
	TypeVideo  = "youtubenew"
	TypeReport = "callreport"
)

// Task statuses, in the order a task moves through them. A task ends in
// StatusCompleted or StatusError and never goes backwards; see StatusVersion.
const (
	StatusPending        = "pending"
	StatusProcessing     = "processing"
	StatusAudioCompleted = "audio_completed" // the transcript is stored, the analysis is not
	StatusCompleted      = "completed"       // the analysis can be queried in ClickHouse
	StatusError          = "error"
)

// Processing types of a task (DESIGN "Reading the seeds").
const (
	ProcessStandard      = "standard"
	ProcessPriority      = "priority"      // always the live lane, also in a bulk import
	ProcessAnalysis      = "analysis"      // the same as standard
	ProcessTranscription = "transcription" // no analysis, billed at that rate
)

// Speaker roles of an utterance.
const (
	RoleOperator = "operator"
	RoleCustomer = "customer"
	RoleSystem   = "system"  // bot, IVR, announcement
	RoleUnknown  = "unknown" // never shown as certain
)

// Resources that a plan limits and a task reserves.
const (
	ResourceCallMinutes  = "call_minutes"
	ResourceAudioMinutes = "audio_minutes"
	ResourceChats        = "chat_count"
	ResourceReports      = "report_count" // business reports
	ResourceDailyReports = "daily_report_count"
	ResourceVideoMinutes = "video_minutes"
	ResourceTextTokens   = "text_tokens"
	ResourceImageTokens  = "image_tokens"
)

// Resources are all of them.
var Resources = []string{ResourceCallMinutes, ResourceAudioMinutes, ResourceChats, ResourceReports, ResourceDailyReports,
	ResourceVideoMinutes, ResourceTextTokens, ResourceImageTokens}

// StatusVersion orders statuses so that a late or repeated event cannot move a
// task backwards: state and warehouse keep the highest version they have seen.
// The steps of ten leave room for statuses to come. An unknown status is 0.
func StatusVersion(status string) int64 {
	switch status {
	case StatusPending:
		return 10
	case StatusProcessing:
		return 20
	case StatusAudioCompleted:
		return 30
	case StatusError:
		return 40
	case StatusCompleted:
		return 50
	}
	return 0
}

// Task is the public record of one interaction as it was submitted. Every
// event carries the whole of it, so that each consumer can build its row from
// one event and no join is ever needed. Empty strings, zero numbers and zero
// times mean "not given".
type Task struct {
	Code         string    `avro:"code"` // UUIDv7, the public task code and the key of every event
	ID           int64     `avro:"id"`   // counts up within the organisation
	Org          string    `avro:"org"`  // organisation id, "org_" + hex
	User         int64     `avro:"user"` // who submitted it
	Type         string    `avro:"type"`
	Source       string    `avro:"source"`          // adapter: upload, chat, ...
	ExternalID   string    `avro:"external_id"`     // identity within (Org, Source); a duplicate answers with the first task
	Processing   string    `avro:"processing_type"` // one of the Process constants
	FileName     string    `avro:"file_name"`       // as the client named it; display only, never a path
	ContentType  string    `avro:"content_type"`    // sniffed, not declared
	Blob         string    `avro:"blob"`            // key in the blob store; empty for text
	Digest       string    `avro:"digest"`          // lower-case hex SHA-256 of the content
	Bytes        int64     `avro:"bytes"`
	Language     string    `avro:"language"` // ISO 639-1, "" = detect
	DirectoryID  int64     `avro:"directory_id"`
	OperatorName string    `avro:"operator_name"`
	ClientID     string    `avro:"client_id"`
	CallType     string    `avro:"call_type"` // inbound, outbound or ""
	CallDate     string    `avro:"call_date"` // YYYY-MM-DD or ""
	CallTime     time.Time `avro:"call_time"` // UTC; zero when unknown
	CreatedAt    time.Time `avro:"created_at"`
	Seconds      float64   `avro:"seconds"` // length of the audio; 0 for text or while unknown
	ReportType   string    `avro:"report_type"`
	Resource     string    `avro:"resource"`        // what was reserved: one of the Resource constants, "" = nothing
	Reserved     int64     `avro:"reserved"`        // units of Resource
	Idempotency  string    `avro:"idempotency_key"` // the client's Idempotency-Key; on the log so that it outlives Redis
	TraceParent  string    `avro:"trace_parent"`
}

// Channel says whose voice an audio channel carries.
type Channel struct {
	Index int64  `avro:"index"` // from 0
	Role  string `avro:"role"`
}

// Types of report (Task.ReportType), as seed section 3 names them.
const (
	ReportStandard = "standard" // operator quality
	ReportBusiness = "business" // for leadership
	ReportDaily    = "daily"    // one day, hour by hour
)

// ReportOrder is the period that a report is about: the time [From, Until).
// Days and hours are those of Zone.
type ReportOrder struct {
	From  time.Time `avro:"from"`
	Until time.Time `avro:"until"`
	Zone  string    `avro:"zone"` // IANA name
}

// MaxReportPeriod bounds Until - From of a ReportOrder: a year, the days around
// it that somebody may add, and an hour for clocks that were changed between.
const MaxReportPeriod = 400*24*time.Hour + time.Hour

// TaskSubmitted is the one event of a submission: the task, and what a
// processor needs beyond it. Topics tasks.audio, tasks.text, tasks.report.
type TaskSubmitted struct {
	Task       Task         `avro:"task"`
	Channels   []Channel    `avro:"channels"`   // audio: roles by channel; empty = ChannelRoles(Task.Source)
	Utterances []Utterance  `avro:"utterances"` // text: cleaned and split once, at ingest
	Report     *ReportOrder `avro:"report"`     // nil for all but reports; Task has type and language of one
}

// Utterance is one turn of a conversation.
type Utterance struct {
	Turn       int64    `avro:"turn"` // from 0, in time order
	Speaker    string   `avro:"speaker"`
	Channel    int64    `avro:"channel"` // audio channel, -1 when there is none
	Start      *float64 `avro:"start"`   // seconds from the beginning; nil = unknown
	End        *float64 `avro:"end"`
	Text       string   `avro:"text"`
	Confidence *float64 `avro:"confidence"` // 0..1, of the recogniser; nil for text
	Sentiment  *float64 `avro:"sentiment"`  // -1..1, set by the analysis
	// RoleConfidence is how sure Speaker is, 0..1; nil where nobody guessed: the
	// channel or the submission says who it is, or the speaker is unknown.
	RoleConfidence *float64 `avro:"role_confidence"`
	Words          []Word   `avro:"words"` // with their times; empty for text and where the recogniser gave none
}

// Word is one word of an utterance, with its times on the same clock.
type Word struct {
	Start      float64  `avro:"start"` // seconds
	End        float64  `avro:"end"`
	Text       string   `avro:"text"`       // with its punctuation, without spaces around it
	Confidence *float64 `avro:"confidence"` // 0..1
}

// Transcript is what the recogniser heard. Topic transcripts.
type Transcript struct {
	Task       Task        `avro:"task"`
	Version    int64       `avro:"version"`     // 1 for the first transcript of a task, then up
	Language   string      `avro:"language"`    // ISO 639-1
	RoleSource string      `avro:"role_source"` // one of the RoleFrom constants
	NoSpeech   bool        `avro:"no_speech"`
	Engine     string      `avro:"engine"` // what made it, with its version
	Model      string      `avro:"model"`  // file name and digest of the weights
	Utterances []Utterance `avro:"utterances"`
	Sound      Sound       `avro:"sound"`
	Metrics    Metrics     `avro:"metrics"`
	CreatedAt  time.Time   `avro:"created_at"`
}

// SpeechModel names what heard the recording, engine and weights with their
// versions; "" when the transcript does not say.
func (t Transcript) SpeechModel() string { return strings.TrimSpace(t.Engine + " " + t.Model) }

// Where the roles of a conversation are known from.
const (
	RoleFromChannel  = "channel"  // each side was recorded on a channel of its own
	RoleFromDiarized = "diarized" // voices told apart by their sound, then named by what they say
	RoleFromText     = "text"     // what is said, or what the submitted text says
)

// Sound is what a recording tells beyond its words. Empty for text, but for the
// RoleConfidence of e-mails.
type Sound struct {
	// RoleConfidence is how sure the roles are as a whole, 0..1; nil where
	// nobody guessed.
	RoleConfidence *float64     `avro:"role_confidence"`
	Suppressed     []Suppressed `avro:"suppressed"`
	Marks          []Mark       `avro:"marks"`
}

// Suppressed is what the recogniser wrote and nobody is believed to have said.
// It is kept, so that a person can disagree.
type Suppressed struct {
	Channel int64   `avro:"channel"`
	Start   float64 `avro:"start"` // seconds on the clock of the recording
	End     float64 `avro:"end"`
	Text    string  `avro:"text"`
	Reason  string  `avro:"reason"` // one of the Suppressed constants
}

// Why a stretch of text was suppressed.
const (
	SuppressedNoSound     = "no_sound"    // the voice detector hears nobody there
	SuppressedNoSpeech    = "no_speech"   // the recogniser itself doubts that anybody speaks
	SuppressedLogProb     = "log_prob"    // the recogniser guessed
	SuppressedEntropy     = "entropy"     // the text holds too little for its length
	SuppressedRepetition  = "repetition"  // the same again and again
	SuppressedBoilerplate = "boilerplate" // what recognisers learnt from subtitles
	SuppressedBleed       = "bleed"       // the other channel's voice, heard through
)

// Mark is a stretch of a recording that is no conversation.
type Mark struct {
	Kind    string  `avro:"kind"`    // one of the Mark constants
	Channel int64   `avro:"channel"` // -1 when it is on all of them
	Start   float64 `avro:"start"`
	End     float64 `avro:"end"`
}

// Kinds of Mark.
const (
	MarkMusic = "music" // hold music
	MarkTone  = "tone"  // ringing, busy, fax, beeps
	MarkIVR   = "ivr"   // an announcement of a machine
	MarkHold  = "hold"  // one party waits: music or silence between "please hold" and "thank you for holding"
)

// TaskStatus moves a task. Topic status: the one of the highest version is the
// task's state.
type TaskStatus struct {
	Task      Task      `avro:"task"`
	Status    string    `avro:"status"`
	Version   int64     `avro:"version"` // StatusVersion(Status)
	ErrorCode int64     `avro:"error_code"`
	Error     string    `avro:"error_message"` // for a person: what was wrong and what to do
	CSAT      *int64    `avro:"csat"`          // set with StatusCompleted
	UpdatedAt time.Time `avro:"updated_at"`
	// Files are the names of what a completed report left in the blob store, the
	// one to open first at the front; see ReportKey.
	Files []string `avro:"files"`
}

// ReportKey is where a file of a report lies in the blob store. Both parts of
// its folder are ours; name is one of TaskStatus.Files.
func ReportKey(t Task, name string) string { return t.Org + "/reports/" + t.Code + "/" + name }

// EntityChanged is one version of a directory, user, organisation, plan,
// checklist question, script or saved filter. Topic entities (compacted).
type EntityChanged struct {
	Org       string    `avro:"org"`
	Kind      string    `avro:"kind"` // one of the Kind constants
	ID        string    `avro:"id"`   // unique within (Org, Kind)
	Version   int64     `avro:"version"`
	Deleted   bool      `avro:"deleted"`
	Data      []byte    `avro:"data"` // JSON of the entity struct of that kind
	UpdatedAt time.Time `avro:"updated_at"`
}

// UsageRecorded is one line of the quota ledger. Topic usage. The same ID is
// counted once, however often it arrives.
type UsageRecorded struct {
	ID       string    `avro:"id"` // task code + "/" + resource
	Org      string    `avro:"org"`
	TaskCode string    `avro:"task_code"`
	Resource string    `avro:"resource"`
	Units    int64     `avro:"units"` // what the task really used: minutes rounded up, chats, reports
	At       time.Time `avro:"at"`
	// Processing is the task's processing type, one of the Process constants: at
	// which rate the units are billed (ProcessTranscription has a price of its own,
	// seed section 12). "" in lines of before it was recorded, none of which says more.
	Processing string `avro:"processing_type"`
}

// AnalysisRequested asks for a finished task to be analysed again with the
// settings that are in force when that happens: a new version of the analysis,
// not a new task. Topic again. What was said is read from the database, so that
// the log does not hold it once more for each request.
type AnalysisRequested struct {
	Org      string    `avro:"org"`
	TaskCode string    `avro:"task_code"`
	Version  int64     `avro:"version"` // that the analysis will have, or a later one when a person's answer took that
	User     int64     `avro:"user"`    // who asked
	At       time.Time `avro:"at"`      // fulfilled by an analysis with this AskedAt, or a later one
}

// DeadLetter is a record that was given up on. Topic deadletter; `earshot
// replay` produces Value to Topic again.
type DeadLetter struct {
	Topic     string    `avro:"topic"`
	Partition int64     `avro:"partition"`
	Offset    int64     `avro:"offset"`
	Key       []byte    `avro:"key"`
	Value     []byte    `avro:"value"`
	Stage     string    `avro:"stage"`  // transcribe, analyze, report, warehouse, state
	Reason    string    `avro:"reason"` // for a person
	Attempts  int64     `avro:"attempts"`
	At        time.Time `avro:"at"`
}
