package transcribe

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"earshot/schemas"
)

// Config of the transcription.
type Config struct {
	Model    string        `env:"EARSHOT_WHISPER_MODEL" help:"file of a ggml Whisper model; empty: the one *.bin in the folder models of the data folder"`
	Slots    int           `env:"EARSHOT_TRANSCRIBE_SLOTS" envDefault:"1" help:"recordings transcribed at a time, each by a process of its own that holds the model"`
	Threads  int           `env:"EARSHOT_TRANSCRIBE_THREADS" envDefault:"0" help:"threads of each slot; 0: the cores divided by the slots"`
	Longest  time.Duration `env:"EARSHOT_TRANSCRIBE_LONGEST" envDefault:"10h" help:"longest recording that is decoded, whatever its header claims; at most 10h"`
	Patience float64       `env:"EARSHOT_TRANSCRIBE_PATIENCE" envDefault:"20" help:"how many times its own length 30 s of audio may take; slower counts as hung and is tried again"`
	FFmpeg   string        `env:"EARSHOT_FFMPEG" envDefault:"ffmpeg" help:"program that decodes recordings: a path, or a name to be found in PATH"`
	Memory   int           `env:"EARSHOT_FFMPEG_MEMORY" envDefault:"1024" help:"address space that one ffmpeg may take, in MiB"`
}

// Validate refuses what cannot work; the configuration loader calls it.
func (c *Config) Validate() error {
	var errs []error
	if c.Slots < 1 || c.Slots > 256 {
		errs = append(errs, fmt.Errorf("EARSHOT_TRANSCRIBE_SLOTS is %d, want 1 to 256", c.Slots))
	}
	if c.Threads < 0 || c.Threads > 512 {
		errs = append(errs, fmt.Errorf("EARSHOT_TRANSCRIBE_THREADS is %d, want 0 to 512", c.Threads))
	}
	if c.Longest < schemas.MinAudio || c.Longest > schemas.MaxAudio {
		errs = append(errs, fmt.Errorf("EARSHOT_TRANSCRIBE_LONGEST is %s, want %s to %s", c.Longest, schemas.MinAudio, schemas.MaxAudio))
	}
	if !(c.Patience > 0) { // NaN too
		errs = append(errs, fmt.Errorf("EARSHOT_TRANSCRIBE_PATIENCE is %g, want more than 0", c.Patience))
	}
	if c.Memory < 256 {
		errs = append(errs, fmt.Errorf("EARSHOT_FFMPEG_MEMORY is %d, want 256 MiB or more", c.Memory))
	}
	return errors.Join(errs...)
}

func (c *Config) threads() int {
	if c.Threads > 0 {
		return c.Threads
	}
	return max(1, runtime.NumCPU()/c.Slots)
}

// chunk is what Whisper hears at a time.
const chunk = 30 * time.Second

// patience is how long the recogniser may be silent while it hears a chunk.
func (c *Config) patience() time.Duration {
	return time.Duration(c.Patience * float64(chunk))
}
