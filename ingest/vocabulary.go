package ingest

import (
	"strings"
	"unicode/utf8"

	"earshot/schemas"
)

// Vocabulary cleans the names and terms that an organisation's recogniser
// should expect: one line each, without double spaces, none twice (upper and
// lower case alike), in the order given. The result is never nil. Errors are
// 4001: more than schemas.MaxVocabulary terms, one longer than
// schemas.MaxTermRunes.
func Vocabulary(terms []string) ([]string, error) {
	out := []string{}
	known := map[string]bool{}
	for _, term := range terms {
		term = strings.Join(strings.Fields(CleanLine(term, len(term))), " ")
		if utf8.RuneCountInString(term) > schemas.MaxTermRunes {
			return nil, schemas.Fail(schemas.CodeInvalid, "the term %q is longer than %d characters", CleanLine(term, schemas.MaxTermRunes)+"…", schemas.MaxTermRunes)
		}
		if key := strings.ToLower(term); term != "" && !known[key] {
			known[key] = true
			out = append(out, term)
		}
		if len(out) > schemas.MaxVocabulary {
			return nil, schemas.Fail(schemas.CodeInvalid, "more than %d terms", schemas.MaxVocabulary)
		}
	}
	return out, nil
}
