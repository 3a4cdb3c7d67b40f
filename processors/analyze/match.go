package analyze

import "slices"

// trie holds the phrases of one language as sequences of vocabulary symbols:
// an Aho-Corasick automaton over bytes would find "art" in "article" and miss
// every Russian ending, a trie over stems does neither.
type trie struct {
	nodes []node
	root  []int32 // by symbol; 0 = none
}

type node struct {
	edges []edge // by symbol
	gap   int32  // where a gap leads; 0 = nowhere
	ends  []int32
	lex   int32 // 1 + index of the lexicon entry that ends here; 0 = none
}

type edge struct{ sym, to int32 }

// Cue ids in node.ends carry endUnless when the phrase takes a match away, and
// endWith when a match needs it.
const (
	endUnless = int32(1) << 30
	endWith   = int32(1) << 29
	endFlags  = endUnless | endWith
)

func newTrie() *trie { return &trie{nodes: make([]node, 1)} }

func (t *trie) step(from, sym int32) int32 {
	if sym == gap {
		if t.nodes[from].gap == 0 {
			to := t.grow()
			t.nodes[from].gap = to
		}
		return t.nodes[from].gap
	}
	n := &t.nodes[from]
	at, ok := slices.BinarySearchFunc(n.edges, sym, func(e edge, s int32) int { return int(e.sym - s) })
	if ok {
		return n.edges[at].to
	}
	to := t.grow()
	n = &t.nodes[from]
	n.edges = slices.Insert(n.edges, at, edge{sym, to})
	return to
}

func (t *trie) grow() int32 {
	t.nodes = append(t.nodes, node{})
	return int32(len(t.nodes) - 1)
}

func (t *trie) insert(seq []int32) *node {
	at := int32(0)
	for _, sym := range seq {
		at = t.step(at, sym)
	}
	return &t.nodes[at]
}

// seal makes the root a table: it is looked up for every word of every text.
func (t *trie) seal(symbols int32) {
	t.root = make([]int32, symbols)
	for _, e := range t.nodes[0].edges {
		t.root[e.sym] = e.to
	}
}

// found is one phrase in a sentence, by tokens [from, to).
type found struct {
	cue      int32
	from, to int32
}

// feel is one lexicon entry in a sentence.
type feel struct {
	entry    int32
	from, to int32
}

// matcher finds phrases; its buffers are reused from sentence to sentence.
type matcher struct {
	t      *trie
	toks   []token
	founds []found
	feels  []feel
	best   feel
}

// foundMax bounds what one sentence can yield; ordinary ones yield ten.
const foundMax = 1024

// run fills founds with every phrase of the sentence, and feels with the
// leftmost longest lexicon entries, which do not overlap.
func (m *matcher) run(toks []token) {
	m.toks, m.founds, m.feels = toks, m.founds[:0], m.feels[:0]
	free := int32(0)
	for i := range toks {
		m.best.to = 0
		for _, sym := range toks[i].word.syms {
			if n := m.t.root[sym]; n != 0 {
				m.walk(n, int32(i), int32(i+1))
			}
		}
		if m.best.to > 0 && m.best.from >= free {
			m.feels = append(m.feels, m.best)
			free = m.best.to
		}
	}
}

// walk goes deeper first, so that of one cue the longest match comes first.
func (m *matcher) walk(at, from, i int32) {
	n := &m.t.nodes[at]
	if n.lex != 0 && i > m.best.to {
		m.best = feel{n.lex - 1, from, i}
	}
	if len(n.edges) > 0 && i < int32(len(m.toks)) {
		m.next(at, from, i)
	}
	if n.gap != 0 {
		for k := i; k <= i+gapMax && k < int32(len(m.toks)); k++ {
			m.next(n.gap, from, k)
		}
	}
	if len(m.founds) < foundMax {
		for _, c := range n.ends {
			m.founds = append(m.founds, found{c, from, i})
		}
	}
}

func (m *matcher) next(at, from, i int32) {
	edges := m.t.nodes[at].edges
	for _, sym := range m.toks[i].word.syms {
		for _, e := range edges {
			if e.sym >= sym {
				if e.sym == sym {
					m.walk(e.to, from, i+1)
				}
				break
			}
		}
	}
}
