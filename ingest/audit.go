package ingest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

// Auditor writes what people do to the topic of audit events. Nobody waits for
// it, and it fails nobody: so many events may be under way at once, and one that
// cannot be written is counted (stage audit, class ours) and logged. It is safe
// for concurrent use.
type Auditor struct {
	producer *kgo.Client
	codec    *schemas.Codec
	metrics  *schemas.StageMetrics
	log      *slog.Logger
	underWay chan struct{}
}

// auditsAtOnce bounds the memory of events that wait for Kafka.
const auditsAtOnce = 4096

// NewAuditor returns an auditor that writes with producer.
func NewAuditor(producer *kgo.Client, codec *schemas.Codec, m *schemas.StageMetrics, log *slog.Logger) *Auditor {
	return &Auditor{producer, codec, m, log, make(chan struct{}, auditsAtOnce)}
}

var errManyAudits = errors.New("too many audit events wait for Kafka")

// Record writes an event, soon; ID and At are set where they are not.
func (a *Auditor) Record(e schemas.AuditRecorded) {
	a.metrics.In(schemas.StageAudit).Inc()
	if e.ID == "" {
		e.ID = uuid.NewString()
	}
	if e.At.IsZero() {
		e.At = time.Now().UTC().Truncate(time.Microsecond)
	}
	select {
	case a.underWay <- struct{}{}:
	default:
		a.lost(e, errManyAudits)
		return
	}
	go func() { // encoding may ask a schema registry
		r, err := a.codec.Record(schemas.TopicAudit, schemas.StageAudit, e)
		if err != nil {
			a.written(e, err)
			return
		}
		a.producer.TryProduce(context.Background(), r, func(_ *kgo.Record, err error) { a.written(e, err) })
	}()
}

func (a *Auditor) written(e schemas.AuditRecorded, err error) {
	<-a.underWay
	if err != nil {
		a.lost(e, err)
		return
	}
	a.metrics.Out(schemas.StageAudit).Inc()
}

// lost leaves what happened in the log of the process, at least.
func (a *Auditor) lost(e schemas.AuditRecorded, err error) {
	a.metrics.Errors(schemas.StageAudit, "ours").Inc()
	a.log.Error("an audit event is lost", "org", e.Org, "user", e.User, "action", e.Action, "object", e.Object, "request", e.Request, "error", err)
}

// Await returns when all events that were recorded before it are written or
// lost, or with ctx.
func (a *Auditor) Await(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for len(a.underWay) > 0 && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}
