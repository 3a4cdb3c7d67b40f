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

	"earshot/query/read"
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
		Link: q.Link, Provenance: origin(now)}
	all, earlier := figuresOf(now), figuresOf(before)
	risks, sales := signalsOf(now, before, true)
	switch q.Kind {
	case schemas.ReportStandard:
		best, worst := extremesOf(now, 5)
		out.Quality = &report.Quality{Total: all, Previous: earlier, Days: n.days(now), Operators: operatorsOf(now, before, true), Checklist: questionsOf(now, now),
			Risks: risks, SalesSigs: sales, Best: best, Worst: worst}
		out.Quality.Spread = spreadOf(out.Quality.Operators)
	case schemas.ReportBusiness:
		out.Business = &report.Business{Total: all, Previous: earlier, Days: n.days(now), Topics: topicsOf(now, before, 20), Reasons: reasonsOf(now, before),
			Funnel: funnelOf(now, before), Risks: risks, SalesSigs: sales, Responses: responsesOf(now), Unresolved: themesOf(now)}
		for _, w := range now {
			at := n.local(w)
			out.Business.Hours[(int(at.Weekday())+6)%7][at.Hour()]++
			if w.CSAT != nil {
				out.Business.CSATs[*w.CSAT]++
			}
		}
		out.Business.Recommendations = adviceOf(out.Business, now)
	case schemas.ReportDaily:
		out.Daily = &report.Daily{Total: all, Previous: earlier, Operators: operatorsOf(now, before, false), Topics: topicsOf(now, before, 10), Risks: risks,
			SalesSigs: sales, Attention: attentionOf(now)}
		for hour := range 24 {
			out.Daily.Hours = append(out.Daily.Hours, report.Hour{Hour: int64(hour), Figures: figuresOf(only(now, func(w talk) bool { return n.local(w).Hour() == hour }))})
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
			sum, n = sum+schemas.AnswerScore(answer), n+1
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
	f := report.Figures{Conversations: int64(len(talks)), Calls: typed("call"), Chats: typed("chat"), Emails: typed("email"),
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
		case o.Figures.Score == nil:
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
				default:
					r.No++
				}
			}
		}
		if r.Yes+r.Partially+r.No == 0 {
			continue
		}
		r.Rate = (float64(r.Yes) + 0.5*float64(r.Partially)) / float64(r.Yes+r.Partially+r.No)
		newest := slices.IndexFunc(all, func(w talk) bool { return slices.Contains(w.Questions, id) })
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

func quotesOf(w talk, n int, judgements ...string) []report.Quote {
	out, said := []report.Quote{}, map[string]bool{"": true}
	for _, j := range judgements {
		for _, e := range w.evidence {
			if (e.Judgement == j || strings.HasSuffix(j, ".") && strings.HasPrefix(e.Judgement, j)) && !said[e.Quote] && len(out) < n {
				said[e.Quote] = true
				out = append(out, report.Quote{Code: w.Code.String(), TaskID: w.ID, At: w.At, Speaker: e.Speaker, Text: e.Quote, Start: e.Start, About: e.Judgement})
			}
		}
	}
	return out
}

func scoreOf(w talk) *float64 {
	return report.Score(gradeOf(w), w.Empathy, csatOf(w), w.Script, checklistOf(w))
}

// rounded is what cases are ordered by.
func rounded(w talk) float64 { return math.Round(*scoreOf(w) * micros) }

func caseOf(w talk, judgements ...string) report.Case {
	c := report.Case{Code: w.Code.String(), TaskID: w.ID, Type: w.Type, At: w.At, Operator: w.Operator, Seconds: w.Seconds, Score: *scoreOf(w), Summary: w.Summary,
		Quotes: quotesOf(w, 3, judgements...)}
	if w.CSAT != nil {
		n := int64(*w.CSAT)
		c.CSAT = &n
	}
	return c
}

func extremesOf(talks []talk, n int) (best, worst []report.Case) {
	best, worst = []report.Case{}, []report.Case{}
	scored := only(talks, func(w talk) bool { return scoreOf(w) != nil })
	proof := []string{"csat", "politeness", "empathy", "sentiment", "checklist.", "script.", "resolution"}
	slices.SortStableFunc(scored, func(a, b talk) int { return cmp.Compare(rounded(b), rounded(a)) })
	for _, w := range scored[:min(n, len(scored))] {
		best = append(best, caseOf(w, proof...))
	}
	slices.SortStableFunc(scored, func(a, b talk) int {
		return cmp.Or(cmp.Compare(rounded(a), rounded(b)), strings.Compare(b.Code.String(), a.Code.String()))
	})
	for _, w := range scored {
		taken := slices.ContainsFunc(best, func(c report.Case) bool { return c.TaskID == w.ID })
		if len(worst) < n && !taken {
			worst = append(worst, caseOf(w, proof...))
		}
	}
	return best, worst
}

func attentionOf(now []talk) []report.Case {
	why := func(w talk) (n int) {
		for _, is := range []bool{has(w.Risks), w.Outcome == 3, w.CSAT != nil && *w.CSAT <= 4 || w.Sentiment == "negative"} {
			if is {
				n++
			}
		}
		return n
	}
	list := only(now, func(w talk) bool { return scoreOf(w) != nil && why(w) > 0 })
	slices.SortStableFunc(list, func(a, b talk) int { return cmp.Or(cmp.Compare(why(b), why(a)), cmp.Compare(rounded(a), rounded(b))) })
	out := []report.Case{}
	for _, w := range list[:min(10, len(list))] {
		out = append(out, caseOf(w, "risk_signals.", "resolution", "csat", "sentiment", "politeness", "root_cause"))
	}
	return out
}

// grouped is the n most frequent names, with the conversations of each.
func grouped(talks []talk, names func(talk) []string, n int) (order []string, by map[string][]talk) {
	by = map[string][]talk{}
	for _, w := range talks {
		for _, name := range slices.Compact(slices.Sorted(slices.Values(names(w)))) {
			by[name] = append(by[name], w)
		}
	}
	for name := range by {
		order = append(order, name)
	}
	slices.SortFunc(order, func(a, b string) int { return cmp.Or(cmp.Compare(len(by[b]), len(by[a])), strings.Compare(a, b)) })
	return order[:min(n, len(order))], by
}

func topicsOf(now, before []talk, n int) []report.Topic {
	out := []report.Topic{}
	names := func(w talk) []string { return w.Topics }
	order, by := grouped(now, names, n)
	_, old := grouped(before, names, 0)
	for _, name := range order {
		f, was := figuresOf(by[name]), float64(len(old[name]))
		out = append(out, report.Topic{Name: name, Count: f.Conversations, Previous: int64(was), Growth: quotient(float64(f.Conversations)-was, was), CSAT: f.CSAT, Negative: f.Negative})
	}
	return out
}

func reasonName(w talk) []string {
	if w.Reason == "" {
		return nil
	}
	return []string{w.Reason}
}

func reasonsOf(now, before []talk) []report.Reason {
	out := []report.Reason{}
	order, by := grouped(now, reasonName, 15)
	_, old := grouped(before, reasonName, 0)
	for _, name := range order {
		r := report.Reason{Name: name, Count: int64(len(by[name])), Previous: int64(len(old[name])), Outcomes: []report.Count{}}
		for id := int64(1); id <= 4; id++ {
			if n := count(by[name], func(w talk) bool { return int64(w.Outcome) == id }); n > 0 {
				r.Outcomes = append(r.Outcomes, report.Count{ID: id, Count: n})
			}
		}
		out = append(out, r)
	}
	return out
}

func themesOf(now []talk) []report.Theme {
	out := []report.Theme{}
	_, all := grouped(now, reasonName, 0)
	order, by := grouped(only(now, func(w talk) bool { return w.Outcome == 3 }), reasonName, 10)
	for _, name := range order {
		theme := report.Theme{Reason: name, Unresolved: int64(len(by[name])), Total: int64(len(all[name])), CSAT: meanOf(by[name], csatOf), Quotes: []report.Quote{}}
		for _, w := range by[name][:min(3, len(by[name]))] {
			theme.Quotes = append(theme.Quotes, quotesOf(w, 1, "resolution", "key_obstacles", "root_cause", "reason_for_contact", "csat", "sentiment")...)
		}
		out = append(out, theme)
	}
	return out
}

func funnelOf(now, before []talk) (out []report.Stage) {
	for id := int64(1); id <= 7; id++ {
		at := func(w talk) bool { return int64(w.Stage) == id }
		out = append(out, report.Stage{ID: id, Count: count(now, at), Previous: count(before, at)})
	}
	return out
}

func responsesOf(now []talk) *report.Responses {
	now = only(now, func(w talk) bool { return written(w, w.First) != nil })
	if len(now) == 0 {
		return nil
	}
	var times []float64
	for _, w := range now {
		times = append(times, *w.First)
	}
	r := &report.Responses{Conversations: int64(len(now)), Median: between(times, 0.5), P90: between(times, 0.9), P95: between(times, 0.95),
		Within: *share(now, func(w talk) bool { return *w.First <= 60 }, func(talk) bool { return true })}
	if average := meanOf(now, func(w talk) *float64 { return w.Average }); average != nil {
		r.Average = *average
	}
	return r
}

// adviceOf follows from the numbers of the report.
func adviceOf(b *report.Business, now []talk) []report.Recommendation {
	outcomes, resolved := map[int64]int64{}, map[int64]int64{}
	for _, w := range now {
		outcomes[int64(w.Outcome)]++
		if w.Outcome == 1 {
			for _, id := range slices.Compact(slices.Sorted(slices.Values(w.Sales))) {
				resolved[int64(id)]++
			}
		}
	}
	return read.Advise(b, outcomes, resolved)
}

func origin(now []talk) report.Provenance {
	p := report.Provenance{Log: []report.Position{}, Engines: []report.Engine{}, Scripts: []report.Script{}}
	order, by := grouped(now, func(w talk) []string {
		if w.Analysed == 0 {
			return nil
		}
		return []string{w.Engine}
	}, 100)
	for _, name := range order {
		p.Engines = append(p.Engines, report.Engine{Name: name, Conversations: int64(len(by[name]))})
	}
	for id := int64(1); id <= 2; id++ {
		for version := int64(1); version <= 3; version++ {
			if n := count(now, func(w talk) bool { return w.ScriptID == id && w.ScriptVer == version }); n > 0 {
				p.Scripts = append(p.Scripts, report.Script{ID: id, Version: version, Conversations: n})
			}
		}
	}
	return p
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
