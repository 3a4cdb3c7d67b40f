package state

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"earshot/schemas"
)

func TestInTurn(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		s := readyStore(t, rdb)
		var inside atomic.Int32
		var wg sync.WaitGroup
		n := 0 // no lock of its own: the turns are one
		for range 10 {
			wg.Go(func() {
				err := s.InTurn(ctx, org, "directory", func(context.Context) error {
					if inside.Add(1) != 1 {
						t.Error("two at once")
					}
					n++
					inside.Add(-1)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n != 10 {
			t.Errorf("%d turns", n)
		}
		failed := errors.New("no")
		err := s.InTurn(ctx, org, "directory", func(ctx context.Context) error {
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > TurnMost {
				t.Error("a turn without end")
			}
			// Another name, and another organisation's same name, are others' turns.
			return errors.Join(failed, s.InTurn(ctx, org, "script", func(context.Context) error { return nil }),
				s.InTurn(ctx, "org_2", "directory", func(context.Context) error { return nil }))
		})
		if !errors.Is(err, failed) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error of the turn: %v", err)
		}
		if err := s.InTurn(ctx, org, "directory", func(context.Context) error { return nil }); err != nil {
			t.Errorf("after a failure: %v", err)
		}
	})
}

func TestATurnThatDoesNotCome(t *testing.T) {
	s := readyStore(t, miniRedis(t))
	err := s.InTurn(context.Background(), org, "directory", func(ctx context.Context) error {
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		return s.InTurn(short, org, "directory", func(context.Context) error { t.Error("both"); return nil })
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// An analysis that is on its way is asked for once, until it can be read.
func TestMarksOfAnalyses(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		s := readyStore(t, rdb)
		mark := func(org string, want []string, tasks ...schemas.Analysed) {
			t.Helper()
			if got, err := s.MarkAgain(ctx, MarkAsked, org, tasks); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("marked %v (%v), want %v", got, err, want)
			}
		}
		mark(org, []string{"a", "b"}, schemas.Analysed{Code: "a", Version: 1}, schemas.Analysed{Code: "b", Version: 4})
		mark(org, []string{"c"}, schemas.Analysed{Code: "a", Version: 1}, schemas.Analysed{Code: "c", Version: 1})
		if got, err := s.MarkAgain(ctx, MarkWriting, org, []schemas.Analysed{{Code: "a", Version: 1}}); err != nil || len(got) != 1 { // what was asked for waits
			t.Errorf("marked %v, %v", got, err)
		}
		mark("org_2", []string{"a"}, schemas.Analysed{Code: "a", Version: 1})
		if err := s.ExpectAgain(ctx, MarkAsked, org, []schemas.Analysed{{Code: "a", Version: 2}}, time.Hour); err != nil {
			t.Fatal(err)
		}
		mark(org, nil, schemas.Analysed{Code: "a", Version: 1})
		mark(org, []string{"a"}, schemas.Analysed{Code: "a", Version: 2}) // it has come
		for _, version := range []int64{4, 5} {                           // only what waits for that version is given up
			if err := s.ExpectAgain(ctx, MarkAsked, org, []schemas.Analysed{{Code: "c", Version: version}}, time.Hour); err != nil {
				t.Fatal(err)
			}
			if err := s.GiveUpAgain(ctx, schemas.AnalysisRequested{Org: org, TaskCode: "c", Version: 5}); err != nil {
				t.Fatal(err)
			}
			if n := rdb.Exists(ctx, orgPrefix(org)+subAgain+"c").Val(); n != 5-version {
				t.Errorf("marks for version %d: %d", version, n)
			}
		}
		if err := s.ForgetAgain(ctx, MarkAsked, org, "a", "b"); err != nil {
			t.Fatal(err)
		}
		mark(org, []string{"b"}, schemas.Analysed{Code: "b", Version: 4})
		if left := rdb.PTTL(ctx, orgPrefix(org)+subAgain+"b").Val(); left <= 0 || left > markFirst {
			t.Errorf("a mark stays for %v", left)
		}
	})
}

// Who writes a version may begin anew after it died; nobody else may meanwhile,
// and what is given up is free.
func TestMarksOfWhoWrites(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		s := readyStore(t, rdb)
		first, second := schemas.AnalysisRequested{Org: org, TaskCode: "a", At: time.Unix(1, 0)}, schemas.AnalysisRequested{Org: org, TaskCode: "a", At: time.Unix(2, 0)}
		mark := func(m Mark, free bool) {
			t.Helper()
			got, err := s.MarkAgain(ctx, m, org, []schemas.Analysed{{Code: "a", Version: 1}})
			if err != nil || (len(got) == 1) != free {
				t.Errorf("marked %v, %v", got, err)
			}
		}
		mark(WritingFor(first), true)
		for range 2 { // before its version is told, and after
			mark(WritingFor(first), true)
			mark(WritingFor(second), false)
			mark(MarkWriting, false)
			if err := s.ExpectAgain(ctx, WritingFor(first), org, []schemas.Analysed{{Code: "a", Version: 2}}, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		for _, asked := range []schemas.AnalysisRequested{second, first} {
			mark(MarkWriting, false)
			if err := s.GiveUpAgain(ctx, asked); err != nil {
				t.Fatal(err)
			}
		}
		mark(MarkWriting, true)
		mark(WritingFor(first), false)
	})
}

func TestVersionAndGet(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		s := readyStore(t, rdb)
		dir := entityOf(org, schemas.KindDirectory, "3", 41, schemas.Directory{ID: 3, Name: "x"})
		for _, step := range []struct {
			event   *schemas.EntityChanged
			version int64
			there   bool
		}{{nil, 0, false}, {&dir, 41, true}, {func() *schemas.EntityChanged { d := deleted(dir); d.Version = 42; return &d }(), 42, false}} {
			if step.event != nil {
				apply(t, s, *step.event)
			}
			if v, err := s.Version(ctx, org, schemas.KindDirectory, "3"); err != nil || v != step.version {
				t.Errorf("version %d (%v), want %d", v, err, step.version)
			}
			if d, err := Get[schemas.Directory](ctx, s, org, schemas.KindDirectory, 3); err != nil || (d != nil) != step.there || d != nil && d.Name != "x" {
				t.Errorf("got %+v, %v", d, err)
			}
		}
		for _, want := range []int64{schemas.FirstQuestion, schemas.FirstQuestion + 1} { // never the id of a built-in question
			if id, err := s.NextID(ctx, org, schemas.KindChecklist); err != nil || id != want {
				t.Errorf("id of a question %d (%v), want %d", id, err, want)
			}
		}
		apply(t, s, entityOf(org, schemas.KindChecklist, "500", 1, schemas.ChecklistQuestion{ID: 500}))
		if id, err := s.NextID(ctx, org, schemas.KindChecklist); err != nil || id != 501 {
			t.Errorf("id of a question %d (%v), want 501", id, err)
		}
		rdb.Del(ctx, keyReady)
		if _, err := s.Version(ctx, org, schemas.KindDirectory, "3"); !errors.Is(err, ErrNotReady) {
			t.Error(err)
		}
	})
}
