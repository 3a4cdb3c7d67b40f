package page

import (
	"fmt"
	"slices"

	"earshot/charts/table"
	"earshot/schemas"
	"earshot/schemas/report"
)

// bestProfiles and lastProfiles are how many operators from the top and from the
// bottom have a chart of their own; the tables have all.
const bestProfiles, lastProfiles = 6, 6

// operator is a name as it is shown; conversations without one are somebody's too.
func (w *writing) operator(name string) string {
	if one(name) == "" {
		return w.word("nameless")
	}
	return name
}

// ranked are the operators by their score.
func (w *writing) ranked(operators []report.Operator, all int64, total report.Figures) block {
	if len(operators) == 0 {
		return block{}
	}
	list := chosen("conversations", "scored", "talk", "score", "politeness", "empathy", "csat", "script", "checklist", "resolved")
	t := w.table("operators", "rank", table.Number, "operator", table.Text)
	w.columns(t, list)
	t.Columns = append(t.Columns, w.column("score_change", table.Number))
	for _, o := range operators {
		row := values([]any{rank(o.Rank), w.operator(o.Name)}, list, o.Figures)
		var change any
		if o.Previous != nil {
			change = difference(known(o.Figures.Score), known(o.Previous.Score))
		}
		t.Rows = append(t.Rows, append(row, change))
	}
	b := block{ID: t.ID, Title: t.Title, Table: t, Chart: w.ranking(t, 1, false, plot{column: 5, high: 100, mark: total.Score})}
	if total.Score != nil {
		b.Text = append(b.Text, w.fill("team_score", "score", w.decimal(*total.Score)))
	}
	if slices.ContainsFunc(operators, func(o report.Operator) bool { return o.Rank == 0 && o.Name != "" }) {
		b.Text = append(b.Text, w.fill("unranked", "n", w.count("scored_conversation", report.RankedFrom)))
	}
	b.Text = append(b.Text, w.beyond(operators, all)...)
	return b
}

// beyond says which operators are not in the chart, and which not in the report at all.
func (w *writing) beyond(operators []report.Operator, all int64) (text []string) {
	if len(operators) > mostBars {
		text = append(text, w.fill("first_bars", "n", w.cell(table.Number, int64(mostBars))))
	}
	if left := all - int64(len(operators)); left > 0 {
		text = append(text, w.fill("left_out", "n", w.count("operator", int64(len(operators))), "left", w.cell(table.Number, left)))
	}
	return text
}

func rank(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

// spread is how far apart operators are.
func (w *writing) spread(s *report.Spread) block {
	if s == nil {
		return block{}
	}
	t := w.table("spread", "lowest", table.Number, "quarter", table.Number, "median", table.Number, "three_quarters", table.Number, "highest", table.Number)
	t.Rows = [][]any{{s.Min, s.Q1, s.Median, s.Q3, s.Max}}
	return block{ID: t.ID, Title: t.Title, Table: t, Text: []string{w.fill("spread_is", "q1", w.decimal(s.Q1), "q3", w.decimal(s.Q3), "median", w.decimal(s.Median), "min", w.decimal(s.Min), "max", w.decimal(s.Max))}}
}

// manners are how operators hold conversations.
func (w *writing) manners(operators []report.Operator) block {
	if len(operators) == 0 {
		return block{}
	}
	list := chosen("silence", "hold", "interruptions", "monologue", "first_response", "response", "positive", "negative", "risky", "sales")
	t := w.table("manners", "operator", table.Text)
	w.columns(t, list)
	heard := false
	for _, o := range operators {
		t.Rows = append(t.Rows, values([]any{w.operator(o.Name)}, list, o.Figures))
		heard = heard || o.Figures.SilenceShare != nil || o.Figures.HoldShare != nil
	}
	b := block{ID: t.ID, Title: t.Title, Table: t}
	if heard { // chats have no silence
		b.Chart = w.ranking(t, 0, false, plot{column: 1}, plot{column: 2})
	}
	return b
}

// profiles hold operators against the team and the period before, with what to
// praise and what to talk about.
func (w *writing) profiles(operators []report.Operator, total report.Figures) []block {
	if len(operators) == 0 {
		return nil
	}
	all := w.profileTable("operator_profiles")
	team := w.profile(w.word("team"), total)
	for _, o := range operators {
		all.Rows = append(all.Rows, w.profile(w.operator(o.Name), o.Figures))
	}
	all.Rows = append(all.Rows, team)
	blocks := []block{{Table: all, Place: inFiles}, w.before(operators), w.operatorCases(operators)}
	shown := profiled(operators)
	if len(shown) < len(operators) {
		blocks = append(blocks, block{Text: []string{w.fill("some_profiles", "n", w.cell(table.Number, int64(len(shown))))}})
	}
	for _, i := range shown {
		o := operators[i]
		t := w.profileTable(fmt.Sprint("operator_", i+1))
		t.Title = w.operator(o.Name)
		t.Rows = [][]any{all.Rows[i], team}
		if o.Previous != nil {
			t.Rows = append(t.Rows, w.profile(w.word("previous_period"), *o.Previous))
		}
		b := block{ID: t.ID, Title: t.Title, Text: w.sentences(o), Chart: w.radar(t), Table: t, Place: onPage, Upright: true, Narrow: true}
		b.Cases = append(w.labelled("best_one", o.Best), w.labelled("worst_one", o.Worst)...)
		blocks = append(blocks, b)
	}
	return blocks
}

// profiled are the places of those who have a chart: all, or the first and the
// last of those who have a rank, who need help most.
func profiled(operators []report.Operator) (places []int) {
	ranked := 0
	for i, o := range operators {
		places = append(places, i)
		if o.Rank > 0 {
			ranked = i + 1
		}
	}
	switch {
	case len(places) <= bestProfiles+lastProfiles:
		return places
	case ranked <= bestProfiles+lastProfiles:
		return places[:bestProfiles+lastProfiles]
	}
	return append(places[:bestProfiles:bestProfiles], places[ranked-lastProfiles:ranked]...)
}

// before are all figures of operators in the period before, for the files.
func (w *writing) before(operators []report.Operator) block {
	t := w.table("operators_previous", "operator", table.Text)
	w.columns(t, measures)
	for _, o := range operators {
		if o.Previous != nil {
			t.Rows = append(t.Rows, values([]any{w.operator(o.Name)}, measures, *o.Previous))
		}
	}
	if len(t.Rows) == 0 {
		return block{}
	}
	return block{Table: t, Place: inFiles}
}

// operatorCases are the best and the worst conversations of each operator, for the files.
func (w *writing) operatorCases(operators []report.Operator) block {
	t := w.table("operator_cases", append([]any{"about_what", table.Text}, caseColumns...)...)
	for _, o := range operators {
		for _, c := range o.Best {
			t.Rows = append(t.Rows, append([]any{w.word("best_one")}, w.caseRow(c)...))
		}
		for _, c := range o.Worst {
			t.Rows = append(t.Rows, append([]any{w.word("worst_one")}, w.caseRow(c)...))
		}
	}
	if len(t.Rows) == 0 {
		return block{}
	}
	return block{Table: t, Place: inFiles}
}

func (w *writing) profileTable(id string) *table.Table {
	return w.table(id, "operator", table.Text, "politeness_short", table.Number, "empathy", table.Number, "csat_short", table.Number, "script_short", table.Number, "checklist_short", table.Number)
}

// profile is a row of what Score is made of, each on 0..100 as there.
func (w *writing) profile(name string, f report.Figures) []any {
	return []any{name, scaled(f.Politeness, 1, 5, 100), scaled(f.Empathy, 0, 1, 100), scaled(f.CSAT, 0, 10, 100), scaled(f.Script, 0, 100, 100), scaled(f.Checklist, 0, 1, 100)}
}

// sentences say of an operator what the chart does not: the rank, the change, the signals.
func (w *writing) sentences(o report.Operator) []string {
	head := w.count("conversation", o.Figures.Conversations)
	if o.Rank > 0 && o.Figures.Score != nil {
		head = w.fill("ranked", "rank", w.cell(table.Number, o.Rank), "score", w.decimal(*o.Figures.Score), "conversations", head)
	}
	if o.Previous != nil && o.Previous.Score != nil && o.Figures.Score != nil {
		head += ", " + w.fill("against_before", "change", w.delta(table.Number, *o.Figures.Score-*o.Previous.Score))
	}
	text := []string{head + "."}
	for _, s := range []struct {
		key, dictionary string
		list            []report.SignalCount
	}{{"risks_are", schemas.DictRisk, o.Risks}, {"opportunities_are", schemas.DictSales, o.SalesSigs}} {
		names := ""
		for _, c := range s.list {
			if c.Count > 0 {
				names += ", " + w.term(s.dictionary, c.ID) + " " + w.cell(table.Number, c.Count)
			}
		}
		if names != "" {
			text = append(text, w.fill(s.key, "list", names[2:]))
		}
	}
	return text
}

// labelled are cases that say which kind they are.
func (w *writing) labelled(key string, cases []report.Case) []card {
	cards := w.cards(cases)
	for i := range cards {
		cards[i].About = w.word(key) + " · " + cards[i].About
	}
	return cards
}
