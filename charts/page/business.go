package page

import (
	"fmt"
	"math"
	"strconv"

	"earshot/charts/table"
	"earshot/schemas"
	"earshot/schemas/report"
)

// business is the report for leadership: the figures, what to do, and then what that rests on.
func (w *writing) business() []section {
	b := w.Business
	return []section{
		about("overview", w.word("overview"), w.opening(b.Total), w.figures(b.Total, b.Previous,
			"conversations", "csat", "resolved", "positive", "negative", "risky", "sales", "score", "first_response")),
		about("recommendations", w.word("recommendations"), w.advised(b.Recommendations)),
		about("volume", w.word("volume"), w.volume(b.Days), w.week(b.Hours), w.hoursOfDay(b.Hours)),
		about("topics", w.word("topics"), w.topicMap(b.Topics), w.growth(b.Topics)),
		about("reasons", w.word("reasons"), w.outcomes(b.Reasons), w.reasons(b.Reasons)),
		about("satisfaction", w.word("satisfaction"), w.csats(b.CSATs), w.mood(b.Days)),
		about("funnel", w.word("funnel_section"), w.stages(b.Funnel)),
		about("signals", w.word("signals"), w.signals("risks", schemas.DictRisk, b.Risks), w.signals("opportunities", schemas.DictSales, b.SalesSigs), w.saidOfSignals(b.Risks, b.SalesSigs)),
		about("responses", w.word("responses"), w.responses(b.Responses), w.target(b.Responses)),
		about("unresolved", w.word("unresolved"), w.themes(b.Unresolved)...),
	}
}

// weekdays are their short names, Monday first.
func (w *writing) weekday(day int) string { return w.word("weekday_" + strconv.Itoa(day)) }

func hour(h int) string { return fmt.Sprintf("%02d", h) }

// week is when people get in touch: week days by hours.
func (w *writing) week(hours [7][24]int64) block {
	t := w.table("week", "weekday", table.Text)
	for h := range 24 {
		t.Columns = append(t.Columns, table.Column{Name: hour(h), Kind: table.Number})
	}
	for day, counts := range hours {
		row := []any{w.weekday(day)}
		for _, n := range counts {
			row = append(row, n)
		}
		t.Rows = append(t.Rows, row)
	}
	return block{ID: t.ID, Title: t.Title, Table: t, Chart: w.heat(t), Text: []string{w.word("week_note")}}
}

func (w *writing) hoursOfDay(hours [7][24]int64) block {
	t := w.table("hours", "hour", table.Text, "conversations", table.Number)
	for h := range 24 {
		n := int64(0)
		for _, day := range hours {
			n += day[h]
		}
		t.Rows = append(t.Rows, []any{hour(h), n})
	}
	return block{ID: t.ID, Title: t.Title, Table: t, Chart: w.bars(t, plot{column: 1})}
}

func (w *writing) topicTable(topics []report.Topic) *table.Table {
	t := w.table("topics", "topic", table.Text, "this_period", table.Number, "previous_period", table.Number, "growth", table.Percent, "csat", table.Number, "negative", table.Percent)
	for _, topic := range topics {
		t.Rows = append(t.Rows, []any{topic.Name, topic.Count, topic.Previous, known(topic.Growth), known(topic.CSAT), known(topic.Negative)})
	}
	return t
}

// topicMap is what conversations are about, as large as they are many.
func (w *writing) topicMap(topics []report.Topic) block {
	if len(topics) == 0 {
		return block{Text: []string{w.word("no_topics")}}
	}
	t := w.topicTable(topics)
	return block{ID: t.ID, Title: t.Title, Table: t, Chart: w.treemap(t)}
}

// growth is the same beside the period before.
func (w *writing) growth(topics []report.Topic) block {
	if len(topics) == 0 {
		return block{}
	}
	t := w.topicTable(topics)
	t.ID, t.Title = "topic_growth", w.word("table_topic_growth")
	t.Columns, t.Rows = append(t.Columns[:1:1], t.Columns[1:4]...), first(t.Rows, 4)
	return block{ID: t.ID, Title: t.Title, Table: t, Place: onPage, Chart: w.ranking(t, 0, false, plot{column: 1}, plot{column: 2, color: "--before"})}
}

// first are the first columns of rows.
func first(rows [][]any, columns int) [][]any {
	out := make([][]any, len(rows))
	for i, row := range rows {
		out[i] = row[:columns]
	}
	return out
}

// outcomes are how what people get in touch for ends.
func (w *writing) outcomes(reasons []report.Reason) block {
	t := w.table("outcomes", "reason", table.Text, "outcome", table.Text, "conversations", table.Number)
	colors := map[string]string{}
	for key, color := range map[string]string{"resolved": "--good", "partially_resolved": "--middle", "unresolved": "--bad", "unknown": "--before"} {
		colors[w.termOf(schemas.DictResolution, key)] = color
	}
	for _, r := range reasons {
		for _, o := range r.Outcomes {
			if o.Count > 0 {
				t.Rows = append(t.Rows, []any{r.Name, w.term(schemas.DictResolution, o.ID), o.Count})
			}
		}
	}
	if len(t.Rows) == 0 {
		return block{Text: []string{w.word("no_reasons")}}
	}
	return block{ID: t.ID, Title: t.Title, Table: t, Chart: w.sankey(t, colors)}
}

func (w *writing) reasons(reasons []report.Reason) block {
	if len(reasons) == 0 {
		return block{}
	}
	t := w.table("reasons", "reason", table.Text, "this_period", table.Number, "previous_period", table.Number, "change", table.Number)
	for _, r := range reasons {
		t.Rows = append(t.Rows, []any{r.Name, r.Count, r.Previous, r.Count - r.Previous})
	}
	return block{ID: t.ID, Title: t.Title, Table: t, Chart: w.ranking(t, 0, false, plot{column: 1}, plot{column: 2, color: "--before"})}
}

// csats are how many were how satisfied.
func (w *writing) csats(counts [11]int64) block {
	t := w.table("csats", "csat", table.Number, "conversations", table.Number)
	all := int64(0)
	for grade, n := range counts {
		t.Rows = append(t.Rows, []any{int64(grade), n})
		all += n
	}
	if all == 0 {
		return block{Text: []string{w.word("no_csat")}}
	}
	return block{ID: t.ID, Title: t.Title, Table: t, Chart: w.bars(t, plot{column: 1})}
}

// mood is satisfaction and sentiment day by day.
func (w *writing) mood(days []report.Day) block {
	t := w.days("mood_by_day", days, chosen("positive", "negative", "csat"))
	return block{ID: t.ID, Title: t.Title, Table: t, Chart: w.lines(t, plot{column: 1, high: 1, color: "--good"}, plot{column: 2, high: 1, color: "--bad"}, plot{column: 3, second: true, high: 10, color: "--series-3"})}
}

// stages are the way to a sale; what was none is in the table and not on the way.
func (w *writing) stages(stages []report.Stage) block {
	t := w.table("funnel", "stage", table.Text, "this_period", table.Number, "previous_period", table.Number, "change", table.Number)
	way := *t
	for _, s := range stages {
		row := []any{w.term(schemas.DictFunnelStage, s.ID), s.Count, s.Previous, s.Count - s.Previous}
		t.Rows = append(t.Rows, row)
		if s.ID != schemas.TermID(schemas.DictFunnelStage, "none") {
			way.Rows = append(way.Rows, row)
		}
	}
	b := block{ID: t.ID, Title: t.Title, Table: t, Chart: w.funnel(&way)}
	if b.Chart == nil {
		b.Text = []string{w.word("no_funnel")}
	}
	return b
}

// responses are how fast written questions are answered.
func (w *writing) responses(r *report.Responses) block {
	if r == nil {
		return block{Text: []string{w.word("no_responses")}}
	}
	t := w.table("responses", "response_measure", table.Text, "response_time", table.Duration)
	t.Rows = [][]any{{w.word("median"), r.Median}, {w.word("p90"), r.P90}, {w.word("p95"), r.P95}, {w.word("response"), r.Average}}
	return block{ID: t.ID, Title: t.Title, Table: t, Chart: w.ranking(t, 0, false, plot{column: 1}),
		Text: []string{w.fill("answered_within", "share", w.percent(r.Within), "target", w.count("second", report.ResponseTarget), "conversations", w.count("written", r.Conversations))}}
}

// target is how many were answered in time, for the files; the page says it in words.
func (w *writing) target(r *report.Responses) block {
	if r == nil {
		return block{}
	}
	t := w.table("response_target", "target", table.Duration, "with_response", table.Number, "within", table.Percent)
	t.Rows = [][]any{{float64(report.ResponseTarget), r.Conversations, r.Within}}
	return block{Table: t, Place: inFiles}
}

// themes are what stays open, most of all first, with the words of those who wait.
func (w *writing) themes(themes []report.Theme) []block {
	if len(themes) == 0 {
		return []block{{Text: []string{w.word("nothing_unresolved")}}}
	}
	t := w.table("unresolved", "reason", table.Text, "unresolved_count", table.Number, "total", table.Number, "unresolved_share", table.Percent, "csat", table.Number)
	b := block{ID: t.ID, Title: t.Title, Table: t}
	for _, theme := range themes {
		t.Rows = append(t.Rows, []any{theme.Reason, theme.Unresolved, theme.Total, float64(theme.Unresolved) / math.Max(1, float64(theme.Total)), known(theme.CSAT)})
		for _, q := range w.quotes(theme.Quotes) {
			q.Place = clip(theme.Reason, longest) + " · " + q.Place
			b.Quotes = append(b.Quotes, q)
		}
	}
	b.Chart = w.ranking(t, 0, false, plot{column: 1, color: "--bad"})
	return []block{b, w.said("unresolved_quotes", func(add func(string, []report.Quote)) {
		for _, theme := range themes {
			add(theme.Reason, theme.Quotes)
		}
	})}
}
