package read

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"earshot/schemas"
)

// Conversation returns the newest analysis of a task with its utterances: all
// that another version of it can be made from. Errors: CodeTaskNotFound,
// CodeNoAnalysis.
func (r *Reader) Conversation(ctx context.Context, org, code string) (schemas.Analysis, error) {
	a, err := r.Analysis(ctx, org, code)
	if err != nil {
		return a, err
	}
	a.Utterances, err = r.utterances(ctx, org, code)
	return a, err
}

func (r *Reader) utterances(ctx context.Context, org, code string) ([]schemas.Utterance, error) {
	rows, err := r.conn.Query(bounded(ctx), `SELECT turn, speaker, role_confidence, channel, start, end, text, confidence, sentiment,
		words, word_starts, word_ends, word_confidences FROM segments FINAL WHERE org = {org:String} AND code = {code:UUID}
		AND version = (SELECT max(version) FROM segments WHERE org = {org:String} AND code = {code:UUID}) ORDER BY turn`,
		clickhouse.Named("org", org), clickhouse.Named("code", code))
	if err != nil {
		return nil, databaseError(err)
	}
	defer rows.Close()
	var turns []schemas.Utterance
	for rows.Next() {
		var (
			u            schemas.Utterance
			turn         uint32
			channel      int16
			words        []string
			starts, ends []float32
			sure         []*float32
		)
		if err := rows.Scan(&turn, &u.Speaker, &u.RoleConfidence, &channel, &u.Start, &u.End, &u.Text, &u.Confidence, &u.Sentiment, &words, &starts, &ends, &sure); err != nil {
			return nil, databaseError(err)
		}
		if len(starts) != len(words) || len(ends) != len(words) || len(sure) != len(words) {
			return nil, databaseError(fmt.Errorf("stored words of %s: %d words, %d starts, %d ends, %d confidences", code, len(words), len(starts), len(ends), len(sure)))
		}
		u.Turn, u.Channel = int64(turn), int64(channel)
		for i, text := range words {
			w := schemas.Word{Text: text, Start: float64(starts[i]), End: float64(ends[i])}
			if sure[i] != nil {
				c := float64(*sure[i])
				w.Confidence = &c
			}
			u.Words = append(u.Words, w)
		}
		turns = append(turns, u)
	}
	if err := rows.Err(); err != nil {
		return nil, databaseError(err)
	}
	return turns, nil
}

// CodeOf returns the code of the task with an internal id. Errors:
// CodeTaskNotFound.
func (r *Reader) CodeOf(ctx context.Context, org string, id int64) (string, error) {
	var code uuid.UUID
	err := r.conn.QueryRow(bounded(ctx), "SELECT code FROM interactions WHERE org = {org:String} AND id = {id:Int64} LIMIT 1",
		clickhouse.Named("org", org), clickhouse.Named("id", id)).Scan(&code)
	if errors.Is(err, sql.ErrNoRows) {
		return "", schemas.Fail(schemas.CodeTaskNotFound, "")
	}
	if err != nil {
		return "", databaseError(err)
	}
	return code.String(), nil
}

// Answered says whether any analysis of the organisation answers a question of
// the checklist.
func (r *Reader) Answered(ctx context.Context, org string, question int64) (bool, error) {
	var n uint64
	err := r.conn.QueryRow(bounded(ctx), `SELECT count() FROM (SELECT 1 FROM interactions FINAL
		WHERE org = {org:String} AND has(checklist_ids, {question:Int64}) LIMIT 1)`,
		clickhouse.Named("org", org), clickhouse.Named("question", question)).Scan(&n)
	if err != nil {
		return false, databaseError(err)
	}
	return n > 0, nil
}

// Analysed returns the tasks that meet c and have an analysis, newest first, at
// most limit, with the versions of their analyses. Page and PerPage of c count
// for nothing.
func (r *Reader) Analysed(ctx context.Context, org string, c Criteria, limit int) ([]schemas.Analysed, error) {
	w := where(org, c)
	w.bind("limit", limit)
	return r.analysed(ctx, w, " ORDER BY toUInt128(code) DESC LIMIT {limit:UInt64}")
}

// Versions returns those of the tasks that have an analysis, with its version.
func (r *Reader) Versions(ctx context.Context, org string, codes []string) ([]schemas.Analysed, error) {
	w := &conditions{}
	w.add("org = {org:String}", "org", org)
	w.add("code IN {codes:Array(UUID)}", "codes", codes)
	return r.analysed(ctx, w, "")
}

func (r *Reader) analysed(ctx context.Context, w *conditions, order string) ([]schemas.Analysed, error) {
	rows, err := r.conn.Query(bounded(ctx), "SELECT code, analysis_version FROM interactions FINAL WHERE "+w.String()+" AND analysis_version > 0"+order, w.args...)
	if err != nil {
		return nil, databaseError(err)
	}
	defer rows.Close()
	var out []schemas.Analysed
	for rows.Next() {
		var code uuid.UUID
		var version uint32
		if err := rows.Scan(&code, &version); err != nil {
			return nil, databaseError(err)
		}
		out = append(out, schemas.Analysed{Code: code.String(), Version: int64(version)})
	}
	if err := rows.Err(); err != nil {
		return nil, databaseError(err)
	}
	return out, nil
}
