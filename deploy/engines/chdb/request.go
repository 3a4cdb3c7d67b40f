package chdb

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// request is one statement with all that ClickHouse's HTTP interface lets come with it.
type request struct {
	statement
	reader   bool // of the read-only account
	database string
	format   string // the output format
	fallback string // the output format of a statement that names none
	revision uint64 // of Native output
	compress bool   // ClickHouse's block compression of the output
	gzip     bool   // HTTP compression of the output
	buffered bool   // wait_end_of_query: no byte before the whole answer is known
	settings settings
	params   map[string]string
	data     io.Reader // an INSERT's data, nil for none
}

// httpOnly are the URL parameters that are no settings of the engine. Sessions are not offered: each request stands alone.
var httpOnly = map[string]bool{
	"query": true, "database": true, "user": true, "password": true, "default_format": true, "client_protocol_version": true,
	"compress": true, "decompress": true, "wait_end_of_query": true, "buffer_size": true, "query_id": true, "quota_key": true,
	"session_id": true, "session_check": true, "session_timeout": true, "session_timezone_check": true, "role": true, "stacktrace": true,
	"enable_http_compression": true, "http_zlib_compression_level": true, "send_progress_in_http_headers": true,
	"network_compression_method": true, "network_zstd_compression_level": true, "close_session": true,
	// The engine kills a cancelled statement by its log_comment, see sessionPool.
	"log_comment": true,
}

// authenticate tells which account asks: all rights, the read-only one, or an error.
func (s *Server) authenticate(r *http.Request) (reader bool, err error) {
	user, password, given := r.BasicAuth()
	if h := r.Header.Get("X-ClickHouse-User"); h != "" {
		user, password, given = h, r.Header.Get("X-ClickHouse-Key"), true
	}
	if q := r.URL.Query(); !given && q.Has("user") {
		user, password, given = q.Get("user"), q.Get("password"), true
	}
	if !given {
		return false, exceptionf(194, "REQUIRED_PASSWORD", "This ClickHouse needs a user and a password.")
	}
	equal := func(a, b string) int { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) }
	if equal(user, internalUser)&equal(password, s.password) == 1 {
		return false, nil
	}
	if s.opts.User != "" && equal(user, s.opts.User)&equal(password, s.opts.Password) == 1 {
		return true, nil
	}
	return false, exceptionf(codeAuthentication, "AUTHENTICATION_FAILED", "Authentication failed: the password is incorrect, or there is no such user.")
}

// parseRequest reads everything but an INSERT's data. done must be called when the request is over.
func (s *Server) parseRequest(w http.ResponseWriter, r *http.Request) (req *request, done func(), err error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, nil, exceptionf(codeSyntaxError, "SYNTAX_ERROR", "The URL's parameters cannot be read: "+err.Error()+".")
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return nil, nil, exceptionf(codeNotImplemented, "NOT_IMPLEMENTED", "External tables (multipart/form-data) are not supported by the embedded ClickHouse.")
	}
	body, done, err := decodeBody(&idleReader{w: w, r: r.Body}, r.Header.Get("Content-Encoding"), isTrue(q.Get("decompress")))
	if err != nil {
		return nil, nil, err
	}
	req = &request{
		database: q.Get("database"),
		compress: isTrue(q.Get("compress")),
		gzip:     isTrue(q.Get("enable_http_compression")) && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip"),
		buffered: isTrue(q.Get("wait_end_of_query")),
		settings: settings{}, params: map[string]string{},
	}
	if h := r.Header.Get("X-ClickHouse-Database"); h != "" {
		req.database = h
	}
	if v := q.Get("client_protocol_version"); v != "" {
		if req.revision, err = strconv.ParseUint(v, 10, 32); err != nil {
			return nil, done, exceptionf(codeSyntaxError, "SYNTAX_ERROR", "client_protocol_version is not a number.")
		}
	}
	for name, values := range q {
		if param, ok := strings.CutPrefix(name, "param_"); ok {
			req.params[param] = values[len(values)-1]
		} else if !httpOnly[name] {
			req.settings[name] = values[len(values)-1]
		}
	}
	return req, done, req.parseText(q.Get("query"), &limitedReader{r: body, left: s.opts.MaxBody}, defaultFormat(r, q))
}

func defaultFormat(r *http.Request, q url.Values) string {
	for _, format := range []string{r.Header.Get("X-ClickHouse-Format"), q.Get("default_format")} {
		if validName(format) {
			return format
		}
	}
	return "TabSeparated"
}

// parseText takes the statement from ?query= and the body, which ClickHouse joins. Only an INSERT's data may be long.
func (req *request) parseText(query string, body io.Reader, format string) (err error) {
	head := []byte(query)
	if req.statement, err = parseStatement(query); err != nil {
		return err
	}
	if req.statement.data < 0 {
		if len(head) > 0 {
			head = append(head, '\n')
		}
		// The size is bounded before anything is parsed.
		rest, err := io.ReadAll(io.LimitReader(body, maxQuerySize+1))
		if err != nil {
			return bodyError(err)
		}
		head = append(head, rest...)
		if req.statement, err = parseStatement(string(head)); err != nil {
			return err
		}
		if req.statement.data < 0 && len(head) > maxQuerySize {
			return exceptionf(codeQueryTooLarge, "QUERY_IS_TOO_LARGE", fmt.Sprintf("The SQL text is longer than %d bytes.", maxQuerySize))
		}
	}
	if req.text == "" {
		return exceptionf(codeSyntaxError, "SYNTAX_ERROR", "Empty query.")
	}
	if at := req.statement.data; at >= 0 {
		req.data = io.MultiReader(bytes.NewReader(head[at:]), body)
		return nil
	}
	req.fallback = format
	req.settleFormat()
	return nil
}

func (req *request) settleFormat() {
	if req.format = req.statement.format; req.format == "" {
		req.format = req.fallback
	}
}

// streamed reports whether the output is handed on while the statement runs, and so is not bounded in size.
func (req *request) streamed() bool {
	return req.format == "Native" && req.streamable() && !req.buffered
}

// bodyError words a failure to read the request's body.
func bodyError(err error) error {
	var known *Exception
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, errTooLarge):
		return exceptionf(codeTooManyBytes, "TOO_MANY_BYTES", "The data of one INSERT is too large: send it in several.")
	}
	return exceptionf(codeNetworkError, "NETWORK_ERROR", "The request's body could not be read: "+err.Error()+".")
}

func isTrue(v string) bool { return v == "1" || v == "true" }

// idleReader moves the connection's read deadline forward before each read: a slow upload may last, a stalled one may not. Behind
// the body the deadline must go: net/http reads on to see the client leave, and would take a timeout for that.
type idleReader struct {
	w http.ResponseWriter
	r io.Reader
}

func (i *idleReader) Read(p []byte) (int, error) {
	if err := http.NewResponseController(i.w).SetReadDeadline(time.Now().Add(bodyIdle)); err != nil {
		return 0, err
	}
	n, err := i.r.Read(p)
	if errors.Is(err, io.EOF) {
		if clearErr := http.NewResponseController(i.w).SetReadDeadline(time.Time{}); clearErr != nil {
			return n, clearErr
		}
	}
	return n, err
}
