package analyze

import "strings"

// fact is a number that a summary should carry: an order, a sum, a date.
type fact struct {
	kind string // amount, date, or the key of a label
	text string // as it is told: "order 45821", "$49.99"
	raw  string // the literal
	at   ref
}

// findFacts finds them by the words and signs next to a number.
func (s *scanner) findFacts(sn *sentence) {
	if len(s.facts) >= 4*factsMax {
		return
	}
	for i := range sn.tokens {
		t := &sn.tokens[i]
		switch {
		case t.number:
			s.number(sn, i)
		case t.mark&markNumeral != 0 && (i == 0 || sn.tokens[i-1].mark&markNumeral == 0 && !sn.tokens[i-1].number):
			s.spelled(sn, i)
		}
	}
}

func (s *scanner) number(sn *sentence, i int) {
	t := &sn.tokens[i]
	if i > 0 && sn.tokens[i-1].number && !t.pause && t.end-t.start == 3 {
		return // the end of "12 500"
	}
	if from, ok := s.currencyBefore(sn, i); ok {
		s.fact("amount", "", s.text[from:t.end], sn, i, i+1)
		return
	}
	j := i + 1
	for j < len(sn.tokens) && sn.tokens[j].number && !sn.tokens[j].pause && len(s.text[sn.tokens[j].start:sn.tokens[j].end]) == 3 {
		j++ // "12 500 руб"
	}
	if end := signAfter(s.text, sn.tokens[j-1].end); end > 0 {
		s.fact("amount", "", s.text[t.start:end], sn, i, j)
		return
	}
	if j < len(sn.tokens) && sn.tokens[j].mark&markCurrency != 0 && !sn.tokens[j].pause {
		s.fact("amount", "", s.text[t.start:sn.tokens[j].end], sn, i, j+1)
		return
	}
	if i+1 < len(sn.tokens) && sn.tokens[i+1].mark&markMonth != 0 && t.end-t.start <= 4 {
		s.fact("date", "", s.text[t.start:sn.tokens[i+1].end], sn, i, i+2)
		return
	}
	if i > 0 && sn.tokens[i-1].mark&markMonth != 0 && t.end-t.start <= 4 {
		s.fact("date", "", s.text[sn.tokens[i-1].start:t.end], sn, i-1, i+1)
		return
	}
	if looksLikeDate(s.text[t.start:t.end]) {
		if birthday(s.text[t.start:t.end]) {
			return
		}
		s.fact("date", "", s.text[t.start:t.end], sn, i, i+1)
		return
	}
	s.labelled(sn, i)
}

// labelled is a number of three digits or more with a label shortly before it:
// "order number is 45821", "заявка № 1204".
func (s *scanner) labelled(sn *sentence, i int) {
	t := &sn.tokens[i]
	if digits(s.text[t.start:t.end]) < 3 {
		return
	}
	for _, f := range s.match.founds {
		if f.cue&endFlags != 0 || s.rs.cues[f.cue].kind != kLabel || int(f.to) > i || int(f.to) < i-3 {
			continue
		}
		blocked := false
		for j := int(f.to); j < i; j++ {
			blocked = blocked || sn.tokens[j].number
		}
		if !blocked {
			label := &s.rs.Entities.Labels[s.rs.cues[f.cue].index]
			from := t.start
			for from > 0 && isCodeByte(s.text[from-1]) {
				from-- // "INV-2041"
			}
			s.fact(label.Key.Text, label.Name, s.text[from:t.end], sn, i, i+1)
			return
		}
	}
}

func isCodeByte(c byte) bool { return c == '-' || 'A' <= c && c <= 'Z' }

// spelled is an amount in words, as recognisers write it: "thirty dollars".
func (s *scanner) spelled(sn *sentence, i int) {
	j := i
	for j < len(sn.tokens) && (sn.tokens[j].mark&markNumeral != 0) && j-i < 6 {
		j++
	}
	if j < len(sn.tokens) && sn.tokens[j].mark&markCurrency != 0 {
		s.fact("amount", "", s.text[sn.tokens[i].start:sn.tokens[j].end], sn, i, j+1)
	}
}

// fact keeps the first few of a kind, each once.
func (s *scanner) fact(kind, name, raw string, sn *sentence, from, to int) {
	text := raw
	if name != "" {
		text = name + " " + raw
	}
	n := 0
	for _, f := range s.facts {
		if f.kind == kind {
			n++
		}
		if f.raw == raw {
			return
		}
	}
	if n < factsMax {
		s.facts = append(s.facts, fact{kind, text, raw, s.at(sn, from, to)})
	}
}

var currencySigns = []string{"$", "€", "£", "₽", "₸", "₴", "₺", "¥"}

func (s *scanner) currencyBefore(sn *sentence, i int) (int, bool) {
	start := sn.tokens[i].start
	for _, sign := range currencySigns {
		if strings.HasSuffix(s.text[:start], sign) {
			return start - len(sign), true
		}
	}
	return 0, false
}

func signAfter(text string, end int) int {
	rest := text[end:]
	trimmed := strings.TrimLeft(rest, " ")
	for _, sign := range currencySigns {
		if strings.HasPrefix(trimmed, sign) && len(rest)-len(trimmed) <= 1 {
			return end + len(rest) - len(trimmed) + len(sign)
		}
	}
	return 0
}

func digits(s string) (n int) {
	for i := range len(s) {
		if '0' <= s[i] && s[i] <= '9' {
			n++
		}
	}
	return n
}

// looksLikeDate takes 12.03.2025, 12.03, 2025-03-12 and 3/12/2025, not 49.99
// or 18:00.
func looksLikeDate(s string) bool {
	if len(s) < 8 || len(s) > 10 || strings.ContainsAny(s, ":,") {
		return false
	}
	for _, sep := range []string{".", "-", "/"} {
		if p := strings.Split(s, sep); len(p) == 3 && digits(s) == len(s)-2 {
			return len(p[0]) == 4 || len(p[2]) == 4 || len(p[2]) == 2
		}
	}
	return false
}

// birthday is a date before oldestYear: whatever a call is about is younger,
// and a date of birth is nobody's business in a summary.
func birthday(s string) bool {
	for _, p := range strings.FieldsFunc(s, func(r rune) bool { return r < '0' || r > '9' }) {
		if len(p) == 4 && p < oldestYear {
			return true
		}
	}
	return false
}

const oldestYear = "2015"

// fill writes facts into a template: "asked where order[ {order}] is". A part
// in square brackets stands only when its fact is known.
func (s *scanner) fill(template string) string {
	if !strings.ContainsAny(template, "[{") {
		return template
	}
	var b strings.Builder
	for template != "" {
		open := strings.IndexByte(template, '[')
		end := strings.IndexByte(template, ']')
		if open < 0 || end < open {
			b.WriteString(template)
			break
		}
		b.WriteString(template[:open])
		if part, ok := s.known(template[open+1 : end]); ok {
			b.WriteString(part)
		}
		template = template[end+1:]
	}
	return b.String()
}

func (s *scanner) known(part string) (string, bool) {
	open, end := strings.IndexByte(part, '{'), strings.IndexByte(part, '}')
	if open < 0 || end < open {
		return part, true
	}
	for _, f := range s.facts {
		if f.kind == part[open+1:end] {
			return part[:open] + f.raw + part[end+1:], true
		}
	}
	return "", false
}
