package warehouse

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// columns lists a row struct's columns: an insert that names them also works on
// a table to which a newer version has added some.
func columns[T any]() string {
	t := reflect.TypeFor[T]()
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("ch")
	}
	return strings.Join(names, ", ")
}

var (
	intoInteractions = "INSERT INTO interactions (" + columns[interaction]() + ")"
	intoSegments     = "INSERT INTO segments (" + columns[segment]() + ")"
	intoUsage        = "INSERT INTO usage (" + columns[ledgerLine]() + ")"
	intoAudit        = "INSERT INTO audit (" + columns[auditLine]() + ")"
)

// insertTimeout bounds one try of one insert.
const insertTimeout = 2 * time.Minute

// insert writes the batch's rows, one insert per table. It may be repeated.
// Interactions come last: who can read a task's row can read its segments.
func (s *Sink) insert(ctx context.Context, b *batch, token string) error {
	ctx, cancel := context.WithTimeout(ctx, insertTimeout)
	defer cancel()
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"insert_deduplication_token": token,
		"async_insert":               0, // the answer must mean that the rows are there
	}))
	var segments []*segment
	for _, list := range b.segments {
		for i := range list {
			segments = append(segments, &list[i])
		}
	}
	var lines []*ledgerLine
	for _, line := range b.usage {
		lines = append(lines, &line)
	}
	rows := make([]*interaction, 0, len(b.rows))
	for _, row := range b.rows {
		rows = append(rows, row)
	}
	if err := send(ctx, s.conn, intoSegments, segments); err != nil {
		return fmt.Errorf("segments: %w", err)
	}
	if err := send(ctx, s.conn, intoUsage, lines); err != nil {
		return fmt.Errorf("usage: %w", err)
	}
	if err := send(ctx, s.conn, intoAudit, slices.Collect(b.auditLines())); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if err := send(ctx, s.conn, intoInteractions, rows); err != nil {
		return fmt.Errorf("interactions: %w", err)
	}
	return nil
}

func send[T any](ctx context.Context, conn driver.Conn, query string, rows []*T) error {
	if len(rows) == 0 {
		return nil
	}
	block, err := conn.PrepareBatch(ctx, query, driver.WithReleaseConnection())
	if err != nil {
		return err
	}
	defer block.Close()
	for _, row := range rows {
		if err := block.AppendStruct(row); err != nil {
			return err
		}
	}
	return block.Send()
}
