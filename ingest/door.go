// Package ingest is how conversations come in: adapters that understand a
// source, and Submit, the one door that all of them end in.
package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
	"gocloud.dev/blob"

	"earshot/schemas"
	"earshot/sinks/state"
)

// Config of the door.
type Config struct {
	ProduceTimeout time.Duration `env:"EARSHOT_PRODUCE_TIMEOUT" envDefault:"8s" help:"how long a submission waits for Kafka before it is answered 503"`
}

// Validate refuses what cannot work; the configuration loader calls it.
func (c *Config) Validate() error {
	if c.ProduceTimeout <= 0 || c.ProduceTimeout >= state.TurnMost {
		return fmt.Errorf("EARSHOT_PRODUCE_TIMEOUT is %s, want more than 0 and less than the %s that a change of settings may take", c.ProduceTimeout, state.TurnMost)
	}
	return nil
}

// Door is the way into the log. It is safe for concurrent use.
type Door struct {
	cfg      Config
	store    *state.Store
	producer *kgo.Client
	codec    *schemas.Codec
	blobs    *blob.Bucket
	metrics  *schemas.StageMetrics
	log      *slog.Logger
}

// NewDoor returns a door that writes with producer (acks=all, the client's
// default) and keeps audio in blobs.
func NewDoor(cfg Config, store *state.Store, producer *kgo.Client, codec *schemas.Codec, blobs *blob.Bucket, m *schemas.StageMetrics, log *slog.Logger) *Door {
	return &Door{cfg, store, producer, codec, blobs, m, log}
}

// Submission is what an adapter hands in. Task needs Org, User, Type, Source
// and what the source knows; Submit fills Code, ID, CreatedAt, Digest of text,
// Blob, and what is reserved. Adapters are sources of conversations; a report is
// ordered through the same door.
type Submission struct {
	Task       schemas.Task
	Channels   []schemas.Channel // who is on which; empty = schemas.ChannelRoles of Task.Source
	Utterances []schemas.Utterance
	Report     *schemas.ReportOrder // of a task of type callreport, whose ReportType and Language are set
	Text       string               // the conversation as one text; "" for audio
	Bulk       bool                 // backfill: after all live work
	Audio      string               // path of a received file, to be stored as a blob; "" for text
}

// Receipt is the answer of Submit. At most one of the flags is set.
type Receipt struct {
	Task      schemas.Task
	Duplicate bool // an earlier task has the same file or identity; Task is that one
	Repeated  bool // the same request again (Idempotency-Key); Task is the first one
}

// Submit takes a conversation in: identity, duplicates and quota in one step in
// Redis, the audio into the blob store, the event onto the log with acks=all,
// and only then the answer. Errors are *schemas.Error (4001, 4044, 4050, 4099,
// 4220, 5030, ...; of reports 4062, and 4602 for 4044 and 4050).
func (d *Door) Submit(ctx context.Context, s Submission) (Receipt, error) {
	begin := time.Now()
	d.metrics.In(schemas.StageSubmit).Inc()
	r, err := d.submit(ctx, &s)
	d.metrics.Latency(schemas.StageSubmit).Observe(time.Since(begin).Seconds())
	if err == nil {
		d.metrics.Out(schemas.StageSubmit).Inc()
		return r, nil
	}
	class := "ours"
	if _, ok := schemas.RecordFault(err); ok {
		class = "record"
	}
	d.metrics.Errors(schemas.StageSubmit, class).Inc()
	return r, err
}

func (d *Door) submit(ctx context.Context, s *Submission) (Receipt, error) {
	if err := prepare(s); err != nil {
		return Receipt{}, err
	}
	a, err := d.accept(ctx, s)
	if err != nil {
		return Receipt{}, reportError(s.Task, err)
	}
	switch a.Outcome {
	case state.Duplicate:
		return Receipt{Task: a.Task, Duplicate: true}, nil
	case state.Existing:
		return Receipt{Task: a.Task, Repeated: true}, nil
	}
	if a.Outcome == state.Resume && a.Task.Digest != s.Task.Digest {
		return Receipt{Task: a.Task, Duplicate: true}, nil // other content under the same name
	}
	s.Task = a.Task // New, or Resume under the first caller's code
	if err := d.keepAndPublish(ctx, s); err != nil {
		// The event of an earlier try may yet reach the log: then its reservation stays.
		if errors.Is(err, ErrNeverSent) && a.Outcome == state.Accepted {
			err = errors.Join(err, d.store.Abandon(context.WithoutCancel(ctx), s.Task.Org, s.Task.Code))
		}
		return Receipt{}, err
	}
	if err := d.store.Confirm(ctx, s.Task.Org, s.Task.Code); err != nil {
		// The event is on the log, so the task exists; the projection will say so too.
		d.log.Warn("confirm a task", "task", s.Task.Code, "error", err)
	}
	return Receipt{Task: s.Task}, nil
}

// ErrNeverSent marks a failure after which the event is certainly not on the log.
var ErrNeverSent = errors.New("nothing was written")

func (d *Door) keepAndPublish(ctx context.Context, s *Submission) error {
	if err := d.keep(ctx, s); err != nil {
		return errors.Join(err, ErrNeverSent)
	}
	return d.publish(ctx, topicOf(s), schemas.TaskSubmitted{Task: s.Task, Channels: s.Channels, Utterances: s.Utterances, Report: s.Report})
}

// How long a second caller waits for the first one's outcome, and how often it looks.
const (
	inFlightWait = 5 * time.Second
	inFlightStep = 25 * time.Millisecond
)

func (d *Door) accept(ctx context.Context, s *Submission) (state.Acceptance, error) {
	deadline := time.Now().Add(inFlightWait)
	if err := d.mayReport(ctx, s.Task); err != nil {
		return state.Acceptance{}, unready(err)
	}
	for {
		a, err := d.store.Accept(ctx, s.Task, s.Text)
		if err != nil || a.Outcome != state.InFlight {
			return a, unready(err)
		}
		if time.Now().After(deadline) {
			return a, schemas.Fail(schemas.CodeInProgress, "")
		}
		select {
		case <-ctx.Done():
			return a, schemas.Because(schemas.CodeUnavailable, ctx.Err(), "")
		case <-time.After(inFlightStep):
		}
	}
}

func unready(err error) error {
	if errors.Is(err, state.ErrNotReady) {
		return schemas.Because(schemas.CodeUnavailable, err, "the state is being rebuilt from the log")
	}
	return err
}

// Text is billed by 50 KB (seed section 12, "Base rates").
const chatUnitBytes = 50 << 10

// prepare completes and checks the task.
func prepare(s *Submission) error {
	t := &s.Task
	if t.Org == "" {
		return fmt.Errorf("submission without an organisation")
	}
	code, err := uuid.NewV7()
	if err != nil {
		return err
	}
	t.Code = code.String()
	t.CreatedAt = time.Now().UTC().Truncate(time.Microsecond)
	if t.Processing == "" {
		t.Processing = schemas.ProcessStandard
	}
	t.Resource = Resource(t.Type)
	switch t.Type {
	case schemas.TypeCall, schemas.TypeAudio:
		t.Reserved = int64(math.Ceil(t.Seconds / 60))
	case schemas.TypeChat, schemas.TypeEmail:
		if len(s.Utterances) == 0 {
			return schemas.Fail(schemas.CodeFieldsMissing, "the conversation has no text")
		}
		sum := sha256.Sum256([]byte(s.Text))
		t.Digest, t.Bytes = hex.EncodeToString(sum[:]), int64(len(s.Text))
		t.Reserved = (t.Bytes + chatUnitBytes - 1) / chatUnitBytes
	case schemas.TypeReport:
		return prepareReport(s)
	default:
		return schemas.Fail(schemas.CodeInvalid, "task type %q cannot be submitted", t.Type)
	}
	return nil
}

// Resource is what a task of a type uses of its plan: minutes, or for texts
// chats of 50 KB; "" for a type that cannot be submitted.
func Resource(taskType string) string {
	switch taskType {
	case schemas.TypeCall:
		return schemas.ResourceCallMinutes
	case schemas.TypeAudio:
		return schemas.ResourceAudioMinutes
	case schemas.TypeChat, schemas.TypeEmail:
		return schemas.ResourceChats
	}
	return ""
}

func topicOf(s *Submission) string {
	bulk := s.Bulk && s.Task.Processing != schemas.ProcessPriority
	switch {
	case s.Report != nil:
		return schemas.TopicReport
	case s.Audio != "" && bulk:
		return schemas.TopicAudioBulk
	case s.Audio != "":
		return schemas.TopicAudio
	case bulk:
		return schemas.TopicTextBulk
	}
	return schemas.TopicText
}

// BlobKey is where the audio of a task lives in the blob store. It is made of
// our own values only; the client's file name gives nothing but a known
// extension.
func BlobKey(t schemas.Task) string {
	ext := strings.ToLower(filepath.Ext(t.FileName))
	if len(ext) > 5 || strings.ContainsFunc(strings.TrimPrefix(ext, "."), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		ext = ""
	}
	return fmt.Sprintf("%s/%s/%s%s", t.Org, t.CreatedAt.Format("2006/01/02"), t.Code, ext)
}

// keep stores the audio before the event, so that no event names a blob that
// is not there.
func (d *Door) keep(ctx context.Context, s *Submission) error {
	if s.Audio == "" {
		return nil
	}
	s.Task.Blob = BlobKey(s.Task)
	f, err := os.Open(s.Audio)
	if err != nil {
		return fmt.Errorf("open the received file: %w", err)
	}
	defer f.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := d.blobs.NewWriter(ctx, s.Task.Blob, &blob.WriterOptions{ContentType: s.Task.ContentType})
	if err != nil {
		return schemas.Because(schemas.CodeUnavailable, err, "the audio store does not answer")
	}
	if _, err = io.Copy(w, f); err != nil {
		cancel() // else Close makes a blob of what there is
	}
	err = errors.Join(err, w.Close())
	switch {
	case noRoom(err):
		return schemas.Because(schemas.CodeDiskFull, err, "")
	case err != nil:
		return schemas.Because(schemas.CodeUnavailable, err, "the audio could not be stored")
	}
	return nil
}

// publish waits for acks=all, but not longer than the configured time, or than
// ctx: an idempotent producer may not give up on a record whose fate it does not
// know, so the wait is ours, not the client's.
func (d *Door) publish(ctx context.Context, topic string, event any) error {
	rec, err := d.codec.Record(topic, schemas.StageSubmit, event)
	if errors.Is(err, schemas.ErrRegistry) {
		err = schemas.Because(schemas.CodeUnavailable, err, "the schema registry does not answer")
	}
	if err != nil {
		return errors.Join(err, ErrNeverSent)
	}
	if err := ctx.Err(); err != nil {
		return errors.Join(schemas.Because(schemas.CodeUnavailable, err, ""), ErrNeverSent)
	}
	done := make(chan error, 1)
	d.producer.TryProduce(context.WithoutCancel(ctx), rec, func(_ *kgo.Record, err error) { done <- err })
	timer := time.NewTimer(d.cfg.ProduceTimeout)
	defer timer.Stop()
	select {
	case err = <-done:
	case <-timer.C:
		err = context.DeadlineExceeded
	case <-ctx.Done(): // a turn that is over, for one: what is waited for no longer holds
		err = ctx.Err()
	}
	if err != nil {
		d.log.Error("publish", "topic", topic, "key", string(rec.Key), "error", err)
		if errors.Is(err, kgo.ErrMaxBuffered) {
			err = errors.Join(err, ErrNeverSent)
		}
		// The outcome is unknown: the same request again leads to one task (state.Resume).
		return schemas.Because(schemas.CodeUnavailable, err, "the event log does not answer")
	}
	return nil
}

// Put publishes one version of an entity and applies it at once, so that the
// caller reads its own write. value is the entity struct of that kind.
func (d *Door) Put(ctx context.Context, e schemas.EntityChanged) error {
	if e.UpdatedAt.IsZero() {
		e.UpdatedAt = time.Now().UTC().Truncate(time.Microsecond)
	}
	if err := d.publish(ctx, schemas.TopicEntities, e); err != nil {
		return err
	}
	return d.store.Apply(ctx, e)
}
