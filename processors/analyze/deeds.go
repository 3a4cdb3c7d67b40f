package analyze

import (
	"slices"
	"strings"
)

// A promise is told in restTokens words at most.
const restTokens = 14

// deed adds what the operator did or promised, with the rest of the clause
// when the rule asks for it: "I'll send | you the link by e-mail".
func (s *scanner) deed(list []deed, sn *sentence, f found, at ref, act *actRule) []deed {
	if len(list) >= deedsMax {
		return list
	}
	d := deed{cue: f.cue, at: at}
	if act.Rest {
		d.rest = s.rest(sn, f)
	}
	if act.Rest || act.Open {
		lead := s.lead(sn, int(f.from))
		switch {
		case lead == "" && d.rest == "" && !act.Open:
			return list // "I will send.": what, nobody knows
		case lead == "":
		case act.Rest && d.rest == "":
			d.rest = lead
		default:
			d.rest = strings.TrimSpace(d.rest + " (" + lead + ")")
		}
	}
	return append(list, d)
}

// rest is the clause after a cue, up to the next of its kind, with pronouns
// told for a third reader.
func (s *scanner) rest(sn *sentence, f found) string {
	i := int(f.to)
	end, most := i, min(len(sn.tokens), i+restTokens)
	for _, other := range s.match.founds {
		if other.from >= f.to && s.telling(other.cue) {
			most = min(most, int(other.from))
		}
	}
	clause := most // where a deed of its own begins
	for end < most {
		t := &sn.tokens[end]
		// "30 March, between 9 and 12" goes on after its comma, "the link, please check" does not.
		if end > i && t.pause && !t.number || isOne(s.rs.stops, t) {
			break
		}
		end++
	}
	if end == clause && clause < len(sn.tokens) {
		end = s.beforeAnd(sn, i, end)
	}
	for end > i && isOne(s.rs.trailing, &sn.tokens[end-1]) {
		end--
	}
	var b strings.Builder
	for at := i; at < end; {
		to, text := s.thirdPerson(sn.tokens[at:end])
		if text == "" && to == 1 {
			text = s.text[sn.tokens[at].start:sn.tokens[at].end]
			if at > i && sn.tokens[at].start == sn.tokens[at-1].start {
				text = "" // the second half of a contraction
			}
		}
		if text != "" && text != "-" {
			b.WriteString(s.between(sn, at, i))
			b.WriteString(text)
		}
		at += to
	}
	return strings.TrimSpace(b.String())
}

// leadTokens is the longest beginning of a clause that is told in brackets.
const leadTokens = 4

// lead is what stands before a promise in its clause: the object of "the
// invoice I will send today", the time of "tomorrow at five we'll call".
func (s *scanner) lead(sn *sentence, i int) string {
	if i > 0 && !sn.tokens[i].pause && isOne(s.rs.stops, &sn.tokens[i-1]) {
		i-- // I, we
	}
	from, content := i, false
	for from > 0 && !sn.tokens[from].pause {
		from--
		t := &sn.tokens[from]
		content = content || !s.rs.stop[t.word.stem]
		if i-from > leadTokens || isOne(s.rs.stops, t) || isOne(s.rs.leads, t) || isOne(s.rs.trailing, t) && from == i-1 {
			return ""
		}
	}
	if !content {
		return ""
	}
	return lowerFirst(s.text[sn.tokens[from].start:sn.tokens[i-1].end])
}

// telling says whether a cue begins a clause of its own.
func (s *scanner) telling(cue int32) bool {
	if cue&endFlags != 0 {
		return false
	}
	switch info := &s.rs.cues[cue]; info.kind {
	case kAct:
		return s.rs.Conduct.Acts[info.index].Rest
	case kCommitment:
		return true
	}
	return false
}

// between keeps what joins two words in the text: "wi-fi", "№ 5", "$20".
func (s *scanner) between(sn *sentence, at, from int) string {
	start := 0
	if at > 0 {
		start = sn.tokens[at-1].end
	}
	if start > sn.tokens[at].start {
		return ""
	}
	gap := s.text[start:sn.tokens[at].start]
	if at == from {
		gap = strings.TrimLeft(gap, " ")
	}
	if len(gap) > 4 {
		return " "
	}
	return strings.ReplaceAll(gap, "\n", " ")
}

// beforeAnd cuts off the subject of the next deed: "the claim | and an expert
// will call you".
func (s *scanner) beforeAnd(sn *sentence, from, end int) int {
	for i := end - 1; i > from && i >= end-leadTokens; i-- {
		if sn.tokens[i].word.stem == s.rs.and {
			return i
		}
	}
	return end
}

// isOne says whether the token is one of a short list of stems.
func isOne(stems []string, t *token) bool {
	return slices.Contains(stems, t.word.stem)
}

// thirdPerson rewrites the words at the beginning of tokens; it returns how
// many it took, and "" for a word to be left as it is, "-" for one to drop.
func (s *scanner) thirdPerson(tokens []token) (int, string) {
	var b [2*formMax + 1]byte
	form := b[:0]
	best, text := 1, ""
	for n := 0; n < 2 && n < len(tokens); n++ {
		if n > 0 {
			form = append(form, ' ')
		}
		raw := s.text[tokens[n].start:tokens[n].end]
		if len(raw) > formMax {
			break
		}
		for _, r := range raw {
			if len(form) < 2*formMax-4 {
				form = fold(form, r)
			}
		}
		if to, ok := s.rs.pronouns[string(form)]; ok {
			best, text = n+1, to
		}
	}
	return best, text
}

// tell is a deed as a phrase: verb and rest.
func tell(verb, rest string) string {
	if rest == "" || rest[0] == ',' {
		return verb + rest
	}
	return verb + " " + rest
}

// tellAll tells deeds by their cues' verbs, each once, in the order of the
// conversation.
func (s *scanner) tellAll(list []deed, base int32, acts []actRule) (out []string, at []ref) {
	for _, d := range list {
		text := tell(acts[d.cue-base].Verb, d.rest)
		if !alike(out, text) {
			out, at = append(out, text), append(at, d.at)
		}
	}
	return out, at
}

// alike says whether one of the list begins like text: a promise repeated with
// more words or fewer is the same promise.
func alike(list []string, text string) bool {
	for _, have := range list {
		if strings.HasPrefix(have, text) || strings.HasPrefix(text, have) {
			return true
		}
	}
	return false
}
