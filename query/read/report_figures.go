package read

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"earshot/schemas/report"
)

// sums are what Figures are made of: the columns of figures.sql, in its order.
type sums [sumCount]int64

// Each sum of a measure is followed by the number of conversations it is over.
const (
	sumConversations = iota
	sumCalls
	sumChats
	sumEmails
	sumSeconds
	sumTalk
	_
	sumPoliteness
	_
	sumEmpathy
	_
	sumCSAT
	_
	sumScript
	_
	sumYes
	sumPartially
	sumAnswers
	sumResolved
	sumOutcomes
	sumPositive
	sumNegative
	sumSentiments
	sumRisky
	sumSales
	sumSilence
	_
	sumHold
	_
	sumInterruptions
	_
	sumMonologue
	_
	sumFirstResponse
	_
	sumResponse
	_
	sumAnalysed
	sumScored
	sumCount
)

// million is what measures are multiplied with in SQL, where they are summed as
// whole numbers.
const million = 1e6

func (s *sums) add(more []int64) {
	for i, n := range more {
		s[i] += n
	}
}

// over is a quotient, nil when it is over nothing.
func over(sum, n float64) *float64 {
	if n == 0 {
		return nil
	}
	q := sum / n
	return &q
}

// mean is the mean of the measure whose sum is at i, in units of scale.
func (s *sums) mean(i int, scale float64) *float64 {
	return over(float64(s[i])/scale, float64(s[i+1]))
}

func (s *sums) share(part, of int) *float64 { return over(float64(s[part]), float64(s[of])) }

func (s *sums) figures() report.Figures {
	f := report.Figures{
		Conversations: s[sumConversations], Analysed: s[sumAnalysed], Scored: s[sumScored], Calls: s[sumCalls], Chats: s[sumChats], Emails: s[sumEmails], Seconds: float64(s[sumSeconds]) / million,
		Politeness: s.mean(sumPoliteness, 1), Empathy: s.mean(sumEmpathy, million), CSAT: s.mean(sumCSAT, 1), Script: s.mean(sumScript, million),
		Checklist: over(float64(s[sumYes])+float64(s[sumPartially])/2, float64(s[sumAnswers])),
		Resolved:  s.share(sumResolved, sumOutcomes), Positive: s.share(sumPositive, sumSentiments), Negative: s.share(sumNegative, sumSentiments), Sentiments: s[sumSentiments],
		Risky: s[sumRisky], Sales: s[sumSales],
		SilenceShare: s.mean(sumSilence, 1), HoldShare: s.mean(sumHold, 1), // both sums are of time
		Interruptions: s.mean(sumInterruptions, 1), Monologue: s.mean(sumMonologue, million),
		FirstResponse: s.mean(sumFirstResponse, million), Response: s.mean(sumResponse, million),
	}
	if s[sumTalk+1] > 0 {
		f.TalkSeconds = over(float64(s[sumTalk]), million)
	}
	f.Score = report.Score(f.Politeness, f.Empathy, f.CSAT, f.Script, f.Checklist)
	return f
}

// timeline is a period by day and hour.
type timeline struct {
	total, previous report.Figures
	days            []report.Day
	hours           []report.Hour
	heat            [7][24]int64 // conversations by week day, Monday first, and hour
}

func (b *reporter) timeline(ctx context.Context) (timeline, error) {
	rows, err := ask[struct {
		Current bool      `ch:"current"`
		Day     time.Time `ch:"day"`
		Hour    uint8     `ch:"hour"`
		Timed   bool      `ch:"timed"`
		Sums    []int64   `ch:"sums"`
	}](ctx, b, "by_time.sql")
	if err != nil {
		return timeline{}, err
	}
	var t timeline
	var total, previous sums
	var hours [24]sums
	byDay := map[string]*sums{}
	for _, row := range rows {
		if !row.Current {
			previous.add(row.Sums)
			continue
		}
		date := row.Day.Format(time.DateOnly)
		if byDay[date] == nil {
			byDay[date] = &sums{}
		}
		total.add(row.Sums)
		byDay[date].add(row.Sums)
		if row.Timed {
			hours[row.Hour].add(row.Sums)
			t.heat[(int(row.Day.Weekday())+6)%7][row.Hour] += row.Sums[sumConversations]
		}
	}
	t.total, t.previous = total.figures(), previous.figures()
	for hour := range hours {
		t.hours = append(t.hours, report.Hour{Hour: int64(hour), Figures: hours[hour].figures()})
	}
	t.days = b.days(byDay)
	return t, nil
}

// days are all days that the period touches.
func (b *reporter) days(sum map[string]*sums) []report.Day {
	var out []report.Day
	y, m, d := b.period.From.In(b.zone).Date()
	last := b.period.Until.Add(-1).In(b.zone).Format(time.DateOnly)
	for ; ; d++ {
		date := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		day := report.Day{Date: date}
		if s := sum[date]; s != nil {
			day.Figures = s.figures()
		}
		if out = append(out, day); date >= last {
			return out
		}
	}
}

// occurs is on how many dates of the period there is each hour of the week.
func (b *reporter) occurs() (out [7][24]int64) {
	var last string
	for at := b.period.From.In(b.zone); at.Before(b.period.Until); {
		if hour := at.Format("2006-01-02 15"); hour != last { // the hour before comes twice where clocks go back
			last = hour
			out[(int(at.Weekday())+6)%7][at.Hour()]++
		}
		_, minute, second := at.Clock()
		at = at.Add(time.Hour - time.Duration(minute)*time.Minute - time.Duration(second)*time.Second - time.Duration(at.Nanosecond()))
	}
	return out
}

// operators are the operators of the period, the busiest maxOperators of them,
// by rank, and how many there are in all.
func (b *reporter) operators(ctx context.Context) ([]report.Operator, int64, error) {
	rows, err := ask[struct {
		Name    string  `ch:"operator_name"`
		Current bool    `ch:"current"`
		Sums    []int64 `ch:"sums"`
		All     uint64  `ch:"operators"`
	}](ctx, b, "by_operator.sql", clickhouse.Named("limit", 2*maxOperators))
	if err != nil {
		return nil, 0, err
	}
	var all int64
	figures := map[bool]map[string]report.Figures{false: {}, true: {}}
	var names []string
	for _, row := range rows {
		all = int64(row.All)
		if row.Current {
			names = append(names, row.Name)
		}
		var s sums
		s.add(row.Sums)
		figures[row.Current][row.Name] = s.figures()
	}
	out := []report.Operator{}
	for _, name := range names[:min(len(names), maxOperators)] {
		o := report.Operator{Name: name, Figures: figures[true][name], Checklist: []report.QuestionRate{}, Risks: []report.SignalCount{},
			SalesSigs: []report.SignalCount{}, Best: []report.Case{}, Worst: []report.Case{}}
		if f, ok := figures[false][name]; ok {
			o.Previous = &f
		}
		out = append(out, o)
	}
	rank(out)
	return out, all, nil
}

// rank orders operators by score. Those whose scores are equal share a rank, and
// the one after them has the rank of its place. Those with too few scored
// conversations have no rank, nor have conversations of which nobody says who
// led them.
func rank(operators []report.Operator) {
	place := func(o report.Operator) int {
		switch {
		case o.Name == "":
			return 2
		case o.Figures.Scored < report.RankedFrom:
			return 1
		}
		return 0
	}
	slices.SortFunc(operators, func(a, b report.Operator) int {
		if c := cmp.Compare(place(a), place(b)); c != 0 || place(a) > 0 {
			return cmp.Or(c, cmp.Compare(a.Name, b.Name))
		}
		return cmp.Or(cmp.Compare(*b.Figures.Score, *a.Figures.Score), cmp.Compare(b.Figures.Conversations, a.Figures.Conversations), cmp.Compare(a.Name, b.Name))
	})
	for i := range operators {
		o := &operators[i]
		switch {
		case place(*o) > 0:
			return
		case i > 0 && *operators[i-1].Figures.Score == *o.Figures.Score:
			o.Rank = operators[i-1].Rank
		default:
			o.Rank = int64(i + 1)
		}
	}
}

// spread is over the operators that have a rank.
func spread(operators []report.Operator) *report.Spread {
	var scores []float64
	for _, o := range operators {
		if o.Rank > 0 {
			scores = append(scores, *o.Figures.Score)
		}
	}
	if len(scores) < 2 {
		return nil
	}
	slices.Sort(scores)
	return &report.Spread{Min: scores[0], Q1: quantile(scores, 0.25), Median: quantile(scores, 0.5), Q3: quantile(scores, 0.75), Max: scores[len(scores)-1]}
}

// quantile of a sorted list, between two of its values where it lies between
// them: as quantileExactInclusive in ClickHouse, and PERCENTILE.INC elsewhere.
func quantile(sorted []float64, level float64) float64 {
	at := level * float64(len(sorted)-1)
	low := int(math.Floor(at))
	if low == len(sorted)-1 {
		return sorted[low]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}
