package page

import (
	"math"
	"strings"

	"earshot/charts/table"
	"earshot/schemas/report"
)

// measure is one of Figures as it is shown. Its key is a word.
type measure struct {
	key  string
	kind table.Kind
	good int // 1: more is better, -1: less is better, 0: neither
	get  func(report.Figures) any
}

func known(v *float64) any {
	if v == nil {
		return nil
	}
	return *v
}

// share is of the conversations that were analysed; unknown without any.
func share(part int64, f report.Figures) any {
	if f.Analysed == 0 {
		return nil
	}
	return float64(part) / float64(f.Analysed)
}

// measures are all there are, in the order of every table.
var measures = []measure{
	{"conversations", table.Number, 0, func(f report.Figures) any { return f.Conversations }},
	{"calls", table.Number, 0, func(f report.Figures) any { return f.Calls }},
	{"chats", table.Number, 0, func(f report.Figures) any { return f.Chats }},
	{"emails", table.Number, 0, func(f report.Figures) any { return f.Emails }},
	{"analysed", table.Number, 0, func(f report.Figures) any { return f.Analysed }},
	{"scored", table.Number, 0, func(f report.Figures) any { return f.Scored }},
	{"recorded", table.Duration, 0, func(f report.Figures) any { return f.Seconds }},
	{"talk", table.Duration, 0, func(f report.Figures) any { return known(f.TalkSeconds) }},
	{"score", table.Number, 1, func(f report.Figures) any { return known(f.Score) }},
	{"politeness", table.Number, 1, func(f report.Figures) any { return known(f.Politeness) }},
	{"empathy", table.Percent, 1, func(f report.Figures) any { return known(f.Empathy) }},
	{"csat", table.Number, 1, func(f report.Figures) any { return known(f.CSAT) }},
	{"script", table.Percent, 1, func(f report.Figures) any { return scaled(f.Script, 0, 100, 1) }},
	{"checklist", table.Percent, 1, func(f report.Figures) any { return known(f.Checklist) }},
	{"resolved", table.Percent, 1, func(f report.Figures) any { return known(f.Resolved) }},
	{"positive", table.Percent, 1, func(f report.Figures) any { return known(f.Positive) }},
	{"negative", table.Percent, -1, func(f report.Figures) any { return known(f.Negative) }},
	{"risky", table.Percent, -1, func(f report.Figures) any { return share(f.Risky, f) }},
	{"sales", table.Percent, 1, func(f report.Figures) any { return share(f.Sales, f) }},
	{"silence", table.Percent, -1, func(f report.Figures) any { return known(f.SilenceShare) }},
	{"hold", table.Percent, -1, func(f report.Figures) any { return known(f.HoldShare) }},
	{"interruptions", table.Number, -1, func(f report.Figures) any { return known(f.Interruptions) }},
	{"monologue", table.Duration, -1, func(f report.Figures) any { return known(f.Monologue) }},
	{"first_response", table.Duration, -1, func(f report.Figures) any { return known(f.FirstResponse) }},
	{"response", table.Duration, -1, func(f report.Figures) any { return known(f.Response) }},
}

// chosen are the measures of some keys.
func chosen(keys ...string) []measure {
	var out []measure
	for _, key := range keys {
		for _, m := range measures {
			if m.key == key {
				out = append(out, m)
			}
		}
	}
	return out
}

// scaled takes low..high to 0..to.
func scaled(v *float64, low, high, to float64) any {
	if v == nil {
		return nil
	}
	return (*v - low) / (high - low) * to
}

// columns puts measures behind the columns that a table has.
func (w *writing) columns(t *table.Table, list []measure) {
	for _, m := range list {
		t.Columns = append(t.Columns, w.column(m.key, m.kind))
	}
}

func values(row []any, list []measure, f report.Figures) []any {
	for _, m := range list {
		row = append(row, m.get(f))
	}
	return row
}

// figures are the tiles of some measures beside the period before, and a table of all of them.
func (w *writing) figures(now, before report.Figures, keys ...string) block {
	t := w.table("summary", "period", table.Text)
	w.columns(t, measures)
	t.Rows = [][]any{values([]any{w.word("this_period")}, measures, now), values([]any{w.word("previous_period")}, measures, before)}
	change := []any{w.word("change")}
	for i := range measures {
		change = append(change, difference(t.Rows[0][i+1], t.Rows[1][i+1]))
	}
	t.Rows = append(t.Rows, change)
	b := block{ID: "summary", Table: t, Upright: true, Changes: true}
	for _, m := range chosen(keys...) {
		if m.get(now) != nil {
			b.Tiles = append(b.Tiles, w.tile(m, now, before))
		}
	}
	return b
}

// difference is now - before; unknown when one of them is.
func difference(now, before any) any {
	switch n := now.(type) {
	case int64:
		if b, ok := before.(int64); ok {
			return n - b
		}
	case float64:
		if b, ok := before.(float64); ok {
			return n - b
		}
	}
	return nil
}

func (w *writing) tile(m measure, now, before report.Figures) tile {
	t := tile{Name: strings.ReplaceAll(w.word(m.key), "–", "\u2060–\u2060"), Value: w.cell(m.kind, m.get(now))}
	was := m.get(before)
	if was == nil || before.Conversations == 0 {
		t.Change = w.word("no_previous")
		return t
	}
	t.Was = w.fill("was", "value", w.cell(m.kind, was))
	change := number64(difference(m.get(now), was))
	t.Change = w.change(m.kind, m.get(now), was)
	if t.Change == w.word("unchanged") {
		return t
	}
	t.Arrow = "▲"
	if change < 0 {
		t.Arrow = "▼"
	}
	switch {
	case float64(m.good)*change > 0:
		t.Trend = "better"
	case float64(m.good)*change < 0:
		t.Trend = "worse"
	}
	return t
}

// change is in words: amounts in percent, everything else in its own units. What
// rounds to nothing is no change.
func (w *writing) change(kind table.Kind, now, before any) string {
	n, ofAmounts := now.(int64)
	was, _ := before.(int64)
	var by string
	if ofAmounts && was > 0 {
		by = w.signed(float64(n-was)/float64(was), w.percent)
	} else {
		by = w.delta(kind, difference(now, before))
	}
	if !strings.ContainsAny(by, "+−") {
		return w.word("unchanged")
	}
	return by
}

// delta is a difference with its sign; shares differ by percentage points.
func (w *writing) delta(kind table.Kind, by any) string {
	switch v := by.(type) {
	case int64:
		return w.signed(float64(v), func(v float64) string { return w.cell(table.Number, int64(v)) })
	case float64:
		switch kind {
		case table.Percent:
			return w.signed(v, func(v float64) string { return w.fill("points", "n", w.decimal(100*v)) })
		case table.Duration:
			return w.signed(v, clock)
		}
		return w.signed(v, w.decimal)
	}
	return w.word("nothing")
}

// signed has no sign where the number is shown as 0.
func (w *writing) signed(v float64, text func(float64) string) string {
	switch abs := text(math.Abs(v)); {
	case abs == text(0):
		return abs
	case v < 0:
		return "−" + abs
	default:
		return "+" + abs
	}
}

func number64(v any) float64 {
	switch n := v.(type) {
	case int64:
		return float64(n)
	case float64:
		return n
	}
	return math.NaN()
}
