package chdb

import (
	"compress/gzip"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ServeHTTP answers as ClickHouse's HTTP interface does: /ping and / for the curious, a statement in ?query= or the body otherwise.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	defer s.requests.Done()
	if r.URL.Path == "/ping" || (r.Method == http.MethodGet && r.URL.Path == "/" && !r.URL.Query().Has("query")) {
		_, _ = io.WriteString(w, "Ok.\n") // a client that left is no concern of ours
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	answer := &answer{w: w}
	if err := s.serve(ctx, answer, r); err != nil {
		answer.fail(err)
		s.log.Debug("embedded ClickHouse: statement failed", "error", err)
	}
}

func (s *Server) serve(ctx context.Context, a *answer, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return exceptionf(codeNotImplemented, "NOT_IMPLEMENTED", "Use GET or POST.")
	}
	reader, err := s.authenticate(r)
	if err != nil {
		return err
	}
	req, done, err := s.parseRequest(a.w, r)
	if done != nil {
		defer done()
	}
	if err != nil {
		return err
	}
	if r.Method == http.MethodGet {
		req.settings["readonly"] = "1" // as in ClickHouse: GET changes nothing
	}
	if req.reader = reader; reader {
		if err := req.limit(s.opts.Limits); err != nil {
			return err
		}
	}
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if reader {
		if err := s.rewrite(req); err != nil {
			return err
		}
	}
	a.begin(req, r.URL.Query().Get("query_id"))
	return s.run(ctx, a, req)
}

// enter waits for a place among the running statements.
func (s *Server) enter(ctx context.Context) (leave func(), err error) {
	select {
	case s.waiting <- struct{}{}:
	default:
		return nil, exceptionf(codeTooManyQueries, "TOO_MANY_SIMULTANEOUS_QUERIES", fmt.Sprintf("%d statements are waiting already: try again later.", cap(s.waiting)))
	}
	select {
	case s.running <- struct{}{}:
		return func() { <-s.running; <-s.waiting }, nil
	case <-ctx.Done():
		<-s.waiting
		return nil, cancelled(ctx)
	}
}

func cancelled(ctx context.Context) error {
	return exceptionf(codeQueryWasCancelled, "QUERY_WAS_CANCELLED", "The client or the server gave up: "+context.Cause(ctx).Error()+".")
}

// run executes the request in a session that no other has while it runs.
func (s *Server) run(ctx context.Context, a *answer, req *request) (err error) {
	if _, given := req.settings["max_result_bytes"]; !given && req.data == nil && !req.streamed() {
		req.settings["max_result_bytes"] = strconv.Itoa(maxResultSize)
	}
	session, err := s.sessions.get(req)
	if err != nil {
		return err
	}
	killed := make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(killed)
		s.killOnCancel(ctx, session.id, finished)
	}()
	// The watcher must be gone before another statement can run in the session.
	defer func() {
		close(finished)
		<-killed
		s.sessions.put(session, err == nil && req.streamable())
	}()
	if req.data != nil {
		return s.insert(session, a, req)
	}
	return s.query(ctx, session, a, req)
}

func (s *Server) query(ctx context.Context, session *session, a *answer, req *request) error {
	emit := func(chunk []byte) error {
		if ctx.Err() != nil {
			return cancelled(ctx)
		}
		if req.format == "Native" {
			return reencodeNative(a, chunk, req.revision)
		}
		_, err := a.Write(chunk)
		return err
	}
	if req.streamed() {
		if err := session.stream(req.text, req.format, req.params, emit); err != nil {
			return err
		}
		return a.finish()
	}
	res, err := session.run(req.text, req.format, req.params)
	if err != nil {
		return err
	}
	defer res.free()
	a.summary(res.rows())
	if err := emit(res.bytes()); err != nil {
		return err
	}
	return a.finish()
}

// insert runs an INSERT whose data comes from the request. chDB takes inline data of text formats only (it ends a statement at
// a line end, which binary data may hold), so the data goes through a pipe that the statement names as its file: nothing is held in memory, nothing
// touches the disk.
func (s *Server) insert(session *session, a *answer, req *request) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	path, err := descriptorPath(r)
	if err != nil {
		return errors.Join(err, r.Close(), w.Close())
	}
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(w, req.data)
		if err != nil && !errors.Is(err, os.ErrClosed) && !isBrokenPipe(err) {
			// The data is cut short. The engine must not take what came for the whole: it is told to give up before it sees the end.
			s.kill(session.id)
		}
		copied <- errors.Join(err, w.Close())
	}()
	res, err := session.run(req.fromFile(path), "Null", req.params)
	closeErr := r.Close() // a writer that still waits for room ends here
	var copyErr error
	select {
	case copyErr = <-copied:
	case <-time.After(100 * time.Millisecond):
		a.abandonBody() // the statement is over while its data still comes: it failed
		copyErr = <-copied
	}
	if err != nil {
		if copyErr != nil && !isBrokenPipe(copyErr) {
			return bodyError(copyErr)
		}
		return err
	}
	defer res.free()
	if copyErr != nil && !isBrokenPipe(copyErr) {
		return bodyError(copyErr)
	}
	a.summary(res.rows())
	return errors.Join(closeErr, a.finish())
}

func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }

// descriptorPath names an open file by a path. File.Fd would switch the pipe to blocking mode.
func descriptorPath(f *os.File) (path string, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return "", err
	}
	err = raw.Control(func(fd uintptr) { path = fmt.Sprintf("/proc/self/fd/%d", fd) })
	return path, err
}

// killOnCancel stops the statement when ctx ends before finished does. A statement is found by its log_comment; it is looked for
// again and again, because it may not have been registered yet when ctx ended.
func (s *Server) killOnCancel(ctx context.Context, id string, finished <-chan struct{}) {
	select {
	case <-finished:
		return
	case <-ctx.Done():
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		s.kill(id)
		select {
		case <-finished:
			return
		case <-tick.C:
		}
	}
}

func (s *Server) kill(id string) {
	session, err := s.open()
	if err == nil {
		defer session.close()
		err = session.exec("KILL QUERY WHERE Settings['log_comment'] = " + quoteString(id) + " ASYNC")
	}
	if err != nil {
		s.log.Warn("embedded ClickHouse: a statement could not be cancelled", "error", err)
	}
}

// answer writes the response: status and headers as late as possible, so that an error can still have them.
type answer struct {
	w       http.ResponseWriter
	req     *request
	out     io.Writer
	gzip    *gzip.Writer
	started bool
	tag     string
}

func (a *answer) begin(req *request, queryID string) {
	a.req, a.tag = req, rand.Text()[:16]
	h := a.w.Header()
	if validHeader(queryID) {
		h.Set("X-ClickHouse-Query-Id", queryID)
	}
	h.Set("X-ClickHouse-Timezone", "UTC")
	if req.format != "" {
		h.Set("X-ClickHouse-Format", req.format)
	}
	h.Set("X-ClickHouse-Exception-Tag", a.tag)
	h.Set("Content-Type", contentType(req.format))
}

func validHeader(v string) bool {
	return v != "" && len(v) <= 128 && strings.IndexFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

func (a *answer) summary(read, written uint64) {
	a.w.Header().Set("X-ClickHouse-Summary", fmt.Sprintf(`{"read_rows":"%d","written_rows":"%d"}`, read, written))
}

// Write sends output; the first byte sends status and headers.
func (a *answer) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil // zero rows are an empty body, which clickhouse-go tells by its length
	}
	if !a.started {
		a.started = true
		a.out = a.w
		if a.req.gzip {
			a.w.Header().Set("Content-Encoding", "gzip")
			a.gzip = gzip.NewWriter(a.w)
			a.out = a.gzip
		}
		if a.req.compress {
			a.out = newBlockWriter(a.out)
		}
	}
	return a.out.Write(p)
}

func (a *answer) finish() error {
	if a.gzip != nil {
		return a.gzip.Close()
	}
	return nil
}

// abandonBody ends a read of the request's body that is under way, and the connection with it: what is left of the body must not
// be taken for the next request.
func (a *answer) abandonBody() {
	a.w.Header().Set("Connection", "close")
	// An error means that the connection is gone, and with it the read.
	_ = http.NewResponseController(a.w).SetReadDeadline(time.Unix(1, 0))
}

// fail answers with an error: by status and header while nothing has been sent, else by the block that ClickHouse appends to a
// response whose query failed half-way.
func (a *answer) fail(err error) {
	var ex *Exception
	if !errors.As(err, &ex) {
		ex = exceptionf(1001, "STD_EXCEPTION", err.Error())
	}
	text := ex.Message
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if a.started {
		_, _ = fmt.Fprintf(a.out, "\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n", a.tag, text, len(text), a.tag)
		_ = a.finish() // the client may have left: nobody remains to be told
		return
	}
	h := a.w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("X-ClickHouse-Exception-Code", strconv.Itoa(ex.Code))
	switch status := ex.httpStatus(); status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Basic realm="ClickHouse server HTTP API"`)
		a.w.WriteHeader(status)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
		a.w.WriteHeader(status)
	default:
		a.w.WriteHeader(status)
	}
	_, _ = io.WriteString(a.w, text) // as above
}

func contentType(format string) string {
	switch {
	case format == "":
		return "text/plain; charset=UTF-8"
	case strings.HasPrefix(format, "JSONEachRow"), strings.HasPrefix(format, "JSONCompactEachRow"), strings.HasPrefix(format, "JSONStrings"):
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(format, "JSON"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(format, "CSV"):
		return "text/csv; charset=UTF-8; header=" + map[bool]string{true: "present", false: "absent"}[strings.Contains(format, "WithNames")]
	case strings.HasPrefix(format, "TabSeparated"), strings.HasPrefix(format, "TSV"):
		return "text/tab-separated-values; charset=UTF-8"
	case strings.HasPrefix(format, "Native"), strings.HasPrefix(format, "RowBinary"), strings.HasPrefix(format, "Parquet"), strings.HasPrefix(format, "Arrow"):
		return "application/octet-stream"
	}
	return "text/plain; charset=UTF-8"
}
