package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"earshot/deploy/engines"
)

// filterCase is one question, as a client asks the API and as an analyst would
// write it in SQL.
type filterCase struct {
	name  string
	query url.Values
	where string
}

var filterCases = []filterCase{
	{"everything", url.Values{}, "1"},
	{"status and month", url.Values{"status": {"completed"}, "date_from": {"2025-10-01"}, "date_to": {"2025-10-31"}},
		"status = 'completed' AND call_datetime >= '2025-10-01 00:00:00' AND call_datetime < '2025-11-01 00:00:00'"},
	{"dictionaries", url.Values{"tone_id": {"1,2"}, "priority_id": {"3"}, "risk_signal_id": {"2,3"}, "funnel_stage_id": {"4,5"}},
		"tone_id IN (1, 2) AND priority_id = 3 AND hasAny(risk_signal_ids, [2, 3]) AND funnel_stage_id IN (4, 5)"},
	{"numbers", url.Values{"customer_satisfaction_score_min": {"7"}, "script_alignment_min": {"60"}, "length_min": {"3.5"}, "operator_politeness": {"4,5"}},
		"csat >= 7 AND script_alignment >= 60 AND length >= 3.5 AND politeness_grade IN (4, 5)"},
	{"tags and checklist", url.Values{"tags_any": {"Tag 1,Tag 2"}, "checklist_id": {"7"}, "answers": {"Yes,Partially"}},
		"hasAny(tag_keys, ['tag 1', 'tag 2']) AND hasAny(checklist_keys, ['7=Yes', '7=Partially'])"},
	{"operator", url.Values{"operator_name": {"tor 17"}}, "positionCaseInsensitiveUTF8(operator_name, 'tor 17') > 0"},
	{"full text", url.Values{"message": {"miran7"}}, "hasAll(words, ['miran7'])"},
}

// pageColumns is what a row of the answer is made of.
const pageColumns = `id, code, type, status, file_name, created_at, updated_at, operator_name, call_time, call_type, call_date, error_message,
	directory_id, length, report_type, csat`

// filterRounds is how often each question is asked each way, in turns.
const filterRounds = 30

// filters loads a million interactions straight into ClickHouse and compares
// the API's answer times with those of the same questions in SQL, asked through
// the port that BI tools use.
func (b *bench) filters(ctx context.Context, rows int) error {
	org, err := organisation(b.server.Token)
	if err != nil {
		return err
	}
	if err := b.server.Stop(ctx); err != nil {
		return err
	}
	year := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := b.loadRows(ctx, org, stretch{year, year.AddDate(1, 0, 0), rows}); err != nil {
		return fmt.Errorf("load %d rows: %w", rows, err)
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	if err := b.start(ctx, "EARSHOT_CLICKHOUSE_LISTEN="+address, "EARSHOT_CLICKHOUSE_USER=bi", "EARSHOT_CLICKHOUSE_PASSWORD=bench-only"); err != nil {
		return err
	}
	conn, err := clickhouse.Open(&clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{address}, Auth: clickhouse.Auth{Username: "bi", Password: "bench-only", Database: "default"}})
	if err != nil {
		return err
	}
	defer conn.Close()
	var api, raw []float64
	for _, c := range filterCases {
		a, r, err := b.compare(ctx, conn, org, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		api, raw = append(api, a...), append(raw, r...)
		report(figure{Figure: "filter_p95_" + strings.ReplaceAll(c.name, " ", "_"), Value: quantile(a, 0.95), Unit: "ms", Target: 1.25 * quantile(r, 0.95),
			Met: quantile(a, 0.95) <= 1.25*quantile(r, 0.95), Cores: runtime.NumCPU(), Note: fmt.Sprintf("raw SQL %.1f ms; p50 %.1f ms, raw %.1f ms", quantile(r, 0.95), quantile(a, 0.5), quantile(r, 0.5))})
	}
	slices.Sort(api)
	slices.Sort(raw)
	atMost("filter_p95_ratio", quantile(api, 0.95)/quantile(raw, 0.95), "times raw SQL", 1.25,
		fmt.Sprintf("%d rows, all questions: API p95 %.1f ms, raw SQL %.1f ms", rows, quantile(api, 0.95), quantile(raw, 0.95)))
	return nil
}

// compare asks one question in turns and returns both sorted lists of times in milliseconds.
func (b *bench) compare(ctx context.Context, conn driver.Conn, org string, c filterCase) (api, raw []float64, err error) {
	c.query.Set("per_page", "12")
	for i := range filterRounds + 2 {
		begin := time.Now()
		if err := b.server.Get(ctx, "/tasks/filter", c.query, nil); err != nil {
			return nil, nil, err
		}
		middle := time.Now()
		if err := rawFilter(ctx, conn, org, c.where); err != nil {
			return nil, nil, err
		}
		if i < 2 {
			continue // caches
		}
		api = append(api, float64(middle.Sub(begin).Microseconds())/1000)
		raw = append(raw, float64(time.Since(middle).Microseconds())/1000)
	}
	slices.Sort(api)
	slices.Sort(raw)
	return api, raw, nil
}

// rawFilter asks for the total and the first page.
func rawFilter(ctx context.Context, conn driver.Conn, org, where string) error {
	from := fmt.Sprintf(" FROM interactions FINAL WHERE org = '%s' AND %s", org, where)
	// As the API asks: no task has rows in two partitions.
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"do_not_merge_across_partitions_select_final": 1}))
	var total uint64
	if err := conn.QueryRow(ctx, "SELECT count()"+from).Scan(&total); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, "SELECT "+pageColumns+from+" ORDER BY updated_at DESC, id DESC LIMIT 12")
	if err != nil {
		return err
	}
	for rows.Next() { // read all, keep none
	}
	return rows.Close()
}

// organisation reads whose token it is from the token (RFC 7519, the claims).
func organisation(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("the token is no JWT")
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	var claims struct {
		Org string `json:"org"`
	}
	err = json.Unmarshal(raw, &claims)
	return claims.Org, err
}

// stretch is a number of conversations spread over a time.
type stretch struct {
	from, until time.Time
	rows        int
}

// loadRows has ClickHouse make conversations while the server is stopped.
func (b *bench) loadRows(ctx context.Context, org string, stretches ...stretch) error {
	statement, err := os.ReadFile("query/read/testdata/interactions.sql")
	if err != nil {
		return err
	}
	e, err := engines.Open(ctx, engines.Config{Data: b.data, ClickHouseListen: "127.0.0.1:0", ClickHouseMemory: 1 << 30, KafkaReplication: -1}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	const piece = 20_000
	for _, s := range stretches {
		step := uint64(s.until.Sub(s.from) / time.Millisecond / time.Duration(s.rows))
		for first := 0; first < s.rows && err == nil; first += piece {
			err = e.ClickHouse.Exec(ctx, string(statement), clickhouse.Named("org", org), clickhouse.Named("first", first),
				clickhouse.Named("rows", min(piece, s.rows-first)), clickhouse.Named("begin", s.from), clickhouse.Named("step", step))
		}
	}
	stop, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if closing := e.Close(stop); err == nil {
		err = closing
	}
	return err
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
