package processors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

// bury writes the dead letters of what is given up on. What cannot be buried
// is not given up on.
func (w *Worker) bury(ctx context.Context, batch []held) {
	for i := range batch {
		h := &batch[i]
		if h.err == nil || errors.Is(h.err, errSkip) {
			continue
		}
		w.Metrics.Errors(w.Name, "ours").Inc()
		w.Log.Warn("failed", "stage", w.Name, "task", h.job.Task.Code, "delivery", h.record.DeliveryCount(), "error", h.err)
		if !h.hopeless && (h.record.DeliveryCount() < w.Attempts || ctx.Err() != nil) {
			continue
		}
		if err := w.inOrder(ctx, w.deadLetter(h)); err != nil {
			w.Log.Error("write a dead letter", "stage", w.Name, "task", h.job.Task.Code, "error", err)
			continue
		}
		w.Metrics.Errors(w.Name, "dead").Inc()
		h.dead = true
		w.unmark(ctx, h)
	}
}

// unmark lets others at an analysis that is not made after all. Marks that
// cannot be taken off lapse.
func (w *Worker) unmark(ctx context.Context, h *held) {
	again := h.job.Again
	if again == nil {
		return
	}
	if err := w.Store.GiveUpAgain(ctx, *again); err != nil {
		w.Log.Warn("take the mark off an analysis", "stage", w.Name, "task", again.TaskCode, "error", err)
	}
}

// inOrder produces one event after the other: who sees a task in error finds its
// dead letter.
func (w *Worker) inOrder(ctx context.Context, events []Event) error {
	for _, e := range events {
		if err := w.produce(ctx, []Event{e}); err != nil {
			return err
		}
	}
	return nil
}

func (w *Worker) deadLetter(h *held) []Event {
	r := h.record
	events := []Event{{schemas.TopicDeadLetter, schemas.DeadLetter{
		Topic: r.Topic, Partition: int64(r.Partition), Offset: r.Offset, Key: r.Key, Value: r.Value,
		Stage: w.Name, Reason: h.err.Error(), Attempts: int64(r.DeliveryCount()), At: time.Now().UTC(),
	}}}
	if h.job.Task.Code != "" && h.job.Again == nil { // what is completed stays so
		events = append(events, Event{schemas.TopicStatus, Failure(h.job.Task, schemas.CodeInternal,
			schemas.T("%s failed %d times; an administrator can try it again with earshot replay", w.Name, r.DeliveryCount()).String())})
	}
	return events
}

// replayHeader marks a record that `earshot replay` took back from the
// dead-letter topic: its task is in error, and yet it is to be worked on.
const replayHeader = "earshot_replay"

func replayed(r *kgo.Record) bool {
	return slices.ContainsFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == replayHeader })
}

// groupReplay remembers which dead letters were taken back.
const groupReplay = "earshot.replay"

// Replay produces every dead letter since the last replay to its topic again,
// in order, and returns how many there were. A dead letter whose work fails
// again comes back as a new one. With dryRun nothing is produced and the
// letters stay; show is called for each either way.
func Replay(ctx context.Context, newClient func(...kgo.Opt) (*kgo.Client, error), codec *schemas.Codec, dryRun bool, show func(schemas.DeadLetter)) (int, error) {
	cl, err := newClient()
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	begin, end, err := replayRange(ctx, adm)
	if err != nil {
		return 0, err
	}
	cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{schemas.TopicDeadLetter: {0: kgo.NewOffset().At(begin)}})
	n := 0
	type place struct {
		topic             string
		partition, offset int64
	}
	seen := map[place]bool{}
	for next := begin; next < end; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return n, fmt.Errorf("read dead letters: %w", err)
		}
		for _, r := range fetches.Records() {
			if r.Offset >= end {
				break
			}
			next = r.Offset + 1
			var letter schemas.DeadLetter
			if err := codec.Decode(r.Value, &letter); err != nil {
				return n, fmt.Errorf("dead letter at offset %d: %w", r.Offset, err)
			}
			show(letter)
			n++
			if dryRun {
				continue
			}
			// Several stages may have buried the same record; a letter too large to
			// hold its record has none, and an empty value would mean "deleted".
			from := place{letter.Topic, letter.Partition, letter.Offset}
			if seen[from] || len(letter.Value) == 0 {
				continue
			}
			seen[from] = true
			again := &kgo.Record{Topic: letter.Topic, Key: letter.Key, Value: letter.Value, Headers: []kgo.RecordHeader{{Key: replayHeader, Value: []byte("1")}}}
			if err := cl.ProduceSync(ctx, again).FirstErr(); err != nil {
				return n, fmt.Errorf("replay to %s: %w", letter.Topic, err)
			}
			if err := commitReplayed(ctx, adm, next); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func replayRange(ctx context.Context, adm *kadm.Client) (begin, end int64, err error) {
	starts, err := adm.ListStartOffsets(ctx, schemas.TopicDeadLetter)
	if err != nil {
		return 0, 0, fmt.Errorf("dead-letter topic: %w", err)
	}
	ends, err := adm.ListEndOffsets(ctx, schemas.TopicDeadLetter)
	if err != nil {
		return 0, 0, fmt.Errorf("dead-letter topic: %w", err)
	}
	first, _ := starts.Lookup(schemas.TopicDeadLetter, 0)
	last, ok := ends.Lookup(schemas.TopicDeadLetter, 0)
	if !ok {
		return 0, 0, fmt.Errorf("topic %s does not exist: has earshot serve been started on this log?", schemas.TopicDeadLetter)
	}
	begin = first.Offset
	done, err := adm.FetchOffsets(ctx, groupReplay)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return 0, 0, fmt.Errorf("progress of earlier replays: %w", err)
	}
	if o, ok := done.Lookup(schemas.TopicDeadLetter, 0); ok && o.At > begin {
		begin = o.At
	}
	return begin, last.Offset, nil
}

func commitReplayed(ctx context.Context, adm *kadm.Client, next int64) error {
	var o kadm.Offsets
	o.AddOffset(schemas.TopicDeadLetter, 0, next, -1)
	if err := adm.CommitAllOffsets(ctx, groupReplay, o); err != nil {
		return fmt.Errorf("remember what was replayed: %w", err)
	}
	return nil
}
