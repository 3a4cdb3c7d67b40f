package read_test

import (
	"fmt"
	"slices"
	"testing"

	"earshot/query/read"
	"earshot/schemas/report"
)

// Each piece of advice is given when its rule says so, with the numbers that the
// rule is about, and not a step before.
func TestAdvice(t *testing.T) {
	number := func(f float64) *float64 { return &f }
	outcomes := map[int64]int64{1: 50, 2: 20, 3: 30, 4: 900, 0: 900} // 0.3 unresolved
	reason := func(unresolved int64) []report.Reason {
		return []report.Reason{{Name: "refund", Outcomes: []report.Count{{ID: 1, Count: 30 - unresolved}, {ID: 3, Count: unresolved}, {ID: 4, Count: 500}}}}
	}
	week := func(days [7]int64, counts ...[3]int64) report.Business { // how often each week day is, and the conversations of weekdays and hours
		var b report.Business
		for day, times := range days {
			for hour := range 24 {
				b.Occurs[day][hour] = times
			}
		}
		for _, c := range counts {
			b.Hours[c[0]][c[1]] = c[2]
		}
		return b
	}
	one := [7]int64{1, 1, 1, 1, 1, 1, 1}
	analysed := func(now, before int64) report.Business { // so many of a hundred thousand
		return report.Business{Total: report.Figures{Conversations: 100_000, Analysed: now, Negative: number(0.25), Sentiments: 400},
			Previous: report.Figures{Conversations: 100_000, Analysed: before}}
	}
	risks := func(b report.Business, risks ...report.SignalCount) report.Business { b.Risks = risks; return b }
	topic := func(b report.Business, count, before int64) report.Business {
		b.Topics = []report.Topic{{Name: "t", Count: count, Previous: before, Share: number(float64(count) / float64(b.Total.Analysed)),
			PreviousShare: number(float64(before) / float64(b.Previous.Analysed))}}
		return b
	}
	mood := func(negative float64, sentiments, count int64) report.Business {
		b := analysed(1000, 1000)
		b.Topics = []report.Topic{{Name: "t", Count: count, Sentiments: sentiments, Negative: &negative}}
		return b
	}
	appeared := func(b report.Business, count int64) report.Business {
		b.NewTopics = []report.Topic{{Name: "t", Count: count, Share: number(float64(count) / float64(b.Total.Analysed)), PreviousShare: number(0)}}
		return b
	}
	for _, c := range []struct {
		name     string
		facts    report.Business
		resolved map[int64]int64
		want     []string
	}{
		{name: "nothing"},
		{name: "CSAT fell", facts: report.Business{CSATs: [11]int64{6: 3, 8: 3}, PreviousCSATs: [11]int64{9: 6}}, want: []string{"satisfaction  7 9 6"}},
		{name: "CSAT fell a little", facts: report.Business{CSATs: [11]int64{7: 60}, PreviousCSATs: [11]int64{7: 60, 8: 40}}},
		{name: "CSAT of a few fell", facts: report.Business{CSATs: [11]int64{1: 4}, PreviousCSATs: [11]int64{7: 60}}},
		{name: "CSAT of a few was higher", facts: report.Business{CSATs: [11]int64{1: 60}, PreviousCSATs: [11]int64{7: 4}}},
		{name: "CSAT fell by chance", facts: report.Business{CSATs: [11]int64{0: 3, 10: 3}, PreviousCSATs: [11]int64{0: 2, 10: 4}}},
		{name: "a reason stays open", facts: report.Business{Reasons: reason(15)}, want: []string{"unresolved refund 0.5 0.3 30"}}, // 30 have an outcome
		{name: "a reason stays open as others do", facts: report.Business{Reasons: reason(11)}},
		{name: "a reason stays open by chance", facts: report.Business{Reasons: reason(12)}},
		{name: "a risk grew", facts: risks(analysed(100, 200), report.SignalCount{ID: 2, Count: 24, Previous: 20}, report.SignalCount{ID: 3, Count: 12, Previous: 20}, // by chance
			report.SignalCount{ID: 4, Count: 20, Previous: 40}, report.SignalCount{ID: 5, Count: 5}, report.SignalCount{ID: 6, Count: 4}),
			want: []string{"risk churn 0.24 0.1 24", "risk legal 0.05 0 5"}},
		{name: "nothing to hold risks against", facts: risks(analysed(100, 0), report.SignalCount{ID: 2, Count: 12})},
		{name: "little to hold risks against", facts: risks(analysed(100, 4), report.SignalCount{ID: 2, Count: 90})},
		{name: "a topic grew", facts: topic(analysed(100, 100), 30, 15), want: []string{"topic_growth t 0.3 0.15 30"}},
		{name: "a topic grew as everything did", facts: topic(analysed(200, 100), 30, 15)},
		{name: "a topic grew while there was less of everything", facts: topic(analysed(100, 1000), 15, 15), want: []string{"topic_growth t 0.15 0.015 15"}},
		{name: "a topic grew less", facts: topic(analysed(10_000, 10_000), 1400, 1000)},
		{name: "a topic grew by chance", facts: topic(analysed(100, 100), 9, 6)},
		{name: "a topic grew from a few", facts: topic(analysed(100, 100), 40, 4)},
		{name: "a topic is new", facts: appeared(analysed(100, 100), 10), want: []string{"new_topic t 0.1 0 10"}},
		{name: "a topic is new by chance", facts: appeared(analysed(1000, 20), 10)},
		{name: "a topic makes unhappy", facts: mood(0.5, 40, 90), want: []string{"negative_topic t 0.5 0.25 40"}}, // 40 have a sentiment
		{name: "a topic makes unhappy as others do", facts: mood(0.3, 40, 90)},
		{name: "a topic makes unhappy by chance", facts: mood(0.5, 8, 90)},
		{name: "a topic makes a few unhappy", facts: mood(1, 4, 90)},
		{name: "three of a kind", facts: func() report.Business {
			b := topic(analysed(100, 100), 30, 10)
			b.Topics = slices.Repeat(b.Topics, 4)
			return b
		}(), want: slices.Repeat([]string{"topic_growth t 0.3 0.1 30"}, 3)},
		{name: "slow", facts: report.Business{Responses: &report.Responses{Conversations: 10, Within: 0.7}}, want: []string{"slow_response  0.7 0.8 10"}},
		{name: "fast", facts: report.Business{Responses: &report.Responses{Conversations: 10, Within: 0.8}}},
		{name: "peak", facts: week(one, [3]int64{2, 9, 10}, [3]int64{4, 10, 40}, [3]int64{6, 23, 10}), want: []string{"peak 4 10 40 20 40"}},
		{name: "peak of a month", facts: week([7]int64{4, 4, 4, 4, 5, 5, 5}, [3]int64{2, 9, 40}, [3]int64{4, 10, 200}, [3]int64{6, 23, 50}), want: []string{"peak 4 10 40 20 200"}},
		{name: "no peak", facts: week(one, [3]int64{2, 9, 10}, [3]int64{4, 10, 13}, [3]int64{6, 23, 10})},
		{name: "more Fridays", facts: week([7]int64{1, 1, 1, 1, 2, 1, 1}, [3]int64{2, 9, 100}, [3]int64{3, 9, 100}, [3]int64{4, 9, 200}, [3]int64{6, 23, 100})},
		{name: "a peak by chance", facts: week(one, [3]int64{2, 9, 1}, [3]int64{4, 10, 6}, [3]int64{6, 23, 1})},
		{name: "sales", facts: report.Business{SalesSigs: []report.SignalCount{{ID: 2, Count: 20}, {ID: 3, Count: 15}, {ID: 4, Count: 9}}}, resolved: map[int64]int64{2: 10, 4: 5},
			want: []string{"sales upsell 15 0 15", "sales purchase_intent 20 10 20"}},
	} {
		var got []string
		for _, r := range read.Advise(&c.facts, outcomes, c.resolved) {
			got = append(got, fmt.Sprintf("%s %s %.6g %.6g %d", r.Key, r.Subject, r.Value, r.Against, r.Count))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
