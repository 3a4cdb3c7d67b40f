package analyze

// overlap finds how much of given texts (the steps of a script, an
// organisation's own checklist questions) the operator said, by stems: for
// each text the best turn counts. One look-up a word keeps it linear however
// long the conversation is.
type overlap struct {
	stop  map[string]bool
	where map[string][]place // by stem
	goals []goal
	turn  int32
	open  []int32 // goals touched in this turn
}

type place struct{ goal, word int32 }

// goal is one text to be found.
type goal struct {
	words   int
	stamp   []int32 // by word: the turn it was last found in
	now     int     // words found in the current turn
	inSent  int     // and in the current sentence
	topSent int
	nowAt   ref
	best    float64 // share of words in the best turn, 0..1
	at      ref
	sent    int32
}

func newOverlap(stop map[string]bool) *overlap {
	return &overlap{stop: stop, where: map[string][]place{}, turn: 1}
}

// add registers a text and returns its number. Text without content words can
// never be found.
func (o *overlap) add(sp *splitter, text string) int {
	g := goal{}
	id := int32(len(o.goals))
	seen := map[string]bool{}
	sp.split(text, func(sn *sentence) {
		for i := range sn.tokens {
			st := sn.tokens[i].word.stem
			if o.stop[st] || seen[st] || g.words >= goalWordsMax {
				continue
			}
			seen[st] = true
			o.where[st] = append(o.where[st], place{id, int32(g.words)})
			g.words++
		}
	})
	g.stamp = make([]int32, g.words)
	o.goals = append(o.goals, g)
	return int(id)
}

const goalWordsMax = 40

func (o *overlap) sentence(sn *sentence, at ref) {
	for i := range sn.tokens {
		for _, p := range o.where[sn.tokens[i].word.stem] {
			g := &o.goals[p.goal]
			if g.stamp[p.word] == o.turn {
				continue
			}
			if g.now == 0 {
				o.open = append(o.open, p.goal)
				g.topSent = 0
			}
			if g.sent != at.sentence {
				g.sent, g.inSent = at.sentence, 0
			}
			g.stamp[p.word] = o.turn
			g.now++
			if g.inSent++; g.inSent > g.topSent {
				g.topSent, g.nowAt = g.inSent, at
			}
		}
	}
}

func (o *overlap) endTurn() {
	for _, id := range o.open {
		g := &o.goals[id]
		if share := float64(g.now) / float64(g.words); share > g.best {
			g.best, g.at = share, g.nowAt
		}
		g.now = 0
	}
	o.open = o.open[:0]
	o.turn++
}
