package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"earshot/deploy/config"
	"earshot/ingest"
	"earshot/ingest/accounts"
	"earshot/processors"
	"earshot/processors/transcribe/hub"
	"earshot/processors/transcribe/model"
	"earshot/processors/transcribe/whisper"
	"earshot/schemas"
	"earshot/sinks/state"
)

// The commands beside serve.

type validate struct {
	Markdown bool `help:"Print the table of all variables, as the README has it, instead."`
}

func (v validate) Run() error {
	cfg, _, err := load("")
	if err != nil {
		return err
	}
	if v.Markdown {
		_, err = fmt.Print(config.Table(&cfg))
		return err
	}
	return config.Print(os.Stdout, &cfg)
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
}

// ProvideConsole is called by kong for the subcommands, once the flags are read.
func (a *admin) ProvideConsole() (*accounts.Console, error) {
	return &accounts.Console{In: os.Stdin, Out: os.Stdout, Open: a.open}, nil
}

// stateTime is how long the commands wait for the state.
const stateTime = time.Minute

func (a *admin) open(ctx context.Context, do func(*accounts.Accounts, *ingest.Auditor) error) (err error) {
	cfg, log, err := load(a.Data)
	if err != nil {
		return err
	}
	p, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer p.close()
	_, people, auditor, err := p.accounts()
	if err != nil {
		return err
	}
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
	return do(people, auditor)
}

type whisperChild struct{}

func (whisperChild) Run() error {
	os.Exit(whisper.ChildMain(os.Stdin, os.Stdout, model.Weights))
	return nil
}
