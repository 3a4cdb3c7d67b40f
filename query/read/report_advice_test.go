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
	busy := func(n int64) (hours [7][24]int64) {
		hours[2][9], hours[4][10], hours[6][23] = 10, n, 10
		return hours
	}
	for _, c := range []struct {
		name     string
		facts    report.Business
		resolved map[int64]int64
		want     []string
	}{
		{name: "nothing"},
		{name: "CSAT fell", facts: report.Business{Total: report.Figures{CSAT: number(7)}, Previous: report.Figures{CSAT: number(7.5)}, CSATs: [11]int64{7: 6}},
			want: []string{"satisfaction  7 7.5 6"}},
		{name: "CSAT fell a little", facts: report.Business{Total: report.Figures{CSAT: number(7)}, Previous: report.Figures{CSAT: number(7.4)}, CSATs: [11]int64{7: 6}}},
		{name: "CSAT of a few fell", facts: report.Business{Total: report.Figures{CSAT: number(1)}, Previous: report.Figures{CSAT: number(7)}, CSATs: [11]int64{1: 4}}},
		{name: "a reason stays open", facts: report.Business{Reasons: reason(15)}, want: []string{"unresolved refund 0.5 0.3 15"}},
		{name: "a reason stays open as others do", facts: report.Business{Reasons: reason(11)}},
		{name: "a risk grew", facts: report.Business{Total: report.Figures{Conversations: 100}, Previous: report.Figures{Conversations: 200},
			Risks: []report.SignalCount{{ID: 2, Count: 12, Previous: 20}, {ID: 3, Count: 10, Previous: 20}, {ID: 5, Count: 5}, {ID: 6, Count: 4}}},
			want: []string{"risk legal 0.05 0 5", "risk churn 0.12 0.1 12"}},
		{name: "nothing to hold risks against", facts: report.Business{Total: report.Figures{Conversations: 100}, Risks: []report.SignalCount{{ID: 2, Count: 12}}}},
		{name: "topics", facts: report.Business{Total: report.Figures{Negative: number(0.25)}, Topics: []report.Topic{
			{Name: "grew", Count: 15, Previous: 10, Growth: number(0.5)}, {Name: "grew less", Count: 14, Previous: 10, Growth: number(0.4)}, {Name: "new", Count: 20},
			{Name: "bad", Count: 10, Negative: number(0.4)}, {Name: "usual", Count: 10, Negative: number(0.3)}, {Name: "few", Count: 4, Negative: number(1), Growth: number(3)}}},
			want: []string{"negative_topic bad 0.4 0.25 10", "topic_growth grew 15 10 15"}},
		{name: "three of a kind", facts: report.Business{Topics: slices.Repeat([]report.Topic{{Name: "grew", Count: 30, Previous: 10, Growth: number(2)}}, 4)},
			want: slices.Repeat([]string{"topic_growth grew 30 10 30"}, 3)},
		{name: "slow", facts: report.Business{Responses: &report.Responses{Conversations: 10, Within: 0.7}}, want: []string{"slow_response  0.7 0.8 10"}},
		{name: "fast", facts: report.Business{Responses: &report.Responses{Conversations: 10, Within: 0.8}}},
		{name: "peak", facts: report.Business{Hours: busy(40)}, want: []string{"peak 4 10 40 20 40"}},
		{name: "no peak", facts: report.Business{Hours: busy(13)}},
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
