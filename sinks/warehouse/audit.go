package warehouse

import (
	"errors"
	"iter"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
)

// auditLine is one row of the table audit.
type auditLine struct {
	Org     string    `ch:"org"`
	At      time.Time `ch:"at"`
	ID      string    `ch:"id"`
	User    int64     `ch:"user_id"`
	Email   string    `ch:"email"`
	Action  string    `ch:"action"`
	Object  string    `ch:"object"`
	Address string    `ch:"address"`
	Request string    `ch:"request_id"`
}

func (b *batch) addAudit(codec *schemas.Codec, r *kgo.Record) error {
	var e schemas.AuditRecorded
	if err := codec.Decode(r.Value, &e); err != nil {
		return err
	}
	if e.ID == "" || e.Action == "" {
		return errors.New("audit event without id or action")
	}
	at := orRecord(e.At, r)
	if err := checkTime("time of an audit event", at); err != nil {
		return err
	}
	b.audit[e.ID] = auditLine{e.Org, at, e.ID, e.User, e.Email, e.Action, e.Object, e.Address, e.Request}
	return nil
}

func (b *batch) auditLines() iter.Seq[*auditLine] {
	return func(yield func(*auditLine) bool) {
		for _, line := range b.audit {
			if !yield(&line) {
				return
			}
		}
	}
}
