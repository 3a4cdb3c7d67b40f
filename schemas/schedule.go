package schemas

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Kinds of entity of scheduled reports.
const (
	KindSchedule    = "report_schedule"
	KindScheduleRun = "report_run" // a ScheduleRun; its id is the schedule's
)

// The stage that tells people of reports, and its consumer group (classic).
const (
	StageNotify = "notify"
	GroupNotify = "earshot.notify"
)

// Actions of AuditRecorded.
const (
	AuditScheduleTest = "report.test"        // a test message was sent to the recipients of a schedule
	AuditGivenUp      = "report.undelivered" // a recipient of a scheduled report could not be reached
)

// SourceSchedule is the Task.Source of a report that a schedule asked for; its
// Task.ExternalID is that of Scheduled.
const SourceSchedule = "schedule"

// Bounds of schedules.
const (
	MaxSchedules  = 50 // of an organisation
	MaxRecipients = 20 // e-mail addresses and webhooks of a schedule together
	MaxWebhookURL = 2000
	MaxEmail      = 254 // bytes, RFC 5321
	MaxScheduled  = 5   // reports that a ScheduleRun remembers, the last ones
)

// How often a schedule asks for a report.
const (
	EveryDay   = "daily"   // of yesterday
	EveryWeek  = "weekly"  // on Monday, of the seven days before it
	EveryMonth = "monthly" // on the first, of the calendar month before it
)

// ReportSchedule asks for a report of the period that has just ended, again and
// again, and says who gets it.
type ReportSchedule struct {
	ID         int64     `json:"id"`
	User       int64     `json:"user_id"` // who made it; the tasks are theirs
	Name       string    `json:"name"`
	Every      string    `json:"frequency"`   // one of the Every constants
	At         string    `json:"time"`        // of day, "15:04" in Zone
	Zone       string    `json:"time_zone"`   // IANA name
	ReportType string    `json:"report_type"` // one of the Report constants
	Language   string    `json:"language"`    // one of Languages
	Emails     []string  `json:"emails"`
	Webhooks   []Webhook `json:"webhooks"`
	Active     bool      `json:"is_active"`
	// Since is when it was made, switched on, or given other times: what would
	// have fallen due before is not made up for.
	Since     time.Time `json:"since"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Switch turns a schedule on or off. What falls due while it is off is not made up
// for.
func (s *ReportSchedule) Switch(on bool, now time.Time) {
	s.UpdatedAt = now.UTC().Truncate(time.Second)
	if on && !s.Active {
		s.Since = s.UpdatedAt
	}
	s.Active = on
}

// Webhook is an address that is told of a report. Its secret is made of Salt and
// a key of the installation, so neither the log nor Redis has it.
type Webhook struct {
	URL  string `json:"url"`
	Salt string `json:"salt"`
}

// ScheduleRun is what became of a schedule's last reports.
type ScheduleRun struct {
	Schedule int64       `json:"schedule_id"`
	Reports  []Scheduled `json:"reports"` // by the end of the period, the newest last, at most MaxScheduled
}

// Scheduled is one report that a schedule asked for.
type Scheduled struct {
	Schedule int64     `json:"schedule_id"`
	From     string    `json:"from"`                // first day of the period, YYYY-MM-DD
	To       string    `json:"to"`                  // last day, included
	Due      time.Time `json:"due,omitzero"`        // when it fell due
	TaskCode string    `json:"task_code,omitempty"` // "" when it could not be submitted
	Status   string    `json:"status"`              // pending, completed or error
	Error    string    `json:"error,omitempty"`     // of the report itself, for a person
	Files    []string  `json:"files,omitempty"`     // TaskStatus.Files
	Ended    time.Time `json:"ended,omitzero"`      // when it was completed or in error
	Sends    []Send    `json:"sends,omitempty"`     // empty until the report is completed or in error
}

// ExternalID names the report among all tasks of the organisation: the same
// schedule and period give the same task, whoever asks and how often.
func (s Scheduled) ExternalID() string { return fmt.Sprintf("%d/%s/%s", s.Schedule, s.From, s.To) }

// ScheduledFrom reads an ExternalID.
func ScheduledFrom(externalID string) (s Scheduled, err error) {
	parts := strings.Split(externalID, "/")
	if len(parts) != 3 {
		return s, fmt.Errorf("%q is no external id of a scheduled report", externalID)
	}
	s.From, s.To = parts[1], parts[2]
	s.Schedule, err = strconv.ParseInt(parts[0], 10, 64)
	return s, err
}

// Ways to send a report.
const (
	SendEmail   = "email"
	SendWebhook = "webhook"
)

// Send is how far telling one recipient has come. It is over when Next is zero:
// well when Sent is set, else given up with Error.
type Send struct {
	Way   string    `json:"way"` // one of the Send constants
	To    string    `json:"to"`  // address or URL
	Salt  string    `json:"salt,omitempty"`
	Tries int64     `json:"tries"`
	Next  time.Time `json:"next,omitzero"`   // not to be tried before
	Sent  time.Time `json:"sent,omitzero"`   // when the recipient took it
	Error string    `json:"error,omitempty"` // of the last try, for a person
}

// End says how a report ended, and whom to tell; sends begin at once.
func (s *Scheduled) End(status, message string, files []string, at time.Time, to ReportSchedule) {
	s.Status, s.Error, s.Files, s.Ended, s.Sends = status, message, files, at, nil
	for _, email := range to.Emails {
		s.Sends = append(s.Sends, Send{Way: SendEmail, To: email, Next: at})
	}
	for _, hook := range to.Webhooks {
		s.Sends = append(s.Sends, Send{Way: SendWebhook, To: hook.URL, Salt: hook.Salt, Next: at})
	}
}

// ScheduleTurn is the name under which changes of a ScheduleRun take turns.
func ScheduleTurn(id int64) string { return KindScheduleRun + "." + strconv.FormatInt(id, 10) }

// Over says whether the schedule has moved past a period: a report of it is
// remembered, or one of a period that ended later. A schedule whose frequency was
// changed may have several reports that end on one day.
func (r *ScheduleRun) Over(from, to string) bool {
	n := len(r.Reports)
	return n > 0 && (to < r.Reports[n-1].To || r.Run(from, to) != nil)
}

// Run finds a report by its period, nil when it is not among the last ones.
func (r *ScheduleRun) Run(from, to string) *Scheduled {
	for i := range r.Reports {
		if r.Reports[i].From == from && r.Reports[i].To == to {
			return &r.Reports[i]
		}
	}
	return nil
}

// Add remembers a report and forgets the oldest beyond MaxScheduled. One whose
// period is over is not added: nil.
func (r *ScheduleRun) Add(s Scheduled) *Scheduled {
	if r.Over(s.From, s.To) {
		return nil
	}
	r.Reports = append(r.Reports, s)
	if len(r.Reports) > MaxScheduled {
		r.Reports = r.Reports[len(r.Reports)-MaxScheduled:]
	}
	return &r.Reports[len(r.Reports)-1]
}

// LastError is what went wrong last, newest report first; "" when all of the
// newest is well.
func (r *ScheduleRun) LastError() string {
	if len(r.Reports) == 0 {
		return ""
	}
	last := r.Reports[len(r.Reports)-1]
	if last.Error != "" {
		return last.Error
	}
	for _, s := range last.Sends {
		if s.Error != "" && s.Sent.IsZero() {
			return s.To + ": " + s.Error
		}
	}
	return ""
}
