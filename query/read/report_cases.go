package read

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"earshot/schemas"
	"earshot/schemas/report"
)

// told is what a report tells of one conversation.
type told struct {
	Code     uuid.UUID `ch:"code"`
	ID       int64     `ch:"id"`
	Type     string    `ch:"type"`
	At       time.Time `ch:"call_datetime"`
	Operator string    `ch:"operator_name"`
	Seconds  float64   `ch:"seconds"`
	Grade    uint8     `ch:"politeness_grade"`
	Empathy  *float64  `ch:"empathy"`
	CSAT     *uint8    `ch:"csat"`
	Script   *float64  `ch:"script_alignment"`
	Answers  []string  `ch:"checklist_answers"`
	Summary  string    `ch:"summary"`
	Analysis string    `ch:"analysis"`

	Checklist []schemas.ChecklistAnswer
	Evidence  []schemas.Evidence
}

// tellPiece is how many conversations are read at once. Reading one costs a
// granule of the widest column, so a thousand take seconds.
const tellPiece = 200

// tell reads conversations by their codes.
func (b *reporter) tell(ctx context.Context, codes []uuid.UUID) (map[uuid.UUID]*told, error) {
	out := map[uuid.UUID]*told{}
	codes = slices.SortedFunc(slices.Values(codes), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }) // neighbours in the table come together
	for piece := range slices.Chunk(slices.Compact(codes), tellPiece) {
		rows, err := askNow[told](ctx, b, "conversation.sql", clickhouse.Named("codes", piece))
		if err != nil {
			return nil, err
		}
		for i := range rows {
			t := &rows[i]
			if err := t.parse(); err != nil {
				return nil, err
			}
			out[t.Code] = t
		}
	}
	return out, nil
}

func (t *told) parse() error {
	if t.Analysis == "" {
		return nil
	}
	var stored struct {
		Checklist []schemas.ChecklistAnswer
		Evidence  []schemas.Evidence
	}
	if err := json.Unmarshal([]byte(t.Analysis), &stored); err != nil {
		return databaseError(fmt.Errorf("stored analysis of %s: %w", t.Code, err))
	}
	t.Checklist, t.Evidence, t.Analysis = stored.Checklist, stored.Evidence, ""
	return nil
}

// score is schemas/report.Score of the conversation.
func (t *told) score() *float64 {
	var politeness, csat, checklist *float64
	if t.Grade > 0 {
		grade := float64(t.Grade)
		politeness = &grade
	}
	if t.CSAT != nil {
		n := float64(*t.CSAT)
		csat = &n
	}
	var sum, scored float64
	for _, answer := range t.Answers {
		if schemas.Scored(answer) {
			sum, scored = sum+schemas.AnswerScore(answer), scored+1
		}
	}
	checklist = over(sum, scored)
	return report.Score(politeness, t.Empathy, csat, t.Script, checklist)
}

// quotes are at most n of the conversation's evidence: first of the judgements
// named first, then of those named next; a name that ends in a dot stands for
// all that begin so. The same words are quoted once.
func (t *told) quotes(n int, judgements ...string) []report.Quote {
	out := []report.Quote{}
	for _, judgement := range judgements {
		for _, e := range t.Evidence {
			if len(out) == n {
				return out
			}
			named := e.Judgement == judgement || strings.HasSuffix(judgement, ".") && strings.HasPrefix(e.Judgement, judgement)
			if !named || e.Quote == "" || slices.ContainsFunc(out, func(q report.Quote) bool { return q.Text == e.Quote }) {
				continue
			}
			out = append(out, report.Quote{Code: t.Code.String(), TaskID: t.ID, At: t.At, Speaker: e.Speaker, Text: e.Quote, Start: e.Start, About: e.Judgement})
		}
	}
	return out
}

// What proves that a conversation went well or badly, and that it needs
// attention.
var (
	qualityEvidence   = []string{"csat", "politeness", "empathy", "sentiment", "checklist.", "script.", "resolution"}
	attentionEvidence = []string{"risk_signals.", "resolution", "csat", "sentiment", "politeness", "root_cause"}
	themeEvidence     = []string{"resolution", "key_obstacles", "root_cause", "reason_for_contact", "csat", "sentiment"}
)

// cases turns codes into cases, in the same order.
func cases(codes []uuid.UUID, from map[uuid.UUID]*told, judgements []string) []report.Case {
	out := []report.Case{}
	for _, code := range codes {
		t := from[code]
		if t == nil {
			continue // deleted since its code was found
		}
		c := report.Case{Code: t.Code.String(), TaskID: t.ID, Type: t.Type, At: t.At, Operator: t.Operator, Seconds: t.Seconds, Score: t.score(),
			Summary: t.Summary, Quotes: t.quotes(caseQuotes, judgements...)}
		if t.CSAT != nil {
			n := int64(*t.CSAT)
			c.CSAT = &n
		}
		out = append(out, c)
	}
	return out
}

// extremes are the codes of the best and the worst conversations.
type extremes struct {
	Total bool        `ch:"total"`
	Name  string      `ch:"operator_name"`
	Best  []uuid.UUID `ch:"best"`
	Worst []uuid.UUID `ch:"worst"`
}

// cut keeps n of each, and no conversation on both sides.
func (e extremes) cut(n int) (best, worst []uuid.UUID) {
	best = e.Best[:min(n, len(e.Best))]
	for _, code := range e.Worst {
		if len(worst) < n && !slices.Contains(best, code) {
			worst = append(worst, code)
		}
	}
	return best, worst
}

// addCases finds the best and worst conversations of all and of each operator.
func (b *reporter) addCases(ctx context.Context, q *report.Quality) error {
	rows, err := askNow[extremes](ctx, b, "cases.sql", clickhouse.Named("operators", names(q.Operators)),
		clickhouse.Named("best", maxCases), clickhouse.Named("worst", 2*maxCases))
	if err != nil {
		return err
	}
	var codes []uuid.UUID
	for _, row := range rows {
		best, worst := row.cut(row.share())
		codes = append(append(codes, best...), worst...)
	}
	found, err := b.tell(ctx, codes)
	if err != nil {
		return err
	}
	byName := operatorsByName(q.Operators)
	for _, row := range rows {
		best, worst := row.cut(row.share())
		to, toWorst := &q.Best, &q.Worst
		if !row.Total {
			to, toWorst = &byName[row.Name].Best, &byName[row.Name].Worst
		}
		*to, *toWorst = cases(best, found, qualityEvidence), cases(worst, found, qualityEvidence)
	}
	return nil
}

func (e extremes) share() int {
	if e.Total {
		return maxCases
	}
	return operatorCases
}

// attention are the conversations of a daily report that are worth a look.
func (b *reporter) attention(ctx context.Context) ([]report.Case, error) {
	rows, err := askNow[struct {
		Code uuid.UUID `ch:"code"`
	}](ctx, b, "attention.sql", clickhouse.Named("limit", maxAttention))
	if err != nil {
		return nil, err
	}
	var codes []uuid.UUID
	for _, row := range rows {
		codes = append(codes, row.Code)
	}
	found, err := b.tell(ctx, codes)
	return cases(codes, found, attentionEvidence), err
}

func names(operators []report.Operator) []string {
	out := []string{}
	for _, o := range operators {
		out = append(out, o.Name)
	}
	return out
}

func operatorsByName(operators []report.Operator) map[string]*report.Operator {
	out := map[string]*report.Operator{}
	for i := range operators {
		out[operators[i].Name] = &operators[i]
	}
	return out
}
