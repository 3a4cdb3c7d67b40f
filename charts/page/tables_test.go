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
	if r := business.Business.Responses; !has(tableOf(t, business, "response_targets"), "Chat", float64(report.ResponseTarget), r.Conversations, r.Within) {
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

// said is the text of the page of a report, on one line.
func said(t *testing.T, r report.Report, lang string) string {
	t.Helper()
	return strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(text(parse(t, htmlOf(t, r, lang))))
}

// What limits the numbers is said beside them.
func TestNotes(t *testing.T) {
	full, many, business := sampleOf(schemas.ReportStandard, "full"), sampleOf(schemas.ReportStandard, "many"), sampleOf(schemas.ReportBusiness, "full")
	for _, c := range []struct {
		r        report.Report
		change   func(*report.Report)
		en, ru   string
		whenTrue bool
	}{
		{full, func(*report.Report) {}, "The period before was analysed by rules 4, this one by rules 4, rules 5", "Предыдущий период анализировался иначе (rules 4)", true},
		{full, func(r *report.Report) { r.PreviousProvenance = r.Provenance }, "The period before was analysed by", "Предыдущий период анализировался иначе", false},
		{full, func(r *report.Report) { r.PreviousProvenance = report.Provenance{} }, "The period before was analysed by", "Предыдущий период анализировался иначе", false},
		{full, func(*report.Report) {}, "Analysed: 4,097 conversations;", "Проанализировано: 4 097 разговоров;", true},
		{full, func(r *report.Report) { r.Quality.Total.Analysed = r.Quality.Total.Conversations }, "Analysed: 4", "Проанализировано: 4", false},
		{full, func(*report.Report) {}, "Whoever has fewer than 5 conversations with a score has no rank", "У кого меньше 5 разговоров с оценкой", true},
		{many, func(*report.Report) {}, "The report has the 135 operators with the most conversations; 42 more are left out.", "В отчёте 135 операторов с наибольшим числом разговоров; ещё 42 не вошли.", true},
		{full, func(*report.Report) {}, "are left out", "не вошли", false},
		{many, func(*report.Report) {}, "Charts are drawn for 12 operators, at the top and at the bottom of the ranking", "Графики построены для 12 операторов, первых и последних", true},
		{business, func(*report.Report) {}, "71.3% of 1,500 chats had a first response within 60 seconds.", "71,3%: столько из 1 500 чатов получили первый ответ за 60 секунд.", true},
		{business, func(*report.Report) {}, "93.1% of 431 e-mails had a first response within 24 hours.", "93,1%: столько из 431 письма получили первый ответ за 24 часа.", true},
		{business, func(r *report.Report) { r.Business.EmailResponses = nil }, "There were no e-mails with times.", "Писем с указанным временем не было.", true},
	} {
		if c.r.Quality != nil {
			c.r.Quality = ptr(*c.r.Quality)
		} else {
			c.r.Business = ptr(*c.r.Business)
		}
		c.change(&c.r)
		for lang, want := range map[string]string{"en": c.en, "ru": c.ru} {
			if got := said(t, c.r, lang); strings.Contains(got, want) != c.whenTrue {
				t.Errorf("%s: %q is said: %v", lang, want, !c.whenTrue)
			}
		}
	}
}

// Week days are held against each other by what one of them has, not by how many the period has.
func TestWeekIsOfMeans(t *testing.T) {
	r := sampleOf(schemas.ReportBusiness, "full")
	b := r.Business
	b.Hours, b.Occurs = [7][24]int64{}, [7][24]int64{}
	b.Hours[0][9], b.Occurs[0][9] = 10, 4
	b.Hours[2][9], b.Occurs[2][9] = 10, 5
	week := tableOf(t, r, "week")
	if monday, wednesday, none := week.Rows[0][10], week.Rows[2][10], week.Rows[0][11]; monday != 2.5 || wednesday != 2.0 || none != nil {
		t.Errorf("9 o'clock on Monday %v, on Wednesday %v, 10 o'clock on Monday %v", monday, wednesday, none)
	}
	b.Occurs = [7][24]int64{}
	if chart := write(r, "en").week(b.Hours, b.Occurs).Chart; chart != nil {
		t.Error("a picture of nothing")
	}
}

// The funnel narrows: those who came at least so far, the empty end without any width, and beside it what is no way to a sale.
func TestFunnel(t *testing.T) {
	r := sampleOf(schemas.ReportBusiness, "full")
	funnel, apart := tableOf(t, r, "funnel"), tableOf(t, r, "funnel_apart")
	if !has(funnel, "Qualification", int64(610), 0.61) || !has(funnel, "Purchase", int64(0), int64(40), int64(-40)) || len(funnel.Rows) != 5 {
		t.Errorf("%v", funnel.Rows)
	}
	if !has(apart, "Retention", int64(20), int64(15), int64(5)) || !has(apart, "Not a sale") || len(apart.Rows) != 2 {
		t.Errorf("%v", apart.Rows)
	}
	for i := range r.Business.Funnel {
		r.Business.Funnel[i].Reached = 0
	}
	if b := write(r, "en").stages(r.Business.Funnel); b.Chart != nil || !slices.Equal(b.Text, []string{"No conversation was on the way to a sale."}) {
		t.Errorf("%+v", b)
	}
}

// Topics and advice about them have names, not the keys of the analyser; a key of one's own rules is its own name.
func TestTopicsHaveNames(t *testing.T) {
	r := sampleOf(schemas.ReportBusiness, "full")
	for lang, names := range map[string][]string{"en": {"Billing and charges", "Booking and appointments", "Insurance and claims"}, "ru": {"Счета и начисления", "Бронирование и запись", "Страхование"}} {
		page := said(t, r, lang)
		for _, name := range append(names, "own_rule_of_the_shop", "“"+names[1]) {
			if name = strings.ReplaceAll(name, "“", map[string]string{"en": "“", "ru": "«"}[lang]); !strings.Contains(page, name) {
				t.Errorf("%s: %q is missing", lang, name)
			}
		}
		for _, key := range []string{"billing", "booking", "insurance_claim"} {
			if strings.Contains(page, key) {
				t.Errorf("%s: the page has the key %q", lang, key)
			}
		}
	}
}
