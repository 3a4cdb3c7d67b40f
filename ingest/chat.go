package ingest

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml"

	"earshot/schemas"
)

// MaxTurns bounds one conversation. A year-long messenger thread has fewer.
const MaxTurns = 100_000

// message is one message before it is known who is who.
type message struct {
	name string   // as the source has it; "" when nobody is named
	at   *float64 // seconds on the source's own clock; nil = unknown
	text string
}

// ParseChat turns a conversation into utterances: chunks when there are any,
// else text, which may be plain ("Operator: ...", "Клиент: ...") or a
// messenger's export with times. Everything is cleaned here and nowhere else
// (see Clean). operators are names known to be the operator's.
//
// Speakers are told by role words (roles.yaml); a name without one is the
// other side when there are only two, else schemas.RoleUnknown. Start is in
// seconds from the first message that has a time. text is
// schemas.DialogueText of the utterances. Errors: 4045 when there is nothing
// to analyse, 4130 above schemas.MaxTextBytes, 4001 above MaxTurns.
func ParseChat(text string, chunks []Chunk, operators ...string) ([]schemas.Utterance, string, error) {
	var messages []message
	if len(chunks) > 0 {
		messages = fromChunks(chunks)
	} else {
		text = Clean(text)
		if len(text) > schemas.MaxTextBytes {
			return nil, "", tooLong(len(text))
		}
		var err error
		if messages, err = splitText(text, operators); err != nil {
			return nil, "", err
		}
	}
	messages, err := said(messages)
	if err != nil {
		return nil, "", err
	}
	inOrder(messages)
	utterances := assemble(messages, rolesOf(messages, operators))
	return utterances, schemas.DialogueText(utterances), nil
}

// said leaves out messages without words and checks what stays.
func said(messages []message) ([]message, error) {
	messages = slices.DeleteFunc(messages, func(m message) bool { return m.text == "" })
	size := 0
	for _, m := range messages {
		size += len(m.text)
	}
	switch {
	case len(messages) == 0:
		return nil, schemas.Fail(schemas.CodeFieldsMissing, "the conversation has no text")
	case size > schemas.MaxTextBytes:
		return nil, tooLong(size)
	case len(messages) > MaxTurns:
		return nil, tooMany()
	}
	return messages, nil
}

func tooLong(size int) error {
	return schemas.Fail(schemas.CodeTooLarge, "the conversation has %d bytes, at most %d are taken", size, schemas.MaxTextBytes)
}

func tooMany() error {
	return schemas.Fail(schemas.CodeInvalid, "the conversation has more than %d messages", MaxTurns)
}

// assemble makes utterances of messages in order; roles are by name.
func assemble(messages []message, roles map[string]string) []schemas.Utterance {
	var first *float64
	utterances := make([]schemas.Utterance, len(messages))
	for i, m := range messages {
		u := schemas.Utterance{Turn: int64(i), Speaker: roles[m.name], Channel: -1, Text: m.text}
		if m.at != nil {
			if first == nil {
				first = m.at
			}
			start := *m.at - *first
			u.Start = &start
		}
		utterances[i] = u
	}
	return utterances
}

// inOrder sorts by time where every message has one. Otherwise the order of
// the source stands, and a time that runs backwards is dropped: an unknown
// time is honest, a wrong one is not.
func inOrder(messages []message) {
	if !slices.ContainsFunc(messages, func(m message) bool { return m.at == nil }) {
		slices.SortStableFunc(messages, func(a, b message) int {
			switch {
			case *a.at < *b.at:
				return -1
			case *a.at > *b.at:
				return 1
			}
			return 0
		})
		return
	}
	var last *float64
	for i := range messages {
		switch at := messages[i].at; {
		case at == nil:
		case last != nil && *at < *last:
			messages[i].at = nil
		default:
			last = at
		}
	}
}

// rolesOf gives every name its role.
func rolesOf(messages []message, operators []string) map[string]string {
	roles := map[string]string{}
	count := map[string]int{}
	var strangers []string
	for _, m := range messages {
		if _, ok := roles[m.name]; ok {
			continue
		}
		role := roleOf(m.name, operators)
		roles[m.name] = role
		count[role]++
		if role == schemas.RoleUnknown && m.name != "" {
			strangers = append(strangers, m.name)
		}
	}
	if _, unnamed := roles[""]; unnamed && len(roles) > 1 {
		roles[""] = schemas.RoleSystem // "Anna joined the chat" between named messages
	}
	if len(strangers) == 1 { // one side is known, so this is the other
		switch {
		case count[schemas.RoleOperator] > 0 && count[schemas.RoleCustomer] == 0:
			roles[strangers[0]] = schemas.RoleCustomer
		case count[schemas.RoleCustomer] > 0 && count[schemas.RoleOperator] == 0:
			roles[strangers[0]] = schemas.RoleOperator
		}
	}
	return roles
}

//go:embed roles.yaml
var rolesYAML []byte

// nameWords maps a word of a name to the rank of its list: a lower rank wins.
var nameWords = func() map[string]int {
	var lists struct {
		System   []string `yaml:"system"`
		Operator []string `yaml:"operator"`
		Customer []string `yaml:"customer"`
		Fields   []string `yaml:"fields"`
	}
	if err := yaml.Unmarshal(rolesYAML, &lists); err != nil {
		panic(fmt.Sprintf("roles.yaml: %v", err)) // embedded: cannot fail after the test passed
	}
	words := map[string]int{}
	for rank, list := range [][]string{lists.Fields, lists.System, lists.Operator, lists.Customer} {
		for _, w := range list {
			words[w] = rank
		}
	}
	return words
}()

var roleByRank = []string{"", schemas.RoleSystem, schemas.RoleOperator, schemas.RoleCustomer}

// roleOf tells a role from a name: schemas.RoleUnknown when no word of it does.
func roleOf(name string, operators []string) string {
	for _, o := range operators {
		if o != "" && strings.EqualFold(strings.TrimSpace(o), name) {
			return schemas.RoleOperator
		}
	}
	if rank, ok := nameRank(name); ok && rank > 0 {
		return roleByRank[rank]
	}
	return schemas.RoleUnknown
}

// nameRank is the lowest rank among the words of a name.
func nameRank(name string) (rank int, ok bool) {
	rank = len(roleByRank)
	for _, w := range strings.FieldsFunc(strings.ToLower(name), notInWord) {
		if r, known := nameWords[w]; known {
			rank, ok = min(rank, r), true
		}
	}
	return rank, ok
}

func notInWord(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-'
}

// Clean makes outside text safe to store, print and put into XML: invalid
// UTF-8 becomes U+FFFD; line ends become "\n"; NUL and other control
// characters, byte order marks, bidirectional controls (they make a text read
// otherwise than it is stored) and noncharacters go.
func Clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if !strings.ContainsFunc(s, unclean) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	previous := rune(0)
	for _, r := range s {
		switch {
		case r == '\n' && previous == '\r': // the CR was the line end already
		case r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029':
			b.WriteByte('\n')
		case !unclean(r):
			b.WriteRune(r)
		}
		previous = r
	}
	return b.String()
}

func unclean(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < 0x20, r >= 0x7F && r <= 0x9F: // C0, DEL, C1
		return true
	case r < 0x061C:
		return false
	case r == '\u061C', r == '\u200E', r == '\u200F', r >= '\u202A' && r <= '\u202E', r >= '\u2066' && r <= '\u2069':
		return true // bidirectional controls
	}
	return r == '\u2028' || r == '\u2029' || r == '\uFEFF' || r&0xFFFE == 0xFFFE || r >= 0xFDD0 && r <= 0xFDEF
}

// CleanLine is Clean for a short label such as a file or operator name: one
// line, no tabs, surrounding spaces trimmed, at most max bytes at a rune
// boundary.
func CleanLine(s string, max int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		return r
	}, s)
	s = strings.TrimSpace(Clean(s))
	if len(s) > max {
		s = strings.TrimSpace(strings.ToValidUTF8(s[:max], ""))
	}
	return s
}
