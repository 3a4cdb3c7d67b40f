package page

import (
	"slices"
	"strings"

	"earshot/charts/table"
	"earshot/schemas"
	"earshot/schemas/report"
)

// quality is the report on operators, in the order in which a supervisor asks:
// how are we, where is it going, who, what is missed, what is heard, which calls.
func (w *writing) quality() []section {
	q := w.Quality
	return []section{
		about("overview", w.word("overview"), w.opening(q.Total), w.figures(q.Total, q.Previous,
			"conversations", "score", "politeness", "empathy", "csat", "script", "checklist", "resolved", "silence", "interruptions")),
		about("trend", w.word("trend"), w.volume(q.Days), w.course(q.Days)),
		about("operators", w.word("operators"), w.ranked(q.Operators, q.OperatorCount, q.Total), w.spread(q.Spread), w.manners(q.Operators)),
		about("profiles", w.word("profiles"), w.profiles(q.Operators, q.Total)...),
		about("checklist", w.word("checklist_section"), w.checklist(q.Checklist), w.checklistByOperator(q.Operators)),
		about("signals", w.word("signals"), w.signals("risks", schemas.DictRisk, q.Risks), w.signals("opportunities", schemas.DictSales, q.SalesSigs),
			w.signalsByOperator(q.Operators), w.saidOfSignals(q.Risks, q.SalesSigs)),
		about("cases", w.word("cases"), w.cases("best", q.Best), w.cases("worst", q.Worst), w.saidInCases(func(add func(string, []report.Case)) {
			add("best_one", q.Best)
			add("worst_one", q.Worst)
			for _, o := range q.Operators {
				add("best_one", o.Best)
				add("worst_one", o.Worst)
			}
		})),
	}
}

// opening says in one sentence what the report rests on.
func (w *writing) opening(total report.Figures) block {
	if total.Conversations == 0 {
		return block{Text: []string{w.word("no_conversations")}}
	}
	b := block{Text: []string{w.fill("rests_on", "conversations", w.count("conversation", total.Conversations), "calls", w.count("call", total.Calls),
		"chats", w.count("chat", total.Chats), "emails", w.count("email", total.Emails), "time", clock(total.Seconds))}}
	if total.Analysed < total.Conversations {
		b.Text = append(b.Text, w.fill("analysed_are", "n", w.count("conversation", total.Analysed)))
	}
	if now, before := engines(w.Provenance), engines(w.PreviousProvenance); len(before) > 0 && !slices.Equal(now, before) {
		b.Text = append(b.Text, w.fill("other_engines", "now", strings.Join(now, ", "), "before", strings.Join(before, ", ")))
	}
	return b
}

// engines are the names of what analysed the conversations, in order.
func engines(p report.Provenance) (names []string) {
	for _, e := range p.Engines {
		names = append(names, one(e.Name))
	}
	slices.Sort(names)
	return names
}

// volume is how many conversations there were day by day.
func (w *writing) volume(days []report.Day) block {
	list := chosen("conversations", "calls", "chats", "emails")
	t := w.days("volume_by_day", days, list)
	return block{ID: t.ID, Title: t.Title, Table: t, Text: w.noCourse(days), Chart: w.lines(t, plot{column: 1}, plot{column: 2}, plot{column: 3}, plot{column: 4})}
}

// course is how good they were: scores of 100 to the left, satisfaction of 10 to the right.
func (w *writing) course(days []report.Day) block {
	t := w.days("quality_by_day", days, chosen("score", "csat", "politeness", "empathy", "script", "checklist", "resolved"))
	return block{ID: t.ID, Title: t.Title, Table: t, Chart: w.lines(t, plot{column: 1, high: 100}, plot{column: 2, second: true, high: 10})}
}

func (w *writing) days(id string, days []report.Day, list []measure) *table.Table {
	t := w.table(id, "day", table.Date)
	w.columns(t, list)
	for _, d := range days {
		t.Rows = append(t.Rows, values([]any{d.Date}, list, d.Figures))
	}
	return t
}

// noCourse says why there is no line.
func (w *writing) noCourse(days []report.Day) []string {
	if len(days) > 1 {
		return nil
	}
	return []string{w.word("single_day")}
}

// checklist is how often each question was answered well, in the order of the report.
func (w *writing) checklist(questions []report.QuestionRate) block {
	if len(questions) == 0 {
		return block{}
	}
	t := w.table("checklist", "question", table.Text, "pass_rate", table.Percent, "yes", table.Number, "partially", table.Number, "no", table.Number,
		"yes_share", table.Percent, "partially_share", table.Percent, "no_share", table.Percent)
	for _, q := range questions {
		all := max(1, float64(q.Yes+q.Partially+q.No))
		t.Rows = append(t.Rows, []any{q.Question, q.Rate, q.Yes, q.Partially, q.No, float64(q.Yes) / all, float64(q.Partially) / all, float64(q.No) / all})
	}
	return block{ID: t.ID, Title: t.Title, Table: t, Chart: w.ranking(t, 0, true, plot{column: 5, high: 1, color: "--good"}, plot{column: 6, high: 1, color: "--middle"}, plot{column: 7, high: 1, color: "--bad"})}
}

func (w *writing) checklistByOperator(operators []report.Operator) block {
	t := w.table("checklist_by_operator", "operator", table.Text, "question", table.Text, "pass_rate", table.Percent, "yes", table.Number, "partially", table.Number, "no", table.Number)
	for _, o := range operators {
		for _, q := range o.Checklist {
			t.Rows = append(t.Rows, []any{w.operator(o.Name), q.Question, q.Rate, q.Yes, q.Partially, q.No})
		}
	}
	if len(t.Rows) == 0 {
		return block{}
	}
	return block{Table: t, Place: inFiles}
}
