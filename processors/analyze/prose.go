package analyze

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// proseFile is prose.yaml: the sentences of the analysis in one language. %s is
// where the words of the conversation go.
type proseFile struct {
	Story      string `yaml:"story"`       // "The customer %s."
	Conduct    string `yaml:"conduct"`     // "The operator %s."
	Promise    string `yaml:"promise"`     // "promised to %s"
	About      string `yaml:"about"`       // "contacted the company about %s"
	Facts      string `yaml:"facts"`       // "Mentioned: %s."
	And        string `yaml:"and"`         // between the last two of a list
	Then       string `yaml:"then"`        // between two moods
	Calm       string `yaml:"calm"`        // the mood of a customer who shows none
	NoSpeech   string `yaml:"no_speech"`   // the whole summary
	NoRequest  string `yaml:"no_request"`  // when no case and no topic is recognised
	NoCustomer string `yaml:"no_customer"` // only the operator spoke
	NoOperator string `yaml:"no_operator"` // only the customer spoke
	Recording  string `yaml:"recording"`   // "The recording is about: %s."
	NoTopic    string `yaml:"no_topic"`    // a recording without any topic that is recognised

	Outcomes map[string]map[string]string `yaml:"outcomes"` // resolution, then sentiment, to a sentence
	Next     struct {
		Operator string `yaml:"operator"` // "The operator should %s"
		Nothing  string `yaml:"nothing"`
		FollowUp string `yaml:"follow_up"`
		Retain   string `yaml:"retain"`
	} `yaml:"next"`
	None struct {
		Intent    string `yaml:"intent"`
		Reason    string `yaml:"reason"`
		Product   string `yaml:"product"`
		Cause     string `yaml:"cause"`
		Driver    string `yaml:"driver"`
		Obstacles string `yaml:"obstacles"`
		Dynamics  string `yaml:"dynamics"`
	} `yaml:"none"`
}

var (
	resolutions = []string{"resolved", "partially_resolved", "unresolved", "unknown"}
	sentiments  = []string{"positive", "neutral", "negative"}
)

func (p *proseFile) validate(c *compiler) {
	for name, s := range map[string]string{"story": p.Story, "conduct": p.Conduct, "promise": p.Promise, "about": p.About,
		"recording": p.Recording, "facts": p.Facts, "next.operator": p.Next.Operator} {
		if strings.Count(s, "%s") != 1 {
			c.fail(1, "%s must hold %%s once", name)
		}
	}
	for name, s := range map[string]string{"and": p.And, "then": p.Then, "calm": p.Calm, "no_speech": p.NoSpeech,
		"no_request": p.NoRequest, "no_customer": p.NoCustomer, "no_operator": p.NoOperator, "no_topic": p.NoTopic, "next.nothing": p.Next.Nothing,
		"next.follow_up": p.Next.FollowUp, "next.retain": p.Next.Retain, "none.intent": p.None.Intent} {
		if s == "" {
			c.fail(1, "%s is missing", name)
		}
	}
	for _, r := range resolutions {
		for _, s := range sentiments {
			if p.Outcomes[r][s] == "" {
				c.fail(1, "outcomes.%s.%s is missing", r, s)
			}
		}
	}
}

// list joins phrases: "a, b and c".
func (p *proseFile) list(parts []string) string {
	switch n := len(parts); n {
	case 0:
		return ""
	case 1:
		return parts[0]
	default:
		return strings.Join(parts[:n-1], ", ") + p.And + parts[n-1]
	}
}

func put(template, text string) string { return strings.Replace(template, "%s", text, 1) }

// capital makes the first letter a capital one.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || unicode.IsUpper(r) {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// lowerFirst makes the first letter small, unless the word is in capitals.
func lowerFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if next, _ := utf8.DecodeRuneInString(s[n:]); n == 0 || unicode.IsUpper(next) {
		return s
	}
	return string(unicode.ToLower(r)) + s[n:]
}
