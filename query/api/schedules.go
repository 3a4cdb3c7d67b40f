package api

import (
	"context"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"earshot/schemas"
	"earshot/sinks/state"
)

// Notifier is what the API needs of the stage that tells of scheduled reports.
type Notifier struct {
	// Secret gives what signs the messages of an organisation's webhook with that
	// salt.
	Secret func(org, salt string) string
	// Test tells all recipients of a schedule that they would be told, and gives
	// how each went, in a language.
	Test func(ctx context.Context, org string, s schemas.ReportSchedule, lang string) []schemas.Send
}

// scheduleRoutes serves scheduled reports, an API of our own: whose reports they
// are, those may see them who may change settings.
func (a *API) scheduleRoutes(app *fiber.App) {
	app.Get("/user/report_schedules", a.authenticated, mayChange, a.schedules)
	app.Post("/user/report_schedules", a.authenticated, mayChange, a.addSchedule)
	app.Get("/user/report_schedules/:id", a.authenticated, mayChange, a.schedule)
	app.Put("/user/report_schedules/:id", a.authenticated, mayChange, a.editSchedule)
	app.Delete("/user/report_schedules/:id", a.authenticated, mayChange, a.deleteSchedule)
	app.Post("/user/report_schedules/:id/test", a.authenticated, mayChange, a.testSchedule)
}

type schedulesAnswer struct {
	Success   bool           `json:"success"`
	ErrorCode int64          `json:"error_code"`
	Schedules []scheduleItem `json:"schedules"`
}

// hookSecret is shown once, when it is made.
type hookSecret struct {
	URL    string `json:"url"`
	Secret string `json:"secret"`
}

type scheduleAnswer struct {
	Success   bool         `json:"success"`
	ErrorCode int64        `json:"error_code"`
	Schedule  scheduleItem `json:"schedule"`
	Secrets   []hookSecret `json:"webhook_secrets,omitempty"`
}

type scheduleTested struct {
	Success    bool           `json:"success"`
	ErrorCode  int64          `json:"error_code"`
	Recipients []deliveryItem `json:"recipients"`
}

// schedules answers GET /user/report_schedules.
func (a *API) schedules(c *fiber.Ctx) error {
	org := callOf(c.Context()).user.Org
	all, err := state.List[schemas.ReportSchedule](c.UserContext(), a.Store, org, schemas.KindSchedule)
	if err != nil {
		return err
	}
	runs, err := state.List[schemas.ScheduleRun](c.UserContext(), a.Store, org, schemas.KindScheduleRun)
	if err != nil {
		return err
	}
	answer := schedulesAnswer{Success: true, Schedules: []scheduleItem{}}
	for _, s := range all {
		var run schemas.ScheduleRun
		if i := slices.IndexFunc(runs, func(r schemas.ScheduleRun) bool { return r.Schedule == s.ID }); i >= 0 {
			run = runs[i]
		}
		answer.Schedules = append(answer.Schedules, newScheduleItem(s, run))
	}
	return a.ok(c, answer)
}

// schedule answers GET /user/report_schedules/{id}: 4053.
func (a *API) schedule(c *fiber.Ctx) error {
	org, id := callOf(c.Context()).user.Org, pathID(c, "id")
	s, err := a.findSchedule(c.UserContext(), org, id)
	if err != nil {
		return err
	}
	return a.answerSchedule(c, s, nil)
}

func (a *API) findSchedule(ctx context.Context, org string, id int64) (schemas.ReportSchedule, error) {
	s, err := state.Get[schemas.ReportSchedule](ctx, a.Store, org, schemas.KindSchedule, id)
	if err == nil && s == nil {
		err = schemas.Say(schemas.CodeNoRecord, "there is no such schedule")
	}
	if err != nil {
		return schemas.ReportSchedule{}, err
	}
	return *s, nil
}

func (a *API) answerSchedule(c *fiber.Ctx, s schemas.ReportSchedule, added []schemas.Webhook) error {
	org := callOf(c.Context()).user.Org
	run, err := state.Get[schemas.ScheduleRun](c.UserContext(), a.Store, org, schemas.KindScheduleRun, s.ID)
	if err != nil {
		return err
	}
	answer := scheduleAnswer{Success: true, Schedule: newScheduleItem(s, deref(run))}
	for _, hook := range added {
		answer.Secrets = append(answer.Secrets, hookSecret{hook.URL, a.Notifier.Secret(org, hook.Salt)})
	}
	return a.ok(c, answer)
}

func deref(run *schemas.ScheduleRun) schemas.ScheduleRun {
	if run == nil {
		return schemas.ScheduleRun{}
	}
	return *run
}

// addSchedule answers POST /user/report_schedules, and shows the secrets of its
// webhooks: 4001 4002 4045 4220.
func (a *API) addSchedule(c *fiber.Ctx) error {
	org, user := callOf(c.Context()).user.Org, callOf(c.Context()).user.ID
	now := time.Now().UTC().Truncate(time.Second)
	s := schemas.ReportSchedule{User: user, At: "08:00", Zone: "UTC", ReportType: schemas.ReportStandard, Language: callOf(c.Context()).lang,
		Active: true, Emails: []string{}, Webhooks: []schemas.Webhook{}, Since: now, CreatedAt: now, UpdatedAt: now}
	var in scheduleRequest
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	if in.Every == "" {
		return schemas.Fail(schemas.CodeMissing, "frequency")
	}
	if in.Name == nil {
		return schemas.Fail(schemas.CodeMissing, "name")
	}
	if _, err := in.into(&s); err != nil {
		return err
	}
	may := func(ctx context.Context) error {
		all, err := state.List[schemas.ReportSchedule](ctx, a.Store, org, schemas.KindSchedule)
		if err == nil && len(all) >= schemas.MaxSchedules {
			err = overLimit(schemas.T("scheduled reports"), schemas.MaxSchedules)
		}
		return err
	}
	// Schedules may have one name: what tells a repetition from another one is all that was sent.
	s, err := create(a, c, schemas.KindSchedule, string(c.Request().Body()), may, func(ctx context.Context, id int64) (schemas.ReportSchedule, error) {
		s.ID = id
		return s, a.Door.Save(ctx, org, schemas.KindSchedule, idText(id), s)
	})
	if err != nil {
		return err
	}
	return a.answerSchedule(c, s, s.Webhooks)
}

// editSchedule answers PUT /user/report_schedules/{id}, and shows the secrets that
// it makes: 4001 4045 4053.
func (a *API) editSchedule(c *fiber.Ctx) error {
	user, id := callOf(c.Context()).user, pathID(c, "id")
	var in scheduleRequest
	if err := parseJSON(c, &in); err != nil {
		return err
	}
	var s schemas.ReportSchedule
	var added []schemas.Webhook
	err := a.Store.InTurn(c.UserContext(), user.Org, schemas.KindSchedule, func(ctx context.Context) (err error) {
		if s, err = a.findSchedule(ctx, user.Org, id); err != nil {
			return err
		}
		was := s
		if added, err = in.into(&s); err != nil {
			return err
		}
		on := s.Active
		s.Active = was.Active
		s.Switch(on, time.Now())
		if s.Every != was.Every || s.At != was.At || s.Zone != was.Zone {
			s.Since = s.UpdatedAt
		}
		return a.Door.Save(ctx, user.Org, schemas.KindSchedule, idText(id), s)
	})
	if err != nil {
		return err
	}
	a.auditSetting(c, schemas.AuditSettings, schemas.KindSchedule, id)
	return a.answerSchedule(c, s, added)
}

// deleteSchedule answers DELETE /user/report_schedules/{id}: 4053. Reports that
// were made stay; who was not told of one yet is not. What became of the reports
// goes first, so that the request again after a 503 still finds the schedule.
func (a *API) deleteSchedule(c *fiber.Ctx) error {
	user, id := callOf(c.Context()).user, pathID(c, "id")
	err := a.Store.InTurn(c.UserContext(), user.Org, schemas.KindSchedule, func(ctx context.Context) error {
		if _, err := a.findSchedule(ctx, user.Org, id); err != nil {
			return err
		}
		return a.Store.InTurn(ctx, user.Org, schemas.ScheduleTurn(id), func(ctx context.Context) error {
			if err := a.Door.Remove(ctx, user.Org, schemas.KindScheduleRun, idText(id)); err != nil {
				return err
			}
			return a.Door.Remove(ctx, user.Org, schemas.KindSchedule, idText(id))
		})
	})
	if err != nil {
		return err
	}
	a.auditSetting(c, schemas.AuditDelete, schemas.KindSchedule, id)
	return a.ok(c, done{Success: true, Message: said(c, schemas.T("Scheduled report deleted"))})
}

// testsAMinute bounds the test messages of one organisation, each of which goes to
// up to schemas.MaxRecipients strangers; testTime is what one may take.
const (
	testsAMinute = 6
	testTime     = 12 * time.Second
)

// testSchedule answers POST /user/report_schedules/{id}/test: all recipients are
// sent a test message now, and the answer says how each went: 4053, 4290.
func (a *API) testSchedule(c *fiber.Ctx) error {
	org, id := callOf(c.Context()).user.Org, pathID(c, "id")
	s, err := a.findSchedule(c.UserContext(), org, id)
	if err != nil {
		return err
	}
	if err := a.tests.take(org); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.UserContext(), testTime)
	defer cancel()
	answer := scheduleTested{Success: true, Recipients: []deliveryItem{}}
	for _, send := range a.Notifier.Test(ctx, org, s, callOf(c.Context()).lang) {
		answer.Recipients = append(answer.Recipients, newDeliveryItem(send))
	}
	a.auditSetting(c, schemas.AuditScheduleTest, schemas.KindSchedule, id)
	return a.ok(c, answer)
}
