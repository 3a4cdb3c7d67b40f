package analyze

import "math"

// The constants are VADER's (C. Hutto, E. Gilbert, "VADER: A Parsimonious
// Rule-based Model for Sentiment Analysis of Social Media Text", 2014), the
// lexicons are our own, in the language of support.
const (
	negationFactor = -0.74
	capsBoost      = 0.733
	exclaimBoost   = 0.292
	beforeBut      = 0.5
	afterBut       = 1.5
	normaliseAlpha = 15
	questionFactor = 0.5 // "is there a problem?" says less than "there is a problem"
)

func normalise(sum float64) float64 { return sum / math.Sqrt(sum*sum+normaliseAlpha) }

// feel adds the sentence's feeling to the turn's.
func (s *scanner) feel(sn *sentence) {
	if len(s.match.feels) == 0 {
		return
	}
	but := -1
	for i := range sn.tokens {
		if sn.tokens[i].mark&markBut != 0 {
			but = i
		}
	}
	sum := 0.0
	for _, f := range s.match.feels {
		v := s.valence(sn, f)
		switch {
		case but > int(f.from):
			v *= beforeBut
		case but >= 0:
			v *= afterBut
		}
		sum += v
	}
	if sum != 0 {
		sum += math.Copysign(float64(min(sn.exclaims, 3))*exclaimBoost, sum)
	}
	if sn.question {
		sum *= questionFactor
	}
	s.told = true
	s.sum += sum
	if math.Abs(sum) >= math.Abs(s.peak) && s.emotion < 0 {
		s.peak = sum
		first, last := s.match.feels[0], s.match.feels[len(s.match.feels)-1]
		s.peakAt = s.at(sn, int(first.from), int(last.to))
	}
}

// valence is the weight of one entry with the words before it.
func (s *scanner) valence(sn *sentence, f feel) float64 {
	v := float64(s.rs.lex[f.entry])
	for d := int32(1); d <= 2 && d <= f.from; d++ {
		if factor := float64(sn.tokens[f.from-d].factor); factor != 0 {
			v *= 1 + (factor-1)/float64(d)
		}
	}
	if sn.tokens[f.from].shout && sn.shouts < len(sn.tokens) {
		v += math.Copysign(capsBoost, v)
	}
	if negated(sn.tokens, int(f.from), false) {
		v *= negationFactor
	}
	return v
}
