package read_test

import (
	"context"
	"encoding/json"
	"flag"
	"testing"
	"time"

	"earshot/query/read"
	"earshot/schemas"
	"earshot/schemas/report"
)

var reportRows = flag.Int("report-rows", 1_000_000, "conversations of the month that BenchmarkReport reports on")

// BenchmarkReport makes the reports of a month, and of its last day. The month
// before has a tenth of it, another organisation as much again. The bar is 3 s
// on two cores for all SQL of the business report.
func BenchmarkReport(b *testing.B) {
	exec(b, "TRUNCATE TABLE interactions")
	month := zoned(b, "Europe/Berlin", "2025-10-01 00:00", "2025-11-01 00:00")
	loadInto(b, "org_1", *reportRows, month.From, month.Until.Sub(month.From))
	loadInto(b, "org_1", *reportRows/10, month.From.AddDate(0, -1, 0), 30*24*time.Hour)
	loadInto(b, "org_2", *reportRows/10, month.From, month.Until.Sub(month.From))
	day := report.Period{From: month.Until.AddDate(0, 0, -1), Until: month.Until, Zone: month.Zone}
	reader := read.New(db)
	for _, bench := range []report.Query{{Kind: schemas.ReportBusiness, Period: month}, {Kind: schemas.ReportStandard, Period: month}, {Kind: schemas.ReportDaily, Period: day}} {
		b.Run(bench.Kind, func(b *testing.B) {
			var size int
			before := cpu()
			for b.Loop() {
				r, err := reader.Report(context.Background(), "org_1", bench)
				if err != nil {
					b.Fatal(err)
				}
				text, err := json.Marshal(r)
				if err != nil {
					b.Fatal(err)
				}
				size = len(text)
			}
			b.ReportMetric(float64((cpu()-before).Milliseconds())/float64(b.N), "cpu-ms/op")
			b.ReportMetric(float64(size)/1024, "KB")
		})
	}
}
