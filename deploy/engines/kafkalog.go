package engines

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// clientLog hands franz-go's warnings and errors on. While a broker is away every client tries to connect several times a second, and
// each try is a warning: of these there is one line in refusedEvery for each address, with the number of tries since the one before.
type clientLog struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	refused map[string]refusal // by message and address, of which there are as many as brokers
}

type refusal struct {
	told  time.Time
	tries int // since then
}

const (
	refusedEvery  = 10 * time.Second
	refusedPrefix = "unable to open connection to broker" // of two messages of franz-go
)

func (*clientLog) Level() kgo.LogLevel { return kgo.LogLevelWarn }

func (l *clientLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	if strings.HasPrefix(msg, refusedPrefix) {
		tries := l.refusals(msg, keyvals)
		if tries == 0 {
			return
		}
		keyvals = append(keyvals, "tries", tries)
	}
	to := slog.LevelWarn
	if level == kgo.LogLevelError {
		to = slog.LevelError
	}
	l.log.Log(context.Background(), to, "kafka client: "+msg, keyvals...)
}

// refusals counts a try; it gives how many to tell now, 0 when it is too early for a line.
func (l *clientLog) refusals(msg string, keyvals []any) int {
	for i := 0; i+1 < len(keyvals); i += 2 {
		if keyvals[i] == "addr" {
			msg += fmt.Sprint(" ", keyvals[i+1])
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.refused[msg]
	r.tries++
	now := l.now()
	if now.Sub(r.told) < refusedEvery {
		l.refused[msg] = r
		return 0
	}
	l.refused[msg] = refusal{told: now}
	return r.tries
}

// brokerLog hands the warnings and errors of the embedded Kafka on.
type brokerLog struct{ log *slog.Logger }

func (l brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error("embedded kafka: " + fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		l.log.Warn("embedded kafka: " + fmt.Sprintf(format, args...))
	}
}
