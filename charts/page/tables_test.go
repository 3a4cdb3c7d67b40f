package page

import (
	"slices"
	"strings"
	"testing"

	"earshot/charts/table"
	"earshot/schemas"
	"earshot/schemas/report"
)

// tableOf is a table of the files by its id.
func tableOf(t *testing.T, r report.Report, id string) table.Table {
	t.Helper()
	tables := Tables(r, "en")
	i := slices.IndexFunc(tables, func(t table.Table) bool { return t.ID == id })
	if i < 0 {
		t.Fatalf("there is no table %s", id)
	}
	return tables[i]
}

// has says whether a table has a row with these cells, be there others beside them.
func has(t table.Table, cells ...any) bool {
	return slices.ContainsFunc(t.Rows, func(row []any) bool {
		return !slices.ContainsFunc(cells, func(cell any) bool { return !slices.Contains(row, cell) })
	})
}

// The files have what the page has: every conversation with its link, every quote, the target.
func TestFilesHaveAllOfThePage(t *testing.T) {
	standard, business, daily := sampleOf(schemas.ReportStandard, "full"), sampleOf(schemas.ReportBusiness, "full"), sampleOf(schemas.ReportDaily, "full")
	q, d := standard.Quality, daily.Daily
	linked := func(r report.Report, id, about string, cases []report.Case) {
		t.Helper()
		if len(cases) == 0 {
			t.Errorf("%s: nothing to look for", id)
		}
		for _, c := range cases {
			cells := []any{c.Code, "https://calls.example/tasks/" + c.Code, c.Summary}
			if about != "" {
				cells = append(cells, about, c.Operator)
			}
			if !has(tableOf(t, r, id), cells...) {
				t.Errorf("%s lacks %v", id, cells)
			}
			for _, q := range c.Quotes {
				if !has(tableOf(t, r, "case_quotes"), q.Text, q.Code, "https://calls.example/tasks/"+q.Code) {
					t.Errorf("the quotes lack %q", q.Text)
				}
			}
		}
	}
	linked(standard, "best", "", q.Best)
	linked(standard, "worst", "", q.Worst)
	linked(standard, "operator_cases", "Best", q.Operators[3].Best)
	linked(standard, "operator_cases", "To talk about", q.Operators[3].Worst)
	linked(daily, "attention", "", d.Attention)
	if r := business.Business.Responses; !has(tableOf(t, business, "response_target"), float64(report.ResponseTarget), r.Conversations, r.Within) {
		t.Error("the files do not say how many were answered in time")
	}
	before := tableOf(t, standard, "operators_previous")
	if !has(before, q.Operators[0].Name, *q.Operators[0].Previous.CSAT, *q.Operators[0].Previous.Resolved) || has(before, q.Operators[3].Name) {
		t.Error("operators in the period before: one is missing, or one too many")
	}
	for _, id := range []string{"checklist_by_operator", "signals_by_operator"} { // of who was on duty, too
		if !has(tableOf(t, daily, id), d.Operators[1].Name) {
			t.Errorf("%s of the day lacks an operator", id)
		}
	}
	if unscored := d.Attention[5]; !has(tableOf(t, daily, "attention"), unscored.Code, nil) {
		t.Error("a conversation without a score has one")
	}
}

// CSV has shares as 0..1, so no name of a column promises percents.
func TestColumnsPromiseNoPercents(t *testing.T) {
	for _, kind := range kinds {
		for _, lang := range []string{"en", "ru"} {
			for _, tab := range Tables(sampleOf(kind, "full"), lang) {
				for _, c := range tab.Columns {
					if strings.Contains(c.Name, "%") {
						t.Errorf("%s, %s: %q", tab.ID, lang, c.Name)
					}
				}
			}
		}
	}
}

// Whoever needs help most has a chart as well, which is not the one without a rank.
func TestWhoHasAProfile(t *testing.T) {
	team := func(ranked, without int) (out []report.Operator) {
		for i := range ranked + without {
			o := report.Operator{}
			if i < ranked {
				o.Rank = int64(i + 1)
			}
			out = append(out, o)
		}
		return out
	}
	for _, c := range []struct {
		ranked, without int
		want            []int
	}{
		{0, 0, nil},
		{2, 1, []int{0, 1, 2}},
		{12, 0, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
		{13, 1, []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12}},
		{120, 40, []int{0, 1, 2, 3, 4, 5, 114, 115, 116, 117, 118, 119}},
		{3, 40, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
	} {
		if got := profiled(team(c.ranked, c.without)); !slices.Equal(got, c.want) {
			t.Errorf("of %d with a rank and %d without: %v", c.ranked, c.without, got)
		}
	}
}

// A difference has its sign because its column is one of differences, whatever the column is called.
func TestChangesHaveTheirSign(t *testing.T) {
	w := write(sampleOf(schemas.ReportBusiness, "full"), "en")
	rows := w.View(block{Table: &table.Table{Columns: []table.Column{{Name: "A"}, {Name: "Change", Kind: table.Number}, w.column("change", table.Number), w.column("score_change", table.Number)},
		Rows: [][]any{{"a", int64(3), int64(3), -1.5}}}}).Rows()
	if row := rows[1]; row[1].Text != "3" || row[2].Text != "+3" || row[3].Text != "−1.5" {
		t.Errorf("%+v", row)
	}
}
