package api

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/ingest"
	"earshot/schemas"
	"earshot/sinks/state"
	"earshot/sinks/warehouse"
)

// warehoused runs the sink that writes ClickHouse while a test lasts.
func warehoused(t *testing.T) {
	t.Helper()
	var codec schemas.Codec
	cfg := warehouse.Config{BatchRecords: 1000, BatchBytes: 1 << 20, BatchAge: 10 * time.Millisecond}
	sink := warehouse.New(the.engines.ClickHouse, the.engines.Kafka, &codec, schemas.NewStageMetrics(prometheus.NewRegistry()), cfg, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sink.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// onLog opens a client of the log.
func onLog(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := the.engines.Kafka(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// analysed takes a chat to its analysis, as the analyser would.
func analysed(t *testing.T, x tenant, checklist ...schemas.ChecklistAnswer) (a schemas.Analysis) {
	t.Helper()
	code := submitChat(t, x, map[string]any{"text": "Operator: Hello " + uuid.NewString()})
	state, err := the.store.Task(t.Context(), x.org, code)
	if err != nil {
		t.Fatal(err)
	}
	one, half, csat := 1.5, 0.5, int64(7)
	a = schemas.Analysis{Task: state.Task, Version: 1, Engine: "test", Language: "en", RoleSource: "text", Summary: "S", Resolution: "resolved", CSAT: &csat, Checklist: checklist,
		Utterances: []schemas.Utterance{{Turn: 0, Speaker: "operator", Channel: 1, Start: &half, End: &one, Text: "Hello", Confidence: &half, Sentiment: &half, RoleConfidence: &half,
			Words: []schemas.Word{{Start: 0.5, End: 1.25, Text: "Hello", Confidence: &half}}}, {Turn: 1, Speaker: "customer", Channel: -1, Text: "Hi"}},
		Evidence:  []schemas.Evidence{{Judgement: "checklist.1", Turn: 0, Speaker: "operator", Quote: "Hello"}, {Judgement: "csat", Turn: 1, Speaker: "customer", Quote: "Hi"}},
		CreatedAt: time.Now().UTC().Add(-time.Hour).Truncate(time.Microsecond)}
	publish(t, a)
	eventually(t, "the analysis can be read", func() bool { return visible(t, x, a.Task.Code) == 1 })
	return a
}

func publish(t *testing.T, a schemas.Analysis) {
	t.Helper()
	var codec schemas.Codec
	record, err := codec.Record(schemas.TopicAnalyses, "test", a)
	if err != nil {
		t.Fatal(err)
	}
	if err := onLog(t).ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// visible is the version of an analysis that can be read, 0 for none.
func visible(t *testing.T, x tenant, code string) int64 {
	t.Helper()
	versions, err := the.deps.Reader.Versions(t.Context(), x.org, []string{code})
	if err != nil {
		t.Fatal(err)
	}
	if len(versions) == 0 {
		return 0
	}
	return versions[0].Version
}

func total(t *testing.T, x tenant, query string) any {
	t.Helper()
	return the.get(t, "/tasks/filter?"+query, x.token).at("pagination", "total_tasks")
}

// A person's answer is seen wherever an answer is, and nothing else changes.
func TestAPersonsAnswersStandInPlaceOfTheAnalysers(t *testing.T) {
	warehoused(t)
	x := newTenant(t)
	a := analysed(t, x, schemas.ChecklistAnswer{ID: 1, Question: "Greeted?", Answer: schemas.AnswerYes, Score: 1}, schemas.ChecklistAnswer{ID: 2, Question: "Thanked?", Answer: schemas.AnswerNo})
	path := fmt.Sprintf("/checklist/answer/%d", a.Task.ID)
	r := the.get(t, path, x.token)
	r.want(t, 200, 0)
	r.has(t, "data", []any{map[string]any{"checklist_id": 1.0, "question": "Greeted?", "answer": "Yes", "answered_by": nil},
		map[string]any{"checklist_id": 2.0, "question": "Thanked?", "answer": "No", "answered_by": nil}})
	the.post(t, "/checklist", x.token, `{"question": "Asked since?"}`).has(t, "data.id", 101.0)
	the.post(t, "/checklist", x.token, `{"question": "Hidden?"}`).has(t, "data.id", 102.0)
	the.post(t, "/checklist/delete/102", x.token, "").want(t, 200, 0)
	eventually(t, "completed", func() bool { return the.get(t, "/gettask?task_code="+a.Task.Code, x.token).at("status") == "completed" })

	r = the.post(t, path, x.token, `{"answers": [{"checklist_id": 1, "answer": "Нет"}, {"checklist_id": "101", "answer": "partially"}, {"checklist_id": 102, "answer": "Yes"}, {"checklist_id": 99, "answer": "Yes"}]}`)
	r.want(t, 200, 0)
	want := []any{map[string]any{"checklist_id": 1.0, "question": "Greeted?", "answer": "Нет", "answered_by": 1.0},
		map[string]any{"checklist_id": 2.0, "question": "Thanked?", "answer": "Нет", "answered_by": nil},
		map[string]any{"checklist_id": 101.0, "question": "Asked since?", "answer": "Частично", "answered_by": 1.0}}
	the.get(t, path, x.token, "Accept-Language", "ru").has(t, "data", want)
	the.get(t, "/checklist/answer/"+a.Task.Code, x.token, "Accept-Language", "ru").has(t, "data", want)
	r = the.get(t, "/api/calls_analysis_v2/"+a.Task.Code, x.token)
	for path, want := range map[string]any{"call_checklists.0.checklist_id": 1.0, "call_checklists.0.score": 0.0, "call_checklists.0.answers.0.answer": "No",
		"call_checklists.0.answers.0.value": false, "call_checklists.0.answers.0.answered_by": 1.0, "call_checklists.0.answers.0.evidence": []any{},
		"call_checklists.1.answers.0.answered_by": nil, "call_checklists.2.score": 0.5, "analysis.version": 2.0, "analysis.summary": "S", "customer_satisfaction_score": 7.0} {
		r.has(t, path, want)
	}
	for query, want := range map[string]any{"checklist_id=1&answers=Yes": 0.0, "checklist_id=1&answers=No": 1.0, "checklist_id=101&answers=Partially": 1.0, "checklist_id=102": 0.0} {
		if got := total(t, x, query); got != want {
			t.Errorf("%s finds %v, want %v", query, got, want)
		}
	}
	// What was said is as it was; the status stays, and the chat is paid for once.
	again, err := the.deps.Reader.Conversation(t.Context(), x.org, a.Task.Code)
	if err != nil || !reflect.DeepEqual(again.Utterances, a.Utterances) || len(again.Evidence) != 1 {
		t.Errorf("%+v, %v", again, err)
	}
	the.get(t, "/gettask?task_code="+a.Task.Code, x.token).has(t, "status", "completed")
	var lines uint64
	var at time.Time
	if err := the.engines.ClickHouse.QueryRow(t.Context(), "SELECT count(), max(at) FROM usage FINAL WHERE org = ?", x.org).Scan(&lines, &at); err != nil || lines != 1 || !at.Equal(a.CreatedAt) {
		t.Errorf("%d lines of usage at %v, %v", lines, at, err)
	}
	the.get(t, "/user/tariff", x.token).has(t, "tariff.usage.used_chat_count", 1.0)
	// The same again changes nothing, another answer overwrites.
	the.post(t, path, x.token, `{"answers": [{"checklist_id": 1, "answer": "No"}, {"checklist_id": 77, "answer": "No"}]}`).want(t, 200, 0)
	if v := visible(t, x, a.Task.Code); v != 2 {
		t.Errorf("version %d after the same answers", v)
	}
	the.post(t, path, x.token, `{"answers": [{"checklist_id": 1, "answer": "Yes"}]}`).want(t, 200, 0)
	the.get(t, path, x.token).has(t, "data.0.answer", "Yes")
}

// An answer may be any text (seed section 5): it stands as it was given, is
// found by exactly that text, has no score, overwrites and is overwritten, and a
// re-analysis keeps it.
func TestAnAnswerInAPersonsOwnWords(t *testing.T) {
	warehoused(t)
	x := newTenant(t)
	a := analysed(t, x, schemas.ChecklistAnswer{ID: 1, Question: "Greeted?", Answer: schemas.AnswerYes, Score: 1})
	path := "/checklist/answer/" + a.Task.Code
	the.post(t, path, x.token, `{"answers": [{"checklist_id": 1.0, "answer": " Only at\nthe end, 101=Yes "}]}`).want(t, 200, 0)
	r := the.get(t, path, x.token, "Accept-Language", "ru")
	r.has(t, "data.0.answer", "Only at the end, 101=Yes")
	r.has(t, "data.0.answered_by", 1.0)
	r = the.get(t, "/api/calls_analysis_v2/"+a.Task.Code, x.token)
	for field, want := range map[string]any{"call_checklists.0.score": nil, "call_checklists.0.answers.0.value": false, "call_checklists.0.answers.0.answer": "Only at the end, 101=Yes"} {
		r.has(t, field, want)
	}
	for body, want := range map[string]float64{
		`{"checklist_id": 1, "answers": ["Only at the end, 101=Yes"]}`: 1, `{"answers": ["no", " Only  at the end, 101=Yes"]}`: 1, `{"checklist_id": 1}`: 1,
		`{"checklist_id": 1, "answers": ["Only at the end"]}`: 0, `{"checklist_id": 1, "answers": "Yes"}`: 0, `{"checklist_id": 101}`: 0, `{"checklist_id": 101, "answers": "Yes"}`: 0,
	} {
		the.post(t, "/tasks/filter", x.token, body).has(t, "pagination.total_tasks", want)
	}
	the.post(t, path, x.token, `{"answers": [{"checklist_id": 1, "answer": "`+strings.Repeat("a", schemas.MaxAnswer+1)+`"}]}`).want(t, 200, schemas.CodeInvalid)
	the.post(t, path, x.token, `{"answers": [{"checklist_id": 1, "answer": "Twice"}]}`).want(t, 200, 0)
	the.get(t, path, x.token).has(t, "data.0.answer", "Twice")
	if all := the.get(t, path, x.token).at("data").([]any); len(all) != 1 {
		t.Errorf("answers %v", all)
	}
	the.post(t, path, x.token, `{"answers": [{"checklist_id": 1, "answer": "ДА"}]}`).want(t, 200, 0)
	r = the.get(t, "/api/calls_analysis_v2/"+a.Task.Code, x.token)
	r.has(t, "call_checklists.0.score", 1.0)
	r.has(t, "call_checklists.0.answers.0.answer", "Yes")
}

// Of many who answer at once no answer is lost.
func TestAnswersGivenAtOnceAllStay(t *testing.T) {
	warehoused(t)
	x := newTenant(t)
	var checklist []schemas.ChecklistAnswer
	for id := range int64(6) {
		checklist = append(checklist, schemas.ChecklistAnswer{ID: id + 1, Question: "Q", Answer: schemas.AnswerNo})
	}
	a := analysed(t, x, checklist...)
	var wg sync.WaitGroup
	for id := range int64(6) {
		wg.Go(func() {
			the.post(t, "/checklist/answer/"+a.Task.Code, x.token, fmt.Sprintf(`{"answers": [{"checklist_id": %d, "answer": "Yes"}]}`, id+1)).want(t, 200, 0)
		})
	}
	wg.Wait()
	r := the.get(t, "/checklist/answer/"+a.Task.Code, x.token)
	for i := range 6 {
		r.has(t, fmt.Sprintf("data.%d.answer", i), "Yes")
	}
}

func TestReanalysisIsAskedForOnce(t *testing.T) {
	warehoused(t)
	x := newTenant(t)
	a, b := analysed(t, x, schemas.ChecklistAnswer{ID: 5, Question: "Q", Answer: schemas.AnswerNo}), analysed(t, x)
	path := "/api/calls_analysis_v2/" + a.Task.Code + "/reanalyze"
	r := the.post(t, path, x.token, "")
	r.want(t, 200, 0)
	r.has(t, "requested", 1.0)
	r.has(t, "message", "Analysis requested")
	r = the.post(t, "/tasks/reanalyze", x.token, `{"task_type": "chat"}`) // the other one is not on its way
	r.has(t, "requested", 1.0)
	r.has(t, "pending", 1.0)
	the.post(t, "/tasks/reanalyze", x.token, `{"task_type": "call"}`).has(t, "requested", 0.0)
	if asked := requested(t, x.org); !reflect.DeepEqual(asked, map[string]int{a.Task.Code: 1, b.Task.Code: 1}) {
		t.Errorf("on the log: %v", asked)
	}
	// A person's answer does not wait for what waits for the bulk lane.
	answer := func(text string) reply {
		return the.post(t, "/checklist/answer/"+a.Task.Code, x.token, `{"answers": [{"checklist_id": 5, "answer": "`+text+`"}]}`)
	}
	answer("Yes").want(t, 200, 0)
	the.get(t, "/checklist/answer/"+a.Task.Code, x.token).has(t, "data.0.answered_by", 1.0)
	// While the analyser writes, one made from the old version would be lost, or
	// would lose the new one: it waits, and then goes on top.
	next := []schemas.Analysed{{Code: a.Task.Code, Version: 2}}
	if marked, err := the.store.MarkAgain(t.Context(), state.MarkWriting, x.org, next); err != nil || len(marked) != 1 {
		t.Fatal(marked, err)
	}
	next[0].Version = 3
	if err := the.store.ExpectAgain(t.Context(), state.MarkWriting, x.org, next, time.Minute); err != nil {
		t.Fatal(err)
	}
	answered := make(chan reply, 1)
	go func() { answered <- answer("No") }()
	a.Version, a.Summary, a.AskedAt = 3, "Again", time.Now().UTC().Truncate(time.Microsecond)
	a.Checklist = []schemas.ChecklistAnswer{{ID: 5, Question: "Q", Answer: schemas.AnswerYes, AnsweredBy: 1}}
	publish(t, a)
	(<-answered).want(t, 200, 0)
	r = the.get(t, "/api/calls_analysis_v2/"+a.Task.Code, x.token)
	r.has(t, "analysis.summary", "Again")
	r.has(t, "analysis.version", 4.0)
	r.has(t, "call_checklists.0.answers.0.answer", "No")
	the.post(t, path, x.token, "").has(t, "requested", 1.0) // that one has arrived

	the.post(t, "/tasks/reanalyze", x.token, `{}`).want(t, 200, schemas.CodeFieldsMissing)
	the.post(t, "/tasks/reanalyze", x.token, `{"status": "x"}`).want(t, 200, schemas.CodeInvalid)
}

// Nobody waits for a request that is not on the log: one that was never sent is
// asked for anew at once, one that may yet get there soon.
func TestAReanalysisThatTheLogDidNotTake(t *testing.T) {
	warehoused(t)
	x := newTenant(t)
	a := analysed(t, x)
	path := "/api/calls_analysis_v2/" + a.Task.Code + "/reanalyze"
	gone, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:1"), kgo.MaxBufferedRecords(1))
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	deps := the.deps
	deps.Door = ingest.NewDoor(ingest.Config{ProduceTimeout: 100 * time.Millisecond}, the.store, gone, &schemas.Codec{}, the.engines.Blobs, the.metrics, slog.New(slog.DiscardHandler))
	away := serve(t, deps, nil)
	mark := func() time.Duration {
		return the.engines.Redis.PTTL(t.Context(), "earshot:{"+x.org+"}:a:"+a.Task.Code).Val()
	}
	the.post(t, "/checklist", x.token, `{"question": "Asked?"}`).has(t, "data.id", 101.0)
	away.post(t, path, x.token, "").want(t, 503, schemas.CodeUnavailable) // it waits in the producer, which is full now
	if left := mark(); left <= 0 || left > expectDoubtful {
		t.Errorf("what may yet reach the log is waited for %v", left)
	}
	if err := the.store.ForgetAgain(t.Context(), state.MarkAsked, x.org, a.Task.Code); err != nil { // as when that time is over
		t.Fatal(err)
	}
	for range 2 {
		away.post(t, path, x.token, "").want(t, 503, schemas.CodeUnavailable)
		away.post(t, "/checklist/answer/"+a.Task.Code, x.token, `{"answers": [{"checklist_id": 101, "answer": "Yes"}]}`).want(t, 503, schemas.CodeUnavailable)
	}
	if left := mark(); left > 0 {
		t.Errorf("what was never sent is waited for %v", left)
	}
	the.post(t, path, x.token, "").has(t, "requested", 1.0)
	if left := mark(); left < time.Hour {
		t.Errorf("a request may wait for the bulk lane, not only %v", left)
	}
}

// requested counts the requests for analyses on the log by task.
func requested(t *testing.T, org string) map[string]int {
	t.Helper()
	out := map[string]int{}
	client := onLog(t, kgo.ConsumeTopics(schemas.TopicAgain), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	var codec schemas.Codec
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(out) < 2 && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			var e schemas.AnalysisRequested
			if err := codec.Decode(r.Value, &e); err != nil || string(r.Key) != e.TaskCode || e.User != 1 || e.Version < 2 {
				t.Errorf("%+v, %v", e, err)
			} else if e.Org == org {
				out[e.TaskCode]++
			}
		})
	}
	return out
}

func TestAnswersAndReanalysisOfWhatIsNotThere(t *testing.T) {
	warehoused(t)
	owner, stranger := newTenant(t), newTenant(t)
	a := analysed(t, owner, schemas.ChecklistAnswer{ID: 1, Question: "Greeted?", Answer: schemas.AnswerYes, Score: 1})
	waiting := submitChat(t, owner, map[string]any{"text": "Operator: wait"})
	eventually(t, "the waiting chat can be found", func() bool { return total(t, owner, "status=pending") == 1.0 })
	nobody := uuid.NewString()
	agent := agentOf(t, owner)
	const body = `{"answers": [{"checklist_id": 1, "answer": "No"}]}`
	for name, ask := range map[string]func(token, task string) reply{
		"answers":   func(token, task string) reply { return the.get(t, "/checklist/answer/"+task, token) },
		"answering": func(token, task string) reply { return the.post(t, "/checklist/answer/"+task, token, body) },
		"reanalyze": func(token, task string) reply {
			return the.post(t, "/api/calls_analysis_v2/"+task+"/reanalyze", token, "")
		},
	} {
		missing := ask(stranger.token, nobody)
		missing.want(t, 200, schemas.CodeTaskNotFound)
		if theirs := ask(stranger.token, a.Task.Code); theirs.raw != missing.raw {
			t.Errorf("%s: another's %s, a missing one %s", name, theirs.raw, missing.raw)
		}
		ask(owner.token, waiting).want(t, 200, schemas.CodeNoAnalysis)
		ask("", a.Task.Code).want(t, 401, schemas.CodeUnauthorized)
		if name != "answers" {
			ask(agent.token, a.Task.Code).want(t, 200, schemas.CodeAccessDenied)
		}
	}
	for _, id := range []string{"987654", "0", "-1", "nonsense"} {
		the.get(t, "/checklist/answer/"+id, owner.token).want(t, 200, schemas.CodeTaskNotFound)
	}
	the.get(t, fmt.Sprintf("/checklist/answer/%d", a.Task.ID), stranger.token).want(t, 200, schemas.CodeTaskNotFound)
	the.post(t, "/tasks/reanalyze", stranger.token, `{"task_type": "chat"}`).has(t, "requested", 0.0)
	for body, code := range map[string]schemas.Code{`{}`: schemas.CodeFieldsMissing, `{"answers": 1}`: schemas.CodeInvalid, `{"answers": [{"checklist_id": "x", "answer": "Yes"}]}`: schemas.CodeInvalid,
		`{"answers": [{"checklist_id": 1, "answer": " \u0000 "}]}`: schemas.CodeInvalid, `{"answers": []}`: 0} {
		the.post(t, "/checklist/answer/"+a.Task.Code, owner.token, body).want(t, 200, code)
	}
	if v := visible(t, owner, a.Task.Code); v != 1 {
		t.Errorf("version %d, though nothing was answered", v)
	}
}
