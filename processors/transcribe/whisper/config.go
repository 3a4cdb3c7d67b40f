package whisper

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// Config of the local engine.
type Config struct {
	Model    string  `env:"EARSHOT_WHISPER_MODEL" help:"file of a ggml Whisper model; empty: the one in the folder models of the data folder"`
	Activity string  `env:"EARSHOT_VAD_MODEL" help:"file of a ggml Silero model that tells speech from other sounds; empty: the one in the folder models, if there is one"`
	Slots    int     `env:"EARSHOT_TRANSCRIBE_SLOTS" envDefault:"0" help:"recordings transcribed at a time, on one loaded model; 0: as many as there are cores, at most 8"`
	Threads  int     `env:"EARSHOT_TRANSCRIBE_THREADS" envDefault:"0" help:"threads of each recording; 0: the cores divided by the recordings that are being heard"`
	Patience float64 `env:"EARSHOT_TRANSCRIBE_PATIENCE" envDefault:"20" help:"how many times its own length 30 s of audio may take; slower counts as hung and is tried again"`
	GPU      string  `env:"EARSHOT_WHISPER_GPU" envDefault:"auto" help:"auto: use a GPU where the program is built for it and there is one; on: refuse to work without; off"`
	Flash    string  `env:"EARSHOT_WHISPER_FLASH" envDefault:"auto" help:"flash attention: on, off, or auto: on a GPU only"`
}

// Validate refuses what cannot work; the configuration loader calls it.
func (c *Config) Validate() error {
	var errs []error
	if c.Slots < 0 || c.Slots > maxSlots {
		errs = append(errs, fmt.Errorf("EARSHOT_TRANSCRIBE_SLOTS is %d, want 0 to %d", c.Slots, maxSlots))
	}
	if c.Threads < 0 || c.Threads > 512 {
		errs = append(errs, fmt.Errorf("EARSHOT_TRANSCRIBE_THREADS is %d, want 0 to 512", c.Threads))
	}
	if !(c.Patience > 0) { // NaN too
		errs = append(errs, fmt.Errorf("EARSHOT_TRANSCRIBE_PATIENCE is %g, want more than 0", c.Patience))
	}
	for name, v := range map[string]string{"EARSHOT_WHISPER_GPU": c.GPU, "EARSHOT_WHISPER_FLASH": c.Flash} {
		if !slices.Contains([]string{"", auto, on, off}, v) {
			errs = append(errs, fmt.Errorf("%s is %q, want auto, on or off", name, v))
		}
	}
	return errors.Join(errs...)
}

// Values of the switches; empty is auto.
const (
	auto = "auto"
	on   = "on"
	off  = "off"
)

// maxSlots bounds what a child is asked for; each slot takes memory of its own.
const maxSlots = 256

// slots at a time. Two states of one thread do more than one state of two, so
// each core gets one; what a state takes grows with the model, so not forever.
func (c *Config) slots() int {
	if c.Slots > 0 {
		return c.Slots
	}
	return min(runtime.NumCPU(), 8)
}

// threads for one question while busy of them, itself included, are at work.
func (c *Config) threads(busy int) int {
	if c.Threads > 0 {
		return c.Threads
	}
	return max(1, runtime.NumCPU()/max(1, busy))
}

// window is what Whisper hears at a time.
const window = 30 * time.Second

// patience is how long a state may give no sign of life while it hears a window.
func (c *Config) patience() time.Duration {
	return time.Duration(c.Patience * float64(window))
}
