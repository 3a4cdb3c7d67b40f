// Command benchstt measures the speed of speech recognition, side by side with
// whisper.cpp's own whisper-cli in one run: the contenders take turns, and each
// figure is the median of several runs. It prints a JSON line for each figure
// as it is measured and a table at the end, each with its target and whether it
// was met.
//
// Recordings are spoken by espeak-ng: always the same ones.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"

	"earshot/processors/transcribe/model"
	"earshot/processors/transcribe/tinymodel"
	"earshot/processors/transcribe/whisper"
)

// options are the command's flags.
type options struct {
	folder, model   string
	ours, stock     string // whisper-cli
	sentences, only string
	runs, calls     int
	seconds         float64
	gpu             bool
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == whisper.Command {
		os.Exit(whisper.ChildMain(os.Stdin, os.Stdout, model.Weights)) // the engine is this very program
	}
	var o options
	flag.StringVar(&o.folder, "data", ".build/bench-stt", "folder of recordings and models made here")
	flag.StringVar(&o.model, "model", "base", "ggml Whisper model; base: one of that size that says always the same, whatever the sound")
	flag.StringVar(&o.ours, "cli", ".build/whisper/bin/whisper-cli", "whisper-cli of the build that the program is linked with")
	flag.StringVar(&o.stock, "stock", ".build/whisper-stock/bin/whisper-cli", "whisper-cli of whisper.cpp's own defaults")
	flag.StringVar(&o.sentences, "sentences", "deploy/wer/sentences.txt", "what is said, a sentence a line")
	flag.StringVar(&o.only, "only", "call,states,batch", "which of the measurements: call, states, batch")
	flag.IntVar(&o.runs, "runs", 7, "runs of each contender")
	flag.IntVar(&o.calls, "calls", 20, "calls of the batch")
	flag.Float64Var(&o.seconds, "seconds", 600, "length of the long call")
	flag.BoolVar(&o.gpu, "gpu", false, "instead of all this: throughput of 1, 4, 8 and 16 states on a CUDA GPU, of a model of large-v3-turbo's size")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "benchstt:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if err := os.MkdirAll(o.folder, 0o755); err != nil {
		return err
	}
	b := &bench{options: o, log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if o.gpu {
		return b.gpus(ctx)
	}
	var err error
	if b.model, err = b.sized(o.model, "base", tinymodel.Base); err != nil {
		return err
	}
	for _, program := range []string{o.ours, o.stock} {
		if _, err := os.Stat(program); err != nil {
			return fmt.Errorf("%w; make bench-stt builds it", err)
		}
	}
	steps := map[string]func(context.Context) error{"call": b.call, "states": b.states, "batch": b.batch}
	for name := range strings.SplitSeq(o.only, ",") {
		step := steps[name]
		if step == nil {
			return fmt.Errorf("there is no measurement %q", name)
		}
		if err := step(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return b.table(os.Stdout)
}

type bench struct {
	options
	log     *slog.Logger
	figures []figure
}

// sized is the path of a model: as it is given, or made here when it is name.
func (b *bench) sized(model, name string, size tinymodel.Size) (string, error) {
	if model != name {
		_, err := os.Stat(model)
		return model, err
	}
	path := filepath.Join(b.folder, "ggml-"+name+"-sized.bin")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	f, err := os.Create(path + ".new")
	if err != nil {
		return "", err
	}
	if err := errors.Join(tinymodel.WriteSized(f, size), f.Close()); err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path)
}

// cores are what every contender may use.
func cores() int { return runtime.NumCPU() }
