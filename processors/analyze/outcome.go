package analyze

import (
	"slices"
)

// last is where the customer or the operator last gave a cue of a resolution
// key.
func (r *report) last(key string, who role) (at ref) {
	for _, i := range r.hits(kResolution) {
		info := &r.rs.cues[r.rs.id(kResolution, i)]
		if r.rs.Resolution[i].Key.Text == key && info.who&who != 0 {
			at = later(at, r.hit(kResolution, i).last)
		}
	}
	return at
}

func later(a, b ref) ref {
	if b.sentence > a.sentence {
		return b
	}
	return a
}

// openPromise is the last promise that keeps the case open until it is kept:
// a call back does, a link by e-mail does not.
func (r *report) openPromise() (at ref) {
	for _, d := range r.s.promises {
		if r.rs.Conduct.Commitments[r.rs.cues[d.cue].index].Open {
			at = later(at, d.at)
		}
	}
	return at
}

// An ending at or below sour is a customer who leaves dissatisfied.
const sour = -0.25

// resolve decides from what was said last: the customer's word counts before
// the operator's, a later word before an earlier one.
func (r *report) resolve() {
	solvedByCustomer := r.last("solved", customer)
	solved := later(solvedByCustomer, r.last("solved", operator))
	unsolved := r.last("unsolved", anyone)
	pending := later(r.last("pending", anyone), r.openPromise())
	r.accepted = r.last("accepted", customer)
	if r.accepted.customerTurn < r.s.cuTurns-2 {
		r.accepted = ref{} // thanks in the middle is politeness
	}
	content := r.accepted.sentence > unsolved.sentence || r.final > sour

	status, at := "unknown", ref{}
	switch {
	case unsolved.sentence > max(solved.sentence, pending.sentence):
		status, at = "unresolved", unsolved
		if r.accepted.sentence > unsolved.sentence && r.final > 0 && r.answered() > unsolved.sentence {
			status, at = "partially_resolved", r.accepted
		}
	case solved.sentence > 0 && (solvedByCustomer.sentence >= pending.sentence || pending.sentence == 0):
		status, at = "resolved", solved
	case pending.sentence > 0 && content || r.openPromise().sentence > 0:
		status, at = "partially_resolved", pending
	case pending.sentence > 0 || r.final <= sour:
		status, at = "unresolved", later(pending, r.lastMood())
	case r.accepted.sentence > 0 && r.answered() > 0:
		status, at = "resolved", r.accepted
	}
	r.a.Resolution = status
	r.cite("resolution", at)
}

// answered is the sentence of the operator's last deed, or 1 when the operator
// spoke at all after the customer did.
func (r *report) answered() int32 {
	n := int32(0)
	for _, d := range r.s.acts {
		n = max(n, d.at.sentence)
	}
	if r.s.opTurns > 0 {
		n = max(n, 1)
	}
	return n
}

func (r *report) lastMood() ref {
	for i := len(r.s.moods) - 1; i >= 0; i-- {
		if r.s.moods[i].told {
			return r.s.moods[i].at
		}
	}
	return ref{}
}

var ranks = []string{"low", "medium", "high", "critical"}

// prioritise takes the most urgent of: the case, the risks, the words of
// urgency, a customer who leaves dissatisfied.
func (r *report) prioritise() {
	rank, at := 0, ref{}
	raise := func(key string, why ref) {
		if n := slices.Index(ranks, key); n > rank {
			rank, at = n, why
		}
	}
	if len(r.reasons) > 0 {
		raise(r.rs.Reasons[r.reasons[0]].Priority, r.hit(kReason, r.reasons[0]).first)
	}
	if r.a.Resolution == "resolved" && rank > 1 {
		rank = 1
	}
	for _, i := range r.hits(kUrgency) {
		raise(r.rs.Signals.Urgency[i].Key.Text, r.hit(kUrgency, i).first)
	}
	for _, i := range r.hits(kRisk) {
		raise(r.rs.Signals.Risks[i].Priority, r.hit(kRisk, i).first)
	}
	if r.a.Sentiment == "negative" {
		raise("medium", r.lastMood())
		if r.a.Resolution == "unresolved" {
			raise("high", r.lastMood())
		}
	}
	r.a.Priority = ranks[rank]
	r.cite("priority", at)
}

// funnel is the furthest stage of the list that was reached. Without a sales
// signal there is no funnel: asking "how much do I owe" is no negotiation. A
// customer about to leave is only in the stage of retention.
func (r *report) funnel() {
	r.a.FunnelStage = "none"
	churn := slices.Contains(r.a.RiskSignals, "churn")
	sales := slices.ContainsFunc(r.a.SalesSignals, func(s string) bool { return s != "none" && s != "competitor" })
	if !sales && !churn {
		return
	}
	stage, at := "", ref{}
	for _, i := range r.hits(kSale) {
		if sales && !churn && at.sentence == 0 {
			stage, at = "awareness", r.hit(kSale, i).first
		}
	}
	best := -1
	for _, i := range r.hits(kFunnel) {
		if retention := r.rs.Signals.Funnel[i].Key.Text == "retention"; retention == churn {
			best = max(best, i)
		}
	}
	if best >= 0 {
		stage, at = r.rs.Signals.Funnel[best].Key.Text, r.hit(kFunnel, best).first
	}
	if stage != "" {
		r.a.FunnelStage = stage
		r.cite("funnel_stage", at)
	}
}
