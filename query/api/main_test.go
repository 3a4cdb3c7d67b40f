package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/caarlos0/env/v11"
	"github.com/pressly/goose/v3"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"earshot/deploy/engines"
	"earshot/ingest"
	"earshot/ingest/accounts"
	"earshot/query/read"
	"earshot/schemas"
	"earshot/schemas/openapi/conform"
	"earshot/sinks/state"
)

// world is what every test talks to: the API on a real port, over the real
// stores.
type world struct {
	*service
	engines *engines.Engines
	store   *state.Store
	door    *ingest.Door
	deps    Deps
	metrics *schemas.StageMetrics
	hash    string // of password
}

const password = "correct horse"

var the world

// contract is what every answer is held against.
var contract *conform.Document

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "earshot-api")
	if err != nil {
		return complain(err)
	}
	defer os.RemoveAll(dir)
	if contract, err = conform.New(); err != nil {
		return complain(err)
	}
	stop, err := open(dir)
	if err != nil {
		return complain(err)
	}
	code := m.Run()
	if code == 0 {
		if err := settle(); err != nil {
			code = complain(err)
		}
	}
	if err := stop(); err != nil {
		return complain(err)
	}
	// fasthttp keeps one goroutine that updates the Date header, for ever, and
	// a server (and a client, in benchmarks) some that look every ten seconds
	// whether they may end.
	sleepers := []goleak.Option{goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*TCPDialer).tcpAddrsClean")}
	if err := goleak.Find(sleepers...); err != nil {
		return complain(err)
	}
	return code
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func open(dir string) (stop func() error, err error) {
	var cfg engines.Config
	if err := env.ParseWithOptions(&cfg, env.Options{Environment: map[string]string{"EARSHOT_DATA": dir, "EARSHOT_DISK_MIN_FREE": "0"}}); err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	if the.engines, err = engines.Open(ctx, cfg, log); err != nil {
		cancel()
		return nil, err
	}
	if err := errors.Join(the.engines.EnsureTopics(ctx, schemas.Topics), migrate(ctx)); err != nil {
		cancel()
		return nil, err
	}
	var stateCfg state.Config
	var codec schemas.Codec
	registry := prometheus.NewRegistry()
	metrics := schemas.NewStageMetrics(registry)
	the.metrics = metrics
	the.store = state.New(the.engines.Redis, stateCfg)
	projected := make(chan error, 1)
	go func() { projected <- state.NewProjection(the.store, the.engines.Kafka, &codec, metrics, log).Run(ctx) }()
	producer, err := the.engines.Kafka()
	if err != nil {
		cancel()
		return nil, err
	}
	the.door = ingest.NewDoor(ingest.Config{ProduceTimeout: 8 * time.Second}, the.store, producer, &codec, the.engines.Blobs, metrics, log)
	auditor := ingest.NewAuditor(producer, &codec, metrics, log)
	the.deps = Deps{Store: the.store, Reader: read.New(the.engines.ClickHouse), Door: the.door, Blobs: the.engines.Blobs, Auditor: auditor,
		Accounts: accounts.New(the.store, the.door, schemas.DefaultPrices), Health: the.engines.Health,
		DiskFree: the.engines.DiskFree, Metrics: registry, Log: log}
	if the.hash, err = argon2id.CreateHash(ingest.PasswordHash(password), argon2id.DefaultParams); err != nil {
		cancel()
		return nil, err
	}
	for deadline := time.Now().Add(20 * time.Second); the.store.Ready(ctx) != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			cancel()
			return nil, errors.New("the state was not built")
		}
	}
	the.service, err = start(the.deps, dir+"/uploads", nil)
	return func() error {
		http.DefaultClient.CloseIdleConnections()
		err := the.stop()
		producer.Close()
		cancel()
		err = errors.Join(err, <-projected)
		closing, done := context.WithTimeout(context.Background(), 20*time.Second)
		defer done()
		return errors.Join(err, the.engines.Close(closing))
	}, err
}

func migrate(ctx context.Context) error {
	files, err := fs.Sub(schemas.DDL, "ddl")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectClickHouse, the.engines.SQL(), files)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// service is one running API.
type service struct {
	api  *API
	addr string
	url  string
	stop func() error
}

func start(deps Deps, uploads string, change func(*Config)) (*service, error) {
	var cfg Config
	if err := env.ParseWithOptions(&cfg, env.Options{Environment: map[string]string{
		"EARSHOT_JWT_SECRET": strings.Repeat("k", minSecret), "EARSHOT_UPLOAD_DIR": uploads}}); err != nil {
		return nil, err
	}
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &service{api: New(cfg, deps), addr: ln.Addr().String(), url: "http://" + ln.Addr().String()}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.api.Serve(ctx, ln) }()
	s.stop = func() error {
		cancel()
		return <-served
	}
	return s, nil
}

// serve runs an API of a test's own.
func serve(t *testing.T, deps Deps, change func(*Config)) *service {
	t.Helper()
	s, err := start(deps, t.TempDir(), change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// tenant is an organisation with one user.
type tenant struct {
	org, email, token string
	user              schemas.User
}

var tenants atomic.Int64

func newTenant(t testing.TB) tenant {
	t.Helper()
	plan := schemas.Plans["enterprise"].Subscribe(time.Now().Add(-time.Hour))
	return newTenantWith(t, &plan)
}

func newTenantWith(t testing.TB, plan *schemas.Subscription) tenant {
	t.Helper()
	n := tenants.Add(1)
	x := tenant{org: fmt.Sprintf("org_%d", n), email: fmt.Sprintf("user%d@example.com", n)}
	x.user = schemas.User{ID: 1, Org: x.org, Email: x.email, PasswordHash: the.hash, Locale: "en", Role: "admin"}
	put(t, x.org, schemas.KindOrganisation, x.org, 1, schemas.Organisation{ID: x.org, Name: x.org, Locale: "en"})
	put(t, x.org, schemas.KindUser, "1", 1, x.user)
	if plan != nil {
		put(t, x.org, schemas.KindPlan, x.org, 1, plan)
	}
	var err error
	if x.token, err = the.api.tokens.issue(x.user, time.Now()); err != nil {
		t.Fatal(err)
	}
	return x
}

func put(t testing.TB, org, kind, id string, version int64, value any) {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := the.door.Put(t.Context(), schemas.EntityChanged{Org: org, Kind: kind, ID: id, Version: version, Data: data}); err != nil {
		t.Fatal(err)
	}
}

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	raw    string
	body   map[string]any // nil when it is no JSON object
}

// at walks into the answer: at("tariff", "limits", "call_minutes").
func (r reply) at(path ...any) any {
	var v any = r.body
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

// want checks status and error code.
func (r reply) want(t testing.TB, status int, code schemas.Code) {
	t.Helper()
	if r.status != status || r.at("error_code") != float64(code) {
		t.Errorf("got %d %s, want %d with error_code %d", r.status, r.raw, status, code)
	}
}

// send makes a request; headers are name, value, ... The answer must be as the
// OpenAPI document has it.
func (s *service) send(t testing.TB, method, path, token string, body io.Reader, headers ...string) reply {
	t.Helper()
	sent, err := bytesOf(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, bytes.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	r := reply{status: res.StatusCode, header: res.Header, raw: string(raw)}
	if json.Unmarshal(raw, &r.body) != nil {
		r.body = nil
	}
	if err := contract.Answer(method, req.URL.Path, r.status, r.header, raw); err != nil {
		t.Error(err)
	}
	account.take(method, req, sent, r)
	return r
}

func (s *service) get(t testing.TB, path, token string, headers ...string) reply {
	t.Helper()
	return s.send(t, http.MethodGet, path, token, nil, headers...)
}

// post sends JSON: a string as it is, anything else marshalled.
func (s *service) post(t testing.TB, path, token string, body any, headers ...string) reply {
	t.Helper()
	data, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		data = string(b)
	}
	return s.send(t, http.MethodPost, path, token, strings.NewReader(data), append([]string{"Content-Type", "application/json"}, headers...)...)
}

// eventually waits until a condition holds, at most 20 seconds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// files counts what lies in a service's folder of uploads.
func (s *service) files(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir(s.api.cfg.UploadDir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// wave is a WAV file of silence with a quiet tone's worth of variation.
func wave(seconds float64, rate, channels int) []byte {
	samples := int(seconds*float64(rate)) * channels
	var b bytes.Buffer
	u32 := func(v int) { b.Write([]byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}) }
	u16 := func(v int) { b.Write([]byte{byte(v), byte(v >> 8)}) }
	b.WriteString("RIFF")
	u32(36 + 2*samples)
	b.WriteString("WAVEfmt ")
	u32(16)
	u16(1)
	u16(channels)
	u32(rate)
	u32(2 * rate * channels)
	u16(2 * channels)
	u16(16)
	b.WriteString("data")
	u32(2 * samples)
	for i := range samples {
		u16(i % 100)
	}
	return b.Bytes()
}
