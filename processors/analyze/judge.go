package analyze

import (
	"cmp"
	"math"
	"slices"

	"earshot/schemas"
)

func round(x float64, places int) float64 {
	p := math.Pow10(places)
	return math.Round(x*p) / p
}

// Overall sentiment is the customer's. How a conversation ends weighs more
// than how it began.
const (
	finalShare  = 0.6
	label       = 0.2 // beyond it the sentiment is positive or negative
	strong      = 0.4 // both beyond it in one conversation is a mixed tone
	finalTurns  = 3   // told turns that make the final mood
	calmMention = 0.15
)

// feelings judges sentiment, tone and dynamics from the customer's turns.
func (r *report) feelings() {
	moods := r.s.moods
	var sum, weights float64
	var best ref
	bestScore := 0.0
	told := moods[:0:0]
	for i, m := range moods {
		if !m.told {
			continue
		}
		told = append(told, m)
		w := 1 + 2*float64(i+1)/float64(len(moods))
		v := r.score(m)
		sum, weights = sum+w*v, weights+w
		r.lowest, r.highest = min(r.lowest, v), max(r.highest, v)
	}
	if weights > 0 {
		r.mean = sum / weights
		r.final = r.ending(told, len(moods))
	}
	score := (1-finalShare)*r.mean + finalShare*r.final
	for _, m := range told {
		if v := r.score(m) * math.Copysign(1, score); v >= bestScore {
			best, bestScore = m.at, v
		}
	}
	r.a.SentimentScore = round(score, 3)
	r.a.Sentiment = "neutral"
	if score >= label {
		r.a.Sentiment = "positive"
	} else if score <= -label {
		r.a.Sentiment = "negative"
	}
	r.a.Tone = r.a.Sentiment
	if r.lowest <= -strong && r.highest >= strong {
		r.a.Tone = "mixed"
	}
	r.cite("sentiment", best)
	r.a.Dynamics = r.dynamics(told, len(moods))
}

// score of a turn: a feeling that was named counts at least as itself.
func (r *report) score(m mood) float64 {
	v := float64(m.score)
	if m.emotion >= 0 {
		if named := r.rs.Feelings.Emotions[m.emotion].Score; math.Abs(named) > math.Abs(v) {
			return named
		}
	}
	return v
}

// ending is the mood of the last told turns, the very last one most. Words of
// feeling that are long past fade.
func (r *report) ending(told []mood, turns int) float64 {
	var sum, weights float64
	w := 1.0
	for i := len(told) - 1; i >= 0 && i >= len(told)-finalTurns; i-- {
		age := float64(int32(turns)-1-told[i].at.customerTurn) / float64(turns)
		sum += w * (1 - age) * r.score(told[i])
		weights += w
		w *= 0.4
	}
	return sum / weights
}

// dynamics tells the trajectory in words: "irritated, then grateful".
func (r *report) dynamics(told []mood, turns int) string {
	if turns == 0 {
		return r.p.None.Dynamics
	}
	type step struct {
		name  string
		score float64
		at    ref
	}
	var steps []step
	add := func(name string, score float64, at ref) {
		if n := len(steps); n == 0 || steps[n-1].name != name {
			steps = append(steps, step{name, score, at})
		}
	}
	if len(told) == 0 || told[0].at.customerTurn > 0 && turns > 1 {
		add(r.p.Calm, 0, ref{})
	}
	for _, m := range told {
		if v := r.score(m); m.emotion >= 0 || math.Abs(v) >= calmMention {
			add(r.emotion(m), v, m.at)
		}
		if len(steps) > 1024 { // a giant conversation: its beginning and its end tell enough
			steps = append(steps[:1:1], steps[len(steps)-1])
		}
	}
	if len(steps) == 0 {
		return r.p.Calm
	}
	if len(steps) > 3 {
		middle := slices.MaxFunc(steps[1:len(steps)-1], func(a, b step) int { return cmp.Compare(math.Abs(a.score), math.Abs(b.score)) })
		steps = []step{steps[0], middle, steps[len(steps)-1]}
	}
	text, last := "", ""
	for _, st := range steps {
		if st.name == last {
			continue
		}
		if text != "" {
			text += r.p.Then
		}
		text, last = text+st.name, st.name
		r.cite("emotional_dynamics", st.at)
	}
	return text
}

// emotion is the word for a turn: the one that was named, else the nearest of
// those that stand for a score.
func (r *report) emotion(m mood) string {
	all := r.rs.Feelings.Emotions
	if m.emotion >= 0 {
		return all[m.emotion].Name
	}
	best, distance := r.p.Calm, math.Inf(1)
	for i := range all {
		if len(all[i].Any) > 0 {
			continue
		}
		if d := math.Abs(all[i].Score - float64(m.score)); d < distance {
			best, distance = all[i].Name, d
		}
	}
	return best
}

// CSAT in points of ten.
const (
	csatBase     = 5.2
	csatFinal    = 3.0
	csatMean     = 1.5
	csatThanks   = 0.5
	csatLowest   = 0.8 // an anger that passed is not forgotten
	csatRiskMost = 3.0
)

var csatResolution = map[string]float64{"resolved": 1.5, "partially_resolved": 0.3, "unresolved": -1.5}

// satisfaction estimates what the customer would answer when asked.
func (r *report) satisfaction() {
	if len(r.s.moods) == 0 {
		return
	}
	x := csatBase + csatFinal*r.final + csatMean*r.mean + csatLowest*r.lowest + csatResolution[r.a.Resolution]
	if r.accepted.sentence > 0 && r.final >= 0 {
		x += csatThanks
	}
	cost := 0.0
	for _, i := range r.hits(kRisk) {
		cost += r.rs.Signals.Risks[i].Cost
	}
	x -= min(cost, csatRiskMost)
	csat := int64(math.Round(max(0, min(10, x))))
	r.a.CSAT = &csat
	for _, e := range r.a.Evidence {
		if e.Judgement == "sentiment" || e.Judgement == "resolution" {
			e.Judgement = "csat"
			r.a.Evidence = append(r.a.Evidence, e)
		}
	}
}

// Politeness and empathy begin at a base. Good manners close in on 1, each less
// than the one before; bad ones are taken off in full. The second of a kind
// counts half, the third and later nothing.
const (
	politenessBase  = 0.45
	empathyBase     = 0.45
	mannersRate     = 2.2
	empathyUpset    = 0.3 // when the customer was upset, silence about it is not neutral
	upset           = -0.3
	mannersEvidence = 4
)

func (r *report) manners() {
	if r.s.opTurns == 0 {
		return
	}
	polite, empathic := score{base: politenessBase}, score{base: empathyBase}
	if r.lowest <= upset {
		empathic.base = empathyUpset
	}
	shown := map[string]int{}
	for _, i := range r.hits(kManner) {
		m, h := &r.rs.Conduct.Manners[i], r.hit(kManner, i)
		times := 1.0
		if h.n > 1 {
			times = 1.5
		}
		polite.add(times * m.Politeness)
		empathic.add(times * m.Empathy)
		if m.Politeness != 0 && shown["politeness"] < mannersEvidence {
			shown["politeness"]++
			r.cite("politeness", h.first)
		}
		if m.Empathy != 0 && shown["empathy"] < mannersEvidence {
			shown["empathy"]++
			r.cite("empathy", h.first)
		}
	}
	r.a.Politeness, r.a.Empathy = polite.value(), empathic.value()
}

// score gathers what speaks for and against.
type score struct{ base, good, bad float64 }

func (s *score) add(x float64) {
	if x > 0 {
		s.good += x
	} else {
		s.bad -= x
	}
}

// value is 0..1.
func (s *score) value() *float64 {
	x := s.base + (1-s.base)*(1-math.Exp(-mannersRate*s.good)) - s.bad
	x = round(max(0, min(1, x)), 2)
	return &x
}

// signals are risk signals of the customer and sales signals of either side.
func (r *report) signals() {
	r.a.RiskSignals = r.keys(kRisk, "risk_signals.", schemas.DictRisk, func(i int) string { return r.rs.Signals.Risks[i].Key.Text })
	r.a.SalesSignals = r.keys(kSale, "sales_signals.", schemas.DictSales, func(i int) string { return r.rs.Signals.Sales[i].Key.Text })
}

// keys are the keys of the cues found, in the order of their dictionary, with
// the first quote of each as evidence.
func (r *report) keys(k kind, judgement, dictionary string, key func(int) string) []string {
	var out []string
	for _, i := range r.hits(k) {
		if !slices.Contains(out, key(i)) {
			out = append(out, key(i))
			r.cite(judgement+key(i), r.hit(k, i).first)
		}
	}
	if len(out) == 0 {
		return []string{"none"}
	}
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Compare(schemas.TermID(dictionary, a), schemas.TermID(dictionary, b))
	})
	return out
}
