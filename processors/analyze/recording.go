package analyze

import "strings"

// recording judges a recording that need not be a conversation between an
// operator and a customer: what it is about and how it sounds. Nobody is scored,
// nothing had to be resolved, no checklist and no script applies; a lecture about
// refunds is no customer who wants one.
func (r *report) recording() {
	p := r.p
	r.feelings()
	r.topics()
	r.a.Tags = r.tags()
	r.notes()
	r.a.Intent, r.a.Reason, r.a.NextAction = p.None.Intent, p.None.Reason, capital(p.Next.Nothing)
	r.a.Resolution, r.a.Priority, r.a.FunnelStage = "unknown", "low", "none"
	r.a.RiskSignals, r.a.SalesSignals = []string{"none"}, []string{"none"}
	text := p.NoTopic
	if names := r.topicNames(topicsMax); len(names) > 0 {
		text = put(p.Recording, strings.ToLower(strings.Join(names, ", ")))
	}
	r.a.Summary = r.withFacts(text)
}
