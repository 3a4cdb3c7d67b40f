// Package read holds the read models: what the API and the reports ask of
// ClickHouse. Every method takes the organisation first and every query is
// bound to it; values are bound on the server, never written into SQL. A failure
// of the database is schemas.CodeDatabase.
package read

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"earshot/schemas"
)

// Reader asks ClickHouse. It is safe for concurrent use.
type Reader struct {
	conn driver.Conn
}

// New returns a reader on an opened connection.
func New(conn driver.Conn) *Reader { return &Reader{conn} }

// maxSeconds bounds the run time of one query on the server, also when the
// client is gone.
const maxSeconds = 10

// bounded gives a query its settings. Rows of one task lie in one partition (see
// schemas/ddl), so FINAL need not merge across them.
func bounded(ctx context.Context) context.Context { return boundedBy(ctx, maxSeconds) }

func boundedBy(ctx context.Context, seconds int) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"max_execution_time":                          seconds,
		"do_not_merge_across_partitions_select_final": 1,
	}))
}

func databaseError(err error) error {
	return schemas.Because(schemas.CodeDatabase, err, "")
}

// Analysis returns the newest analysis of a task, without its utterances.
// Errors: CodeTaskNotFound when the organisation has no such task,
// CodeNoAnalysis when it has not been analysed.
func (r *Reader) Analysis(ctx context.Context, org, code string) (schemas.Analysis, error) {
	var out schemas.Analysis
	var text string
	if err := r.point(ctx, org, code, "analysis", &text); err != nil {
		return out, err
	}
	if text == "" {
		return out, schemas.Fail(schemas.CodeNoAnalysis, "")
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return schemas.Analysis{}, databaseError(fmt.Errorf("stored analysis of %s: %w", code, err))
	}
	return out, nil
}

// Text returns the text of a task's conversation as schemas.DialogueText has it,
// "" when there is none (yet).
// Errors: CodeTaskNotFound.
func (r *Reader) Text(ctx context.Context, org, code string) (string, error) {
	var text string
	if err := r.point(ctx, org, code, "text", &text); err != nil || text != "" {
		return text, err
	}
	// A task that ended in error after its transcript: the row of the error has no text.
	return r.segmentText(ctx, org, code)
}

func (r *Reader) segmentText(ctx context.Context, org, code string) (string, error) {
	turns, err := r.Utterances(ctx, org, code, maxTurns)
	return schemas.DialogueText(turns), err
}

// MaxUtterances is as many turns as a document shows; a call of ten hours has
// half of them. maxTurns is as many as any conversation has.
const (
	MaxUtterances = 20_000
	maxTurns      = 100_000
)

// Utterances returns the first turns of a task's conversation in order, at most
// limit of them; none for a task that is unknown or has no transcript yet. Words
// and what the recogniser thought of them stay in ClickHouse.
func (r *Reader) Utterances(ctx context.Context, org, code string, limit int) (turns []schemas.Utterance, err error) {
	rows, err := r.conn.Query(bounded(ctx), `SELECT turn, speaker, role_confidence, channel, start, end, text FROM segments FINAL
		WHERE org = {org:String} AND code = {code:UUID} AND version = (SELECT max(version) FROM segments WHERE org = {org:String} AND code = {code:UUID})
		ORDER BY turn LIMIT {limit:UInt64}`, clickhouse.Named("org", org), clickhouse.Named("code", code), clickhouse.Named("limit", limit))
	if err != nil {
		return nil, databaseError(err)
	}
	defer rows.Close()
	for rows.Next() {
		var u schemas.Utterance
		var turn uint32
		var channel int16
		if err := rows.Scan(&turn, &u.Speaker, &u.RoleConfidence, &channel, &u.Start, &u.End, &u.Text); err != nil {
			return nil, databaseError(err)
		}
		u.Turn, u.Channel = int64(turn), int64(channel)
		turns = append(turns, u)
	}
	if err := rows.Err(); err != nil {
		return nil, databaseError(err)
	}
	return turns, nil
}

// point reads one column of one task. One task has a row or two: sorting them
// takes half the time of FINAL.
func (r *Reader) point(ctx context.Context, org, code, column string, dest any) error {
	id, err := uuid.Parse(code)
	if err != nil {
		return schemas.Fail(schemas.CodeTaskNotFound, "")
	}
	err = r.conn.QueryRow(bounded(ctx), "SELECT "+column+` FROM interactions WHERE org = {org:String} AND code = {code:UUID}
		ORDER BY version DESC LIMIT 1`, clickhouse.Named("org", org), clickhouse.Named("code", id)).Scan(dest)
	if errors.Is(err, sql.ErrNoRows) {
		return schemas.Fail(schemas.CodeTaskNotFound, "")
	}
	if err != nil {
		return databaseError(err)
	}
	return nil
}

// rowColumns are the columns of a TaskRow, in the order scanRow reads them.
const rowColumns = `code, id, type, status, file_name, created_at, updated_at, operator_name, call_time, call_type, call_date,
	error_code, error_message, directory_id, length, report_type, csat`

func scanRow(rows driver.Rows) (TaskRow, error) {
	var (
		row            TaskRow
		code           uuid.UUID
		callTime, date *time.Time
		errorCode      int32
		csat           *uint8
	)
	err := rows.Scan(&code, &row.ID, &row.Type, &row.Status, &row.FileName, &row.CreatedAt, &row.UpdatedAt, &row.OperatorName, &callTime,
		&row.CallType, &date, &errorCode, &row.Error, &row.DirectoryID, &row.Length, &row.ReportType, &csat)
	row.Code, row.ErrorCode = code.String(), int64(errorCode)
	if callTime != nil {
		row.CallTime = *callTime
	}
	if date != nil {
		row.CallDate = date.Format(time.DateOnly)
	}
	if csat != nil {
		n := int64(*csat)
		row.CSAT = &n
	}
	return row, err
}

func (r *Reader) rows(ctx context.Context, query string, args ...any) ([]TaskRow, error) {
	rows, err := r.conn.Query(bounded(ctx), query, args...)
	if err != nil {
		return nil, databaseError(err)
	}
	defer rows.Close()
	out := []TaskRow{}
	for rows.Next() {
		row, err := scanRow(rows)
		if err != nil {
			return nil, databaseError(err)
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		return nil, databaseError(err)
	}
	return out, nil
}

// LastTasks returns the n newest tasks, newest first.
func (r *Reader) LastTasks(ctx context.Context, org string, n int) ([]TaskRow, error) {
	return r.rows(ctx, `SELECT `+rowColumns+` FROM interactions FINAL WHERE org = {org:String}
		ORDER BY id DESC LIMIT {n:UInt64}`, clickhouse.Named("org", org), clickhouse.Named("n", n))
}

// Activity counts calls by year, month and day of the conversation, UTC; the
// keys are as the seed has them: {"2025": {"10": {"01": 247}}}.
func (r *Reader) Activity(ctx context.Context, org string) (map[string]map[string]map[string]uint64, error) {
	rows, err := r.conn.Query(bounded(ctx), `SELECT toDate32(call_datetime) AS day, count() FROM interactions FINAL
		WHERE org = {org:String} AND type = 'call' GROUP BY day`, clickhouse.Named("org", org))
	if err != nil {
		return nil, databaseError(err)
	}
	defer rows.Close()
	tree := map[string]map[string]map[string]uint64{}
	for rows.Next() {
		var day time.Time
		var n uint64
		if err := rows.Scan(&day, &n); err != nil {
			return nil, databaseError(err)
		}
		y, m, d := day.Format("2006"), day.Format("01"), day.Format("02")
		if tree[y] == nil {
			tree[y] = map[string]map[string]uint64{}
		}
		if tree[y][m] == nil {
			tree[y][m] = map[string]uint64{}
		}
		tree[y][m][d] = n
	}
	if err := rows.Err(); err != nil {
		return nil, databaseError(err)
	}
	return tree, nil
}
