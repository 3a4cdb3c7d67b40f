package analyze

import (
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/pressly/goose/v3"

	"earshot/deploy/engines/chdb"
	"earshot/processors"
	"earshot/processors/measure"
	"earshot/query/read"
	"earshot/schemas"
	"earshot/sinks/state"
)

// newDatabase is the real ClickHouse engine; a process can hold one.
func newDatabase(t *testing.T) driver.Conn {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	lib, err := chdb.Locate("")
	must(err)
	server, err := chdb.Open(chdb.Options{Library: lib, Dir: t.TempDir()}, slog.New(slog.DiscardHandler))
	must(err)
	t.Cleanup(func() { _ = server.Close(context.Background()) })
	user, password := server.Account()
	opts := &clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{server.Addr()}, Auth: clickhouse.Auth{Database: "default", Username: user, Password: password}}
	files, err := fs.Sub(schemas.DDL, "ddl")
	must(err)
	migrations := clickhouse.OpenDB(opts)
	defer migrations.Close()
	provider, err := goose.NewProvider(goose.DialectClickHouse, migrations, files)
	must(err)
	_, err = provider.Up(t.Context())
	must(err)
	db, err := clickhouse.Open(opts)
	must(err)
	t.Cleanup(func() { db.Close() })
	return db
}

// A request is fulfilled once however often it is delivered, and also when a
// person's answer has taken the version that it was to have.
func TestARequestIsFulfilledOnce(t *testing.T) {
	db := newDatabase(t)
	a, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	marks := newStore(t)
	stage := Stage(a, marks, nothing, read.New(db), measure.Config{Silence: 3 * time.Second})
	store := func(a schemas.Analysis) {
		t.Helper()
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Exec(t.Context(), "INSERT INTO interactions (org, code, version, updated_at, status, analysis_version, analysis) VALUES (?, ?, ?, ?, ?, ?, ?)",
			a.Task.Org, a.Task.Code, schemas.StatusVersion(schemas.StatusCompleted)<<32+a.Version, a.CreatedAt, schemas.StatusCompleted, a.Version, string(text)); err != nil {
			t.Fatal(err)
		}
	}
	asked := time.Now().UTC().Truncate(time.Microsecond)
	newest := schemas.Analysis{Task: schemas.Task{Org: "org_1", Code: uuid.NewString(), Type: schemas.TypeCall}, Version: 1, CreatedAt: asked.Add(-time.Hour),
		SpeechModel: "whisper.cpp 1.8 ggml-tiny.bin", Profile: "of before"}
	store(newest)
	// deliver gives the version that comes of a request, 0 for none, and stores it.
	deliver := func(version int64, at time.Time) int64 {
		t.Helper()
		again := &schemas.AnalysisRequested{Org: "org_1", TaskCode: newest.Task.Code, Version: version, At: at}
		events, err := stage.Handle(t.Context(), processors.Job{Task: schemas.Task{Org: again.Org, Code: again.TaskCode}, Again: again})
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			return 0
		}
		newest = events[0].Value.(schemas.Analysis)
		store(newest)
		return newest.Version
	}
	answer := func() { // as the API does it: all else of the analysis stays
		newest.Version, newest.CreatedAt = newest.Version+1, time.Now().UTC()
		newest.Checklist = append(newest.Checklist, schemas.ChecklistAnswer{ID: 900 + newest.Version, Question: "Q", Answer: schemas.AnswerYes, Score: 1, AnsweredBy: 7})
		store(newest)
	}
	answer() // version 2, while the request for that version waits
	for _, step := range []struct {
		version int64
		at      time.Time
		want    int64
	}{{2, asked, 3}, {2, asked, 0}} {
		if got := deliver(step.version, step.at); got != step.want {
			t.Errorf("a request for version %d makes version %d, want %d", step.version, got, step.want)
		}
	}
	answer() // version 4, after it
	if got := deliver(2, asked); got != 0 {
		t.Errorf("delivered once more after an answer, the request makes version %d", got)
	}
	if got := deliver(5, asked.Add(time.Second)); got != 5 {
		t.Errorf("the next request makes version %d", got)
	}
	// While a person's answer is being written, the analyser waits for it; and while
	// the analyser writes, nobody else does.
	writing := func() bool {
		t.Helper()
		marked, err := marks.MarkAgain(t.Context(), state.MarkWriting, "org_1", []schemas.Analysed{{Code: newest.Task.Code, Version: newest.Version}})
		if err != nil {
			t.Fatal(err)
		}
		return len(marked) == 0
	}
	if writing() {
		t.Error("what was written is still marked")
	}
	made := make(chan int64, 1)
	before := newest
	go func() {
		again := &schemas.AnalysisRequested{Org: "org_1", TaskCode: before.Task.Code, Version: 6, At: asked.Add(2 * time.Second)}
		events, err := stage.Handle(t.Context(), processors.Job{Task: schemas.Task{Org: again.Org, Code: again.TaskCode}, Again: again})
		if err != nil || len(events) != 1 {
			made <- 0
			return
		}
		made <- events[0].Value.(schemas.Analysis).Version
	}()
	select {
	case v := <-made:
		t.Errorf("version %d was made while an answer was being written", v)
	case <-time.After(4 * claimStep):
	}
	answer()
	if err := marks.ExpectAgain(t.Context(), state.MarkWriting, "org_1", []schemas.Analysed{{Code: newest.Task.Code, Version: newest.Version}}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if v := <-made; v != newest.Version+1 || !writing() {
		t.Errorf("version %d after the answer's %d", v, newest.Version)
	}
	// The analyser that died before it could publish is not in its own way.
	if v, last := deliver(6, asked.Add(2*time.Second)), before.Version+1; v != last+1 || writing() {
		t.Errorf("delivered once more, the request makes version %d", v)
	}
	if newest.SpeechModel != "whisper.cpp 1.8 ggml-tiny.bin" || newest.Profile != (profile{}).settings() {
		t.Errorf("analysed again it was heard by %q and judged by %q", newest.SpeechModel, newest.Profile)
	}
	var persons int
	for _, a := range newest.Checklist {
		if a.AnsweredBy == 7 {
			persons++
		}
	}
	if persons != 3 {
		t.Errorf("%d answers of a person are left of 3: %+v", persons, newest.Checklist)
	}
}
