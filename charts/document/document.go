// Package document makes the documents of a call: DOCX for a supervisor to read
// and pass on, TXT for a program. Data in, bytes out. It is below charts and not
// query, so that processors, which make reports, can use it too.
//
//	Call ─► content: sections of blocks ─┬─► docx.go
//	                                     └─► text.go
package document

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"

	"earshot/schemas"
)

// Call is what a document tells.
type Call struct {
	Analysis   schemas.Analysis // its task too
	Utterances []schemas.Utterance
	Cut        bool   // Utterances are the first ones only
	Directory  string // name; "" = in none
}

//go:embed words.yaml
var wordsYAML []byte

// words are by language, then by key.
var words = func() (all map[string]map[string]string) {
	if err := yaml.Unmarshal(wordsYAML, &all); err != nil {
		panic(fmt.Sprintf("words.yaml: %v", err)) // embedded: cannot fail after the test passed
	}
	return all
}()

// language is "en" or "ru"; English for any other.
func language(lang string) string {
	if strings.HasPrefix(strings.ToLower(lang), "ru") {
		return "ru"
	}
	return "en"
}

// Clean takes out what must not stand in XML 1.0 (section 2.2) or makes a text
// read otherwise than it is written: control and bidirectional characters,
// noncharacters. Most was cleaned at ingest; what a recogniser or a rule writes
// was not.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < 0x20, r >= 0x7F && r <= 0x9F, r == '\u061C', r == '\u200E', r == '\u200F',
			r >= '\u202A' && r <= '\u202E', r >= '\u2066' && r <= '\u2069', r == '\uFEFF', r&0xFFFE == 0xFFFE, r >= 0xFDD0 && r <= 0xFDEF:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
