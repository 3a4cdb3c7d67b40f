package read_test

import (
	"math/rand/v2"
	"testing"

	"earshot/query/read"
	"earshot/schemas"
	"earshot/schemas/report"
)

// A conversation that nothing is known of but its risk needs a look too, after
// those whose score is known; and one conversation makes nobody the best.
func TestReportOfFew(t *testing.T) {
	exec(t, "TRUNCATE TABLE interactions")
	period := zoned(t, "UTC", "2026-02-01 00:00", "2026-02-02 00:00")
	d, nine := dice{rand.New(rand.NewPCG(4, 4))}, uint8(9)
	var talks []talk
	add := func(operator string, csat *uint8, n int) {
		for range n {
			at := period.From
			talks = append(talks, talk{Org: "org_1", Code: d.code(at), Version: 1, Status: "completed", ID: int64(len(talks) + 1), Type: "call", Operator: operator, At: at, UpdatedAt: at,
				Analysed: 1, CSAT: csat})
		}
	}
	ten := uint8(10)
	add("busy", &nine, 5)
	add("once", &ten, 4)
	add("never judged", nil, 9)
	talks[0].Risks, talks[9].Risks = []uint8{2}, []uint8{2}
	insertTalks(t, talks)

	ask := func(kind string) report.Report {
		r, err := read.New(db).Report(t.Context(), "org_1", report.Query{Kind: kind, Period: period})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	list := ask(schemas.ReportDaily).Daily.Attention
	if len(list) != 2 || list[0].TaskID != 1 || list[0].Score == nil || *list[0].Score != 90 || list[1].TaskID != 10 || list[1].Score != nil {
		t.Errorf("attention: %+v", list)
	}
	q := ask(schemas.ReportStandard).Quality
	if q.Spread != nil || q.OperatorCount != 3 || q.Total.Analysed != 18 || q.Total.Scored != 9 {
		t.Errorf("spread %v, %d operators, %d analysed, %d scored", q.Spread, q.OperatorCount, q.Total.Analysed, q.Total.Scored)
	}
	for i, want := range []struct {
		name string
		rank int64
	}{{"busy", 1}, {"never judged", 0}, {"once", 0}} {
		if o := q.Operators[i]; o.Name != want.name || o.Rank != want.rank {
			t.Errorf("operator %d is %q with rank %d, want %q with %d", i, o.Name, o.Rank, want.name, want.rank)
		}
	}
}
