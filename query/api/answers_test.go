package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"earshot/schemas"
)

// has checks one field, "a.b.0.c"; a missing field is not null.
func (r reply) has(t *testing.T, path string, want any) {
	t.Helper()
	var v any = r.body
	for _, p := range strings.Split(path, ".") {
		there := false
		switch x := v.(type) {
		case map[string]any:
			v, there = x[p]
		case []any:
			if i, err := strconv.Atoi(p); err == nil && i < len(x) {
				v, there = x[i], true
			}
		}
		if !there {
			t.Errorf("no %s in %s", path, r.raw)
			return
		}
	}
	if !reflect.DeepEqual(v, want) {
		t.Errorf("%s is %#v, want %#v", path, v, want)
	}
}

func (r reply) isTime(t *testing.T, path, layout string) {
	t.Helper()
	var steps []any
	for _, p := range strings.Split(path, ".") {
		if i, err := strconv.Atoi(p); err == nil {
			steps = append(steps, i)
		} else {
			steps = append(steps, p)
		}
	}
	s, _ := r.at(steps...).(string)
	if _, err := time.Parse(layout, s); err != nil {
		t.Errorf("%s is %q, want the form %s", path, s, layout)
	}
}

const offsetForm = "2006-01-02T15:04:05+00:00"

// row is a task in ClickHouse, as the warehouse writes it.
type row struct {
	code, status, kind, file, operator, callType, text, failure string
	id, directory                                               int64
	seconds                                                     float64
	callTime                                                    time.Time
	analysis                                                    *schemas.Analysis
}

func insert(t *testing.T, x tenant, r row) string {
	t.Helper()
	if r.code == "" {
		id, err := uuid.NewV7()
		if err != nil {
			t.Fatal(err)
		}
		r.code = id.String()
	}
	var analysis string
	var csat *uint8
	if r.analysis != nil {
		if r.analysis.Task.Code == "" {
			r.analysis.Task.Code = r.code
		}
		r.analysis.Resolution = cmp.Or(r.analysis.Resolution, "unknown") // as analyze has it
		b, err := json.Marshal(r.analysis)
		if err != nil {
			t.Fatal(err)
		}
		analysis = string(b)
		if r.analysis.CSAT != nil {
			n := uint8(*r.analysis.CSAT)
			csat = &n
		}
	}
	now := time.Now().UTC()
	var callTime, callDate *time.Time
	at := now
	if !r.callTime.IsZero() {
		callTime, callDate, at = &r.callTime, &r.callTime, r.callTime
	}
	err := the.engines.ClickHouse.Exec(t.Context(), `INSERT INTO interactions (org, code, version, updated_at, status, id, type, file_name, operator_name,
		call_type, call_time, call_date, call_datetime, created_at, seconds, length, directory_id, text, csat, analysis, error_message)
		SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?`,
		x.org, r.code, schemas.StatusVersion(r.status)<<32, now, r.status, r.id, r.kind, r.file, r.operator,
		r.callType, callTime, callDate, at, now, r.seconds, minutes(r.seconds), r.directory, r.text, csat, analysis, r.failure)
	if err != nil {
		t.Fatal(err)
	}
	return r.code
}

// submitChat puts a chat through the front door.
func submitChat(t *testing.T, x tenant, body map[string]any) string {
	t.Helper()
	r := the.post(t, "/add_chat_analysis_task", x.token, body)
	r.want(t, 200, 0)
	code, _ := r.at("task_code").(string)
	return code
}

func TestGetTask(t *testing.T) {
	x := newTenant(t)
	put(t, x.org, schemas.KindDirectory, "77", 1, schemas.Directory{ID: 77, Name: "Calls"})
	code := submitChat(t, x, map[string]any{"text": "Оператор: Здравствуйте\nКлиент: Добрый день", "directory_id": 77, "call_date": "2025-10-20"})
	r := the.get(t, "/gettask?task_code="+strings.ToUpper(code), x.token)
	r.want(t, 200, 0)
	for path, want := range map[string]any{
		"success": true, "id": 1.0, "type": "chat", "status": "pending", "file_name": nil, "call_date": "2025-10-20", "error_message": nil,
		"directory_id": 77.0, "report_type": nil, "task_code": code, "task_length": 0.0, "task_result.blog_post": nil, "task_result.image_prompt": nil,
		"task_result.normalized_text": nil, "task_result.original_text": "Operator: Здравствуйте\nClient: Добрый день",
		"task.error_code": 0.0, "task.error_message": nil,
	} {
		r.has(t, path, want)
	}
	r.isTime(t, "created_at", offsetForm)
	r.isTime(t, "updated_at", offsetForm)

	call := upload(t, the.service, x, file("a.wav", wave(3, 8000, 2)))
	call.want(t, 200, 0)
	r = the.get(t, "/gettask?task_code="+call.at("code").(string), x.token)
	r.want(t, 200, 0)
	r.has(t, "type", "call")
	r.has(t, "file_name", "a.wav")
	r.has(t, "task_length", 0.05)
	r.has(t, "task_result", nil) // nothing is transcribed yet
	finish(t, x, call.at("code").(string), schemas.StatusError)
	r = the.get(t, "/gettask?task_code="+call.at("code").(string), x.token)
	r.want(t, 200, 0) // the request went well, the task did not
	for path, want := range map[string]any{"success": true, "status": "error", "error_message": "broken", "task.error_code": float64(schemas.CodeUndecodable), "task.error_message": "broken"} {
		r.has(t, path, want)
	}

	the.get(t, "/gettask", x.token).want(t, 200, schemas.CodeNoTaskCode)
	the.get(t, "/gettask?task_code=", x.token).want(t, 200, schemas.CodeNoTaskCode)
	missing := the.get(t, "/gettask?task_code="+uuid.NewString(), x.token)
	missing.want(t, 200, schemas.CodeTaskNotFound)
	if odd := the.get(t, "/gettask?task_code=%00*%7B", x.token); odd.raw != missing.raw {
		t.Errorf("no code at all answers %s, an unknown one %s", odd.raw, missing.raw)
	}
	if missing.at("success") != false || missing.at("error_message") != "Task not found" {
		t.Error(missing.raw)
	}
}

// When Redis no longer has the text, ClickHouse does.
func TestGetTaskReadsTheTextFromTheWarehouse(t *testing.T) {
	x := newTenant(t)
	code := submitChat(t, x, map[string]any{"text": "Operator: from Redis"})
	finish(t, x, code, schemas.StatusCompleted)
	if err := the.engines.Redis.Del(t.Context(), "earshot:{"+x.org+"}:x:"+code).Err(); err != nil {
		t.Fatal(err)
	}
	insert(t, x, row{code: code, status: schemas.StatusCompleted, kind: schemas.TypeChat, text: "Operator: from ClickHouse"})
	the.get(t, "/gettask?task_code="+code, x.token).has(t, "task_result.original_text", "Operator: from ClickHouse")
}

// finish moves a task as the stages do, and waits until the state shows it.
func finish(t *testing.T, x tenant, code, status string) {
	t.Helper()
	ts, err := the.store.Task(t.Context(), x.org, code)
	if err != nil {
		t.Fatal(err)
	}
	var codec schemas.Codec
	e := schemas.TaskStatus{Task: ts.Task, Status: status, Version: schemas.StatusVersion(status), UpdatedAt: time.Now().UTC()}
	if status == schemas.StatusError {
		e.ErrorCode, e.Error = int64(schemas.CodeUndecodable), "broken"
	}
	rec, err := codec.Record(schemas.TopicStatus, "test", e)
	if err != nil {
		t.Fatal(err)
	}
	client, err := the.engines.Kafka()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the status "+status, func() bool {
		ts, err := the.store.Task(t.Context(), x.org, code)
		return err == nil && ts.Status == status
	})
}

func TestTariff(t *testing.T) {
	plan := schemas.Subscription{PlanID: 4, Name: "Enterprise", Identifier: "enterprise", Start: time.Now().Add(-time.Hour), End: time.Now().Add(36 * time.Hour),
		Limits: map[string]int64{schemas.ResourceChats: 500, schemas.ResourceCallMinutes: -1, schemas.ResourceImageTokens: 98}, Currency: "USD", Price: 99.9}
	x := newTenantWith(t, &plan)
	submitChat(t, x, map[string]any{"text": "Operator: hello"})
	r := the.get(t, "/user/tariff", x.token)
	if r.status != 200 {
		t.Fatal(r.raw)
	}
	want := map[string]any{
		"success": true, "errorcode": 0.0, "tariff.id": 4.0, "tariff.name": "Enterprise", "tariff.identifier": "enterprise", "tariff.days_left": 2.0,
		"tariff.text_tokens": 0.0, "tariff.image_tokens": 98.0, "tariff.transcription_enabled": false, "tariff.image_generation_enabled": true,
		"tariff.calls_enabled": true, "tariff.price.currency": "USD", "tariff.price.value": 99.9,
	}
	for resource, v := range map[string][3]float64{ // limit, available, used
		"audio_minutes": {0, 0, 0}, "call_minutes": {-1, -1, 0}, "text_tokens": {0, 0, 0}, "image_tokens": {98, 98, 0},
		"report_count": {0, 0, 0}, "video_minutes": {0, 0, 0}, "chat_count": {500, 499, 1},
	} {
		want["tariff.limits."+resource] = v[0]
		want["tariff.remaining_resources.available_"+resource] = v[1]
		want["tariff.usage.used_"+resource] = v[2]
	}
	for path, v := range want {
		r.has(t, path, v)
	}
	r.isTime(t, "tariff.start_date", "2006-01-02T15:04:05.000000Z")
	r.isTime(t, "tariff.end_date", "2006-01-02T15:04:05.000000Z")

	none := the.get(t, "/user/tariff", newTenantWith(t, nil).token)
	none.want(t, 200, schemas.CodeNoPlan)
	none.has(t, "errorcode", float64(schemas.CodeNoPlan))
	expired := plan
	expired.End = time.Now().Add(-time.Minute)
	the.get(t, "/user/tariff", newTenantWith(t, &expired).token).want(t, 200, schemas.CodeNoPlan)
}

func TestFilter(t *testing.T) {
	x := newTenant(t)
	nine := int64(9)
	code := insert(t, x, row{id: 5, status: schemas.StatusCompleted, kind: schemas.TypeCall, file: "rec.wav", operator: "Ivanov", callType: "inbound", directory: 123,
		seconds: 3852, callTime: time.Date(2025, 10, 20, 8, 45, 0, 0, time.UTC), analysis: &schemas.Analysis{CSAT: &nine}})
	insert(t, x, row{id: 6, status: schemas.StatusPending, kind: schemas.TypeChat})
	for _, path := range []string{"/tasks/filter", "/user/tasks/filter"} {
		for method, send := range map[string]func() reply{
			"GET": func() reply {
				return the.get(t, path+"?task_type=call&date_from=2025-10-01&date_to=2025-10-31&per_page=12", x.token)
			},
			"POST": func() reply {
				return the.post(t, path, x.token, map[string]any{"task_type": "call", "operator_name": "ivan", "per_page": 12})
			},
		} {
			t.Run(method+path, func(t *testing.T) {
				r := send()
				for path, want := range map[string]any{
					"tasks.0.id": 5.0, "tasks.0.type": "call", "tasks.0.status": "completed", "tasks.0.file_name": "rec.wav", "tasks.0.operator_name": "Ivanov",
					"tasks.0.call_time": "2025-10-20T08:45:00+00:00", "tasks.0.call_type": "inbound", "tasks.0.call_date": "2025-10-20", "tasks.0.error_message": nil,
					"tasks.0.directory_id": 123.0, "tasks.0.task_length": 64.2, "tasks.0.task_code": code, "tasks.0.report_type": nil,
					"tasks.0.customer_satisfaction_score": 9.0, "tasks.0.error_code": 0.0,
					"pagination.current_page": 1.0, "pagination.per_page": 12.0, "pagination.total_tasks": 1.0, "pagination.total_pages": 1.0,
				} {
					r.has(t, path, want)
				}
				r.isTime(t, "tasks.0.created_at", offsetForm)
				r.isTime(t, "tasks.0.updated_at", offsetForm)
			})
		}
	}
	chats := the.get(t, "/tasks/filter?task_type=chat", x.token)
	for _, field := range []string{"file_name", "operator_name", "call_time", "call_type", "call_date", "directory_id", "customer_satisfaction_score"} {
		chats.has(t, "tasks.0."+field, nil)
	}
	empty := the.post(t, "/tasks/filter", x.token, `{"page":9}`)
	empty.has(t, "tasks", []any{})
	empty.has(t, "pagination.total_tasks", 2.0)
	the.get(t, "/tasks/filter?page=0", x.token).want(t, 200, schemas.CodeInvalid)
	the.get(t, "/tasks/filter?status=%FF", x.token).want(t, 200, schemas.CodeInvalid)
	the.post(t, "/tasks/filter", x.token, `{"tone_id":"x"}`).want(t, 200, schemas.CodeInvalid)
	the.post(t, "/tasks/filter", x.token, `[`).want(t, 200, schemas.CodeInvalid)
}

func TestCallsAnalysis(t *testing.T) {
	x := newTenant(t)
	code := submitChat(t, x, map[string]any{"text": "Operator: hello"})
	path := "/api/calls_analysis_v2/" + code
	the.get(t, path, x.token).want(t, 200, schemas.CodeNoAnalysis) // not in ClickHouse
	insert(t, x, row{code: code, status: schemas.StatusPending, kind: schemas.TypeChat})
	the.get(t, path, x.token).want(t, 200, schemas.CodeNoAnalysis) // there, without analysis
	the.get(t, "/api/calls_analysis_v2/"+uuid.NewString(), x.token).want(t, 200, schemas.CodeTaskNotFound)
	the.get(t, "/api/calls_analysis/nonsense", x.token).want(t, 200, schemas.CodeTaskNotFound)

	nine, polite, empathy, start, script, talk := int64(9), 0.95, 0.86, 1.5, 80.0, 12.5
	insert(t, x, row{code: code, status: schemas.StatusCompleted, kind: schemas.TypeChat, analysis: &schemas.Analysis{
		Task:    schemas.Task{Code: code, CallType: "inbound", CallTime: time.Date(2025, 10, 1, 7, 50, 0, 0, time.UTC), Seconds: 996.4},
		Version: 2, Engine: "rules 1", Language: "en", RoleSource: "text", Summary: "S", Sentiment: "positive", SentimentScore: 0.5, Tone: "positive",
		CSAT: &nine, Politeness: &polite, Empathy: &empathy, Tags: []string{"eSIM"}, Topics: []string{"mobile"}, Intent: "get access", Reason: "eSIM activation",
		Product: "eSIM", RootCause: "technical", Driver: "price", Obstacles: "outage", Dynamics: "calm", NextAction: "wait", Resolution: "resolved", Priority: "low",
		FunnelStage: "qualification", RiskSignals: []string{"churn", "refund"}, SalesSignals: []string{"none"}, Actions: []string{"Send an SMS"},
		Commitments: []string{"send SMS", "check outages"}, Categories: []int64{101, 202},
		Checklist: []schemas.ChecklistAnswer{{ID: 7, Question: "Greeting?", Answer: schemas.AnswerYes, Score: 1}, {ID: 8, Question: "Plan?", Answer: schemas.AnswerPartially, Score: 0.5}},
		Script:    &script, ScriptID: 3, ScriptVer: 2, Metrics: schemas.Metrics{Turns: 128, Words: 900, OperatorTalk: &talk},
		Evidence: []schemas.Evidence{{Judgement: "checklist.7", Turn: 0, Speaker: "operator", Quote: "hello", Start: &start}},
	}})
	for _, path := range []string{path, "/api/calls_analysis/" + code} {
		r := the.get(t, path, x.token)
		r.want(t, 200, 0)
		for path, want := range map[string]any{
			"success": true, "task_code": code, "call_datetime": "2025-10-01T07:50:00+00:00", "call_type": "inbound", "duration_sec": 996.0,
			"transcript.language": "en", "transcript.turns": 128.0, "analysis.summary": "S", "analysis.sentiment": "positive",
			"analysis.scores.csat": 9.0, "analysis.scores.politeness": 0.95, "analysis.scores.empathy": 0.86, "analysis.actions": []any{"Send an SMS"},
			"analysis.tags": []any{"eSIM"}, "analysis.analysis_notes.decision_driver": "price", "analysis.analysis_notes.emotional_dynamics": "calm",
			"analysis.analysis_notes.funnel_stage": "qualification", "analysis.analysis_notes.intention": "get access", "analysis.analysis_notes.key_obstacles": "outage",
			"analysis.analysis_notes.next_action": "wait", "analysis.analysis_notes.operator_commitments": "send SMS; check outages",
			"analysis.analysis_notes.product_or_service": "eSIM", "analysis.analysis_notes.reason_for_contact": "eSIM activation",
			"analysis.analysis_notes.risk_signals": "churn, refund", "analysis.analysis_notes.root_cause": "technical", "analysis.analysis_notes.sales_signals": "none",
			"analysis.resolution": "resolved", "analysis.dictionaries.resolved_status": map[string]any{"id": 1.0, "key": "resolved", "name": "Resolved"},
			"analysis.dictionaries.risk_signal.0.id": 2.0, "analysis.dictionaries.tone.id": 1.0, "analysis.dictionaries.priority.id": 1.0,
			"analysis.dictionaries.funnel_stage.id": 3.0, "analysis.dictionaries.sales_signal.0.key": "none",
			"analysis.metrics.operator_talk_sec": 12.5, "analysis.metrics.silence_sec": nil, "analysis.script_alignment.score": 80.0,
			"analysis.evidence.0.quote": "hello", "call_checklists.0.checklist_id": 7.0, "call_checklists.0.title": "Greeting?", "call_checklists.0.score": 1.0,
			"call_checklists.0.answers.0.question_id": 7.0, "call_checklists.0.answers.0.value": true, "call_checklists.0.answers.0.evidence.0.start_sec": 1.5,
			"call_checklists.1.answers.0.value": false, "call_checklists.1.answers.0.answer": "Partially", "category_ids": []any{101.0, 202.0},
			"customer_satisfaction_score": 9.0,
		} {
			r.has(t, path, want)
		}
	}
	ru := the.get(t, path, x.token, "Accept-Language", "ru-RU,ru;q=0.9,en;q=0.8")
	ru.has(t, "analysis.dictionaries.resolved_status.name", "Решено")
	ru.has(t, "call_checklists.1.answers.0.answer", "Частично")
}

// Who is guessed to speak is not shown as certain, and a call in which nobody
// speaks has no scores.
func TestCallsAnalysisOfASoundThatTellsLittle(t *testing.T) {
	x := newTenant(t)
	sure, hold := 0.7, 4.0
	ask := func(a schemas.Analysis) reply {
		code := submitChat(t, x, map[string]any{"text": "Operator: " + a.Summary})
		insert(t, x, row{code: code, status: schemas.StatusCompleted, kind: schemas.TypeCall, analysis: &a})
		r := the.get(t, "/api/calls_analysis_v2/"+code, x.token)
		r.want(t, 200, 0)
		return r
	}
	guessed := ask(schemas.Analysis{Summary: "guessed", Sentiment: "neutral", RoleSource: schemas.RoleFromDiarized, Metrics: schemas.Metrics{Turns: 2, Hold: &hold,
		Speakers: []schemas.SpeakerMetrics{{Role: "operator", Words: 9}}, Interrupted: []schemas.Interruption{{Start: 1, End: 2, By: "customer"}}},
		Evidence: []schemas.Evidence{{Judgement: "csat", Speaker: "operator", Quote: "yes"}, {Judgement: "intent", Speaker: "unknown", Quote: "no"}},
		Sound: schemas.Sound{RoleConfidence: &sure, Marks: []schemas.Mark{{Kind: schemas.MarkMusic, Channel: -1, Start: 3, End: 7}},
			Suppressed: []schemas.Suppressed{{Channel: 1, Start: 8, End: 9, Text: "Thanks for watching!", Reason: schemas.SuppressedBoilerplate}}}})
	for path, want := range map[string]any{
		"role_source": "diarized", "role_confidence": 0.7, "sentiment_score": 0.0, "evidence.0.speaker_guessed": true, "evidence.1.speaker_guessed": false,
		"metrics.hold_sec": 4.0, "metrics.speakers.0.words": 9.0, "metrics.speakers.0.talk_sec": nil, "metrics.interrupted.0.by": "customer",
		"sound.marks.0": map[string]any{"kind": "music", "channel": -1.0, "start_sec": 3.0, "end_sec": 7.0}, "sound.suppressed_count": 1.0,
		"sound.suppressed.0": map[string]any{"channel": 1.0, "start_sec": 8.0, "end_sec": 9.0, "text": "Thanks for watching!", "reason": "boilerplate"},
	} {
		guessed.has(t, "analysis."+path, want)
	}
	silent := ask(schemas.Analysis{Summary: "silent", NoSpeech: true, Resolution: "unknown", RoleSource: schemas.RoleFromChannel})
	for path, want := range map[string]any{
		"no_speech": true, "sentiment": "unknown", "sentiment_score": nil, "scores.csat": nil, "scores.politeness": nil, "scores.empathy": nil, "dictionaries.tone": nil,
		"role_confidence": nil, "sound.marks": []any{}, "sound.suppressed": []any{}, "sound.suppressed_count": 0.0, "metrics.speakers": []any{}, "metrics.interrupted": []any{},
	} {
		silent.has(t, "analysis."+path, want)
	}
}

func TestDictionariesSpeakTheLanguageOfTheRequest(t *testing.T) {
	x := newTenant(t)
	for header, want := range map[string]string{
		"": "Positive", "en": "Positive", "ru": "Позитивный", "ru-RU,en;q=0.5": "Позитивный", "de,ru;q=0.5": "Позитивный", "de": "Positive",
		"*": "Positive", "!!": "Positive", strings.Repeat("ru,", 200): "Positive",
	} {
		r := the.get(t, "/dictionaries", x.token, "Accept-Language", header)
		r.has(t, "dictionaries.tone.0", map[string]any{"id": 1.0, "key": "positive", "name": want})
		for _, name := range []string{schemas.DictTone, schemas.DictResolution, schemas.DictPriority, schemas.DictFunnelStage, schemas.DictRisk, schemas.DictSales} {
			if l, _ := r.at("dictionaries", name).([]any); len(l) != len(schemas.Dictionaries[name]) {
				t.Errorf("%s has %d terms", name, len(l))
			}
		}
	}
	x.user.Locale = "ru" // without a header the user's language decides, for errors too
	put(t, x.org, schemas.KindUser, "1", 2, x.user)
	the.api.users.Purge()
	the.get(t, "/gettask", x.token).has(t, "error_message", schemas.Fail(schemas.CodeNoTaskCode, "").Message("ru"))
	the.get(t, "/gettask", x.token, "Accept-Language", "en").has(t, "error_message", schemas.Errors[schemas.CodeNoTaskCode].En)
}

func TestHealth(t *testing.T) {
	the.get(t, "/healthz", "").has(t, "status", "ok")
	r := the.get(t, "/readyz", "")
	for _, engine := range []string{"kafka", "clickhouse", "redis", "blobs", "disk", "state"} {
		r.has(t, "engines."+engine, "ok")
	}
	r.has(t, "status", "ready")
	if m := the.get(t, "/metrics", ""); m.status != 200 || !strings.Contains(m.raw, `earshot_stage_in_total{stage="state"}`) {
		t.Errorf("%d %.300s", m.status, m.raw)
	}
	deps := the.deps
	deps.Health = healthOf(map[string]error{"kafka": nil, "redis": fmt.Errorf("dial tcp 10.1.2.3:6379: secret detail")})
	s := serve(t, deps, nil)
	red := s.get(t, "/readyz", "")
	if red.status != 503 || strings.Contains(red.raw, "10.1.2.3") {
		t.Errorf("%d %s", red.status, red.raw)
	}
	red.has(t, "engines.redis", "down")
	red.has(t, "engines.kafka", "ok")
}
