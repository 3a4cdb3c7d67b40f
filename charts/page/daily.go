package page

import (
	"earshot/charts/table"
	"earshot/schemas"
	"earshot/schemas/report"
)

// daily is one day, or a few, for who was on duty: what needs a look stands first.
func (w *writing) daily() []section {
	d := w.Daily
	return []section{
		about("overview", w.word("overview"), w.opening(d.Total), w.figures(d.Total, d.Previous,
			"conversations", "calls", "chats", "emails", "score", "csat", "resolved", "risky", "first_response")),
		about("attention", w.word("attention_section"), w.attention(d.Attention), w.saidInCases(func(add func(string, []report.Case)) { add("table_attention", d.Attention) })),
		about("hours", w.word("hours_section"), w.hours(d.Hours)...),
		about("operators", w.word("operators"), w.onDuty(d.Operators, d.OperatorCount), w.before(d.Operators), w.checklistByOperator(d.Operators), w.signalsByOperator(d.Operators)),
		about("topics", w.word("topics"), w.dayTopics(d.Topics)),
		about("signals", w.word("signals"), w.signals("risks", schemas.DictRisk, d.Risks), w.signals("opportunities", schemas.DictSales, d.SalesSigs), w.saidOfSignals(d.Risks, d.SalesSigs)),
	}
}

func (w *writing) attention(cases []report.Case) block {
	if len(cases) == 0 {
		return block{Text: []string{w.word("no_attention")}}
	}
	return w.cases("attention", cases)
}

// hours are how many there were and how content people were, hour by hour.
func (w *writing) hours(hours []report.Hour) []block {
	list := chosen("conversations", "calls", "chats", "emails", "score", "csat", "negative", "risky", "first_response")
	t := w.table("hours", "hour", table.Text)
	w.columns(t, list)
	for _, h := range hours {
		t.Rows = append(t.Rows, values([]any{hour(int(h.Hour))}, list, h.Figures))
	}
	if len(t.Rows) == 0 {
		return nil
	}
	content := *t
	content.ID, content.Title = "content_by_hour", w.word("table_content_by_hour")
	content.Columns = append(content.Columns[:1:1], content.Columns[6])
	content.Rows = nil
	for _, row := range t.Rows {
		if row[6] != nil {
			content.Rows = append(content.Rows, []any{row[0], row[6]})
		}
	}
	blocks := []block{{ID: t.ID, Title: t.Title, Table: t, Chart: w.bars(t, plot{column: 1})}}
	if len(content.Rows) > 0 {
		blocks = append(blocks, block{ID: content.ID, Title: content.Title, Table: &content, Place: onPage, Chart: w.bars(&content, plot{column: 1, high: 10, color: "--series-2"})})
	}
	return blocks
}

// onDuty are the operators of the day.
func (w *writing) onDuty(operators []report.Operator, all int64) block {
	if len(operators) == 0 {
		return block{}
	}
	list := chosen("conversations", "talk", "score", "csat", "politeness", "script", "checklist", "resolved", "negative", "risky")
	t := w.table("operators", "operator", table.Text)
	w.columns(t, list)
	for _, o := range operators {
		t.Rows = append(t.Rows, values([]any{w.operator(o.Name)}, list, o.Figures))
	}
	return block{ID: t.ID, Title: t.Title, Table: t, Text: w.beyond(operators, all), Chart: w.ranking(t, 0, false, plot{column: 1})}
}

func (w *writing) dayTopics(topics []report.Topic) block {
	if len(topics) == 0 {
		return block{Text: []string{w.word("no_topics")}}
	}
	t := w.topicTable(topics)
	return block{ID: t.ID, Title: t.Title, Table: t, Chart: w.ranking(t, 0, false, plot{column: 1}, plot{column: 2, color: "--before"})}
}
