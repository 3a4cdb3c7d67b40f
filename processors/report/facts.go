package report

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"earshot/schemas"
	"earshot/schemas/report"
)

// facts are those of a task: the ones that are kept already, else new ones, which
// are kept before anything is made of them. Of two workers that have the same
// task, after a lock ran out, the first one's are kept and both go on with them.
func (m *Maker) facts(ctx context.Context, t schemas.Task, order schemas.ReportOrder) (report.Report, error) {
	kept, err := m.Kept(ctx, t)
	if err == nil || gcerrors.Code(err) != gcerrors.NotFound {
		return kept, err
	}
	made, err := m.compute(ctx, t.Org, report.Query{Kind: t.ReportType, Period: report.Period{From: order.From, Until: order.Until, Zone: order.Zone}, Link: m.Config.Link})
	if err != nil {
		return made, err
	}
	text, err := encode(made)
	if err != nil {
		return made, err
	}
	key := schemas.ReportKey(t, name(t, ".json"))
	err = m.Blobs.WriteAll(ctx, key, text, &blob.WriterOptions{ContentType: "application/json", IfNotExist: true})
	if err != nil && gcerrors.Code(err) != gcerrors.FailedPrecondition {
		return made, fmt.Errorf("keep the facts of report %s: %w", t.Code, err)
	}
	return m.Kept(ctx, t) // as whoever makes the report again will read them
}

// Kept reads the facts that a report was made of. A blob that is not there is
// gcerrors.NotFound.
func (m *Maker) Kept(ctx context.Context, t schemas.Task) (facts report.Report, err error) {
	text, err := m.Blobs.ReadAll(ctx, schemas.ReportKey(t, name(t, ".json")))
	if err != nil {
		return facts, fmt.Errorf("facts of report %s: %w", t.Code, err)
	}
	if err := json.Unmarshal(text, &facts); err != nil {
		return facts, fmt.Errorf("facts of report %s: %w", t.Code, err)
	}
	return facts, nil
}

func encode(facts report.Report) ([]byte, error) {
	text, err := json.MarshalIndent(facts, "", " ")
	return append(text, '\n'), err
}

// compute reads facts out of the database. How far the log was in it is asked
// before: what comes in meanwhile may be in the report beyond that.
func (m *Maker) compute(ctx context.Context, org string, q report.Query) (report.Report, error) {
	position, err := m.position(ctx)
	if err != nil {
		return report.Report{}, err
	}
	begin := time.Now()
	facts, err := m.Reader.Report(ctx, org, q)
	m.timed("facts", begin)
	if err != nil {
		return facts, err
	}
	owner, err := m.Store.Organisation(ctx, org)
	if err != nil {
		return facts, fmt.Errorf("name of %s: %w", org, err)
	}
	facts.Organisation = cmp.Or(owner.Name, org)
	facts.MadeAt = time.Now().UTC().Truncate(time.Second)
	facts.Provenance.Program, facts.Provenance.Log = m.Version, position
	return facts, nil
}

// beside are topics that the warehouse follows and no report depends on.
var beside = []string{schemas.TopicAudit, schemas.TopicUsage, schemas.TopicReport}

// position is how far the log is in the database: what the warehouse has
// committed, which it does after the rows are there.
func (m *Maker) position(ctx context.Context) ([]report.Position, error) {
	offsets, err := kadm.NewClient(m.Log).FetchOffsets(ctx, schemas.GroupWarehouse)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil // nothing was ever written
	}
	if err != nil {
		return nil, fmt.Errorf("how far the database is: %w", err)
	}
	var all []report.Position
	for _, o := range offsets.Sorted() {
		if !slices.Contains(beside, o.Topic) && o.At >= 0 {
			all = append(all, report.Position{Topic: o.Topic, Partition: o.Partition, Offset: o.At})
		}
	}
	return all, nil
}
