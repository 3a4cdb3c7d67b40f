package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/gofiber/fiber/v2"
	"github.com/redis/go-redis/v9"
	"github.com/valyala/fasthttp"

	"earshot/schemas"
	"earshot/sinks/state"
)

// statusError is a coded error with more to say over HTTP than its code alone.
type statusError struct {
	err    *schemas.Error
	status int // 0: that of the code in schemas.Errors
	retry  int // seconds until another try makes sense; 0: retryAfter
}

// Error is that of the coded error.
func (e *statusError) Error() string { return e.err.Error() }

// Unwrap returns the coded error.
func (e *statusError) Unwrap() error { return e.err }

func badRequest(detail schemas.Text) error {
	return &statusError{status: fasthttp.StatusBadRequest, err: schemas.Fail(schemas.CodeInvalid, "%s", detail)}
}

// failure is the body of every error.
type failure struct {
	Success   bool          `json:"success"`
	ErrorCode schemas.Code  `json:"error_code"`
	Plain     *schemas.Code `json:"errorcode,omitempty"` // GET /user/tariff spells it so
	Message   string        `json:"error_message"`
}

// retryAfter is what a client is told to wait, in seconds, when an engine is
// down.
const retryAfter = 5

// fail answers with an error. What is not coded is ours: the client learns no
// more than that, the log has the cause.
func (a *API) fail(ctx *fasthttp.RequestCtx, err error) {
	c := callOf(ctx)
	coded := codedError(err)
	status, retry := schemas.Errors[coded.Code].HTTP, retryAfter
	var own *statusError
	if errors.As(err, &own) {
		status, retry = cmp.Or(own.status, status), cmp.Or(own.retry, retry)
	}
	if status >= 500 {
		a.Log.Error("request failed", "request", c.id, "code", coded.Code, "error", err)
	}
	ctx.Response.ResetBody()
	switch status {
	case fasthttp.StatusServiceUnavailable, fasthttp.StatusTooManyRequests, fasthttp.StatusConflict:
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, strconv.Itoa(retry))
	case fasthttp.StatusUnauthorized:
		ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, "Bearer")
	}
	answer := failure{ErrorCode: coded.Code, Message: coded.Message(c.lang)}
	if string(ctx.Path()) == "/user/tariff" {
		answer.Plain = &coded.Code
	}
	a.write(ctx, status, answer)
}

// codedError finds or makes the coded error of err.
func codedError(err error) *schemas.Error {
	var coded *schemas.Error
	var routing *fiber.Error
	var network net.Error
	switch {
	case errors.As(err, &coded):
		return coded
	case errors.As(err, &routing) && routing.Code < 500:
		return codedError(unknownPath(routing.Code))
	case errors.Is(err, state.ErrNotReady), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, redis.ErrPoolTimeout): // an engine that is away, starting or too slow
		return schemas.Because(schemas.CodeUnavailable, err, "")
	}
	return schemas.Because(schemas.CodeInternal, err, "")
}

// write answers with JSON.
func (a *API) write(ctx *fasthttp.RequestCtx, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		a.Log.Error("write an answer", "request", callOf(ctx).id, "error", fmt.Errorf("%T: %w", v, err))
		status, data = fasthttp.StatusInternalServerError, []byte(`{"success":false,"error_code":5000,"error_message":"Internal error"}`)
	}
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/json; charset=utf-8")
	ctx.Response.Header.Set(fasthttp.HeaderContentLanguage, callOf(ctx).lang)
	ctx.Response.Header.Set(fasthttp.HeaderVary, fasthttp.HeaderAcceptLanguage)
	ctx.Response.SetBodyRaw(data)
}

// ok answers 200 with JSON.
func (a *API) ok(c *fiber.Ctx, v any) error {
	a.write(c.Context(), fasthttp.StatusOK, v)
	return nil
}
