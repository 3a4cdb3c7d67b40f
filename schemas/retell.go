package schemas

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Retell is an English text of ours in another language: the text is matched
// against the formats that it may have been made of. It is for what was stored
// as a finished sentence, such as why a task failed, which lies on the log
// since before anybody asked for it. What is not ours comes back as it is.
func Retell(english, lang string) string {
	if _, ok := messages().localizers[baseLanguage(lang)]; !ok || english == "" {
		return english
	}
	return retell(english, lang, maxNesting)
}

// maxNesting bounds texts within texts: a code's, a parameter's, a value's.
const maxNesting = 5

func retell(english, lang string, nesting int) string {
	if nesting == 0 {
		return english
	}
	if head, detail, ok := strings.Cut(english, ": "); ok {
		if m := messages().translate(head, lang); m != head { // a code's meaning and the detail, as in Error.Message
			return m + ": " + retell(detail, lang, nesting-1)
		}
	}
	for _, p := range patterns() {
		groups := p.expression.FindStringSubmatch(english)
		if groups == nil {
			continue
		}
		values := make([]any, len(groups)-1)
		for i, g := range groups[1:] {
			values[i] = retell(g, lang, nesting-1)
		}
		return fmt.Sprintf(verb.ReplaceAllString(messages().translate(p.id, lang), "%${1}s"), values...)
	}
	return english
}

// verb is one of fmt's, with its flags, width and precision.
var verb = regexp.MustCompile(`%(\[\d+\])?[-+# 0]*\d*(?:\.\d+)?[a-zA-Z]`)

// pattern recognises what a format has made.
type pattern struct {
	id         string
	expression *regexp.Regexp
	literal    int // letters that are not values: of two that match, the one that says more is right
}

var patterns = sync.OnceValue(func() []pattern {
	all := make([]pattern, 0, len(messages().ids))
	for _, id := range messages().ids {
		parts := verb.Split(id, -1)
		p := pattern{id: id}
		for i, part := range parts {
			p.literal += len(part)
			parts[i] = regexp.QuoteMeta(strings.ReplaceAll(part, "%%", "%"))
		}
		p.expression = regexp.MustCompile(`(?s)^` + strings.Join(parts, `(.*?)`) + `$`)
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b pattern) int { return cmp.Or(b.literal-a.literal, cmp.Compare(a.id, b.id)) })
	return all
})
