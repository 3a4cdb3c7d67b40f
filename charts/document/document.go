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
