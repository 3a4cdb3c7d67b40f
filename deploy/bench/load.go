package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// lines a chat of twelve turns is put together from; enough of them that the
// analysis has something to find and the compression has not everything to gain.
var customer = []string{
	"Hello, I was charged twice for my tariff this month and I want a refund of %d dollars.",
	"My internet has not worked since yesterday, the router light number %d is red.",
	"Order %d was promised for Monday and it is still not delivered.",
	"I would like to move to the unlimited plan, how much is it?",
	"This is the third time I write about this, it is really annoying.",
	"If this is not fixed today I will cancel my contract and leave.",
	"Yes, my account number is %d, please check it.",
	"Thank you so much, that is perfect, you helped me a lot!",
	"Okay, I will wait for the text message then.",
}

var operator = []string{
	"Good afternoon, my name is Olga, how can I help you?",
	"I am very sorry about that, let me check request %d right away.",
	"Could you please tell me your contract number and date of birth?",
	"I see the problem, I will send you a confirmation within %d minutes.",
	"I have passed this to our technical team and we will call you back tomorrow.",
	"Would you also like to add the eSIM option for two dollars a month?",
	"Is there anything else I can help you with?",
	"Thank you for contacting us, have a nice day!",
}

func chat(n int) map[string]any {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	var text strings.Builder
	for turn := range 12 {
		name, lines := "Client", customer
		if turn%2 == 1 {
			name, lines = "Operator", operator
		}
		line := lines[r.IntN(len(lines))]
		if strings.Contains(line, "%d") {
			line = fmt.Sprintf(line, r.IntN(100_000))
		}
		fmt.Fprintf(&text, "%s: %s\n", name, line)
	}
	return map[string]any{"text": text.String(), "operator_name": fmt.Sprintf("Operator %d", n%40), "call_date": "2026-03-04"}
}

const submitters = 48

// load submits that many chats as fast as the server takes them and waits
// until a filter over ClickHouse finds them all completed.
func (b *bench) load(ctx context.Context, n int) error {
	before := len(b.codes)
	codes := make([]string, n)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range submitters {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := next.Add(1) - 1; i < int64(n) && failed.Load() == nil; i = next.Add(1) - 1 {
				code, err := b.server.Chat(ctx, chat(before+int(i)), "")
				if err != nil {
					failed.Store(&err)
					return
				}
				codes[i] = code
			}
		}()
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	b.codes = append(b.codes, codes...)
	for {
		done, err := b.completed(ctx)
		if err != nil || done >= len(b.codes) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (b *bench) completed(ctx context.Context) (int, error) {
	var page struct {
		Pagination struct {
			Total int `json:"total_tasks"`
		} `json:"pagination"`
	}
	err := b.server.Get(ctx, "/tasks/filter", url.Values{"status": {"completed"}, "per_page": {"1"}}, &page)
	return page.Pagination.Total, err
}

func (b *bench) throughput(ctx context.Context, chats int) error {
	begin := time.Now()
	if err := b.load(ctx, chats); err != nil {
		return err
	}
	took := time.Since(begin).Seconds()
	atLeast("chats_end_to_end", float64(chats)/took, "chats/s", 500,
		fmt.Sprintf("%d chats of 12 turns, HTTP accept to queryable, %.1f s", chats, took))
	return nil
}

func (b *bench) acceptLatency(ctx context.Context, rate int, hold time.Duration) error {
	n := len(b.codes)
	var mu sync.Mutex
	lat, err := openLoop(ctx, rate, hold, func(ctx context.Context, i int) error {
		code, err := b.server.Chat(ctx, chat(n+i), "")
		mu.Lock()
		defer mu.Unlock()
		b.codes = append(b.codes, code)
		return err
	})
	if err != nil {
		return err
	}
	atMost("accept_p99", quantile(lat, 0.99), "ms", 50, latencies(rate, lat))
	return nil
}

func (b *bench) gettaskLatency(ctx context.Context, rate int, hold time.Duration) error {
	lat, err := openLoop(ctx, rate, hold, func(ctx context.Context, i int) error {
		_, err := b.server.Task(ctx, b.codes[i*7919%len(b.codes)])
		return err
	})
	if err != nil {
		return err
	}
	atMost("gettask_p99", quantile(lat, 0.99), "ms", 10, latencies(rate, lat))
	return nil
}

func latencies(rate int, lat []float64) string {
	return fmt.Sprintf("%d requests/s, %d requests: p50 %.2f ms, p95 %.2f ms, max %.1f ms", rate, len(lat), quantile(lat, 0.5), quantile(lat, 0.95), lat[len(lat)-1])
}

// openLoop calls do at a fixed rate, whatever the answers take, and returns
// the sorted latencies in milliseconds, each counted from the moment the call
// was due: a server that stalls cannot hide it by slowing the generator.
func openLoop(ctx context.Context, rate int, hold time.Duration, do func(context.Context, int) error) ([]float64, error) {
	n := int(hold.Seconds() * float64(rate))
	lat := make([]float64, n)
	errs := make(chan error, 1)
	due := make(chan int, n)
	begin := time.Now()
	when := func(i int) time.Time { return begin.Add(time.Duration(i) * time.Second / time.Duration(rate)) }
	var wg sync.WaitGroup
	for range 64 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range due {
				if err := do(ctx, i); err != nil {
					select {
					case errs <- err:
					default:
					}
				}
				lat[i] = float64(time.Since(when(i)).Microseconds()) / 1000
			}
		}()
	}
	for i := range n {
		time.Sleep(time.Until(when(i)))
		due <- i
	}
	close(due)
	wg.Wait()
	slices.Sort(lat)
	select {
	case err := <-errs:
		return lat, err
	default:
		return lat, nil
	}
}

func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// bigUpload sends a WAV of that many bytes and reports by how much the
// server's resident memory rose meanwhile.
func (b *bench) bigUpload(ctx context.Context, size int64) error {
	before, err := resident(b.server.PID)
	if err != nil {
		return err
	}
	memory := watch(b.server.PID)
	begin := time.Now()
	audio := io.MultiReader(strings.NewReader(wavHeader(size)), io.LimitReader(&noise{}, size-44))
	code, err := b.server.Upload(ctx, "large.wav", audio, map[string]string{"call_type": "inbound"}, nil)
	if err != nil {
		return err
	}
	took := time.Since(begin)
	if _, err := b.server.Task(ctx, code); err != nil {
		return err
	}
	atMost("upload_memory_rise", memory.stop()-before, "MB", 64, fmt.Sprintf("%d MB in %.1f s", size>>20, took.Seconds()))
	return nil
}

// wavHeader declares 16-bit mono PCM at 8 kHz.
func wavHeader(size int64) string {
	le := func(v uint32, n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(v >> (8 * i))
		}
		return string(b)
	}
	return "RIFF" + le(uint32(size-8), 4) + "WAVEfmt " + le(16, 4) + le(1, 2) + le(1, 2) +
		le(8000, 4) + le(16000, 4) + le(2, 2) + le(16, 2) + "data" + le(uint32(size-44), 4)
}

type noise struct{ state uint32 }

func (n *noise) Read(p []byte) (int, error) {
	for i := range p {
		n.state = n.state*1664525 + 1013904223
		p[i] = byte(n.state >> 28) // quiet
	}
	return len(p), nil
}

// resident is the resident memory of a process in MB.
func resident(pid int) (float64, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	if err != nil {
		return 0, err
	}
	pages, err := strconv.ParseFloat(strings.Fields(string(raw))[1], 64)
	return pages * float64(os.Getpagesize()) / (1 << 20), err
}

// watched samples a process's resident memory.
type watched struct {
	quit chan struct{}
	peak chan float64
}

func watch(pid int) watched {
	w := watched{make(chan struct{}), make(chan float64)}
	go func() {
		peak := 0.0
		for {
			if mb, err := resident(pid); err == nil {
				peak = max(peak, mb)
			}
			select {
			case <-w.quit:
				w.peak <- peak
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return w
}

// stop returns the highest sample in MB.
func (w watched) stop() float64 { close(w.quit); return <-w.peak }
