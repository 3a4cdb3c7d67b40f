package analyze

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// phrase is one phrase of a rules file with the line it stands on. The syntax
// is described in the package documentation.
type phrase struct {
	Text string
	Line int
}

// UnmarshalYAML takes any scalar as text: a supervisor need not quote "no" or 24.
func (p *phrase) UnmarshalYAML(n ast.Node) error {
	p.Line = n.GetToken().Position.Line
	switch n.(type) {
	case ast.ScalarNode:
		p.Text = n.GetToken().Value
		return nil
	}
	return fmt.Errorf("line %d: a phrase must be plain text", p.Line)
}

// gap stands in a sequence of symbols for up to gapMax words of any kind.
const (
	gap          = int32(-1)
	gapMax       = 3
	variantsMax  = 4096
	phraseLenMax = 12
)

// expand turns a phrase into the sequences of symbols that match it, adding
// what it asks for to the vocabulary. With exact, words mean just their form.
func (v *vocabulary) expand(p phrase, exact bool) ([][]int32, error) {
	items, err := parsePhrase(p.Text)
	if err != nil {
		return nil, err
	}
	seqs := [][]int32{nil}
	for _, it := range items {
		var next [][]int32
		for _, seq := range seqs {
			if it.optional {
				next = append(next, seq)
			}
			for _, alt := range it.alternatives {
				tail, err := v.symbols(alt, exact)
				if err != nil {
					return nil, err
				}
				next = append(next, append(append([]int32(nil), seq...), tail...))
			}
		}
		if seqs = next; len(seqs) > variantsMax {
			return nil, fmt.Errorf("phrase %q has more than %d variants: split it", p.Text, variantsMax)
		}
	}
	for _, seq := range seqs {
		if len(seq) == 0 || seq[0] == gap || seq[len(seq)-1] == gap || len(seq) > phraseLenMax {
			return nil, fmt.Errorf("phrase %q must begin and end with a word that is not optional, and have at most %d words", p.Text, phraseLenMax)
		}
	}
	return seqs, nil
}

// item is one place of a phrase: (a|b c)? has two alternatives.
type item struct {
	alternatives []string
	optional     bool
}

func parsePhrase(text string) ([]item, error) {
	var items []item
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		var it item
		if rest[0] == '(' {
			end := strings.IndexByte(rest, ')')
			if end < 0 {
				return nil, fmt.Errorf("phrase %q: ( without )", text)
			}
			it.alternatives = strings.Split(rest[1:end], "|")
			rest = rest[end+1:]
			if strings.HasPrefix(rest, "?") {
				it.optional, rest = true, rest[1:]
			}
		} else {
			var w string
			w, rest, _ = strings.Cut(rest, " ")
			if strings.HasSuffix(w, "?") {
				it.optional, w = true, w[:len(w)-1]
			}
			it.alternatives = []string{w}
		}
		items = append(items, it)
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("an empty phrase")
	}
	return items, nil
}

// symbols are the symbols of the words of one alternative.
func (v *vocabulary) symbols(words string, exact bool) ([]int32, error) {
	var out []int32
	for _, w := range strings.Fields(words) {
		switch {
		case w == "..":
			out = append(out, gap)
		case w == "<num>":
			out = append(out, symNumber)
		case strings.HasSuffix(w, "*"):
			ps := v.parts(strings.TrimSuffix(w, "*"))
			for i, part := range ps {
				if i < len(ps)-1 {
					out = append(out, v.symbol(v.exact, part)) // "sim-кар*" is two words
				} else {
					out = append(out, v.symbol(v.prefixes, part))
				}
			}
		case exact || strings.HasPrefix(w, "="):
			for _, part := range v.parts(strings.TrimPrefix(w, "=")) {
				out = append(out, v.symbol(v.exact, part))
			}
		default:
			for _, part := range v.parts(w) {
				if hasDigit(part) {
					out = append(out, v.symbol(v.exact, part))
				} else {
					out = append(out, v.symbol(v.stems, stem(part)))
				}
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("phrase part %q holds no word", words)
	}
	for _, s := range strings.Fields(words) {
		if strings.ContainsAny(s, "()|?") {
			return nil, fmt.Errorf("phrase part %q: groups cannot be nested, and ? goes to the end of a word or group", s)
		}
	}
	return out, nil
}

// parts splits a word of a phrase exactly as the text is split.
func (v *vocabulary) parts(w string) []string {
	ps, ok := v.memo[w]
	if !ok {
		ps = parts(w)
		v.memo[w] = ps
	}
	return ps
}

func parts(w string) []string {
	var out []string
	last := -1
	s := splitter{forms: &forms{v: newVocabulary(), known: map[string][]word{}}}
	s.split(w, func(sn *sentence) {
		for _, t := range sn.tokens {
			if t.start != last {
				out = append(out, uncontract(foldAll(w[t.start:t.end]))...)
			}
			last = t.start
		}
	})
	return out
}

func foldAll(s string) string {
	var b []byte
	for _, r := range s {
		if r == '’' || r == 'ʼ' {
			r = '\''
		}
		b = fold(b, r)
	}
	return string(b)
}

func hasDigit(s string) bool { return strings.ContainsAny(s, "0123456789") }
