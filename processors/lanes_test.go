package processors

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

// TestBulkWaitsAndLosesNothing has live chats trickle in beside a backlog of bulk
// ones, and then bulk ones alone. Each record must be handed out once: one that is given back unseen again
// and again is dropped by Kafka in the end.
func TestBulkWaitsAndLosesNothing(t *testing.T) {
	const backlog, live, lone = 60, 20, 15
	b := newBed(t)
	var tasks []schemas.Task
	for range backlog {
		tasks = append(tasks, b.submit(schemas.TopicTextBulk))
	}
	var lock sync.Mutex
	seen := map[string]int{}
	most := int32(0)
	b.watch = func(records []*kgo.Record) {
		lock.Lock()
		defer lock.Unlock()
		for _, r := range records {
			seen[r.Topic]++
			most = max(most, r.DeliveryCount())
		}
	}
	stop := b.run(4, completes)
	defer stop()
	tick := time.NewTicker(150 * time.Millisecond)
	defer tick.Stop()
	for range live {
		<-tick.C
		tasks = append(tasks, b.submit(schemas.TopicText))
	}
	for _, task := range tasks {
		b.await(task, schemas.StatusCompleted)
	}
	for i := range lone { // into a worker that has nothing to do, each at another moment of its looking
		time.Sleep(time.Duration(i) * 2 * pollWait / lone)
		b.await(b.submit(schemas.TopicTextBulk), schemas.StatusCompleted)
	}
	lock.Lock()
	defer lock.Unlock()
	if seen[schemas.TopicTextBulk] != backlog+lone || seen[schemas.TopicText] != live || most != 1 {
		t.Errorf("handed out %v, one of them %d times, want %d bulk and %d live ones, each once", seen, most, backlog+lone, live)
	}
}

// TestLiveGoesFirst has a live chat come while a backlog of slow bulk ones is
// worked on.
func TestLiveGoesFirst(t *testing.T) {
	b := newBed(t)
	b.batch = 1
	var order []string
	var lock sync.Mutex
	begun := make(chan struct{}, 1)
	for range 12 {
		b.submit(schemas.TopicTextBulk)
	}
	stop := b.run(4, func(ctx context.Context, job Job) ([]Event, error) {
		lock.Lock()
		order = append(order, job.Task.Code)
		lock.Unlock()
		select {
		case begun <- struct{}{}:
		default:
		}
		time.Sleep(pollWait + 100*time.Millisecond) // work
		return completes(ctx, job)
	})
	defer stop()
	<-begun
	var live []schemas.Task
	for range 6 {
		live = append(live, b.submit(schemas.TopicText))
	}
	for _, task := range live {
		b.await(task, schemas.StatusCompleted)
	}
	lock.Lock()
	defer lock.Unlock()
	first := slices.IndexFunc(order, func(code string) bool { return code == live[0].Code })
	last := slices.IndexFunc(order, func(code string) bool { return code == live[len(live)-1].Code })
	between := last - first + 1 - len(live)
	// Each of the two slots may have fetched one before it saw the first live one, and one more.
	if between > 4 {
		t.Errorf("%d bulk chats went between the live ones", between)
	}
}
