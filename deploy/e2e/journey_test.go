package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"earshot/deploy/client"
	"earshot/schemas"
)

// The script, the checklist question and the directory that the journey's
// organisation has.
var profile = []struct {
	kind, id string
	value    any
}{
	{schemas.KindDirectory, "70", schemas.Directory{ID: 70, Name: "Website promotion"}},
	{schemas.KindChecklist, "77", schemas.ChecklistQuestion{ID: 77, Question: "Did the operator introduce themselves to the customer?", Active: true}},
	{schemas.KindScript, "1", schemas.Script{ID: 1, Identifier: "sales", Title: "Sales", Active: true, Version: 1,
		Body: "Greet the customer and say your name.\nFind out what the customer needs.\nThank the customer for choosing us."}},
}

// entities makes the events that create entities of an organisation.
func entity(t testing.TB, org, kind, id string, value any) schemas.EntityChanged {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return schemas.EntityChanged{Org: org, Kind: kind, ID: id, Version: time.Now().UnixMicro(), Data: data, UpdatedAt: time.Now().UTC()}
}

// org is the organisation that the client's token speaks for.
func org(t testing.TB, c *client.Client) string {
	t.Helper()
	var claims struct {
		Org string `json:"org"`
	}
	part := strings.Split(c.Token, ".")
	if len(part) != 3 {
		t.Fatalf("%q is no JWT", c.Token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(part[1])
	if err == nil {
		err = json.Unmarshal(raw, &claims)
	}
	if err != nil || claims.Org == "" {
		t.Fatalf("the token says %s, %v", raw, err)
	}
	return claims.Org
}

// sample is a file of deploy/samples.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "deploy", "samples", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// done waits until a task has completed.
func (s *stack) done(code string) client.Task {
	s.Helper()
	var task client.Task
	s.eventually(5*time.Minute, "task "+code+" completed", func() string {
		var err error
		if task, err = s.Task(s.Context(), code); err != nil {
			return err.Error()
		}
		if task.Status == "error" {
			s.Fatalf("task %s ended in error: %s", code, *task.Error)
		}
		if task.Status != "completed" {
			return "it is " + task.Status
		}
		return ""
	})
	return task
}

// TestACallAndChatsGoThroughToTheirAnalyses is the journey of a customer's
// first day, with every answer checked against the seed's fields.
func TestACallAndChatsGoThroughToTheirAnalyses(t *testing.T) {
	s := newStack(t, speech(t)...)
	s.start()
	var events []any
	for _, p := range profile {
		events = append(events, entity(t, org(t, s.Client), p.kind, p.id, p.value))
	}
	s.publish(schemas.TopicEntities, events...)
	s.profiled()

	english := s.chat(sample(t, "chats/01-sale-upsell-en.json"))
	russian := s.chat(sample(t, "chats/05-cancel-retention-ru.json"))
	call := s.uploadCall("calls/02-delivery-late.ogg", map[string]string{
		"directory_id": "70", "operator_name": "Ivan Petrov", "client_id": "C-42", "call_type": "inbound",
		"call_date": "2025-10-20", "call_datetime": "2025-10-20T10:00:00+03:00", "processing_type": "standard",
	})
	transcribed := s.uploadCall("calls/07-complaint-ru.ogg", map[string]string{"processing_type": "transcription", "call_type": "outbound"})
	for _, code := range []string{english, russian, call, transcribed} {
		s.done(code)
	}

	s.checkAnswers(english, call)
	s.checkAnalyses(english, russian, transcribed)
	s.checkFilters(english, call)
	s.checkDictionaries()
	s.checkOperations()
	s.checkCallWithoutModel()
}

// profiled waits until chats are answered by the checklist and held against the
// script. The probes are chats like any other.
func (s *stack) profiled() {
	s.Helper()
	s.eventually(30*time.Second, "the profile reaches the analyser", func() string {
		code := s.chat([]byte(`{"text": "Client: Hello.\nOperator: Hello, my name is Probe."}`))
		s.done(code)
		row := s.sql("SELECT has(checklist_ids, 77) AND script_alignment IS NOT NULL FROM interactions FINAL WHERE code = '" + code + "'")
		if len(row) != 1 || row[0][0] != "1" {
			return fmt.Sprint(row)
		}
		return ""
	})
}

// chat submits a chat with the answer checked.
func (s *stack) chat(body []byte) (code string) {
	s.Helper()
	a := s.call(s.Client, http.MethodPost, "/add_chat_analysis_task", http.Header{"Content-Type": {"application/json"}}, body)
	shaped(s, "POST /add_chat_analysis_task", a, addChatFields)
	code, _ = a.json(s)["task_code"].(string)
	return code
}

// uploadCall uploads a sample with the answer checked.
func (s *stack) uploadCall(name string, fields map[string]string) (code string) {
	s.Helper()
	header, body := form(s, name, sample(s, name), fields)
	a := s.call(s.Client, http.MethodPost, "/addtaskcall", header, body)
	shaped(s, "POST /addtaskcall", a, addCallFields)
	code, _ = a.json(s)["code"].(string)
	return code
}

// checkAnswers checks the fields of every answer that tells of tasks.
func (s *stack) checkAnswers(chat, call string) {
	s.Helper()
	login := s.call(&client.Client{Base: s.Base, HTTP: s.HTTP}, http.MethodPost, "/auth/login", nil,
		map[string]string{"email": email, "password_hash": passwordHash(password), "captcha_token": "none"})
	shaped(s, "POST /auth/login", login, loginFields)
	doc := login.json(s)
	if tree := fmt.Sprint(doc["call_activity_tree"]); !strings.Contains(tree, "2025:map[10:map[20:1]]") {
		s.Errorf("call_activity_tree is %s", tree)
	}
	if last, _ := doc["last_tasks"].([]any); len(last) == 0 || len(last) > 5 {
		s.Errorf("last_tasks has %d tasks", len(last))
	}
	shaped(s, "GET /user/tariff", s.call(s.Client, http.MethodGet, "/user/tariff", nil, nil), tariffFields)

	got := s.call(s.Client, http.MethodGet, "/gettask?task_code="+call, nil, nil)
	shaped(s, "GET /gettask of a call", got, getTaskFields)
	task := got.json(s)
	for field, want := range map[string]any{"type": "call", "status": "completed", "file_name": "02-delivery-late.ogg", "call_date": "2025-10-20",
		"directory_id": 70.0, "task_code": call} {
		if task[field] != want {
			s.Errorf("/gettask of the call: %s is %v, not %v", field, task[field], want)
		}
	}
	if minutes, _ := task["task_length"].(float64); minutes < 0.1 || minutes > 5 {
		s.Errorf("/gettask of the call: task_length is %v minutes", task["task_length"])
	}
	text, err := s.Task(s.Context(), chat)
	if err != nil || text.Result == nil || text.Result.Text == nil || !strings.HasPrefix(*text.Result.Text, "Client: Hi! I am looking at") {
		s.Errorf("/gettask of the chat: %+v, %v", text, err)
	}
	for _, path := range []string{"/tasks/filter", "/user/tasks/filter"} {
		shaped(s, "GET "+path, s.call(s.Client, http.MethodGet, path, nil, nil), filterFields)
		shaped(s, "POST "+path, s.call(s.Client, http.MethodPost, path, nil, map[string]any{}), filterFields)
	}
	for _, path := range []string{"/api/calls_analysis_v2/", "/api/calls_analysis/"} {
		shaped(s, "GET "+path+" of a call", s.call(s.Client, http.MethodGet, path+call, nil, nil), analysisFields)
		shaped(s, "GET "+path+" of a chat", s.call(s.Client, http.MethodGet, path+chat, nil, nil), analysisFields+chatFields)
	}
}

// checkAnalyses checks that the analyses speak of what was said.
func (s *stack) checkAnalyses(english, russian, transcribed string) {
	s.Helper()
	for code, language := range map[string]string{english: "en", russian: "ru"} {
		doc := s.get("/api/calls_analysis_v2/" + code)
		transcript, _ := doc["transcript"].(map[string]any)
		analysis, _ := doc["analysis"].(map[string]any)
		if transcript["language"] != language || transcript["turns"].(float64) < 8 {
			s.Errorf("the %s chat: transcript is %v", language, transcript)
		}
		sentiment, _ := analysis["sentiment"].(string)
		if summary, _ := analysis["summary"].(string); len(summary) < 20 || !slices.Contains([]string{"positive", "neutral", "negative"}, sentiment) {
			s.Errorf("the %s chat: sentiment %q, summary %q", language, sentiment, summary)
		}
	}
	if got := s.get("/api/calls_analysis_v2/" + english)["analysis"].(map[string]any)["sentiment"]; got != "positive" {
		s.Errorf("the sale that ends in thanks has sentiment %v", got)
	}
	// processing_type=transcription asks for no analysis.
	a := s.call(s.Client, http.MethodGet, "/api/calls_analysis_v2/"+transcribed, nil, nil)
	if doc := a.json(s); a.status != http.StatusOK || doc["success"] != false || doc["error_code"] != float64(schemas.CodeNoAnalysis) {
		s.Errorf("the analysis of a task without one is answered %d %s", a.status, a.body)
	}
}

func (s *stack) checkDictionaries() {
	s.Helper()
	for language, word := range map[string]string{"en": "Partially resolved", "ru": "Решено частично"} {
		a := s.call(s.Client, http.MethodGet, "/dictionaries", http.Header{"Accept-Language": {language}}, nil)
		if a.status != http.StatusOK || !bytes.Contains(a.body, []byte(word)) {
			s.Errorf("/dictionaries in %s: HTTP %d without %q: %s", language, a.status, word, a.body)
		}
		for name, terms := range schemas.Dictionaries {
			for _, term := range terms {
				if !bytes.Contains(a.body, []byte(term.Name(language))) || !bytes.Contains(a.body, []byte(name)) {
					s.Errorf("/dictionaries in %s has no %q of %s", language, term.Name(language), name)
				}
			}
		}
	}
}

// checkOperations checks what an operator looks at: health, readiness of each
// engine by name, and five figures of every stage.
func (s *stack) checkOperations() {
	s.Helper()
	if a := s.call(s.Client, http.MethodGet, "/healthz", nil, nil); a.status != http.StatusOK {
		s.Errorf("/healthz: HTTP %d %s", a.status, a.body)
	}
	ready := s.call(s.Client, http.MethodGet, "/readyz", nil, nil)
	if broken := ready.broken(s); ready.status != http.StatusOK || len(broken) > 0 {
		s.Errorf("/readyz: HTTP %d %s", ready.status, ready.body)
	}
	for _, engine := range []string{"kafka", "clickhouse", "redis", "blobs", "disk"} {
		if !bytes.Contains(ready.body, []byte(`"`+engine+`"`)) {
			s.Errorf("/readyz does not name %s: %s", engine, ready.body)
		}
	}
	figures := s.figures()
	for _, stage := range []string{schemas.StageSubmit, schemas.StageTranscribe, schemas.StageAnalyze, schemas.StageWarehouse, schemas.StageState} {
		label := `{stage="` + stage + `"}`
		for _, name := range []string{"earshot_stage_in_total", "earshot_stage_out_total", "earshot_stage_latency_seconds_count"} {
			if figures[name+label] < 1 {
				s.Errorf("/metrics: %s%s is %v after tasks went through", name, label, figures[name+label])
			}
		}
		if stage != schemas.StageSubmit && !slices.ContainsFunc(keys(figures), func(name string) bool {
			return strings.HasPrefix(name, "earshot_stage_lag_records{stage=\""+stage+"\"")
		}) {
			s.Errorf("/metrics has no lag of stage %s", stage)
		}
	}
}

// checkCallWithoutModel starts the program with a speech model that is not
// there: a call ends in error with a message that says what to do, chats go on.
func (s *stack) checkCallWithoutModel() {
	s.Helper()
	s.stop()
	s.env = append(s.env, "EARSHOT_WHISPER_MODEL="+filepath.Join(s.data, "no-such-model.bin"))
	s.start()
	header, body := form(s, "unheard.wav", tone(3*time.Second, 300), nil)
	doc := s.call(s.Client, http.MethodPost, "/addtaskcall", header, body).json(s)
	task := s.ended(fmt.Sprint(doc["code"]))
	if message, _ := task["error_message"].(string); task["status"] != "error" || s.errorCode(fmt.Sprint(task["task_code"])) != schemas.CodeNoModel ||
		!strings.HasPrefix(message, schemas.Errors[schemas.CodeNoModel].En) || !strings.Contains(message, "EARSHOT_") {
		s.Errorf("a call without a model: %v", task)
	}
	s.done(s.chat(sample(s, "chats/02-refund-angry-en.json")))
	if n := s.figures()[`earshot_stage_errors_total{class="record",stage="transcribe"}`]; n != 1 {
		s.Errorf("/metrics counts %v failed records of stage transcribe", n)
	}
}

// ended waits until a task has ended, well or badly, and gives /gettask's answer.
func (s *stack) ended(code string) (task map[string]any) {
	s.Helper()
	s.eventually(time.Minute, "task "+code+" ended", func() string {
		a := s.call(s.Client, http.MethodGet, "/gettask?task_code="+code, nil, nil)
		task = a.json(s)
		if task["status"] == "completed" || task["status"] == "error" {
			return ""
		}
		return string(a.body)
	})
	return task
}

// errorCode is the code that a task ended with.
func (s *stack) errorCode(code string) (c schemas.Code) {
	s.Helper()
	s.eventually(20*time.Second, "task "+code+" is a row", func() string {
		rows := s.sql("SELECT error_code FROM interactions FINAL WHERE status = 'error' AND code = '" + code + "'")
		if len(rows) != 1 {
			return fmt.Sprint(rows)
		}
		if _, err := fmt.Sscan(rows[0][0], &c); err != nil {
			return err.Error()
		}
		return ""
	})
	return c
}

func keys[V any](m map[string]V) []string {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	return all
}
