package drain

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestInOrder(t *testing.T) {
	broken := errors.New("broken")
	cases := []struct {
		name  string
		fails string // the actor that ends by itself; "": the context ends
		want  error
	}{
		{"told to stop", "", nil},
		{"the first group ends", "api", broken},
		{"the last group ends", "sink", broken},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			defer goleak.VerifyNone(t)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var mu sync.Mutex
			var stopped []string
			running := make(chan struct{}, 4)
			actor := func(name string) Actor {
				return Actor{name, func(ctx context.Context) error {
					running <- struct{}{}
					if name == c.fails {
						return broken
					}
					<-ctx.Done()
					mu.Lock()
					defer mu.Unlock()
					stopped = append(stopped, name)
					return ctx.Err()
				}}
			}
			if c.fails == "" {
				go func() {
					for range 4 {
						<-running
					}
					cancel()
				}()
			}
			err := InOrder(ctx, slog.New(slog.DiscardHandler), []Actor{actor("api")}, []Actor{actor("a"), actor("b")}, []Actor{actor("sink")})
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			order := func(name string) int { return slices.Index(stopped, name) }
			if c.fails != "api" && order("api") > min(order("a"), order("b")) {
				t.Errorf("work stopped before intake: %v", stopped)
			}
			if c.fails != "sink" && order("sink") < max(order("a"), order("b")) {
				t.Errorf("sinks stopped before work: %v", stopped)
			}
		})
	}
}
