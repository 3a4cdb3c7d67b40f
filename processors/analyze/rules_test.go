package analyze

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"earshot/schemas"
)

// folder writes rules files and returns their folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBrokenRulesAreToldWithFileAndLine(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"syntax":            {"en/tags.yaml", "- key: a\n  any: [b\n", "en/tags.yaml:2"},
		"unknown field":     {"en/tags.yaml", "- key: a\n  name: A\n  anny: [b]\n", `en/tags.yaml:3: unknown field "anny"`},
		"not a list":        {"ru/tags.yaml", "- key: a\n  any: b\n", "ru/tags.yaml:2"},
		"unknown risk":      {"en/signals.yaml", "risks:\n- key: chrun\n  any: [leave]\n", `en/signals.yaml:2: "chrun" is not in dictionary risk_signal`},
		"unknown priority":  {"en/signals.yaml", "risks:\n- key: churn\n  priority: soon\n  any: [leave]\n", `en/signals.yaml:2: "soon" is not in dictionary priority`},
		"unknown speaker":   {"en/tags.yaml", "- {key: a, name: A, any: [b]}\n- {key: c, name: C, who: boss, any: [d]}\n", `en/tags.yaml:2: who is "boss"`},
		"open bracket":      {"en/tags.yaml", "- key: a\n  name: A\n  any:\n  - fine\n  - (left|right\n", `en/tags.yaml:5: phrase "(left|right": ( without )`},
		"optional phrase":   {"en/tags.yaml", "- {key: a, name: A, any: [maybe?]}\n", "en/tags.yaml:1"},
		"two weights":       {"en/sentiment.yaml", "lexicon:\n- {weight: 1, any: [good]}\n- {weight: 2, any: [goods]}\n", `en/sentiment.yaml:3: "goods" has two weights, 1 and 2`},
		"no weight":         {"en/sentiment.yaml", "lexicon:\n- {weight: 9, any: [good]}\n", "en/sentiment.yaml:2: weight 9"},
		"missing prose":     {"ru/prose.yaml", "story: Клиент %s.\n", "ru/prose.yaml:1"},
		"reason off topic":  {"en/reasons.yaml", "- key: a\n  topic: none\n  story: s\n  reason: r\n  intent: i\n  any: [b]\n", `en/reasons.yaml:1: topic "none"`},
		"unknown file":      {"en/topic.yaml", "[]", "topic.yaml is none of the rules files"},
		"question given id": {"en/checklist.yaml", "- {id: 1, question: A, keywords: [a]}\n- {id: 1, question: B, keywords: [b]}\n", "en/checklist.yaml:2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(Config{Rules: folder(t, map[string]string{c.file: c.text})})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if _, err := New(Config{Rules: filepath.Join(t.TempDir(), "gone")}); err == nil {
		t.Error("a missing folder is no error")
	}
}

func TestFolderReplacesFileByFile(t *testing.T) {
	a, err := New(Config{Rules: folder(t, map[string]string{"en/tags.yaml": "- {key: parrot, name: Parrot, any: [parrot]}\n"})})
	if err != nil {
		t.Fatal(err)
	}
	builtin, err := analyser()
	if err != nil {
		t.Fatal(err)
	}
	in := Input{Utterances: turns("c: My parrots want a refund for the eSIM!")}
	got, usual := a.Analyze(in), builtin.Analyze(in)
	if !slices.Equal(got.Tags, []string{"Parrot"}) || !slices.Contains(usual.Tags, "eSIM") {
		t.Errorf("tags %q, built-in %q", got.Tags, usual.Tags)
	}
	if got.RiskSignals[0] != "refund" {
		t.Error("the other files are not the built-in ones")
	}
	if got.Engine == usual.Engine {
		t.Error("other rules, but the same engine version", got.Engine)
	}
}

// The two languages must answer the same questions with the same ids.
func TestLanguagesAgree(t *testing.T) {
	a, err := analyser()
	if err != nil {
		t.Fatal(err)
	}
	en, ru := a.sets["en"], a.sets["ru"]
	keys := func(rs *ruleset) (keys []string) {
		for _, x := range rs.Topics {
			keys = append(keys, "topic "+x.Key.Text)
			if shown := schemas.TopicName(x.Key.Text, rs.lang); shown != x.Name {
				t.Errorf("topic %s is called %q in %s and %q in reports", x.Key.Text, x.Name, rs.lang, shown)
			}
		}
		for _, x := range rs.Reasons {
			keys = append(keys, "reason "+x.Key.Text)
		}
		slices.Sort(keys)
		return keys
	}
	for _, k := range keys(en) {
		if _, ok := slices.BinarySearch(keys(ru), k); !ok && k != "reason service_down" {
			t.Errorf("%s is missing in ru", k)
		}
	}
	for i := range en.Checks {
		if en.Checks[i].ID != ru.Checks[i].ID || en.Checks[i].Extra != ru.Checks[i].Extra {
			t.Errorf("checklist question %d differs", en.Checks[i].ID)
		}
	}
	for _, rs := range a.sets {
		if len(rs.lex) < 400 || len(rs.Topics) < 18 {
			t.Errorf("%s: %d lexicon entries, %d topics", rs.lang, len(rs.lex), len(rs.Topics))
		}
	}
}

func TestOwnQuestionsAndScripts(t *testing.T) {
	in := Input{Utterances: turns(chatRefund)}
	in.Questions = []schemas.ChecklistQuestion{
		{ID: 70, Question: "Did the agent introduce himself by name?", Active: true},
		{ID: 71, Question: "Was a switched off question asked?"},
		{ID: 72, Question: "Courier will pick up the product tomorrow", Active: true},
		{ID: 73, Question: "Extended warranty against lightning was recommended", Active: true},
		{ID: 74, Question: "Was the operator polite?", Active: true},
	}
	in.Scripts = []schemas.Script{
		{ID: 1, Version: 2, Active: true, Body: "Welcome aboard the spaceship.\nCheck the oxygen level."},
		{ID: 2, Version: 5, Active: true, Body: "Greet the customer\nAsk for the phone number\nOffer a replacement or a refund\nTell about loyalty cards\nAsk if anything else can help"},
		{ID: 3, Version: 1, Body: "Good afternoon"},
	}
	got := analyse(t, in)
	answers := map[int64]string{}
	for _, a := range got.Checklist {
		answers[a.ID] = a.Answer
	}
	want := map[int64]string{70: "Yes", 72: "Yes", 73: "No", 74: "Yes"}
	for id, w := range want {
		if answers[id] != w {
			t.Errorf("question %d: %q, want %q", id, answers[id], w)
		}
	}
	if len(answers) != len(want) {
		t.Errorf("answers %v", answers)
	}
	if got.ScriptID != 2 || got.ScriptVer != 5 || *got.Script != 80 {
		t.Errorf("script %d version %d: %v", got.ScriptID, got.ScriptVer, *got.Script)
	}
	if e := evidence(got, "script.3"); e != nil {
		t.Errorf("evidence for a step that was left out: %+v", e)
	}
	if e := evidence(got, "checklist.72"); e == nil || !strings.Contains(e.Quote, "courier") {
		t.Errorf("checklist.72: %+v", e)
	}
}

func evidence(a schemas.Analysis, judgement string) *schemas.Evidence {
	for i := range a.Evidence {
		if a.Evidence[i].Judgement == judgement {
			return &a.Evidence[i]
		}
	}
	return nil
}

func TestEvidenceIsTheSentenceOfTheRightSpeaker(t *testing.T) {
	got := analyse(t, Input{Utterances: turns(chatRude)})
	for judgement, want := range map[string]schemas.Evidence{
		"reason_for_contact": {Turn: 1, Speaker: "customer", Quote: "Мне дважды списали деньги за телефон!"},
		"risk_signals.legal": {Turn: 3, Speaker: "customer", Quote: "Соедините меня с руководителем, иначе подам в суд!"},
		"risk_signals.churn": {Turn: 5, Speaker: "customer", Quote: "Больше никогда не буду у вас обслуживаться, расторгаю договор."},
		"politeness":         {Turn: 0, Speaker: "operator", Quote: "Что вам надо?"},
	} {
		e := evidence(got, judgement)
		want.Judgement = judgement
		if e == nil || *e != want {
			t.Errorf("got %+v, want %+v", e, want)
		}
	}
	for _, j := range []string{"sentiment", "csat", "resolution", "priority", "topics.complaint", "intent"} {
		if evidence(got, j) == nil {
			t.Errorf("no evidence for %s", j)
		}
	}
}
