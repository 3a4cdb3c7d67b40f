package analyze

import (
	"unicode"
	"unicode/utf8"
)

// token is one word of a sentence. The two tokens of a contraction have the
// same bytes.
type token struct {
	word       word
	start, end int  // bytes in the turn's text
	number     bool // holds a digit
	shout      bool // three capitals or more and nothing else
	pause      bool // a comma, colon, bracket or dash stands before it
	mark       mark
	factor     float32 // of an intensifier
}

// sentence is a run of tokens that phrases may match in.
type sentence struct {
	tokens     []token
	start, end int // bytes in the turn's text, with the closing mark
	shouts     int // tokens in capitals
	exclaims   int
	question   bool
}

// A transcript without punctuation is cut into sentences of sentenceMax
// tokens, which bounds the memory of a turn of any length.
const sentenceMax = 256

// splitter cuts a text into sentences and tokens in one pass.
type splitter struct {
	forms *forms
	cur   sentence
	form  []byte
	pause bool
}

// split calls each for every sentence of text. The sentence is reused: each
// must not keep its tokens.
func (s *splitter) split(text string, each func(*sentence)) {
	s.reset(0)
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if inWord(r) {
			i = s.word(text, i)
			if len(s.cur.tokens) >= sentenceMax {
				s.flush(text, i, each)
			}
			continue
		}
		i += n
		switch r {
		case '!', '?', '…', '\n', '.':
			if r == '.' && !endsSentence(text, i, &s.cur) {
				continue
			}
			i = s.closing(text, i, r)
			s.flush(text, i, each)
		case ',', ':', ';', '(', ')', '—', '–':
			s.pause = true
		case '-':
			// "word - word" is a dash, "wi-fi" is one word in two tokens.
			s.pause = s.pause || i < len(text) && text[i] == ' '
		}
	}
	s.flush(text, len(text), each)
}

func (s *splitter) reset(at int) {
	s.cur = sentence{tokens: s.cur.tokens[:0], start: at}
	s.pause = false
}

// closing swallows a run of closing marks ("?!..") and notes what they say.
func (s *splitter) closing(text string, i int, first rune) int {
	r := first
	for {
		switch r {
		case '!':
			s.cur.exclaims++
		case '?':
			s.cur.question = true
		}
		if i >= len(text) {
			return i
		}
		var n int
		r, n = utf8.DecodeRuneInString(text[i:])
		if r != '!' && r != '?' && r != '.' && r != '…' && r != ')' && r != '"' && r != '»' {
			return i
		}
		i += n
	}
}

func (s *splitter) flush(text string, end int, each func(*sentence)) {
	if len(s.cur.tokens) > 0 {
		for s.cur.start < s.cur.tokens[0].start && isSpace(text[s.cur.start]) {
			s.cur.start++
		}
		for end > s.cur.start && isSpace(text[end-1]) {
			end--
		}
		s.cur.end = end
		each(&s.cur)
	}
	s.reset(end)
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// titles end with a dot that ends no sentence.
var titles = map[string]bool{"mr": true, "mrs": true, "ms": true, "dr": true, "st": true, "no": true, "vs": true,
	"ул": true, "д": true, "кв": true, "г": true, "т": true, "стр": true, "тел": true, "им": true}

// endsSentence says whether the dot before byte i ends a sentence: not in
// "Mr. Smith", "order no. 17", "1000 руб. за месяц".
func endsSentence(text string, i int, cur *sentence) bool {
	for i < len(text) && text[i] == ' ' {
		i++
	}
	if n := len(cur.tokens); n > 0 && titles[cur.tokens[n-1].word.stem] {
		return false
	}
	r, _ := utf8.DecodeRuneInString(text[i:])
	return !unicode.IsLower(r)
}

// word reads the token that begins at byte i and returns where it ends. A word
// is letters and digits, an apostrophe between letters, and a single
// punctuation mark between digits: "don't", "49.99", "18:00", "2025-10-20".
func (s *splitter) word(text string, start int) int {
	s.form = s.form[:0]
	digits, capitals, smalls := 0, 0, 0
	i := start
	for i < len(text) {
		r, n := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(text[i:])
		}
		switch {
		case '0' <= r && r <= '9':
			digits++
		case 'a' <= r && r <= 'z':
			smalls++
		case 'A' <= r && r <= 'Z':
			capitals++
		case 'а' <= r && r <= 'я':
			smalls++
		case r >= utf8.RuneSelf && unicode.IsUpper(r):
			capitals++
		case (r == '\'' || r == '’' || r == 'ʼ') && digits == 0 && letterAt(text, i+n):
			s.form = append(s.form, '\'')
			i += n
			continue
		case r >= utf8.RuneSelf && inWord(r):
			smalls++
		case (r == '.' || r == ',' || r == ':' || r == '/' || r == '-') && digitAt(text, i-1) && digitAt(text, i+1):
		default:
			n = 0
		}
		if n == 0 {
			break
		}
		if len(s.form) <= formMax {
			s.form = fold(s.form, r)
		}
		i += n
	}
	t := token{start: start, end: i, number: digits > 0, shout: capitals >= 3 && smalls == 0, pause: s.pause}
	if t.shout {
		s.cur.shouts++
	}
	for _, t.word = range s.forms.look(s.form, t.number) {
		s.cur.tokens = append(s.cur.tokens, t)
		t.pause = false
	}
	s.pause = false
	return i
}

func digitAt(text string, i int) bool {
	return i >= 0 && i < len(text) && '0' <= text[i] && text[i] <= '9'
}

func letterAt(text string, i int) bool {
	r, _ := utf8.DecodeRuneInString(text[i:])
	return unicode.IsLetter(r)
}
