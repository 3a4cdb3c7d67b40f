// Package remote hears with a server that speaks OpenAI's API for
// transcriptions: vLLM, speaches, whisper.cpp's own whisper-server, OpenAI.
//
//	Ask ─► WAV in a form ─► POST …/audio/transcriptions ─► verbose JSON ─► Heard
//	          ▲   429, 5xx, cut off, no connection: again, after a pause  │
//	          └───────────────────────────────────────────────────────────┘
package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"earshot/processors/transcribe/speech"
)

// Config of the remote engine.
type Config struct {
	URL      string  `env:"EARSHOT_STT_URL" secret:"true" help:"address of a speech server with OpenAI's API, http://host:8000/v1; empty: whisper.cpp in this program"`
	Key      string  `env:"EARSHOT_STT_KEY" secret:"true" help:"API key of the speech server; empty: none is sent"`
	Model    string  `env:"EARSHOT_STT_MODEL" envDefault:"whisper-1" help:"model that the speech server is asked for"`
	Slots    int     `env:"EARSHOT_STT_SLOTS" envDefault:"4" help:"recordings that the speech server is given at a time"`
	Patience float64 `env:"EARSHOT_STT_PATIENCE" envDefault:"2" help:"how many times its own length a stretch of audio may take at the speech server, 30 s more for any"`
}

// Validate refuses what cannot work; the configuration loader calls it.
func (c *Config) Validate() error {
	if c.URL == "" {
		return nil
	}
	var errs []error
	if _, err := c.address(); err != nil {
		errs = append(errs, err)
	}
	if c.Model == "" {
		errs = append(errs, errors.New("EARSHOT_STT_MODEL is empty; name the model that the speech server is to use"))
	}
	if c.Slots < 1 || c.Slots > 256 {
		errs = append(errs, fmt.Errorf("EARSHOT_STT_SLOTS is %d, want 1 to 256", c.Slots))
	}
	if !(c.Patience > 0) || c.Patience > 1000 { // NaN too
		errs = append(errs, fmt.Errorf("EARSHOT_STT_PATIENCE is %g, want more than 0 and at most 1000", c.Patience))
	}
	return errors.Join(errs...)
}

// address of the API, with /v1 unless another path is given. Errors do not
// repeat it: it may hold a password.
func (c *Config) address() (*url.URL, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
		return nil, errors.New("EARSHOT_STT_URL is not an address such as http://host:8000/v1")
	}
	u.Path = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/audio/transcriptions")
	if u.Path == "" {
		u.Path = "/v1"
	}
	return u, nil
}

// window is how long a stretch of a given length may be worked on.
func (c *Config) window(samples int) time.Duration {
	return 30*time.Second + time.Duration(c.Patience*float64(samples)/speech.Rate*float64(time.Second))
}

const (
	// tries of a request, the first included. The pauses between them, 0.5 s
	// doubled each time, are a minute together: a server may be started anew.
	tries = 8
	// longestPause bounds the pause that a server asks for.
	longestPause = 2 * time.Minute
	// maxAnswer bounds an answer, in bytes; a quarter of an hour with each token
	// and its times is less than a fourth of it.
	maxAnswer = 4 << 20
)

var errClosed = errors.New("the transcriber is closed")

// Engine hears with a server. It is safe for concurrent use.
type Engine struct {
	cfg       Config
	host      string
	log       *slog.Logger
	server    openai.Client
	transport *http.Transport
	manner    atomic.Int32 // index of manners: what this server was found to understand
	pause     time.Duration

	idle   chan struct{} // a value for each free slot
	closed chan struct{}

	mu       sync.Mutex
	failures int // in a row
	rested   time.Time
}

// New returns an engine for the server that cfg names. It connects to nothing:
// a server may be started any time before the first recording.
func New(cfg Config, log *slog.Logger) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	address, err := cfg.address()
	if err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, host: address.Host, log: log, pause: longestPause,
		transport: http.DefaultTransport.(*http.Transport).Clone(), idle: make(chan struct{}, cfg.Slots), closed: make(chan struct{})}
	e.transport.MaxIdleConnsPerHost = cfg.Slots
	for range cfg.Slots {
		e.idle <- struct{}{}
	}
	// Not openai.NewClient: that reads OPENAI_API_KEY and more from the environment.
	e.server.Options = []option.RequestOption{option.WithBaseURL(address.String() + "/"), option.WithAPIKey(cfg.Key),
		option.WithHTTPClient(&http.Client{Transport: e.transport}), option.WithMaxRetries(tries - 1), option.WithHeader("User-Agent", "earshot")}
	return e, nil
}

// Slots is how many recordings can be heard at a time.
func (e *Engine) Slots() int { return cap(e.idle) }

// About says what hears: the engine with the server's host, the model, and the
// languages that it knows. Those are nil, not known: the server decides.
func (e *Engine) About() (engine, model string, languages []string, multilingual bool) {
	return "openai-compatible " + e.host, e.cfg.Model, nil, true
}

// Close waits for the recordings in progress. Close is called once; Use
// returns an error from then on.
func (e *Engine) Close() {
	close(e.closed)
	for range cap(e.idle) {
		<-e.idle
	}
	e.transport.CloseIdleConnections()
}

// Use runs work with a slot for one recording. It waits for a free one and,
// after failures, for a pause: a server that is gone or refuses the key must
// not make recording after recording fail within seconds. Errors of work are
// returned as they are.
func (e *Engine) Use(ctx context.Context, work func(*Session) error) error {
	select {
	case <-e.closed:
		return errClosed
	default:
	}
	select {
	case <-e.idle:
		defer func() { e.idle <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	case <-e.closed:
		return errClosed
	}
	e.mu.Lock()
	rest := time.NewTimer(time.Until(e.rested))
	e.mu.Unlock()
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
		return ctx.Err()
	case <-e.closed:
		return errClosed
	}
	return work(&Session{e})
}

// note counts the failures in a row that are the server's or ours; each doubles
// the pause before the next recording, from 1 s up to a minute.
func (e *Engine) note(failed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !failed {
		e.failures, e.rested = 0, time.Time{}
		return
	}
	e.rested = time.Now().Add(min(time.Second<<min(e.failures, 6), time.Minute, e.pause))
	e.failures++
}
