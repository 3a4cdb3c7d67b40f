package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// content of a model of n bytes that begins as it should.
func content(begin string, n int) []byte {
	b := []byte("lmgg" + begin)
	for i := len(b); i < n; i++ {
		b = append(b, byte(i*i>>3+i))
	}
	return b
}

var (
	small  = content("", 200_000)
	silero = content("\x0a\x00\x00\x00silero-16k", 5_000)
)

func model(name string, kind Kind, data []byte) Model {
	sum := sha256.Sum256(data)
	return Model{Name: name, File: "ggml-" + name + ".bin", Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]), Kind: kind}
}

// fixture is a hub on a folder and a server that gives one answer after the
// other, the last for good.
type fixture struct {
	*Hub
	out    bytes.Buffer
	mu     sync.Mutex
	steps  []http.HandlerFunc
	ranges []string // of the requests, with their paths
}

func serving(t *testing.T, steps ...http.HandlerFunc) *fixture {
	t.Helper()
	f := &fixture{steps: steps}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	var err error
	if f.Hub, err = New(Config{URL: server.URL + "/"}, filepath.Join(t.TempDir(), "models"), map[string]string{"EARSHOT_VAD_MODEL": ""}, &f.out); err != nil {
		t.Fatal(err)
	}
	f.known = []Model{model("small", Whisper, small), model("small.en", Whisper, content("en", 70_000)), model("silero-v1", Silero, silero)}
	f.bar, f.pause = &f.out, time.Millisecond
	return f
}

func (f *fixture) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	step := f.steps[0]
	if len(f.steps) > 1 {
		f.steps = f.steps[1:]
	}
	f.ranges = append(f.ranges, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("Range")))
	f.mu.Unlock()
	step(w, r)
}

func (f *fixture) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ranges
}

// put writes a file into the folder.
func (f *fixture) put(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(f.folder, 0o755), os.WriteFile(filepath.Join(f.folder, name), data, 0o644)); err != nil {
		t.Fatal(err)
	}
}

// files in the folder with their sizes.
func (f *fixture) files(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir(f.folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(e.Name(), " ", info.Size()))
	}
	return strings.Join(all, ", ")
}

// gives serves data as a file server does, ranges included.
func gives(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}
}

// cuts sends all headers and n bytes.
func cuts(data []byte, n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		fmt.Fprintf(w, "%s", data[:n])
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// redirects as the hub does, which says what file there is.
func redirects(etag, size string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Linked-Etag", etag)
		w.Header().Set("X-Linked-Size", size)
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}
}

// drips sends 20 kB of a range and hangs up.
func drips(w http.ResponseWriter, r *http.Request) {
	begin, _ := strconv.Atoi(strings.Trim(r.Header.Get("Range"), "bytes=-"))
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-199999/200000", begin))
	w.Header().Set("Content-Length", fmt.Sprint(len(small)-begin))
	if begin > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	fmt.Fprintf(w, "%s", small[begin:begin+20_000])
}

func endless(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := w.Write(small); err != nil {
			return
		}
	}
}

func withoutRanges(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "%s", small) }

func otherRange(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Range", "bytes 0-9/200000")
	w.WriteHeader(http.StatusPartialContent)
}

const (
	whole = "current 15, ggml-small.bin 200000"
	path  = "/ggerganov/whisper.cpp/resolve/main/ggml-small.bin"
)

// What a hub may send, and what is in the folder afterwards.
func TestGet(t *testing.T) {
	broken := bytes.Repeat([]byte("x"), len(small))
	digest := model("", Whisper, small).SHA256
	for _, c := range []struct {
		name     string
		part     []byte // left by an earlier download
		steps    []http.HandlerFunc
		requests []string // "" = not looked at
		files    string
		want     string // of the error
	}{
		{"good", nil, []http.HandlerFunc{gives(small)}, []string{path}, whole, ""},
		{"redirect", nil, []http.HandlerFunc{redirects(`"`+digest+`"`, "200000"), gives(small)}, []string{path, "/elsewhere"}, whole, ""},
		{"another file now", nil, []http.HandlerFunc{redirects(strings.Repeat("ab", 32), "200000"), gives(small)}, []string{path}, "ggml-small.bin.part 0", "another file under this name now (SHA-256 abab"},
		{"another size now", nil, []http.HandlerFunc{redirects("", "1"), gives(small)}, []string{path}, "ggml-small.bin.part 0", "(1 bytes)"},
		{"round and round", nil, []http.HandlerFunc{redirects("", "")}, nil, "ggml-small.bin.part 0", "more than 5 redirects"},
		{"a little at a time", nil, []http.HandlerFunc{drips}, []string{path, path + " bytes=20000-", path + " bytes=40000-"}, whole, ""},
		{"cut off, then resumed", nil, []http.HandlerFunc{cuts(small, 150_000), status(503), gives(small)}, []string{path, path + " bytes=150000-", path + " bytes=150000-"}, whole, ""},
		{"left by an earlier one", small[:123_456], []http.HandlerFunc{gives(small)}, []string{path + " bytes=123456-"}, whole, ""},
		{"left whole", small, []http.HandlerFunc{status(500)}, nil, whole, ""},
		{"left by another file", broken[:99], []http.HandlerFunc{gives(small)}, []string{path + " bytes=99-", path}, whole, ""},
		{"left too long", append(broken, 'x'), []http.HandlerFunc{gives(small)}, []string{path}, whole, ""},
		{"no ranges", small[:1000], []http.HandlerFunc{withoutRanges}, []string{path + " bytes=1000-"}, whole, ""},
		{"a range not asked for", small[:1000], []http.HandlerFunc{otherRange}, []string{path + " bytes=1000-"}, "ggml-small.bin.part 1000", "another range"},
		{"wrong digest", nil, []http.HandlerFunc{gives(broken)}, []string{path}, "", "has SHA-256 " + model("", Whisper, broken).SHA256},
		{"too short", nil, []http.HandlerFunc{gives(small[1:])}, []string{path}, "ggml-small.bin.part 0", "199999 bytes instead of 200000"},
		{"endless", nil, []http.HandlerFunc{endless}, []string{path}, "ggml-small.bin.part 0", "more than the model is long"},
		{"not there", nil, []http.HandlerFunc{status(404)}, []string{path}, "ggml-small.bin.part 0", "HTTP 404 Not Found; is EARSHOT_MODEL_URL="},
		{"down for good", nil, []http.HandlerFunc{status(503)}, []string{path, path, path, path, path, path}, "ggml-small.bin.part 0", "HTTP 503"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := serving(t, c.steps...)
			if c.part != nil {
				f.put(t, "ggml-small.bin.part", c.part)
			}
			err := f.Get(t.Context(), "small")
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v", err)
			}
			if got := f.files(t); c.files != "" && got != c.files {
				t.Errorf("files: %s", got)
			}
			if got := f.requests(); c.requests != nil && fmt.Sprint(got[:min(len(got), len(c.requests))]) != fmt.Sprint(c.requests) {
				t.Errorf("requests: %q", got)
			}
			if err == nil {
				if got, _ := os.ReadFile(filepath.Join(f.folder, "ggml-small.bin")); !bytes.Equal(got, small) {
					t.Error("another model")
				}
			}
		})
	}
}

func TestGetRefuses(t *testing.T) {
	f := serving(t, gives(small))
	for _, name := range []string{"huge", "../small", "/etc/passwd", "", "ggml-small.bin/../x"} {
		if err := f.Get(t.Context(), name); err == nil || !strings.Contains(err.Error(), "there are: small, small.en, silero-v1") {
			t.Errorf("%q: %v", name, err)
		}
	}
	f.known[0].Size = 1 << 60
	if err := f.Get(t.Context(), "small"); err == nil || !strings.Contains(err.Error(), "are free in") {
		t.Errorf("no room: %v", err)
	}
	// A .part that is a way out of the folder is not followed.
	f.known[0].Size = int64(len(small))
	outside := filepath.Join(t.TempDir(), "outside")
	if err := errors.Join(os.Remove(filepath.Join(f.folder, "ggml-small.bin.part")), os.Symlink(outside, filepath.Join(f.folder, "ggml-small.bin.part"))); err != nil {
		t.Fatal(err)
	}
	if err := f.Get(t.Context(), "small"); err == nil || !strings.Contains(err.Error(), "escapes") {
		t.Errorf("a link: %v", err)
	}
	if got := f.requests(); len(got) > 0 {
		t.Errorf("requests: %q", got)
	}
}

// A hub that stops sending is asked again; a person who stops goes on later.
func TestGetStops(t *testing.T) {
	stuck := func(w http.ResponseWriter, r *http.Request) {
		cuts(small, 100_000)(w, r)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	f := serving(t, stuck, gives(small))
	f.stall = 50 * time.Millisecond
	if err := f.Get(t.Context(), "small"); err != nil || f.requests()[1] != path+" bytes=100000-" {
		t.Errorf("stalled: %v, %q", err, f.requests())
	}
	ctx, cancel := context.WithCancel(t.Context())
	f = serving(t, func(w http.ResponseWriter, r *http.Request) {
		time.AfterFunc(20*time.Millisecond, cancel)
		stuck(w, r)
	}, gives(small))
	err := f.Get(ctx, "small")
	if !errors.Is(err, context.Canceled) || !regexp.MustCompile(`stopped at (\d+)%`).MatchString(err.Error()) {
		t.Fatalf("stopped: %v", err)
	}
	if err := f.Get(t.Context(), "small"); err != nil || f.files(t) != whole {
		t.Errorf("resumed: %v, %s", err, f.files(t))
	}
}

func TestGetOneAtATime(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	f := serving(t, func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-leave
		gives(small)(w, r)
	}, gives(small))
	first := make(chan error)
	go func() { first <- f.Get(t.Context(), "small") }()
	<-entered
	second := *f.Hub
	second.out, second.bar = new(bytes.Buffer), new(bytes.Buffer)
	if err := second.Get(t.Context(), "small"); err == nil || !strings.Contains(err.Error(), "another earshot model get") {
		t.Errorf("the second: %v", err)
	}
	close(leave)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if err := second.Get(t.Context(), "small"); err != nil || len(f.requests()) != 1 {
		t.Errorf("afterwards: %v, %q", err, f.requests())
	}
}

// The first model of a kind is used; a second waits to be chosen.
func TestUse(t *testing.T) {
	f := serving(t, gives(small), gives(content("en", 70_000)), gives(silero))
	f.set = []string{"EARSHOT_WHISPER_MODEL"}
	if path, err := Current(f.folder, Whisper); path != "" || err != nil {
		t.Errorf("no folder: %s %v", path, err)
	}
	for _, name := range []string{"small", "ggml-small.en.bin", "silero-v1"} {
		if err := f.Get(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	current := func() string {
		path, err := Current(f.folder, Whisper)
		if err != nil || filepath.Dir(path) != f.folder {
			t.Errorf("%s %v", path, err)
		}
		return filepath.Base(path)
	}
	if got := current(); got != "ggml-small.bin" || !strings.Contains(f.out.String(), "To use it: earshot model use small.en\n") || !strings.Contains(f.out.String(), "EARSHOT_WHISPER_MODEL is set") {
		t.Errorf("%s is in use\n%s", got, &f.out)
	}
	if path, err := Current(f.folder, Silero); filepath.Base(path) != "ggml-silero-v1.bin" || err != nil {
		t.Errorf("Silero: %s %v", path, err)
	}
	f.put(t, "mine.bin", content("", 99))
	for _, name := range []string{"small.en", "mine.bin"} {
		if err := f.Use(t.Context(), name); err != nil || !strings.Contains("ggml-"+name+".bin"+name, current()) {
			t.Errorf("%s: %v, %s", name, err, current())
		}
	}
	f.put(t, "ggml-small.bin", small[:len(small)-1])
	for name, want := range map[string]string{"small": "199999 bytes, not 200000", "../models/mine.bin": "no model", "current/../mine.bin": "no model", "..": "no model", "": "no model", "huge": "no model"} {
		if err := f.Use(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"gone.bin", "../models/mine.bin", ""} {
		f.put(t, "current", []byte(name))
		if path, err := Current(f.folder, Whisper); path != "" || err == nil || !strings.Contains(err.Error(), "earshot model use NAME") {
			t.Errorf("%q: %s %v", name, path, err)
		}
	}
	for _, want := range []string{"", "2 models in "} { // one Silero model is taken, of two none
		if err := os.RemoveAll(filepath.Join(f.folder, "current-vad")); err != nil {
			t.Fatal(err)
		}
		if path, err := Current(f.folder, Silero); (want == "") != (err == nil && path != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s %v", path, err)
		}
		f.put(t, "vad.bin", silero)
	}
}

func TestList(t *testing.T) {
	f := serving(t, gives(small))
	show := func() string {
		f.out.Reset()
		if err := f.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		return f.out.String()
	}
	if got := show(); strings.Count(got, "\n") != 5 || !strings.Contains(got, "None is installed") {
		t.Errorf("got\n%s", got)
	}
	f.put(t, "mine.bin", content("", 1_200_000))
	if err := f.Get(t.Context(), "small"); err != nil {
		t.Fatal(err)
	}
	f.put(t, "ggml-small.en.bin", []byte("x"))
	f.put(t, "ggml-silero-v1.bin.part", silero[:1_000])
	const before = `MODEL                      SIZE  FOR             STATE
small                    0.2 MB  any language    installed, SHA-256 checked
small.en                 0.1 MB  English         damaged (1 bytes, not 70000); earshot model get small.en
silero-v1                0.0 MB  voice activity  20% downloaded; go on with: earshot model get silero-v1
mine.bin                 1.2 MB  any language    installed, not of the hub
3 models in FOLDER; choose with: earshot model use NAME
`
	if got := strings.ReplaceAll(show(), f.folder, "FOLDER"); got != before {
		t.Errorf("got\n%s", got)
	}
	if err := f.Use(t.Context(), "mine.bin"); err != nil {
		t.Fatal(err)
	}
	if got := show(); !strings.Contains(got, "any language    in use, not of the hub\n") || strings.Contains(got, "choose") {
		t.Errorf("got\n%s", got)
	}
}

// The table is whole: 33 models of whisper.cpp and two of Silero.
func TestTable(t *testing.T) {
	all := published()
	names := map[string]bool{}
	for _, m := range all {
		names[m.Name] = true
		if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(m.SHA256) || m.Size < 800_000 || m.Size > 4e9 || !plain(m.File) || (m.Kind == Silero) != strings.HasPrefix(m.Name, "silero") {
			t.Errorf("%+v", m)
		}
	}
	if len(all) != 35 || len(names) != 35 || !names["base"] || !names["large-v3-turbo-q8_0"] {
		t.Errorf("%d models", len(all))
	}
	if got := (&Config{URL: "huggingface.co"}).Validate(); got == nil {
		t.Error("an address without a scheme")
	}
}
