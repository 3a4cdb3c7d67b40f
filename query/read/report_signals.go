package read

import (
	"cmp"
	"context"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"earshot/schemas"
	"earshot/schemas/report"
)

// signals are the risk and sales signals of all conversations and of each
// operator.
type signals struct {
	risks, sales []report.SignalCount
	resolved     map[int64]int64 // conversations with a sales signal that ended resolved
}

type signalRow struct {
	Total    bool        `ch:"total"`
	Name     string      `ch:"operator_name"`
	Sale     bool        `ch:"sale"`
	ID       uint8       `ch:"signal"`
	Count    uint64      `ch:"conversations"`
	Previous uint64      `ch:"previous"`
	Resolved uint64      `ch:"resolved"`
	Newest   []uuid.UUID `ch:"newest"`
}

// signals counts the signals, those of the operators into them, and quotes the
// words of the newest conversations that show each.
func (b *reporter) signals(ctx context.Context, operators []report.Operator) (signals, error) {
	rows, err := ask[signalRow](ctx, b, "signals.sql", clickhouse.Named("operators", names(operators)), clickhouse.Named("quotes", signalQuotes))
	if err != nil {
		return signals{}, err
	}
	var codes []uuid.UUID
	for _, row := range rows {
		if row.Total {
			codes = append(codes, row.Newest...)
		}
	}
	found, err := b.tell(ctx, codes)
	if err != nil {
		return signals{}, err
	}
	out := signals{risks: []report.SignalCount{}, sales: []report.SignalCount{}, resolved: map[int64]int64{}}
	byName := operatorsByName(operators)
	for _, row := range rows {
		count := report.SignalCount{ID: int64(row.ID), Count: int64(row.Count), Previous: int64(row.Previous)}
		risks, sales := &out.risks, &out.sales
		if row.Total {
			count.Quotes = row.quotes(found)
			if row.Sale {
				out.resolved[count.ID] = int64(row.Resolved)
			}
		} else {
			risks, sales = &byName[row.Name].Risks, &byName[row.Name].SalesSigs
		}
		if row.Sale {
			*sales = append(*sales, count)
		} else {
			*risks = append(*risks, count)
		}
	}
	return out, nil
}

// quotes is one quote of each of the newest conversations.
func (s signalRow) quotes(found map[uuid.UUID]*told) []report.Quote {
	judgement := "risk_signals." + schemas.TermOf(schemas.DictRisk, int64(s.ID)).Key
	if s.Sale {
		judgement = "sales_signals." + schemas.TermOf(schemas.DictSales, int64(s.ID)).Key
	}
	var out []report.Quote
	for _, code := range s.Newest {
		if t := found[code]; t != nil {
			out = append(out, t.quotes(1, judgement)...)
		}
	}
	return out
}

type questionRow struct {
	Total     bool      `ch:"total"`
	Name      string    `ch:"operator_name"`
	ID        int64     `ch:"question"`
	Yes       uint64    `ch:"yes"`
	Partially uint64    `ch:"partially"`
	Answers   uint64    `ch:"answers"`
	Newest    uuid.UUID `ch:"newest"` // the newest conversation that answers it
}

// mostAsked keeps the answers to the schemas.MaxQuestions questions that were
// answered most, by question. Rows of all conversations come first.
func mostAsked(rows []questionRow) []questionRow {
	kept := map[int64]bool{}
	rows = slices.DeleteFunc(rows, func(row questionRow) bool {
		if row.Total && len(kept) < schemas.MaxQuestions {
			kept[row.ID] = true
		}
		return !kept[row.ID]
	})
	slices.SortStableFunc(rows, func(a, b questionRow) int { return cmp.Compare(a.ID, b.ID) })
	return rows
}

// checklist counts the answers by question, those of the operators into them.
func (b *reporter) checklist(ctx context.Context, operators []report.Operator) ([]report.QuestionRate, error) {
	rows, err := askNow[questionRow](ctx, b, "questions.sql", clickhouse.Named("operators", names(operators)))
	if err != nil {
		return nil, err
	}
	rows = mostAsked(rows)
	texts, err := b.questions(ctx, rows)
	if err != nil {
		return nil, err
	}
	out := []report.QuestionRate{}
	byName := operatorsByName(operators)
	for _, row := range rows {
		rate := report.QuestionRate{ID: row.ID, Question: texts[row.ID], Yes: int64(row.Yes), Partially: int64(row.Partially),
			No: int64(row.Answers - row.Yes - row.Partially), Rate: (float64(row.Yes) + float64(row.Partially)/2) / float64(row.Answers)}
		if row.Total {
			out = append(out, rate)
		} else {
			o := byName[row.Name]
			o.Checklist = append(o.Checklist, rate)
		}
	}
	return out, nil
}

// questions are the words of questions, which only the stored analyses have: as
// they were asked last.
func (b *reporter) questions(ctx context.Context, rows []questionRow) (map[int64]string, error) {
	var codes []uuid.UUID
	for _, row := range rows {
		if row.Total {
			codes = append(codes, row.Newest)
		}
	}
	found, err := b.tell(ctx, codes)
	if err != nil {
		return nil, err
	}
	texts := map[int64]string{}
	for _, row := range rows {
		t := found[row.Newest]
		if !row.Total || t == nil {
			continue
		}
		if i := slices.IndexFunc(t.Checklist, func(a schemas.ChecklistAnswer) bool { return a.ID == row.ID }); i >= 0 {
			texts[row.ID] = t.Checklist[i].Question
		}
	}
	return texts, nil
}
