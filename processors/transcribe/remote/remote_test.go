package remote

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"earshot/processors/transcribe/speech"
	"earshot/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "sk-hunter2"

// answers is a server that gives one answer after the other, the last for good.
type answers struct {
	mu    sync.Mutex
	steps []http.HandlerFunc
	forms []map[string][]string // of the requests
	file  []byte                // of the last request
}

// serve starts a server that gives the steps as answers.
func serve(t *testing.T, steps ...http.HandlerFunc) (*answers, string) {
	t.Helper()
	a := &answers{steps: steps}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	return a, server.URL
}

// seen are the forms of the requests so far.
func (a *answers) seen() []map[string][]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.forms
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	step := a.steps[0]
	if len(a.steps) > 1 {
		a.steps = a.steps[1:]
	}
	if err := r.ParseMultipartForm(1 << 20); err != nil || r.URL.Path != "/v1/audio/transcriptions" || r.Header.Get("Authorization") != "Bearer "+key {
		step = says(http.StatusTeapot, fmt.Sprint(r.URL.Path, err))
	} else if file, _, err := r.FormFile("file"); err == nil {
		a.file, _ = io.ReadAll(file)
	}
	a.forms = append(a.forms, r.MultipartForm.Value)
	a.mu.Unlock()
	step(w, r)
}

func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

const hello = `{"text":"Hello.","language":"english","segments":[{"start":0,"end":1,"text":" Hello."}]}`

func cutOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	fmt.Fprint(w, hello)
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func huge(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"text":"`)
	for line := bytes.Repeat([]byte("la "), 1<<14); ; {
		if _, err := w.Write(line); err != nil {
			return
		}
	}
}

// engine for tests: pauses of at most 20 ms, and a log.
func engine(t *testing.T, url string) (*Engine, *bytes.Buffer) {
	t.Helper()
	cfg := Config{URL: url, Key: key, Model: "whisper-1", Slots: 1, Patience: 2}
	log := new(bytes.Buffer)
	e, err := New(cfg, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	e.pause = 20 * time.Millisecond
	t.Cleanup(e.Close)
	return e, log
}

func hear(ctx context.Context, e *Engine, a speech.Ask) (heard speech.Heard, err error) {
	err = e.Use(ctx, func(s *Session) error {
		heard, err = s.Hear(ctx, a)
		return err
	})
	return heard, err
}

var second = speech.Ask{Samples: make([]int16, speech.Rate)}

// What a server may do, and what comes of it.
func TestFailures(t *testing.T) {
	for _, c := range []struct {
		name     string
		steps    []http.HandlerFunc
		requests int
		code     schemas.Code // of a final error
		want     string       // of the error; "" = heard
	}{
		{"at once", []http.HandlerFunc{says(200, hello)}, 1, 0, ""},
		{"too many requests", []http.HandlerFunc{says(429, `{}`, "Retry-After", "0.01"), says(200, hello)}, 2, 0, ""},
		{"a pause without measure", []http.HandlerFunc{says(429, `{}`, "Retry-After", "86400"), says(503, ``, "Retry-After", "Fri, 31 Dec 2100 23:59:59 GMT", "Retry-After-Ms", "9e9"), says(200, hello)}, 3, 0, ""},
		{"errors and a timeout of its own", []http.HandlerFunc{says(500, `oops`), says(408, ``), says(502, `<html>`), says(200, hello)}, 4, 0, ""},
		{"cut off", []http.HandlerFunc{cutOff, says(200, hello)}, 2, 0, ""},
		{"a page", []http.HandlerFunc{says(200, `<html>please wait`), says(200, hello)}, 2, 0, ""},
		{"down for good", []http.HandlerFunc{says(503, `{"error":{"message":"loading"}}`)}, tries, 0, "HTTP 503 Service Unavailable: {\"error\":{\"message\":\"loading\"}}"},
		{"nonsense for good", []http.HandlerFunc{says(200, `{"text":`)}, tries, 0, "the answer is not JSON"},
		{"another kind of JSON", []http.HandlerFunc{says(200, `{"text":["a"]}`)}, 1, 0, "the answer: json"},
		{"nothing in it", []http.HandlerFunc{says(200, `{"id":1}`)}, 1, 0, "neither text nor segments"},
		{"without end", []http.HandlerFunc{huge}, 1, 0, "longer than 4 MB"},
		{"wrong key", []http.HandlerFunc{says(401, `{"error":"Incorrect API key provided: sk-hu***r2"}`)}, 1, 0, "refuses the key (HTTP 401); set EARSHOT_STT_KEY"},
		{"no such model", []http.HandlerFunc{says(404, `{"detail":"Model 'whisper-1' is not installed"}`)}, 1, schemas.CodeNoModel, `no model "whisper-1"`},
		{"bad request", []http.HandlerFunc{says(400, "{\"error\":\n\"audio\x00 file\xff is broken, "+key+strings.Repeat("!", 1000)+`"}`)}, 1, schemas.CodeUndecodable, "file? is broken, …!!"},
		{"too large", []http.HandlerFunc{says(413, `limit is 1 MB`)}, 1, schemas.CodeUndecodable, "HTTP 413 Request Entity Too Large: limit is 1 MB"},
		{"redirect to nowhere", []http.HandlerFunc{says(304, ``)}, 1, 0, "HTTP 304"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, url := serve(t, c.steps...)
			e, log := engine(t, url)
			heard, err := hear(t.Context(), e, second)
			fault, final := schemas.RecordFault(err)
			switch {
			case c.want == "" && (err != nil || len(heard.Segments) != 1 || heard.Language != "en"):
				t.Errorf("heard %+v, %v", heard, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v", err)
			case final != (c.code != 0) || final && fault.Code != c.code:
				t.Errorf("got %v, want code %d", err, c.code)
			case err != nil && len(err.Error()) > 600:
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			if len(a.seen()) != c.requests {
				t.Errorf("%d requests, want %d", len(a.seen()), c.requests)
			}
			if strings.Contains(fmt.Sprint(err)+log.String(), key) {
				t.Errorf("the key is told: %v\n%s", err, log)
			}
		})
	}
}

// A server that says nothing costs the patience, once.
func TestHangs(t *testing.T) {
	a, url := serve(t, hang)
	e, _ := engine(t, url)
	if got := e.cfg.window(60 * speech.Rate); got != 150*time.Second {
		t.Errorf("a minute may take %s", got)
	}
	e.cfg.Patience = -29.9 // of the 30 s that any stretch has
	if _, err := hear(t.Context(), e, second); err == nil || !strings.Contains(err.Error(), "no answer within 100ms") || len(a.seen()) != 1 {
		t.Errorf("got %v after %d requests", err, len(a.seen()))
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a, url := serve(t, func(w http.ResponseWriter, r *http.Request) { cancel(); hang(w, r) })
	e, _ := engine(t, url)
	if _, err := hear(ctx, e, second); !errors.Is(err, context.Canceled) || len(a.seen()) != 1 || e.failures != 0 {
		t.Errorf("got %v after %d requests, %d failures", err, len(a.seen()), e.failures)
	}
}

// A server that is away is waited for: within a request, and before the next
// recording; when it is back all is as before.
func TestServerComesBack(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	e, _ := engine(t, "http://"+address+"/v1/")
	if _, err := hear(t.Context(), e, second); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Fatalf("got %v", err)
	}
	if e.failures != 1 || time.Until(e.rested) > e.pause {
		t.Errorf("%d failures, a pause until %s", e.failures, e.rested)
	}
	e.pause = time.Second // the first tries come too early
	started := make(chan *httptest.Server)
	time.AfterFunc(50*time.Millisecond, func() {
		s := httptest.NewUnstartedServer(&answers{steps: []http.HandlerFunc{says(200, hello)}})
		if s.Listener, err = net.Listen("tcp", address); err == nil {
			s.Start()
		}
		started <- s
	})
	heard, err := hear(t.Context(), e, second)
	defer (<-started).Close()
	if err != nil || len(heard.Segments) != 1 || e.failures != 0 || !e.rested.IsZero() {
		t.Errorf("heard %+v, %v", heard, err)
	}
}

// The form is what the API describes, and the file a WAV of the samples.
func TestForm(t *testing.T) {
	a, url := serve(t, says(200, hello))
	e, _ := engine(t, url+"/v1/audio/transcriptions")
	samples := make([]int16, 20_000)
	for i := range samples {
		samples[i] = int16(i * 7)
	}
	if _, err := hear(t.Context(), e, speech.Ask{Samples: samples, Language: "ru", Prompt: "тариф" + strings.Repeat("я", 2000)}); err != nil {
		t.Fatal(err)
	}
	form := a.seen()[0]
	if got := fmt.Sprint(form["model"], form["language"], form["response_format"], form["timestamp_granularities[]"]); got != "[whisper-1] [ru] [verbose_json] [segment word]" {
		t.Errorf("form %s", got)
	}
	if p := form["prompt"][0]; !strings.HasPrefix(p, "тариф") || len(p) != 2048 {
		t.Errorf("a prompt of %d bytes", len(p))
	}
	var head struct {
		Riff             [4]byte
		Size             uint32
		Wave, Fmt        [4]byte
		FmtSize          uint32
		Format, Channels uint16
		Rate, BytesPerS  uint32
		Align, Bits      uint16
		Data             [4]byte
		DataSize         uint32
	}
	sound := make([]int16, len(samples))
	r := bytes.NewReader(a.file)
	if err := errors.Join(binary.Read(r, binary.LittleEndian, &head), binary.Read(r, binary.LittleEndian, sound)); err != nil || r.Len() > 0 {
		t.Fatal(err, r.Len())
	}
	if int(head.Size) != len(a.file)-8 || head.Rate != 16_000 || head.BytesPerS != 32_000 || head.Channels != 1 || head.Bits != 16 || head.Align != 2 || int(head.DataSize) != 40_000 {
		t.Errorf("head %+v", head)
	}
	for i := range sound {
		if sound[i] != samples[i] {
			t.Fatalf("sample %d is %d, want %d", i, sound[i], samples[i])
		}
	}
	if _, err := hear(t.Context(), e, speech.Ask{Samples: make([]int16, 14*60*speech.Rate)}); err == nil || len(a.seen()) != 1 {
		t.Errorf("14 minutes: %v", err)
	}
}

// A server that does not know the format is asked for less, once and for all.
func TestModestServers(t *testing.T) {
	plain := says(200, `{"text":" Bonjour. "}`)
	for _, c := range []struct {
		name  string
		steps []http.HandlerFunc
		last  string // format and times of the last request
	}{
		{"no words", []http.HandlerFunc{says(400, `{"error":"timestamp_granularities: word is not supported"}`), plain}, "[verbose_json] [segment]"},
		{"text only", []http.HandlerFunc{says(400, `{"message":"Currently only support response_format text or json"}`), says(422, `{"detail":"verbose_json?"}`), plain}, "[json] []"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, url := serve(t, c.steps...)
			e, _ := engine(t, url)
			for range 2 {
				heard, err := hear(t.Context(), e, second)
				if err != nil || len(heard.Segments) != 1 || heard.Segments[0].Text != "Bonjour." || heard.Segments[0].End != 1 {
					t.Fatalf("heard %+v, %v", heard, err)
				}
			}
			all := a.seen()
			last := all[len(all)-1]
			if got := fmt.Sprint(last["response_format"], last["timestamp_granularities[]"]); got != c.last || len(all) != len(c.steps)+1 {
				t.Errorf("last of %d requests: %s", len(all), got)
			}
		})
	}
	// To the most modest manner there is no next.
	a, url := serve(t, says(400, `response_format`))
	e, _ := engine(t, url)
	if _, err := hear(t.Context(), e, second); err == nil || len(a.seen()) != len(manners) {
		t.Errorf("got %v after %d requests", err, len(a.seen()))
	}
}

func TestSlots(t *testing.T) {
	e, err := New(Config{URL: "http://127.0.0.1:1", Model: "m", Slots: 2, Patience: 1}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	entered, leave, left := make(chan struct{}), make(chan struct{}), make(chan error)
	for range 2 {
		go func() {
			left <- e.Use(t.Context(), func(*Session) error { entered <- struct{}{}; <-leave; return nil })
		}()
		<-entered
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := e.Use(ctx, func(*Session) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a third: %v", err)
	}
	closed := make(chan struct{})
	go func() { e.Close(); close(closed) }()
	<-e.closed
	if err := e.Use(t.Context(), func(*Session) error { return nil }); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
	select {
	case <-closed:
		t.Error("Close did not wait")
	default:
	}
	close(leave)
	if err := errors.Join(<-left, <-left); err != nil {
		t.Error(err)
	}
	<-closed
}

func TestConfig(t *testing.T) {
	good := Config{URL: "https://me:pw@host/api/v1/", Model: "m", Slots: 1, Patience: 1}
	e, err := New(good, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if engine, model, languages, multilingual := e.About(); engine != "openai-compatible host" || model != "m" || languages != nil || !multilingual {
		t.Error(e.About())
	}
	if err := (&Config{}).Validate(); err != nil {
		t.Errorf("no server: %v", err)
	}
	for want, change := range map[string]func(*Config){
		"EARSHOT_STT_URL":      func(c *Config) { c.URL = "me:pw@host/v1" },
		"EARSHOT_STT_URL is":   func(c *Config) { c.URL = "ftp://host" },
		"EARSHOT_STT_MODEL":    func(c *Config) { c.Model = "" },
		"EARSHOT_STT_SLOTS":    func(c *Config) { c.Slots = 0 },
		"EARSHOT_STT_PATIENCE": func(c *Config) { c.Patience = 0 },
	} {
		bad := good
		change(&bad)
		if _, err := New(bad, nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
