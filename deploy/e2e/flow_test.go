package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"earshot/deploy/client"
)

// task is one submission of a flow: a chat, or a call when audio is set.
type task struct {
	key   string // Idempotency-Key
	chat  map[string]any
	name  string
	audio []byte
}

// newTask makes the nth task, unlike every other; every twentieth is a call.
func newTask(n int, calls bool) task {
	t := task{key: fmt.Sprintf("key-%d", n)}
	if calls && n%20 == 19 {
		t.name, t.audio = fmt.Sprintf("call-%d.wav", n), remark(n)
		return t
	}
	t.chat = map[string]any{"operator_name": "Olga", "call_date": "2025-10-20", "text": fmt.Sprintf(
		"Client: Hello, my order %d has not arrived and I am not happy.\nOperator: Good morning, I am sorry for the delay of order %d. I will check it for you.\n"+
			"Client: Thank you.\nOperator: It will be with you today before six. Thank you for waiting.\nClient: Great, thank you very much!", n, n)}
	return t
}

// dialogue is a sample call, one channel of 8 kHz.
var dialogue = sync.OnceValue(func() []int16 {
	raw, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-i", filepath.Join(root, "deploy", "samples", "calls", "04-refund-angry.ogg"), "-ar", "8000", "-f", "s16le", "pipe:1").Output()
	if err != nil {
		panic(fmt.Errorf("ffmpeg: %w", err))
	}
	samples := make([]int16, len(raw)/2)
	for i := range samples {
		samples[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return samples
})

// remark is a recording of two and a half seconds of talk, unlike that of any
// other n below a thousand.
func remark(n int) []byte {
	const rate = 8000
	from := rate + n%50*rate/2
	samples := slices.Clone(dialogue()[from : from+5*rate/2])
	for i := range samples {
		samples[i] = int16(int(samples[i]) * (2000 - n) / 2000)
	}
	return wav(1, rate, samples)
}

// tone is a recording: one channel of a sine wave, 8 kHz, 16 bit.
func tone(length time.Duration, hertz float64) []byte {
	const rate = 8000
	samples := make([]int16, int(length.Seconds()*rate))
	for i := range samples {
		samples[i] = int16(8000 * math.Sin(2*math.Pi*hertz*float64(i)/rate))
	}
	return wav(1, rate, samples)
}

// wav is a WAV file of 16 bit PCM.
func wav(channels, rate int, samples []int16) []byte {
	var b bytes.Buffer
	size := uint32(2 * len(samples))
	for _, part := range []any{
		[]byte("RIFF"), 36 + size, []byte("WAVEfmt "), uint32(16), uint16(1), uint16(channels), uint32(rate),
		uint32(rate * channels * 2), uint16(channels * 2), uint16(16), []byte("data"), size, samples,
	} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			panic(err) // a buffer takes everything
		}
	}
	return b.Bytes()
}

// submit sends the task once.
func (t task) submit(ctx context.Context, c *client.Client) (code string, err error) {
	if t.audio == nil {
		return c.Chat(ctx, t.chat, t.key)
	}
	return c.Upload(ctx, t.name, bytes.NewReader(t.audio), map[string]string{"operator_name": "Olga"}, http.Header{"Idempotency-Key": {t.key}})
}

// insist sends the task until it is taken, always with the same key, as a
// customer's integration would: after a broken connection, "temporarily
// unavailable" and "the first request is still in progress". server gives the
// one to ask now.
func (t task) insist(ctx context.Context, server func() *client.Client) (code string, tries int, err error) {
	for tries = 1; ; tries++ {
		code, err := t.submit(ctx, server())
		if err == nil && code == "" {
			return "", tries, errors.New("answered with success and no task code")
		}
		var refusal *client.Error
		if err == nil || errors.As(err, &refusal) && refusal.Status != http.StatusServiceUnavailable && refusal.Status != http.StatusConflict {
			return code, tries, err
		}
		select {
		case <-ctx.Done():
			return "", tries, fmt.Errorf("%s is never taken: %w", t.key, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// flow submits tasks from concurrent clients that do not let go.
type flow struct {
	server  atomic.Pointer[client.Client]
	permits chan int // numbers of the tasks that may go
	clients sync.WaitGroup
	drips   sync.WaitGroup
	next    int
	cut     atomic.Int64 // submissions that had to be repeated

	mu    sync.Mutex
	codes map[int]string
	errs  []error
}

// newFlow starts the clients; nothing flows until release.
func newFlow(ctx context.Context, c *client.Client, clients int, calls bool) *flow {
	f := &flow{permits: make(chan int, 10_000), codes: map[int]string{}}
	f.server.Store(c)
	for range clients {
		f.clients.Go(func() {
			for n := range f.permits {
				code, tries, err := newTask(n, calls).insist(ctx, f.server.Load)
				if tries > 1 {
					f.cut.Add(1)
				}
				f.mu.Lock()
				f.codes[n] = code
				if err != nil {
					f.errs = append(f.errs, err)
				}
				f.mu.Unlock()
			}
		})
	}
	return f
}

// release lets n more tasks go, one by one over a while.
func (f *flow) release(n int, over time.Duration) {
	first := f.next
	f.next += n
	f.drips.Go(func() {
		for i := range n {
			f.permits <- first + i
			time.Sleep(over / time.Duration(n)) // the pace of the flow
		}
	})
}

// finish waits until every released task is taken and gives their codes by
// number.
func (f *flow) finish(t testing.TB) map[int]string {
	t.Helper()
	f.drips.Wait()
	close(f.permits)
	f.clients.Wait()
	for _, err := range f.errs {
		t.Error(err)
	}
	if t.Failed() {
		t.FailNow()
	}
	return f.codes
}

// taken is the number of tasks that were answered with a code.
func (f *flow) taken() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.codes)
}

// total is how many tasks a filter finds.
func (s *stack) total(filter url.Values) int {
	s.Helper()
	filter.Set("per_page", "1")
	page, _ := s.get("/tasks/filter?" + filter.Encode())["pagination"].(map[string]any)
	n, ok := page["total_tasks"].(float64)
	if !ok {
		s.Fatalf("/tasks/filter?%s: pagination is %v", filter.Encode(), page)
	}
	return int(n)
}

// completed waits until n tasks are completed and no other is there.
func (s *stack) completed(n int, within time.Duration) {
	s.Helper()
	s.eventually(within, fmt.Sprintf("%d tasks completed", n), func() string {
		all, done := s.total(url.Values{}), s.total(url.Values{"status": {"completed"}})
		if all == n && done == n {
			return ""
		}
		return fmt.Sprintf("%d of %d are; by status and error: %v", done, all,
			s.sql("SELECT status, error_message, count() FROM interactions FINAL GROUP BY ALL"))
	})
}

// usage are the figures that GET /user/tariff says were used.
func (s *stack) usage() (chats, callMinutes int) {
	s.Helper()
	tariff, _ := s.get("/user/tariff")["tariff"].(map[string]any)
	used, _ := tariff["usage"].(map[string]any)
	c, ok1 := used["used_chat_count"].(float64)
	m, ok2 := used["used_call_minutes"].(float64)
	if !ok1 || !ok2 {
		s.Fatalf("GET /user/tariff: usage is %v", used)
	}
	return int(c), int(m)
}

// audit proves that the tasks of codes, and no others, went through exactly
// once: completed, one row each, one debit each, no dead letter. calls of them
// are calls, of less than a minute each.
func (s *stack) audit(codes []string, calls int, within time.Duration) {
	s.Helper()
	n, chats := len(codes), len(codes)-calls
	if distinct := len(slices.Compact(slices.Sorted(slices.Values(codes)))); distinct != n {
		s.Fatalf("%d submissions have %d task codes", n, distinct)
	}
	s.completed(n, within)
	s.eventually(30*time.Second, "the state says so too", func() string { return s.unfinished(codes) })
	paid := func() string {
		if c, m := s.usage(); c != chats || m != calls {
			return fmt.Sprintf("used_chat_count is %d and used_call_minutes %d after %d chats and %d calls", c, m, chats, calls)
		}
		return ""
	}
	s.eventually(30*time.Second, "every task is paid for", paid)
	// What came twice would have come when all has been read.
	s.eventually(30*time.Second, "every consumer at the end of the log", s.lagging)
	for query, want := range map[string][]int{
		"SELECT count(), uniqExact(code), uniqExact(id), countIf(status = 'completed' AND analysis_version = 1) FROM interactions FINAL": {n, n, n, n},
		"SELECT count(), uniqExact(task_code), sum(units) FROM usage FINAL":                                                              {n, n, n},
		"SELECT uniqExact(code), count() - uniqExact(code, turn) FROM segments FINAL":                                                    {n, 0},
	} {
		s.eventually(15*time.Second, query, func() string {
			if got := fmt.Sprint(s.sql(query)); got != fmt.Sprint([][]int{want}) {
				return fmt.Sprintf("%s, not %v", got, want)
			}
			return ""
		})
	}
	if letters := s.deadLetters(); len(letters) > 0 {
		s.Errorf("%d dead letters; the first: %s: %s", len(letters), letters[0].Stage, letters[0].Reason)
	}
	if wrong := paid(); wrong != "" {
		s.Error(wrong)
	}
}

// unfinished names the first task that GET /gettask does not call completed.
func (s *stack) unfinished(codes []string) string {
	s.Helper()
	for _, code := range codes {
		if t, err := s.Task(s.Context(), code); err != nil || t.Status != "completed" {
			return fmt.Sprintf("task %s is %q, %v", code, t.Status, err)
		}
	}
	return ""
}
