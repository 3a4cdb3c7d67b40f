package state

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"earshot/schemas"
)

// TurnMost is how long one caller of InTurn may take.
const TurnMost = 9 * time.Second

// How long a turn's key lives, longer than the turn so that two never run at
// once; how long others wait for it, and how often they look.
const (
	turnKey  = TurnMost + time.Second
	turnWait = 5 * time.Second
	turnStep = 10 * time.Millisecond
)

// InTurn runs do while no other process runs one of the same name for the
// organisation ("": for all of them), so that what do finds (no such name, no such child) still holds
// when it writes. do must keep to its context, which ends with the turn. Errors:
// do's, ErrNotReady, Redis', schemas.CodeInProgress when the turn does not come.
func (s *Store) InTurn(ctx context.Context, org, name string, do func(context.Context) error) error {
	if err := s.Ready(ctx); err != nil {
		return err
	}
	key, token := orgPrefix(org)+subTurn+name, rand.Text()
	for waited := time.Duration(0); ; waited += turnStep {
		got, err := s.rdb.SetNX(ctx, key, token, turnKey).Result()
		switch {
		case err != nil:
			return fmt.Errorf("redis: turn: %w", err)
		case got:
			return s.turn(ctx, key, token, do)
		case waited >= turnWait:
			return schemas.Fail(schemas.CodeInProgress, "")
		}
		if err := sleep(ctx, turnStep); err != nil {
			return err
		}
	}
}

func (s *Store) turn(ctx context.Context, key, token string, do func(context.Context) error) error {
	within, cancel := context.WithTimeout(ctx, TurnMost)
	defer cancel()
	err := do(within)
	// What was done is done: a key that cannot be given back lapses.
	_ = compareAndDelete.Run(context.WithoutCancel(ctx), s.rdb, []string{key}, token).Err()
	return err
}

// Mark is why the next analysis of a task is on its way, and by whom it is made.
type Mark struct{ sub, owner string }

// A re-analysis is on its way from when it is asked for, perhaps for hours, and is
// asked for only once. A version is on its way for as long as it is being written,
// by the analyser or for a person's answer, and until it can be read in
// ClickHouse: whoever made another one meanwhile would start from the old one,
// and one of the two would be lost.
var (
	MarkAsked   = Mark{sub: subAgain}
	MarkWriting = Mark{sub: subWriting}
)

// How long a version counts as being written: by the analyser, whose work comes
// again when it dies, and for a person's answer, which does not.
const (
	AnalyserWrites = 2 * time.Hour
	PersonWrites   = 10 * time.Minute
)

// WritingFor is the mark of the analyser that fulfils a request. It may set its
// own anew: who died while it wrote gets the same request again.
func WritingFor(asked schemas.AnalysisRequested) Mark {
	return Mark{subWriting, strconv.FormatInt(asked.At.UnixMicro(), 10)}
}

func (m Mark) key(org, code string) string { return orgPrefix(org) + m.sub + code }

// value names the version that is to come, 0 while that is not told, and the
// owner.
func (m Mark) value(version int64) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", version, m.owner))
}

// A mark that was satisfied, or has lapsed, counts for nothing.
var markScript = redis.NewScript(`local next = redis.call('GET', KEYS[1])
if next then
  local version, owner = string.match(next, '^(%d+) ?(.*)$')
  if (version == '0' or tonumber(version) > tonumber(ARGV[1])) and (owner == '' or owner ~= ARGV[4]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2])
return 1`)

// markFirst is how long a mark lasts whose version is not told yet.
const markFirst = 30 * time.Second

// MarkAgain marks tasks whose next analysis is about to be asked for or written,
// of which tasks has the newest that can be read, and gives the codes of those that
// were not marked so already. Each must be told by
// ExpectAgain what to wait for. Errors: Redis'.
func (s *Store) MarkAgain(ctx context.Context, m Mark, org string, tasks []schemas.Analysed) ([]string, error) {
	calls := make([]func(redis.Scripter) *redis.Cmd, len(tasks))
	for i, t := range tasks {
		calls[i] = func(c redis.Scripter) *redis.Cmd {
			return markScript.EvalSha(ctx, c, []string{m.key(org, t.Code)}, t.Version, markFirst.Milliseconds(), m.value(0), m.owner)
		}
	}
	answers, err := s.runAll(ctx, markScript, calls)
	if err != nil {
		return nil, fmt.Errorf("redis: mark analyses: %w", err)
	}
	var marked []string
	for i, answer := range answers {
		n, err := answer.Int()
		if err != nil {
			return nil, fmt.Errorf("redis: mark analyses: %w", err)
		}
		if n == 1 {
			marked = append(marked, tasks[i].Code)
		}
	}
	return marked, nil
}

// ExpectAgain says which version each marked task's next analysis will have,
// and for how long it is waited for. Errors: Redis'.
func (s *Store) ExpectAgain(ctx context.Context, m Mark, org string, next []schemas.Analysed, atMost time.Duration) error {
	_, err := s.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, t := range next {
			pipe.Set(ctx, m.key(org, t.Code), m.value(t.Version), atMost)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("redis: mark analyses: %w", err)
	}
	return nil
}

// giveUpScript takes a mark off where it is this owner's.
var giveUpScript = redis.NewScript(`local is = redis.call('GET', KEYS[1])
if is and string.match(is, '^%d+ ?(.*)$') == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`)

// GiveUpAgain takes the marks of one request off, and those of no other: the
// analysis that it asks for will not be made. Errors: Redis'.
func (s *Store) GiveUpAgain(ctx context.Context, asked schemas.AnalysisRequested) error {
	writing := WritingFor(asked)
	err := errors.Join(compareAndDelete.Run(ctx, s.rdb, []string{MarkAsked.key(asked.Org, asked.TaskCode)}, asked.Version).Err(),
		giveUpScript.Run(ctx, s.rdb, []string{writing.key(asked.Org, asked.TaskCode)}, writing.owner).Err())
	if err != nil {
		return fmt.Errorf("redis: mark analyses: %w", err)
	}
	return nil
}

// ForgetAgain takes marks off: nothing is on its way. Errors: Redis'.
func (s *Store) ForgetAgain(ctx context.Context, m Mark, org string, codes ...string) error {
	if len(codes) == 0 {
		return nil
	}
	keys := make([]string, len(codes))
	for i, code := range codes {
		keys[i] = m.key(org, code)
	}
	if err := s.rdb.Del(ctx, keys...).Err(); err != nil {
		return fmt.Errorf("redis: mark analyses: %w", err)
	}
	return nil
}
