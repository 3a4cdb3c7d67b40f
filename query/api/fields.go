package api

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"earshot/ingest"
	"earshot/schemas"
	"earshot/sinks/state"
)

// maxLabel bounds names and ids that a client gives, in bytes.
const maxLabel = 255

// scalar is a JSON string, number or null, as text: clients send ids as either.
type scalar string

// UnmarshalJSON takes a string, a number or null.
func (s *scalar) UnmarshalJSON(data []byte) error {
	var text string
	switch {
	case bytes.Equal(data, []byte("null")):
		return nil
	case json.Unmarshal(data, &text) == nil:
	default:
		var number json.Number
		if err := json.Unmarshal(data, &number); err != nil {
			return schemas.Fail(schemas.CodeInvalid, "%.40q is neither a string nor a number", data)
		}
		text = number.String()
	}
	*s = scalar(text)
	return nil
}

// fields are what a client may say about a call or chat, unchecked.
type fields struct {
	DirectoryID  scalar `json:"directory_id"`
	OperatorName scalar `json:"operator_name"`
	ClientID     scalar `json:"client_id"`
	CallType     scalar `json:"call_type"`
	CallDate     scalar `json:"call_date"`
	CallDatetime scalar `json:"call_datetime"`
	Processing   scalar `json:"processing_type"`
	Language     scalar `json:"language"`
	FileLang     scalar `json:"file_lang"` // another name of Language, as /addtaskaudio has it
	ExternalID   scalar `json:"external_id"`
	Lane         scalar `json:"lane"` // of ours: laneLive, or laneBulk
}

// Lanes of the queue. What is backfilled goes into the second and is worked on
// when the first is empty; processing_type priority keeps a task in the first.
const (
	laneLive = "live"
	laneBulk = "bulk"
)

// bulk tells whether the task goes into the second lane; 4001 for a lane that
// does not exist.
func (f *fields) bulk() (bool, error) {
	lane, err := oneOf("lane", f.Lane, "", laneLive, laneBulk)
	return lane == laneBulk, err
}

// set fills the field of a form's name; false when there is none such.
func (f *fields) set(name, value string) bool {
	into, ok := map[string]*scalar{
		"directory_id": &f.DirectoryID, "operator_name": &f.OperatorName, "client_id": &f.ClientID, "call_type": &f.CallType,
		"call_date": &f.CallDate, "call_datetime": &f.CallDatetime, "processing_type": &f.Processing, "language": &f.Language,
		"file_lang": &f.FileLang, "external_id": &f.ExternalID, "lane": &f.Lane,
	}[name]
	if ok {
		*into = scalar(value)
	}
	return ok
}

// defaultOperator is the operator's name when none is given (seed).
const defaultOperator = "global"

// task checks the fields and makes the task of them. Errors are 4001 and name
// the field, or those of the state.
func (a *API) task(ctx context.Context, f fields, c *call) (t schemas.Task, err error) {
	t = schemas.Task{Org: c.user.Org, User: c.user.ID}
	t.OperatorName = f.OperatorName.label()
	if t.OperatorName == "" {
		t.OperatorName = defaultOperator
	}
	t.ClientID, t.ExternalID = f.ClientID.label(), f.ExternalID.label()
	if t.CallType, err = oneOf("call_type", f.CallType, "", "inbound", "outbound"); err != nil {
		return t, err
	}
	if t.Processing, err = oneOf("processing_type", f.Processing, "", schemas.ProcessStandard, schemas.ProcessPriority, schemas.ProcessAnalysis, schemas.ProcessTranscription); err != nil {
		return t, err
	}
	if t.CallDate, err = dateOf(f.CallDate); err != nil {
		return t, err
	}
	if t.CallTime, err = timeOf(f.CallDatetime); err != nil {
		return t, err
	}
	if t.CallDate == "" && !t.CallTime.IsZero() {
		t.CallDate = t.CallTime.Format(time.DateOnly) // the day where the call was
	}
	if !t.CallTime.IsZero() {
		t.CallTime = t.CallTime.UTC().Truncate(time.Microsecond)
	}
	lang := f.Language
	if lang == "" {
		lang = f.FileLang
	}
	if t.Language, err = ingest.Language(string(lang)); err != nil {
		return t, err
	}
	t.DirectoryID, err = a.directory(ctx, f.DirectoryID, c.user.Org)
	return t, err
}

func (s scalar) label() string { return ingest.CleanLine(string(s), maxLabel) }

func oneOf(name string, s scalar, allowed ...string) (string, error) {
	v := strings.ToLower(strings.TrimSpace(string(s)))
	if !slices.Contains(allowed, v) {
		return "", schemas.Fail(schemas.CodeInvalid, "%s must be one of %s", name, strings.Trim(strings.Join(allowed, ", "), ", "))
	}
	return v, nil
}

// plausible is what the database's dates hold, with room.
func plausible(t time.Time) bool { return t.Year() >= 1970 && t.Year() < 2200 }

func dateOf(s scalar) (string, error) {
	v := strings.TrimSpace(string(s))
	if v == "" {
		return "", nil
	}
	if t, err := time.Parse(time.DateOnly, v); err != nil || !plausible(t) {
		return "", schemas.Fail(schemas.CodeInvalid, "call_date must be YYYY-MM-DD")
	}
	return v, nil
}

// timeOf keeps the zone that was given.
func timeOf(s scalar) (time.Time, error) {
	v := strings.TrimSpace(string(s))
	if v == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04Z07:00", "2006-01-02 15:04:05.999999999Z07:00"} {
		if t, err := time.Parse(layout, v); err == nil && plausible(t.UTC()) {
			return t, nil
		}
	}
	return time.Time{}, schemas.Fail(schemas.CodeInvalid, "call_datetime must be ISO 8601 with a time zone, such as 2025-10-20T10:00:00+03:00")
}

// directory checks that a directory is the organisation's own.
func (a *API) directory(ctx context.Context, s scalar, org string) (int64, error) {
	v := schemas.Integral(string(s))
	if v == "" || v == "0" || v == "null" {
		return 0, nil
	}
	id, err := strconv.ParseInt(v, 10, 64)
	if err != nil || id < 0 {
		return 0, schemas.Fail(schemas.CodeInvalid, "directory_id must be a whole number")
	}
	all, err := state.List[schemas.Directory](ctx, a.Store, org, schemas.KindDirectory)
	if err != nil {
		return 0, err
	}
	if !slices.ContainsFunc(all, func(d schemas.Directory) bool { return d.ID == id }) {
		return 0, schemas.Fail(schemas.CodeInvalid, "there is no directory %d", id)
	}
	return id, nil
}

// request takes what the headers say into the task.
func request(ctx *fasthttp.RequestCtx, t *schemas.Task) (err error) {
	t.Idempotency, err = idempotencyKey(ctx)
	if trace := string(ctx.Request.Header.Peek("Traceparent")); isTraceParent(trace) {
		t.TraceParent = trace
	}
	return err
}

// idempotencyKey is the client's key: 1 to 255 printable ASCII characters
// (draft-ietf-httpapi-idempotency-key-header), "" when there is none.
func idempotencyKey(ctx *fasthttp.RequestCtx) (string, error) {
	key := strings.TrimSpace(string(ctx.Request.Header.Peek("Idempotency-Key")))
	if len(key) > 255 || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", schemas.Fail(schemas.CodeInvalid, "Idempotency-Key must be 1 to 255 printable ASCII characters")
	}
	return key, nil
}

// isTraceParent knows version 00 of W3C Trace Context.
func isTraceParent(s string) bool {
	if len(s) != 55 || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') && r != '-' })
}

// created is the answer of POST /addtaskcall.
type created struct {
	Success   bool         `json:"success"` // ours, as on every other answer
	ID        int64        `json:"id"`
	ErrorCode schemas.Code `json:"error_code"`
	Message   string       `json:"error_message,omitempty"`
	Code      string       `json:"code"`
}

// newCreated answers a duplicate with 4091 and the first task, all else with
// success, also a request that is repeated with its Idempotency-Key.
func newCreated(r ingest.Receipt, lang string) created {
	out := created{Success: !r.Duplicate, ID: r.Task.ID, Code: r.Task.Code}
	if r.Duplicate {
		duplicate := schemas.Fail(schemas.CodeDuplicate, "")
		out.ErrorCode, out.Message = duplicate.Code, duplicate.Message(lang)
	}
	return out
}

// createdChat is the answer of POST /add_chat_analysis_task.
type createdChat struct {
	Success   bool         `json:"success"`
	ErrorCode schemas.Code `json:"error_code"`
	Message   string       `json:"error_message,omitempty"`
	Done      string       `json:"success_message,omitempty"`
	TaskCode  string       `json:"task_code"`
}

type chatRequest struct {
	fields
	Text   *string         `json:"text"`
	Chunks json.RawMessage `json:"chunks"`
	mailFields
}

// given tells whether a JSON field is there and not null.
func given(raw json.RawMessage) bool { return len(raw) > 0 && !bytes.Equal(raw, []byte("null")) }

// addChat answers POST /add_chat_analysis_task: 4001, 4002 when the body has
// neither text nor chunks nor e-mails, 4045 when they are empty, 4044, 4050, 4091 for an
// external_id that is known, 4130.
func (a *API) addChat(c *fiber.Ctx) error {
	var in chatRequest
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	if in.Text == nil && !given(in.Chunks) && !in.hasMail() {
		return schemas.Fail(schemas.CodeMissing, "text, chunks or email")
	}
	call := callOf(c.Context())
	t, err := a.task(c.UserContext(), in.fields, call)
	if err != nil {
		return err
	}
	if t.Processing == schemas.ProcessTranscription {
		return schemas.Fail(schemas.CodeInvalid, "processing_type transcription is for recordings; a chat has nothing to transcribe")
	}
	if err := request(c.Context(), &t); err != nil {
		return err
	}
	s := ingest.Submission{Task: t}
	if s.Bulk, err = in.bulk(); err != nil {
		return err
	}
	if err := in.conversation(&s); err != nil {
		return err
	}
	receipt, err := a.Door.Submit(c.UserContext(), s)
	if err != nil {
		return err
	}
	answer := createdChat{Success: true, Done: schemas.T("Chat analysis task created").In(call.lang), TaskCode: receipt.Task.Code}
	if receipt.Duplicate {
		duplicate := newCreated(receipt, call.lang)
		answer = createdChat{ErrorCode: duplicate.ErrorCode, Message: duplicate.Message, TaskCode: duplicate.Code}
	}
	return a.ok(c, answer)
}
