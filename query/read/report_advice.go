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
// rests on fewer than adviceFloor conversations is chance.
const (
	adviceFloor    = 5
	adviceEach     = 3   // pieces of advice of one key
	topicGrowth    = 0.5 // of the count before
	unresolvedOver = 0.1 // above the share of all conversations with an outcome
	negativeOver   = 0.1 // above the share of all conversations with a sentiment
	responseShare  = 0.8 // answered within report.ResponseTarget
	peakTimes      = 1.5 // the mean of an hour with any conversation
	riskOver       = 0.1 // of the share before, grown
	satisfaction   = 0.5 // of CSAT, fallen
)

// advise draws the recommendations from the other facts of a business report,
// what hurts customers first, and of one kind the widest gap. outcomes are all
// conversations by outcome, resolved those with a sales signal that ended resolved.
func advise(b *report.Business, outcomes, resolved map[int64]int64) []report.Recommendation {
	out := []report.Recommendation{}
	for _, group := range [][]report.Recommendation{adviseSatisfaction(b), adviseUnresolved(b, outcomes), adviseRisks(b), adviseNegative(b), adviseGrowth(b),
		adviseResponses(b), advisePeak(b), adviseSales(b, resolved)} {
		slices.SortStableFunc(group, func(a, b report.Recommendation) int { return cmp.Compare(gap(b), gap(a)) })
		out = append(out, group[:min(len(group), adviceEach)]...)
	}
	return out
}

func gap(r report.Recommendation) float64 { return math.Abs(r.Value - r.Against) }

func adviseSatisfaction(b *report.Business) []report.Recommendation {
	now, before := b.Total.CSAT, b.Previous.CSAT
	if now == nil || before == nil || *before-*now < satisfaction {
		return nil
	}
	var n int64
	for _, count := range b.CSATs {
		n += count
	}
	if n < adviceFloor {
		return nil
	}
	return []report.Recommendation{{Key: report.AdviseSatisfaction, Value: *now, Against: *before, Count: n}}
}

// adviseUnresolved names reasons that stay open more often than conversations do.
func adviseUnresolved(b *report.Business, outcomes map[int64]int64) (out []report.Recommendation) {
	unresolved, unknown := schemas.TermID(schemas.DictResolution, "unresolved"), schemas.TermID(schemas.DictResolution, "unknown")
	share := func(counts map[int64]int64) *float64 {
		var known float64
		for id, n := range counts {
			if id != 0 && id != unknown {
				known += float64(n)
			}
		}
		return over(float64(counts[unresolved]), known)
	}
	usual := share(outcomes)
	for _, r := range b.Reasons {
		counts := map[int64]int64{}
		for _, o := range r.Outcomes {
			counts[o.ID] = o.Count
		}
		if s, n := share(counts), counts[unresolved]; n >= adviceFloor && *s >= *usual+unresolvedOver {
			out = append(out, report.Recommendation{Key: report.AdviseUnresolved, Subject: r.Name, Value: *s, Against: *usual, Count: n})
		}
	}
	return out
}

// adviseRisks names risks whose share has grown, and those that are new.
func adviseRisks(b *report.Business) (out []report.Recommendation) {
	if b.Previous.Conversations == 0 {
		return nil // nothing to hold it against
	}
	for _, r := range b.Risks {
		share, before := float64(r.Count)/float64(b.Total.Conversations), float64(r.Previous)/float64(b.Previous.Conversations)
		if r.Count >= adviceFloor && share >= before*(1+riskOver) {
			out = append(out, report.Recommendation{Key: report.AdviseRisk, Subject: schemas.TermOf(schemas.DictRisk, r.ID).Key, Value: share, Against: before, Count: r.Count})
		}
	}
	return out
}

func adviseNegative(b *report.Business) (out []report.Recommendation) {
	if b.Total.Negative == nil {
		return nil
	}
	for _, t := range b.Topics {
		if t.Count >= adviceFloor && t.Negative != nil && *t.Negative >= *b.Total.Negative+negativeOver {
			out = append(out, report.Recommendation{Key: report.AdviseNegativeTopic, Subject: t.Name, Value: *t.Negative, Against: *b.Total.Negative, Count: t.Count})
		}
	}
	return out
}

func adviseGrowth(b *report.Business) (out []report.Recommendation) {
	for _, t := range b.Topics {
		if t.Count >= adviceFloor && t.Growth != nil && *t.Growth >= topicGrowth {
			out = append(out, report.Recommendation{Key: report.AdviseTopicGrowth, Subject: t.Name, Value: float64(t.Count), Against: float64(t.Previous), Count: t.Count})
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

// advisePeak names the busiest hour of the week, the first one of equals.
func advisePeak(b *report.Business) []report.Recommendation {
	var hours, all, most int64
	var subject string
	for day, counts := range b.Hours {
		for hour, n := range counts {
			if n == 0 {
				continue
			}
			hours, all = hours+1, all+n
			if n > most {
				most, subject = n, fmt.Sprintf("%d %d", day, hour)
			}
		}
	}
	if most < adviceFloor || float64(most) < peakTimes*float64(all)/float64(hours) {
		return nil
	}
	return []report.Recommendation{{Key: report.AdvisePeak, Subject: subject, Value: float64(most), Against: float64(all) / float64(hours), Count: most}}
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
