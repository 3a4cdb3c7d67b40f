package document

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"earshot/schemas"
)

// A section is a heading with blocks below it.
type section struct {
	title  string
	blocks []block
}

// A block is one of: a paragraph, pairs of a label and a value, a list, a table,
// turns of the conversation.
type block struct {
	text  string
	pairs [][2]string
	list  list
	table [][]string // the first row is the head
	turns []turn
}

// list is a title and what stands below it.
type list struct {
	title string
	items []item
}

// item is one thing, with the words that prove it.
type item struct {
	text   string
	proofs []string // quotes with their places: “I want to cancel” (Customer, 1:05)
}

type turn struct {
	at, speaker, role, text string // at and speaker may be ""
}

// maxProofs is how many quotes are shown for one judgement.
const maxProofs = 3

// writing is a document in the making.
type writing struct {
	Call
	lang  string
	words map[string]string
}

func (c Call) in(lang string) *writing {
	lang = language(lang)
	return &writing{c, lang, words[lang]}
}

// sections are the whole content, cleaned.
func (w *writing) sections() []section {
	return []section{w.about(), w.summary(), w.scores(), w.analytics(), w.issues(), w.checklist(), w.transcript()}
}

// pairs collects labelled values; what is not known is left out.
type pairs struct {
	w    *writing
	list [][2]string
}

func (p *pairs) add(key, value string) {
	if value = schemas.Printable(value); strings.TrimSpace(value) != "" {
		p.list = append(p.list, [2]string{p.w.words[key], value})
	}
}

func (w *writing) about() section {
	t := w.Analysis.Task
	p := pairs{w: w}
	p.add("task", strconv.FormatInt(t.ID, 10))
	p.add("task_code", t.Code)
	p.add("file", t.FileName)
	p.add("time", when(t))
	if t.Seconds > 0 {
		p.add("length", clock(t.Seconds))
	}
	p.add("direction", w.words[t.CallType])
	p.add("operator_name", t.OperatorName)
	p.add("client_id", t.ClientID)
	p.add("directory", w.Directory)
	p.add("language", w.Analysis.Language)
	return section{w.words["about"], []block{{pairs: p.list}}}
}

// when is the time of the call, else its day, else when it was submitted.
func when(t schemas.Task) string {
	switch {
	case !t.CallTime.IsZero():
		return t.CallTime.UTC().Format(time.DateTime)
	case t.CallDate != "":
		return t.CallDate
	case t.CreatedAt.IsZero():
		return ""
	}
	return t.CreatedAt.UTC().Format(time.DateTime)
}

func (w *writing) summary() section {
	text := w.Analysis.Summary
	if text == "" && w.Analysis.NoSpeech {
		text = w.words["no_speech"]
	}
	return section{w.words["summary"], []block{{text: schemas.Printable(text)}}}
}

func (w *writing) scores() section {
	a := &w.Analysis
	p := pairs{w: w}
	p.add("resolution", w.term(schemas.DictResolution, a.Resolution))
	if a.CSAT != nil {
		p.add("csat", fmt.Sprintf("%d %s", *a.CSAT, w.words["of_ten"]))
	}
	p.add("sentiment", w.term(schemas.DictTone, a.Tone))
	p.add("politeness", percent(a.Politeness))
	p.add("empathy", percent(a.Empathy))
	if a.Script != nil {
		script := *a.Script / 100
		p.add("script", percent(&script))
	}
	p.add("priority", w.term(schemas.DictPriority, a.Priority))
	p.add("stage", w.term(schemas.DictFunnelStage, a.FunnelStage))
	return section{w.words["scores"], []block{{pairs: p.list}}}
}

func (w *writing) analytics() section {
	a, m := &w.Analysis, &w.Analysis.Metrics
	p := pairs{w: w}
	p.add("reason", a.Reason)
	p.add("intent", a.Intent)
	p.add("product", a.Product)
	p.add("driver", a.Driver)
	p.add("cause", a.RootCause)
	p.add("dynamics", a.Dynamics)
	p.add("next", a.NextAction)
	p.add("tags", strings.Join(a.Tags, ", "))
	measures := pairs{w: w}
	for _, n := range []struct {
		key     string
		seconds *float64
	}{{"operator_talk", m.OperatorTalk}, {"customer_talk", m.CustomerTalk}, {"silence", m.Silence}, {"hold", m.Hold},
		{"first_response", m.FirstResponse}, {"average_response", m.AverageResponse}} {
		if n.seconds != nil {
			measures.add(n.key, clock(*n.seconds))
		}
	}
	if m.Interruptions != nil {
		measures.add("interruptions", strconv.FormatInt(*m.Interruptions, 10))
	}
	return section{w.words["analytics"], []block{{pairs: p.list}, {list: list{title: w.words["measures"]}, pairs: measures.list}}}
}

func (w *writing) issues() section {
	a := &w.Analysis
	s := section{title: w.words["issues"]}
	add := func(key string, items []item) {
		if len(items) > 0 {
			s.blocks = append(s.blocks, block{list: list{w.words[key], items}})
		}
	}
	add("risks", w.signals(schemas.DictRisk, "risk_signals.", a.RiskSignals))
	if proofs := w.proofs("key_obstacles"); len(proofs) > 0 {
		add("obstacles", []item{{schemas.Printable(a.Obstacles), proofs}})
	}
	if len(s.blocks) == 0 {
		s.blocks = append(s.blocks, block{text: w.words["no_issues"]})
	}
	add("sales", w.signals(schemas.DictSales, "sales_signals.", a.SalesSignals))
	add("commitments", w.numbered("operator_commitments.", a.Commitments))
	add("actions", w.numbered("actions.", a.Actions))
	return s
}

// signals are the keys of a dictionary that were found.
func (w *writing) signals(dictionary, judgement string, keys []string) (items []item) {
	for _, key := range keys {
		if key != "none" {
			items = append(items, item{w.term(dictionary, key), w.proofs(judgement + key)})
		}
	}
	return items
}

func (w *writing) numbered(judgement string, texts []string) (items []item) {
	for i, text := range texts {
		items = append(items, item{schemas.Printable(text), w.proofs(judgement + strconv.Itoa(i))})
	}
	return items
}

func (w *writing) proofs(judgement string) (out []string) {
	for _, e := range w.Analysis.Evidence {
		if e.Judgement == judgement && len(out) < maxProofs {
			place := w.speaker(e.Speaker, w.Analysis.Sound.RoleConfidence != nil)
			if e.Start != nil {
				place += ", " + clock(*e.Start)
			}
			quote := strings.ReplaceAll(schemas.Printable(e.Quote), "\n", " ")
			out = append(out, fmt.Sprintf(w.words["quoted"], quote, place))
		}
	}
	return out
}

func (w *writing) checklist() section {
	s := section{title: w.words["checklist"]}
	if len(w.Analysis.Checklist) == 0 {
		s.blocks = []block{{text: w.words["no_checklist"]}}
		return s
	}
	table := [][]string{{w.words["question"], w.words["answer"], w.words["evidence"]}}
	for _, q := range w.Analysis.Checklist {
		quotes := w.proofs("checklist." + strconv.FormatInt(q.ID, 10))
		table = append(table, []string{schemas.Printable(q.Question), schemas.Printable(schemas.AnswerName(q.Answer, w.lang)), strings.Join(quotes, "\n")})
	}
	s.blocks = []block{{table: table}}
	return s
}

func (w *writing) transcript() section {
	s := section{title: w.words["transcript"]}
	if len(w.Utterances) == 0 {
		s.blocks = []block{{text: w.words["no_transcript"]}}
		return s
	}
	if sure := w.Analysis.Sound.RoleConfidence; sure != nil {
		s.blocks = append(s.blocks, block{text: fmt.Sprintf(w.words["guessed"], percent(sure))})
	}
	turns := make([]turn, len(w.Utterances))
	for i, u := range w.Utterances {
		turns[i] = turn{speaker: w.speaker(u.Speaker, u.RoleConfidence != nil), role: u.Speaker, text: schemas.Printable(u.Text)}
		if u.Start != nil {
			turns[i].at = clock(*u.Start)
		}
	}
	s.blocks = append(s.blocks, block{turns: turns})
	if w.Cut {
		s.blocks = append(s.blocks, block{text: w.words["cut"]})
	}
	return s
}

// speaker names a role; one that was guessed has a question mark, as in
// schemas.DialogueText.
func (w *writing) speaker(role string, guessed bool) string {
	name, ok := w.words[role]
	if !ok || role == schemas.RoleUnknown {
		return w.words["unknown"]
	}
	if guessed {
		name += "?"
	}
	return name
}

// term is the name of a dictionary's key, the key itself where it has none.
func (w *writing) term(dictionary, key string) string {
	for _, t := range schemas.Dictionaries[dictionary] {
		if t.Key == key {
			return t.Name(w.lang)
		}
	}
	return schemas.Printable(key)
}

func percent(share *float64) string {
	if share == nil {
		return ""
	}
	return fmt.Sprintf("%.0f%%", 100**share)
}

// clock is a length or a place in the recording: 1:05, 1:02:03.
func clock(seconds float64) string {
	if seconds < 0 || seconds > 1e7 || math.IsNaN(seconds) {
		return ""
	}
	s := int(seconds)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
