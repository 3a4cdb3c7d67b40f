package accounts

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"earshot/ingest"
	"earshot/ingest/schedule"
	"earshot/schemas"
	"earshot/sinks/state"
)

type scheduleList struct {
	Org string `help:"Id of the organisation; empty: of all."`
}

// Run prints scheduled reports and what went wrong last; recipients only by
// number, because a webhook's address may be a secret.
func (l *scheduleList) Run(ctx context.Context, c *Console) error {
	return c.do(ctx, func(a *Accounts) (_, _, _ string, err error) {
		orgs := []string{l.Org}
		if l.Org == "" {
			if orgs, err = a.store.Organisations(ctx); err != nil {
				return
			}
		}
		rows := []string{"ORGANISATION\tID\tNAME\tREPORT\tNEXT\tRECIPIENTS\tLAST ERROR"}
		for _, org := range orgs {
			all, err := state.List[schemas.ReportSchedule](ctx, a.store, org, schemas.KindSchedule)
			if err != nil {
				return "", "", "", err
			}
			for _, s := range all {
				run, err := state.Get[schemas.ScheduleRun](ctx, a.store, org, schemas.KindScheduleRun, s.ID)
				if err != nil {
					return "", "", "", err
				}
				rows = append(rows, strings.Join([]string{org, fmt.Sprint(s.ID), s.Name, s.Every + " " + s.ReportType, nextOf(s), fmt.Sprint(len(s.Emails) + len(s.Webhooks)), lastErrorOf(run)}, "\t"))
			}
		}
		return "", "", "", c.table(rows...)
	})
}

func nextOf(s schemas.ReportSchedule) string {
	next, err := schedule.Next(s, time.Now())
	switch {
	case !s.Active:
		return "off"
	case err != nil:
		return err.Error()
	}
	return next.Due.Format("2006-01-02 15:04 MST")
}

// maxShown bounds an error in a list, in bytes.
const maxShown = 300

// lastErrorOf is clean: the error may have the bytes of somebody else's server,
// which must not move the cursor of a terminal.
func lastErrorOf(run *schemas.ScheduleRun) string {
	if run == nil || run.LastError() == "" {
		return "-"
	}
	return ingest.CleanLine(run.LastError(), maxShown)
}

type (
	scheduleDisable struct {
		Org string `arg:"" help:"Id of the organisation."`
		ID  int64  `arg:"" help:"Id of the schedule, as list shows it."`
	}
	scheduleEnable scheduleDisable
)

// Run orders no more reports.
func (s *scheduleDisable) Run(ctx context.Context, c *Console) error {
	return c.setSchedule(ctx, s.Org, s.ID, false)
}

// Run orders reports again, from the next time on.
func (s *scheduleEnable) Run(ctx context.Context, c *Console) error {
	return c.setSchedule(ctx, s.Org, s.ID, true)
}

func (c *Console) setSchedule(ctx context.Context, org string, id int64, active bool) error {
	return c.do(ctx, func(a *Accounts) (string, string, string, error) {
		err := a.store.InTurn(ctx, org, schemas.KindSchedule, func(ctx context.Context) error {
			s, err := state.Get[schemas.ReportSchedule](ctx, a.store, org, schemas.KindSchedule, id)
			if err != nil {
				return err
			}
			if s == nil {
				return schemas.Say(schemas.CodeNoRecord, "there is no such schedule")
			}
			s.Switch(active, time.Now())
			return a.door.Save(ctx, org, schemas.KindSchedule, strconv.FormatInt(id, 10), s)
		})
		return schemas.AuditSettings, org, fmt.Sprintf("%s/%d", schemas.KindSchedule, id), err
	})
}
