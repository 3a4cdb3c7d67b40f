package schemas

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed dictionaries.yaml
var dictionariesYAML []byte

// Term is one entry of a dictionary.
type Term struct {
	ID  int64  `yaml:"id"`
	Key string `yaml:"key"` // what events and ClickHouse hold
	En  string `yaml:"en"`
	Ru  string `yaml:"ru"`
}

// Name is the term in the language of a BCP 47 tag, English unless it begins
// with "ru".
func (t Term) Name(lang string) string {
	if strings.HasPrefix(strings.ToLower(lang), "ru") {
		return t.Ru
	}
	return t.En
}

// Names of the dictionaries; a filter NAME_id takes ids of dictionary NAME.
const (
	DictTone        = "tone"
	DictResolution  = "resolved_status"
	DictPriority    = "priority"
	DictFunnelStage = "funnel_stage"
	DictRisk        = "risk_signal"
	DictSales       = "sales_signal"
)

// Dictionaries are the fixed dictionaries by name (DESIGN "Reading the seeds").
var Dictionaries = func() map[string][]Term {
	d := map[string][]Term{}
	if err := yaml.Unmarshal(dictionariesYAML, &d); err != nil {
		panic(fmt.Sprintf("dictionaries.yaml: %v", err)) // embedded: cannot fail after the test passed
	}
	return d
}()

// TermID is the id of a key in a dictionary, 0 when it has no such key.
func TermID(dictionary, key string) int64 {
	for _, t := range Dictionaries[dictionary] {
		if t.Key == key {
			return t.ID
		}
	}
	return 0
}

// TermOf is the term of an id in a dictionary, without a key when it has no such id.
func TermOf(dictionary string, id int64) Term {
	for _, t := range Dictionaries[dictionary] {
		if t.ID == id {
			return t
		}
	}
	return Term{ID: id}
}

// TermIDs maps several keys; unknown ones are left out.
func TermIDs(dictionary string, keys []string) []int64 {
	ids := make([]int64, 0, len(keys))
	for _, k := range keys {
		if id := TermID(dictionary, k); id != 0 {
			ids = append(ids, id)
		}
	}
	return ids
}
