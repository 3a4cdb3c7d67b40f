package read

import (
	"reflect"
	"strings"
	"time"

	"earshot/schemas"
)

// Bounds of a filter. A client that asks for more is told so, rather than
// given less than it believes to have.
const (
	DefaultPerPage = 10
	MaxPerPage     = 1000
	MaxPage        = 1_000_000
	maxList        = 100 // values of one list parameter
	maxText        = 256 // characters of one value
	maxMessage     = 500 // characters of message
	maxBody        = 64 << 10
)

// Criteria are the parameters of /tasks/filter, checked. All that are given
// must hold (AND); within a list one value is enough (OR), except TagsAll. Zero
// values, nil and empty lists mean "not given".
//
// Bounds are inclusive. A task for which the value is unknown (no analysis yet,
// no script, CSAT not told) matches no bound and no list on that value.
type Criteria struct {
	TaskCode   string // a UUID in canonical form
	LegacyCode string // a code that is no UUID: compared with the task's external id
	TaskID     *int64
	// From and Until bound the time of the conversation, UTC: From included,
	// Until not. That time is Task.CallTime, else midnight of Task.CallDate, else
	// Task.CreatedAt, so that chats and uploads without a time are found too.
	From, Until  time.Time
	Types        []string
	Statuses     []string // completed2 has become completed
	CallTypes    []string
	OperatorName string // part of the name, upper and lower case alike
	// Message is looked for in the summary and the texts of the conversation:
	// every word of it must occur, in any order, as a word or the beginning of
	// one, upper and lower case and е/ё alike.
	Message string

	Tones, Resolutions, Priorities, FunnelStages []int64 // dictionary ids
	Risks, Sales                                 []int64 // dictionary ids; a task may have several, one is enough

	ScriptMin, ScriptMax         *float64 // 0..100
	CSATMin, CSATMax             *int64   // 0..10
	Politeness                   []int64  // 1..5
	PolitenessMin, PolitenessMax *int64   // 1..5
	TagsAny, TagsAll             []string // upper and lower case alike
	LengthMin, LengthMax         *float64 // minutes, as task_length shows them (two decimals)

	// ChecklistID and Answers together: the answer to that question is one of
	// these. ChecklistID alone: the question was answered. Answers alone: some
	// question was answered so.
	ChecklistID *int64
	Answers     []string // schemas.AnswerYes and so on, or a person's own words exactly

	Page, PerPage int // from 1
}

// Empty says whether no criterion is given.
func (c Criteria) Empty() bool {
	c.Page, c.PerPage = 0, 0
	return reflect.ValueOf(c).IsZero()
}

// TaskRow is one task in a list, with every field the seed names. Empty
// strings, zero times and a zero DirectoryID mean null.
type TaskRow struct {
	ID           int64
	Code         string
	Type         string
	Status       string
	FileName     string
	CreatedAt    time.Time
	UpdatedAt    time.Time
	OperatorName string
	CallTime     time.Time
	CallType     string
	CallDate     string // YYYY-MM-DD
	ErrorCode    int64
	Error        string
	DirectoryID  int64
	Length       float64 // task_length: minutes, two decimals; 0 for texts
	ReportType   string
	CSAT         *int64 // 0..10
}

// Page is one page of a filter's answer, newest change first (updated_at, then
// id, descending).
type Page struct {
	Tasks   []TaskRow
	Page    int
	PerPage int
	Total   int64 // of all pages
}

// Pages is the number of pages.
func (p Page) Pages() int64 {
	if p.PerPage <= 0 {
		return 0
	}
	return (p.Total + int64(p.PerPage) - 1) / int64(p.PerPage)
}

var (
	taskTypes = map[string]string{schemas.TypeCall: schemas.TypeCall, schemas.TypeChat: schemas.TypeChat, schemas.TypeEmail: schemas.TypeEmail,
		schemas.TypeAudio: schemas.TypeAudio, schemas.TypeVideo: schemas.TypeVideo, schemas.TypeReport: schemas.TypeReport}
	statuses = map[string]string{schemas.StatusPending: schemas.StatusPending, schemas.StatusProcessing: schemas.StatusProcessing,
		schemas.StatusAudioCompleted: schemas.StatusAudioCompleted, schemas.StatusCompleted: schemas.StatusCompleted,
		"completed2": schemas.StatusCompleted, schemas.StatusError: schemas.StatusError}
	callTypes = map[string]string{"inbound": "inbound", "outbound": "outbound"}
	// answers maps what a client may write, in English and Russian, to what the
	// database holds.
	answers = map[string]string{
		"yes": schemas.AnswerYes, "да": schemas.AnswerYes,
		"partially": schemas.AnswerPartially, "partial": schemas.AnswerPartially, "частично": schemas.AnswerPartially,
		"no": schemas.AnswerNo, "нет": schemas.AnswerNo,
	}
)

// ParseAnswer reads an answer to a question of a checklist as a client may write
// it: Yes, Partially and No in any case, in English or Russian, else free text,
// with single spaces between its words so that it can be looked for.
func ParseAnswer(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if answer, ok := answers[strings.ToLower(s)]; ok {
		return answer
	}
	return s
}
