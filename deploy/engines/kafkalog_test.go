package engines

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestABrokerThatIsAwayDoesNotFloodTheLog: franz-go itself tries, and its words are what is counted.
func TestABrokerThatIsAwayDoesNotFloodTheLog(t *testing.T) {
	var out bytes.Buffer
	now := time.Now()
	l := &clientLog{log: slog.New(slog.NewTextHandler(&out, nil)), now: func() time.Time { return now }, refused: map[string]refusal{}}
	lines := func(text string) int { return strings.Count(out.String(), text) }
	tryFor := func(address string) {
		t.Helper()
		cl, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.WithLogger(l), kgo.RequestRetries(0))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		for range 20 {
			if err := cl.Ping(context.Background()); err == nil {
				t.Fatalf("%s answers", address)
			}
		}
	}
	const away = "msg=\"kafka client: unable to open connection to broker\""
	tryFor("127.0.0.1:1")
	tryFor("127.0.0.1:2")
	tryFor("127.0.0.1:1") // another client
	if lines(away) != 2 || lines("addr=127.0.0.1:1") != 1 || lines("tries=1\n") != 2 {
		t.Errorf("at once:\n%s", &out)
	}
	out.Reset()
	now = now.Add(refusedEvery)
	tryFor("127.0.0.1:1")
	if lines(away) != 1 || lines("tries=40\n") != 1 { // 19 and 20 that were not told, and this one
		t.Errorf("ten seconds later:\n%s", &out)
	}
	out.Reset()
	for range 3 {
		l.Log(kgo.LogLevelError, "join group failed", "addr", "127.0.0.1:1")
	}
	if lines("level=ERROR msg=\"kafka client: join group failed\"") != 3 {
		t.Errorf("other messages:\n%s", &out)
	}
}
