package state

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"earshot/schemas"
)

//go:embed accept.lua
var acceptLua string

var acceptScript = redis.NewScript(acceptLua)

// Outcome is what Accept decided.
type Outcome int

const (
	// Accepted: the caller must produce the event, then Confirm (or Abandon).
	Accepted Outcome = iota
	// Existing: the durable earlier task of the same Idempotency-Key
	// and content.
	Existing
	// Duplicate: a durable earlier task with the same file name,
	// content or (source, external id).
	Duplicate
	// InFlight: another caller is producing that task right now; ask
	// again in a second.
	InFlight
	// Resume: an earlier caller reserved the task, and nobody knows
	// whether its event reached the log. The caller must produce
	// Acceptance.Task again (same code: everything downstream is idempotent),
	// then Confirm.
	Resume
)

const (
	resumeAfter  = 15 * time.Second
	abandonAfter = time.Hour // a reservation that nobody confirmed is given back
)

// Acceptance is the answer of Accept. Task is the caller's task with its ID,
// or the earlier one.
type Acceptance struct {
	Task    schemas.Task
	Outcome Outcome
}

// Accept reserves quota for a task, gives it the organisation's next id and
// remembers it as pending, or finds the earlier task it repeats. Code and Org
// must be set; ID is given here; CreatedAt is set when zero. text is the
// original text for gettask, "" when there is none.
//
// Errors: ErrNotReady; schemas.Error with CodeNoPlan (no subscription is valid
// now), CodeQuota (Reserved is more than what is left of Resource),
// CodeKeyReused (the Idempotency-Key belongs to other content); else Redis'.
func (s *Store) Accept(ctx context.Context, task schemas.Task, text string) (Acceptance, error) {
	if !validName(task.Org) || !validName(task.Code) || task.Reserved < 0 || !validResource(task.Resource) {
		return Acceptance{}, fmt.Errorf("accept: organisation %q, code %q, resource %q or reserved units %d are malformed", task.Org, task.Code, task.Resource, task.Reserved)
	}
	if task.CreatedAt.IsZero() {
		task.CreatedAt = s.now()
	}
	task.CreatedAt = task.CreatedAt.UTC().Truncate(time.Microsecond) // as the log holds it
	args, err := acceptArgs(task, text)
	if err != nil {
		return Acceptance{}, err
	}
	answer, err := s.ask(ctx, task.Org, args)
	if err != nil {
		return Acceptance{}, err
	}
	return s.accepted(task, answer)
}

// acceptArgs are a task's arguments of accept.lua.
func acceptArgs(task schemas.Task, text string) ([]any, error) {
	r := &record{}
	r.applySubmitted(task)
	if task.Resource != "" {
		r.Held = task.Reserved
	}
	doc, err := json.Marshal(&r.body)
	if err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	fields := dupFields(task)
	args := []any{task.Code, task.Resource, task.Reserved, r.head(), doc, r.digest, pack(text), idemKey(task), len(fields)}
	for _, field := range fields {
		args = append(args, field)
	}
	return args, nil
}

// accepted turns the script's answer into ours.
func (s *Store) accepted(task schemas.Task, answer []string) (Acceptance, error) {
	earlier := map[string]Outcome{"existing": Existing, "duplicate": Duplicate, "inflight": InFlight, "resume": Resume}
	switch outcome := answer[0]; outcome {
	case "new":
		var err error
		task.ID, err = strconv.ParseInt(answer[1], 10, 64)
		return Acceptance{task, Accepted}, err
	case "notready":
		return Acceptance{}, s.notReady()
	case "noplan":
		return Acceptance{}, schemas.Fail(schemas.CodeNoPlan, "")
	case "quota":
		return Acceptance{}, schemas.Fail(schemas.CodeQuota, "%s: %d needed, %s left", task.Resource, task.Reserved, answer[1])
	case "conflict":
		return Acceptance{}, schemas.Fail(schemas.CodeKeyReused, "")
	default:
		r, err := decodeRecord(answer[1])
		if err != nil {
			return Acceptance{}, err
		}
		return Acceptance{schemas.Task(r.Task), earlier[outcome]}, nil
	}
}

// Confirm says that the task's event is durable (acks=all returned). Not
// calling it is not an error: the projection confirms what it sees on the log.
func (s *Store) Confirm(ctx context.Context, org, code string) error {
	if err := s.rdb.ZRem(ctx, orgPrefix(org)+subAccepting, code).Err(); err != nil {
		return fmt.Errorf("redis: confirm: %w", err)
	}
	return nil
}

// Abandon undoes Accept after the event could not be produced: quota and keys
// are free again and the code is unknown. A task that is on the log already is
// left alone; should its event turn up after all, it comes back.
func (s *Store) Abandon(ctx context.Context, org, code string) error {
	p := orgPrefix(org)
	for {
		pipe := s.rdb.Pipeline()
		open, raw := pipe.ZScore(ctx, p+subAccepting, code), pipe.Get(ctx, p+subTask+code)
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
			return fmt.Errorf("redis: abandon: %w", err)
		}
		if open.Err() != nil || raw.Err() != nil {
			return nil // confirmed, or given back already
		}
		r, err := decodeRecord(raw.Val())
		if err != nil {
			return err
		}
		if r.version > schemas.StatusVersion(schemas.StatusPending) || len(r.Used) > 0 {
			return s.Confirm(ctx, org, code) // it is on the log after all
		}
		behind, err := s.write(ctx, "", []settlement{removal(r, s.now())})
		if errors.Is(err, errStale) {
			return s.notReady()
		}
		if err != nil || len(behind) == 0 {
			return err
		}
	}
}

// removal frees all that an accepted task has taken.
func removal(r *record, now time.Time) settlement {
	t := settlement{org: r.Task.Org, code: r.Task.Code, revision: r.revision}
	if r.Held != 0 {
		t.steps = append(t.steps, step{"ledger", r.period + ":h:" + r.Task.Resource, -r.Held})
	}
	r.version = 0
	t.steps = append(t.steps, claims(r, now)...)
	t.steps = append(t.steps, step{"durable", "", ""})
	return t
}

// sweep abandons what was reserved longer than abandonAfter ago and never
// confirmed, in every organisation. It gives the number of tasks given back.
func (s *Store) sweep(ctx context.Context) (int, error) {
	orgs, err := s.rdb.SMembers(ctx, keyOrgs).Result()
	if err != nil {
		return 0, fmt.Errorf("redis: sweep: %w", err)
	}
	before := strconv.FormatInt(s.now().Add(-abandonAfter).UnixMilli(), 10)
	var n int
	for _, org := range orgs {
		codes, err := s.rdb.ZRangeArgs(ctx, redis.ZRangeArgs{Key: orgPrefix(org) + subAccepting, ByScore: true, Start: "-inf", Stop: before, Count: 1000}).Result()
		if err != nil {
			return n, fmt.Errorf("redis: sweep: %w", err)
		}
		for _, code := range codes {
			if err := s.Abandon(ctx, org, code); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}
