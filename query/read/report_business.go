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

func (b *reporter) business(ctx context.Context) (*report.Business, error) {
	t, err := b.timeline(ctx)
	if err != nil {
		return nil, err
	}
	c, err := b.classes(ctx)
	if err != nil {
		return nil, err
	}
	out := &report.Business{Total: t.total, Previous: t.previous, Days: t.days, Hours: t.heat, CSATs: c.csats, Funnel: c.stages()}
	if out.Topics, err = b.topics(ctx, maxTopics); err != nil {
		return nil, err
	}
	if out.Reasons, err = b.reasons(ctx); err != nil {
		return nil, err
	}
	s, err := b.signals(ctx, nil)
	if err != nil {
		return nil, err
	}
	out.Risks, out.SalesSigs = s.risks, s.sales
	if out.Responses, err = b.responses(ctx); err != nil {
		return nil, err
	}
	if out.Unresolved, err = b.themes(ctx); err != nil {
		return nil, err
	}
	out.Recommendations = advise(out, c.outcomes, s.resolved)
	return out, nil
}

// classes are the conversations by what has few values.
type classes struct {
	csats            [11]int64
	funnel, previous map[int64]int64 // stages now and in the period before
	outcomes         map[int64]int64
}

func (b *reporter) classes(ctx context.Context) (classes, error) {
	rows, err := ask[struct {
		Current bool   `ch:"current"`
		CSAT    *uint8 `ch:"csat"`
		Stage   uint8  `ch:"funnel_stage_id"`
		Outcome uint8  `ch:"resolved_status_id"`
		Count   uint64 `ch:"conversations"`
	}](ctx, b, "classes.sql")
	if err != nil {
		return classes{}, err
	}
	out := classes{funnel: map[int64]int64{}, previous: map[int64]int64{}, outcomes: map[int64]int64{}}
	for _, row := range rows {
		n := int64(row.Count)
		if !row.Current {
			out.previous[int64(row.Stage)] += n
			continue
		}
		out.funnel[int64(row.Stage)] += n
		out.outcomes[int64(row.Outcome)] += n
		if row.CSAT != nil && int(*row.CSAT) < len(out.csats) {
			out.csats[*row.CSAT] += n
		}
	}
	return out, nil
}

// stages are all stages of the dictionary.
func (c classes) stages() []report.Stage {
	out := []report.Stage{}
	for _, term := range schemas.Dictionaries[schemas.DictFunnelStage] {
		out = append(out, report.Stage{ID: term.ID, Count: c.funnel[term.ID], Previous: c.previous[term.ID]})
	}
	return out
}

func (b *reporter) topics(ctx context.Context, limit int) ([]report.Topic, error) {
	rows, err := ask[struct {
		Name       string `ch:"topic"`
		Count      uint64 `ch:"conversations"`
		Previous   uint64 `ch:"previous"`
		CSATSum    uint64 `ch:"csat_sum"`
		CSATCount  uint64 `ch:"csat_count"`
		Negative   uint64 `ch:"negative"`
		Sentiments uint64 `ch:"sentiments"`
	}](ctx, b, "topics.sql", clickhouse.Named("limit", limit))
	if err != nil {
		return nil, err
	}
	out := []report.Topic{}
	for _, row := range rows {
		out = append(out, report.Topic{Name: row.Name, Count: int64(row.Count), Previous: int64(row.Previous),
			Growth: over(float64(row.Count)-float64(row.Previous), float64(row.Previous)),
			CSAT:   over(float64(row.CSATSum), float64(row.CSATCount)), Negative: over(float64(row.Negative), float64(row.Sentiments))})
	}
	return out, nil
}

func (b *reporter) reasons(ctx context.Context) ([]report.Reason, error) {
	rows, err := ask[struct {
		Name     string   `ch:"reason"`
		Count    uint64   `ch:"conversations"`
		Previous uint64   `ch:"previous"`
		Outcomes []uint8  `ch:"outcomes"`
		Counts   []uint64 `ch:"counts"`
	}](ctx, b, "reasons.sql", clickhouse.Named("limit", maxReasons))
	if err != nil {
		return nil, err
	}
	out := []report.Reason{}
	for _, row := range rows {
		reason := report.Reason{Name: row.Name, Count: int64(row.Count), Previous: int64(row.Previous), Outcomes: []report.Count{}}
		for i, id := range row.Outcomes {
			if id > 0 && row.Counts[i] > 0 {
				reason.Outcomes = append(reason.Outcomes, report.Count{ID: int64(id), Count: int64(row.Counts[i])})
			}
		}
		slices.SortFunc(reason.Outcomes, func(a, b report.Count) int { return cmp.Compare(a.ID, b.ID) })
		out = append(out, reason)
	}
	return out, nil
}

func (b *reporter) responses(ctx context.Context) (*report.Responses, error) {
	rows, err := askNow[struct {
		Count        uint64    `ch:"conversations"`
		Quantiles    []float64 `ch:"quantiles"`
		Within       uint64    `ch:"within"`
		AverageSum   int64     `ch:"average_sum"`
		AverageCount uint64    `ch:"average_count"`
	}](ctx, b, "responses.sql", clickhouse.Named("target", report.ResponseTarget))
	if err != nil || len(rows) == 0 || rows[0].Count == 0 {
		return nil, err
	}
	row := rows[0]
	out := &report.Responses{Conversations: int64(row.Count), Median: row.Quantiles[0], P90: row.Quantiles[1], P95: row.Quantiles[2],
		Within: float64(row.Within) / float64(row.Count)}
	if average := over(float64(row.AverageSum)/million, float64(row.AverageCount)); average != nil {
		out.Average = *average
	}
	return out, nil
}

// themes are the reasons of unresolved conversations, with words of the newest.
func (b *reporter) themes(ctx context.Context) ([]report.Theme, error) {
	rows, err := askNow[struct {
		Reason     string      `ch:"reason"`
		Unresolved uint64      `ch:"unresolved"`
		Total      uint64      `ch:"conversations"`
		CSATSum    uint64      `ch:"csat_sum"`
		CSATCount  uint64      `ch:"csat_count"`
		Newest     []uuid.UUID `ch:"newest"`
	}](ctx, b, "themes.sql", clickhouse.Named("limit", maxThemes), clickhouse.Named("quotes", themeQuotes))
	if err != nil {
		return nil, err
	}
	var codes []uuid.UUID
	for _, row := range rows {
		codes = append(codes, row.Newest...)
	}
	found, err := b.tell(ctx, codes)
	if err != nil {
		return nil, err
	}
	out := []report.Theme{}
	for _, row := range rows {
		theme := report.Theme{Reason: row.Reason, Unresolved: int64(row.Unresolved), Total: int64(row.Total),
			CSAT: over(float64(row.CSATSum), float64(row.CSATCount)), Quotes: []report.Quote{}}
		for _, code := range row.Newest {
			if t := found[code]; t != nil {
				theme.Quotes = append(theme.Quotes, t.quotes(1, themeEvidence...)...)
			}
		}
		out = append(out, theme)
	}
	return out, nil
}
