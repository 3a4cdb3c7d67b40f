package state

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

//go:embed settle.lua
var settleLua string

var settleScript = redis.NewScript(settleLua)

// A settlement is one task record to be written if it is still at revision.
type settlement struct {
	org, code, revision string
	record              string // "" removes it
	steps               []step
}

// perScript bounds how long one script holds Redis: about a millisecond.
const perScript = 64

// errStale means that the state was lost or built again since the epoch.
var errStale = errors.New("the state in Redis was lost or built again meanwhile")

// write writes settlements, those of one organisation perScript at a time,
// all in one round trip. It gives the places of those whose record had changed
// since it was read.
func (s *Store) write(ctx context.Context, epoch string, all []settlement) (behind []int, err error) {
	byOrg := map[string][]int{}
	for i := range all {
		byOrg[all[i].org] = append(byOrg[all[i].org], i)
	}
	if len(all) == 0 {
		return nil, nil
	}
	var calls [][]int
	for _, places := range byOrg {
		for len(places) > 0 {
			n := min(perScript, len(places))
			calls, places = append(calls, places[:n]), places[n:]
		}
	}
	scripts := make([]func(redis.Scripter) *redis.Cmd, len(calls))
	for i, places := range calls {
		keys, args := settleArgs(epoch, all, places)
		scripts[i] = func(c redis.Scripter) *redis.Cmd { return settleScript.EvalSha(ctx, c, keys, args...) }
	}
	answers, err := s.runAll(ctx, settleScript, scripts)
	if err != nil {
		return nil, fmt.Errorf("redis: settle: %w", err)
	}
	for i, answer := range answers {
		numbers, err := answer.Int64Slice()
		if err != nil {
			return nil, fmt.Errorf("redis: settle: %w", err)
		}
		for _, n := range numbers {
			if n < 1 {
				return nil, errStale
			}
			behind = append(behind, calls[i][n-1])
		}
	}
	return behind, nil
}

func settleArgs(epoch string, all []settlement, places []int) (keys []string, args []any) {
	p := orgPrefix(all[places[0]].org)
	args = []any{epoch, p}
	for _, place := range places {
		t := &all[place]
		args = append(args, t.code, t.revision, t.record, len(t.steps))
		for _, st := range t.steps {
			args = append(args, st[0], st[1], st[2])
		}
	}
	return []string{keyReady, p + subLedger, p + subIDs, p + subDup, p + subAccepting, keyReports}, args
}

// runAll runs calls of one script in one round trip, and once more when Redis
// does not know the script yet: our scripts may be run twice.
func (s *Store) runAll(ctx context.Context, script *redis.Script, calls []func(redis.Scripter) *redis.Cmd) ([]*redis.Cmd, error) {
	for try := 0; ; try++ {
		pipe := s.rdb.Pipeline()
		answers := make([]*redis.Cmd, len(calls))
		for i, call := range calls {
			answers[i] = call(pipe)
		}
		_, err := pipe.Exec(ctx)
		if err == nil {
			return answers, nil
		}
		if try > 0 || !redis.HasErrorPrefix(err, "NOSCRIPT") {
			return nil, err
		}
		if err := script.Load(ctx, s.rdb).Err(); err != nil {
			return nil, err
		}
	}
}
