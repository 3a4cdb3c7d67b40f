package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"earshot/schemas"
)

func jsonOf(v any) ([]byte, error) { return json.Marshal(v) }

func codeOf(err error) schemas.Code {
	var e *schemas.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// repeat is the same content sent again under another code.
func repeat(t schemas.Task, change func(*schemas.Task)) schemas.Task {
	t.Code = must(uuid.NewV7()).String()
	if change != nil {
		change(&t)
	}
	return t
}

func TestAcceptFindsTheEarlierTask(t *testing.T) {
	first := upload(org, "call.wav", "d1")
	first.Idempotency, first.ExternalID = "key", "ext"
	none := func(t *schemas.Task) { t.Idempotency, t.FileName, t.ExternalID, t.Digest = "", "", "", "d2" }
	cases := []struct {
		name    string
		change  func(*schemas.Task)
		age     time.Duration // since the first Accept
		confirm bool
		outcome Outcome
		err     schemas.Code
	}{
		{"nothing in common", none, 0, true, Accepted, 0},
		{"same key, same content", nil, 0, true, Existing, 0},
		{"same key, other content", func(t *schemas.Task) { t.Digest = "d2" }, 0, true, 0, schemas.CodeKeyReused},
		{"same key, not durable yet", nil, 14 * time.Second, false, InFlight, 0},
		{"same key, outcome unknown", nil, 16 * time.Second, false, Resume, 0},
		{"other key, same file", func(t *schemas.Task) { none(t); t.FileName = "call.wav"; t.Idempotency = "other" }, 0, true, Duplicate, 0},
		{"same content, other file", func(t *schemas.Task) { none(t); t.FileName, t.Digest = "copy.wav", "d1" }, 0, true, Duplicate, 0},
		{"same content without a file", func(t *schemas.Task) { none(t); t.Digest = "d1" }, 0, true, Accepted, 0},
		{"same external id", func(t *schemas.Task) { none(t); t.ExternalID = "ext" }, 0, true, Duplicate, 0},
		{"same external id of another source", func(t *schemas.Task) { none(t); t.ExternalID, t.Source = "ext", "poll" }, 0, true, Accepted, 0},
		{"same content, not durable yet", func(t *schemas.Task) { t.Idempotency = "" }, 0, false, InFlight, 0},
		{"same content, outcome unknown", func(t *schemas.Task) { t.Idempotency = "" }, time.Minute, false, Resume, 0},
		// The first task's event cannot be made from another file's content.
		{"same file name, other content, outcome unknown", func(t *schemas.Task) { none(t); t.FileName = "call.wav" }, time.Minute, false, InFlight, 0},
	}
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				rdb.FlushAll(ctx)
				s := readyStore(t, rdb)
				apply(t, s, plan(org, 1, map[string]int64{schemas.ResourceCallMinutes: 100}))
				a, err := s.Accept(ctx, first, "hello")
				if err != nil || a.Outcome != Accepted || a.Task.ID != 1 {
					t.Fatalf("first: %+v, %v", a, err)
				}
				if c.confirm {
					if err := s.Confirm(ctx, org, first.Code); err != nil {
						t.Fatal(err)
					}
				}
				s.now = func() time.Time { return clock.Add(c.age) }
				second := repeat(first, c.change)
				b, err := s.Accept(ctx, second, "hello")
				if codeOf(err) != c.err || c.err == 0 && err != nil {
					t.Fatalf("error %v, want code %d", err, c.err)
				}
				if c.err != 0 {
					return
				}
				want := a.Task
				if c.outcome == Accepted {
					want = second
					want.ID = 2
				}
				if b.Outcome != c.outcome || !reflect.DeepEqual(b.Task, want) {
					t.Errorf("outcome %d of %+v, want %d of %+v", b.Outcome, b.Task, c.outcome, want)
				}
				if c.outcome == Resume { // only one caller takes over
					again, err := s.Accept(ctx, repeat(second, nil), "hello")
					if err != nil || again.Outcome != InFlight {
						t.Errorf("second resume: %+v, %v", again, err)
					}
				}
				q := must(s.Quota(ctx, org)).Resources[schemas.ResourceCallMinutes]
				if reserved := map[bool]int64{true: 10, false: 5}[c.outcome == Accepted]; q.Reserved != reserved {
					t.Errorf("reserved %d, want %d", q.Reserved, reserved)
				}
			})
		}
	})
}

func TestAcceptRefuses(t *testing.T) {
	year := planStart.AddDate(1, 0, 0)
	cases := []struct {
		name   string
		at     time.Time
		limits map[string]int64
		units  int64
		err    schemas.Code
	}{
		{"the last units", clock, map[string]int64{schemas.ResourceChats: 7}, 7, 0},
		{"one too many", clock, map[string]int64{schemas.ResourceChats: 7}, 8, schemas.CodeQuota},
		{"not in the plan", clock, map[string]int64{schemas.ResourceReports: 7}, 1, schemas.CodeQuota},
		{"unlimited", clock, map[string]int64{schemas.ResourceChats: -1}, 1 << 40, 0},
		{"before the plan", planStart.Add(-time.Millisecond), map[string]int64{schemas.ResourceChats: 7}, 1, schemas.CodeNoPlan},
		{"at its first moment", planStart, map[string]int64{schemas.ResourceChats: 7}, 1, 0},
		{"at its end", year, map[string]int64{schemas.ResourceChats: 7}, 1, schemas.CodeNoPlan},
		{"without a plan", clock, nil, 1, schemas.CodeNoPlan},
	}
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				rdb.FlushAll(ctx)
				s := readyStore(t, rdb)
				if c.limits != nil {
					apply(t, s, plan(org, 1, c.limits))
				}
				s.now = func() time.Time { return c.at }
				task := chat(org)
				task.Reserved = c.units
				a, err := s.Accept(ctx, task, "")
				if codeOf(err) != c.err || c.err == 0 && (err != nil || a.Outcome != Accepted) {
					t.Fatalf("%+v, %v; want code %d", a, err, c.err)
				}
				if _, err := s.Task(ctx, org, task.Code); (err == nil) != (c.err == 0) {
					t.Errorf("a refused task is known: %v", err)
				}
			})
		}
		rdb.FlushAll(ctx)
		if _, err := storeAt(rdb, clock).Accept(ctx, chat(org), ""); !errors.Is(err, ErrNotReady) {
			t.Errorf("without a state: %v", err)
		}
	})
}

func TestACallerThatLeftTakesNothing(t *testing.T) {
	s := readyStore(t, miniRedis(t))
	apply(t, s, plan(org, 1, map[string]int64{schemas.ResourceChats: 1}))
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Accept(gone, chat(org), ""); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if a, err := s.Accept(context.Background(), chat(org), ""); err != nil || a.Task.ID != 1 {
		t.Errorf("the next caller: %+v, %v", a, err)
	}
}

func TestQuotaIsNeverOversold(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		s := readyStore(t, rdb)
		apply(t, s, plan(org, 1, map[string]int64{schemas.ResourceChats: 50}))
		var wg sync.WaitGroup
		got := make(chan int64, 200)
		for range 200 {
			wg.Go(func() {
				a, err := s.Accept(ctx, chat(org), "")
				if err == nil && a.Outcome == Accepted {
					got <- a.Task.ID
				} else if codeOf(err) != schemas.CodeQuota {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		close(got)
		ids := map[int64]bool{}
		for id := range got {
			ids[id] = true
		}
		if q := must(s.Quota(ctx, org)).Resources[schemas.ResourceChats]; len(ids) != 50 || q.Reserved != 50 || q.Left() != 0 {
			t.Errorf("%d ids given for 50 chats, %+v", len(ids), q)
		}
	})
}

func TestSimultaneousIdempotencyKey(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		s := readyStore(t, rdb)
		apply(t, s, plan(org, 1, map[string]int64{schemas.ResourceChats: 500}))
		var wg sync.WaitGroup
		var lock sync.Mutex
		outcomes, codes := map[Outcome]int{}, map[string]bool{}
		for range 50 {
			wg.Go(func() {
				task := chat(org)
				task.Idempotency = "same"
				a, err := s.Accept(ctx, task, "")
				if err != nil {
					t.Error(err)
				}
				lock.Lock()
				defer lock.Unlock()
				outcomes[a.Outcome]++
				codes[a.Task.Code] = true
			})
		}
		wg.Wait()
		if outcomes[Accepted] != 1 || outcomes[InFlight] != 49 || len(codes) != 1 {
			t.Errorf("outcomes %v, %d codes", outcomes, len(codes))
		}
	})
}

func TestAbandonAndSweepGiveEverythingBack(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		s := readyStore(t, rdb)
		apply(t, s, plan(org, 1, map[string]int64{schemas.ResourceCallMinutes: 5}))
		first := upload(org, "call.wav", "d1")
		first.Idempotency = "key"
		giveBack := []func() error{
			func() error { return s.Abandon(ctx, org, first.Code) },
			func() error {
				s.now = func() time.Time { return clock.Add(abandonAfter + time.Second) }
				n, err := s.sweep(ctx)
				if n != 1 {
					t.Errorf("swept %d", n)
				}
				return err
			},
		}
		for i, f := range giveBack {
			if a, err := s.Accept(ctx, first, "text"); err != nil || a.Outcome != Accepted {
				t.Fatalf("%d: %+v, %v", i, a, err)
			}
			if err := f(); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Task(ctx, org, first.Code); codeOf(err) != schemas.CodeTaskNotFound {
				t.Errorf("%d: still known: %v", i, err)
			}
		}
		a := must(s.Accept(ctx, first, "text"))
		if err := s.Confirm(ctx, org, first.Code); err != nil {
			t.Fatal(err)
		}
		if err := s.Abandon(ctx, org, first.Code); err != nil { // too late
			t.Fatal(err)
		}
		if got, err := s.Task(ctx, org, first.Code); err != nil || got.Task.ID != a.Task.ID || a.Outcome != Accepted {
			t.Errorf("a durable task was abandoned: %+v, %v", got, err)
		}
	})
}

func TestTaskHasTheWholeSnapshotAndTheText(t *testing.T) {
	full := fullTask(t)
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		s := readyStore(t, rdb)
		apply(t, s, plan(full.Org, 1, map[string]int64{full.Resource: -1}))
		for _, text := range []string{"", "short", strings.Repeat("длинный текст разговора ", 1000)} {
			task := repeat(full, func(t *schemas.Task) {
				t.Idempotency, t.FileName, t.ExternalID = t.Code, t.Code, t.Code
				t.Digest = t.Code
			})
			a, err := s.Accept(ctx, task, text)
			if err != nil {
				t.Fatal(err)
			}
			task.ID = a.Task.ID
			want := TaskState{TaskStatus: pendingStatus(task), Text: text, HasText: text != ""}
			if got, err := s.Task(ctx, task.Org, task.Code); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v (%v)\nwant %+v", got, err, want)
			}
			if _, err := s.Task(ctx, "org_2", task.Code); codeOf(err) != schemas.CodeTaskNotFound {
				t.Errorf("another organisation: %v", err)
			}
			versions, err := s.Versions(ctx, []TaskKey{{task.Org, task.Code}, {task.Org, "none"}, {"org_2", task.Code}})
			if err != nil || !reflect.DeepEqual(versions, []int64{10, 0, 0}) {
				t.Errorf("versions %v, %v", versions, err)
			}
		}
		rdb.Del(ctx, keyReady)
		_, err1 := s.Task(ctx, full.Org, full.Code)
		_, err2 := s.Versions(ctx, nil)
		_, err3 := s.Quota(ctx, full.Org)
		_, err4 := List[schemas.User](ctx, s, full.Org, schemas.KindUser)
		_, err5 := s.UserByEmail(ctx, "a@b.c")
		_, err6 := s.NextID(ctx, full.Org, schemas.KindUser)
		err7 := s.Apply(ctx, plan(full.Org, 2, nil))
		for i, err := range []error{err1, err2, err3, err4, err5, err6, err7, s.Ready(ctx)} {
			if !errors.Is(err, ErrNotReady) {
				t.Errorf("read %d without a state: %v", i+1, err)
			}
		}
	})
}

// fullTask has a value in every field, so that a field that is not stored
// fails.
func fullTask(t *testing.T) schemas.Task {
	var task schemas.Task
	v := reflect.ValueOf(&task).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case string:
			f.SetString(fmt.Sprintf("value_%d", i))
		case int64:
			f.SetInt(int64(i))
		case float64:
			f.SetFloat(1.5)
		case time.Time:
			f.Set(reflect.ValueOf(clock.Add(-time.Minute)))
		default:
			t.Fatalf("field %s", v.Type().Field(i).Name)
		}
	}
	task.Resource = schemas.ResourceVideoMinutes
	return task
}

// The client library sends a script again when its answer was lost: the second
// run changes nothing.
func TestAcceptSentTwiceReservesOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb *redis.Client) {
		ctx := context.Background()
		s := readyStore(t, rdb)
		apply(t, s, plan(org, 1, map[string]int64{schemas.ResourceCallMinutes: 100}))
		task := upload(org, "call.wav", "d1")
		task.Idempotency = "key"
		var reserved int64
		for range 2 {
			a, err := s.Accept(ctx, task, "hello")
			if err != nil || a.Outcome != Accepted || a.Task.ID != 1 {
				t.Fatalf("%+v, %v", a, err)
			}
			q, err := s.Quota(ctx, org)
			if err != nil {
				t.Fatal(err)
			}
			if held := q.Resources[schemas.ResourceCallMinutes].Reserved; reserved != 0 && held != reserved || held == 0 {
				t.Errorf("%d minutes are reserved, after the first run it were %d", held, reserved)
			} else {
				reserved = held
			}
		}
	})
}
