package api

import (
	"errors"
	"math"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"earshot/schemas"
)

// Forms of a time in the seed's answers; both are UTC.
func precise(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
func stamp(t time.Time) string   { return t.UTC().Format("2006-01-02T15:04:05+00:00") }

// optional is nil, null in JSON, for what is not given.
func optional[T comparable](v T) *T {
	var none T
	if v == none {
		return nil
	}
	return &v
}

func optionalStamp(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := stamp(t)
	return &s
}

// minutes is a length as the API shows it, to two decimals.
func minutes(seconds float64) float64 { return math.Round(seconds/60*100) / 100 }

type taskAnswer struct {
	Success     bool        `json:"success"`
	ErrorCode   int64       `json:"error_code"`
	ID          int64       `json:"id"`
	Type        string      `json:"type"`
	Status      string      `json:"status"`
	FileName    *string     `json:"file_name"`
	CreatedAt   string      `json:"created_at"`
	UpdatedAt   string      `json:"updated_at"`
	CallDate    *string     `json:"call_date"`
	Error       *string     `json:"error_message"`
	DirectoryID *int64      `json:"directory_id"`
	ReportType  *string     `json:"report_type"`
	TaskCode    string      `json:"task_code"`
	TaskLength  float64     `json:"task_length"`
	ShortCode   string      `json:"short_code,omitempty"` // of ours, and of reports
	Result      *taskResult `json:"task_result"`
	Task        taskFailure `json:"task"`
}

// taskFailure is why the task itself failed, a field of our own: the error_code
// beside it is that of the request, which went well.
type taskFailure struct {
	ErrorCode int64   `json:"error_code"` // 0: it did not fail
	Error     *string `json:"error_message"`
}

// taskResult holds the text, or of a report the names of its files; the other
// fields are the seed's, for modes that Earshot does not have.
type taskResult struct {
	BlogPost       *string  `json:"blog_post"`
	ImagePrompt    *string  `json:"image_prompt"`
	NormalizedText *string  `json:"normalized_text"`
	OriginalText   *string  `json:"original_text"`
	Files          []string `json:"files,omitempty"` // for GET /user/callreport/file
}

// taskCode reads a task code; 4021 for what is none, as for a code that nobody
// has.
func taskCode(s string) (string, error) {
	id, err := uuid.Parse(s)
	if err != nil {
		return "", schemas.Fail(schemas.CodeTaskNotFound, "")
	}
	return id.String(), nil
}

// getTask answers GET /gettask: 4020, 4021.
func (a *API) getTask(c *fiber.Ctx) error {
	given := c.Query("task_code")
	if given == "" {
		return schemas.Fail(schemas.CodeNoTaskCode, "")
	}
	code, err := taskCode(given)
	if err != nil {
		return err
	}
	call := callOf(c.Context())
	org := call.user.Org
	t, err := a.Store.Task(c.UserContext(), org, code)
	if err != nil {
		return err
	}
	text, there := t.Text, t.HasText
	if !there && t.Task.Type != schemas.TypeReport && schemas.StatusVersion(t.Status) == schemas.StatusVersion(schemas.StatusCompleted) {
		if text, err = a.Reader.Text(c.UserContext(), org, code); err != nil && !isCode(err, schemas.CodeTaskNotFound) {
			return err
		}
		there = text != ""
	}
	answer := taskAnswer{
		Success: true, ID: t.Task.ID, Type: t.Task.Type, Status: t.Status, FileName: optional(t.Task.FileName),
		CreatedAt: stamp(t.Task.CreatedAt), UpdatedAt: stamp(t.UpdatedAt), CallDate: optional(t.Task.CallDate), Error: optional(schemas.Retell(t.Error, call.lang)),
		DirectoryID: optional(t.Task.DirectoryID), ReportType: optional(t.Task.ReportType), TaskCode: t.Task.Code, TaskLength: minutes(t.Task.Seconds),
		Task: taskFailure{t.ErrorCode, optional(schemas.Retell(t.Error, call.lang))},
	}
	if there {
		answer.Result = &taskResult{OriginalText: &text}
	}
	if t.Task.Type == schemas.TypeReport {
		answer.ShortCode, answer.Result = shortCode(code), nil
		if len(t.Files) > 0 {
			answer.Result = &taskResult{Files: t.Files}
		}
	}
	return a.ok(c, answer)
}

func isCode(err error, code schemas.Code) bool {
	var coded *schemas.Error
	return errors.As(err, &coded) && coded.Code == code
}

type filterAnswer struct {
	Tasks      []taskRow  `json:"tasks"`
	Pagination pagination `json:"pagination"`
}

type taskRow struct {
	ID           int64   `json:"id"`
	Type         string  `json:"type"`
	Status       string  `json:"status"`
	FileName     *string `json:"file_name"`
	CreatedAt    *string `json:"created_at"`
	UpdatedAt    *string `json:"updated_at"`
	OperatorName *string `json:"operator_name"`
	CallTime     *string `json:"call_time"`
	CallType     *string `json:"call_type"`
	CallDate     *string `json:"call_date"`
	Error        *string `json:"error_message"`
	DirectoryID  *int64  `json:"directory_id"`
	TaskLength   float64 `json:"task_length"`
	TaskCode     string  `json:"task_code"`
	ReportType   *string `json:"report_type"`
	CSAT         *int64  `json:"customer_satisfaction_score"`
	ErrorCode    int64   `json:"error_code"` // ours: why the task failed, 0 when it did not
}

type pagination struct {
	Page    int   `json:"current_page"`
	PerPage int   `json:"per_page"`
	Total   int64 `json:"total_tasks"`
	Pages   int64 `json:"total_pages"`
}

// filterTasks answers GET and POST /tasks/filter and /user/tasks/filter: 4001, and
// 4066 for a saved_filter that the user does not have.
func (a *API) filterTasks(c *fiber.Ctx) error {
	criteria, err := a.criteriaOf(c)
	if err != nil {
		return err
	}
	call := callOf(c.Context())
	page, err := a.Reader.Filter(c.UserContext(), call.user.Org, criteria)
	if err != nil {
		return err
	}
	answer := filterAnswer{make([]taskRow, len(page.Tasks)), pagination{page.Page, page.PerPage, page.Total, page.Pages()}}
	for i, t := range page.Tasks {
		answer.Tasks[i] = taskRow{
			t.ID, t.Type, t.Status, optional(t.FileName), optionalStamp(t.CreatedAt), optionalStamp(t.UpdatedAt), optional(t.OperatorName),
			optionalStamp(t.CallTime), optional(t.CallType), optional(t.CallDate), optional(schemas.Retell(t.Error, call.lang)), optional(t.DirectoryID),
			t.Length, t.Code, optional(t.ReportType), t.CSAT, t.ErrorCode,
		}
	}
	return a.ok(c, answer)
}
