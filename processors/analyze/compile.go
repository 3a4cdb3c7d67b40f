package analyze

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"earshot/schemas"
)

// kind is the family of a cue.
type kind uint8

const (
	kTopic kind = iota
	kReason
	kTag
	kProduct
	kRisk
	kSale
	kFunnel
	kUrgency
	kResolution
	kAct
	kCommitment
	kManner
	kRole
	kCause
	kDriver
	kObstacle
	kEmotion
	kYes
	kPartly
	kStep
	kLabel
	kKeyword // of a checklist question
	kCurrency
	kMonth
	kNumeral
	kMark // negations, inability, breaks, but, intensifiers: see ruleset.marks
	kinds
)

// trait is how the cues of a kind are read when the rule does not say.
type trait struct {
	who       role
	negatable bool // "not going to cancel" is no cue to cancel
	asked     bool // a question counts as well
}

var traits = [kinds]trait{
	kTopic: {anyone, false, true}, kReason: {customer, true, true}, kTag: {anyone, false, true},
	kProduct: {anyone, false, true}, kRisk: {customer, true, true}, kSale: {anyone, true, true},
	kFunnel: {anyone, true, true}, kUrgency: {customer, true, true}, kResolution: {anyone, true, false},
	kAct: {operator, true, false}, kCommitment: {operator, true, false}, kManner: {operator, false, true},
	kRole: {anyone, false, true}, kCause: {anyone, true, true}, kDriver: {customer, true, true},
	kObstacle: {anyone, true, true}, kEmotion: {customer, true, true}, kYes: {operator, false, true},
	kPartly: {operator, false, true}, kStep: {operator, false, true},
	kLabel: {anyone, false, true}, kKeyword: {anyone, false, true}, kCurrency: {anyone, false, true}, kMonth: {anyone, false, true},
	kNumeral: {anyone, false, true}, kMark: {anyone, false, true},
}

// role is a set of speakers; a turn of an unknown speaker is anyone's.
type role uint8

const (
	customer role = 1 << iota
	operator
	anyone = customer | operator
)

// cueInfo is a compiled cue.
type cueInfo struct {
	kind      kind
	index     int32 // in the list of its kind
	who       role
	negatable bool
	asked     bool
	joined    bool // needs one of its with phrases
	weight    float32
}

// mark is what a token does to the words around it.
type mark uint8

const (
	markNegation mark = 1 << iota
	markInability
	markBreak
	markBut
	markIntensifier
	markCurrency
	markMonth
	markNumeral
)

// ruleset is the compiled rules of one language; read only.
type ruleset struct {
	rulesFile
	lang                   string
	vocab                  *vocabulary
	trie                   *trie
	cues                   []cueInfo
	base                   [kinds + 1]int32 // ids of a kind are base[kind] to base[kind+1]
	lex                    []float32        // weights of lexicon entries
	marks                  []markInfo       // by index within kMark
	stop                   map[string]bool  // stems without content
	stops, leads, trailing []string         // stems that end a told clause, and that may not be its last
	and                    string           // stem of the word between two deeds
	pronouns               map[string]string
	paths                  map[string]string
}

type markInfo struct {
	mark   mark
	factor float32
}

// id is the number of a cue.
func (rs *ruleset) id(k kind, index int) int32 { return rs.base[k] + int32(index) }

// compiler builds a ruleset and gathers what is wrong with the rules.
type compiler struct {
	rs     *ruleset
	file   string // being compiled, for messages
	err    error
	faults int
}

func compile(lang string, r *rulesFile, paths map[string]string) (*ruleset, error) {
	rs := &ruleset{rulesFile: *r, lang: lang, vocab: newVocabulary(), trie: newTrie(), stop: map[string]bool{}, pronouns: map[string]string{}, paths: paths}
	c := &compiler{rs: rs}
	c.validate()
	c.cues()
	c.lexicon()
	rs.trie.seal(rs.vocab.size)
	rs.vocab.memo = nil
	for p := range rs.vocab.prefixes {
		if !slices.Contains(rs.vocab.prefixLens, len(p)) {
			rs.vocab.prefixLens = append(rs.vocab.prefixLens, len(p))
		}
	}
	sort.Ints(rs.vocab.prefixLens)
	return rs, c.err
}

// faultsMax bounds how many faults one error tells.
const faultsMax = 20

func (c *compiler) fail(line int, format string, args ...any) {
	if c.faults++; c.faults <= faultsMax {
		c.err = errors.Join(c.err, fmt.Errorf("rules: %s:%d: %s", c.rs.paths[c.file], line, fmt.Sprintf(format, args...)))
	}
}

// cues numbers and inserts the cues of all kinds, in the order of the kinds.
func (c *compiler) cues() {
	rs := c.rs
	for k := kind(0); k < kinds; k++ {
		rs.base[k] = int32(len(rs.cues))
		c.insertKind(k)
	}
	rs.base[kinds] = int32(len(rs.cues))
	for _, p := range rs.Entities.Stop {
		for _, part := range parts(p.Text) {
			rs.stop[stem(part)] = true
		}
	}
	rs.trailing, rs.stops = stemsOf(rs.Conduct.Trailing), stemsOf(rs.Conduct.Stops)
	rs.leads = stemsOf(rs.Conduct.Leads)
	rs.and = stem(strings.TrimSpace(rs.Prose.And))
	for _, p := range rs.Conduct.Pronouns {
		rs.pronouns[foldAll(p.From)] = p.To
	}
}

func stemsOf(words []phrase) (stems []string) {
	for _, p := range words {
		for _, part := range parts(p.Text) {
			stems = append(stems, stem(part))
		}
	}
	return stems
}

func (c *compiler) insertKind(k kind) {
	rs := c.rs
	switch k {
	case kTopic:
		each(c, k, "topics.yaml", rs.Topics, func(t *topicRule) (*Cue, float32) { return &t.Cue, t.Weight })
	case kReason:
		each(c, k, "reasons.yaml", rs.Reasons, func(t *reasonRule) (*Cue, float32) { return &t.Cue, t.Weight })
	case kTag:
		each(c, k, "tags.yaml", rs.Tags, named)
	case kProduct:
		each(c, k, "products.yaml", rs.Products, named)
	case kRisk:
		each(c, k, "signals.yaml", rs.Signals.Risks, func(t *riskRule) (*Cue, float32) { return &t.Cue, 0 })
	case kSale:
		each(c, k, "signals.yaml", rs.Signals.Sales, plain)
	case kFunnel:
		each(c, k, "signals.yaml", rs.Signals.Funnel, plain)
	case kUrgency:
		each(c, k, "signals.yaml", rs.Signals.Urgency, plain)
	case kResolution:
		each(c, k, "resolution.yaml", rs.Resolution, plain)
	case kAct:
		each(c, k, "operator.yaml", rs.Conduct.Acts, func(t *actRule) (*Cue, float32) { return &t.Cue, 0 })
	case kCommitment:
		each(c, k, "operator.yaml", rs.Conduct.Commitments, func(t *actRule) (*Cue, float32) { return &t.Cue, 0 })
	case kManner:
		each(c, k, "operator.yaml", rs.Conduct.Manners, func(t *mannerRule) (*Cue, float32) { return &t.Cue, 0 })
	case kRole:
		each(c, k, "operator.yaml", rs.Conduct.Roles, plain)
	case kCause:
		each(c, k, "notes.yaml", rs.Notes.Causes, named)
	case kDriver:
		each(c, k, "notes.yaml", rs.Notes.Drivers, named)
	case kObstacle:
		each(c, k, "notes.yaml", rs.Notes.Obstacles, named)
	case kEmotion:
		each(c, k, "sentiment.yaml", rs.Feelings.Emotions, func(t *emotionRule) (*Cue, float32) { return &t.Cue, 0 })
	case kYes:
		each(c, k, "checklist.yaml", rs.Checks, func(t *checkRule) (*Cue, float32) { return &Cue{Who: t.Who, Any: t.Yes, Unless: t.Unless}, 0 })
	case kPartly:
		each(c, k, "checklist.yaml", rs.Checks, func(t *checkRule) (*Cue, float32) { return &Cue{Who: t.Who, Any: t.Partly, Unless: t.Unless}, 0 })
	case kStep:
		each(c, k, "script.yaml", rs.Playbook.Steps, func(t *stepRule) (*Cue, float32) { return &Cue{Any: t.Any}, 0 })
	case kLabel:
		each(c, k, "entities.yaml", rs.Entities.Labels, named)
	case kKeyword:
		each(c, k, "checklist.yaml", rs.Checks, func(t *checkRule) (*Cue, float32) { return &Cue{Any: t.Keywords}, 0 })
	case kCurrency:
		c.phrases(k, "entities.yaml", rs.Entities.Currencies)
	case kMonth:
		c.phrases(k, "entities.yaml", rs.Entities.Months)
	case kNumeral:
		c.phrases(k, "entities.yaml", rs.Entities.Numerals)
	case kMark:
		c.marks()
	}
}

func named(n *Named) (*Cue, float32) { return &n.Cue, 0 }
func plain(n *Cue) (*Cue, float32)   { return n, 0 }

// each inserts one cue per rule of a list, so that index and rule agree.
func each[T any](c *compiler, k kind, file string, rules []T, cue func(*T) (*Cue, float32)) {
	c.file = file
	for i := range rules {
		q, weight := cue(&rules[i])
		c.insert(k, i, q, weight)
	}
}

func (c *compiler) phrases(k kind, file string, any []phrase) {
	c.file = file
	c.insert(k, 0, &Cue{Any: any}, 0)
}

func (c *compiler) marks() {
	f := &c.rs.Feelings
	c.file = "sentiment.yaml"
	add := func(m mark, factor float32, any []phrase) {
		c.insert(kMark, len(c.rs.marks), &Cue{Any: any}, 0)
		c.rs.marks = append(c.rs.marks, markInfo{m, factor})
	}
	add(markNegation, 0, f.Negations)
	add(markInability, 0, f.Inability)
	add(markBreak, 0, f.Breaks)
	add(markBut|markBreak, 0, f.But)
	for _, w := range f.Intensifiers {
		add(markIntensifier, w.Weight, w.Any)
	}
}

func (c *compiler) insert(k kind, index int, q *Cue, weight float32) {
	info := cueInfo{kind: k, index: int32(index), who: traits[k].who, negatable: traits[k].negatable || q.Denied, joined: len(q.With) > 0, asked: traits[k].asked, weight: weight}
	if weight == 0 {
		info.weight = 1
	}
	switch q.Who {
	case "":
	case "customer":
		info.who = customer
	case "operator":
		info.who = operator
	case "any":
		info.who = anyone
	default:
		c.fail(q.Key.Line, "who is %q; it can be customer, operator or any", q.Who)
	}
	id := int32(len(c.rs.cues))
	c.rs.cues = append(c.rs.cues, info)
	c.ends(q.Any, id, q.Exact)
	c.ends(q.Unless, id|endUnless, q.Exact)
	c.ends(q.With, id|endWith, q.Exact)
}

func (c *compiler) ends(any []phrase, id int32, exact bool) {
	for _, p := range any {
		seqs, err := c.rs.vocab.expand(p, exact)
		if err != nil {
			c.fail(p.Line, "%v", err)
			continue
		}
		for _, seq := range seqs {
			n := c.rs.trie.insert(seq)
			if !slices.Contains(n.ends, id) {
				n.ends = append(n.ends, id)
			}
		}
	}
}

func (c *compiler) lexicon() {
	c.file = "sentiment.yaml"
	for _, w := range c.rs.Feelings.Lexicon {
		for _, p := range w.Any {
			if w.Weight == 0 || w.Weight < -4 || w.Weight > 4 {
				c.fail(p.Line, "weight %v of %q; it can be -4 to 4 and not 0", w.Weight, p.Text)
			}
			seqs, err := c.rs.vocab.expand(p, false)
			if err != nil {
				c.fail(p.Line, "%v", err)
				continue
			}
			for _, seq := range seqs {
				n := c.rs.trie.insert(seq)
				if n.lex != 0 && c.rs.lex[n.lex-1] != w.Weight {
					c.fail(p.Line, "%q has two weights, %v and %v (words with one stem are one word; write =word to mean just that form)", p.Text, c.rs.lex[n.lex-1], w.Weight)
				}
				c.rs.lex = append(c.rs.lex, w.Weight)
				n.lex = int32(len(c.rs.lex))
			}
		}
	}
}

// dictionary sees that the keys of a list are keys of a fixed dictionary.
func dictionary[T any](c *compiler, name string, rules []T, key func(*T) phrase) {
	for i := range rules {
		if k := key(&rules[i]); schemas.TermID(name, k.Text) == 0 || k.Text == "none" {
			c.fail(k.Line, "%q is not in dictionary %s", k.Text, name)
		}
	}
}
