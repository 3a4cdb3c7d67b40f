// Earshot hears every conversation of a call centre: recordings and chats come
// in, transcripts, analyses and reports come out. This file is the wiring; the
// folders are the stages.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof" // on a listener of its own, see LogConfig.Profile
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/deploy/config"
	"earshot/deploy/drain"
	"earshot/deploy/engines"
	"earshot/ingest"
	"earshot/ingest/accounts"
	"earshot/ingest/schedule"
	"earshot/processors"
	"earshot/processors/analyze"
	"earshot/processors/measure"
	"earshot/processors/report"
	"earshot/processors/transcribe"
	"earshot/processors/transcribe/hub"
	"earshot/processors/transcribe/model"
	"earshot/processors/transcribe/whisper"
	"earshot/query/api"
	"earshot/query/bi"
	"earshot/query/read"
	"earshot/schemas"
	"earshot/sinks/notify"
	"earshot/sinks/state"
	"earshot/sinks/warehouse"
)

var version = "dev" // set by the linker

// Config composes the knobs; each is declared once, in the package that owns it.
type Config struct {
	Engines    engines.Config
	Log        LogConfig
	API        api.Config
	Ingest     ingest.Config
	Accounts   accounts.Config
	Bootstrap  accounts.Bootstrap
	Process    processors.Config
	Transcribe transcribe.Config
	Models     hub.Config
	Measure    measure.Config
	Analyze    analyze.Config
	Report     report.Config
	State      state.Config
	Warehouse  warehouse.Config
	Notify     notify.Config
}

// LogConfig says what is logged and where events are described.
type LogConfig struct {
	Level    slog.Level `env:"EARSHOT_LOG_LEVEL" envDefault:"INFO" help:"DEBUG, INFO, WARN or ERROR"`
	Profile  string     `env:"EARSHOT_PPROF_LISTEN" help:"address of Go's profiler, loopback only please; empty: none"`
	Registry string     `env:"EARSHOT_SCHEMA_REGISTRY_URL" help:"Confluent schema registry; empty: Avro single-object encoding"`
}

type cli struct {
	Serve    serve            `cmd:"" help:"Run: the API, the processors and the sinks, or some of these roles."`
	Validate validate         `cmd:"" help:"Print the configuration as it resolves, secrets masked, and exit."`
	Replay   replay           `cmd:"" help:"Take dead letters back into the pipeline."`
	Admin    admin            `cmd:"" help:"Manage organisations, users and plans."`
	Report   again            `cmd:"" help:"Make the files of a report again, from the facts that were kept with it."`
	Model    models           `cmd:"" help:"Speech models: get one by name, list them, choose one."`
	Child    whisperChild     `cmd:"" name:"whisper-child" hidden:"" help:"The recogniser, in a process of its own so that a crash in C costs one job."`
	Version  kong.VersionFlag `help:"Print the version."`
}

func main() {
	var c cli
	app := kong.Parse(&c, kong.Name("earshot"), kong.Description("Hears every conversation of a call centre."),
		kong.Vars{"version": version}, kong.UsageOnError())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	app.BindTo(ctx, (*context.Context)(nil))
	if err := app.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "earshot:", err)
		os.Exit(1)
	}
}

type serve struct {
	Data   string   `help:"Folder of the embedded engines and of work in progress (EARSHOT_DATA)." placeholder:"DIR"`
	Listen string   `help:"Address of the API and of /metrics; port 0 takes a free one." default:"127.0.0.1:8080" placeholder:"ADDR"`
	Roles  []string `help:"What this process does: all, or some of api, transcribe, analyze, report, sink, notify." default:"all" enum:"all,api,transcribe,analyze,report,sink,notify"`
}

func (s *serve) has(role string) bool {
	for _, r := range s.Roles {
		if r == role || r == "all" {
			return true
		}
	}
	return false
}

func load(data string) (cfg Config, log *slog.Logger, err error) {
	if err = config.Load(&cfg, os.Environ()); err != nil {
		return cfg, nil, err
	}
	if data != "" {
		cfg.Engines.Data = data
	}
	if cfg.Engines.Data, err = filepath.Abs(cfg.Engines.Data); err != nil {
		return cfg, nil, err
	}
	return cfg, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: cfg.Log.Level})), nil
}

// Run starts what the roles name and stops it in the order in which data
// flows, so that nothing is taken in that cannot be finished:
//
//	          1                       2                           3               4
//	api ──► tasks ──► transcribe, analyze, report ──► warehouse, state ──► engines
//	stops taking in   finish or release               insert, commit       close
func (s *serve) Run(ctx context.Context) error {
	cfg, log, err := load(s.Data)
	if err != nil {
		return err
	}
	listener, err := api.Listen(s.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.Listen, err)
	}
	defer listener.Close()
	p, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer p.close()
	if cfg.Log.Profile != "" {
		profiler := &http.Server{Addr: cfg.Log.Profile, Handler: http.DefaultServeMux, ReadHeaderTimeout: time.Second}
		go func() { log.Warn("profiler", "ended", profiler.ListenAndServe()) }()
		defer profiler.Close()
	}

	var intake, work, sinks []drain.Actor // in this order they are stopped
	if s.has("transcribe") {
		t, err := transcribe.New(cfg.Transcribe, cfg.Measure, filepath.Join(cfg.Engines.Data, "models"), log)
		if err != nil {
			return err
		}
		defer t.Close()
		work = append(work, p.worker(transcribe.Stage(t, p.store, p.engines.Blobs, p.tmp), t.Slots()))
	}
	if s.has("analyze") {
		a, err := analyze.New(cfg.Analyze)
		if err != nil {
			return err
		}
		door := ingest.NewDoor(cfg.Ingest, p.store, p.producer, p.codec, p.engines.Blobs, p.metrics, log)
		work = append(work, p.worker(analyze.Stage(a, p.store, door.Save, read.New(p.engines.ClickHouse), cfg.Measure), cfg.Process.AnalyzeSlots))
	}
	if s.has("report") {
		m := p.reports()
		defer m.Close()
		work = append(work, p.worker(m.Stage(), report.Slots))
	}
	if s.has("sink") {
		if err := warehouse.Migrate(ctx, p.engines.SQL()); err != nil {
			return fmt.Errorf("ClickHouse migrations: %w", err)
		}
		w := warehouse.New(p.engines.ClickHouse, p.engines.Kafka, p.codec, p.metrics, cfg.Warehouse, log)
		sinks = append(sinks, drain.Actor{Name: schemas.StageWarehouse, Run: w.Run},
			drain.Actor{Name: schemas.StageState, Run: state.NewProjection(p.store, p.engines.Kafka, p.codec, p.metrics, log).Run})
	}
	if intake, err = p.intake(listener, s.has("api"), s.has("notify")); err != nil {
		return err
	}
	log.Info("earshot serves", "address", listener.Addr().String(), "roles", strings.Join(s.Roles, ","), "data", cfg.Engines.Data, "version", version)
	err = drain.InOrder(ctx, log, intake, work, sinks)
	log.Info("earshot stopped")
	return err
}

// producerMemory bounds what waits for Kafka while it is away; beyond it a
// submission is answered 503 at once.
const producerMemory = 128 << 20

// program is what all roles share.
type program struct {
	cfg      Config
	log      *slog.Logger
	engines  *engines.Engines
	codec    *schemas.Codec
	producer *kgo.Client
	store    *state.Store
	registry *prometheus.Registry
	metrics  *schemas.StageMetrics
	tmp      string       // work in progress: uploads and jobs
	release  func() error // gives tmp back
}

func open(ctx context.Context, cfg Config, log *slog.Logger) (p *program, err error) {
	p = &program{cfg: cfg, log: log, registry: prometheus.NewRegistry()}
	p.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	p.metrics = schemas.NewStageMetrics(p.registry)
	if p.codec, err = schemas.NewCodec(cfg.Log.Registry); err != nil {
		return nil, err
	}
	if p.engines, err = engines.Open(ctx, cfg.Engines, log); err != nil {
		return nil, err
	}
	p.store = state.New(p.engines.Redis, cfg.State)
	if err = p.prepare(ctx); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *program) prepare(ctx context.Context) (err error) {
	if p.tmp, p.release, err = engines.WorkDir(p.cfg.Engines.Data); err != nil {
		return err
	}
	if err := p.engines.EnsureTopics(ctx, schemas.Topics); err != nil {
		return err
	}
	for _, group := range []string{schemas.GroupTranscribe, schemas.GroupAnalyze, schemas.GroupReport} {
		if err := p.engines.EnsureShareGroup(ctx, group, p.cfg.Process.Lock); err != nil {
			return err
		}
	}
	limit, err := p.engines.DeliveryLimit(ctx)
	if err != nil {
		return err
	}
	p.cfg.Process.LimitAttempts(limit)
	p.producer, err = p.engines.Kafka(kgo.ProducerLinger(2*time.Millisecond), kgo.MaxBufferedBytes(producerMemory))
	return err
}

func (p *program) close() {
	if p.producer != nil {
		p.producer.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := p.engines.Close(ctx)
	if p.release != nil {
		err = errors.Join(err, p.release())
	}
	if err != nil {
		p.log.Error("close the engines", "error", err)
	}
}

func (p *program) worker(stage processors.Stage, slots int) drain.Actor {
	w := &processors.Worker{Config: p.cfg.Process, Stage: stage, Slots: slots, NewClient: p.engines.Kafka,
		Producer: p.producer, Store: p.store, Codec: p.codec, Metrics: p.metrics, Log: p.log}
	return drain.Actor{Name: stage.Name, Run: w.Run}
}

func (p *program) reports() *report.Maker {
	p.cfg.Report.PDF.Dir = p.tmp
	return report.New(p.cfg.Report, version, p.store, read.New(p.engines.ClickHouse), p.engines.Blobs, p.producer, p.metrics, p.log)
}

// intake returns the API and, where accounts are served, the creation of the
// first one, which has to wait for the state; until then /readyz is red. With it
// come the clock of scheduled reports and what tells of them.
func (p *program) intake(listener net.Listener, serveAccounts, schedules bool) (actors []drain.Actor, err error) {
	c := p.cfg.API
	c.UploadDir = cmp.Or(c.UploadDir, p.tmp)
	if err := p.cfg.Notify.CheckKey(p.cfg.Engines.RedisURL == "" || serveAccounts == schedules); err != nil {
		return nil, err
	}
	for file, key := range map[string]*string{"jwt.key": &c.JWTSecret, "webhook.key": &p.cfg.Notify.Key} {
		if *key, err = config.Secret(*key, filepath.Join(p.cfg.Engines.Data, file)); err != nil {
			return nil, err
		}
	}
	door, people, auditor, err := p.accounts()
	if err != nil {
		return nil, err
	}
	checklist, err := analyze.Checklist(p.cfg.Analyze)
	if err != nil {
		return nil, err
	}
	tell := notify.New(p.cfg.Notify, notify.Deps{Store: p.store, NewClient: p.engines.Kafka, Codec: p.codec, Blobs: p.engines.Blobs, Metrics: p.metrics, Save: door.Save, Remove: door.Remove, Audit: auditor.Record, Log: p.log})
	first := &accounts.FirstStart{Accounts: people, Config: p.cfg.Bootstrap, Out: os.Stdout}
	web := api.New(c, api.Deps{
		Store: p.store, Reader: read.New(p.engines.ClickHouse), Door: door, Accounts: people, Auditor: auditor, Blobs: p.engines.Blobs, DiskFree: p.engines.DiskFree, Checklist: checklist, Notifier: api.Notifier{Secret: tell.Secret, Test: tell.Test}, Metrics: p.registry, Log: p.log, SystemOnly: !serveAccounts,
		Health: func(ctx context.Context) map[string]error {
			health := p.engines.Health(ctx)
			health["state"] = p.store.Ready(ctx)
			if err := first.Done(); err != nil && serveAccounts {
				health["accounts"] = err
			}
			return health
		},
	})
	actors = []drain.Actor{{Name: "api", Run: func(ctx context.Context) error { return web.Serve(ctx, listener) }}}
	if serveAccounts {
		actors = append(actors, drain.Actor{Name: "bootstrap", Run: first.Run})
	}
	if schedules {
		actors = append(actors, drain.Actor{Name: "schedule", Run: schedule.NewClock(p.store, door, p.log).Run}, drain.Actor{Name: schemas.StageNotify, Run: tell.Run})
	}
	return actors, nil
}

// accounts are the door, who may come in, and who writes down what they do.
func (p *program) accounts() (*ingest.Door, *accounts.Accounts, *ingest.Auditor, error) {
	prices, err := p.cfg.Accounts.Prices()
	door := ingest.NewDoor(p.cfg.Ingest, p.store, p.producer, p.codec, p.engines.Blobs, p.metrics, p.log)
	return door, accounts.New(p.store, door, prices), ingest.NewAuditor(p.producer, p.codec, p.metrics, p.log), err
}

type validate struct{ config.Show }

func (v validate) Run() error {
	cfg, _, err := load("")
	if err != nil {
		return err
	}
	return v.Write(os.Stdout, &cfg)
}

type replay struct {
	Data   string `help:"Data folder, when the engines are embedded and earshot serve is stopped." placeholder:"DIR"`
	DryRun bool   `help:"Show the dead letters and leave them where they are."`
}

func (r *replay) Run(ctx context.Context) error {
	cfg, log, err := load(r.Data)
	if err != nil {
		return err
	}
	p, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer p.close()
	n, err := processors.Replay(ctx, p.engines.Kafka, p.codec, r.DryRun, func(d schemas.DeadLetter) {
		fmt.Printf("%s  %-10s %s  %s\n", d.At.Format(time.DateTime), d.Stage, d.Key, d.Reason)
	})
	fmt.Printf("%d dead letters\n", n)
	return err
}

type models struct {
	Data string `help:"Data folder (EARSHOT_DATA)." placeholder:"DIR"`
	hub.Commands
}

// ProvideHub is called by kong for the subcommands, once the flags are read.
func (m *models) ProvideHub() (*hub.Hub, error) {
	cfg, _, err := load(m.Data)
	if err != nil {
		return nil, err
	}
	t := cfg.Transcribe
	others := map[string]string{"EARSHOT_STT_URL": t.Remote.URL, "EARSHOT_WHISPER_MODEL": t.Whisper.Model, "EARSHOT_VAD_MODEL": t.Whisper.Activity}
	return hub.New(cfg.Models, filepath.Join(cfg.Engines.Data, "models"), others, os.Stdout)
}

type admin struct {
	Data string `help:"Data folder, when the engines are embedded and earshot serve is stopped." placeholder:"DIR"`
	accounts.Commands
	BI bi.Commands `cmd:"" name:"bi" help:"Accounts for BI tools, one per organisation, on an external ClickHouse."`
}

// ProvideConsole is called by kong for the subcommands, once the flags are read.
func (a *admin) ProvideConsole() (*accounts.Console, error) {
	return &accounts.Console{In: os.Stdin, Out: os.Stdout, Open: a.open}, nil
}

// stateTime is how long the commands wait for the state.
const stateTime = time.Minute

func (a *admin) open(ctx context.Context, do func(*accounts.Accounts, *ingest.Auditor) error) error {
	return withState(ctx, a.Data, func(p *program) error {
		_, people, auditor, err := p.accounts()
		if err != nil {
			return err
		}
		a.BI.ClickHouse = p.engines.ClickHouse
		return do(people, auditor)
	})
}

type again struct {
	Data string `help:"Data folder, when the engines are embedded and earshot serve is stopped." placeholder:"DIR"`
	report.Command
}

func (a *again) Run(ctx context.Context) error {
	return withState(ctx, a.Data, func(p *program) error {
		m := p.reports()
		defer m.Close()
		return a.Command.Run(ctx, m, os.Stdout)
	})
}

// withState is what a command does that needs the state.
func withState(ctx context.Context, data string, do func(*program) error) (err error) {
	cfg, log, err := load(data)
	if err != nil {
		return err
	}
	p, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer p.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if cfg.Engines.RedisURL == "" { // it is empty, and no other process fills it
		projected := make(chan error, 1)
		go func() {
			projected <- state.NewProjection(p.store, p.engines.Kafka, p.codec, p.metrics, log).Run(ctx)
		}()
		defer func() { cancel(); err = errors.Join(err, <-projected) }()
	}
	ready, stop := context.WithTimeout(ctx, stateTime)
	defer stop()
	if err := p.store.AwaitReady(ready); err != nil {
		return errors.Join(state.ErrNotReady, err)
	}
	return do(p)
}

type whisperChild struct{}

func (whisperChild) Run() error {
	os.Exit(whisper.ChildMain(os.Stdin, os.Stdout, model.Weights))
	return nil
}
