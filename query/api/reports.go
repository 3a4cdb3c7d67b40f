package api

import (
	"cmp"
	"encoding/base64"
	"errors"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"github.com/valyala/fasthttp"
	"gocloud.dev/gcerrors"

	"earshot/ingest"
	"earshot/schemas"
	"earshot/schemas/report"
	"earshot/sinks/state"
)

// reportRoutes are those of reports: seed section 3 and section 10.
func (a *API) reportRoutes(app *fiber.App) {
	app.Post("/user/callreport", onlyUnauthorized, a.authenticated, a.addReport)
	app.Get("/user/callreport/file", a.reportFile)
}

// reportRequest is the body of POST /user/callreport. A date without a time is a
// day of TimeZone, and the last one is part of the period.
type reportRequest struct {
	StartDate  scalar `json:"start_date"`
	EndDate    scalar `json:"end_date"`
	ReportType scalar `json:"report_type"`
	TimeZone   scalar `json:"time_zone"` // of ours, as is Language
	Language   scalar `json:"language"`
}

type createdReport struct {
	Success   bool         `json:"success"`
	ErrorCode schemas.Code `json:"error_code"`
	Done      string       `json:"success_message"`
	TaskCode  string       `json:"report_task_code"`
	ShortCode string       `json:"report_short_code"`
	Left      *int64       `json:"available_report_count,omitempty"` // of business reports only; -1 is unlimited
}

// addReport answers POST /user/callreport: 4023 without a valid token, 4060, 4061,
// 4062, 4001 for an unknown type, language or zone and a period that is empty or
// too long, 4602.
func (a *API) addReport(c *fiber.Ctx) error {
	var in reportRequest
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	call := callOf(c.Context())
	task := schemas.Task{Org: call.user.Org, User: call.user.ID, Type: schemas.TypeReport}
	order, err := in.period()
	if err != nil {
		return err
	}
	if task.ReportType, err = oneOf("report_type", cmp.Or(in.ReportType, schemas.ReportStandard), ingest.ReportTypes...); err != nil {
		return err
	}
	if task.Language, err = oneOf("language", cmp.Or(in.Language, scalar(call.lang)), schemas.Languages...); err != nil {
		return err
	}
	if err := request(c.Context(), &task); err != nil {
		return err
	}
	receipt, err := a.Door.Submit(c.UserContext(), ingest.Submission{Task: task, Report: &order})
	if err != nil {
		return err
	}
	answer := createdReport{Success: true, Done: schemas.T("Report task created").In(call.lang), TaskCode: receipt.Task.Code, ShortCode: shortCode(receipt.Task.Code)}
	if task.ReportType == schemas.ReportBusiness {
		quota, err := a.Store.Quota(c.UserContext(), task.Org)
		if err != nil {
			return err
		}
		left := amountOf(quota, schemas.ResourceReports).available
		answer.Left = &left
	}
	return a.ok(c, answer)
}

// period reads what a report is about.
func (in *reportRequest) period() (order schemas.ReportOrder, err error) {
	if in.StartDate == "" || in.EndDate == "" {
		return order, schemas.Fail(schemas.CodeNoDates, "")
	}
	zone, err := ingest.Zone(strings.TrimSpace(string(cmp.Or(in.TimeZone, "UTC"))))
	if err != nil {
		return order, err
	}
	order.Zone = zone.String()
	if order.From, _, err = reportTime("start_date", in.StartDate, zone, 0); err != nil {
		return order, err
	}
	var day bool // the last one, which is part of the period
	if order.Until, day, err = reportTime("end_date", in.EndDate, zone, 1); err != nil {
		return order, err
	}
	if order.From.After(order.Until) || day && order.From.Equal(order.Until) {
		return order, schemas.Fail(schemas.CodeDatesReversed, "")
	}
	return order, nil
}

// reportLayouts are the forms of a date or time; one without a zone is of the
// request's.
var reportLayouts = []string{time.DateOnly, time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02 15:04:05Z07:00",
	"2006-01-02T15:04:05.999999999", time.DateTime, "2006-01-02T15:04", "2006-01-02 15:04"}

// reportTime reads a moment, or the beginning of a day and of how many days later.
func reportTime(name string, s scalar, zone *time.Location, later int) (t time.Time, day bool, err error) {
	for _, layout := range reportLayouts {
		t, err := time.ParseInLocation(layout, strings.TrimSpace(string(s)), zone)
		if err != nil || !plausible(t) {
			continue
		}
		if day = layout == time.DateOnly; day {
			date, _ := time.Parse(layout, strings.TrimSpace(string(s))) // in a zone it may be of the day before
			t = report.Midnight(date.Year(), date.Month(), date.Day()+later, zone)
		}
		return t, day, nil
	}
	return t, false, schemas.Fail(schemas.CodeBadDate, "%s must be a date (YYYY-MM-DD) or a date with a time (ISO 8601)", name)
}

// shortCode is a task code in 22 letters instead of 36: the same 128 bits, which
// nobody guesses, in base64url. Ids are short too, but count up.
func shortCode(code string) string {
	id, err := uuid.Parse(code)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// reportCode reads a task code, long or short.
func reportCode(s string) (string, bool) {
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(s); err == nil && len(raw) == len(uuid.UUID{}) {
		return uuid.UUID(raw).String(), true
	}
	id, err := uuid.Parse(s)
	return id.String(), err == nil
}

// maxFilename is what file systems take, in bytes.
const maxFilename = 255

// checkFilename refuses what no file of a report is called. Files are looked up
// by name among those of the task, so that no name leads anywhere else; what
// tries to is told so.
func checkFilename(name string) error {
	switch {
	case len(name) > maxFilename, !utf8.ValidString(name), strings.ContainsFunc(name, unicode.IsControl), strings.ContainsAny(name, `/\`), strings.Contains(name, ".."):
		return schemas.Say(schemas.CodeMissing, "Invalid filename")
	case strings.HasPrefix(name, "."), strings.HasPrefix(name, "~"), strings.ContainsAny(name, ":%"): // paths to a shell, to Windows, to who decodes twice
		return schemas.Say(schemas.CodeBadPath, "Invalid path")
	}
	return nil
}

// reportFile answers GET /user/callreport/file, for whoever has the task's code:
// 4001, 4002, 4003, 4041, 4043, 4044, 5001.
func (a *API) reportFile(c *fiber.Ctx) error {
	if err := a.limitStranger(c.Context()); err != nil { // codes are not to be tried out
		return err
	}
	given, name := c.Query("task_code"), c.Query("filename")
	if given == "" || name == "" {
		return schemas.Say(schemas.CodeInvalid, "task_code and filename are required")
	}
	if err := checkFilename(name); err != nil {
		return err
	}
	t, err := a.reportTask(c, given)
	if err != nil {
		return err
	}
	missing := schemas.Say(schemas.CodeBadLink, "File not found: a report has its files when its task is completed, and gettask names them")
	if !slices.Contains(t.Files, name) {
		return missing
	}
	err = a.sendBlob(c, stored{org: t.Task.Org, key: schemas.ReportKey(t.Task, name), kind: reportKind(name), name: name})
	var coded *schemas.Error
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound:
		return missing
	case err != nil && !errors.As(err, &coded):
		return schemas.Because(schemas.CodeHandler, err, "the store of files does not answer")
	case err != nil:
		return err
	}
	c.Set(fiber.HeaderContentSecurityPolicy, "sandbox") // were a browser to show it here after all
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	if c.Method() != fiber.MethodHead { // which takes nothing away
		a.auditAs(c, schemas.User{Org: t.Task.Org}, schemas.AuditDownload, "task/"+t.Task.Code+"/"+name)
	}
	return nil
}

// reportTask finds the task of a report by its code alone; 4041, and 4044 when
// nobody is left whom it would belong to.
func (a *API) reportTask(c *fiber.Ctx, given string) (t state.TaskState, err error) {
	// Not the status of the code, which is for what a path leads to.
	unknown := &statusError{status: fasthttp.StatusOK, err: schemas.Say(schemas.CodeNoResource, "Task not found")}
	code, ok := reportCode(given)
	if !ok {
		return t, unknown
	}
	if t, err = a.Store.Report(c.UserContext(), code); isCode(err, schemas.CodeTaskNotFound) {
		return t, unknown
	}
	if err != nil {
		return t, err
	}
	owner, err := a.Store.Organisation(c.UserContext(), t.Task.Org)
	if err == nil && t.Task.User != 0 {
		_, err = a.Store.User(c.UserContext(), t.Task.Org, t.Task.User)
	}
	if owner.Disabled || isCode(err, schemas.CodeUserNotFound) {
		err = schemas.Say(schemas.CodeNoPlan, "User id not found for task")
	}
	return t, err
}

// reportKind is the media type of a file of a report.
func reportKind(name string) string {
	switch path.Ext(name) {
	case ".pdf":
		return "application/pdf"
	case ".html":
		return "text/html; charset=utf-8"
	case ".csv":
		return "text/csv; charset=utf-8"
	case ".json":
		return fiber.MIMEApplicationJSONCharsetUTF8
	case ".xlsx":
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	}
	return fiber.MIMEOctetStream
}
