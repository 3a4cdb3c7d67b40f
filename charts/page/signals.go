package page

import (
	"earshot/charts/table"
	"earshot/schemas"
	"earshot/schemas/report"
)

// signals are how many conversations show each, beside the period before, and the words that say so.
func (w *writing) signals(id, dictionary string, signals []report.SignalCount) block {
	if len(signals) == 0 {
		return block{ID: id, Title: w.word("table_" + id), Text: []string{w.word("no_" + id)}}
	}
	t := w.table(id, "signal", table.Text, "this_period", table.Number, "previous_period", table.Number, "change", table.Number)
	b := block{ID: id, Title: t.Title, Table: t}
	for _, s := range signals {
		t.Rows = append(t.Rows, []any{w.term(dictionary, s.ID), s.Count, s.Previous, s.Count - s.Previous})
		for _, q := range w.quotes(s.Quotes) {
			q.Place = w.term(dictionary, s.ID) + " · " + q.Place
			b.Quotes = append(b.Quotes, q)
		}
	}
	b.Chart = w.ranking(t, 0, false, plot{column: 1}, plot{column: 2, color: "--before"})
	return b
}

// said are all quotes of signals, themes or conversations, for the files.
func (w *writing) said(id string, by func(add func(about string, quotes []report.Quote))) block {
	t := w.table(id, "about_what", table.Text, "case_time", table.Time, "speaker", table.Text, "words", table.Text, "place", table.Duration, "code", table.Text, "link", table.Text)
	by(func(about string, quotes []report.Quote) {
		for _, q := range quotes {
			t.Rows = append(t.Rows, []any{about, q.At, w.speaker(q.Speaker), q.Text, known(q.Start), q.Code, w.link(q.Code)})
		}
	})
	if len(t.Rows) == 0 {
		return block{}
	}
	return block{Table: t, Place: inFiles}
}

func (w *writing) saidOfSignals(risks, sales []report.SignalCount) block {
	return w.said("signal_quotes", func(add func(string, []report.Quote)) {
		for _, s := range risks {
			add(w.term(schemas.DictRisk, s.ID), s.Quotes)
		}
		for _, s := range sales {
			add(w.term(schemas.DictSales, s.ID), s.Quotes)
		}
	})
}

// saidInCases are what proves the judgement of conversations, each once under a word.
func (w *writing) saidInCases(by func(add func(word string, cases []report.Case))) block {
	seen := map[[2]string]bool{}
	return w.said("case_quotes", func(add func(string, []report.Quote)) {
		by(func(word string, cases []report.Case) {
			for _, c := range cases {
				if key := [2]string{word, c.Code}; !seen[key] {
					seen[key] = true
					add(w.word(word), c.Quotes)
				}
			}
		})
	})
}

func (w *writing) signalsByOperator(operators []report.Operator) block {
	t := w.table("signals_by_operator", "operator", table.Text, "signal", table.Text, "this_period", table.Number, "previous_period", table.Number)
	for _, o := range operators {
		for _, s := range o.Risks {
			t.Rows = append(t.Rows, []any{w.operator(o.Name), w.term(schemas.DictRisk, s.ID), s.Count, s.Previous})
		}
		for _, s := range o.SalesSigs {
			t.Rows = append(t.Rows, []any{w.operator(o.Name), w.term(schemas.DictSales, s.ID), s.Count, s.Previous})
		}
	}
	if len(t.Rows) == 0 {
		return block{}
	}
	return block{Table: t, Place: inFiles}
}
