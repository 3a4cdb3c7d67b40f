package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/ingest"
	"earshot/query/read"
	"earshot/schemas"
	"earshot/sinks/state"
)

// part is a field of a form, or its file.
type part struct {
	name, value, file string
	data              []byte
}

func field(name, value string) part      { return part{name: name, value: value} }
func file(name string, data []byte) part { return part{name: "file", file: name, data: data} }
func healthOf(h map[string]error) healthFunc {
	return func(context.Context) map[string]error { return h }
}

type healthFunc = func(context.Context) map[string]error

func formOf(t *testing.T, parts ...part) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		var into io.Writer
		var err error
		if p.file != "" {
			into, err = w.CreateFormFile(p.name, p.file)
		} else {
			into, err = w.CreateFormField(p.name)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := into.Write(append([]byte(p.value), p.data...)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), w.FormDataContentType()
}

func upload(t *testing.T, s *service, x tenant, parts ...part) reply {
	t.Helper()
	return uploadWith(t, s, x, nil, parts...)
}

func uploadWith(t *testing.T, s *service, x tenant, headers []string, parts ...part) reply {
	t.Helper()
	body, kind := formOf(t, parts...)
	return s.send(t, http.MethodPost, "/addtaskcall", x.token, bytes.NewReader(body), append([]string{"Content-Type", kind}, headers...)...)
}

// submitted reads back the task that the log and the state got.
func submitted(t *testing.T, x tenant, code any) schemas.Task {
	t.Helper()
	s, _ := code.(string)
	ts, err := the.store.Task(t.Context(), x.org, s)
	if err != nil {
		t.Fatal(err)
	}
	return ts.Task
}

func TestUploadBecomesATask(t *testing.T) {
	x := newTenant(t)
	put(t, x.org, schemas.KindDirectory, "123", 1, schemas.Directory{ID: 123, Name: "Calls"})
	data := wave(65, 8000, 2)
	// The fields come before and after the file.
	r := upload(t, the.service, x, field("directory_id", "123"), field("operator_name", " Ivan\u202e\x00 "), file(`C:\calls\rec "1".wav`, data),
		field("client_id", "C-42"), field("call_type", "Inbound"), field("call_datetime", "2025-10-20T01:00:00+03:00"), field("processing_type", "priority"),
		field("language", "ru-RU"), field("external_id", "x1"), field("channels", `[{"index":1,"role":"operator"}]`), field("unknown", "ignored"))
	r.want(t, 200, 0)
	r.has(t, "id", 1.0)
	got := submitted(t, x, r.at("code"))
	want := schemas.Task{ID: 1, Org: x.org, User: 1, Type: schemas.TypeCall, Source: "upload", ExternalID: "x1", Processing: schemas.ProcessPriority,
		FileName: `rec "1".wav`, ContentType: "audio/wav", Bytes: int64(len(data)), Language: "ru", DirectoryID: 123, OperatorName: "Ivan", ClientID: "C-42",
		CallType: "inbound", CallDate: "2025-10-20", CallTime: time.Date(2025, 10, 19, 22, 0, 0, 0, time.UTC), Seconds: 65,
		Resource: schemas.ResourceCallMinutes, Reserved: 2, Code: got.Code, CreatedAt: got.CreatedAt, Digest: got.Digest, Blob: got.Blob}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	stored, err := the.engines.Blobs.ReadAll(t.Context(), ingest.BlobKey(got))
	if err != nil || !bytes.Equal(stored, data) {
		t.Errorf("%d bytes are stored of %d, %v", len(stored), len(data), err)
	}
	if n := the.files(t); n != 0 {
		t.Errorf("%d files are left", n)
	}

	plain := upload(t, the.service, x, file("b.wav", wave(3, 8000, 1)), field("directory_id", "0"), field("language", "00"))
	plain.want(t, 200, 0)
	got = submitted(t, x, plain.at("code"))
	if got.OperatorName != defaultOperator || got.DirectoryID != 0 || got.CallDate != "" || !got.CallTime.IsZero() || got.Processing != schemas.ProcessStandard || got.Language != "" {
		t.Errorf("%+v", got)
	}
}

func TestUploadRefuses(t *testing.T) {
	x := newTenant(t)
	good := file("good.wav", wave(3, 8000, 1))
	many := make([]part, maxParts+1)
	for i := range many {
		many[i] = field("x", "y")
	}
	for _, c := range []struct {
		name  string
		parts []part
		code  schemas.Code
	}{
		{"no file", []part{field("operator_name", "x")}, schemas.CodeNoFile},
		{"a file under another name", []part{{name: "audio", file: "a.wav", data: good.data}}, schemas.CodeNoFile},
		{"a field named file", []part{field("file", "a.wav")}, schemas.CodeNoFile},
		{"two files", []part{good, good}, schemas.CodeInvalid},
		{"empty file", []part{file("a.wav", nil)}, schemas.CodeBadLength},
		{"text", []part{file("a.wav", []byte("hello hello hello"))}, schemas.CodeBadFormat},
		{"playlist named mp3", []part{file("a.mp3", []byte("#EXTM3U\n#EXTINF:5,\nfile:///etc/passwd\n"))}, schemas.CodeBadFormat},
		{"cut off ogg", []part{file("a.ogg", []byte("OggS\x00\x02 and no more of it"))}, schemas.CodeUndecodable},
		{"1 Hz", []part{file("a.wav", wave(3000, 1, 1))}, schemas.CodeBadFormat},
		{"255 channels", []part{file("a.wav", wave(3, 8000, 255))}, schemas.CodeBadFormat},
		{"one second", []part{file("a.wav", wave(1, 8000, 1))}, schemas.CodeBadLength},
		{"directory of nobody", []part{good, field("directory_id", "9")}, schemas.CodeInvalid},
		{"directory is no number", []part{good, field("directory_id", "x")}, schemas.CodeInvalid},
		{"time without zone", []part{good, field("call_datetime", "2025-10-20T10:00:00")}, schemas.CodeInvalid},
		{"no date", []part{good, field("call_date", "20.10.2025")}, schemas.CodeInvalid},
		{"date of nobody's life", []part{good, field("call_date", "9999-01-01")}, schemas.CodeInvalid},
		{"call type", []part{good, field("call_type", "sideways")}, schemas.CodeInvalid},
		{"processing type", []part{good, field("processing_type", "fast")}, schemas.CodeInvalid},
		{"language", []part{good, field("language", "klingon")}, schemas.CodeInvalid},
		{"channels are no JSON", []part{good, field("channels", "left")}, schemas.CodeInvalid},
		{"channel twice", []part{good, field("channels", `[{"index":0,"role":"operator"},{"index":0,"role":"customer"}]`)}, schemas.CodeInvalid},
		{"channel that is not there", []part{good, field("channels", `[{"index":1,"role":"operator"}]`)}, schemas.CodeInvalid},
		{"channel below the first", []part{good, field("channels", `[{"index":-1,"role":"operator"}]`)}, schemas.CodeInvalid},
		{"channel without a number", []part{good, field("channels", `[{"role":"operator"}]`)}, schemas.CodeInvalid},
		{"language that is never heard", []part{good, field("language", "ky")}, schemas.CodeInvalid},
		{"role", []part{good, field("channels", `[{"index":0,"role":"boss"}]`)}, schemas.CodeInvalid},
		{"a field of 65 KB", []part{good, field("client_id", strings.Repeat("x", fieldBytes+1))}, schemas.CodeInvalid},
		{"65 fields", many, schemas.CodeInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			upload(t, the.service, x, c.parts...).want(t, 200, c.code)
		})
	}
	the.post(t, "/addtaskcall", x.token, `{}`).want(t, 200, schemas.CodeNoFile)
	uploadWith(t, the.service, x, []string{"Idempotency-Key", strings.Repeat("k", 256)}, good).want(t, 200, schemas.CodeInvalid)
	upload(t, the.service, newTenantWith(t, nil), good).want(t, 200, schemas.CodeNoPlan)
	q, err := the.store.Quota(t.Context(), x.org)
	if err != nil || q.Resources[schemas.ResourceCallMinutes].Reserved != 0 {
		t.Errorf("what was refused holds %+v, %v", q.Resources, err)
	}
	if n := the.files(t); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

func TestUploadQuota(t *testing.T) {
	plan := schemas.Plans["enterprise"].Subscribe(time.Now().Add(-time.Hour))
	plan.Limits = map[string]int64{schemas.ResourceCallMinutes: 2}
	x := newTenantWith(t, &plan)
	upload(t, the.service, x, file("long.wav", wave(121, 4000, 1))).want(t, 200, schemas.CodeQuota) // three minutes
	upload(t, the.service, x, file("a.wav", wave(61, 4000, 1))).want(t, 200, 0)
	upload(t, the.service, x, file("b.wav", wave(3, 4000, 1))).want(t, 200, schemas.CodeQuota)
	the.post(t, "/add_chat_analysis_task", x.token, map[string]string{"text": "a: b"}).want(t, 200, schemas.CodeQuota)
}

func TestDuplicatesAnswerWithTheFirstTask(t *testing.T) {
	x := newTenant(t)
	first := upload(t, the.service, x, file("same.wav", wave(3, 8000, 1)))
	first.want(t, 200, 0)
	for name, parts := range map[string][]part{
		"the name":    {file("same.wav", wave(4, 8000, 1))},
		"the content": {file("other.wav", wave(3, 8000, 1))},
	} {
		r := upload(t, the.service, x, parts...)
		r.want(t, 200, schemas.CodeDuplicate)
		if r.at("code") != first.at("code") || r.at("id") != first.at("id") || r.at("error_message") == nil {
			t.Errorf("same %s: %s", name, r.raw)
		}
	}
	chat := map[string]any{"text": "Operator: hi", "external_id": "e1"}
	code := submitChat(t, x, chat)
	r := the.post(t, "/add_chat_analysis_task", x.token, chat)
	r.want(t, 200, schemas.CodeDuplicate)
	if r.at("task_code") != code || r.at("success") != false {
		t.Error(r.raw)
	}
	if submitChat(t, x, map[string]any{"text": "Operator: hi"}) == code {
		t.Error("the same words in another chat are no duplicate")
	}
	// Another organisation's names are its own.
	upload(t, the.service, newTenant(t), file("same.wav", wave(3, 8000, 1))).want(t, 200, 0)
}

func TestIdempotencyKey(t *testing.T) {
	x := newTenant(t)
	key := []string{"Idempotency-Key", "key 1"}
	body := map[string]any{"text": "Operator: once"}
	var mu sync.Mutex
	codes := map[any]int{}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			r := the.post(t, "/add_chat_analysis_task", x.token, body, key...)
			mu.Lock()
			defer mu.Unlock()
			r.want(t, 200, 0)
			codes[r.at("task_code")]++
		})
	}
	group.Wait()
	if len(codes) != 1 {
		t.Errorf("one key made %v", codes)
	}
	r := the.post(t, "/add_chat_analysis_task", x.token, map[string]any{"text": "Operator: other"}, key...)
	r.want(t, http.StatusUnprocessableEntity, schemas.CodeKeyReused)

	call := uploadWith(t, the.service, x, []string{"Idempotency-Key", "call"}, file("a.wav", wave(3, 8000, 1)))
	call.want(t, 200, 0)
	again := uploadWith(t, the.service, x, []string{"Idempotency-Key", "call"}, file("a.wav", wave(3, 8000, 1)))
	again.want(t, 200, 0)
	if again.raw != call.raw {
		t.Errorf("first %s, then %s", call.raw, again.raw)
	}
	the.post(t, "/add_chat_analysis_task", x.token, body, "Idempotency-Key", "ключ").want(t, 200, schemas.CodeInvalid)
}

func TestChat(t *testing.T) {
	x := newTenant(t)
	r := the.post(t, "/add_chat_analysis_task", x.token, `{"text":null,"chunks":[{"speaker":"Olga","text":"Hi","time":"2025-10-20T10:00:00Z"},{"speaker":"Petr","text":"Hello\u0000","time":"2025-10-20T10:00:07Z"}],
		"operator_name":"Olga","call_date":"2025-10-20","client_id":42,"directory_id":0,"call_type":"outbound","processing_type":"analysis"}`)
	r.want(t, 200, 0)
	r.has(t, "success", true)
	r.has(t, "success_message", "Chat analysis task created")
	got := submitted(t, x, r.at("task_code"))
	if got.OperatorName != "Olga" || got.ClientID != "42" || got.CallType != "outbound" || got.Type != schemas.TypeChat || got.Source != "chat" || got.Resource != schemas.ResourceChats || got.Reserved != 1 {
		t.Errorf("%+v", got)
	}
	the.get(t, "/gettask?task_code="+got.Code, x.token).has(t, "task_result.original_text", "Operator: Hi\nClient: Hello")
	// What is written need not be a language that can be heard.
	if got := submitted(t, x, submitChat(t, x, map[string]any{"text": "Кардар: Салам", "language": "ky"})); got.Language != "ky" {
		t.Errorf("language %q", got.Language)
	}
}

func TestChatRefuses(t *testing.T) {
	x := newTenant(t)
	for _, c := range []struct {
		name, body string
		status     int
		code       schemas.Code
	}{
		{"neither text nor chunks", `{"operator_name":"x"}`, 200, schemas.CodeMissing},
		{"both null", `{"text":null,"chunks":null}`, 200, schemas.CodeMissing},
		{"empty text", `{"text":" \n "}`, 200, schemas.CodeFieldsMissing},
		{"no chunks", `{"chunks":[]}`, 200, schemas.CodeFieldsMissing},
		{"empty chunks", `{"chunks":[{"text":"\u0000"}]}`, 200, schemas.CodeFieldsMissing},
		{"text is no string", `{"text":7}`, 200, schemas.CodeInvalid},
		{"chunks are no array", `{"chunks":"x"}`, 200, schemas.CodeInvalid},
		{"a chunk is a number", `{"chunks":[7]}`, 200, schemas.CodeInvalid},
		{"no JSON", `text=hello`, 200, schemas.CodeInvalid},
		{"cut off", `{"text":"hel`, 200, schemas.CodeInvalid},
		{"date", `{"text":"a","call_date":"soon"}`, 200, schemas.CodeInvalid},
		{"time without zone", `{"text":"a","call_datetime":"2025-10-20T10:00:00"}`, 200, schemas.CodeInvalid},
		{"directory of nobody", `{"text":"a","directory_id":5}`, 200, schemas.CodeInvalid},
		{"directory is an object", `{"text":"a","directory_id":{}}`, 200, schemas.CodeInvalid},
		{"transcription", `{"text":"a","processing_type":"transcription"}`, 200, schemas.CodeInvalid},
		{"too many messages", `{"chunks":[` + strings.Repeat(`"a",`, ingest.MaxTurns) + `"a"]}`, 200, schemas.CodeInvalid},
		{"too much text", `{"text":"` + strings.Repeat("a", schemas.MaxTextBytes+1) + `"}`, 413, schemas.CodeTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			the.post(t, "/add_chat_analysis_task", x.token, c.body).want(t, c.status, c.code)
		})
	}
	the.post(t, "/add_chat_analysis_task", newTenantWith(t, nil).token, `{"text":"a"}`).want(t, 200, schemas.CodeNoPlan)
	if r := the.post(t, "/add_chat_analysis_task", x.token, `{"text":"`+strings.Repeat("я", schemas.MaxTextBytes/2-100)+`"}`); r.status != 200 || r.at("error_code") != 0.0 {
		t.Errorf("almost 10 MB: %d %.200s", r.status, r.raw)
	}
}

// TestEnginesDown: what cannot be stored is not promised.
func TestEnginesDown(t *testing.T) {
	x := newTenant(t)
	gone, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:1"), kgo.RecordDeliveryTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	deps := the.deps
	deps.Door = ingest.NewDoor(ingest.Config{ProduceTimeout: 100 * time.Millisecond}, the.store, gone, &schemas.Codec{}, the.engines.Blobs,
		schemas.NewStageMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	deps.DiskFree = func() error { return nil }
	s := serve(t, deps, nil)
	lost := func() reply {
		return s.post(t, "/add_chat_analysis_task", x.token, map[string]string{"text": "Operator: lost"}, "Idempotency-Key", "lost")
	}
	for name, r := range map[string]reply{
		"chat":   lost(),
		"upload": upload(t, s, x, file("lost.wav", wave(3, 8000, 1))),
	} {
		r.want(t, http.StatusServiceUnavailable, schemas.CodeUnavailable)
		if r.header.Get("Retry-After") == "" || strings.Contains(r.raw, "127.0.0.1") {
			t.Errorf("%s: %v %s", name, r.header, r.raw)
		}
	}
	if n := s.files(t); n != 0 {
		t.Errorf("%d files are left", n)
	}
	// Whether the event of the first try is on the log is not known yet.
	again := lost()
	again.want(t, http.StatusConflict, schemas.CodeInProgress)
	if again.header.Get("Retry-After") == "" {
		t.Error("a request that is in progress is answered without Retry-After")
	}

	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer rdb.Close()
	noRedis := the.deps
	noRedis.Store = state.New(rdb, state.Config{})
	s = serve(t, noRedis, nil)
	s.get(t, "/user/tariff", x.token).want(t, http.StatusServiceUnavailable, schemas.CodeUnavailable)
	s.post(t, "/auth/login", "", credentials(x.email, password)).want(t, http.StatusServiceUnavailable, schemas.CodeUnavailable)
	if r := s.get(t, "/readyz", ""); r.status != 503 || r.at("engines", "state") != "down" {
		t.Error(r.raw)
	}

	conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	noClickHouse := the.deps
	noClickHouse.Reader = read.New(conn)
	s = serve(t, noClickHouse, nil)
	s.get(t, "/tasks/filter", x.token).want(t, http.StatusServiceUnavailable, schemas.CodeDatabase)
	s.post(t, "/auth/login", "", credentials(x.email, password)).has(t, "last_tasks", []any{}) // submitting needs a token, not ClickHouse

	deps.DiskFree = func() error { return fmt.Errorf("the disk is nearly full: 3 MiB") }
	full := serve(t, deps, nil)
	r := upload(t, full, x, file("a.wav", wave(3, 8000, 1)))
	r.want(t, http.StatusInsufficientStorage, schemas.CodeDiskFull)
	if strings.Contains(r.raw, "MiB") {
		t.Error(r.raw)
	}
}
