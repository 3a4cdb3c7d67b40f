package read_test

import (
	"context"
	"slices"
	"syscall"
	"testing"
	"time"

	"earshot/query/read"
)

// BenchmarkFilter asks a million interactions of one organisation.
func BenchmarkFilter(b *testing.B) {
	exec(b, "TRUNCATE TABLE interactions")
	load(b, "org_1", 1_000_000)
	load(b, "org_2", 50_000)
	for merges := uint64(1); merges > 0; time.Sleep(100 * time.Millisecond) { // the machine is the queries' alone
		if err := db.QueryRow(context.Background(), "SELECT count() FROM system.merges").Scan(&merges); err != nil {
			b.Fatal(err)
		}
	}
	reader := read.New(db)
	for _, bench := range []struct{ name, body string }{
		{"everything", `{}`},
		{"last page", `{"page": 100000}`},
		{"status and month", `{"status": "completed", "date_from": "2025-10-01", "date_to": "2025-10-31"}`},
		{"dictionaries", `{"tone_id": [1,2], "priority_id": 3, "risk_signal_id": "2,3", "funnel_stage_id": [4,5]}`},
		{"numbers", `{"customer_satisfaction_score_min": 7, "script_alignment_min": 60, "length_min": 3.5, "operator_politeness": [4,5]}`},
		{"tags", `{"tags_any": "tag 1,tag 2"}`},
		{"checklist", `{"checklist_id": 7, "answers": ["Yes","Partially"]}`},
		{"operator", `{"operator_name": "tor 17"}`},
		{"frequent word", `{"message": "miran0"}`},
		{"rare words", `{"message": "даpon5 киtel1"}`},
		{"seed's example", `{"task_type": "call", "status": "completed", "date_from": "2025-10-01", "date_to": "2025-10-31", "message": "lopon2", "operator_name": "Operator",
			"call_type": "inbound", "tags_any": "Tag 1,Tag 2", "script_alignment_min": 10, "tone_id": [1,2], "operator_politeness_min": 2, "length_max": 120, "per_page": 12}`},
		{"task", `{"task_code": "01941f29-7c00-70de-80d4-3b1e7a047ffc"}`},
		{"task id", `{"task_id": 500000}`},
	} {
		c, err := read.ParseCriteria([]byte(bench.body))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(bench.name, func(b *testing.B) {
			var took []time.Duration
			var total int64
			before := cpu()
			for b.Loop() {
				begin := time.Now()
				page, err := reader.Filter(context.Background(), "org_1", c)
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begin))
				total = page.Total
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
			b.ReportMetric(float64(took[0].Microseconds())/1000, "min-ms")
			b.ReportMetric(float64((cpu()-before).Microseconds())/1000/float64(len(took)), "cpu-ms")
			b.ReportMetric(float64(total), "matches")
		})
	}
}

// cpu is what the process has spent, ClickHouse included.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
