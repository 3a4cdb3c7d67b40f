package read_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"earshot/query/read"
	"earshot/schemas"
)

func wantCode(t *testing.T, what string, err error, want schemas.Code) {
	t.Helper()
	var coded *schemas.Error
	if !errors.As(err, &coded) || coded.Code != want {
		t.Errorf("%s: got %v, want code %d", what, err, want)
	}
}

func newCode() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func TestRowsShowEveryField(t *testing.T) {
	exec(t, "TRUNCATE TABLE interactions")
	at := time.Date(2026, 2, 28, 23, 30, 0, 123_000, time.UTC)
	night := time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC)
	full := row{Org: "org_1", Code: newCode(), Version: 5, ID: 2, Type: "call", Status: "error", FileName: "a.ogg", CreatedAt: at, UpdatedAt: at.Add(time.Hour), CallDatetime: at,
		CallTime: &at, CallDate: &night, CallType: "inbound", Operator: "Olga", ErrorCode: 4026, Error: "broken", Directory: 7, Length: 1.25, ReportType: "daily", CSAT: ptr(uint8(0))}
	bare := row{Org: "org_1", Code: newCode(), Version: 5, ID: 1, Type: "chat", Status: "pending", CreatedAt: at, UpdatedAt: at, CallDatetime: at}
	insert(t, []row{bare, full})
	page, err := read.New(db).Filter(t.Context(), "org_1", read.Criteria{})
	want := read.Page{Page: 1, PerPage: 10, Total: 2, Tasks: []read.TaskRow{
		{ID: 2, Code: full.Code.String(), Type: "call", Status: "error", FileName: "a.ogg", CreatedAt: at, UpdatedAt: at.Add(time.Hour), OperatorName: "Olga", CallTime: at, CallType: "inbound",
			CallDate: "2026-02-28", ErrorCode: 4026, Error: "broken", DirectoryID: 7, Length: 1.25, ReportType: "daily", CSAT: ptr(int64(0))},
		{ID: 1, Code: bare.Code.String(), Type: "chat", Status: "pending", CreatedAt: at, UpdatedAt: at},
	}}
	if err != nil || !reflect.DeepEqual(page, want) || page.Pages() != 1 {
		t.Errorf("got  %+v, %v\nwant %+v", page, err, want)
	}
	page, err = read.New(db).Filter(t.Context(), "org_1", read.Criteria{Page: 3, PerPage: 1})
	if err != nil || page.Total != 2 || len(page.Tasks) != 0 || page.Pages() != 2 {
		t.Errorf("behind the last page: %+v, %v", page, err)
	}
	last, err := read.New(db).LastTasks(t.Context(), "org_1", 1)
	if err != nil || !reflect.DeepEqual(last, want.Tasks[:1]) {
		t.Errorf("last tasks: %+v, %v", last, err)
	}
	tree, err := read.New(db).Activity(t.Context(), "org_1")
	if want := (map[string]map[string]map[string]uint64{"2026": {"02": {"28": 1}}}); err != nil || !reflect.DeepEqual(tree, want) {
		t.Errorf("activity: %v, %v", tree, err)
	}
}

func TestAnalysisAndText(t *testing.T) {
	exec(t, "TRUNCATE TABLE interactions")
	exec(t, "TRUNCATE TABLE segments")
	want := schemas.Analysis{Task: schemas.Task{Code: newCode().String(), Org: "org_1"}, Version: 2, Summary: "A refund", CSAT: ptr(int64(7)), Metrics: schemas.Metrics{Turns: 3},
		Evidence: []schemas.Evidence{{Judgement: "csat", Quote: "спасибо"}}, CreatedAt: day}
	stored, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	code, pending, failed := want.Task.Code, newCode().String(), newCode().String()
	add := func(code string, version int, text, analysis string) {
		exec(t, "INSERT INTO interactions (org, code, version, text, analysis) VALUES ('org_1', {code:UUID}, {version:UInt64}, {text:String}, {analysis:String})",
			clickhouse.Named("code", code), clickhouse.Named("version", version), clickhouse.Named("text", text), clickhouse.Named("analysis", analysis))
	}
	add(code, 2, "Operator: hello", string(stored))
	add(code, 1, "older", "{}")
	add(pending, 1, "", "")
	add(failed, 9, "", "")
	exec(t, `INSERT INTO segments (org, code, turn, version, speaker, role_confidence, text) VALUES ('org_1', {code:UUID}, 1, 2, 'customer', 0.6, 'hi'),
		('org_1', {code:UUID}, 0, 2, 'operator', NULL, 'hello'), ('org_1', {code:UUID}, 2, 1, 'customer', NULL, 'older')`, clickhouse.Named("code", failed))
	reader := read.New(db)
	if got, err := reader.Analysis(t.Context(), "org_1", code); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("analysis: got %+v, %v\nwant %+v", got, err, want)
	}
	for task, want := range map[string]string{code: "Operator: hello", pending: "", failed: "Operator: hello\nClient?: hi"} {
		if got, err := reader.Text(t.Context(), "org_1", task); err != nil || got != want {
			t.Errorf("text of %s: got %q, %v, want %q", task, got, err, want)
		}
	}
	_, err = reader.Analysis(t.Context(), "org_1", pending)
	wantCode(t, "analysis of a pending task", err, schemas.CodeNoAnalysis)
	for what, task := range map[string][2]string{"of another organisation": {"org_2", code}, "unknown": {"org_1", newCode().String()}, "no UUID": {"org_1", "x' OR 1=1 --"}} {
		_, err := reader.Analysis(t.Context(), task[0], task[1])
		wantCode(t, "analysis of a task "+what, err, schemas.CodeTaskNotFound)
		_, err = reader.Text(t.Context(), task[0], task[1])
		wantCode(t, "text of a task "+what, err, schemas.CodeTaskNotFound)
	}
}

// Another organisation's name, however it is written, opens nothing.
func TestOtherTenantsSeeNothing(t *testing.T) {
	exec(t, "TRUNCATE TABLE interactions")
	insert(t, []row{{Org: "org_1", Code: newCode(), Version: 1, ID: 1, Type: "call", Status: "completed", CreatedAt: day, UpdatedAt: day, CallDatetime: day}})
	reader := read.New(db)
	for _, org := range []string{"", "org_2", "org_1' OR '1'='1", "org_1\x00", "%", "ORG_1", `org_1\`, "org_1\n", "{org:String}"} {
		page, err := reader.Filter(t.Context(), org, read.Criteria{})
		if err != nil || page.Total != 0 || len(page.Tasks) != 0 {
			t.Errorf("filter for %q: %+v, %v", org, page, err)
		}
		last, err := reader.LastTasks(t.Context(), org, 5)
		if err != nil || len(last) != 0 {
			t.Errorf("last tasks for %q: %+v, %v", org, last, err)
		}
		tree, err := reader.Activity(t.Context(), org)
		if err != nil || len(tree) != 0 {
			t.Errorf("activity for %q: %v, %v", org, tree, err)
		}
	}
}

func TestADeadDatabaseIsCode5002(t *testing.T) {
	conn, err := clickhouse.Open(&clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{"127.0.0.1:1"}, DialTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	reader, ctx := read.New(conn), context.Background()
	_, err = reader.Filter(ctx, "org_1", read.Criteria{})
	wantCode(t, "filter", err, schemas.CodeDatabase)
	_, err = reader.Analysis(ctx, "org_1", newCode().String())
	wantCode(t, "analysis", err, schemas.CodeDatabase)
	_, err = reader.Text(ctx, "org_1", newCode().String())
	wantCode(t, "text", err, schemas.CodeDatabase)
	_, err = reader.LastTasks(ctx, "org_1", 5)
	wantCode(t, "last tasks", err, schemas.CodeDatabase)
	_, err = reader.Activity(ctx, "org_1")
	wantCode(t, "activity", err, schemas.CodeDatabase)
}
