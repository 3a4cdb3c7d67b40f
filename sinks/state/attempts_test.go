package state

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"earshot/schemas"
)

func TestAttemptsHoldForAllProcesses(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		one, other := readyStore(t, rdb), readyStore(t, rdb)
		try := func(s *Store, window time.Duration, account string, limit int) bool {
			t.Helper()
			wait := must(s.Attempt(ctx, window, Attempts{account, limit}, Attempts{"address", 5}))
			if wait > window {
				t.Errorf("wait %v", wait)
			}
			return wait == 0
		}
		for i, want := range []bool{true, true, false, false} {
			if got := try([]*Store{one, other}[i%2], time.Minute, "a", 2); got != want {
				t.Errorf("try %d: %v", i, got)
			}
		}
		must(0, one.TakeBack(ctx, "a", "never"))
		if !try(other, time.Minute, "a", 2) || try(other, time.Minute, "a", 2) {
			t.Error("one try was taken back, and one only")
		}
		must(0, one.ForgetAttempts(ctx, "a"))
		for i, want := range []bool{true, true, false} { // three were counted under the address
			if got := try(one, time.Minute, "b", 9); got != want {
				t.Errorf("address, try %d: %v", i, got)
			}
		}
		must(0, one.ForgetAttempts(ctx, "address"))
		if !try(one, 30*time.Millisecond, "c", 1) {
			t.Error("forgotten, and still counted")
		}
		if left := must(rdb.PTTL(ctx, attemptKey("c")).Result()); left <= 0 || left > 30*time.Millisecond {
			t.Errorf("the window ends in %v", left)
		}
	})
}

func TestOverageNeverBlocksWhatHasAPrice(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		s := readyStore(t, rdb)
		sub := schemas.Plans["pro"].Subscribe(planStart)
		sub.End, sub.Overage = planStart.AddDate(1, 0, 0), true
		sub.Limits = map[string]int64{schemas.ResourceChats: 1, schemas.ResourceReports: 1}
		apply(t, s, entityOf(org, schemas.KindPlan, "1", 1, sub))
		for range 3 {
			must(s.Accept(ctx, chat(org), ""))
		}
		report := chat(org)
		report.Resource = schemas.ResourceReports
		must(s.Accept(ctx, report, ""))
		if _, err := s.Accept(ctx, repeat(report, nil), ""); codeOf(err) != schemas.CodeQuota {
			t.Errorf("a report more than included: %v", err)
		}
		q := must(s.Quota(ctx, org))
		if a := q.Resources[schemas.ResourceChats]; a.Reserved != 3 || a.Limit != 1 || a.Left() != 0 || q.Reservable(schemas.ResourceChats) == 0 || q.Reservable(schemas.ResourceReports) != 0 {
			t.Errorf("%+v", q.Resources)
		}
		sub.Overage = false // from now on it blocks
		apply(t, s, entityOf(org, schemas.KindPlan, "1", 2, sub))
		if _, err := s.Accept(ctx, chat(org), ""); codeOf(err) != schemas.CodeQuota {
			t.Errorf("without overage: %v", err)
		}
	})
}
