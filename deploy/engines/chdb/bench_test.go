package chdb_test

import (
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"earshot/deploy/engines/chdb"
)

func BenchmarkInsert10kRows(b *testing.B) {
	server := start(b, chdb.Options{})
	defer stop(b, server)
	conn := connect(b, options(server))
	mustExec(b, conn, typesDDL)
	rows := 0
	for b.Loop() {
		if err := insertCalls(b.Context(), conn, rows, 10_000); err != nil {
			b.Fatal(err)
		}
		rows += 10_000
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkPointQuery(b *testing.B) {
	server := start(b, chdb.Options{})
	defer stop(b, server)
	conn := connect(b, options(server))
	mustExec(b, conn, typesDDL)
	for i := range 20 {
		if err := insertCalls(b.Context(), conn, i*10_000, 10_000); err != nil {
			b.Fatal(err)
		}
	}
	id := uuid.NewSHA1(uuid.NameSpaceOID, []byte("77"))
	var note string
	for b.Loop() {
		err := conn.QueryRow(b.Context(), "SELECT note FROM calls FINAL WHERE org = {org:UInt64} AND id = {id:UUID}", clickhouse.Named("org", 77%3), clickhouse.Named("id", id)).Scan(&note)
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSelectOne(b *testing.B) {
	server := start(b, chdb.Options{})
	defer stop(b, server)
	conn := connect(b, options(server))
	var one uint8
	for b.Loop() {
		if err := conn.QueryRow(b.Context(), "SELECT 1").Scan(&one); err != nil {
			b.Fatal(err)
		}
	}
}
