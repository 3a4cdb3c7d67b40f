package read_test

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"earshot/query/read"
	"earshot/schemas/report"
)

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
	c := report.Case{Code: w.Code.String(), TaskID: w.ID, Type: w.Type, At: w.At, Operator: w.Operator, Seconds: w.Seconds, Score: scoreOf(w), Summary: w.Summary,
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
	list := only(now, func(w talk) bool { return why(w) > 0 })
	low := func(w talk) float64 {
		if scoreOf(w) == nil {
			return math.Inf(1)
		}
		return rounded(w)
	}
	slices.SortStableFunc(list, func(a, b talk) int { return cmp.Or(cmp.Compare(why(b), why(a)), cmp.Compare(low(a), low(b))) })
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
		out = append(out, topicOf(name, by[name], old[name], now, before))
	}
	return out
}

func topicOf(name string, about, earlier, now, before []talk) report.Topic {
	f, was := figuresOf(about), float64(len(earlier))
	return report.Topic{Name: name, Count: f.Conversations, Previous: int64(was), Growth: quotient(float64(f.Conversations)-was, was), CSAT: f.CSAT, Negative: f.Negative,
		Sentiments: f.Sentiments, Share: quotient(float64(f.Conversations), float64(figuresOf(now).Analysed)), PreviousShare: quotient(was, float64(figuresOf(before).Analysed))}
}

// changedTopics are those that only one of the periods has, in five conversations or more.
func changedTopics(now, before []talk) (appeared, gone []report.Topic) {
	only := func(of, other []talk, topic func(name string, about []talk) report.Topic) []report.Topic {
		out := []report.Topic{}
		names := func(w talk) []string { return w.Topics }
		order, by := grouped(of, names, math.MaxInt)
		_, there := grouped(other, names, 0)
		for _, name := range order {
			if len(by[name]) >= 5 && len(there[name]) == 0 && figuresOf(other).Analysed > 0 && len(out) < 10 {
				out = append(out, topic(name, by[name]))
			}
		}
		return out
	}
	return only(now, before, func(name string, about []talk) report.Topic { return topicOf(name, about, nil, now, before) }),
		only(before, now, func(name string, about []talk) report.Topic { return topicOf(name, nil, about, now, before) })
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
		theme := report.Theme{Reason: name, Unresolved: int64(len(by[name])), Total: count(all[name], func(w talk) bool { return w.Outcome > 0 && w.Outcome < 4 }), CSAT: meanOf(by[name], csatOf), Quotes: []report.Quote{}}
		for _, w := range by[name][:min(3, len(by[name]))] {
			theme.Quotes = append(theme.Quotes, quotesOf(w, 1, "resolution", "key_obstacles", "root_cause", "reason_for_contact", "csat", "sentiment")...)
		}
		out = append(out, theme)
	}
	return out
}

// funnelOf holds awareness to purchase, 2 to 6, to be one way.
func funnelOf(now, before []talk) (out []report.Stage) {
	for id := int64(1); id <= 7; id++ {
		at := func(w talk) bool { return int64(w.Stage) == id }
		s := report.Stage{ID: id, Count: count(now, at), Previous: count(before, at), Apart: id == 1 || id == 7}
		came := at
		if !s.Apart {
			came = func(w talk) bool { return int64(w.Stage) >= id && w.Stage < 7 }
		}
		s.Reached, s.PreviousReached = count(now, came), count(before, came)
		if id > 2 && !s.Apart {
			s.Conversion = quotient(float64(s.Reached), float64(out[id-2].Reached))
		}
		out = append(out, s)
	}
	return out
}

func responsesOf(now []talk, typ string, target float64) *report.Responses {
	now = only(now, func(w talk) bool { return w.Type == typ && w.First != nil })
	if len(now) == 0 {
		return nil
	}
	var times []float64
	for _, w := range now {
		times = append(times, *w.First)
	}
	r := &report.Responses{Conversations: int64(len(now)), Target: target, Median: between(times, 0.5), P90: between(times, 0.9), P95: between(times, 0.95),
		Within: *share(now, func(w talk) bool { return *w.First <= target }, func(talk) bool { return true })}
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
	used := func(n int, name func(talk) string) []report.Engine {
		out := []report.Engine{}
		order, by := grouped(now, func(w talk) []string { return []string{name(w)} }, len(now))
		for _, name := range slices.DeleteFunc(order, func(name string) bool { return name == "" }) {
			out = append(out, report.Engine{Name: name, Conversations: int64(len(by[name]))})
		}
		return out[:min(n, len(out))]
	}
	p := report.Provenance{Log: []report.Position{}, Scripts: []report.Script{}, Models: used(50, func(w talk) string { return w.Model }), Profiles: used(50, func(w talk) string { return w.Profile })}
	p.Engines = used(100, func(w talk) string {
		if w.Analysed == 0 {
			return ""
		}
		return w.Engine
	})
	for id := int64(1); id <= 2; id++ {
		for version := int64(1); version <= 3; version++ {
			if n := count(now, func(w talk) bool { return w.ScriptID == id && w.ScriptVer == version }); n > 0 {
				p.Scripts = append(p.Scripts, report.Script{ID: id, Version: version, Conversations: n})
			}
		}
	}
	return p
}
