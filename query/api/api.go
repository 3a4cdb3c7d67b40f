// Package api is the HTTP API: the first part of Transcripto's (seed sections
// 1 to 4), and what an operator needs (health, readiness, metrics).
//
//	conn ─► front ─┬─ POST /addtaskcall, /addtaskaudio ─► uploads (fiber) ─ streams the body
//	               └─ anything else ────────────────────► main (fiber) ─── has the whole, small body
//
// front.go says why there are two apps behind one listener.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/gofiber/fiber/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
	"gocloud.dev/blob"

	"earshot/ingest"
	"earshot/ingest/accounts"
	"earshot/query/read"
	"earshot/schemas"
	"earshot/sinks/state"
)

// Config holds the knobs of the API.
type Config struct {
	JWTSecret      string        `env:"EARSHOT_JWT_SECRET" secret:"true" help:"key that signs login tokens, 32 bytes or more; empty: made once and kept in the data folder"`
	TokenTTL       time.Duration `env:"EARSHOT_TOKEN_TTL" envDefault:"24h" help:"how long a login token is valid"`
	SessionTTL     time.Duration `env:"EARSHOT_SESSION_TTL" envDefault:"720h" help:"how long after a login its token can be renewed by POST /auth/refresh"`
	CaptchaURL     string        `env:"EARSHOT_CAPTCHA_URL" help:"siteverify address of a CAPTCHA provider (reCAPTCHA, hCaptcha, Turnstile) that confirms captcha_token at login; empty: it is not looked at"`
	CaptchaSecret  string        `env:"EARSHOT_CAPTCHA_SECRET" secret:"true" help:"secret key of that provider"`
	RateLimit      int           `env:"EARSHOT_RATE_LIMIT" envDefault:"600000" help:"requests a minute of one user, in each process; more are answered 429; 0: no limit"`
	RateBurst      int           `env:"EARSHOT_RATE_BURST" envDefault:"20000" help:"requests of one user that may come at once"`
	StrangerLimit  int           `env:"EARSHOT_RATE_LIMIT_STRANGERS" envDefault:"3000" help:"requests a minute without a valid token, logins among them, of one address, in each process; so many may come at once; 0: no limit"`
	TrustedProxies []string      `env:"EARSHOT_TRUSTED_PROXIES" help:"addresses or CIDR ranges of reverse proxies whose X-Real-Ip is believed, comma-separated"`
	LoginFailures  int           `env:"EARSHOT_LOGIN_FAILURES" envDefault:"10" help:"failed logins of one account, and five times as many of one address, before EARSHOT_LOGIN_LOCK begins"`
	LoginLock      time.Duration `env:"EARSHOT_LOGIN_LOCK" envDefault:"15m" help:"how long failed logins count, and an account or address stays locked"`
	RequestTimeout time.Duration `env:"EARSHOT_REQUEST_TIMEOUT" envDefault:"15s" help:"longest time a request may take once it is read"`
	ReadTimeout    time.Duration `env:"EARSHOT_READ_TIMEOUT" envDefault:"30s" help:"longest time for a request's header, and longest pause within its body"`
	UploadDir      string        `env:"EARSHOT_UPLOAD_DIR" help:"folder of recordings while they arrive; empty: uploads in the data folder"`
	UploadTimeout  time.Duration `env:"EARSHOT_UPLOAD_TIMEOUT" envDefault:"30m" help:"longest time an upload, or a download of audio, may take"`
	MaxUploads     int           `env:"EARSHOT_MAX_UPLOADS" envDefault:"32" help:"uploads at once, and downloads of audio, of which one organisation has at most half; more are answered 503"`
	MaxUploadBytes int64         `env:"EARSHOT_MAX_UPLOAD_BYTES" envDefault:"524288000" help:"largest recording in bytes"`
}

// Validate refuses what cannot be meant.
func (c *Config) Validate() error {
	var errs []error
	if c.JWTSecret != "" && len(c.JWTSecret) < minSecret {
		errs = append(errs, errors.New("EARSHOT_JWT_SECRET is shorter than 32 bytes, which can be guessed; `openssl rand -hex 32` makes one"))
	}
	if c.LoginFailures < 1 || c.MaxUploads < 1 || c.MaxUploadBytes < 1 {
		errs = append(errs, errors.New("EARSHOT_LOGIN_FAILURES, EARSHOT_MAX_UPLOADS and EARSHOT_MAX_UPLOAD_BYTES must be at least 1"))
	}
	if c.TokenTTL <= 0 || c.LoginLock <= 0 || c.RequestTimeout <= 0 || c.ReadTimeout <= 0 || c.UploadTimeout <= 0 {
		errs = append(errs, errors.New("EARSHOT_TOKEN_TTL, _LOGIN_LOCK, _REQUEST_TIMEOUT, _READ_TIMEOUT and _UPLOAD_TIMEOUT must be above 0"))
	}
	if c.SessionTTL < c.TokenTTL {
		errs = append(errs, errors.New("EARSHOT_SESSION_TTL must not be below EARSHOT_TOKEN_TTL"))
	}
	if c.RateLimit < 0 || c.StrangerLimit < 0 || c.RateBurst < 1 {
		errs = append(errs, errors.New("EARSHOT_RATE_LIMIT and EARSHOT_RATE_LIMIT_STRANGERS must not be below 0, EARSHOT_RATE_BURST not below 1"))
	}
	_, err := parseProxies(c.TrustedProxies)
	return errors.Join(append(errs, err, checkCaptcha(c))...)
}

// Deps are what the API stands on. All but DiskFree and Checklist are needed.
type Deps struct {
	Store    *state.Store
	Reader   *read.Reader
	Door     *ingest.Door
	Accounts *accounts.Accounts
	Auditor  *ingest.Auditor
	Blobs    *blob.Bucket                           // audio, and files of reports
	Health   func(context.Context) map[string]error // by engine; nil is well
	DiskFree func() error                           // not nil: no more uploads
	Notifier Notifier                               // of scheduled reports
	// Checklist are the built-in questions by language, in force where an
	// organisation has none of its own.
	Checklist map[string][]schemas.ChecklistQuestion
	Metrics   prometheus.Gatherer
	Log       *slog.Logger
	// SystemOnly serves /healthz, /readyz and /metrics and nothing else: a
	// process without the role api can be watched, and takes nothing in.
	SystemOnly bool
}

// API serves the endpoints. It is safe for concurrent use.
type API struct {
	Deps
	cfg     Config
	tokens  tokens
	captcha *captcha // nil: none is asked for
	users   *lru.Cache[userKey, cachedUser]
	slots   chan struct{} // uploads at once
	large   chan struct{} // bodies above smallBody at once

	proxies   []netip.Prefix // whose X-Real-Ip is believed
	requests  *limiter       // by user
	strangers *limiter       // by address
	documents *places        // made at once
	downloads *places        // of audio at once
	tests     *limiter       // messages to recipients of scheduled reports, by organisation

	grace  time.Duration
	base   context.Context // ends when the API has stopped serving
	cancel context.CancelFunc
	server *fasthttp.Server
	conns  connections
	main   fasthttp.RequestHandler
	upload fasthttp.RequestHandler
}

// New returns an API. cfg must have passed Validate; JWTSecret and UploadDir
// must be set.
func New(cfg Config, deps Deps) *API {
	users, err := lru.New[userKey, cachedUser](maxCachedUsers)
	if err != nil {
		panic(err) // only a size below 1 is an error
	}
	a := &API{
		Deps: deps, cfg: cfg, users: users,
		tokens:    newTokens(cfg.JWTSecret, cfg.TokenTTL, cfg.SessionTTL),
		captcha:   newCaptcha(cfg),
		slots:     make(chan struct{}, cfg.MaxUploads),
		large:     make(chan struct{}, largeAtOnce),
		documents: newPlaces(documentsAtOnce),
		downloads: newPlaces(cfg.MaxUploads),
		tests:     newLimiter(testsAMinute, testsAMinute),
		requests:  newLimiter(cfg.RateLimit, cfg.RateBurst),
		strangers: newLimiter(cfg.StrangerLimit, cfg.StrangerLimit),
		grace:     grace,
	}
	if a.proxies, err = parseProxies(cfg.TrustedProxies); err != nil {
		panic(err) // Validate refuses it
	}
	a.base, a.cancel = context.WithCancel(context.Background())
	a.main = a.mainApp().Handler()
	a.upload = a.main
	if !a.SystemOnly {
		a.upload = a.uploadApp().Handler()
	}
	a.server = a.newServer()
	return a
}

// Running requests may take grace after Serve was told to end; then they are
// cut, which takes cutting at most.
const (
	grace   = 10 * time.Second
	cutting = 5 * time.Second
)

// Serve answers on ln until ctx ends, then lets running requests finish within
// ten seconds, cuts the rest and returns nil. It closes ln. An API serves once.
func (a *API) Serve(ctx context.Context, ln net.Listener) error {
	defer a.cancel()
	defer a.captcha.close()
	if err := ingest.Sweep(a.cfg.UploadDir); err != nil {
		return errors.Join(err, ln.Close())
	}
	ended := make(chan error, 1)
	go func() { ended <- a.server.Serve(a.conns.listen(ln)) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.Background(), a.grace)
	defer cancel()
	err := a.server.ShutdownWithContext(stop)
	a.cancel()
	a.conns.closeAll(cutting)
	a.awaitAudits()
	if errors.Is(err, context.DeadlineExceeded) {
		a.Log.Warn("requests were cut off at shutdown")
		err = nil
	}
	return errors.Join(err, <-ended)
}

func (a *API) fiberConfig() fiber.Config {
	return fiber.Config{
		Immutable:               true, // else a kept parameter changes with the connection's next request
		DisableStartupMessage:   true,
		EnableTrustedProxyCheck: true, // fiber believes no proxy; addressOf does
		ErrorHandler: func(c *fiber.Ctx, err error) error {
			a.fail(c.Context(), err)
			return nil
		},
	}
}

func (a *API) mainApp() *fiber.App {
	app := fiber.New(a.fiberConfig())
	app.Use(a.within(a.cfg.RequestTimeout))
	app.Get("/healthz", a.healthz)
	app.Get("/readyz", a.readyz)
	app.Get("/metrics", a.metrics())
	if a.SystemOnly {
		return app
	}
	a.docsRoutes(app)
	a.accountRoutes(app)
	app.Get("/user/vocabulary", a.authenticated, a.vocabulary)
	app.Put("/user/vocabulary", a.authenticated, mayChange, a.setVocabulary)
	app.Post("/add_chat_analysis_task", a.authenticated, a.addChat)
	app.Get("/gettask", a.authenticated, a.getTask)
	for _, path := range []string{"/tasks/filter", "/user/tasks/filter"} {
		app.Get(path, a.authenticated, a.filterTasks)
		app.Post(path, a.authenticated, a.filterTasks)
	}
	for _, path := range []string{"/api/calls_analysis_v2/:task_code", "/api/calls_analysis/:task_code"} {
		app.Get(path, a.authenticated, a.callsAnalysis)
	}
	app.Get("/dictionaries", a.authenticated, a.dictionaries)
	a.fileRoutes(app)
	a.reportRoutes(app)
	a.scheduleRoutes(app)
	a.settingsRoutes(app)
	return app
}

// uploadPaths are what the front gives to the second app, with the type of task
// that each makes.
var uploadPaths = map[string]string{"/addtaskcall": schemas.TypeCall, "/addtaskaudio": schemas.TypeAudio}

func (a *API) uploadApp() *fiber.App {
	cfg := a.fiberConfig()
	cfg.StreamRequestBody = true
	cfg.DisablePreParseMultipartForm = true
	app := fiber.New(cfg)
	app.Use(a.within(a.cfg.UploadTimeout))
	for path := range uploadPaths {
		app.Post(path, a.authenticated, a.addRecording)
	}
	return app
}

// within bounds a handler: a client that leaves cancels nothing.
func (a *API) within(d time.Duration) fiber.Handler {
	return func(c *fiber.Ctx) error {
		ctx, cancel := context.WithTimeout(a.base, d)
		defer cancel()
		c.SetUserContext(ctx)
		return c.Next()
	}
}

// unknownPath answers what no route matches.
func unknownPath(status int) error {
	return &statusError{status: status, err: schemas.Fail(schemas.CodeNoResource, "")}
}
