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
		about("volume", w.word("volume"), w.volume(b.Days), w.week(b.Hours, b.Occurs), w.hoursOfDay(b.Hours)),
		about("topics", w.word("topics"), w.topicMap(b.Topics), w.growth(b.Topics), w.newTopics(b.NewTopics), w.goneTopics(b.GoneTopics)),
		about("reasons", w.word("reasons"), w.outcomes(b.Reasons), w.reasons(b.Reasons)),
		about("satisfaction", w.word("satisfaction"), w.csats(b.CSATs, b.PreviousCSATs), w.mood(b.Days)),
		about("funnel", w.word("funnel_section"), w.stages(b.Funnel), w.apart(b.Funnel)),
		about("signals", w.word("signals"), w.signals("risks", schemas.DictRisk, b.Risks), w.signals("opportunities", schemas.DictSales, b.SalesSigs), w.saidOfSignals(b.Risks, b.SalesSigs)),
		about("responses", w.word("responses"), w.responses("responses", "chat", b.Responses), w.responses("email_responses", "email", b.EmailResponses), w.targets(b.Responses, b.EmailResponses)),
		about("unresolved", w.word("unresolved"), w.themes(b.Unresolved)...),
	}
}

// weekdays are their short names, Monday first.
func (w *writing) weekday(day int) string { return w.word("weekday_" + strconv.Itoa(day)) }

func hour(h int) string { return fmt.Sprintf("%02d", h) }

// week is when people get in touch: week days by hours, each as it is on average,
// since a period has some week days more often than others.
func (w *writing) week(hours, occurs [7][24]int64) block {
	t := w.table("week", "weekday", table.Text)
	for h := range 24 {
		t.Columns = append(t.Columns, table.Column{Name: hour(h), Kind: table.Number})
	}
	for day, counts := range hours {
		row := []any{w.weekday(day)}
		for h, n := range counts {
			var mean any // unknown where the period has no such hour
			if occurs[day][h] > 0 {
				mean = float64(n) / float64(occurs[day][h])
			}
			row = append(row, mean)
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
	t := w.table("topics", "topic", table.Text, "this_period", table.Number, "previous_period", table.Number, "growth", table.Percent,
		"topic_share", table.Percent, "topic_share_before", table.Percent, "csat", table.Number, "negative", table.Percent)
	for _, topic := range topics {
		t.Rows = append(t.Rows, []any{w.topic(topic.Name), topic.Count, topic.Previous, known(topic.Growth), known(topic.Share), known(topic.PreviousShare), known(topic.CSAT), known(topic.Negative)})
	}
	return t
}

// topic is what the analyser's key of a topic is called.
func (w *writing) topic(key string) string { return schemas.TopicName(key, w.Lang) }

// newTopics are those that nobody spoke of before, goneTopics those that nobody speaks of any more.
func (w *writing) newTopics(topics []report.Topic) block {
	t := w.table("new_topics", "topic", table.Text, "conversations", table.Number, "topic_share", table.Percent, "csat", table.Number, "negative", table.Percent)
	for _, topic := range topics {
		t.Rows = append(t.Rows, []any{w.topic(topic.Name), topic.Count, known(topic.Share), known(topic.CSAT), known(topic.Negative)})
	}
	return tabled(t)
}

func (w *writing) goneTopics(topics []report.Topic) block {
	t := w.table("gone_topics", "topic", table.Text, "previous_period", table.Number, "topic_share_before", table.Percent)
	for _, topic := range topics {
		t.Rows = append(t.Rows, []any{w.topic(topic.Name), topic.Previous, known(topic.PreviousShare)})
	}
	return tabled(t)
}

// tabled is a table without a chart, left out when it is empty.
func tabled(t *table.Table) block {
	if len(t.Rows) == 0 {
		return block{}
	}
	return block{ID: t.ID, Title: t.Title, Table: t}
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
func (w *writing) csats(counts, before [11]int64) block {
	t := w.table("csats", "csat", table.Number, "this_period", table.Number, "previous_period", table.Number)
	all := int64(0)
	for grade, n := range counts {
		t.Rows = append(t.Rows, []any{int64(grade), n, before[grade]})
		all += n
	}
	if all == 0 {
		return block{Text: []string{w.word("no_csat")}}
	}
	return block{ID: t.ID, Title: t.Title, Table: t, Chart: w.bars(t, plot{column: 1}, plot{column: 2, color: "--before"})}
}

// mood is satisfaction and sentiment day by day.
func (w *writing) mood(days []report.Day) block {
	t := w.days("mood_by_day", days, chosen("positive", "negative", "csat"))
	return block{ID: t.ID, Title: t.Title, Table: t, Chart: w.lines(t, plot{column: 1, high: 1, color: "--good"}, plot{column: 2, high: 1, color: "--bad"}, plot{column: 3, second: true, high: 10, color: "--series-3"})}
}

// stages are the way to a sale: how many came at least so far, and which part of
// those of the stage before.
func (w *writing) stages(stages []report.Stage) block {
	t := w.table("funnel", "stage", table.Text, "reached", table.Number, "reached_before", table.Number, "change", table.Number, "conversion", table.Percent, "stayed", table.Number)
	for _, s := range stages {
		if !s.Apart {
			t.Rows = append(t.Rows, []any{w.term(schemas.DictFunnelStage, s.ID), s.Reached, s.PreviousReached, s.Reached - s.PreviousReached, known(s.Conversion), s.Count})
		}
	}
	b := block{ID: t.ID, Title: t.Title, Table: t, Chart: w.funnel(t, 4)}
	if b.Text = []string{w.word("funnel_note")}; b.Chart == nil {
		b.Text = []string{w.word("no_funnel")}
	}
	return b
}

// apart are the stages that are not on the way: no sale in view, and customers who are to be kept.
func (w *writing) apart(stages []report.Stage) block {
	t := w.table("funnel_apart", "stage", table.Text, "this_period", table.Number, "previous_period", table.Number, "change", table.Number)
	for _, s := range stages {
		if s.Apart {
			t.Rows = append(t.Rows, []any{w.term(schemas.DictFunnelStage, s.ID), s.Count, s.Previous, s.Count - s.Previous})
		}
	}
	return tabled(t)
}

// responses are how fast written questions of one kind are answered.
func (w *writing) responses(id, kind string, r *report.Responses) block {
	t := w.table(id, "response_measure", table.Text, "response_time", table.Duration)
	if r == nil {
		return block{ID: t.ID, Title: t.Title, Text: []string{w.word("no_" + kind + "s")}}
	}
	t.Rows = [][]any{{w.word("median"), r.Median}, {w.word("p90"), r.P90}, {w.word("p95"), r.P95}, {w.word("response"), r.Average}}
	return block{ID: t.ID, Title: t.Title, Table: t, Chart: w.ranking(t, 0, false, plot{column: 1}),
		Text: []string{w.fill("answered_within", "share", w.percent(r.Within), "target", w.within(r.Target), "conversations", w.count(kind+"_answered", r.Conversations))}}
}

// within is a target in words: 60 seconds, 24 hours.
func (w *writing) within(seconds float64) string {
	if hours := int64(seconds) / 3600; hours > 0 && float64(3600*hours) == seconds {
		return w.count("hour", hours)
	}
	return w.count("second", int64(seconds))
}

// targets are how many were answered in time, for the files; the page says it in words.
func (w *writing) targets(chats, emails *report.Responses) block {
	t := w.table("response_targets", "case_type", table.Text, "target", table.Duration, "with_response", table.Number, "within", table.Percent)
	for i, r := range []*report.Responses{chats, emails} {
		if r != nil {
			t.Rows = append(t.Rows, []any{w.word([]string{"type_chat", "type_email"}[i]), r.Target, r.Conversations, r.Within})
		}
	}
	if len(t.Rows) == 0 {
		return block{}
	}
	return block{Table: t, Place: inFiles}
}

// themes are what stays open, most of all first, with the words of those who wait.
func (w *writing) themes(themes []report.Theme) []block {
	if len(themes) == 0 {
		return []block{{Text: []string{w.word("nothing_unresolved")}}}
	}
	t := w.table("unresolved", "reason", table.Text, "unresolved_count", table.Number, "known_outcome", table.Number, "unresolved_share", table.Percent, "csat", table.Number)
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
