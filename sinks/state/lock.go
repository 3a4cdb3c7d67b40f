package state

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// A lock outlives whoever held it and died by lockLease; what is done under it
// must take less. lockStep is how often a waiting caller looks.
const (
	lockLease = 30 * time.Second
	lockStep  = 10 * time.Millisecond
)

// Alone runs do while no other caller, in any process, runs something under the
// same name: for what is read, changed and written again. It waits for its turn
// until ctx ends. Errors: ErrNotReady, ctx's, Redis', those of do.
func (s *Store) Alone(ctx context.Context, name string, do func() error) error {
	if err := s.Ready(ctx); err != nil {
		return err
	}
	key, token := keyPrefix+"alone:"+hashed(22, name), rand.Text()
	for {
		got, err := s.rdb.SetNX(ctx, key, token, lockLease).Result()
		if err != nil {
			return fmt.Errorf("redis: lock: %w", err)
		}
		if got {
			break
		}
		if err := sleep(ctx, lockStep); err != nil {
			return err
		}
	}
	err := do()
	if e := compareAndDelete.Run(context.WithoutCancel(ctx), s.rdb, []string{key}, token).Err(); e != nil {
		// It runs out by itself; what was done is done.
		err = errors.Join(err, fmt.Errorf("redis: give back a lock: %w", e))
	}
	return err
}
