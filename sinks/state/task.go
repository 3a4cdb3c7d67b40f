package state

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"earshot/schemas"
)

// TaskState is what gettask shows. Text is the original text: of a chat as it
// was submitted, of a recording its transcript, one line per utterance.
// HasText is false when Redis no longer (or not yet) has it: after a rebuild,
// or after Config.TextTTL; ClickHouse has it once the task is completed.
type TaskState struct {
	schemas.TaskStatus
	Text    string
	HasText bool
}

// Report gives the status of a report task whose code is all that is known of
// it. A code that is none of a report that was begun: schemas.CodeTaskNotFound.
// Other errors: ErrNotReady, Redis'.
func (s *Store) Report(ctx context.Context, code string) (TaskState, error) {
	if !validName(code) {
		return TaskState{}, schemas.Fail(schemas.CodeTaskNotFound, "")
	}
	pipe := s.rdb.Pipeline()
	ready, org := pipe.Exists(ctx, keyReady), pipe.HGet(ctx, keyReports, code)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return TaskState{}, fmt.Errorf("redis: report: %w", err)
	}
	switch {
	case ready.Val() == 0:
		return TaskState{}, s.notReady()
	case org.Val() == "":
		return TaskState{}, schemas.Fail(schemas.CodeTaskNotFound, "")
	}
	return s.Task(ctx, org.Val(), code)
}

// TaskKey names a task.
type TaskKey struct{ Org, Code string }

// Task gives a task's status in one round trip. Another organisation's code
// answers as an unknown one: schemas.CodeTaskNotFound. Other errors:
// ErrNotReady, Redis'.
func (s *Store) Task(ctx context.Context, org, code string) (TaskState, error) {
	if !validName(org) || !validName(code) {
		return TaskState{}, schemas.Fail(schemas.CodeTaskNotFound, "")
	}
	p := orgPrefix(org)
	values, err := s.rdb.MGet(ctx, keyReady, p+subTask+code, p+subText+code).Result()
	if err != nil {
		return TaskState{}, fmt.Errorf("redis: task: %w", err)
	}
	if values[0] == nil {
		return TaskState{}, s.notReady()
	}
	raw, found := values[1].(string)
	if !found {
		return TaskState{}, schemas.Fail(schemas.CodeTaskNotFound, "")
	}
	r, err := decodeRecord(raw)
	if err != nil {
		return TaskState{}, err
	}
	if r.version == 0 {
		return TaskState{}, schemas.Fail(schemas.CodeTaskNotFound, "")
	}
	packed, hasText := values[2].(string)
	text, err := unpack(packed)
	return TaskState{TaskStatus: r.status(), Text: text, HasText: hasText}, err
}

// Versions gives the status version of each task, 0 when it is unknown, in one
// round trip; workers skip what is done already. Errors: ErrNotReady, Redis'.
func (s *Store) Versions(ctx context.Context, keys []TaskKey) ([]int64, error) {
	pipe := s.rdb.Pipeline()
	ready := pipe.Exists(ctx, keyReady)
	parts := make([]*redis.StringCmd, len(keys))
	for i, k := range keys {
		parts[i] = pipe.GetRange(ctx, orgPrefix(k.Org)+subTask+k.Code, endRevision, endVersion-1)
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("redis: versions: %w", err)
	}
	if ready.Val() == 0 {
		return nil, s.notReady()
	}
	versions := make([]int64, len(keys))
	for i, part := range parts {
		if part.Val() == "" {
			continue
		}
		v, err := strconv.ParseInt(part.Val(), 10, 64)
		if err != nil {
			return nil, errBroken
		}
		versions[i] = v
	}
	return versions, nil
}
