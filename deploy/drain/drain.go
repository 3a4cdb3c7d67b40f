// Package drain runs the parts of a process and stops them in the order in
// which data flows through them.
package drain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// Actor is something that runs until its context ends.
type Actor struct {
	Name string
	Run  func(context.Context) error
}

// InOrder starts all groups at once. When ctx ends, or as soon as any actor
// does, it stops them group by group, each after the one before has ended, and
// returns what the actors returned; that a context was cancelled is no error.
func InOrder(ctx context.Context, log *slog.Logger, groups ...[]Actor) error {
	total := 0
	for _, group := range groups {
		total += len(group)
	}
	ended := make(chan error, total)
	stops := make([]func(), len(groups))
	for i, group := range groups {
		stops[i] = start(ctx, log, group, ended)
	}
	var first error
	select {
	case <-ctx.Done():
		log.Info("stopping")
	case first = <-ended:
		total--
	}
	errs := []error{first}
	for _, stop := range stops {
		stop()
	}
	for range total {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

// start runs a group on a context of its own; stop ends that and waits.
func start(ctx context.Context, log *slog.Logger, group []Actor, ended chan<- error) (stop func()) {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{}, len(group))
	for _, a := range group {
		go func() {
			err := a.Run(running)
			if err != nil {
				err = fmt.Errorf("%s: %w", a.Name, err)
			}
			if errors.Is(err, context.Canceled) {
				err = nil
			}
			log.Debug("ended", "part", a.Name)
			ended <- err
			done <- struct{}{}
		}()
	}
	return func() {
		cancel()
		for range group {
			<-done
		}
	}
}
