package read_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"earshot/schemas"
	"earshot/schemas/report"
)

// naive makes a report out of all rows that FINAL shows, the plain way.
type naive struct {
	talks  []talk
	org    string
	since  time.Time
	period report.Period
}

func (n naive) between(from, until time.Time) (out []talk) {
	for _, w := range n.talks {
		if w.Org == n.org && w.Status == "completed" && slices.Contains([]string{"call", "chat", "email"}, w.Type) && !w.At.Before(from) && w.At.Before(until) {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b talk) int { return strings.Compare(b.Code.String(), a.Code.String()) }) // newest first
	return out
}

func (n naive) report(q report.Query) report.Report {
	now, before := n.between(n.period.From, n.period.Until), n.between(n.since, n.period.From)
	out := report.Report{Kind: q.Kind, Organisation: n.org, Period: n.period, Previous: report.Period{From: n.since, Until: n.period.From, Zone: n.period.Zone},
		Link: q.Link, Provenance: origin(now), PreviousProvenance: origin(before)}
	all, earlier := figuresOf(now), figuresOf(before)
	risks, sales := signalsOf(now, before, true)
	switch q.Kind {
	case schemas.ReportStandard:
		best, worst := extremesOf(now, 5)
		out.Quality = &report.Quality{Total: all, Previous: earlier, Days: n.days(now), Operators: operatorsOf(now, before, true), OperatorCount: operatorsIn(now), Checklist: questionsOf(now, now),
			Risks: risks, SalesSigs: sales, Best: best, Worst: worst}
		out.Quality.Spread = spreadOf(out.Quality.Operators)
	case schemas.ReportBusiness:
		out.Business = &report.Business{Total: all, Previous: earlier, Days: n.days(now), Topics: topicsOf(now, before, 20), Reasons: reasonsOf(now, before),
			Funnel: funnelOf(now, before), Risks: risks, SalesSigs: sales, Responses: responsesOf(now, "chat", 60), EmailResponses: responsesOf(now, "email", 24*3600), Occurs: n.occurs(), Unresolved: themesOf(now)}
		for _, w := range now {
			if at := n.local(w); w.Date == nil {
				out.Business.Hours[(int(at.Weekday())+6)%7][at.Hour()]++
			}
			if w.CSAT != nil {
				out.Business.CSATs[*w.CSAT]++
			}
		}
		for _, w := range before {
			if w.CSAT != nil {
				out.Business.PreviousCSATs[*w.CSAT]++
			}
		}
		out.Business.NewTopics, out.Business.GoneTopics = changedTopics(now, before)
		out.Business.Recommendations = adviceOf(out.Business, now)
	case schemas.ReportDaily:
		out.Daily = &report.Daily{Total: all, Previous: earlier, Operators: operatorsOf(now, before, false), OperatorCount: operatorsIn(now), Topics: topicsOf(now, before, 10), Risks: risks,
			SalesSigs: sales, Attention: attentionOf(now)}
		for hour := range 24 {
			out.Daily.Hours = append(out.Daily.Hours, report.Hour{Hour: int64(hour), Figures: figuresOf(only(now, func(w talk) bool { return w.Date == nil && n.local(w).Hour() == hour }))})
		}
	}
	return out
}

func only(talks []talk, keep func(talk) bool) (out []talk) {
	for _, w := range talks {
		if keep(w) {
			out = append(out, w)
		}
	}
	return out
}

func count(talks []talk, is func(talk) bool) int64 { return int64(len(only(talks, is))) }

// meanOf is the mean of what is known.
func meanOf(talks []talk, measure func(talk) *float64) *float64 {
	var sum, n float64
	for _, w := range talks {
		if v := measure(w); v != nil {
			sum, n = sum+*v, n+1
		}
	}
	return quotient(sum, n)
}

func quotient(a, b float64) *float64 {
	if b == 0 {
		return nil
	}
	q := a / b
	return &q
}

func share(talks []talk, is, of func(talk) bool) *float64 {
	return quotient(float64(count(only(talks, of), is)), float64(count(talks, of)))
}

func number[T uint8 | uint32](v *T) *float64 {
	if v == nil {
		return nil
	}
	f := float64(*v)
	return &f
}

func gradeOf(w talk) *float64 {
	if w.Grade == 0 {
		return nil
	}
	return number(&w.Grade)
}

func csatOf(w talk) *float64 { return number(w.CSAT) }

func has(ids []uint8) bool { return slices.ContainsFunc(ids, func(id uint8) bool { return id != 1 }) }

func checklistOf(talks ...talk) *float64 {
	var sum, n float64
	for _, w := range talks {
		for _, answer := range w.Answers {
			if schemas.Scored(answer) {
				sum, n = sum+schemas.AnswerScore(answer), n+1
			}
		}
	}
	return quotient(sum, n)
}

func written(w talk, v *float64) *float64 {
	if w.Type == "call" {
		return nil
	}
	return v
}

func figuresOf(talks []talk) report.Figures {
	typed := func(name string) int64 { return count(talks, func(w talk) bool { return w.Type == name }) }
	mood := func(name string) *float64 {
		return share(talks, func(w talk) bool { return w.Sentiment == name }, func(w talk) bool { return w.Sentiment != "" })
	}
	f := report.Figures{Conversations: int64(len(talks)), Analysed: count(talks, func(w talk) bool { return w.Analysed > 0 }),
		Scored: count(talks, func(w talk) bool { return scoreOf(w) != nil }), Sentiments: count(talks, func(w talk) bool { return w.Sentiment != "" }), Calls: typed("call"), Chats: typed("chat"), Emails: typed("email"),
		Politeness: meanOf(talks, gradeOf), Empathy: meanOf(talks, func(w talk) *float64 { return w.Empathy }), CSAT: meanOf(talks, csatOf),
		Script: meanOf(talks, func(w talk) *float64 { return w.Script }), Checklist: checklistOf(talks...),
		Resolved: share(talks, func(w talk) bool { return w.Outcome == 1 }, func(w talk) bool { return w.Outcome > 0 && w.Outcome < 4 }),
		Positive: mood("positive"), Negative: mood("negative"),
		Risky: count(talks, func(w talk) bool { return has(w.Risks) }), Sales: count(talks, func(w talk) bool { return has(w.Sales) }),
		Interruptions: meanOf(talks, func(w talk) *float64 { return number(w.Interrupted) }), Monologue: meanOf(talks, func(w talk) *float64 { return w.Monologue }),
		FirstResponse: meanOf(talks, func(w talk) *float64 { return written(w, w.First) }), Response: meanOf(talks, func(w talk) *float64 { return written(w, w.Average) })}
	var silence, heard, hold, held, spoken float64
	for _, w := range talks {
		f.Seconds += w.Seconds
		if w.Talk != nil {
			spoken += *w.Talk
			f.TalkSeconds = &spoken
		}
		if w.Type == "call" && w.Silence != nil {
			silence, heard = silence+*w.Silence, heard+w.Seconds
		}
		if w.Type == "call" && w.Hold != nil {
			hold, held = hold+*w.Hold, held+w.Seconds
		}
	}
	f.SilenceShare, f.HoldShare = quotient(silence, heard), quotient(hold, held)
	f.Score = report.Score(f.Politeness, f.Empathy, f.CSAT, f.Script, f.Checklist)
	return f
}

func (n naive) local(w talk) time.Time { return w.At.In(n.period.From.Location()) }

func (n naive) days(now []talk) (out []report.Day) {
	seen := map[string]bool{}
	for at := n.period.From; at.Before(n.period.Until); at = at.Add(time.Minute * 15) {
		date := at.Format(time.DateOnly)
		if !seen[date] {
			seen[date] = true
			out = append(out, report.Day{Date: date, Figures: figuresOf(only(now, func(w talk) bool { return n.local(w).Format(time.DateOnly) == date }))})
		}
	}
	return out
}

// occurs looks at every quarter of an hour.
func (n naive) occurs() (out [7][24]int64) {
	seen := map[string]bool{}
	for at := n.period.From; at.Before(n.period.Until); at = at.Add(time.Minute * 15) {
		if hour := at.Format("2006-01-02 15"); !seen[hour] {
			seen[hour] = true
			out[(int(at.Weekday())+6)%7][at.Hour()]++
		}
	}
	return out
}

func operatorsIn(now []talk) int64 {
	names := map[string]bool{}
	for _, w := range now {
		names[w.Operator] = true
	}
	return int64(len(names))
}

func operatorsOf(now, before []talk, withCases bool) []report.Operator {
	names := map[string]bool{}
	for _, w := range now {
		names[w.Operator] = true
	}
	out := []report.Operator{}
	for name := range names {
		his := func(w talk) bool { return w.Operator == name }
		mine, old := only(now, his), only(before, his)
		o := report.Operator{Name: name, Figures: figuresOf(mine), Checklist: questionsOf(mine, now), Best: []report.Case{}, Worst: []report.Case{}}
		o.Risks, o.SalesSigs = signalsOf(mine, old, false)
		if len(old) > 0 {
			f := figuresOf(old)
			o.Previous = &f
		}
		if withCases {
			o.Best, o.Worst = extremesOf(mine, 2)
		}
		out = append(out, o)
	}
	value := func(o report.Operator) float64 {
		switch {
		case o.Name == "":
			return -2
		case o.Figures.Scored < 5:
			return -1
		}
		return *o.Figures.Score
	}
	slices.SortFunc(out, func(a, b report.Operator) int {
		return cmp.Or(cmp.Compare(value(b), value(a)), cmp.Compare(a.Name, b.Name))
	})
	for i := range out {
		if value(out[i]) >= 0 {
			out[i].Rank = int64(i + 1)
		}
	}
	return out
}

func spreadOf(operators []report.Operator) *report.Spread {
	var scores []float64
	for _, o := range operators {
		if o.Rank > 0 {
			scores = append(scores, *o.Figures.Score)
		}
	}
	if len(scores) < 2 {
		return nil
	}
	return &report.Spread{Min: slices.Min(scores), Q1: between(scores, 0.25), Median: between(scores, 0.5), Q3: between(scores, 0.75), Max: slices.Max(scores)}
}

// between is the quantile with linear interpolation.
func between(values []float64, level float64) float64 {
	values = append(slices.Sorted(slices.Values(values)), math.Inf(1))
	whole, part := math.Modf(level * float64(len(values)-2))
	if part == 0 {
		return values[int(whole)]
	}
	return values[int(whole)]*(1-part) + values[int(whole)+1]*part
}

// questionsOf has the words of questions as the newest of all conversations has them.
func questionsOf(talks, all []talk) []report.QuestionRate {
	rates := []report.QuestionRate{}
	for id := int64(101); id < 104; id++ {
		r := report.QuestionRate{ID: id}
		for _, w := range talks {
			if i := slices.Index(w.Questions, id); i >= 0 {
				switch w.Answers[i] {
				case "Yes":
					r.Yes++
				case "Partially":
					r.Partially++
				case "No":
					r.No++
				}
			}
		}
		if r.Yes+r.Partially+r.No == 0 {
			continue
		}
		r.Rate = (float64(r.Yes) + 0.5*float64(r.Partially)) / float64(r.Yes+r.Partially+r.No)
		newest := slices.IndexFunc(all, func(w talk) bool {
			i := slices.Index(w.Questions, id)
			return i >= 0 && schemas.Scored(w.Answers[i])
		})
		r.Question = fmt.Sprintf("Question %d of %d?", id-101, all[newest].ID)
		rates = append(rates, r)
	}
	return rates
}

func signalsOf(now, before []talk, quoted bool) (risks, sales []report.SignalCount) {
	list := func(dictionary, judgement string, ids func(talk) []uint8) []report.SignalCount {
		out := []report.SignalCount{}
		for _, term := range schemas.Dictionaries[dictionary][1:] {
			shows := func(w talk) bool { return slices.Contains(ids(w), uint8(term.ID)) }
			s := report.SignalCount{ID: term.ID, Count: count(now, shows), Previous: count(before, shows)}
			for i, w := range only(now, shows) {
				if quoted && i < 5 {
					s.Quotes = append(s.Quotes, quotesOf(w, 1, judgement+"."+term.Key)...)
				}
			}
			if s.Count+s.Previous > 0 {
				out = append(out, s)
			}
		}
		slices.SortStableFunc(out, func(a, b report.SignalCount) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(b.Previous, a.Previous))
		})
		return out
	}
	return list(schemas.DictRisk, "risk_signals", func(w talk) []uint8 { return w.Risks }), list(schemas.DictSales, "sales_signals", func(w talk) []uint8 { return w.Sales })
}

// differences between two reports, by path; numbers may differ in the tenth
// digit, as sums of floats do.
func differences(t testing.TB, got, want any) []string {
	t.Helper()
	var sides [2]any
	for i, v := range []any{got, want} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &sides[i]); err != nil {
			t.Fatal(err)
		}
	}
	return compare("", sides[0], sides[1])
}

func compare(path string, got, want any) (out []string) {
	switch g := got.(type) {
	case map[string]any:
		if w, ok := want.(map[string]any); ok {
			for key := range w {
				if _, ok := g[key]; !ok {
					out = append(out, path+"."+key+" is missing")
				}
			}
			for key := range g {
				out = append(out, compare(path+"."+key, g[key], w[key])...)
			}
			return out
		}
	case []any:
		if w, ok := want.([]any); ok && len(w) == len(g) {
			for i := range g {
				out = append(out, compare(fmt.Sprintf("%s[%d]", path, i), g[i], w[i])...)
			}
			return out
		}
	case float64:
		if w, ok := want.(float64); ok && math.Abs(g-w) <= 1e-6*math.Max(1, math.Abs(w)) {
			return nil
		}
	case string:
		w, ok := want.(string)
		a, err := time.Parse(time.RFC3339Nano, g)
		b, other := time.Parse(time.RFC3339Nano, w)
		if ok && (g == w || err == nil && other == nil && a.Equal(b)) {
			return nil
		}
	default:
		if got == want {
			return nil
		}
	}
	text := fmt.Sprintf("%s: got %v, want %v", path, got, want)
	return []string{text[:min(len(text), 400)]}
}
