package state

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Counters of tries live in Redis only: they hold for all processes, and for a
// window of minutes. A Redis that is flushed forgets them.

// Attempts are tries that are counted under a name, and how many there may be.
type Attempts struct {
	Name  string
	Limit int
}

var attemptScript = redis.NewScript(`
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[i + 1]) then return math.max(redis.call('PTTL', key), 1) end
end
for _, key in ipairs(KEYS) do
  if redis.call('INCR', key) == 1 then redis.call('PEXPIRE', key, ARGV[1]) end
end
return 0`)

// Attempt counts a try under each name before it is made, so that many at once
// do not get past a limit; where one is reached it counts nothing and says how
// long to wait. A window begins with its first try. Errors: Redis'.
func (s *Store) Attempt(ctx context.Context, window time.Duration, under ...Attempts) (wait time.Duration, err error) {
	keys, args := make([]string, len(under)), []any{max(window.Milliseconds(), 1)}
	for i, a := range under {
		keys[i] = attemptKey(a.Name)
		args = append(args, a.Limit)
	}
	ms, err := attemptScript.Run(ctx, s.rdb, keys, args...).Int64()
	if err != nil {
		return 0, fmt.Errorf("redis: attempts: %w", err)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

var takeBackScript = redis.NewScript(`
for _, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 and redis.call('DECR', key) <= 0 then redis.call('DEL', key) end
end
return 0`)

// TakeBack uncounts one try under each name. Errors: Redis'.
func (s *Store) TakeBack(ctx context.Context, names ...string) error {
	if err := takeBackScript.Run(ctx, s.rdb, attemptKeys(names)).Err(); err != nil {
		return fmt.Errorf("redis: attempts: %w", err)
	}
	return nil
}

// ForgetAttempts begins anew under each name. Errors: Redis'.
func (s *Store) ForgetAttempts(ctx context.Context, names ...string) error {
	if err := s.rdb.Del(ctx, attemptKeys(names)...).Err(); err != nil {
		return fmt.Errorf("redis: attempts: %w", err)
	}
	return nil
}

func attemptKey(name string) string { return keyPrefix + "attempts:" + hashed(22, name) }

func attemptKeys(names []string) []string {
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = attemptKey(name)
	}
	return keys
}
