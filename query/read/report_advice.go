package read

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"earshot/schemas"
	"earshot/schemas/report"
)

// When advice is given, where report's Advise constants leave it open. What
// rests on fewer than adviceFloor conversations, on either side, is chance.
const (
	adviceFloor    = 5
	adviceEach     = 3   // pieces of advice of one key
	topicGrowth    = 0.5 // of the share before
	unresolvedOver = 0.1 // above the share of all conversations with an outcome
	negativeOver   = 0.1 // above the share of all conversations with a sentiment
	responseShare  = 0.8 // answered within report.ResponseTarget
	peakTimes      = 1.5 // the mean of an hour with any conversation
	riskOver       = 0.1 // of the share before, grown
	satisfaction   = 0.5 // of CSAT, fallen
)

// Standard errors that a difference has to have: of one that chance brings once
// in forty times, and of the widest one of all 168 hours of a week.
const (
	unlikely     = 1.96
	unlikelyPeak = 3.0
)

// higher says that part of all is a higher share than other of rest, by more than
// chance: the two-proportion z-test.
func higher(part, all, other, rest int64) bool {
	if all < adviceFloor || rest < adviceFloor {
		return false
	}
	pooled := float64(part+other) / float64(all+rest)
	gap := float64(part)/float64(all) - float64(other)/float64(rest)
	return gap > 0 && gap >= unlikely*math.Sqrt(pooled*(1-pooled)*(1/float64(all)+1/float64(rest)))
}

// grades are the number, the mean and the squared standard error of CSAT.
func grades(counts [11]int64) (n int64, mean, errorSquared float64) {
	var sum, squares float64
	for grade, count := range counts {
		n += count
		sum += float64(count) * float64(grade)
		squares += float64(count) * float64(grade*grade)
	}
	if n < adviceFloor {
		return n, 0, 0
	}
	mean = sum / float64(n)
	return n, mean, (squares/float64(n) - mean*mean) / float64(n-1)
}

// advise draws the recommendations from the other facts of a business report,
// what hurts customers first, and of one kind the widest gap. outcomes are all
// conversations by outcome, resolved those with a sales signal that ended resolved.
func advise(b *report.Business, outcomes, resolved map[int64]int64) []report.Recommendation {
	out := []report.Recommendation{}
	for _, group := range [][]report.Recommendation{adviseSatisfaction(b), adviseUnresolved(b, outcomes), adviseRisks(b), adviseNegative(b), adviseGrowth(b),
		adviseNew(b), adviseResponses(b), advisePeak(b), adviseSales(b, resolved)} {
		slices.SortStableFunc(group, func(a, b report.Recommendation) int { return cmp.Compare(gap(b), gap(a)) })
		out = append(out, group[:min(len(group), adviceEach)]...)
	}
	return out
}

func gap(r report.Recommendation) float64 { return math.Abs(r.Value - r.Against) }

func adviseSatisfaction(b *report.Business) []report.Recommendation {
	n, now, wide := grades(b.CSATs)
	m, before, wideBefore := grades(b.PreviousCSATs)
	if fell := before - now; n < adviceFloor || m < adviceFloor || fell < satisfaction || fell < unlikely*math.Sqrt(wide+wideBefore) {
		return nil
	}
	return []report.Recommendation{{Key: report.AdviseSatisfaction, Value: now, Against: before, Count: n}}
}

// adviseUnresolved names reasons that stay open more often than conversations do.
func adviseUnresolved(b *report.Business, outcomes map[int64]int64) (out []report.Recommendation) {
	id, unknown := schemas.TermID(schemas.DictResolution, "unresolved"), schemas.TermID(schemas.DictResolution, "unknown")
	known := func(counts map[int64]int64) (n int64) {
		for outcome, count := range counts {
			if outcome != 0 && outcome != unknown {
				n += count
			}
		}
		return n
	}
	all := known(outcomes)
	for _, r := range b.Reasons {
		counts := map[int64]int64{}
		for _, o := range r.Outcomes {
			counts[o.ID] = o.Count
		}
		open, n := counts[id], known(counts)
		if open < adviceFloor || !higher(open, n, outcomes[id]-open, all-n) {
			continue
		}
		if share, usual := float64(open)/float64(n), float64(outcomes[id])/float64(all); share >= usual+unresolvedOver {
			out = append(out, report.Recommendation{Key: report.AdviseUnresolved, Subject: r.Name, Value: share, Against: usual, Count: n})
		}
	}
	return out
}

// adviseRisks names risks whose share has grown, and those that are new.
func adviseRisks(b *report.Business) (out []report.Recommendation) {
	n, before := b.Total.Analysed, b.Previous.Analysed
	for _, r := range b.Risks {
		if r.Count < adviceFloor || !higher(r.Count, n, r.Previous, before) {
			continue
		}
		if share, was := float64(r.Count)/float64(n), float64(r.Previous)/float64(before); share >= was*(1+riskOver) {
			out = append(out, report.Recommendation{Key: report.AdviseRisk, Subject: schemas.TermOf(schemas.DictRisk, r.ID).Key, Value: share, Against: was, Count: r.Count})
		}
	}
	return out
}

func adviseNegative(b *report.Business) (out []report.Recommendation) {
	usual, all := b.Total.Negative, b.Total.Sentiments
	if usual == nil {
		return nil
	}
	amount := func(share float64, of int64) int64 { return int64(math.Round(share * float64(of))) }
	for _, t := range b.Topics {
		if t.Negative == nil || *t.Negative < *usual+negativeOver {
			continue
		}
		if bad := amount(*t.Negative, t.Sentiments); higher(bad, t.Sentiments, amount(*usual, all)-bad, all-t.Sentiments) {
			out = append(out, report.Recommendation{Key: report.AdviseNegativeTopic, Subject: t.Name, Value: *t.Negative, Against: *usual, Count: t.Sentiments})
		}
	}
	return out
}

// adviseGrowth names topics that more of the conversations are about than before.
// Twice the conversations about everything is no growth of a topic.
func adviseGrowth(b *report.Business) (out []report.Recommendation) {
	for _, t := range b.Topics {
		if t.Count < adviceFloor || t.Previous < adviceFloor || !higher(t.Count, b.Total.Analysed, t.Previous, b.Previous.Analysed) {
			continue
		}
		if *t.Share >= *t.PreviousShare*(1+topicGrowth) {
			out = append(out, report.Recommendation{Key: report.AdviseTopicGrowth, Subject: t.Name, Value: *t.Share, Against: *t.PreviousShare, Count: t.Count})
		}
	}
	return out
}

// adviseNew names topics that nobody spoke of before.
func adviseNew(b *report.Business) (out []report.Recommendation) {
	for _, t := range b.NewTopics {
		if higher(t.Count, b.Total.Analysed, 0, b.Previous.Analysed) {
			out = append(out, report.Recommendation{Key: report.AdviseNewTopic, Subject: t.Name, Value: *t.Share, Count: t.Count})
		}
	}
	return out
}

func adviseResponses(b *report.Business) []report.Recommendation {
	r := b.Responses
	if r == nil || r.Conversations < adviceFloor || r.Within >= responseShare {
		return nil
	}
	return []report.Recommendation{{Key: report.AdviseSlowResponse, Value: r.Within, Against: responseShare, Count: r.Conversations}}
}

// advisePeak names the busiest hour of the week, the first one of equals, by its
// mean over the days that have it: a month has some week days five times.
func advisePeak(b *report.Business) []report.Recommendation {
	var hours, sum, most, times float64
	var subject string
	var count int64
	for day, counts := range b.Hours {
		for hour, n := range counts {
			if n == 0 {
				continue
			}
			mean := float64(n) / float64(b.Occurs[day][hour])
			hours, sum = hours+1, sum+mean
			if mean > most {
				most, count, times, subject = mean, n, float64(b.Occurs[day][hour]), fmt.Sprintf("%d %d", day, hour)
			}
		}
	}
	if usual := sum / hours; count >= adviceFloor && most >= peakTimes*usual && (most-usual)*times >= unlikelyPeak*math.Sqrt(usual*times) {
		return []report.Recommendation{{Key: report.AdvisePeak, Subject: subject, Value: most, Against: usual, Count: count}}
	}
	return nil
}

// adviseSales names the chances that were left open.
func adviseSales(b *report.Business, resolved map[int64]int64) (out []report.Recommendation) {
	for _, s := range b.SalesSigs {
		if ended := resolved[s.ID]; s.Count-ended >= adviceFloor {
			out = append(out, report.Recommendation{Key: report.AdviseSales, Subject: schemas.TermOf(schemas.DictSales, s.ID).Key, Value: float64(s.Count), Against: float64(ended), Count: s.Count})
		}
	}
	return out
}
