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
	out := &report.Business{Total: t.total, Previous: t.previous, Days: t.days, Hours: t.heat, Occurs: b.occurs(),
		CSATs: c.csats, PreviousCSATs: c.before, Funnel: c.stages()}
	topics, err := b.topics(ctx, t)
	if err != nil {
		return nil, err
	}
	out.Topics, out.NewTopics, out.GoneTopics = most(topics, maxTopics), appeared(topics), vanished(topics)
	if out.Reasons, err = b.reasons(ctx); err != nil {
		return nil, err
	}
	s, err := b.signals(ctx, nil)
	if err != nil {
		return nil, err
	}
	out.Risks, out.SalesSigs = s.risks, s.sales
	if out.Responses, out.EmailResponses, err = b.responses(ctx); err != nil {
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
	csats, before    [11]int64       // grades now and in the period before
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
		stages, grades := out.funnel, &out.csats
		if row.Current {
			out.outcomes[int64(row.Outcome)] += n
		} else {
			stages, grades = out.previous, &out.before
		}
		stages[int64(row.Stage)] += n
		if row.CSAT != nil && int(*row.CSAT) < len(grades) {
			grades[*row.CSAT] += n
		}
	}
	return out, nil
}

// stages are all stages of the dictionary. A conversation has the furthest one on
// the way to a sale, so it reached those before as well; a customer about to leave
// (retention) is not on that way.
func (c classes) stages() []report.Stage {
	terms := schemas.Dictionaries[schemas.DictFunnelStage]
	out := make([]report.Stage, len(terms))
	var reached, previous int64
	next := -1
	for i := len(terms) - 1; i >= 0; i-- {
		id := terms[i].ID
		s := report.Stage{ID: id, Count: c.funnel[id], Previous: c.previous[id], Apart: terms[i].Key == "none" || terms[i].Key == "retention"}
		s.Reached, s.PreviousReached = s.Count, s.Previous
		if !s.Apart {
			reached, previous = reached+s.Count, previous+s.Previous
			s.Reached, s.PreviousReached = reached, previous
			if next >= 0 {
				out[next].Conversion = over(float64(out[next].Reached), float64(s.Reached))
			}
			next = i
		}
		out[i] = s
	}
	return out
}

// topics are those of the period, the most frequent first, and then those that
// only the period before has.
func (b *reporter) topics(ctx context.Context, t timeline) ([]report.Topic, error) {
	rows, err := ask[struct {
		Name       string `ch:"topic"`
		Count      uint64 `ch:"conversations"`
		Previous   uint64 `ch:"previous"`
		CSATSum    uint64 `ch:"csat_sum"`
		CSATCount  uint64 `ch:"csat_count"`
		Negative   uint64 `ch:"negative"`
		Sentiments uint64 `ch:"sentiments"`
	}](ctx, b, "topics.sql")
	if err != nil {
		return nil, err
	}
	out := []report.Topic{}
	for _, row := range rows {
		out = append(out, report.Topic{Name: row.Name, Count: int64(row.Count), Previous: int64(row.Previous),
			Share: over(float64(row.Count), float64(t.total.Analysed)), PreviousShare: over(float64(row.Previous), float64(t.previous.Analysed)),
			Growth: over(float64(row.Count)-float64(row.Previous), float64(row.Previous)),
			CSAT:   over(float64(row.CSATSum), float64(row.CSATCount)), Sentiments: int64(row.Sentiments), Negative: over(float64(row.Negative), float64(row.Sentiments))})
	}
	return out, nil
}

// most are the n most frequent topics of the period.
func most(topics []report.Topic, n int) []report.Topic {
	return chosen(topics, n, func(t report.Topic) bool { return t.Count > 0 })
}

// appeared are the topics that the period before had none of, though it had
// conversations; vanished are those that only it had.
func appeared(topics []report.Topic) []report.Topic {
	return chosen(topics, maxTopics/2, func(t report.Topic) bool { return t.Count >= adviceFloor && t.Previous == 0 && t.PreviousShare != nil })
}

func vanished(topics []report.Topic) []report.Topic {
	return chosen(topics, maxTopics/2, func(t report.Topic) bool { return t.Count == 0 && t.Previous >= adviceFloor && t.Share != nil })
}

func chosen(topics []report.Topic, n int, is func(report.Topic) bool) []report.Topic {
	out := []report.Topic{}
	for _, t := range topics {
		if len(out) < n && is(t) {
			out = append(out, t)
		}
	}
	return out
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

// responses are those of chats and those of e-mails.
func (b *reporter) responses(ctx context.Context) (chats, emails *report.Responses, err error) {
	rows, err := askNow[struct {
		Type         string    `ch:"type"`
		Count        uint64    `ch:"conversations"`
		Quantiles    []float64 `ch:"quantiles"`
		Within       uint64    `ch:"within"`
		AverageSum   int64     `ch:"average_sum"`
		AverageCount uint64    `ch:"average_count"`
	}](ctx, b, "responses.sql", clickhouse.Named("chat_target", report.ResponseTarget), clickhouse.Named("email_target", report.EmailTarget))
	if err != nil {
		return nil, nil, err
	}
	for _, row := range rows {
		r := &report.Responses{Conversations: int64(row.Count), Target: report.ResponseTarget, Median: row.Quantiles[0], P90: row.Quantiles[1], P95: row.Quantiles[2],
			Within: float64(row.Within) / float64(row.Count)}
		if average := over(float64(row.AverageSum)/million, float64(row.AverageCount)); average != nil {
			r.Average = *average
		}
		if row.Type == schemas.TypeChat {
			chats = r
		} else {
			r.Target, emails = report.EmailTarget, r
		}
	}
	return chats, emails, nil
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
