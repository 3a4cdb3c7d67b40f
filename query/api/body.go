package api

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"earshot/schemas"
)

// chunked is fasthttp's Content-Length of a chunked body.
const chunked = -1

// body reads the body of one request. done tells that its end was reached:
// only then may another request follow on the connection.
type body struct {
	stream io.Reader
	conn   net.Conn
	length int // as declared, or chunked
	read   int
	done   bool
	pause  time.Duration
	until  time.Time
}

func newBody(ctx *fasthttp.RequestCtx, cfg Config) *body {
	b := &body{stream: ctx.RequestBodyStream(), conn: ctx.Conn(), length: ctx.Request.Header.ContentLength(), pause: cfg.ReadTimeout}
	limit := 4 * cfg.ReadTimeout
	if isUpload(ctx) {
		limit = cfg.UploadTimeout
	}
	b.until = time.Now().Add(limit)
	b.done = b.stream == nil
	return b
}

// Read moves the connection's deadline before each read, because fasthttp's is
// one for the whole request: a client may be slow, but not silent, and not for
// ever. Errors are statusErrors: 408, or 400 when the body breaks off.
func (b *body) Read(p []byte) (int, error) {
	if b.done {
		// A stream must not be asked again: past a chunked end it would read
		// the next request's bytes.
		return 0, io.EOF
	}
	deadline := time.Now().Add(b.pause)
	if deadline.After(b.until) {
		deadline = b.until
	}
	if err := b.conn.SetReadDeadline(deadline); err != nil {
		return 0, badRequest(schemas.T("the connection is broken"))
	}
	n, err := b.stream.Read(p)
	b.read += n
	if err == io.EOF && !b.cutOff() {
		b.done = true
		return n, io.EOF
	}
	if err != nil {
		return n, brokenBody(err)
	}
	return n, nil
}

// cutOff tells a connection's end from a body's: fasthttp gives io.EOF for
// both.
func (b *body) cutOff() bool {
	if b.length != chunked {
		return b.read < b.length
	}
	c, ok := b.conn.(*conn)
	return ok && c.ended.Load()
}

func brokenBody(err error) error {
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		return &statusError{status: fasthttp.StatusRequestTimeout, err: schemas.Because(schemas.CodeInvalid, err, "the body did not arrive in time")}
	}
	return &statusError{status: fasthttp.StatusBadRequest, err: schemas.Because(schemas.CodeInvalid, err, "the body breaks off")}
}

// all reads the whole body into memory of its own; 4130 above limit bytes.
func (b *body) all(limit int) ([]byte, error) {
	if b.done {
		return nil, nil
	}
	tooLarge := schemas.Fail(schemas.CodeTooLarge, "at most %d bytes are taken here", limit)
	if b.length > limit {
		return nil, tooLarge
	}
	// A stranger's declared length is not believed with memory before it has
	// arrived; who may send more than smallBody is known.
	size := min(b.length, 32<<10)
	if limit > smallBody {
		size = b.length
	}
	data := make([]byte, 0, max(512, size+1))
	for {
		n, err := b.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case len(data) > limit:
			return nil, tooLarge
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, err
		case len(data) == cap(data):
			data = append(data, 0)[:len(data)]
		}
	}
}

// connections are the open ones, to be cut at shutdown.
type connections struct {
	mu   sync.Mutex
	open map[*conn]struct{}
}

func (s *connections) listen(ln net.Listener) net.Listener { return listener{ln, s} }

// closeAll cuts every connection and waits until their handlers have noticed,
// so that nobody uses the stores any more; not longer than atMost.
func (s *connections) closeAll(atMost time.Duration) {
	for begin := time.Now(); time.Since(begin) < atMost; time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		n := len(s.open)
		for c := range s.open {
			c.linger.Store(false)
			_ = c.Conn.Close() // the request on it is being cut off; there is nobody to tell
		}
		s.mu.Unlock()
		if n == 0 {
			return
		}
	}
}

type listener struct {
	net.Listener
	set *connections
}

// Accept wraps connections in conn.
func (l listener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: inner, set: l.set}
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	if l.set.open == nil {
		l.set.open = map[*conn]struct{}{}
	}
	l.set.open[c] = struct{}{}
	return c, nil
}

// conn knows whether the client has ended it, and can close so that the client
// still gets its answer.
type conn struct {
	net.Conn
	set    *connections
	ended  atomic.Bool // a read returned io.EOF
	linger atomic.Bool
}

// Read notes the end.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.EOF {
		c.ended.Store(true)
	}
	return n, err
}

// Bounds of lingering, as nginx has them: by time alone, since a client on a
// fast line sends its whole upload before it looks at the answer, and bytes that
// are thrown away cost next to nothing.
const (
	lingerPause = 500 * time.Millisecond // of silence
	lingerTime  = 5 * time.Second        // in all
)

// Close lingers where the body was not read to its end. The kernel answers
// bytes that arrive on a closed socket with a reset, and a reset may reach the
// client before it has read the answer that says why (RFC 9112 section 9.6).
// closeAll ends it at once.
func (c *conn) Close() error {
	defer func() {
		c.set.mu.Lock()
		delete(c.set.open, c)
		c.set.mu.Unlock()
	}()
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.linger.Load() && half.CloseWrite() == nil {
		discard := make([]byte, 32<<10)
		for until := time.Now().Add(lingerTime); time.Now().Before(until); {
			if c.SetReadDeadline(time.Now().Add(lingerPause)) != nil {
				break
			}
			if _, err := c.Conn.Read(discard); err != nil {
				break // the client is done, silent or gone
			}
		}
	}
	return c.Conn.Close()
}
