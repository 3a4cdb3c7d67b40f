package schemas

import "strings"

// roleLabels are how a role is written before its words; the seed's
// original_text begins "Operator: Hello, ...".
var roleLabels = map[string]string{
	RoleOperator: "Operator",
	RoleCustomer: "Client",
	RoleSystem:   "System",
}

// DialogueText is a conversation as one text, a line "Role: words" a turn:
// gettask's original_text. It is made of the utterances alone, so that the
// door, the state rebuilt from the log and the warehouse all give the same
// text. A turn whose speaker is unknown has no label; a role that was guessed
// has a question mark, in every language: "Operator?: words".
func DialogueText(utterances []Utterance) string {
	var b strings.Builder
	size := 0
	for _, u := range utterances {
		size += len(u.Text) + 12
	}
	b.Grow(size)
	for i, u := range utterances {
		if i > 0 {
			b.WriteByte('\n')
		}
		if label, ok := roleLabels[u.Speaker]; ok {
			b.WriteString(label)
			if u.RoleConfidence != nil {
				b.WriteByte('?')
			}
			b.WriteString(": ")
		}
		b.WriteString(u.Text)
	}
	return b.String()
}
