package analyze

import (
	"earshot/schemas"
)

// ref is a place in the conversation: a match and the sentence around it, in
// bytes of the turn's text.
type ref struct {
	turn             int32 // index of the utterance
	from, to         int32
	sentFrom, sentTo int32
	sentence         int32 // counts up through the conversation, from 1
	operatorTurn     int32 // how many operator turns there were before
	customerTurn     int32
}

// hit is what was found of one cue.
type hit struct {
	n           int32 // sentences
	score       float32
	first, last ref
}

// mood is how one customer turn sounds.
type mood struct {
	score   float32
	told    bool  // the turn holds words of feeling
	emotion int32 // cue of a named emotion, -1 = none
	at      ref   // its strongest sentence
}

// deed is something the operator did or promised.
type deed struct {
	cue  int32
	at   ref
	rest string // what follows the cue up to the end of the clause, told for a third reader
}

// Lists that a summary is made of are cut: nobody reads the twentieth promise.
const (
	deedsMax    = 12
	factsMax    = 3
	startTurns  = 2 // operator turns in which a greeting counts
	endTurns    = 3 // operator turns in which a closing counts
	earlyTurns  = 2 // customer turns that tell why they came
	negationGap = 3 // words between a negation and what it denies
)

// scanner goes through a conversation once and collects what the judgements
// are made from. Scanners are pooled; reset makes one new.
type scanner struct {
	rs       *ruleset
	split    splitter
	match    matcher
	hits     []hit
	touched  []int32
	seen     []int32 // by cue: the sentence it was last counted in
	barred   []int32 // by cue: the sentence where an unless phrase was found
	joined   []int32 // by cue: the sentence where a with phrase was found
	seq      int32
	turn     int32
	role     role
	any      bool   // who speaks is not asked: every turn that the transcript gives to nobody is anyone's
	guess    [2]int // role cues for operator, customer
	text     string
	opTurns  int32 // turns by the operator (or anyone) so far
	cuTurns  int32
	words    int64
	sum      float64 // of the turn's sentiment
	told     bool
	emotion  int32
	peak     float64
	peakAt   ref
	moods    []mood
	acts     []deed
	promises []deed
	facts    []fact
	overlap  *overlap
	subjects *overlap // as overlap, in what anybody says
}

func newScanner(rs *ruleset) *scanner {
	s := &scanner{
		rs: rs, hits: make([]hit, len(rs.cues)), seen: make([]int32, len(rs.cues)), barred: make([]int32, len(rs.cues)), joined: make([]int32, len(rs.cues)),
		match: matcher{t: rs.trie},
	}
	s.split.forms = &forms{v: rs.vocab, known: map[string][]word{}}
	return s
}

func (s *scanner) reset() {
	for _, id := range s.touched {
		s.hits[id] = hit{}
	}
	clear(s.seen)
	clear(s.barred)
	clear(s.joined)
	s.touched, s.moods = s.touched[:0], s.moods[:0]
	s.acts, s.promises, s.facts = s.acts[:0], s.promises[:0], s.facts[:0]
	s.seq, s.opTurns, s.cuTurns, s.words = 0, 0, 0, 0
	s.overlap, s.subjects, s.text = nil, nil, ""
	if cap(s.moods) > 4096 { // one giant must not stay in the pool
		s.moods = nil
	}
}

// utterance scans one turn and returns its sentiment, -1..1.
func (s *scanner) utterance(index int, u *schemas.Utterance) float64 {
	s.turn, s.text = int32(index), u.Text
	s.role = s.roleOf(u)
	s.sum, s.told, s.emotion, s.peak = 0, false, -1, 0
	s.split.split(u.Text, s.sentence)
	if s.overlap != nil {
		s.overlap.endTurn()
	}
	if s.subjects != nil {
		s.subjects.endTurn()
	}
	score := normalise(s.sum)
	if s.role&customer != 0 {
		s.moods = append(s.moods, mood{float32(score), s.told || s.emotion >= 0, s.emotion, s.peakAt})
		s.cuTurns++
	}
	if s.role&operator != 0 {
		s.opTurns++
	}
	return score
}

// roleOf takes the speaker that the transcript names; where it names none, the
// words decide ("how can I help" is an operator), and if they do not, the turn
// is read as anyone's.
func (s *scanner) roleOf(u *schemas.Utterance) role {
	switch u.Speaker {
	case schemas.RoleOperator:
		return operator
	case schemas.RoleCustomer:
		return customer
	}
	if s.any {
		return anyone
	}
	s.guess = [2]int{}
	s.split.split(u.Text, func(sn *sentence) {
		s.match.run(sn.tokens)
		for _, f := range s.match.founds {
			if f.cue&endFlags != 0 || s.rs.cues[f.cue].kind != kRole {
				continue
			}
			if s.rs.Conduct.Roles[s.rs.cues[f.cue].index].Key.Text == "operator" {
				s.guess[0]++
			} else {
				s.guess[1]++
			}
		}
	})
	switch {
	case s.guess[0] > s.guess[1]:
		return operator
	case s.guess[1] > s.guess[0]:
		return customer
	}
	return anyone
}

func (s *scanner) sentence(sn *sentence) {
	s.seq++
	s.match.run(sn.tokens)
	s.mark(sn)
	s.feel(sn)
	s.words += int64(len(sn.tokens))
	for _, f := range s.match.founds {
		if f.cue&endFlags == 0 {
			s.note(sn, f)
		}
	}
	s.findFacts(sn)
	if s.overlap != nil && s.role&operator != 0 {
		s.overlap.sentence(sn, s.at(sn, 0, len(sn.tokens)))
	}
	if s.subjects != nil {
		s.subjects.sentence(sn, s.at(sn, 0, len(sn.tokens)))
	}
}

// mark writes negations, pauses and the like onto the tokens first: every other
// match is read in their light.
func (s *scanner) mark(sn *sentence) {
	for _, f := range s.match.founds {
		if f.cue&endUnless != 0 {
			s.barred[f.cue&^endFlags] = s.seq
			continue
		}
		if f.cue&endWith != 0 {
			s.joined[f.cue&^endFlags] = s.seq
			continue
		}
		var m mark
		info := &s.rs.cues[f.cue]
		switch info.kind {
		case kCurrency:
			m = markCurrency
		case kMonth:
			m = markMonth
		case kNumeral:
			m = markNumeral
		case kMark:
			k := s.rs.marks[info.index]
			m = k.mark
			if m == markIntensifier {
				sn.tokens[f.to-1].factor = k.factor
			}
		default:
			continue
		}
		for i := f.from; i < f.to; i++ {
			sn.tokens[i].mark |= m
		}
	}
}

// at is the place of tokens [from, to) of the sentence.
func (s *scanner) at(sn *sentence, from, to int) ref {
	return ref{
		turn: s.turn, from: int32(sn.tokens[from].start), to: int32(sn.tokens[to-1].end),
		sentFrom: int32(sn.start), sentTo: int32(sn.end), sentence: s.seq,
		operatorTurn: s.opTurns, customerTurn: s.cuTurns,
	}
}

// note counts one cue, once a sentence.
func (s *scanner) note(sn *sentence, f found) {
	info := &s.rs.cues[f.cue]
	if info.kind >= kLabel || info.who&s.role == 0 || s.seen[f.cue] == s.seq || s.barred[f.cue] == s.seq ||
		info.joined && s.joined[f.cue] != s.seq ||
		sn.question && !info.asked || info.negatable && negated(sn.tokens, int(f.from), true) ||
		!s.inPlace(info) {
		return
	}
	s.seen[f.cue] = s.seq
	at := s.at(sn, int(f.from), int(f.to))
	h := &s.hits[f.cue]
	if h.n == 0 {
		h.first = at
		s.touched = append(s.touched, f.cue)
	}
	h.n++
	h.last = at
	h.score += s.weigh(info)
	switch info.kind {
	case kAct:
		s.acts = s.deed(s.acts, sn, f, at, &s.rs.Conduct.Acts[info.index])
	case kCommitment:
		s.promises = s.deed(s.promises, sn, f, at, &s.rs.Conduct.Commitments[info.index])
	case kEmotion:
		s.emotion, s.peakAt = info.index, at
	}
}

// weigh makes what the customer says, and says first, count more.
func (s *scanner) weigh(info *cueInfo) float32 {
	w := info.weight
	if s.role&customer == 0 {
		w *= 0.6
	} else if s.cuTurns < earlyTurns && (info.kind == kReason || info.kind == kTopic) {
		w *= 1.8
	}
	return w
}

// inPlace holds a greeting to the beginning; what belongs to the end is known
// only there, see endTurns.
func (s *scanner) inPlace(info *cueInfo) bool {
	if info.kind != kYes && info.kind != kPartly {
		return true
	}
	return s.rs.Checks[info.index].Where != "start" || s.opTurns < startTurns
}

// negated says whether one of the words before token i denies it: "not going
// to cancel" does, "no, cancel it" does not. A wish is not denied by being
// unable to fulfil it: "can't cancel".
func negated(tokens []token, i int, wish bool) bool {
	for j := i - 1; j >= 0 && j >= i-negationGap; j-- {
		if tokens[j+1].pause || tokens[j].mark&markBreak != 0 {
			return false
		}
		if tokens[j].mark&markNegation != 0 && (!wish || tokens[j].mark&markInability == 0) {
			return true
		}
	}
	return false
}
