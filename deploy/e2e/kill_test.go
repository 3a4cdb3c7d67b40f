package e2e

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"
)

// speech is the environment that lets calls be transcribed.
func speech(t testing.TB) []string {
	t.Helper()
	model, err := tinyModel()
	if err != nil {
		t.Fatal(err)
	}
	return []string{"EARSHOT_WHISPER_MODEL=" + model}
}

// TestKilledAtRandomEveryTaskCompletesOnce lets 475 chats and 25 calls flow
// while the program is killed at random moments: in the flow, and in its start.
func TestKilledAtRandomEveryTaskCompletesOnce(t *testing.T) {
	const tasks, kills = 500, 12
	source := *seed
	if source == 0 {
		source = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed=%d", source)
	random := rand.New(rand.NewPCG(source, 0))
	moment := func(most time.Duration) time.Duration { return time.Duration(random.Int64N(int64(most))) }

	s := newStack(t, speech(t)...)
	s.start()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	f := newFlow(ctx, s.Client, 8, true)
	for kill := range kills {
		if kill%4 == 3 {
			s.killInStart(moment(1500 * time.Millisecond))
		} else {
			f.release(tasks/kills, time.Second)
			time.Sleep(moment(1200 * time.Millisecond)) // the random moment itself
			s.kill()
		}
		if s.Server == nil && kill%4 != 2 {
			s.start()
			f.server.Store(s.Client)
		}
	}
	f.release(tasks-f.next, time.Second)
	codes := f.finish(t)
	t.Logf("all taken after %d kills; %d submissions were repeated", kills, f.cut.Load())
	s.audit(slices.Collect(maps.Values(codes)), tasks/20, 2*time.Minute)

	for n, code := range codes {
		if n%25 != 0 {
			continue
		}
		again, err := newTask(n, true).submit(ctx, s.Client)
		if err != nil || again != code {
			t.Errorf("the key of task %s now gives %q, %v", code, again, err)
		}
	}
}

// killInStart kills the program while it starts, or right after it.
func (s *stack) killInStart(after time.Duration) {
	s.Helper()
	if s.Server != nil {
		s.kill()
	}
	if err := s.tryStart(after); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		s.Fatal(err)
	}
	if s.Server != nil {
		s.kill()
	}
}

// TestStoppedUnderLoadLosesNothing sends SIGTERM while chats and calls flow.
func TestStoppedUnderLoadLosesNothing(t *testing.T) {
	s := newStack(t, speech(t)...)
	s.start()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	f := newFlow(ctx, s.Client, 4, true)
	f.release(200, 2*time.Second)
	s.eventually(20*time.Second, "the flow runs", func() string {
		if f.taken() < 50 {
			return "fewer than 50 tasks are taken"
		}
		return ""
	})
	begin := time.Now()
	s.stop() // fails when it takes longer than the grace time, or ends with another status than 0
	t.Logf("stopped in %v with %d of 200 tasks taken", time.Since(begin).Round(time.Millisecond), f.taken())
	s.start()
	f.server.Store(s.Client)
	s.audit(slices.Collect(maps.Values(f.finish(t))), 10, time.Minute)
}

// TestSuspendedPastItsLockEveryTaskCompletesOnce stops the program for longer
// than a worker holds a record, as a paused virtual machine does, in the middle
// of a flow: Kafka takes its records back, and what it says of them when it wakes
// up comes late. The embedded Kafka would be stopped with it.
func TestSuspendedPastItsLockEveryTaskCompletesOnce(t *testing.T) {
	if *engineSet == embeddedSet {
		return
	}
	const lock = 5 * time.Second
	s := newStack(t, append(speech(t), "EARSHOT_LOCK="+lock.String())...)
	s.start()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	f := newFlow(ctx, s.Client, 4, true)
	f.release(400, 2*time.Second)
	s.eventually(20*time.Second, "the flow runs", func() string {
		if f.taken() < 100 {
			return "fewer than 100 tasks are taken"
		}
		return ""
	})
	if err := syscall.Kill(s.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(lock + 2*time.Second) // suspended
	if err := syscall.Kill(s.PID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	s.audit(slices.Collect(maps.Values(f.finish(t))), 20, time.Minute)
}
