package page

import (
	"fmt"
	"strings"

	"earshot/charts/table"
	"earshot/schemas"
	"earshot/schemas/report"
)

// advised are the recommendations in words, each with the numbers it rests on.
func (w *writing) advised(list []report.Recommendation) block {
	if len(list) == 0 {
		return block{Text: []string{w.word("no_advice")}}
	}
	t := w.table("recommendations", "advice", table.Text, "because", table.Text, "value", table.Number, "against", table.Number, "conversations", table.Number)
	b := block{Table: t, Place: inFiles}
	for _, r := range list {
		a := w.advice(r)
		b.Advice = append(b.Advice, a)
		t.Rows = append(t.Rows, []any{a.Do, a.Because, r.Value, r.Against, r.Count})
	}
	return b
}

// advice fills the two sentences of a key. Which kinds of numbers they hold is said by report.Advise*.
func (w *writing) advice(r report.Recommendation) advice {
	number := func(v float64) string { return w.cell(table.Number, int64(v)) }
	subject := one(r.Subject)
	switch r.Key {
	case report.AdviseUnresolved, report.AdviseSlowResponse, report.AdviseRisk, report.AdviseNegativeTopic, report.AdviseTopicGrowth, report.AdviseNewTopic:
		number = w.percent
	case report.AdviseSatisfaction, report.AdvisePeak:
		number = w.decimal
	}
	switch r.Key {
	case report.AdvisePeak:
		subject = w.peak(r.Subject)
	case report.AdviseTopicGrowth, report.AdviseNewTopic, report.AdviseNegativeTopic:
		subject = one(w.topic(r.Subject))
	case report.AdviseRisk:
		subject = w.termOf(schemas.DictRisk, r.Subject)
	case report.AdviseSales:
		subject = w.termOf(schemas.DictSales, r.Subject)
	}
	if _, ok := words[w.Lang]["do_"+r.Key]; !ok { // of a newer reader
		return advice{strings.TrimSpace(r.Key + " " + subject), w.fill("because_other", "value", w.decimal(r.Value), "against", w.decimal(r.Against), "count", w.count("conversation", r.Count))}
	}
	pairs := []string{"subject", subject, "value", number(r.Value), "against", number(r.Against), "count", w.count("conversation", r.Count), "target", w.within(report.ResponseTarget)}
	return advice{w.fill("do_"+r.Key, append([]string{}, pairs...)...), w.fill("because_"+r.Key, pairs...)}
}

// peak is a week day and its hour: Monday, 10:00–11:00.
func (w *writing) peak(subject string) string {
	var day, hour int
	if _, err := fmt.Sscan(subject, &day, &hour); err != nil || day < 0 || day > 6 || hour < 0 || hour > 23 {
		return subject
	}
	return w.fill("peak_hour", "weekday", w.word(fmt.Sprint("weekday_long_", day)), "from", fmt.Sprintf("%02d:00", hour), "to", fmt.Sprintf("%02d:00", (hour+1)%24))
}
