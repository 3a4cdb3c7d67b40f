package analyze

import (
	"slices"
	"unicode/utf8"

	"earshot/schemas"
)

// A quote is the sentence that holds the match; of a longer one, quoteMax
// bytes around the match, from word to word.
const quoteMax = 240

// evidenceMax bounds the evidence of one analysis.
const evidenceMax = 400

// cite adds the quote that proves a judgement. The place must come from the
// scan; the zero ref proves nothing and adds nothing.
func (r *report) cite(judgement string, at ref) {
	if at.sentence == 0 || len(r.a.Evidence) >= evidenceMax {
		return
	}
	u := &r.a.Utterances[at.turn]
	e := schemas.Evidence{Judgement: judgement, Turn: u.Turn, Speaker: u.Speaker, Quote: quote(u.Text, at), Start: u.Start}
	if !slices.Contains(r.a.Evidence[max(0, len(r.a.Evidence)-lookBack):], e) {
		r.a.Evidence = append(r.a.Evidence, e)
	}
}

// One sentence often proves a judgement twice; it is quoted once. Repeats
// follow each other closely.
const lookBack = 8

func quote(text string, at ref) string {
	from, to := int(at.sentFrom), int(at.sentTo)
	if to-from <= quoteMax {
		return text[from:to]
	}
	middle := min(int(at.to), int(at.from)+quoteMax)
	spare := (quoteMax - (middle - int(at.from))) / 2
	from = wordStart(text, max(from, int(at.from)-spare), int(at.from))
	to = wordEnd(text, min(to, middle+spare), middle)
	return text[from:to]
}

// wordStart moves i forward to the beginning of a word, at most to limit.
func wordStart(text string, i, limit int) int {
	for i < limit && !isSpace(text[i]) {
		i++
	}
	for i < limit && isSpace(text[i]) {
		i++
	}
	return i
}

// wordEnd moves i back to the end of a word, or of a rune when one word fills
// the whole window.
func wordEnd(text string, i, limit int) int {
	j := i
	for j > limit && j < len(text) && !isSpace(text[j]) {
		j--
	}
	if j > limit {
		return j
	}
	for j = max(i, limit); j > 0 && j < len(text) && !utf8.RuneStart(text[j]); {
		j--
	}
	return j
}
