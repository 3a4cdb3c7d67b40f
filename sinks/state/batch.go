package state

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"

	"earshot/schemas"
)

// applyFacts brings a batch into Redis. Everything in it is idempotent: after
// any error the whole batch is applied again.
func (s *Store) applyFacts(ctx context.Context, epoch string, facts []fact) error {
	changes, entities := byTask(facts)
	// Entities first: a plan must be known before what is reserved under it.
	if err := s.applyEntities(ctx, keyReady, epoch, entities); err != nil {
		return err
	}
	if err := s.applyTexts(ctx, facts); err != nil {
		return err
	}
	for len(changes) > 0 {
		behind, err := s.applyChanges(ctx, epoch, changes)
		if err != nil {
			return err
		}
		changes = behind // somebody else wrote these tasks meanwhile: read them again
	}
	return nil
}

// applyChanges reads, merges and writes; it gives the changes that came too
// late and must be tried again.
func (s *Store) applyChanges(ctx context.Context, epoch string, changes []*taskChange) ([]*taskChange, error) {
	known, plans, err := s.readTasks(ctx, changes)
	if err != nil {
		return nil, err
	}
	var writes []settlement
	var written []*taskChange
	durable := map[string][]any{} // by organisation, codes that only need to be confirmed
	now := s.now()
	for i, c := range changes {
		after, hanging := c.merge(known[i], plans[c.org], now)
		if after == nil {
			durable[c.org] = append(durable[c.org], c.code)
			continue
		}
		t := settlement{org: c.org, code: c.code, steps: hanging}
		if known[i] != nil {
			t.revision = known[i].revision
		}
		if t.record, err = after.encode(); err != nil {
			return nil, err
		}
		writes, written = append(writes, t), append(written, c)
	}
	if err := s.confirmAll(ctx, durable); err != nil {
		return nil, err
	}
	places, err := s.write(ctx, epoch, writes)
	if err != nil {
		return nil, err
	}
	var behind []*taskChange
	for _, place := range places {
		behind = append(behind, written[place])
	}
	return behind, nil
}

// readTasks gives the records of the changed tasks (nil = unknown) and the
// subscriptions of their organisations.
func (s *Store) readTasks(ctx context.Context, changes []*taskChange) ([]*record, map[string]windows, error) {
	pipe := s.rdb.Pipeline()
	orgs := map[string]bool{}
	raws := make([]*redis.StringCmd, len(changes))
	for i, c := range changes {
		raws[i] = pipe.Get(ctx, orgPrefix(c.org)+subTask+c.code)
		orgs[c.org] = true
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, nil, fmt.Errorf("redis: read tasks: %w", err)
	}
	known := make([]*record, len(changes))
	for i, raw := range raws {
		if raw.Err() != nil {
			continue // redis.Nil: any other error was Exec's
		}
		var err error
		if known[i], err = decodeRecord(raw.Val()); err != nil {
			return nil, nil, err
		}
	}
	plans, err := s.windows(ctx, slices.Collect(maps.Keys(orgs)))
	return known, plans, err
}

func (s *Store) confirmAll(ctx context.Context, codes map[string][]any) error {
	if len(codes) == 0 {
		return nil
	}
	pipe := s.rdb.Pipeline()
	for org, members := range codes {
		pipe.ZRem(ctx, orgPrefix(org)+subAccepting, members...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("redis: confirm: %w", err)
	}
	return nil
}

// applyTexts keeps what was heard as the original text of recordings.
func (s *Store) applyTexts(ctx context.Context, facts []fact) error {
	pipe := s.rdb.Pipeline()
	for _, f := range facts {
		if f.heard != nil {
			pipe.Set(ctx, orgPrefix(f.org)+subText+f.code, pack(schemas.DialogueText(f.heard.Utterances)), s.cfg.TextTTL)
		}
	}
	if pipe.Len() == 0 {
		return nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("redis: texts: %w", err)
	}
	return nil
}
