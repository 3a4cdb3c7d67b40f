package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"earshot/deploy/config"
)

type engines struct {
	Redis   string        `env:"EARSHOT_REDIS_URL" secret:"true" help:"address of Redis"`
	Brokers []string      `env:"EARSHOT_KAFKA_BROKERS" help:"host:port of brokers"`
	Key     string        `env:"EARSHOT_KEY" secret:"true" help:"a key | with a bar"`
	Wait    time.Duration `env:"EARSHOT_WAIT" envDefault:"5s" help:"how long to wait"`
	Page    string        `env:"EARSHOT_PAGE" envDefault:"http://me:pw@localhost/?a=b" help:"a page"`
}

func (e *engines) Validate() error {
	if e.Wait < 0 {
		return errors.New("EARSHOT_WAIT is negative")
	}
	return nil
}

type whole struct {
	Workers int `env:"EARSHOT_WORKERS" envDefault:"2" help:"workers at once, 1 to 64"`
	Engines engines
	Data    string // set by a flag: no variable
}

func TestLoad(t *testing.T) {
	for _, c := range []struct {
		name    string
		environ []string
		want    string // part of the error
	}{
		{"defaults", []string{"PATH=/bin", "NOEQUALS"}, ""},
		{"values", []string{"EARSHOT_WORKERS=3", "EARSHOT_KAFKA_BROKERS=a:1,b:2"}, ""},
		{"misspelt", []string{"EARSHOT_KAFKA_BROKER=a:1"}, "EARSHOT_KAFKA_BROKER is not a variable of Earshot: is EARSHOT_KAFKA_BROKERS meant?"},
		{"unlike any", []string{"EARSHOT_ZZZZZZZZZZZZZZZZZZZZ=1"}, "EARSHOT_ZZZZZZZZZZZZZZZZZZZZ is not a variable of Earshot"},
		{"field name is no variable", []string{"EARSHOT_DATA=1"}, "EARSHOT_DATA is not"},
		{"duration", []string{"EARSHOT_WAIT=5"}, `EARSHOT_WAIT cannot be read as a duration such as "30s"`},
		{"number", []string{"EARSHOT_WORKERS=two"}, "EARSHOT_WORKERS cannot be read as a whole number"},
		{"validated", []string{"EARSHOT_WAIT=-1s"}, "EARSHOT_WAIT is negative"},
		{"both are told", []string{"EARSHOT_WAITT=1s", "EARSHOT_WORKERS=two"}, "EARSHOT_WORKERS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var cfg whole
			err := config.Load(&cfg, c.environ)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v", err)
			}
			if err == nil && cfg.Engines.Wait != 5*time.Second {
				t.Errorf("got %+v", cfg)
			}
		})
	}
}

func TestPrintMasksSecrets(t *testing.T) {
	var cfg whole
	err := config.Load(&cfg, []string{"EARSHOT_REDIS_URL=redis://u:hunter2@host:6379/0", "EARSHOT_KEY=hunter2", "EARSHOT_KAFKA_BROKERS=a:1,b:2"})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := config.Print(&b, &cfg); err != nil {
		t.Fatal(err)
	}
	want := `# engines
EARSHOT_KAFKA_BROKERS=a:1,b:2
EARSHOT_KEY=xxxxx
EARSHOT_PAGE=http://me:xxxxx@localhost/?a=b
EARSHOT_REDIS_URL=redis://u:xxxxx@host:6379/0
EARSHOT_WAIT=5s

# general
EARSHOT_WORKERS=2
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
}

func TestTable(t *testing.T) {
	got := config.Table(&whole{})
	for _, line := range []string{"| variable | default | meaning |\n", "| `EARSHOT_WAIT` | `5s` | how long to wait |\n", "| `EARSHOT_KEY` |  | a key \\| with a bar |\n"} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is not in\n%s", line, got)
		}
	}
	if strings.Count(got, "\n") != 8 {
		t.Errorf("got\n%s", got)
	}
}
