// Package schedule submits the reports that schedules ask for: when one falls
// due, of which period, and each exactly once.
//
// A cron library would not make it simpler: what is needed besides the next time
// is the last one, to make up for time in which nothing ran, and the period that
// ended then; and such libraries leave out what falls into the hour that clocks
// jump over.
package schedule

import (
	"time"

	"earshot/ingest"
	"earshot/schemas"
	"earshot/schemas/report"
)

// Run is one time at which a schedule falls due, and the period [From, Until)
// that has ended by then, both at midnight in the schedule's zone.
type Run struct {
	Due, From, Until time.Time
}

// Days are the first and the last day of the period, as YYYY-MM-DD.
func (r Run) Days() (from, to string) {
	return r.From.Format(time.DateOnly), r.Until.AddDate(0, 0, -1).Format(time.DateOnly)
}

// due says whether the schedule wants this run, or was switched off or changed
// since.
func (r Run) due(s schemas.ReportSchedule) bool { return s.Active && r.Due.After(s.Since) }

// Next gives the first run that falls due after a moment.
func Next(s schemas.ReportSchedule, after time.Time) (Run, error) {
	c, err := clockOf(s)
	if err != nil {
		return Run{}, err
	}
	day := c.begin(after)
	for {
		if r := c.run(day); r.Due.After(after) {
			return r, nil
		}
		day = c.step(day, 1)
	}
}

// Last gives the last run that has fallen due by a moment.
func Last(s schemas.ReportSchedule, at time.Time) (Run, error) {
	c, err := clockOf(s)
	if err != nil {
		return Run{}, err
	}
	day := c.begin(at)
	for {
		if r := c.run(day); !r.Due.After(at) {
			return r, nil
		}
		day = c.step(day, -1)
	}
}

// clock is a schedule's time, read. A day is a time.Time at midnight UTC that
// stands for its date only.
type clock struct {
	every string
	at    time.Time // hour and minute only
	zone  *time.Location
}

func clockOf(s schemas.ReportSchedule) (c clock, err error) {
	c.every = s.Every
	switch s.Every {
	case schemas.EveryDay, schemas.EveryWeek, schemas.EveryMonth:
	default:
		return c, schemas.Fail(schemas.CodeInvalid, "frequency must be daily, weekly or monthly")
	}
	if c.at, err = time.Parse("15:04", s.At); err != nil || len(s.At) != len("15:04") {
		return c, schemas.Fail(schemas.CodeInvalid, "time must be a time of day such as 08:30")
	}
	c.zone, err = ingest.Zone(s.Zone)
	return c, err
}

// begin is the last day at or before a moment's on which the schedule falls due.
func (c clock) begin(t time.Time) time.Time {
	y, m, d := t.In(c.zone).Date()
	day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	switch c.every {
	case schemas.EveryWeek:
		return day.AddDate(0, 0, -int(day.Weekday()+6)%7)
	case schemas.EveryMonth:
		return day.AddDate(0, 0, 1-d)
	}
	return day
}

func (c clock) step(day time.Time, n int) time.Time {
	switch c.every {
	case schemas.EveryWeek:
		return day.AddDate(0, 0, 7*n)
	case schemas.EveryMonth:
		return day.AddDate(0, n, 0)
	}
	return day.AddDate(0, 0, n)
}

func (c clock) run(day time.Time) Run {
	begin := func(day time.Time) time.Time {
		return report.Midnight(day.Year(), day.Month(), day.Day(), c.zone)
	}
	return Run{Due: report.Clock(day.Year(), day.Month(), day.Day(), c.at.Hour(), c.at.Minute(), c.zone), From: begin(c.step(day, -1)), Until: begin(day)}
}
