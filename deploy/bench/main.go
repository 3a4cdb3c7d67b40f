// Command bench measures Earshot on this machine: everything embedded in one
// process, this load generator beside it. Each figure is one JSON line with
// the number of cores, the target and whether it was met; a figure that misses
// its target does not end the run.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"

	"earshot/deploy/client"
)

const (
	email    = "bench@example.com"
	password = "earshot-bench"
)

// figure is one line of the output.
type figure struct {
	Figure string  `json:"figure"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Target float64 `json:"target"`
	Met    bool    `json:"met"`
	Cores  int     `json:"cores"`
	Note   string  `json:"note,omitempty"`
}

func atLeast(name string, value float64, unit string, target float64, note string) {
	report(figure{name, value, unit, target, value >= target, runtime.NumCPU(), note})
}

func atMost(name string, value float64, unit string, target float64, note string) {
	report(figure{name, value, unit, target, value <= target, runtime.NumCPU(), note})
}

func report(f figure) {
	line, err := json.Marshal(f)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return
	}
	fmt.Println(string(line))
}

func main() {
	binary := flag.String("binary", "bin/earshot", "the program")
	data := flag.String("data", ".build/bench", "data folder; emptied first")
	chats := flag.Int("chats", 20_000, "chats of the throughput run")
	hold := flag.Duration("hold", 15*time.Second, "length of each latency run")
	upload := flag.Int64("upload", 499<<20, "bytes of the large upload")
	tasks := flag.Int("tasks", 100_000, "tasks on the log for the restart after a kill; 0 skips it")
	rows := flag.Int("rows", 1_000_000, "interactions that the filter is measured on; 0 skips it")
	conversations := flag.Int("reports", 0, "instead of all this: reports, over a month of so many conversations")
	pprof := flag.String("pprof", "", "address of the server's profiler while it is measured; empty: none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := &bench{binary: *binary, data: *data, pprof: *pprof}
	work := func() error { return b.all(ctx, *chats, *tasks, *rows, *hold, *upload) }
	if *conversations > 0 {
		work = func() error { return b.reports(ctx, *conversations) }
	}
	if err := b.running(ctx, work); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type bench struct {
	binary, data string
	pprof        string
	log          *os.File
	server       *client.Server
	codes        []string // of completed chats
}

// running does something beside a server on an empty data folder.
func (b *bench) running(ctx context.Context, do func() error) (err error) {
	if err := errors.Join(os.RemoveAll(b.data), os.MkdirAll(b.data, 0o755)); err != nil {
		return err
	}
	if b.log, err = os.Create(b.data + "/earshot.log"); err != nil {
		return err
	}
	defer b.log.Close()
	if err := b.start(ctx); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	stopping, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return b.server.Stop(stopping)
}

func (b *bench) all(ctx context.Context, chats, tasks, rows int, hold time.Duration, upload int64) error {
	memory := watch(b.server.PID)
	if err := b.throughput(ctx, chats); err != nil {
		return fmt.Errorf("throughput: %w", err)
	}
	if err := b.acceptLatency(ctx, 200, hold); err != nil {
		return fmt.Errorf("accept latency: %w", err)
	}
	if err := b.gettaskLatency(ctx, 2000, hold); err != nil {
		return fmt.Errorf("gettask latency: %w", err)
	}
	atMost("resident_memory_peak", memory.stop(), "MB", 1200, "through all of the above")
	if err := b.bigUpload(ctx, upload); err != nil {
		return fmt.Errorf("large upload: %w", err)
	}
	if tasks > 0 {
		if err := b.restart(ctx, tasks); err != nil {
			return fmt.Errorf("restart: %w", err)
		}
	}
	if rows > 0 {
		if err := b.filters(ctx, rows); err != nil {
			return fmt.Errorf("filters: %w", err)
		}
	}
	return nil
}

func (b *bench) start(ctx context.Context, env ...string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	b.server, err = client.Start(ctx, client.Options{
		Binary: b.binary, Args: []string{"--data", b.data}, Log: b.log,
		Env: append(env, "EARSHOT_BOOTSTRAP_EMAIL="+email, "EARSHOT_BOOTSTRAP_PASSWORD="+password, "EARSHOT_PPROF_LISTEN="+b.pprof),
	})
	if err != nil {
		return err
	}
	return b.server.Login(ctx, email, password)
}

// restart kills the server on a log with that many tasks and times the way
// back to a green /readyz.
func (b *bench) restart(ctx context.Context, tasks int) error {
	if missing := tasks - len(b.codes); missing > 0 {
		if err := b.load(ctx, missing); err != nil {
			return err
		}
	}
	if err := b.server.Kill(); err != nil {
		return err
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	atMost("ready_after_kill", b.server.Startup.Seconds(), "s", 10, fmt.Sprintf("%d tasks on the log", len(b.codes)))
	return nil
}
