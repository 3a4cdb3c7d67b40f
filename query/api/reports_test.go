package api

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
	"gocloud.dev/blob/memblob"

	"earshot/schemas"
	"earshot/schemas/report"
)

// orderReport orders a business report of a day, or what fields say.
func orderReport(t *testing.T, x tenant, fields map[string]any, headers ...string) reply {
	t.Helper()
	body := map[string]any{"start_date": "2025-10-01", "end_date": "2025-10-01", "report_type": "business"}
	maps.Copy(body, fields)
	return the.post(t, "/user/callreport", x.token, body, headers...)
}

// produce puts events on the log.
func produce(t *testing.T, topic string, events ...any) {
	t.Helper()
	client, err := the.engines.Kafka()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var codec schemas.Codec
	for _, e := range events {
		r, err := codec.Record(topic, "test", e)
		if err == nil {
			err = client.ProduceSync(t.Context(), r).FirstErr()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// madeReport is a report of x that is completed, with its files.
func madeReport(t *testing.T, x tenant, id int64, files map[string]string) schemas.Task {
	t.Helper()
	task := schemas.Task{Code: uuid.Must(uuid.NewV7()).String(), ID: id, Org: x.org, User: x.user.ID, Type: schemas.TypeReport, ReportType: schemas.ReportStandard,
		Source: schemas.SourceReport, Language: "en", CreatedAt: time.Now().UTC().Truncate(time.Microsecond)}
	names := slices.Sorted(maps.Keys(files))
	for name, content := range files {
		if err := the.engines.Blobs.WriteAll(t.Context(), schemas.ReportKey(task, name), []byte(content), nil); err != nil {
			t.Fatal(err)
		}
	}
	produce(t, schemas.TopicStatus, schemas.TaskStatus{Task: task, Status: schemas.StatusCompleted, Version: schemas.StatusVersion(schemas.StatusCompleted), UpdatedAt: time.Now().UTC(), Files: names})
	eventually(t, "the state has the report", func() bool {
		_, err := the.store.Report(t.Context(), task.Code)
		return err == nil
	})
	return task
}

func reportURL(code, name string) string {
	return "/user/callreport/file?" + url.Values{"task_code": {code}, "filename": {name}}.Encode()
}

// order is what the log has of a report.
func orderOf(t *testing.T, code string) (found schemas.TaskSubmitted) {
	t.Helper()
	client, err := the.engines.Kafka(kgo.ConsumeTopics(schemas.TopicReport), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var codec schemas.Codec
	for found.Task.Code == "" && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			var e schemas.TaskSubmitted
			if err := codec.Decode(r.Value, &e); err != nil {
				t.Error(err)
			}
			if e.Task.Code == code {
				found = e
			}
		})
	}
	if found.Report == nil {
		t.Fatalf("the log has no order of %s: %+v", code, found)
	}
	return found
}

func TestReportBecomesATask(t *testing.T) {
	x := newTenant(t)
	at := func(s string) time.Time {
		got, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return got.UTC()
	}
	for _, c := range []struct {
		start, end, zone string
		from, until      string
	}{
		{"2025-10-01", "2025-10-31", "", "2025-10-01T00:00:00Z", "2025-11-01T00:00:00Z"},
		{"2025-10-26", "2025-10-26", "Europe/Berlin", "2025-10-25T22:00:00Z", "2025-10-26T23:00:00Z"}, // a day of 25 hours
		{"2025-10-01T08:00:00+03:00", "2025-10-01T12:30:00Z", "", "2025-10-01T05:00:00Z", "2025-10-01T12:30:00Z"},
		{"2025-10-01T08:00", "2025-10-02", "Asia/Tokyo", "2025-09-30T23:00:00Z", "2025-10-02T15:00:00Z"},
		{"2025-01-01", "2026-02-04", "Europe/London", "2025-01-01T00:00:00Z", "2026-02-05T00:00:00Z"},    // 400 days
		{"2025-09-07", "2025-09-07", "America/Santiago", "2025-09-07T04:00:00Z", "2025-09-08T03:00:00Z"}, // has no midnight
		{"2025-09-06", "2025-09-06", "America/Santiago", "2025-09-06T04:00:00Z", "2025-09-07T04:00:00Z"},
		{"2025-10-31T10:00", "2025-10-31", "", "2025-10-31T10:00:00Z", "2025-11-01T00:00:00Z"}, // from a time on, to the end of the day
	} {
		r := orderReport(t, x, map[string]any{"start_date": c.start, "end_date": c.end, "time_zone": c.zone, "report_type": nil}, "Accept-Language", "ru")
		r.want(t, 200, 0)
		code, _ := r.at("report_task_code").(string)
		got := orderOf(t, code)
		if !got.Report.From.Equal(at(c.from)) || !got.Report.Until.Equal(at(c.until)) || c.zone != "" && got.Report.Zone != c.zone {
			t.Errorf("%s to %s in %q is %+v", c.start, c.end, c.zone, got.Report)
		}
		want := schemas.Task{Code: code, ID: got.Task.ID, Org: x.org, User: 1, Type: schemas.TypeReport, Source: schemas.SourceReport, Processing: schemas.ProcessStandard,
			ReportType: schemas.ReportStandard, Language: "ru", CreatedAt: got.Task.CreatedAt, Digest: got.Task.Digest}
		if got.Task != want {
			t.Errorf("got  %+v\nwant %+v", got.Task, want)
		}
		if r.at("success_message") != "Задача отчёта создана" || r.at("available_report_count") != nil {
			t.Error(r.raw)
		}
	}
	// English is asked for, whatever else is spoken.
	r := orderReport(t, x, map[string]any{"language": "en", "report_type": "Daily"}, "Accept-Language", "ru")
	r.want(t, 200, 0)
	if got := orderOf(t, r.at("report_task_code").(string)).Task; got.Language != "en" || got.Resource != schemas.ResourceDailyReports || got.Reserved != 1 {
		t.Errorf("%+v", got)
	}
	task := the.get(t, "/gettask?task_code="+r.at("report_task_code").(string), x.token)
	task.has(t, "type", "callreport")
	task.has(t, "report_type", "daily")
	task.has(t, "status", "pending")
	task.has(t, "task_length", 0.0)
	task.has(t, "short_code", r.at("report_short_code"))
	task.has(t, "task_result", nil)
}

func TestReportsAreRefused(t *testing.T) {
	x := newTenant(t)
	for _, c := range []struct {
		fields map[string]any
		code   schemas.Code
	}{
		{map[string]any{"start_date": nil}, schemas.CodeNoDates},
		{map[string]any{"end_date": ""}, schemas.CodeNoDates},
		{map[string]any{"start_date": "01.10.2025"}, schemas.CodeBadDate},
		{map[string]any{"end_date": "2025-02-30"}, schemas.CodeBadDate},
		{map[string]any{"end_date": 20251001}, schemas.CodeBadDate},
		{map[string]any{"end_date": "9999-01-01"}, schemas.CodeBadDate},
		{map[string]any{"start_date": "2025-10-02"}, schemas.CodeDatesReversed},
		{map[string]any{"start_date": "2025-10-02T00:00"}, schemas.CodeDatesReversed},
		{map[string]any{"start_date": "2025-10-01T10:00:00Z", "end_date": "2025-10-01T09:59:59Z"}, schemas.CodeDatesReversed},
		{map[string]any{"start_date": "2025-10-01T10:00:00Z", "end_date": "2025-10-01T11:00:00+01:00"}, schemas.CodeInvalid}, // no time at all
		{map[string]any{"start_date": "2024-08-01", "end_date": "2025-10-01"}, schemas.CodeInvalid},
		{map[string]any{"report_type": "weekly"}, schemas.CodeInvalid},
		{map[string]any{"language": "fr"}, schemas.CodeInvalid},
		{map[string]any{"time_zone": "Local"}, schemas.CodeInvalid},
		{map[string]any{"time_zone": "../etc/passwd"}, schemas.CodeInvalid},
		{map[string]any{"time_zone": "Mars/Olympus"}, schemas.CodeInvalid},
	} {
		r := orderReport(t, x, c.fields)
		r.want(t, 200, c.code)
		if r.at("error_message") == "" {
			t.Errorf("%v: %s", c.fields, r.raw)
		}
	}
	the.post(t, "/user/callreport", x.token, "[").want(t, 200, schemas.CodeInvalid)
	the.post(t, "/user/callreport", "", map[string]any{}).want(t, 401, schemas.CodeUnauthorized)
	the.post(t, "/user/callreport", "a bad one", map[string]any{}).want(t, 401, schemas.CodeUnauthorized)
	none := newTenantWith(t, nil)
	for _, kind := range []string{"standard", "business", "daily"} {
		orderReport(t, none, map[string]any{"report_type": kind}).want(t, 200, schemas.CodeNoReports)
	}
	the.get(t, "/user/tariff", x.token).has(t, "tariff.usage.used_report_count", 0.0)
}

// Many order at once, and never get more than the plan has; what fails gives its
// report back, what is done is counted once.
func TestBusinessReportsAreCounted(t *testing.T) {
	plan := schemas.Plans["enterprise"].Subscribe(time.Now().Add(-time.Hour))
	plan.Limits = maps.Clone(plan.Limits)
	plan.Limits[schemas.ResourceReports], plan.Limits[schemas.ResourceDailyReports] = 5, 1
	x, other := newTenantWith(t, &plan), newTenant(t)
	var group sync.WaitGroup
	answers := make([]reply, 20)
	for i := range answers {
		group.Go(func() { answers[i] = orderReport(t, x, nil) })
	}
	group.Wait()
	var codes []string
	for _, r := range answers {
		if code, ok := r.at("report_task_code").(string); ok {
			codes = append(codes, code)
			if left, ok := r.at("available_report_count").(float64); !ok || left < 0 || left > 4 {
				t.Errorf("left: %s", r.raw)
			}
			continue
		}
		r.want(t, 200, schemas.CodeNoReports)
	}
	if len(codes) != 5 {
		t.Fatalf("%d of 5 business reports were sold", len(codes))
	}
	orderReport(t, x, map[string]any{"report_type": "daily"}).want(t, 200, 0)
	orderReport(t, x, map[string]any{"report_type": "daily"}).want(t, 200, schemas.CodeNoReports)
	for range 3 { // operator quality is without limit
		orderReport(t, x, map[string]any{"report_type": "standard"}).want(t, 200, 0)
	}
	orderReport(t, other, nil).has(t, "available_report_count", 30.0)

	task := submitted(t, x, codes[0])
	produce(t, schemas.TopicStatus, schemas.TaskStatus{Task: task, Status: schemas.StatusError, Version: schemas.StatusVersion(schemas.StatusError), ErrorCode: 5003, Error: "Report generation error", UpdatedAt: time.Now().UTC()})
	done := submitted(t, x, codes[1])
	usage := schemas.UsageRecorded{ID: done.Code + "/" + done.Resource, Org: x.org, TaskCode: done.Code, Resource: done.Resource, Units: 1, At: time.Now().UTC()}
	produce(t, schemas.TopicUsage, usage, usage)
	produce(t, schemas.TopicStatus, schemas.TaskStatus{Task: done, Status: schemas.StatusCompleted, Version: schemas.StatusVersion(schemas.StatusCompleted), UpdatedAt: time.Now().UTC(), Files: []string{"report_1.pdf"}})
	eventually(t, "the failed one is given back", func() bool {
		return the.get(t, "/user/tariff", x.token).at("tariff", "remaining_resources", "available_report_count") == 1.0
	})
	the.get(t, "/gettask?task_code="+task.Code, x.token).has(t, "task.error_code", 5003.0)
	orderReport(t, x, nil).has(t, "available_report_count", 0.0)
	orderReport(t, x, nil).want(t, 200, schemas.CodeNoReports)
	q, err := the.store.Quota(t.Context(), x.org)
	if got := q.Resources[schemas.ResourceReports]; err != nil || got.Used != 1 || got.Reserved != 4 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestReportIsOrderedOnce(t *testing.T) {
	x := newTenant(t)
	key := []string{"Idempotency-Key", "monday"}
	first := orderReport(t, x, nil, key...)
	first.want(t, 200, 0)
	again := orderReport(t, x, nil, key...)
	again.has(t, "report_task_code", first.at("report_task_code"))
	again.has(t, "available_report_count", 30.0)
	orderReport(t, x, map[string]any{"end_date": "2025-10-02"}, key...).want(t, 422, schemas.CodeKeyReused)
	orderReport(t, x, map[string]any{"language": "ru"}, key...).want(t, 422, schemas.CodeKeyReused)
}

func TestReportFiles(t *testing.T) {
	x := newTenant(t)
	facts, err := json.Marshal(report.Report{Kind: schemas.ReportStandard, Organisation: "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"report_7.pdf": "%PDF-1.4 seven", "report_7.html": "<html>seven", "report_7.json": string(facts), "report_7.xlsx": "PK", "report_7_days.csv": "a,b"}
	task := madeReport(t, x, 7, files)
	short := shortCode(task.Code)
	if len(short) != 22 || strings.Contains(short, "7/") {
		t.Errorf("short code %q", short)
	}
	kinds := map[string]string{"report_7.pdf": "application/pdf", "report_7.html": "text/html; charset=utf-8", "report_7.json": "application/json; charset=utf-8",
		"report_7.xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "report_7_days.csv": "text/csv; charset=utf-8"}
	for name, content := range files {
		for _, code := range []string{task.Code, short, strings.ReplaceAll(task.Code, "-", "")} {
			r := the.get(t, reportURL(code, name), "")
			want := map[string]string{"Content-Type": kinds[name], "Content-Disposition": `attachment; filename="` + name + `"`, "X-Content-Type-Options": "nosniff",
				"Content-Security-Policy": "sandbox", "Cache-Control": "private, no-cache", "Referrer-Policy": "no-referrer"}
			for header, value := range want {
				if r.header.Get(header) != value {
					t.Errorf("%s: %s is %q, want %q", name, header, r.header.Get(header), value)
				}
			}
			if r.status != 200 || r.raw != content {
				t.Errorf("%s: %d %q", name, r.status, r.raw)
			}
		}
	}
	part := the.get(t, reportURL(task.Code, "report_7.pdf"), "", "Range", "bytes=1-3")
	if part.status != 206 || part.raw != "PDF" {
		t.Errorf("a part: %d %q", part.status, part.raw)
	}
	head := the.send(t, http.MethodHead, reportURL(task.Code, "report_7.pdf"), "", nil)
	if head.status != 200 || head.raw != "" || head.header.Get("Content-Length") != "14" {
		t.Errorf("HEAD: %d %q %v", head.status, head.raw, head.header)
	}
	done := the.get(t, "/gettask?task_code="+task.Code, x.token)
	if names, _ := done.at("task_result", "files").([]any); len(names) != len(files) {
		t.Error(done.raw)
	}
	done.has(t, "task_result.original_text", nil)
	for _, e := range audited(t, x.org, 3*len(files)+1) {
		name := strings.TrimPrefix(e.Object, "task/"+task.Code+"/")
		if files[name] == "" || e.Action != schemas.AuditDownload || e.User != 0 || e.Address == "" {
			t.Errorf("%+v", e)
		}
	}
}

// No name leads anywhere but to a file of that task, and nothing tells another's
// report from one that is not there.
func TestReportFilesAreNoWayOut(t *testing.T) {
	x, other := newTenant(t), newTenant(t)
	task, theirs := madeReport(t, x, 7, map[string]string{"report_7.pdf": "mine"}), madeReport(t, other, 8, map[string]string{"report_8.pdf": "theirs"})
	audio := upload(t, the.service, x, file("a.wav", wave(3, 8000, 1))).at("code").(string)
	pending := orderReport(t, x, nil).at("report_task_code").(string)
	for _, c := range []struct {
		code, name string
		want       schemas.Code
	}{
		{"", "report_7.pdf", schemas.CodeInvalid}, {task.Code, "", schemas.CodeInvalid},
		{task.Code, "../" + task.Code + "/report_7.pdf", schemas.CodeMissing},
		{task.Code, "..", schemas.CodeMissing}, {task.Code, `..\report_7.pdf`, schemas.CodeMissing},
		{task.Code, "/etc/passwd", schemas.CodeMissing}, {task.Code, "report_7.pdf\x00.html", schemas.CodeMissing},
		{task.Code, "report_7.pdf\n", schemas.CodeMissing}, {task.Code, "\xff.pdf", schemas.CodeMissing}, {task.Code, strings.Repeat("a", 256), schemas.CodeMissing},
		{task.Code, "%2e%2e%2freport_7.pdf", schemas.CodeBadPath}, {task.Code, "C:report_7.pdf", schemas.CodeBadPath}, {task.Code, "~root", schemas.CodeBadPath},
		{task.Code, ".", schemas.CodeBadPath}, {task.Code, ".hidden", schemas.CodeBadPath},
		{task.Code, "report_8.pdf", schemas.CodeBadLink}, {task.Code, "report_7.PDF", schemas.CodeBadLink}, {task.Code, "report_7.pdf ", schemas.CodeBadLink},
		{uuid.NewString(), "report_7.pdf", schemas.CodeNoResource}, {"7", "report_7.pdf", schemas.CodeNoResource}, {audio, "a.wav", schemas.CodeNoResource},
		{shortCode(theirs.Code), "report_7.pdf", schemas.CodeBadLink}, {task.Code + "/", "report_7.pdf", schemas.CodeNoResource},
		{strings.Repeat("x", 4000), "report_7.pdf", schemas.CodeNoResource}, {pending, "report_1.pdf", schemas.CodeNoResource},
	} {
		// Another's token opens nothing, and closes nothing.
		for _, token := range []string{"", other.token} {
			r := the.get(t, reportURL(c.code, c.name), token)
			r.want(t, 200, c.want)
			if strings.Contains(r.raw, "mine") || strings.Contains(r.raw, "theirs") || strings.Contains(r.raw, x.org) {
				t.Errorf("%q: %s", c.name, r.raw)
			}
		}
	}
	// Named, and gone from the store.
	gone := madeReport(t, x, 9, map[string]string{"report_9.pdf": "gone"})
	if err := the.engines.Blobs.Delete(t.Context(), schemas.ReportKey(gone, "report_9.pdf")); err != nil {
		t.Fatal(err)
	}
	the.get(t, reportURL(gone.Code, "report_9.pdf"), "").want(t, 200, schemas.CodeBadLink)
	// gettask keeps to the organisation, as for every task.
	missing := the.get(t, "/gettask?task_code="+uuid.NewString(), other.token)
	if r := the.get(t, "/gettask?task_code="+task.Code, other.token); r.raw != missing.raw {
		t.Errorf("another's report: %s", r.raw)
	}
}

func TestReportFilesOfNobody(t *testing.T) {
	x := newTenant(t)
	task := madeReport(t, x, 7, map[string]string{"report_7.pdf": "mine"})
	the.get(t, reportURL(task.Code, "report_7.pdf"), "").has200(t, "mine")
	put(t, x.org, schemas.KindOrganisation, x.org, 2, schemas.Organisation{ID: x.org, Name: x.org, Disabled: true})
	the.get(t, reportURL(task.Code, "report_7.pdf"), "").want(t, 200, schemas.CodeNoPlan)
	put(t, x.org, schemas.KindOrganisation, x.org, 3, schemas.Organisation{ID: x.org, Name: x.org})
	the.get(t, reportURL(task.Code, "report_7.pdf"), "").has200(t, "mine")
	stranger := x
	stranger.user.ID = 99
	the.get(t, reportURL(madeReport(t, stranger, 8, map[string]string{"report_8.pdf": "nobody's"}).Code, "report_8.pdf"), "").want(t, 200, schemas.CodeNoPlan)
}

func (r reply) has200(t *testing.T, content string) {
	t.Helper()
	if r.status != 200 || r.raw != content {
		t.Errorf("got %d %s, want %q", r.status, r.raw, content)
	}
}

func TestReportFilesFromABrokenStoreOrTooOften(t *testing.T) {
	x := newTenant(t)
	task := madeReport(t, x, 7, map[string]string{"report_7.pdf": "mine"})
	deps := the.deps
	broken := memblob.OpenBucket(nil)
	if err := broken.Close(); err != nil {
		t.Fatal(err)
	}
	deps.Blobs = broken
	s := serve(t, deps, func(c *Config) { c.StrangerLimit = 3 })
	r := s.get(t, reportURL(task.Code, "report_7.pdf"), "")
	r.want(t, 500, schemas.CodeHandler)
	if strings.Contains(r.raw, "memblob") || strings.Contains(r.raw, x.org) {
		t.Error(r.raw)
	}
	for range 2 {
		s.get(t, reportURL(uuid.NewString(), "report_7.pdf"), "").want(t, 200, schemas.CodeNoResource)
	}
	s.get(t, reportURL(task.Code, "report_7.pdf"), "").want(t, 429, schemas.CodeTooMany)
}

func TestReportsAreFound(t *testing.T) {
	warehoused(t)
	x := newTenant(t)
	code := orderReport(t, x, nil).at("report_task_code")
	for _, find := range []func() reply{
		func() reply { return the.get(t, "/tasks/filter?task_type=callreport", x.token) },
		func() reply {
			return the.post(t, "/tasks/filter", x.token, map[string]string{"task_type": "callreport"})
		},
	} {
		eventually(t, "the filter finds the report", func() bool { return find().at("pagination", "total_tasks") == 1.0 })
		found := find()
		for name, want := range map[string]any{"task_code": code, "report_type": "business", "task_length": 0.0, "type": "callreport"} {
			if got := found.at("tasks", 0, name); got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
	}
	the.get(t, "/tasks/filter?task_type=callreport", newTenant(t).token).has(t, "pagination.total_tasks", 0.0)
}

// A report survives the loss of Redis: its code, its files and that it was paid.
func TestReportsSurviveAFlush(t *testing.T) {
	x := newTenant(t)
	task := madeReport(t, x, 7, map[string]string{"report_7.pdf": "mine"})
	if err := the.engines.Redis.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the state is built again", func() bool { return the.store.Ready(t.Context()) == nil })
	the.get(t, reportURL(task.Code, "report_7.pdf"), "").has200(t, "mine")
	got, err := the.store.Report(t.Context(), task.Code)
	if err != nil || !slices.Equal(got.Files, []string{"report_7.pdf"}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := the.store.Report(t.Context(), uuid.NewString()); err == nil || errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
