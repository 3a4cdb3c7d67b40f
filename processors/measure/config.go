package measure

import (
	"fmt"
	"time"
)

// Config of what is measured.
type Config struct {
	Silence time.Duration `env:"EARSHOT_SILENCE" envDefault:"3s" help:"how long nobody must speak for it to count as silence; shorter is a pause"`
}

// Validate refuses what cannot be meant; the configuration loader calls it.
func (c *Config) Validate() error {
	if c.Silence <= 0 || c.Silence > time.Hour {
		return fmt.Errorf("EARSHOT_SILENCE is %s, want more than 0 and at most 1h", c.Silence)
	}
	return nil
}
