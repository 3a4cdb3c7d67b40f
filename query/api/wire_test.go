package api

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"earshot/schemas"
)

// dial opens a connection for requests that no HTTP client would send.
func (s *service) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // some tests have closed it
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// answers reads all answers until the server closes the connection; open tells
// that it did not within a second.
func answers(t *testing.T, c net.Conn) (status []int, bodies []string, open bool) {
	t.Helper()
	r := bufio.NewReader(c)
	for {
		if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Peek(1); err != nil {
			timeout, ok := err.(net.Error)
			return status, bodies, ok && timeout.Timeout()
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close() // read to its end
		status, bodies = append(status, res.StatusCode), append(bodies, string(b))
	}
}

const smuggled = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

// No byte of a body may ever be taken for a request: whatever is in it, there
// is one answer to one request, and a connection is kept only when its body
// was read to the end.
func TestBodiesAreNeverRequests(t *testing.T) {
	x := newTenant(t)
	auth := "Authorization: Bearer " + x.token + "\r\n"
	pad := strings.Repeat("x", smallBody)
	long := func(head, body string) string {
		return head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body
	}
	form := "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nv\r\n--b--\r\n"
	for _, c := range []struct {
		name, request string
		want          []int
		open          bool
	}{
		{"upload without a token", long("POST /addtaskcall HTTP/1.1\r\nHost: x\r\n", smuggled), []int{401}, false},
		{"upload without a form", long("POST /addtaskcall HTTP/1.1\r\nHost: x\r\n"+auth, smuggled), []int{200}, false},
		{"behind the form's end", long("POST /addtaskcall HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"+auth, form+smuggled), []int{200}, false},
		{"behind an upload", long("POST /addtaskcall HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"+auth, form) + smuggled, []int{200}, false},
		{"larger than taken", long("POST /auth/login HTTP/1.1\r\nHost: x\r\n", pad+smuggled), []int{413}, false},
		{"larger than taken, in chunks", "POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n", len(pad)+1, pad+"x") + smuggled, []int{413}, false},
		{"encoded", long("POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n", smuggled), []int{415}, false},
		{"length and chunks", "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{400}, false},
		{"chunks and length", "POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nCONTENT-LENGTH: 50\r\n\r\n0\r\n\r\n" + smuggled, []int{400}, false},
		{"two lengths", "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n" + smuggled, []int{400}, false},
		{"two encodings", "POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{400}, false},
		{"unknown transfer encoding", "POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled, []int{400}, false},
		{"folded header", "POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{400}, false},
		{"space before the colon", "POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{400}, false},
		{"bad chunk size", "POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + smuggled, []int{400}, false},
		{"negative length", "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n" + smuggled, []int{400}, false},
		{"a body on GET is read", long("GET /healthz HTTP/1.1\r\nHost: x\r\n", smuggled), []int{200}, true},
		{"a body nobody wants is read", long("POST /nowhere HTTP/1.1\r\nHost: x\r\n", smuggled) + smuggled, []int{404, 200}, true},
		{"chunks, then another request", "POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + smuggled, []int{200, 200}, true},
		{"two honest requests", smuggled + smuggled, []int{200, 200}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := the.dial(t)
			go func() { _, _ = io.WriteString(conn, c.request) }() // the server may well not read all of it
			got, bodies, open := answers(t, conn)
			if fmt.Sprint(got) != fmt.Sprint(c.want) || open != c.open {
				t.Errorf("answers %v (connection open: %v) %q, want %v (%v)", got, open, bodies, c.want, c.open)
			}
		})
	}
}

func TestCompressedBodiesAreRefusedUnread(t *testing.T) {
	x := newTenant(t)
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	if _, err := w.Write(make([]byte, 8<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/auth/login", "/add_chat_analysis_task", "/addtaskcall", "/tasks/filter"} {
		for _, encoding := range []string{"gzip", "gzip, gzip", "br", "deflate", "zstd", "identity"} {
			r := the.send(t, http.MethodPost, path, x.token, bytes.NewReader(bomb.Bytes()), "Content-Encoding", encoding)
			r.want(t, http.StatusUnsupportedMediaType, schemas.CodeEncoding)
		}
	}
}

// An answer must reach a client that is still sending: a reset would look like
// a broken network.
func TestARefusedClientGetsItsAnswer(t *testing.T) {
	x := newTenant(t)
	for range 10 {
		the.send(t, http.MethodPost, "/addtaskcall", "", bytes.NewReader(make([]byte, 50<<20))).want(t, 401, schemas.CodeUnauthorized)
		the.send(t, http.MethodPost, "/add_chat_analysis_task", x.token, bytes.NewReader(make([]byte, 50<<20))).want(t, 413, schemas.CodeTooLarge)
		the.send(t, http.MethodPost, "/add_chat_analysis_task", "", bytes.NewReader(make([]byte, 2<<20))).want(t, 401, schemas.CodeUnauthorized)
	}
}

const formHead = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n"

func uploadHead(x tenant, more string) string {
	return "POST /addtaskcall HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + x.token + "\r\nContent-Type: multipart/form-data; boundary=b\r\n" + more + "\r\n"
}

// untouched proves that a failed upload left no file and no task.
func (s *service) untouched(t *testing.T, x tenant) {
	t.Helper()
	eventually(t, "no file is left", func() bool { return s.files(t) == 0 })
	q, err := the.store.Quota(t.Context(), x.org)
	if err != nil || q.Resources[schemas.ResourceCallMinutes].Reserved != 0 {
		t.Errorf("reserved: %+v, %v", q.Resources, err)
	}
}

func TestUploadsThatBreakOff(t *testing.T) {
	x := newTenant(t)
	data := string(wave(3, 8000, 1))
	whole := formHead + data + "\r\n--b--\r\n"
	chunk := func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }
	for _, c := range []struct{ name, request string }{
		{"within the file", uploadHead(x, fmt.Sprintf("Content-Length: %d\r\n", len(whole))) + whole[:20_000]},
		{"before the closing boundary", uploadHead(x, fmt.Sprintf("Content-Length: %d\r\n", len(whole))) + whole[:len(whole)-6]},
		{"in a part's head", uploadHead(x, "Content-Length: 1000\r\n") + formHead[:30]},
		{"without a closing boundary", uploadHead(x, fmt.Sprintf("Content-Length: %d\r\n", len(formHead+data))) + formHead + data},
		{"within a chunk", uploadHead(x, "Transfer-Encoding: chunked\r\n") + chunk(whole)[:20_000]},
		{"between chunks", uploadHead(x, "Transfer-Encoding: chunked\r\n") + chunk(formHead+data)},
		{"the form is there, the last chunk is not", uploadHead(x, "Transfer-Encoding: chunked\r\n") + chunk(whole)},
		{"the form is there, not all of the length", uploadHead(x, fmt.Sprintf("Content-Length: %d\r\n", len(whole)+5)) + whole},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := the.dial(t)
			write(t, conn, c.request)
			if err := conn.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			got, bodies, open := answers(t, conn)
			if fmt.Sprint(got) != "[400]" || open {
				t.Errorf("answers %v %q, open %v", got, bodies, open)
			}
			the.untouched(t, x)
		})
	}
	conn := the.dial(t) // the same, whole
	write(t, conn, uploadHead(x, "Transfer-Encoding: chunked\r\n")+chunk(whole[:100])+chunk(whole[100:])+"0\r\n\r\n")
	if got, bodies, open := answers(t, conn); fmt.Sprint(got) != "[200]" || !strings.Contains(bodies[0], `"error_code":0`) || open {
		t.Errorf("answers %v %q", got, bodies)
	}
}

func TestUploadsThatStall(t *testing.T) {
	x := newTenant(t)
	s := serve(t, the.deps, func(c *Config) {
		c.ReadTimeout, c.UploadTimeout, c.MaxUploads = 300*time.Millisecond, 2*time.Second, 1
	})
	data := string(wave(3, 8000, 1))
	whole := formHead + data + "\r\n--b--\r\n"
	head := uploadHead(x, fmt.Sprintf("Content-Length: %d\r\n", len(whole)))

	silent := s.dial(t)
	write(t, silent, head+whole[:20_000])
	eventually(t, "the upload begins", func() bool { return s.files(t) == 1 })
	r := upload(t, s, x, file("b.wav", []byte(data))) // there is one place, and it is taken
	r.want(t, http.StatusServiceUnavailable, schemas.CodeUnavailable)
	if got, bodies, _ := answers(t, silent); fmt.Sprint(got) != "[408]" {
		t.Errorf("silence is answered %v %q", got, bodies)
	}
	s.untouched(t, x)

	endless := s.dial(t) // never silent for long, and never done
	write(t, endless, head+whole[:9000])
	begin := time.Now()
	for i := 9000; time.Since(begin) < 10*time.Second; i++ {
		if _, err := io.WriteString(endless, whole[i:i+1]); err != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("an endless upload was cut after %v", took)
	}
	s.untouched(t, x)

	slow := s.dial(t) // longer than ReadTimeout altogether, but never silent
	write(t, slow, head)
	for step := range 6 {
		write(t, slow, whole[step*len(whole)/6:(step+1)*len(whole)/6])
		time.Sleep(100 * time.Millisecond)
	}
	if got, bodies, _ := answers(t, slow); fmt.Sprint(got) != "[200]" || !strings.Contains(bodies[0], `"error_code":0`) {
		t.Errorf("a slow upload is answered %v %q", got, bodies)
	}

	nothing := s.dial(t)
	write(t, nothing, "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
	if got, bodies, _ := answers(t, nothing); fmt.Sprint(got) != "[408]" || !strings.Contains(bodies[0], "error_message") {
		t.Errorf("half a body is answered %v %q", got, bodies)
	}
}

func TestUploadsTooLarge(t *testing.T) {
	x := newTenant(t)
	declared := the.dial(t) // 501 MB: answered before a byte of it is sent
	write(t, declared, uploadHead(x, fmt.Sprintf("Content-Length: %d\r\nExpect: 100-continue\r\n", 501<<20)))
	if got, bodies, open := answers(t, declared); fmt.Sprint(got) != "[413]" || open {
		t.Errorf("answers %v %q, open %v", got, bodies, open)
	}
	unauthorised := the.dial(t)
	write(t, unauthorised, "POST /addtaskcall HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	if got, bodies, open := answers(t, unauthorised); fmt.Sprint(got) != "[401]" || open {
		t.Errorf("answers %v %q, open %v", got, bodies, open)
	}

	s := serve(t, the.deps, func(c *Config) { c.MaxUploadBytes = 100_000 })
	r, w := io.Pipe() // no length: the client's chunks go on and on
	go func() {
		_, err := io.WriteString(w, formHead)
		for err == nil {
			_, err = w.Write(make([]byte, 10_000))
		}
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/addtaskcall", r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+x.token)
	req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("%v, %v", res.Status, err)
	}
	_ = r.Close() // ends the writer
	s.untouched(t, x)
	upload(t, s, x, file("a.wav", wave(7, 8000, 1))).want(t, http.StatusRequestEntityTooLarge, schemas.CodeTooLarge)
	upload(t, s, x, file("a.wav", wave(6, 8000, 1))).want(t, 200, 0)
}

// curl asks before it sends much; then it must be told to go on.
func TestExpectContinue(t *testing.T) {
	x := newTenant(t)
	body, kind := formOf(t, file("a.wav", wave(3, 8000, 1)))
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: 10 * time.Second, DisableKeepAlives: true}}
	for path, body := range map[string][]byte{"/addtaskcall": body, "/add_chat_analysis_task": []byte(`{"text":"Operator: hi"}`)} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, the.url+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+x.token)
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Expect", "100-continue")
		begin := time.Now()
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close() // read to its end
		if err != nil || res.StatusCode != 200 || !strings.Contains(string(b), `"error_code":0`) || time.Since(begin) > 5*time.Second {
			t.Errorf("%s: %d %s, %v", path, res.StatusCode, b, err)
		}
	}
}

func TestMalformedRequestsAnswerLikeTheRest(t *testing.T) {
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"no HTTP":         {"hello\r\n\r\n", 400},
		"header too long": {"GET /healthz HTTP/1.1\r\nHost: x\r\nCookie: " + strings.Repeat("x", headerBytes) + "\r\n\r\n", 431},
		"odd method":      {"BREW /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405},
		"unknown path":    {"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404},
		"other method":    {"DELETE /gettask HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404},
	} {
		conn := the.dial(t)
		write(t, conn, c.request)
		status, bodies, _ := answers(t, conn)
		if len(status) != 1 || status[0] != c.status || !strings.HasPrefix(bodies[0], `{"success":false,"error_code":40`) {
			t.Errorf("%s: %v %q, want %d", name, status, bodies, c.status)
		}
	}
}

func TestRequestID(t *testing.T) {
	if got := the.get(t, "/healthz", "", "X-Request-Id", "abc-1.2_3").header.Get("X-Request-Id"); got != "abc-1.2_3" {
		t.Errorf("ours is given back as %q", got)
	}
	seen := map[string]bool{}
	for _, odd := range []string{"", strings.Repeat("x", 65), "a b", "<script>"} {
		id := the.get(t, "/healthz", "", "X-Request-Id", odd).header.Get("X-Request-Id")
		if id == odd || len(id) != 36 || seen[id] {
			t.Errorf("%q became %q", odd, id)
		}
		seen[id] = true
	}
}

func TestAPanicIsAnAnswer(t *testing.T) {
	deps := the.deps
	deps.Health = func(context.Context) map[string]error { panic("secret detail") }
	s := serve(t, deps, nil)
	r := s.get(t, "/readyz", "")
	r.want(t, http.StatusInternalServerError, schemas.CodeInternal)
	if strings.Contains(r.raw, "secret") {
		t.Error(r.raw)
	}
	s.get(t, "/healthz", "").has(t, "status", "ok")
}

func TestServeEndsWithOpenConnections(t *testing.T) {
	s, err := start(the.deps, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	idle := s.dial(t)
	write(t, idle, smuggled)
	if _, err := io.ReadFull(idle, make([]byte, 15)); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := s.stop(); err != nil || time.Since(begin) > grace+5*time.Second {
		t.Errorf("it took %v, %v", time.Since(begin), err)
	}
	if _, err := net.DialTimeout("tcp", s.addr, time.Second); err == nil {
		t.Error("the port is still open")
	}
}

func TestServeEndsInSpiteOfAnUpload(t *testing.T) {
	x := newTenant(t)
	s, err := start(the.deps, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.api.grace = 100 * time.Millisecond
	silent := s.dial(t)
	write(t, silent, uploadHead(x, "Content-Length: 100000\r\n")+formHead+string(wave(2, 8000, 1)))
	eventually(t, "the upload begins", func() bool { return s.files(t) == 1 })
	begin := time.Now()
	if err := s.stop(); err != nil || time.Since(begin) > 5*time.Second {
		t.Errorf("it took %v, %v", time.Since(begin), err)
	}
	if n := s.files(t); n != 0 {
		t.Errorf("%d files are left", n)
	}
}
