package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"earshot/schemas"
	"earshot/schemas/fetch"
	"earshot/sinks/notify"
	"earshot/sinks/state"
)

// scheduling is the API with the real notifier, which may reach this machine.
func scheduling(t *testing.T) *service {
	t.Helper()
	n := notify.New(notify.Config{Key: strings.Repeat("k", 32), Fetch: fetch.Config{Allow: []string{"127.0.0.1"}}}, notify.Deps{Store: the.store, Log: the.deps.Log})
	deps := the.deps
	deps.Notifier = Notifier{Secret: n.Secret, Test: n.Test}
	return serve(t, deps, nil)
}

func TestReportSchedules(t *testing.T) {
	s, x := scheduling(t), newTenant(t)
	s.get(t, "/user/report_schedules", x.token).has(t, "schedules", []any{})
	r := s.post(t, "/user/report_schedules", x.token, `{"name": " Monday  report ", "frequency": "weekly", "time": "08:30", "time_zone": "Europe/Berlin", "report_type": "business",
		"language": "ru", "emails": ["head@example.com", "HEAD@example.com"], "webhooks": ["https://example.com/hook", "https://example.com/hook"]}`)
	r.want(t, 200, 0)
	for path, want := range map[string]any{"schedule.id": 1.0, "schedule.name": "Monday report", "schedule.emails": []any{"head@example.com"}, "schedule.webhooks": []any{"https://example.com/hook"},
		"schedule.is_active": true, "schedule.last_error": nil, "schedule.last_reports": []any{}, "schedule.user_id": 1.0, "webhook_secrets.0.url": "https://example.com/hook"} {
		r.has(t, path, want)
	}
	next, err := time.Parse(time.RFC3339, r.at("schedule", "next_at").(string))
	if err != nil || next.Weekday() != time.Monday || next.Hour() != 8 || next.Minute() != 30 || time.Until(next) > 8*24*time.Hour {
		t.Errorf("%v %v", next, err)
	}
	secret, _ := r.at("webhook_secrets", 0, "secret").(string)
	if !strings.HasPrefix(secret, "whsec_") || len(secret) < 40 {
		t.Errorf("secret %q", secret)
	}
	if kept, err := the.engines.Redis.HGet(t.Context(), "earshot:{"+x.org+"}:e:"+schemas.KindSchedule, "1").Result(); err != nil || strings.Contains(kept, secret) {
		t.Errorf("%v: Redis has the secret", err)
	}
	for _, path := range []string{"/user/report_schedules", "/user/report_schedules/1"} {
		if r := s.get(t, path, x.token); strings.Contains(r.raw, "whsec_") || strings.Contains(r.raw, "salt") {
			t.Errorf("%s shows %s", path, r.raw)
		}
	}

	// What is not named stays, and so do the secrets of what stays.
	put := func(body string) reply {
		t.Helper()
		return s.send(t, http.MethodPut, "/user/report_schedules/1", x.token, strings.NewReader(body))
	}
	kept := func() schemas.ReportSchedule {
		t.Helper()
		got, err := state.Get[schemas.ReportSchedule](t.Context(), the.store, x.org, schemas.KindSchedule, 1)
		if err != nil || got == nil {
			t.Fatal(got, err)
		}
		return *got
	}
	before := kept()
	r = put(`{"name": "Boss", "webhooks": ["https://example.com/other", "https://example.com/hook"]}`)
	r.want(t, 200, 0)
	if secrets := r.at("webhook_secrets").([]any); len(secrets) != 1 || r.at("webhook_secrets", 0, "url") != "https://example.com/other" || r.at("webhook_secrets", 0, "secret") == secret {
		t.Error(r.raw)
	}
	after := kept()
	if after.Webhooks[1] != before.Webhooks[0] || after.Name != "Boss" || after.Every != "weekly" || after.Language != "ru" || !after.Since.Equal(before.Since) {
		t.Errorf("%+v", after)
	}
	// One that nobody has read, or too many, is made anew.
	r = put(`{"new_secrets": ["https://example.com/hook"]}`)
	r.want(t, 200, 0)
	if fresh := r.at("webhook_secrets").([]any); len(fresh) != 1 || r.at("webhook_secrets", 0, "url") != "https://example.com/hook" || r.at("webhook_secrets", 0, "secret") == secret {
		t.Error(r.raw)
	}
	if again := kept(); again.Webhooks[0] != after.Webhooks[0] || again.Webhooks[1].Salt == after.Webhooks[1].Salt {
		t.Errorf("%+v", again)
	}
	put(`{"new_secrets": ["https://example.com/none"]}`).want(t, 200, schemas.CodeInvalid)
	put(`{"is_active": false, "webhooks": []}`).has(t, "schedule.next_at", nil)
	time.Sleep(time.Until(before.Since.Add(time.Second))) // stamps are whole seconds
	put(`{"is_active": true}`).want(t, 200, 0)
	if kept().Since.Equal(before.Since) {
		t.Error("what would have fallen due while it was switched off is made up for")
	}
	put(`{"emails": []}`).want(t, 200, schemas.CodeFieldsMissing)

	// What became of it.
	the.mustSave(t, x, schemas.ScheduleRun{Schedule: 1, Reports: []schemas.Scheduled{
		{Schedule: 1, From: "2026-10-05", To: "2026-10-11", Status: "error", Error: "no plan"},
		{Schedule: 1, From: "2026-10-12", To: "2026-10-18", TaskCode: "0199aaaa-0000-7000-8000-000000000001", Status: "completed", Files: []string{"report_1.pdf"}, Sends: []schemas.Send{
			{Way: schemas.SendEmail, To: "head@example.com", Tries: 2, Sent: before.CreatedAt},
			{Way: schemas.SendWebhook, To: "https://example.com/hook", Salt: "SALT", Tries: 5, Error: "the receiver answers 500"},
			{Way: schemas.SendWebhook, To: "https://example.com/other", Salt: "SALT", Next: before.CreatedAt}}}}})
	r = s.get(t, "/user/report_schedules/1", x.token)
	for path, want := range map[string]any{"schedule.last_error": "https://example.com/hook: the receiver answers 500", "schedule.last_reports.0.files": []any{"report_1.pdf"},
		"schedule.last_reports.0.recipients.0.status": "sent", "schedule.last_reports.0.recipients.1.status": "failed", "schedule.last_reports.0.recipients.2.status": "waiting",
		"schedule.last_reports.1.error_message": "no plan", "schedule.last_reports.1.task_code": nil} {
		r.has(t, path, want)
	}
	s.send(t, http.MethodDelete, "/user/report_schedules/1", x.token, nil).has(t, "message", "Scheduled report deleted")
	s.get(t, "/user/report_schedules/1", x.token).want(t, 200, schemas.CodeNoRecord)
	if run, err := state.Get[schemas.ScheduleRun](t.Context(), the.store, x.org, schemas.KindScheduleRun, 1); run != nil || err != nil {
		t.Errorf("%+v %v", run, err)
	}
	actions := map[string]int{}
	for _, e := range audited(t, x.org, 6) {
		actions[e.Action+" "+e.Object]++
	}
	if want := map[string]int{"settings report_schedule/1": 5, "delete report_schedule/1": 1}; !reflect.DeepEqual(actions, want) {
		t.Error(actions)
	}
}

// A client that did not read an answer asks again: for the same schedule, whose
// secrets it gets, and for the end of the same one.
func TestReportSchedulesAgain(t *testing.T) {
	s, x := scheduling(t), newTenant(t)
	body, key := `{"name": "a", "frequency": "daily", "webhooks": ["https://example.com/hook"]}`, []string{"Idempotency-Key", "k"}
	first := s.post(t, "/user/report_schedules", x.token, body, key...)
	first.has(t, "webhook_secrets.0.url", "https://example.com/hook")
	if again := s.post(t, "/user/report_schedules", x.token, body, key...); again.raw != first.raw {
		t.Errorf("first %s, then %s", first.raw, again.raw)
	}
	s.post(t, "/user/report_schedules", x.token, strings.Replace(body, "daily", "weekly", 1), key...).want(t, http.StatusUnprocessableEntity, schemas.CodeKeyReused)
	s.post(t, "/user/report_schedules", x.token, body).has(t, "schedule.id", 2.0) // without a key it is another one, of the same name

	the.mustSave(t, x, schemas.ScheduleRun{Schedule: 1})
	err := the.store.InTurn(t.Context(), x.org, schemas.ScheduleTurn(1), func(context.Context) error { // somebody is at its reports
		s.send(t, http.MethodDelete, "/user/report_schedules/1", x.token, nil).want(t, http.StatusConflict, schemas.CodeInProgress)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.send(t, http.MethodDelete, "/user/report_schedules/1", x.token, nil).want(t, 200, 0)
	if run, err := state.Get[schemas.ScheduleRun](t.Context(), the.store, x.org, schemas.KindScheduleRun, 1); run != nil || err != nil {
		t.Errorf("%+v %v", run, err)
	}
}

// mustSave writes what became of a schedule.
func (w *world) mustSave(t *testing.T, x tenant, run schemas.ScheduleRun) {
	t.Helper()
	if err := w.door.Save(t.Context(), x.org, schemas.KindScheduleRun, idText(run.Schedule), run); err != nil {
		t.Fatal(err)
	}
}

func TestReportSchedulesRefuse(t *testing.T) {
	s, x := scheduling(t), newTenant(t)
	many, err := json.Marshal(strings.Split(strings.TrimSuffix(strings.Repeat("https://example.com/x,", schemas.MaxRecipients-1), ",")+",https://example.com/y", ","))
	if err != nil {
		t.Fatal(err)
	}
	for body, code := range map[string]schemas.Code{
		`{"name": "a", "emails": ["a@b.example"]}`:                                                                   schemas.CodeMissing,
		`{"frequency": "daily", "emails": ["a@b.example"]}`:                                                          schemas.CodeMissing,
		`{"name": " ", "frequency": "daily", "emails": ["a@b.example"]}`:                                             schemas.CodeFieldsMissing,
		`{"name": "a", "frequency": "daily"}`:                                                                        schemas.CodeFieldsMissing,
		`{"name": "a", "frequency": "daily", "emails": ["Anna <a@b.example>"]}`:                                      schemas.CodeInvalid,
		`{"name": "a", "frequency": "daily", "emails": ["a@b.example\r\nBcc: c@d.example"]}`:                         schemas.CodeInvalid,
		`{"name": "a", "frequency": "daily", "emails": ["nobody"]}`:                                                  schemas.CodeInvalid,
		`{"name": "a", "frequency": "daily", "webhooks": ["ftp://example.com"]}`:                                     schemas.CodeInvalid,
		`{"name": "a", "frequency": "daily", "webhooks": ["https://u:secret@example.com"]}`:                          schemas.CodeInvalid,
		`{"name": "a", "frequency": "hourly", "emails": ["a@b.example"]}`:                                            schemas.CodeInvalid,
		`{"name": "a", "frequency": "daily", "time": "25:00", "emails": ["a@b.example"]}`:                            schemas.CodeInvalid,
		`{"name": "a", "frequency": "daily", "time_zone": "Mars", "emails": ["a@b.example"]}`:                        schemas.CodeInvalid,
		`{"name": "a", "frequency": "daily", "report_type": "monthly", "emails": ["a@b.example"]}`:                   schemas.CodeInvalid,
		`{"name": "a", "frequency": "weekly", "report_type": "daily", "emails": ["a@b.example"]}`:                    schemas.CodeInvalid,
		`{"name": "a", "frequency": "daily", "language": "de", "emails": ["a@b.example"]}`:                           schemas.CodeInvalid,
		`{"name": "` + strings.Repeat("a", 256) + `", "frequency": "daily", "emails": ["a@b.example"]}`:              schemas.CodeInvalid,
		`{"name": "a", "frequency": "daily", "webhooks": ["https://example.com/` + strings.Repeat("a", 2000) + `"]}`: schemas.CodeInvalid,
	} {
		s.post(t, "/user/report_schedules", x.token, body).want(t, 200, code)
	}
	s.post(t, "/user/report_schedules", x.token, `{"name": "the same, again and again", "frequency": "daily", "webhooks": `+string(many)+`}`).want(t, 200, 0)
	addresses := make([]string, schemas.MaxRecipients+1)
	for i := range addresses {
		addresses[i] = idText(int64(i)) + "@b.example"
	}
	s.post(t, "/user/report_schedules", x.token, map[string]any{"name": "a", "frequency": "daily", "emails": addresses}).want(t, 200, schemas.CodeInvalid)
	for range schemas.MaxSchedules - 1 {
		s.post(t, "/user/report_schedules", x.token, `{"name": "a", "frequency": "monthly", "emails": ["a@b.example"]}`).want(t, 200, 0)
	}
	s.post(t, "/user/report_schedules", x.token, `{"name": "one more", "frequency": "monthly", "emails": ["a@b.example"]}`).want(t, 200, schemas.CodeInvalid)
}

// Schedules are the organisation's, and an agent's nothing.
func TestWhoMaySeeReportSchedules(t *testing.T) {
	s, x, other := scheduling(t), newTenant(t), newTenant(t)
	s.post(t, "/user/report_schedules", x.token, `{"name": "secret", "frequency": "monthly", "emails": ["a@b.example"]}`).want(t, 200, 0)
	agent, supervisor := colleague(t, x, 2, roleAgent), colleague(t, x, 3, "supervisor")
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/user/report_schedules/1", ""}, {"PUT", "/user/report_schedules/1", `{"name": "b"}`},
		{"POST", "/user/report_schedules/1/test", ""}, {"DELETE", "/user/report_schedules/1", ""},
	} {
		ask := func(token, path string) reply { return s.send(t, c.method, path, token, strings.NewReader(c.body)) }
		theirs, missing := ask(other.token, c.path), ask(other.token, strings.Replace(c.path, "/1", "/99", 1))
		missing.want(t, 200, schemas.CodeNoRecord)
		if theirs.raw != missing.raw {
			t.Errorf("%s of another organisation: %s", c.path, theirs.raw)
		}
		ask(agent.token, c.path).want(t, 200, schemas.CodeAccessDenied)
	}
	s.get(t, "/user/report_schedules", other.token).has(t, "schedules", []any{})
	s.get(t, "/user/report_schedules", agent.token).want(t, 200, schemas.CodeAccessDenied)
	s.post(t, "/user/report_schedules", agent.token, `{"name": "a", "frequency": "daily", "emails": ["a@b.example"]}`).want(t, 200, schemas.CodeAccessDenied)
	s.get(t, "/user/report_schedules", supervisor.token).has(t, "schedules.0.name", "secret")
}

func TestATestMessage(t *testing.T) {
	s, x := scheduling(t), newTenant(t)
	type seen struct {
		body   string
		header http.Header
	}
	got := make(chan seen, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- seen{string(body), r.Header}
	}))
	defer hook.Close()
	r := s.post(t, "/user/report_schedules", x.token, map[string]any{"name": "a", "frequency": "daily", "language": "en", "emails": []string{"a@b.example"}, "webhooks": []string{hook.URL, "http://10.0.0.1/token"}})
	r.want(t, 200, 0)
	verifier, err := standardwebhooks.NewWebhook(r.at("webhook_secrets", 0, "secret").(string))
	if err != nil {
		t.Fatal(err)
	}
	r = s.post(t, "/user/report_schedules/1/test", x.token, "", "Accept-Language", "ru")
	for path, want := range map[string]any{"recipients.0.type": "email", "recipients.0.status": "failed", "recipients.0.error_message": "почтовый сервер не настроен; это делает администратор: EARSHOT_SMTP_URL",
		"recipients.1.type": "webhook", "recipients.1.status": "sent", "recipients.1.error_message": nil, "recipients.2.status": "failed"} {
		r.has(t, path, want)
	}
	if private, _ := r.at("recipients", 2, "error_message").(string); !strings.Contains(private, "EARSHOT_FETCH_ALLOW") || strings.Contains(private, "token") {
		t.Error(private)
	}
	message := <-got
	if err := verifier.Verify([]byte(message.body), message.header); err != nil || !strings.Contains(message.body, `"event":"report.test"`) || !strings.Contains(message.body, `"language":"en"`) {
		t.Errorf("%v %s", err, message.body)
	}
	for range testsAMinute - 1 {
		s.post(t, "/user/report_schedules/1/test", x.token, "").want(t, 200, 0)
	}
	s.post(t, "/user/report_schedules/1/test", x.token, "").want(t, 429, schemas.CodeTooMany)
}
