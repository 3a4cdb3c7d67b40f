package api

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"earshot/schemas"
)

// Why two apps behind one listener, and how it stays sound.
//
// Uploads must be streamed, and fasthttp's StreamRequestBody is a switch of the
// whole server: it turns the body limit off for every endpoint, and body bytes
// that a handler leaves unread are parsed as the connection's next request
// (valyala/fasthttp#2368: request smuggling). Splitting connections by their
// first request instead would be undone by keep-alive. So there is one
// streaming server, and the front below restores for every request what
// streaming takes away:
//
//   - The body is read through body.go only, which knows its true end. A
//     connection is kept only when that end was seen; after anything else it is
//     closed, so that no byte of a body can ever be taken for a request.
//   - For every path but the uploads' the whole body is read here, up to a
//     limit by path, and handed to the main app as bytes.
//   - Content-Encoding is refused before a byte is read: nothing here ever
//     decompresses (2.5 KB of gzip can be 1 GB).
//   - Content-Length together with Transfer-Encoding is refused: the two ends
//     it may have are how smuggling begins (RFC 9112 section 6.3). So are
//     folded headers (section 5.2).

// Bounds of a request.
const (
	headerBytes = 16 << 10
	smallBody   = 1 << 20
	// strangersBody is for who has no valid token: times connsAtOnce it is memory.
	strangersBody = 64 << 10
	loginBody     = 16 << 10 // of /auth/...
	// chatBody has room for schemas.MaxTextBytes of Cyrillic as \uXXXX escapes.
	chatBody    = 3*schemas.MaxTextBytes + smallBody
	largeAtOnce = 4
	connsAtOnce = 16 << 10
	chatPath    = "/add_chat_analysis_task"
)

// call is what is known of the request being served. It lives in the request's
// user values.
type call struct {
	id    string
	begin time.Time
	body  *body

	user  schemas.User // after authentication; ID 0 before
	token claims       // of the user's token
	lang  string       // "en" or "ru"
}

type callKey struct{}

func callOf(ctx *fasthttp.RequestCtx) *call {
	c, _ := ctx.UserValue(callKey{}).(*call)
	return c
}

func (a *API) newServer() *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                      a.front,
		ErrorHandler:                 a.unreadable,
		ExpectHandler:                a.expect,
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		CloseOnShutdown:              true,
		Concurrency:                  connsAtOnce,
		ReadBufferSize:               headerBytes,
		ReadTimeout:                  a.cfg.ReadTimeout,
		WriteTimeout:                 a.cfg.ReadTimeout,
		IdleTimeout:                  2 * a.cfg.ReadTimeout,
		SecureErrorLogMessage:        true,
		Logger:                       quiet{a.Log},
	}
}

// front serves one request.
func (a *API) front(ctx *fasthttp.RequestCtx) {
	c := a.open(ctx)
	defer a.finish(ctx, c)
	if err := admissible(ctx); err != nil {
		a.fail(ctx, err)
		return
	}
	if isUpload(ctx) {
		ctx.SetConnectionClose()
		a.upload(ctx)
		return
	}
	release, err := a.readBody(ctx, c)
	if err != nil {
		a.fail(ctx, err)
		return
	}
	defer release()
	a.main(ctx)
}

// open begins the record of a request.
func (a *API) open(ctx *fasthttp.RequestCtx) *call {
	if c := callOf(ctx); c != nil { // by expect
		c.body = newBody(ctx, a.cfg)
		return c
	}
	c := &call{id: requestID(ctx), begin: time.Now(), body: newBody(ctx, a.cfg)}
	c.lang = languageOf(ctx.Request.Header.Peek(fasthttp.HeaderAcceptLanguage), "en")
	ctx.SetUserValue(callKey{}, c)
	ctx.Response.Header.Set("X-Request-Id", c.id)
	return c
}

// finish is the last that happens to every request, also to one whose handler
// panicked.
func (a *API) finish(ctx *fasthttp.RequestCtx, c *call) {
	if p := recover(); p != nil {
		a.Log.Error("panic in a handler", "request", c.id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		a.fail(ctx, fmt.Errorf("panic"))
	}
	if !c.body.done {
		a.cut(ctx)
	}
	ctx.Response.Header.Set("X-Content-Type-Options", "nosniff")
	level := slog.LevelInfo
	switch status := ctx.Response.StatusCode(); {
	case status >= 500:
		level = slog.LevelError
	case status < 400 && ctx.IsGet():
		level = slog.LevelDebug // clients poll thousands of times a second
	}
	if !a.Log.Enabled(ctx, level) {
		return
	}
	// The path only: a query may hold what somebody searched for.
	a.Log.LogAttrs(ctx, level, "request", slog.String("request", c.id), slog.String("method", string(ctx.Method())),
		slog.String("path", string(ctx.Path())), slog.Int("status", ctx.Response.StatusCode()), slog.Duration("took", time.Since(c.begin)),
		slog.String("peer", ctx.RemoteIP().String()), slog.String("org", c.user.Org), slog.Int64("user", c.user.ID))
}

// cut closes the connection after the answer, in a way that lets a client that
// is still sending read it.
func (a *API) cut(ctx *fasthttp.RequestCtx) {
	ctx.SetConnectionClose()
	if conn, ok := ctx.Conn().(*conn); ok {
		conn.linger.Store(true)
	}
}

// admissible refuses what must not be read at all.
func admissible(ctx *fasthttp.RequestCtx) error {
	h := &ctx.Request.Header
	if len(h.Peek(fasthttp.HeaderContentEncoding)) > 0 {
		return schemas.Fail(schemas.CodeEncoding, "")
	}
	if !slices.Contains(fiber.DefaultMethods, string(h.Method())) {
		return unknownPath(fasthttp.StatusMethodNotAllowed)
	}
	raw := h.RawHeaders()
	if bytes.Contains(raw, []byte("\n ")) || bytes.Contains(raw, []byte("\n\t")) {
		return badRequest(schemas.T("a folded header")) // obsolete, and read differently by those on the way here
	}
	// fasthttp forgets Content-Length when there is a Transfer-Encoding; the raw header has it.
	if h.ContentLength() == chunked && bytes.Contains(bytes.ToLower(raw), []byte("content-length")) {
		return badRequest(schemas.T("both Content-Length and Transfer-Encoding"))
	}
	return nil
}

func isUpload(ctx *fasthttp.RequestCtx) bool { return uploadType(ctx) != "" }

// uploadType is the type of task that an upload makes; "" for any other request.
func uploadType(ctx *fasthttp.RequestCtx) string {
	if !ctx.IsPost() {
		return ""
	}
	return uploadPaths[strings.ToLower(strings.TrimSuffix(string(ctx.Path()), "/"))]
}

// readBody reads the whole body for the main app. A body above strangersBody is
// only for who has a valid token; one above smallBody for whom the path allows
// it, and only for a few at once; release gives the place back.
func (a *API) readBody(ctx *fasthttp.RequestCtx, c *call) (release func(), err error) {
	release = func() {}
	limit, n, path := strangersBody, ctx.Request.Header.ContentLength(), strings.ToLower(string(ctx.Path()))
	switch {
	case a.SystemOnly, strings.HasPrefix(path, "/auth/"):
		limit = loginBody
	case n > strangersBody, n == chunked && len(ctx.Request.Header.Peek(fasthttp.HeaderAuthorization)) > 0:
		if err := a.identify(ctx); err != nil {
			return release, err
		}
		limit = smallBody
	}
	if (n > smallBody || n == chunked) && limit == smallBody && ctx.IsPost() && path == chatPath {
		select {
		case a.large <- struct{}{}:
			release = func() { <-a.large }
		default:
			return release, schemas.Fail(schemas.CodeUnavailable, "too many large requests at once")
		}
		limit = chatBody
	}
	data, err := c.body.all(limit)
	if err != nil {
		release()
		return func() {}, err
	}
	ctx.Request.SetBodyRaw(data)
	return release, nil
}

// expect decides whether a client that asks first ("Expect: 100-continue", as
// curl does) may send its body: a refused upload then costs nobody its bytes.
func (a *API) expect(ctx *fasthttp.RequestCtx) int {
	c := a.open(ctx)
	c.body.done = false // it may be on its way already
	err := admissible(ctx)
	if err == nil && isUpload(ctx) {
		err = a.mayUpload(ctx)
	}
	if err == nil {
		return fasthttp.StatusContinue
	}
	a.fail(ctx, err)
	a.finish(ctx, c)
	return ctx.Response.StatusCode()
}

// unreadable answers a request whose header, or the beginning of whose body,
// could not be read; fasthttp closes the connection after it.
func (a *API) unreadable(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	status, detail := fasthttp.StatusBadRequest, schemas.T("the request is malformed or was cut off")
	switch {
	case errors.As(err, &small):
		status, detail = fasthttp.StatusRequestHeaderFieldsTooLarge, schemas.T("the header is larger than %d bytes", headerBytes)
	case errors.As(err, &network) && network.Timeout():
		status, detail = fasthttp.StatusRequestTimeout, schemas.T("the request did not arrive in time")
	}
	a.Log.Debug("unreadable request", "peer", ctx.RemoteIP(), "error", err) // clients break connections all day
	ctx.Request.Reset()                                                     // half parsed: nothing of it may be believed
	ctx.Response.Reset()
	a.open(ctx)
	a.fail(ctx, &statusError{status: status, err: schemas.Fail(schemas.CodeInvalid, "%s", detail)})
	a.cut(ctx)
}

// requestID is the client's X-Request-Id where it is harmless, else a new one.
func requestID(ctx *fasthttp.RequestCtx) string {
	given := ctx.Request.Header.Peek("X-Request-Id")
	harmless := len(given) > 0 && len(given) <= 64 && bytes.IndexFunc(given, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	}) < 0
	if harmless {
		return string(given)
	}
	return uuid.NewString()
}

// quiet takes what fasthttp says about broken connections.
type quiet struct{ log *slog.Logger }

// Printf logs at debug level.
func (q quiet) Printf(format string, args ...any) { q.log.Debug(fmt.Sprintf(format, args...)) }
