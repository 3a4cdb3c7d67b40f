package chdb

import (
	"net/http"
	"regexp"
	"strconv"
)

// Exception is an error as ClickHouse states it. Message is the whole text, "Code: 60. DB::Exception: ... (UNKNOWN_TABLE)".
type Exception struct {
	Code    int // ClickHouse's error number, 0 when the text has none
	Message string
}

// Error gives the engine's own text.
func (e *Exception) Error() string { return e.Message }

var exceptionCode = regexp.MustCompile(`^Code: (\d+)\.`)

func newException(text string) *Exception {
	e := &Exception{Message: text}
	if m := exceptionCode.FindStringSubmatch(text); m != nil {
		e.Code, _ = strconv.Atoi(m[1]) // the pattern has digits only; a number too large stays 0
	}
	return e
}

func exceptionf(code int, name, text string) *Exception {
	return &Exception{Code: code, Message: "Code: " + strconv.Itoa(code) + ". DB::Exception: " + text + " (" + name + ")"}
}

// ClickHouse's numbers (src/Common/ErrorCodes.cpp) for the errors that are raised here.
const (
	codeNotImplemented    = 48
	codeSyntaxError       = 62
	codeUnknownSetting    = 115
	codeTimeout           = 159
	codeReadonly          = 164
	codeTooManyQueries    = 202
	codeIntoOutfile       = 205
	codeCannotDecompress  = 271
	codeQueryWasCancelled = 394
	codeAccessDenied      = 497
	codeAuthentication    = 516
	codeQueryTooLarge     = 191
	codeTooManyBytes      = 307
	codeCannotReadAllData = 33
	codeNetworkError      = 210
)

// httpStatus is the status ClickHouse answers an error with (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp).
func (e *Exception) httpStatus() int {
	switch e.Code {
	case 192, 193, codeAuthentication, codeReadonly, 291, codeAccessDenied: // unknown user, wrong password, ..., access denied
		return http.StatusForbidden
	case 194:
		return http.StatusUnauthorized
	case 6, 26, 27, 38, 41, 43, 47, 50, 53, codeSyntaxError, 72, 117, codeUnknownSetting, 130, 456, 457, codeCannotReadAllData, codeCannotDecompress:
		return http.StatusBadRequest
	case 46, 60, 81, 36, 16: // unknown function, table, database, no such column
		return http.StatusNotFound
	case codeQueryTooLarge, codeTooManyBytes:
		return http.StatusRequestEntityTooLarge
	case codeNotImplemented:
		return http.StatusNotImplemented
	case codeTooManyQueries:
		return http.StatusServiceUnavailable
	case codeTimeout:
		return http.StatusRequestTimeout
	case 243, 247: // not enough space
		return http.StatusInsufficientStorage
	}
	return http.StatusInternalServerError
}
