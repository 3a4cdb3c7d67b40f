package schemas

import (
	"errors"
	"fmt"
	"strings"
)

// Code is an error code of the Transcripto API (seed section 11 and the tables
// of each endpoint). 0 is success.
type Code int64

// The codes in use. The meaning of each stands in Errors.
const (
	CodeInvalid       Code = 4001
	CodeMissing       Code = 4002
	CodeBadToken      Code = 4012
	CodeNoTaskCode    Code = 4020
	CodeTaskNotFound  Code = 4021
	CodeUnauthorized  Code = 4023
	CodeNoFile        Code = 4024
	CodeBadFormat     Code = 4025
	CodeUndecodable   Code = 4026
	CodeUserNotFound  Code = 4033
	CodeNoResource    Code = 4041
	CodeNoPlan        Code = 4044
	CodeFieldsMissing Code = 4045
	CodeQuota         Code = 4050
	CodeNoDuration    Code = 4052
	CodeNoRecord      Code = 4053
	CodeSameQuestion  Code = 4054
	CodeAnswered      Code = 4055
	CodeAccessDenied  Code = 4056
	CodeNoAnalysis    Code = 4057
	CodeNoCategory    Code = 4059
	CodeNoFilter      Code = 4066
	CodeDuplicate     Code = 4091
	CodeBadLength     Code = 4092
	CodeTooMany       Code = 4290
	CodeTooLarge      Code = 4130
	CodeEncoding      Code = 4150
	CodeInProgress    Code = 4099 // with CodeKeyReused: draft-ietf-httpapi-idempotency-key-header, 2.7
	CodeKeyReused     Code = 4220
	CodeInternal      Code = 5000
	CodeDatabase      Code = 5002
	CodeNoModel       Code = 5004
	CodeUnavailable   Code = 5030
	CodeDiskFull      Code = 5070
)

// Meaning is what a code says to a client. HTTP is 200 for the business errors
// that the seed documents so; the rest are real statuses.
type Meaning struct {
	HTTP   int
	En, Ru string
}

// Errors is the one table of error codes.
var Errors = map[Code]Meaning{
	CodeInvalid:       {200, "Invalid data or parameter format", "Неверный формат данных или параметра"},
	CodeMissing:       {200, "Required parameter is missing", "Не указан обязательный параметр"},
	CodeBadToken:      {401, "Invalid or expired token", "Токен недействителен или истёк"},
	CodeNoTaskCode:    {200, "task_code is not specified", "Не указан task_code"},
	CodeTaskNotFound:  {200, "Task not found", "Задача не найдена"},
	CodeUnauthorized:  {401, "Unauthorized", "Требуется авторизация"},
	CodeNoFile:        {200, "File not uploaded", "Файл не загружен"},
	CodeBadFormat:     {200, "Unsupported file format", "Формат файла не поддерживается"},
	CodeUndecodable:   {200, "File decoding error", "Не удалось декодировать файл"},
	CodeUserNotFound:  {200, "User not found", "Пользователь не найден"},
	CodeNoResource:    {404, "Resource is unavailable", "Ресурс недоступен"},
	CodeNoPlan:        {200, "No active plan", "Нет действующего тарифа"},
	CodeFieldsMissing: {200, "Required fields are missing", "Не заполнены обязательные поля"},
	CodeQuota:         {200, "Insufficient plan resources", "Недостаточно ресурсов тарифа"},
	CodeNoDuration:    {200, "Failed to determine audio duration", "Не удалось определить длительность аудио"},
	CodeNoRecord:      {200, "Checklist or record not found", "Чек-лист или запись не найдены"},
	CodeSameQuestion:  {200, "Duplicate checklist question", "Такой вопрос чек-листа уже есть"},
	CodeAnswered:      {200, "Cannot edit: answers already exist", "Изменить нельзя: на вопрос уже есть ответы"},
	CodeAccessDenied:  {200, "Access denied", "Доступ запрещён"},
	CodeNoAnalysis:    {200, "Analysis or result data not found", "Результаты анализа не найдены"},
	CodeNoCategory:    {200, "Category not found", "Категория не найдена"},
	CodeNoFilter:      {200, "Filter not found", "Фильтр не найден"},
	CodeDuplicate:     {200, "Duplicate file", "Такой файл уже загружен"},
	CodeBadLength:     {200, "Audio is too short or too long", "Аудио слишком короткое или слишком длинное"},
	CodeInProgress:    {409, "The same request or file is still being stored, try again in a few seconds", "Такой же запрос или файл ещё сохраняется, повторите через несколько секунд"},
	CodeKeyReused:     {422, "This Idempotency-Key was used for a request with other content", "Этот Idempotency-Key уже использован для запроса с другим содержимым"},
	CodeTooLarge:      {413, "Request is too large", "Слишком большой запрос"},
	CodeEncoding:      {415, "Content-Encoding of a request is not accepted", "Content-Encoding запроса не поддерживается"},
	CodeTooMany:       {429, "Too many requests", "Слишком много запросов"},
	CodeInternal:      {500, "Internal error", "Внутренняя ошибка"},
	CodeDatabase:      {503, "Database error", "Ошибка базы данных"},
	CodeNoModel:       {200, "No speech model is installed", "Модель распознавания речи не установлена"},
	CodeUnavailable:   {503, "Service is temporarily unavailable, try again later", "Сервис временно недоступен, повторите позже"},
	CodeDiskFull:      {507, "Not enough disk space", "Недостаточно места на диске"},
}

// Error is a coded error. Detail is for a person: which field, which value,
// what to do; it never holds a secret or another tenant's data.
type Error struct {
	Code   Code
	Detail string
	Err    error    // cause, for the log only
	Here   *Meaning // what the code says on this endpoint, where the seed gives it several meanings; nil: that of Errors
}

// Fail returns a coded error with a formatted detail.
func Fail(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Because returns a coded error that wraps its cause.
func Because(code Code, err error, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...), Err: err}
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

// Message is the text for a client in the language of a BCP 47 tag (English
// unless it begins with "ru"), without the cause.
func (e *Error) Message(lang string) string {
	m := Errors[e.Code]
	if e.Here != nil {
		m = *e.Here
	}
	s := m.En
	if strings.HasPrefix(strings.ToLower(lang), "ru") {
		s = m.Ru
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// RecordFault decides, here and nowhere else, whose fault a failure is. The
// record's (bad audio, unknown language: code below 5000, and a missing model,
// which no retry installs) ends the task in error at once; anything else is
// ours and is tried again.
func RecordFault(err error) (*Error, bool) {
	var e *Error
	if errors.As(err, &e) && (e.Code < CodeInternal || e.Code == CodeNoModel) {
		return e, true
	}
	return nil, false
}
