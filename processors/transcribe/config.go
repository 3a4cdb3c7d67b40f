package transcribe

import (
	"errors"
	"fmt"
	"time"

	"earshot/processors/transcribe/remote"
	"earshot/processors/transcribe/whisper"
	"earshot/schemas"
)

// Config of the transcription.
type Config struct {
	Whisper whisper.Config
	Remote  remote.Config
	Longest time.Duration `env:"EARSHOT_TRANSCRIBE_LONGEST" envDefault:"10h" help:"longest recording that is decoded, whatever its header claims; at most 10h"`
	FFmpeg  string        `env:"EARSHOT_FFMPEG" envDefault:"ffmpeg" help:"program that decodes recordings: a path, or a name to be found in PATH"`
	Memory  int           `env:"EARSHOT_FFMPEG_MEMORY" envDefault:"1024" help:"address space that one ffmpeg may take, in MiB"`
}

// Validate refuses what cannot work; the configuration loader calls it.
func (c *Config) Validate() error {
	var errs []error
	if c.Longest < schemas.MinAudio || c.Longest > schemas.MaxAudio {
		errs = append(errs, fmt.Errorf("EARSHOT_TRANSCRIBE_LONGEST is %s, want %s to %s", c.Longest, schemas.MinAudio, schemas.MaxAudio))
	}
	if c.Memory < 256 {
		errs = append(errs, fmt.Errorf("EARSHOT_FFMPEG_MEMORY is %d, want 256 MiB or more", c.Memory))
	}
	return errors.Join(errs...)
}
