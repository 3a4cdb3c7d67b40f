package api

import (
	"archive/zip"
	"bytes"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"earshot/ingest"
	"earshot/query/read"
	"earshot/schemas"
)

func getFile(t *testing.T, s *service, x tenant, kind, code string, headers ...string) reply {
	t.Helper()
	return s.get(t, "/get_file?file_type="+kind+"&task_code="+code, x.token, headers...)
}

// analysedCall is a call with an analysis and turns in ClickHouse.
func analysedCall(t *testing.T, x tenant, name string) string {
	t.Helper()
	r := upload(t, the.service, x, file(name, wave(3, 8000, 2)), field("operator_name", "Ivan"))
	r.want(t, 200, 0)
	code, _ := r.at("code").(string)
	nine := int64(9)
	insert(t, x, row{code: code, id: 1, status: schemas.StatusCompleted, kind: schemas.TypeCall, analysis: &schemas.Analysis{
		Task: submitted(t, x, code), Summary: "A refund.", Resolution: "resolved", CSAT: &nine, RiskSignals: []string{"churn"}, SalesSignals: []string{"none"}, Language: "en",
		Checklist: []schemas.ChecklistAnswer{{ID: 7, Question: "Greeting?", Answer: schemas.AnswerYes, Score: 1}},
	}})
	for i, text := range []string{"Good day <script>\x00", "I want =cmd() \u202ea refund"} {
		speaker := []string{schemas.RoleOperator, schemas.RoleCustomer}[i]
		if err := the.engines.ClickHouse.Exec(t.Context(), `INSERT INTO segments (org, code, turn, version, speaker, channel, start, text) SELECT ?, ?, ?, ?, ?, ?, ?, ?`,
			x.org, code, i, uint64(2)<<32, speaker, i, float64(i), text); err != nil {
			t.Fatal(err)
		}
	}
	// What an earlier transcript had, and this one has not.
	if err := the.engines.ClickHouse.Exec(t.Context(), `INSERT INTO segments (org, code, turn, version, speaker, text) SELECT ?, ?, 2, ?, 'customer', 'gone'`, x.org, code, uint64(1)<<32); err != nil {
		t.Fatal(err)
	}
	return code
}

func documentXML(t *testing.T, docx string) string {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(docx), int64(len(docx)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open("word/document.xml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDocumentsOfACall(t *testing.T) {
	x := newTenant(t)
	code := analysedCall(t, x, "a.wav")
	for _, c := range []struct {
		kind, lang, contentType, name string
		want                          []string
	}{
		{"docx_call", "en", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "call_report_task1.docx",
			[]string{"Call report", "A refund.", "9 of 10", "Churn", "Greeting?", "Operator: ", "Good day &lt;script&gt;", "=cmd() a refund"}},
		{"docx_call", "ru", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "call_report_task1.docx", []string{"Отчёт о звонке", "9 из 10", "Уход клиента", "Клиент: "}},
		{"txt_call", "en-GB,en;q=0.9", "text/plain; charset=utf-8", "call_report_task1.txt", []string{"Call report\n", "Customer satisfaction: 9 of 10\n", "[0:00] Operator: Good day <script>\n[0:01] Customer: I want =cmd() a refund\n"}},
		{"txt_call", "ru-RU", "text/plain; charset=utf-8", "call_report_task1.txt", []string{"Отчёт о звонке\n", "Greeting? Да\n", "[0:01] Клиент: "}},
	} {
		t.Run(c.kind+" "+c.lang, func(t *testing.T) {
			r := getFile(t, the.service, x, c.kind, code, "Accept-Language", c.lang)
			text := r.raw
			if strings.HasPrefix(c.kind, "docx") {
				text = documentXML(t, r.raw)
			}
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in %.3000s", want, text)
				}
			}
			if strings.Contains(text, "gone") {
				t.Error("it has a turn of an earlier transcript")
			}
			for name, want := range map[string]string{"Content-Type": c.contentType, "Content-Disposition": `attachment; filename="` + c.name + `"`, "X-Content-Type-Options": "nosniff"} {
				if got := r.header.Get(name); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
		})
	}
}

func TestGetFileRefuses(t *testing.T) {
	x, stranger := newTenant(t), newTenant(t)
	call := upload(t, the.service, x, file("a.wav", wave(3, 8000, 1)))
	call.want(t, 200, 0)
	code, _ := call.at("code").(string)
	chat := submitChat(t, x, map[string]any{"text": "Operator: hi"})
	lost := analysedCall(t, x, "lost.wav")
	if err := the.engines.Blobs.Delete(t.Context(), ingest.BlobKey(submitted(t, x, lost))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, token, query string
		status             int
		code               schemas.Code
	}{
		{"no token", "", "file_type=docx_call&task_code=" + code, 401, schemas.CodeUnauthorized},
		{"a bad token", x.token + "x", "file_type=audio&task_code=" + code, 401, schemas.CodeUnauthorized},
		{"no task code", x.token, "file_type=docx_call", 200, schemas.CodeFieldsMissing},
		{"no file type", x.token, "task_code=" + code, 200, schemas.CodeFieldsMissing},
		{"a file type of nobody", x.token, "file_type=pdf_call&task_code=" + code, 200, schemas.CodeFileType},
		{"videos come later", x.token, "file_type=docx_youtube&task_code=" + code, 200, schemas.CodeFileType},
		{"a task of nobody", x.token, "file_type=docx_call&task_code=" + uuid.NewString(), 200, schemas.CodeTaskNotFound},
		{"no task code at all", x.token, "file_type=audio&task_code=../../etc/passwd", 200, schemas.CodeTaskNotFound},
		{"another's document", stranger.token, "file_type=docx_call&task_code=" + lost, 200, schemas.CodeTaskNotFound},
		{"another's audio", stranger.token, "file_type=audio&task_code=" + code, 200, schemas.CodeTaskNotFound},
		{"a document of a chat", x.token, "file_type=docx_call&task_code=" + chat, 200, schemas.CodeAccessDenied},
		{"a text of a chat", x.token, "file_type=txt_call&task_code=" + chat, 200, schemas.CodeAccessDenied},
		{"a call that is not analysed", x.token, "file_type=txt_call&task_code=" + code, 200, schemas.CodeNoAnalysis},
		{"the audio of a chat", x.token, "file_type=audio&task_code=" + chat, 200, schemas.CodeFileMissing},
		{"audio that is gone", x.token, "file_type=audio&task_code=" + lost, 200, schemas.CodeFileMissing},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := the.get(t, "/get_file?"+c.query, c.token)
			r.want(t, c.status, c.code)
			if r.header.Get("Content-Disposition") != "" || r.at("success") != false {
				t.Errorf("%v %s", r.header, r.raw)
			}
		})
	}
	conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	deps := the.deps
	deps.Reader = read.New(conn)
	getFile(t, serve(t, deps, nil), x, "docx_call", lost).want(t, http.StatusServiceUnavailable, schemas.CodeDatabase)
}

func TestAudioInRanges(t *testing.T) {
	x := newTenant(t)
	data := wave(3, 8000, 1)
	r := upload(t, the.service, x, file(`звонок "1";.wav`, data))
	r.want(t, 200, 0)
	code, _ := r.at("code").(string)
	size := len(data)
	tag := `"` + submitted(t, x, code).Digest + `"`
	for _, c := range []struct {
		name, method string
		headers      []string
		status       int
		from, to     int // of data; to 0: no body
	}{
		{"the whole", "GET", nil, 200, 0, size},
		{"head", "HEAD", nil, 200, 0, 0},
		{"the beginning", "GET", []string{"Range", "bytes=0-99"}, 206, 0, 100},
		{"from the middle", "GET", []string{"Range", "bytes=1000-"}, 206, 1000, size},
		{"one byte", "GET", []string{"Range", "bytes=7-7"}, 206, 7, 8},
		{"the end", "GET", []string{"Range", "bytes=-10"}, 206, size - 10, size},
		{"more than there is", "GET", []string{"Range", "bytes=-99999999"}, 200, 0, size},
		{"beyond the end", "GET", []string{"Range", "bytes=100-99999999"}, 206, 100, size},
		{"a head of a range", "HEAD", []string{"Range", "bytes=0-99"}, 206, 0, 0},
		{"two ranges", "GET", []string{"Range", "bytes=0-1,5-6"}, 200, 0, size},
		{"backwards", "GET", []string{"Range", "bytes=9-1"}, 200, 0, size},
		{"another unit", "GET", []string{"Range", "lines=1-2"}, 200, 0, size},
		{"nonsense", "GET", []string{"Range", "bytes=-"}, 200, 0, size},
		{"still the same", "GET", []string{"Range", "bytes=0-9", "If-Range", tag}, 206, 0, 10},
		{"not the same any more", "GET", []string{"Range", "bytes=0-9", "If-Range", `"other"`}, 200, 0, size},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := the.send(t, c.method, "/get_file?file_type=audio&task_code="+code, x.token, nil, c.headers...)
			if got.status != c.status || c.to > 0 && got.raw != string(data[c.from:c.to]) || c.to == 0 && got.raw != "" {
				t.Fatalf("%d, %d bytes", got.status, len(got.raw))
			}
			want := map[string]string{"Content-Type": "audio/wav", "Accept-Ranges": "bytes", "Etag": tag, "X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache",
				"Content-Disposition": `attachment; filename="______ _1_;.wav"; filename*=utf-8''%D0%B7%D0%B2%D0%BE%D0%BD%D0%BE%D0%BA%20%221%22%3B.wav`}
			if c.to > 0 {
				want["Content-Length"] = strconv.Itoa(c.to - c.from)
			}
			if c.status == 206 && c.to > 0 {
				want["Content-Range"] = "bytes " + strconv.Itoa(c.from) + "-" + strconv.Itoa(c.to-1) + "/" + strconv.Itoa(size)
			}
			for name, v := range want {
				if got.header.Get(name) != v {
					t.Errorf("%s: %s, want %s", name, got.header.Get(name), v)
				}
			}
		})
	}
	for _, asked := range []string{"bytes=" + strconv.Itoa(size) + "-", "bytes=-0"} {
		beyond := getFile(t, the.service, x, "audio", code, "Range", asked)
		beyond.want(t, http.StatusRequestedRangeNotSatisfiable, schemas.CodeInvalid)
		if got := beyond.header.Get("Content-Range"); got != "bytes */"+strconv.Itoa(size) {
			t.Errorf("%s: %s", asked, got)
		}
	}
	if head := the.send(t, "HEAD", "/get_file?file_type=audio&task_code="+code, x.token, nil); head.header.Get("Content-Length") != strconv.Itoa(size) {
		t.Errorf("head: %v", head.header)
	}
	// The bytes are there before the first event has come back from the log.
	if n := len(the.api.downloads.all); n != 0 {
		t.Errorf("%d downloads are still counted", n)
	}
}

// A download takes no more memory for being large, goes on as long as the client
// reads, and ends when it stands still.
func TestLongDownload(t *testing.T) {
	const size = 96 << 20
	const pause = 400 * time.Millisecond
	x := newTenant(t)
	s := serve(t, the.deps, func(c *Config) { c.ReadTimeout = pause })
	r := upload(t, s, x, file("long.wav", wave(3, 8000, 1)))
	r.want(t, 200, 0)
	code, _ := r.at("code").(string)
	if err := the.engines.Blobs.WriteAll(t.Context(), ingest.BlobKey(submitted(t, x, code)), make([]byte, size), nil); err != nil {
		t.Fatal(err)
	}
	connect := func() net.Conn {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "GET /get_file?file_type=audio&task_code="+code+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "+x.token+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	runtime.GC()
	var before, during runtime.MemStats
	runtime.ReadMemStats(&before)
	slow := connect()
	defer slow.Close()
	total, buffer := 0, make([]byte, 64<<10)
	for begin := time.Now(); ; {
		n, err := slow.Read(buffer)
		total += n
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("after %d bytes and %s: %v", total, time.Since(begin), err)
		}
		if time.Since(begin) < 3*pause {
			time.Sleep(5 * time.Millisecond) // a slow line
		} else if during.HeapAlloc == 0 {
			runtime.GC()
			runtime.ReadMemStats(&during)
		}
	}
	if total < size {
		t.Errorf("%d bytes of %d", total, size)
	}
	if grown := int64(during.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}

	stuck := connect()
	defer stuck.Close()
	if _, err := io.ReadFull(stuck, buffer[:100]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a client that stands still is let go", func() bool { return len(s.api.downloads.all) == 0 })
	if rest, err := io.Copy(io.Discard, stuck); err == nil && rest >= size {
		t.Error("it got all of it")
	}
	if !bytes.HasPrefix(buffer, []byte("HTTP/1.1 200 OK")) {
		t.Errorf("%q", buffer[:100])
	}
}

// One organisation has half of the places for documents and downloads; who has
// none reads nothing.
func TestPlacesOfAnOrganisation(t *testing.T) {
	x, other := newTenant(t), newTenant(t)
	mine, others := analysedCall(t, x, "a.wav"), analysedCall(t, other, "a.wav")
	s := serve(t, the.deps, func(c *Config) { c.RequestTimeout, c.MaxUploads = 3*time.Second, 2 })
	for kind, p := range map[string]*places{"txt_call": s.api.documents, "audio": s.api.downloads} {
		leave, ok := p.take(t.Context(), x.org)
		if !ok {
			t.Fatal("there is no place")
		}
		getFile(t, s, x, kind, mine).want(t, http.StatusServiceUnavailable, schemas.CodeUnavailable)
		if r := getFile(t, s, other, kind, others); r.status != 200 || r.header.Get("Content-Disposition") == "" {
			t.Errorf("%s: another organisation got %d %s", kind, r.status, r.raw)
		}
		leave()
		eventually(t, "all places are free", func() bool { return len(p.all) == 0 })
		if r := getFile(t, s, x, kind, mine); r.status != 200 {
			t.Errorf("%s: %d %s", kind, r.status, r.raw)
		}
		eventually(t, "nothing is kept", func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.orgs) == 0
		})
	}

	conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	deps := the.deps
	deps.Reader = read.New(conn) // to read would be 5002
	s = serve(t, deps, func(c *Config) { c.RequestTimeout = time.Second })
	leave, ok := s.api.documents.take(t.Context(), x.org)
	if !ok {
		t.Fatal("there is no place")
	}
	defer leave()
	getFile(t, s, x, "docx_call", mine).want(t, http.StatusServiceUnavailable, schemas.CodeUnavailable)
}
