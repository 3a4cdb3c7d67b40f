package schemas

import "errors"

// Code is an error code of the Transcripto API (seed section 11 and the tables
// of each endpoint). 0 is success.
type Code int64

// The codes in use. The meaning of each stands in Errors.
const (
	CodeInvalid       Code = 4001
	CodeMissing       Code = 4002
	CodeBadPath       Code = 4003
	CodeBadToken      Code = 4012
	CodeNoTaskCode    Code = 4020
	CodeTaskNotFound  Code = 4021
	CodeUnauthorized  Code = 4023
	CodeNoFile        Code = 4024
	CodeBadFormat     Code = 4025
	CodeUndecodable   Code = 4026
	CodeUserInvalid   Code = 4030 // of 4030 to 4037, the validation of users
	CodeBadPassword   Code = 4031
	CodeEmailTaken    Code = 4032
	CodeUserNotFound  Code = 4033
	CodePlanNotFound  Code = 4034
	CodeCaptcha       Code = 4035
	CodeNoResource    Code = 4041
	CodeBadLink       Code = 4043
	CodeNoPlan        Code = 4044
	CodeFieldsMissing Code = 4045
	CodeFileMissing   Code = 4046 // seed section 10; section 11 gives it to payments, which Earshot does not take
	CodeFileType      Code = 4047
	CodeQuota         Code = 4050
	CodeNoDuration    Code = 4052
	CodeNoRecord      Code = 4053
	CodeSameQuestion  Code = 4054
	CodeAnswered      Code = 4055
	CodeAccessDenied  Code = 4056
	CodeNoAnalysis    Code = 4057
	CodeNoCategory    Code = 4059
	CodeNoDates       Code = 4060
	CodeBadDate       Code = 4061
	CodeDatesReversed Code = 4062
	CodeNoFilter      Code = 4066
	CodeNoDocx        Code = 4070
	CodeDuplicate     Code = 4091
	CodeBadLength     Code = 4092
	CodeInProgress    Code = 4099 // with CodeKeyReused: draft-ietf-httpapi-idempotency-key-header, 2.7
	CodeTooLarge      Code = 4130
	CodeEncoding      Code = 4150
	CodeKeyReused     Code = 4220
	CodeTooMany       Code = 4290
	CodeNoReports     Code = 4602
	CodeInternal      Code = 5000
	CodeHandler       Code = 5001
	CodeDatabase      Code = 5002
	CodeReport        Code = 5003
	CodeNoModel       Code = 5004
	CodeUnavailable   Code = 5030
	CodeDiskFull      Code = 5070
)

// Meaning is what a code says to a client, in English; locales has the other
// languages. HTTP is 200 for the business errors that the seed documents so; the
// rest are real statuses.
type Meaning struct {
	HTTP int
	En   string
}

// Errors is the one table of error codes.
var Errors = map[Code]Meaning{
	CodeInvalid:       {200, "Invalid data or parameter format"},
	CodeMissing:       {200, "Required parameter is missing"},
	CodeBadPath:       {200, "Invalid path"},
	CodeBadToken:      {401, "Invalid or expired token"},
	CodeNoTaskCode:    {200, "task_code is not specified"},
	CodeTaskNotFound:  {200, "Task not found"},
	CodeUnauthorized:  {401, "Unauthorized"},
	CodeNoFile:        {200, "File not uploaded"},
	CodeBadFormat:     {200, "Unsupported file format"},
	CodeUndecodable:   {200, "File decoding error"},
	CodeUserInvalid:   {200, "User data is invalid"},
	CodeBadPassword:   {200, "The password is not acceptable"},
	CodeEmailTaken:    {200, "The e-mail address is in use"},
	CodeUserNotFound:  {200, "User not found"},
	CodePlanNotFound:  {200, "Plan not found"},
	CodeCaptcha:       {200, "CAPTCHA was not confirmed"},
	CodeNoResource:    {404, "Resource is unavailable"},
	CodeBadLink:       {200, "Invalid video link"},
	CodeNoPlan:        {200, "No active plan"},
	CodeFieldsMissing: {200, "Required fields are missing"},
	CodeFileMissing:   {200, "File not found in the store"},
	CodeFileType:      {200, "Unsupported file_type"},
	CodeQuota:         {200, "Insufficient plan resources"},
	CodeNoDuration:    {200, "Failed to determine audio duration"},
	CodeNoRecord:      {200, "Checklist or record not found"},
	CodeSameQuestion:  {200, "Duplicate checklist question"},
	CodeAnswered:      {200, "Cannot edit: answers already exist"},
	CodeAccessDenied:  {200, "Access denied"},
	CodeNoAnalysis:    {200, "Analysis or result data not found"},
	CodeNoCategory:    {200, "Category not found"},
	CodeNoDates:       {200, "start_date and end_date were not provided"},
	CodeBadDate:       {200, "Invalid date format"},
	CodeDatesReversed: {200, "start_date is later than end_date"},
	CodeNoFilter:      {200, "Filter not found"},
	CodeNoDocx:        {200, "DOCX documents are unavailable"},
	CodeDuplicate:     {200, "Duplicate file"},
	CodeBadLength:     {200, "Audio is too short or too long"},
	CodeInProgress:    {409, "The same request or file is still being stored, try again in a few seconds"},
	CodeTooLarge:      {413, "Request is too large"},
	CodeEncoding:      {415, "Content-Encoding of a request is not accepted"},
	CodeKeyReused:     {422, "This Idempotency-Key was used for a request with other content"},
	CodeTooMany:       {429, "Too many requests"},
	CodeNoReports:     {200, "No active plan or no business reports left"},
	CodeInternal:      {500, "Internal error"},
	CodeHandler:       {500, "Internal handler error"},
	CodeDatabase:      {503, "Database error"},
	CodeReport:        {500, "Report generation error"},
	CodeNoModel:       {200, "No speech model is installed"},
	CodeUnavailable:   {503, "Service is temporarily unavailable, try again later"},
	CodeDiskFull:      {507, "Not enough disk space"},
}

// Error is a coded error. Detail is for a person: which field, which value,
// what to do; it never holds a secret or another tenant's data.
type Error struct {
	Code   Code
	Detail Text
	Err    error // cause, for the log only
	// Instead of the code's own meaning, which some endpoints use a code of
	// another meaning for, the client reads the detail alone.
	Instead bool
}

// Fail returns a coded error with a formatted detail, as T takes it.
func Fail(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: T(format, args...)}
}

// Say returns a coded error with a message in place of the code's meaning: the
// seed uses some codes for one thing in section 11 and for another in the table
// of an endpoint (4045, 4046, 4056, 4061, 4062).
func Say(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: T(format, args...), Instead: true}
}

// Because returns a coded error that wraps its cause.
func Because(code Code, err error, format string, args ...any) *Error {
	return &Error{Code: code, Detail: T(format, args...), Err: err}
}

// Error is the English message, with the detail and the cause.
func (e *Error) Error() string {
	s := e.Message("en")
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Message is the text for a client in the language of a BCP 47 tag, English when
// we do not speak it, without the cause.
func (e *Error) Message(lang string) string {
	detail := e.Detail.In(lang)
	if e.Instead {
		return detail
	}
	s := messages().translate(Errors[e.Code].En, lang)
	if detail != "" {
		s += ": " + detail
	}
	return s
}

// RecordFault decides, here and nowhere else, whose fault a failure is. The
// record's (bad audio, unknown language: code below 5000, and a missing model,
// which no retry installs, and a report that its maker has given up on) ends the
// task in error at once; anything else is ours and is tried again.
func RecordFault(err error) (*Error, bool) {
	var e *Error
	if errors.As(err, &e) && (e.Code < CodeInternal || e.Code == CodeNoModel || e.Code == CodeReport) {
		return e, true
	}
	return nil, false
}
