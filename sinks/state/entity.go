package state

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"earshot/schemas"
)

//go:embed entity.lua
var entityLua string

var (
	entityScript = redis.NewScript(entityLua)
	nextIDScript = redis.NewScript(`if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
local id = redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
if id < tonumber(ARGV[2]) then
  id = tonumber(ARGV[2])
  redis.call('HSET', KEYS[2], ARGV[1], id)
end
return id`)
)

// errMalformed marks an event that no retry makes better.
var errMalformed = errors.New("malformed event")

// Apply writes one version of an entity if it is newer than what is there, and
// with it what is derived: the e-mail index of users, the limits of plans, the
// next id of the kind. The caller has produced the event already; Apply lets
// it read its own write before the projection gets there.
//
// Errors: ErrNotReady (the event is on the log: the projection will apply it),
// a malformed event, Redis'.
func (s *Store) Apply(ctx context.Context, e schemas.EntityChanged) error {
	err := s.applyEntities(ctx, keyReady, "", []schemas.EntityChanged{e})
	if errors.Is(err, errStale) {
		return s.notReady()
	}
	return err
}

// applyEntities applies entities in order, in one round trip, as long as the
// key guard holds the value epoch ("" = any); else errStale.
func (s *Store) applyEntities(ctx context.Context, guard, epoch string, entities []schemas.EntityChanged) error {
	if len(entities) == 0 {
		return nil
	}
	calls := make([]func(redis.Scripter) *redis.Cmd, len(entities))
	for i, e := range entities {
		keys, args, err := entityArgs(guard, epoch, e)
		if err != nil {
			return err
		}
		calls[i] = func(c redis.Scripter) *redis.Cmd { return entityScript.EvalSha(ctx, c, keys, args...) }
	}
	answers, err := s.runAll(ctx, entityScript, calls)
	if err != nil {
		return fmt.Errorf("redis: entities: %w", err)
	}
	for _, answer := range answers {
		if n, err := answer.Int(); err != nil || n < 0 {
			return errors.Join(errStale, err)
		}
	}
	return nil
}

func entityArgs(guard, epoch string, e schemas.EntityChanged) (keys []string, args []any, err error) {
	d, err := derive(e)
	if err != nil {
		return nil, nil, err
	}
	p := orgPrefix(e.Org)
	keys = []string{guard, p + subEntity + e.Kind, p + subIDs, p + subPlan, keyUsers, keyOrgs, p + subEmails}
	args = []any{epoch, e.Kind, e.ID, e.Version, encodeEntity(e), e.Org, d.email}
	if d.window != nil {
		args = append(args, d.window.span())
		for resource := range d.window.plan.Limits {
			args = append(args, resource, d.window.plan.Ceiling(resource))
		}
	}
	return keys, args, nil
}

// derived is what an entity's data means for other keys.
type derived struct {
	email  string  // of a live user
	window *window // of a live plan
}

// derive checks an entity and reads what follows from it.
func derive(e schemas.EntityChanged) (d derived, err error) {
	if !validName(e.Org) || !validName(e.Kind) || !validName(e.ID) || e.Version < 0 {
		return d, fmt.Errorf("%w: organisation %q, kind %q, id %q or version %d", errMalformed, e.Org, e.Kind, e.ID, e.Version)
	}
	if e.Deleted {
		return d, nil
	}
	switch e.Kind {
	case schemas.KindUser:
		var u schemas.User
		err = json.Unmarshal(e.Data, &u)
		d.email = strings.ToLower(u.Email)
	case schemas.KindPlan:
		var plan schemas.Subscription
		err = json.Unmarshal(e.Data, &plan)
		w := newWindow(e.ID, plan)
		d.window = &w
		for resource := range plan.Limits {
			if !validResource(resource) || resource == "" {
				return d, fmt.Errorf("%w: plan %s limits %q, which is not a resource", errMalformed, e.ID, resource)
			}
		}
	default:
		if !json.Valid(e.Data) {
			err = errors.New("its data is not JSON")
		}
	}
	if err != nil {
		return d, fmt.Errorf("%w: %s %s/%s: %w", errMalformed, e.Kind, e.Org, e.ID, err)
	}
	return d, nil
}

// span is the window as the plan hash holds it.
func (w *window) span() string { return fmt.Sprintf("%d,%d", w.from, w.to) }

// An entity in its hash is its version, "+" (or "-" when it is deleted; kept,
// so that an older version cannot bring it back) and its JSON.
type entity struct {
	version int64
	deleted bool
	data    []byte
}

func encodeEntity(e schemas.EntityChanged) string {
	version := strconv.FormatInt(e.Version, 10)
	if e.Deleted {
		return version + "-"
	}
	return version + "+" + string(e.Data)
}

func decodeEntity(value string) (e entity, err error) {
	i := strings.IndexAny(value, "+-")
	if i < 0 {
		return e, fmt.Errorf("entity in Redis is not readable: FLUSHDB makes Earshot rebuild it from the log")
	}
	e.version, err = strconv.ParseInt(value[:i], 10, 64)
	e.deleted, e.data = value[i] == '-', []byte(value[i+1:])
	return e, err
}

// NextID gives the next free id of a kind within an organisation, from 1
// (checklist questions from schemas.FirstQuestion). An id that is not used after
// all leaves a gap. Errors: ErrNotReady, Redis'.
func (s *Store) NextID(ctx context.Context, org, kind string) (int64, error) {
	first := 1
	if kind == schemas.KindChecklist {
		first = schemas.FirstQuestion
	}
	id, err := nextIDScript.Run(ctx, s.rdb, []string{keyReady, orgPrefix(org) + subIDs}, kind, first).Int64()
	if err != nil {
		return 0, fmt.Errorf("redis: next id: %w", err)
	}
	if id < 0 {
		return 0, s.notReady()
	}
	return id, nil
}

// List gives the live entities of a kind, by id (numbers by size); T is the
// struct of that kind in package schemas. Errors: ErrNotReady, Redis', or JSON
// that does not fit T.
func List[T any](ctx context.Context, s *Store, org, kind string) ([]T, error) {
	pipe := s.rdb.Pipeline()
	ready, all := pipe.Exists(ctx, keyReady), pipe.HGetAll(ctx, orgPrefix(org)+subEntity+kind)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("redis: list %s: %w", kind, err)
	}
	if ready.Val() == 0 {
		return nil, s.notReady()
	}
	ids := make([]string, 0, len(all.Val()))
	for id := range all.Val() {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, byNumber)
	out := make([]T, 0, len(ids))
	for _, id := range ids {
		e, err := decodeEntity(all.Val()[id])
		if err != nil {
			return nil, err
		}
		if e.deleted {
			continue
		}
		var v T
		if err := json.Unmarshal(e.data, &v); err != nil {
			return nil, fmt.Errorf("%s %s: %w", kind, id, err)
		}
		out = append(out, v)
	}
	return out, nil
}

func byNumber(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// UserByEmail finds a user by address, whatever its case. Errors:
// schemas.CodeUserNotFound, ErrNotReady, Redis'.
func (s *Store) UserByEmail(ctx context.Context, email string) (schemas.User, error) {
	pipe := s.rdb.Pipeline()
	ready, owner := pipe.Exists(ctx, keyReady), pipe.HGet(ctx, keyUsers, strings.ToLower(email))
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return schemas.User{}, fmt.Errorf("redis: user: %w", err)
	}
	if ready.Val() == 0 {
		return schemas.User{}, s.notReady()
	}
	org, id, found := strings.Cut(owner.Val(), "/")
	if !found {
		return schemas.User{}, schemas.Fail(schemas.CodeUserNotFound, "")
	}
	return s.user(ctx, org, id)
}

// User gives a user of an organisation, disabled ones too. Errors:
// schemas.CodeUserNotFound, ErrNotReady, Redis'.
func (s *Store) User(ctx context.Context, org string, id int64) (schemas.User, error) {
	return s.user(ctx, org, strconv.FormatInt(id, 10))
}

func (s *Store) user(ctx context.Context, org, id string) (schemas.User, error) {
	u, err := get[schemas.User](ctx, s, org, schemas.KindUser, id)
	if err != nil {
		return schemas.User{}, err
	}
	if u == nil {
		return schemas.User{}, schemas.Fail(schemas.CodeUserNotFound, "")
	}
	return *u, nil
}

// Organisations gives the ids of all organisations, sorted. Errors: ErrNotReady,
// Redis'.
func (s *Store) Organisations(ctx context.Context) ([]string, error) {
	if err := s.Ready(ctx); err != nil {
		return nil, err
	}
	all, err := s.rdb.SMembers(ctx, keyOrgs).Result()
	if err != nil {
		return nil, fmt.Errorf("redis: organisations: %w", err)
	}
	slices.Sort(all)
	return all, nil
}

// Organisation gives an organisation's settings; one that was never written
// has none but its id. Errors: ErrNotReady, Redis', or JSON that does not fit.
func (s *Store) Organisation(ctx context.Context, org string) (schemas.Organisation, error) {
	o, err := get[schemas.Organisation](ctx, s, org, schemas.KindOrganisation, org)
	if err != nil {
		return schemas.Organisation{}, err
	}
	if o == nil {
		return schemas.Organisation{ID: org}, nil
	}
	return *o, nil
}

// Get gives one entity, nil when there is none or it was deleted; T is the
// struct of that kind in package schemas. Errors: ErrNotReady, Redis', or JSON
// that does not fit T.
func Get[T any](ctx context.Context, s *Store, org, kind string, id int64) (*T, error) {
	return get[T](ctx, s, org, kind, strconv.FormatInt(id, 10))
}

// Version is the version of an entity, also of one that was deleted; 0
// when there never was one. Errors: ErrNotReady, Redis'.
func (s *Store) Version(ctx context.Context, org, kind, id string) (int64, error) {
	pipe := s.rdb.Pipeline()
	ready, value := pipe.Exists(ctx, keyReady), pipe.HGet(ctx, orgPrefix(org)+subEntity+kind, id)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("redis: version of %s: %w", kind, err)
	}
	if ready.Val() == 0 {
		return 0, s.notReady()
	}
	if value.Val() == "" {
		return 0, nil
	}
	e, err := decodeEntity(value.Val())
	return e.version, err
}

// get gives one entity, nil when there is none or it was deleted.
func get[T any](ctx context.Context, s *Store, org, kind, id string) (*T, error) {
	pipe := s.rdb.Pipeline()
	ready, value := pipe.Exists(ctx, keyReady), pipe.HGet(ctx, orgPrefix(org)+subEntity+kind, id)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("redis: %s: %w", kind, err)
	}
	if ready.Val() == 0 {
		return nil, s.notReady()
	}
	if value.Val() == "" {
		return nil, nil
	}
	e, err := decodeEntity(value.Val())
	if err != nil || e.deleted {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal(e.data, v); err != nil {
		return nil, fmt.Errorf("%s %s/%s: %w", kind, org, id, err)
	}
	return v, nil
}
