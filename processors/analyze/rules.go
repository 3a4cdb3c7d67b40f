package analyze

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed rules
var builtin embed.FS

// Cue is what all rules share: when is it found? Any of the phrases in one
// sentence of Who, none of the Unless phrases in the same sentence, and one of
// the With phrases if there are any.
type Cue struct {
	Key    phrase   `yaml:"key"`
	Who    string   `yaml:"who"` // customer, operator, any
	Any    []phrase `yaml:"any"`
	Unless []phrase `yaml:"unless"`
	With   []phrase `yaml:"with"`   // when given, one of these must be in the sentence as well
	Denied bool     `yaml:"denied"` // "not" before it takes it away, also where the kind of rule does not say so
	Exact  bool     `yaml:"exact"`  // words without a mark mean just their form, not their stem
}

// Named is a cue with the words that the analysis shows for it.
type Named struct {
	Cue  `yaml:",inline"`
	Name string `yaml:"name"`
}

// weighted are phrases that share one number.
type weighted struct {
	Weight float32  `yaml:"weight"`
	Any    []phrase `yaml:"any"`
}

// feelingsFile is sentiment.yaml.
type feelingsFile struct {
	Lexicon      []weighted    `yaml:"lexicon"`      // -4..4, as in VADER (Hutto & Gilbert 2014)
	Intensifiers []weighted    `yaml:"intensifiers"` // factor on the next word's weight
	Negations    []phrase      `yaml:"negations"`
	Inability    []phrase      `yaml:"inability"`
	Breaks       []phrase      `yaml:"breaks"`
	But          []phrase      `yaml:"but"`
	Emotions     []emotionRule `yaml:"emotions"`
}

// emotionRule is a word for how a customer feels, said outright or, without a cue,
// by the score of the turn.
type emotionRule struct {
	Named `yaml:",inline"`
	Score float64 `yaml:"score"` // -1..1
}

// topicRule is one entry of topics.yaml.
type topicRule struct {
	Named  `yaml:",inline"`
	Weight float32 `yaml:"weight"` // of one sentence; 1 when left out
}

// reasonRule is one entry of reasons.yaml: a typical case, with the words to tell it.
type reasonRule struct {
	Cue      `yaml:",inline"`
	Topic    string   `yaml:"topic"`
	Story    string   `yaml:"story"`  // follows "The customer ..."
	Reason   string   `yaml:"reason"` // reason for contact
	Intent   string   `yaml:"intent"`
	Cause    string   `yaml:"cause"`
	Obstacle string   `yaml:"obstacle"`
	Actions  []string `yaml:"actions"` // when the case is not closed
	Priority string   `yaml:"priority"`
	Weight   float32  `yaml:"weight"`
	General  bool     `yaml:"general"` // too general to be told second
}

// riskRule is a risk signal; Cost is what it takes from CSAT.
type riskRule struct {
	Cue      `yaml:",inline"`
	Priority string  `yaml:"priority"`
	Cost     float64 `yaml:"cost"`
}

// signalsFile is signals.yaml.
type signalsFile struct {
	Risks   []riskRule `yaml:"risks"`
	Sales   []Cue      `yaml:"sales"`
	Funnel  []Cue      `yaml:"funnel"` // the last stage of the list that is found wins
	Urgency []Cue      `yaml:"urgency"`
}

// actRule is something an operator does or promises, as a verb phrase.
type actRule struct {
	Cue     `yaml:",inline"`
	Verb    string `yaml:"verb"`
	Rest    bool   `yaml:"rest"`    // the rest of the clause follows the verb
	Open    bool   `yaml:"open"`    // of a promise: the case stays open until it is kept
	Minor   bool   `yaml:"minor"`   // of an act: told only when there is nothing better to tell
	Refusal bool   `yaml:"refusal"` // of an act: it is no help
}

// conductFile is operator.yaml.
type conductFile struct {
	Acts        []actRule     `yaml:"acts"`
	Commitments []actRule     `yaml:"commitments"`
	Pronouns    []pronounRule `yaml:"pronouns"`
	Stops       []phrase      `yaml:"stops"`    // words before which a told clause ends
	Leads       []phrase      `yaml:"leads"`    // words before a promise that are no part of it
	Trailing    []phrase      `yaml:"trailing"` // words that may not be its last
	Manners     []mannerRule  `yaml:"manners"`
	Roles       []Cue         `yaml:"roles"` // who speaks, when nobody says
}

// Pronoun rewrites a word of a promise for a third reader: "you" is "the customer".
type pronounRule struct {
	From string `yaml:"from"`
	To   string `yaml:"to"`
}

// Manner moves the politeness or the empathy of the operator.
type mannerRule struct {
	Cue        `yaml:",inline"`
	Politeness float64 `yaml:"politeness"`
	Empathy    float64 `yaml:"empathy"`
}

// notesFile is notes.yaml.
type notesFile struct {
	Causes    []Named `yaml:"causes"`
	Drivers   []Named `yaml:"drivers"`
	Obstacles []Named `yaml:"obstacles"`
}

// checkRule is one question of checklist.yaml and how to answer it.
type checkRule struct {
	ID         int64    `yaml:"id"`
	Question   string   `yaml:"question"`
	Keywords   []phrase `yaml:"keywords"` // an organisation's question with one of these is this question
	Who        string   `yaml:"who"`      // operator unless said otherwise
	Where      string   `yaml:"where"`    // start, end or "" for anywhere
	Yes        []phrase `yaml:"yes"`
	Partly     []phrase `yaml:"partly"`
	Unless     []phrase `yaml:"unless"`
	YesFrom    []string `yaml:"yes_from"`    // acts, commitments, empathy: any of them is a Yes
	PartlyFrom []string `yaml:"partly_from"` // likewise for Partially
	Invert     bool     `yaml:"invert"`      // what is found makes it a No
	Extra      bool     `yaml:"extra"`       // known, but not in the default checklist
}

// playbookFile is script.yaml.
type playbookFile struct {
	Title string     `yaml:"title"`
	Steps []stepRule `yaml:"steps"`
}

// stepRule is a step of the default script.
type stepRule struct {
	Text  string   `yaml:"text"`
	Any   []phrase `yaml:"any"`
	Check int64    `yaml:"check"` // or: done when this question of the checklist is a Yes
}

// entitiesFile is entities.yaml.
type entitiesFile struct {
	Labels     []Named  `yaml:"labels"` // words before an order number and the like
	Currencies []phrase `yaml:"currencies"`
	Months     []phrase `yaml:"months"`
	Numerals   []phrase `yaml:"numerals"`
	Stop       []phrase `yaml:"stop"` // words without content, for script alignment
}

// rulesFile is everything the rules say in one language.
type rulesFile struct {
	Feelings   feelingsFile
	Topics     []topicRule
	Reasons    []reasonRule
	Tags       []Named
	Products   []Named
	Signals    signalsFile
	Resolution []Cue
	Conduct    conductFile
	Notes      notesFile
	Checks     []checkRule
	Playbook   playbookFile
	Entities   entitiesFile
	Prose      proseFile
}

func (r *rulesFile) files() map[string]any {
	return map[string]any{
		"sentiment.yaml": &r.Feelings, "topics.yaml": &r.Topics, "reasons.yaml": &r.Reasons, "tags.yaml": &r.Tags,
		"products.yaml": &r.Products, "signals.yaml": &r.Signals, "resolution.yaml": &r.Resolution,
		"operator.yaml": &r.Conduct, "notes.yaml": &r.Notes, "checklist.yaml": &r.Checks, "script.yaml": &r.Playbook,
		"entities.yaml": &r.Entities, "prose.yaml": &r.Prose,
	}
}

var languages = []string{"en", "ru"}

// ruleBytesMax bounds one rules file; the built-in ones are under 40 kB.
const ruleBytesMax = 4 << 20

// source finds rules files: in the supervisor's folder, else the built-in one.
type source struct {
	folder string
	digest []byte
}

// check sees that every YAML file in the folder has a name we would read, so
// that a misspelt one is not silently ignored.
func (s *source) check() error {
	if s.folder == "" {
		return nil
	}
	known := new(rulesFile).files()
	for _, lang := range languages {
		entries, err := os.ReadDir(filepath.Join(s.folder, lang))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("rules folder: %w", err)
		}
		for _, e := range entries {
			ext := filepath.Ext(e.Name())
			if _, ok := known[e.Name()]; !ok && (ext == ".yaml" || ext == ".yml") {
				return fmt.Errorf("rules folder: %s is none of the rules files; the built-in ones have the names to use", filepath.Join(s.folder, lang, e.Name()))
			}
		}
	}
	if _, err := os.Stat(s.folder); err != nil {
		return fmt.Errorf("rules folder: %w", err)
	}
	return nil
}

func (s *source) read(lang, name string) (text []byte, path string, err error) {
	if s.folder != "" {
		path = filepath.Join(s.folder, lang, name)
		info, err := os.Stat(path)
		if err == nil && info.Size() > ruleBytesMax {
			return nil, path, fmt.Errorf("%s is larger than %d bytes", path, ruleBytesMax)
		}
		if err == nil {
			text, err = os.ReadFile(path)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return text, path, err
		}
	}
	path = "rules/" + lang + "/" + name
	text, err = builtin.ReadFile(path)
	return text, path, err
}

// load reads all files of a language. paths names the file each came from.
func (s *source) load(lang string) (*rulesFile, map[string]string, error) {
	r := &rulesFile{}
	paths := map[string]string{}
	files := r.files()
	for _, name := range sortedKeys(files) {
		text, path, err := s.read(lang, name)
		if err != nil {
			return nil, nil, fmt.Errorf("rules: %w", err)
		}
		if err := yaml.UnmarshalWithOptions(text, files[name], yaml.Strict()); err != nil {
			return nil, nil, located(path, err)
		}
		sum := sha256.Sum256(append(s.digest, text...))
		s.digest, paths[name] = sum[:], path
	}
	return r, paths, nil
}

// version names the rules in Analysis.Engine.
func (s *source) version() string { return hex.EncodeToString(s.digest[:4]) }

func located(path string, err error) error {
	var y yaml.Error
	if errors.As(err, &y) && y.GetToken() != nil {
		return fmt.Errorf("rules: %s:%d: %s", path, y.GetToken().Position.Line, y.GetMessage())
	}
	return fmt.Errorf("rules: %s: %s", path, strings.ReplaceAll(err.Error(), "\n", " "))
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
