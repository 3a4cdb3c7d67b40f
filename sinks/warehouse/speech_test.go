package warehouse_test

import (
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/pressly/goose/v3"
	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
	"earshot/sinks/warehouse"
)

func ptr[T any](v T) *T { return &v }

// line is a row of a query, its columns as ClickHouse writes them.
func line(t failer, query string) (out string) {
	t.Helper()
	scan(t, "SELECT toJSONString(tuple("+query, &out)
	return out
}

// What was heard and measured is in the tables; what is unknown is NULL there.
func TestSpeechIsInTheTables(t *testing.T) {
	e, closeEnv := newEnv(t, t.Output())
	defer closeEnv()
	us := []schemas.Utterance{
		{Speaker: schemas.RoleOperator, Start: ptr(0.5), End: ptr(2.0), Text: "Good day.", RoleConfidence: ptr(0.75), Words: []schemas.Word{
			{Start: 0.5, End: 1, Text: "Good", Confidence: ptr(0.5)}, {Start: 1.25, End: 2, Text: "day."}}},
		{Turn: 1, Speaker: schemas.RoleCustomer, Channel: 1, Text: "Hello"},
	}
	metrics := schemas.Metrics{Turns: 2, OperatorTurns: 1, CustomerTurns: 1, Words: 3, OperatorTalk: ptr(1.5), Silence: ptr(4.0), Hold: ptr(0.0), Interruptions: ptr(int64(3)), LongestMonologue: ptr(1.5),
		Speakers: []schemas.SpeakerMetrics{{Role: schemas.RoleSystem, Talk: ptr(9.0), WordsPerMinute: ptr(9.0)},
			{Role: schemas.RoleOperator, LongestMonologue: ptr(1.5), WordsPerMinute: ptr(80.0), ShareOfTalk: ptr(0.6), ShareOfDuration: ptr(0.1), Interruptions: ptr(int64(2))},
			{Role: schemas.RoleCustomer, Interruptions: ptr(int64(1))}}}
	sound := schemas.Sound{RoleConfidence: ptr(0.8), Marks: []schemas.Mark{{Kind: schemas.MarkHold}}}
	call, transcribed, silent := newTask(0, schemas.TypeCall, ""), newTask(0, schemas.TypeCall, ""), newTask(0, schemas.TypeCall, "")
	transcribed.Processing = schemas.ProcessTranscription
	e.produce([]*kgo.Record{
		e.record(schemas.TopicAnalyses, schemas.Analysis{Task: call, Version: 1, Language: "en", RoleSource: schemas.RoleFromDiarized, Utterances: us, Sentiment: "neutral",
			Metrics: metrics, Sound: sound, CreatedAt: call.CreatedAt, Engine: "rules 5", SpeechModel: "whisper.cpp 1.8 ggml-tiny.bin", Profile: "0123456789ab"}),
		e.record(schemas.TopicTranscripts, schemas.Transcript{Task: transcribed, Version: 1, Language: "en", RoleSource: schemas.RoleFromDiarized, Utterances: us,
			Metrics: metrics, Sound: sound, CreatedAt: call.CreatedAt, Engine: "whisper.cpp 1.8", Model: "ggml-tiny.bin"}),
		e.record(schemas.TopicAnalyses, schemas.Analysis{Task: silent, Version: 1, Language: "und", NoSpeech: true, Metrics: schemas.Metrics{Silence: ptr(60.0), Hold: ptr(0.0)}, CreatedAt: call.CreatedAt}),
	})
	e.run(db.Conn, warehouse.Config{BatchRecords: 10, BatchBytes: 1 << 20, BatchAge: time.Millisecond}, nil)

	const measured = `role_confidence, turns, operator_turns, word_count, operator_talk, customer_talk, silence, hold, interruptions, longest_monologue,
		operator_longest_monologue, customer_longest_monologue, operator_words_per_minute, customer_words_per_minute, operator_share_of_talk, customer_share_of_talk,
		operator_share_of_duration, customer_share_of_duration, operator_interruptions, customer_interruptions)) FROM interactions FINAL WHERE code = '%s'`
	for _, task := range []schemas.Task{call, transcribed} {
		if got, want := line(t, fmt.Sprintf(measured, task.Code)), `[0.8,2,1,3,1.5,null,4,0,3,1.5,1.5,null,80,null,0.6,null,0.1,null,2,1]`; got != want {
			t.Errorf("%s: %s, want %s", task.Processing, got, want)
		}
		for turn, want := range []string{
			`["operator",0.75,["Good","day."],[0.5,1.25],[1,2],[0.5,null]]`, `["customer",null,[],[],[],[]]`} {
			if got := line(t, fmt.Sprintf("speaker, role_confidence, words, word_starts, word_ends, word_confidences)) FROM segments FINAL WHERE code = '%s' AND turn = %d", task.Code, turn)); got != want {
				t.Errorf("%s, turn %d: %s, want %s", task.Processing, turn, got, want)
			}
		}
	}
	for code, want := range map[string]string{call.Code: `["rules 5","whisper.cpp 1.8 ggml-tiny.bin","0123456789ab"]`,
		transcribed.Code: `["whisper.cpp 1.8","whisper.cpp 1.8 ggml-tiny.bin",""]`, silent.Code: `["","",""]`} {
		if got := line(t, "engine, speech_model, profile)) FROM interactions FINAL WHERE code = '"+code+"'"); got != want {
			t.Errorf("made by %s, want %s", got, want)
		}
	}
	if got, want := line(t, "text)) FROM interactions FINAL WHERE code = '"+call.Code+"'"), `["Operator?: Good day.\nClient: Hello"]`; got != want {
		t.Errorf("text %s, want %s", got, want)
	}
	got := line(t, "no_speech, sentiment, sentiment_score, tone_id, csat, politeness, empathy, operator_talk, overlap, silence, hold, turns)) FROM interactions FINAL WHERE code = '"+silent.Code+"'")
	if want := `[true,"",null,0,null,null,null,null,null,60,0,0]`; got != want {
		t.Errorf("nobody spoke: %s, want %s", got, want)
	}
}

// Tables that an earlier version filled get the new columns, and their rows
// say that nothing is known.
func TestMigrateBringsAnEarlierVersionsTablesUp(t *testing.T) {
	exec(t, "CREATE DATABASE earlier")
	opts := *db.opts
	opts.Auth.Database = "earlier"
	conn := clickhouse.OpenDB(&opts)
	defer conn.Close()
	files, err := fs.Sub(schemas.DDL, "ddl")
	if err != nil {
		t.Fatal(err)
	}
	earlier, err := goose.NewProvider(goose.DialectClickHouse, conn, files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := earlier.UpTo(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	exec(t, "INSERT INTO earlier.interactions (org, code, version, operator_talk, reason) VALUES ('org_a', '0195a000-0000-7000-8000-000000000000', 1, 2.5, 'не ясно')")
	exec(t, "INSERT INTO earlier.segments (org, code, turn, version, speaker, text) VALUES ('org_a', '0195a000-0000-7000-8000-000000000000', 0, 1, 'operator', 'hello')")
	for range 2 {
		if err := warehouse.Migrate(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := line(t, "operator_talk, hold, role_confidence, customer_interruptions, reason, speech_model, profile)) FROM earlier.interactions FINAL SETTINGS apply_mutations_on_fly = 1"), `[2.5,null,null,null,"","",""]`; got != want {
		t.Errorf("interactions: %s, want %s", got, want)
	}
	if got, want := line(t, "speaker, text, role_confidence, words, word_confidences)) FROM earlier.segments FINAL"), `["operator","hello",null,[],[]]`; got != want {
		t.Errorf("segments: %s, want %s", got, want)
	}
	if _, err := earlier.DownTo(t.Context(), 3); err != nil {
		t.Error(err)
	}
	if got := line(t, "operator_talk)) FROM earlier.interactions FINAL"); got != `[2.5]` {
		t.Errorf("after going back: %s", got)
	}
}
