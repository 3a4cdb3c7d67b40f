package analyze

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/english"
	"github.com/blevesearch/snowballstem/russian"
)

// word is what the rules know about one word form.
type word struct {
	stem string
	syms []int32 // vocabulary symbols this form matches: itself, its stem, its beginnings
}

// vocabulary numbers everything a phrase can ask of one word. It is built once
// per language and only read afterwards.
type vocabulary struct {
	exact, stems, prefixes map[string]int32
	prefixLens             []int // bytes, the lengths that occur in prefixes
	size                   int32
	memo                   map[string][]string // of parts, while rules are compiled
}

// symNumber is the symbol of <num>.
const symNumber = 0

func newVocabulary() *vocabulary {
	return &vocabulary{exact: map[string]int32{}, stems: map[string]int32{}, prefixes: map[string]int32{}, memo: map[string][]string{}, size: 1}
}

func (v *vocabulary) symbol(in map[string]int32, key string) int32 {
	id, ok := in[key]
	if !ok {
		id = v.size
		in[key] = id
		v.size++
	}
	return id
}

// know returns the word of a lower-case form.
func (v *vocabulary) know(form string, number bool) word {
	w := word{stem: form}
	if number {
		w.syms = append(w.syms, symNumber)
	} else {
		w.stem = stem(form)
	}
	if id, ok := v.exact[form]; ok {
		w.syms = append(w.syms, id)
	}
	if id, ok := v.stems[w.stem]; ok {
		w.syms = append(w.syms, id)
	}
	for _, n := range v.prefixLens {
		if n <= len(form) {
			if id, ok := v.prefixes[form[:n]]; ok {
				w.syms = append(w.syms, id)
			}
		}
	}
	return w
}

// stem cuts the ending of a lower-case word by the Snowball algorithm of its
// script (https://snowballstem.org/algorithms), so that a rule written with
// one form of a word finds the others.
func stem(form string) string {
	env := snowballstem.NewEnv(form)
	if r, _ := utf8.DecodeRuneInString(form); r < utf8.RuneSelf {
		english.Stem(env)
	} else if unicode.Is(unicode.Cyrillic, r) {
		russian.Stem(env)
	}
	return env.Current()
}

// forms is a cache from a word as it stands in the text to what the rules know
// about it: most words of a call centre repeat, and stemming is the dearest
// step. Each scanner has its own, so no lock is needed.
type forms struct {
	v     *vocabulary
	known map[string][]word
}

// A full cache is emptied rather than trimmed: 8,192 forms are some 1.5 MB and
// cover ordinary speech, so that only hostile text ever fills it.
const (
	formsMax = 8192
	formMax  = 64 // bytes; a longer word is noise and known to no rule
)

var noise = []word{{stem: "\x00"}}

// look returns the words of one form: two when it is a contraction. The result
// is shared: it must not be changed.
func (f *forms) look(form []byte, number bool) []word {
	if len(form) > formMax {
		return noise
	}
	if ws, ok := f.known[string(form)]; ok {
		return ws
	}
	ws := make([]word, 0, 1)
	for _, part := range uncontract(string(form)) {
		ws = append(ws, f.v.know(part, number))
	}
	if number && len(f.known) >= formsMax/2 {
		return ws // numbers hardly repeat; they may not push the words out
	}
	if len(f.known) >= formsMax {
		clear(f.known)
	}
	f.known[string(form)] = ws
	return ws
}

// unmarked are contractions typed without their apostrophe.
var unmarked = map[string]string{
	"dont": "do not", "doesnt": "does not", "didnt": "did not", "cant": "can not", "cannot": "can not",
	"wont": "will not", "isnt": "is not", "wasnt": "was not", "havent": "have not", "hasnt": "has not",
	"wouldnt": "would not", "couldnt": "could not", "arent": "are not", "im": "i am", "ive": "i have",
	"won't": "will not", "can't": "can not", "shan't": "shall not", "let's": "let us", "gonna": "going to", "wanna": "want to",
}

// isAfter are the words after which 's is "is" and not a possessive.
var isAfter = map[string]bool{"it": true, "that": true, "what": true, "here": true, "there": true, "he": true,
	"she": true, "who": true, "where": true, "how": true, "this": true, "everything": true, "nothing": true}

// uncontract splits an English contraction so that rules need one spelling:
// "I'll" is "i will", "don't" is "do not".
func uncontract(form string) []string {
	if full, ok := unmarked[form]; ok {
		return strings.Fields(full)
	}
	at := strings.LastIndexByte(form, '\'')
	if at <= 0 {
		return []string{form}
	}
	head, tail := form[:at], form[at+1:]
	switch {
	case tail == "t" && strings.HasSuffix(head, "n"):
		return []string{head[:len(head)-1], "not"}
	case tail == "ll":
		return []string{head, "will"}
	case tail == "ve":
		return []string{head, "have"}
	case tail == "re":
		return []string{head, "are"}
	case tail == "m":
		return []string{head, "am"}
	case tail == "d":
		return []string{head, "would"}
	case tail == "s" && isAfter[head]:
		return []string{head, "is"}
	case tail == "s":
		return []string{head}
	}
	return []string{form}
}

// fold appends the lower-case form of a rune the rules are written in: ё is е.
func fold(b []byte, r rune) []byte {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return append(b, byte(r))
	}
	switch {
	case 'а' <= r && r <= 'я':
	case 'А' <= r && r <= 'Я':
		r += 'а' - 'А'
	default:
		if r = unicode.ToLower(r); r == 'ё' {
			r = 'е'
		}
	}
	return utf8.AppendRune(b, r)
}

// inWord says whether a rune is a letter or a digit, the common ones first.
func inWord(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return 'А' <= r && r <= 'я' || unicode.IsLetter(r) || unicode.IsDigit(r)
}
