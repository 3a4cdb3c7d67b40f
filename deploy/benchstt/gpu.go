package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"earshot/processors/transcribe/speech"
	"earshot/processors/transcribe/tinymodel"
	"earshot/processors/transcribe/whisper"
	"earshot/schemas"
)

// use is the memory of an engine's process, MB.
type use struct{ now, peak float64 }

// memory of the engine's process. It starts it if need be.
func memory(ctx context.Context, e *whisper.Engine) (u use, err error) {
	err = e.Use(ctx, func(s *whisper.Session) error {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.About().PID))
		for line := range strings.Lines(string(status)) {
			name, value, _ := strings.Cut(line, ":")
			kilobytes, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			switch name {
			case "VmRSS":
				u.now = kilobytes / 1024
			case "VmHWM":
				u.peak = kilobytes / 1024
			}
		}
		return err
	})
	return u, err
}

// gpus measures how much audio 1, 4, 8 and 16 states hear on a GPU at once: a
// call of five minutes each, a model of large-v3-turbo's size.
func (b *bench) gpus(ctx context.Context) (err error) {
	if b.model, err = b.sized("turbo", "turbo", tinymodel.Turbo); err != nil {
		return err
	}
	name, err := exec.CommandContext(ctx, "nvidia-smi", "--query-gpu=name", "--format=csv,noheader").Output()
	if err != nil {
		fmt.Println("no CUDA GPU here")
		return nil
	}
	s, err := newSpeaker(b.sentences, b.folder, 4)
	if err != nil {
		return err
	}
	c, err := s.call(ctx, "gpu", 300, 0)
	if err != nil {
		return err
	}
	perMinute := map[int]float64{}
	for _, states := range []int{1, 4, 8, 16} {
		cfg := b.config(states, 0)
		cfg.GPU = "on"
		e, err := whisper.New(cfg, b.folder, nil, b.log)
		if err != nil {
			return err
		}
		perMinute[states], err = b.together(ctx, e, states, c.samples, oneLine(string(name)))
		e.Close()
		if fault := new(schemas.Error); errors.As(err, &fault) {
			return fmt.Errorf("no CUDA GPU here that this program can use: %w", err)
		}
		if err != nil {
			return err
		}
	}
	b.atMost("gpu_1_to_8_states", ratio(perMinute[1], perMinute[8]), "x", 1/1.8, "throughput of one state to that of eight; target: eight do 1.8 times as much")
	return b.table(os.Stdout)
}

// together has all states of an engine hear the same, and returns minutes of
// audio a minute.
func (b *bench) together(ctx context.Context, e *whisper.Engine, states int, samples []int16, name string) (float64, error) {
	all := func() error {
		var wg sync.WaitGroup
		errs := make([]error, states)
		for i := range states {
			wg.Go(func() { errs[i] = hear(ctx, e, samples) })
		}
		wg.Wait()
		return errors.Join(errs...)
	}
	if err := all(); err != nil { // makes the states
		return 0, err
	}
	begin := time.Now()
	if err := all(); err != nil {
		return 0, err
	}
	speed := float64(states) * float64(len(samples)) / speech.Rate / time.Since(begin).Seconds()
	used, err := gpuMemory(ctx)
	if err != nil {
		return 0, err
	}
	b.report(figure{Figure: fmt.Sprintf("gpu_states_%d", states), Value: speed, Unit: "audio min/min", Note: fmt.Sprintf("%s, %.0f MB of its memory in use", name, used)})
	return speed, nil
}

// gpuMemory is what is used of the GPU's memory, MB.
func gpuMemory(ctx context.Context) (float64, error) {
	out, err := exec.CommandContext(ctx, "nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits").Output()
	if err != nil {
		return 0, fmt.Errorf("nvidia-smi: %w", err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return strconv.ParseFloat(strings.TrimSpace(first), 64)
}
