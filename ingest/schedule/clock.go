package schedule

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"earshot/ingest"
	"earshot/schemas"
	"earshot/sinks/state"
)

// tick is how often the clock looks, so how late a report may be ordered.
const tick = 10 * time.Second

// Clock submits what falls due. Several may run: of two that see the same report
// due, the second one is given the first one's task.
type Clock struct {
	store *state.Store
	door  *ingest.Door
	log   *slog.Logger
	now   func() time.Time
}

// NewClock returns a clock that Run starts.
func NewClock(store *state.Store, door *ingest.Door, log *slog.Logger) *Clock {
	return &Clock{store: store, door: door, log: log.With("stage", "schedule"), now: time.Now}
}

// Run submits what falls due until ctx ends, then returns nil.
func (c *Clock) Run(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		if err := c.look(ctx); err != nil && ctx.Err() == nil {
			c.log.Error("submit scheduled reports", "error", err, "again_in", tick)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// look submits what has fallen due by now, once; what cannot be submitted keeps
// nothing else from it.
func (c *Clock) look(ctx context.Context) error {
	orgs, err := c.store.Organisations(ctx)
	if errors.Is(err, state.ErrNotReady) {
		return nil // the state is being built, and somebody says so already
	}
	for _, org := range orgs {
		err = errors.Join(err, c.organisation(ctx, org))
	}
	return err
}

func (c *Clock) organisation(ctx context.Context, org string) error {
	all, err := state.List[schemas.ReportSchedule](ctx, c.store, org, schemas.KindSchedule)
	if err != nil || len(all) == 0 {
		return err
	}
	owner, err := c.store.Organisation(ctx, org)
	if err != nil || owner.Disabled {
		return err
	}
	runs, err := state.List[schemas.ScheduleRun](ctx, c.store, org, schemas.KindScheduleRun)
	if err != nil {
		return err
	}
	became := map[int64]schemas.ScheduleRun{} // by schedule
	for _, r := range runs {
		became[r.Schedule] = r
	}
	var failed error
	for _, s := range all {
		run, err := Last(s, c.now())
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if noted := became[s.ID]; run.due(s) && !noted.Over(run.Days()) {
			failed = errors.Join(failed, c.submit(ctx, org, s.ID))
		}
	}
	return failed
}

// submit orders the report of one period, of those that were missed the last one
// only. The task is named after schedule and period, so ordering it twice (by two
// processes, or after a crash before the run was noted) leads to the one task.
// The schedule is read again in turn: nothing is ordered of one that was deleted
// or changed meanwhile.
func (c *Clock) submit(ctx context.Context, org string, id int64) error {
	return c.store.InTurn(ctx, org, schemas.ScheduleTurn(id), func(ctx context.Context) error {
		s, err := state.Get[schemas.ReportSchedule](ctx, c.store, org, schemas.KindSchedule, id)
		if err != nil || s == nil {
			return err
		}
		run, err := Last(*s, c.now())
		if err != nil || !run.due(*s) {
			return err
		}
		report := schemas.Scheduled{Schedule: id, Due: run.Due.UTC(), Status: schemas.StatusPending}
		report.From, report.To = run.Days()
		noted, err := c.noted(ctx, org, id)
		if err != nil || noted.Add(report) == nil { // another process was faster
			return err
		}
		receipt, err := c.door.Submit(ctx, ingest.Submission{
			Task: schemas.Task{Org: org, User: s.User, Type: schemas.TypeReport, Source: schemas.SourceSchedule, ExternalID: report.ExternalID(),
				ReportType: s.ReportType, Language: s.Language},
			Report: &schemas.ReportOrder{From: run.From, Until: run.Until, Zone: s.Zone},
		})
		mine := &noted.Reports[len(noted.Reports)-1]
		if fault, ok := schemas.RecordFault(err); ok && fault.Code != schemas.CodeInProgress { // no plan, or none of its reports is left
			mine.End(schemas.StatusError, fault.Message(s.Language), nil, c.now().UTC().Truncate(time.Microsecond), *s)
		} else if err != nil {
			return err // and the next look tries again
		}
		mine.TaskCode = receipt.Task.Code
		c.log.Info("scheduled report", "org", org, "schedule", id, "from", mine.From, "to", mine.To, "task", mine.TaskCode, "error", mine.Error)
		return c.door.Save(ctx, org, schemas.KindScheduleRun, strconv.FormatInt(id, 10), noted)
	})
}

func (c *Clock) noted(ctx context.Context, org string, id int64) (schemas.ScheduleRun, error) {
	run, err := state.Get[schemas.ScheduleRun](ctx, c.store, org, schemas.KindScheduleRun, id)
	if err != nil || run == nil {
		return schemas.ScheduleRun{Schedule: id}, err
	}
	return *run, nil
}
