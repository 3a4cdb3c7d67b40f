package analyze

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"earshot/schemas"
)

func TestCategories(t *testing.T) {
	categories := []schemas.Category{
		{ID: 1, Name: "Accounting", Description: "charged twice, invoice; lifetime hardware guarantee policy"},
		{ID: 2, Name: "Technical support", Description: "not working, router\nfirmware"},
		{ID: 3, Name: "Отмена договора", Description: "расторгнуть договор, отключить услугу"},
		{ID: 4, Name: "the and of", Description: ", ;\n."}, // no word that tells anything
		{ID: 5, Name: "Возврат денег"},
		{ID: 6, Name: "Refund"},
	}
	for name, c := range map[string]struct {
		dialogue string
		want     []int64
		quote    string // in the proof of the first
	}{
		"a phrase of the description, in other forms": {"c: They are charging me two times, it was charged twice!\no: I will look.", []int64{1}, "charged twice"},
		"what an operator says counts too":            {"c: Hi.\no: Please update the firmware of your routers.", []int64{2}, "routers"},
		"words apart are no phrase":                   {"c: It is charged.\no: I called you twice.", nil, ""},
		"most words of a long phrase":                 {"c: Is there a guarantee policy for the hardware?", []int64{1}, "guarantee"},
		"Russian forms":                               {"c: Хочу отключить у вас услуги.\no: Сейчас посмотрю.", []int64{3}, "отключить"},
		"two at once":                                 {"c: Send me the invoice, the router is broken.", []int64{1, 2}, "invoice"},
		"by the name of the topic":                    {"c: I want my money back.\no: Done.", []int64{6}, "money"},
		"nothing":                                     {"c: Hello.\no: Good day.", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{Utterances: turns(c.dialogue), Categories: categories}
			got := analyse(t, in)
			if !reflect.DeepEqual(got.Categories, c.want) {
				t.Fatalf("categories %v, want %v (topics %v, reason %q)", got.Categories, c.want, got.Topics, got.Reason)
			}
			for _, id := range c.want {
				judgement := "category." + number(int(id))
				i := slices.IndexFunc(got.Evidence, func(e schemas.Evidence) bool { return e.Judgement == judgement })
				if i < 0 || id == c.want[0] && !strings.Contains(got.Evidence[i].Quote, c.quote) {
					t.Errorf("no proof of %d with %q in %+v", id, c.quote, got.Evidence)
				}
			}
		})
	}
}

// A scanner that comes from the pool knows nothing of the categories of another
// organisation.
func TestCategoriesDoNotLeak(t *testing.T) {
	talk := turns("c: The invoice is wrong.")
	if got := analyse(t, Input{Utterances: talk, Categories: []schemas.Category{{ID: 9, Name: "Invoice"}}}); !reflect.DeepEqual(got.Categories, []int64{9}) {
		t.Fatal(got.Categories)
	}
	for range 4 {
		if got := analyse(t, Input{Utterances: talk}); got.Categories != nil {
			t.Fatal(got.Categories)
		}
	}
}

// What a person answered outlives a re-analysis, and nobody's quote proves it.
func TestAnswersOfAPersonStay(t *testing.T) {
	talk := turns("o: Hello, my name is Olga.\nc: Hi.")
	questions := []schemas.ChecklistQuestion{{ID: 101, Question: "Did the operator greet the customer?", Active: true}, {ID: 102, Question: "Did they introduce themselves?", Active: true}}
	before := analyse(t, Input{Utterances: talk, Questions: questions})
	if len(before.Checklist) != 2 || before.Checklist[0].Answer != schemas.AnswerYes {
		t.Fatalf("%+v", before.Checklist)
	}
	before.Version = 4
	before.Checklist[0] = schemas.ChecklistAnswer{ID: 101, Question: "Did the operator greet the customer?", Answer: schemas.AnswerNo, AnsweredBy: 7}
	before.Checklist = append(before.Checklist, schemas.ChecklistAnswer{ID: 90, Question: "Gone?", Answer: schemas.AnswerPartially, Score: 0.5, AnsweredBy: 8})
	for name, in := range map[string]Input{"": again(Input{Questions: questions}, before, schemas.AnalysisRequested{}), "nobody spoke": again(Input{Questions: questions}, schemas.Analysis{NoSpeech: true, Version: 4, Checklist: before.Checklist}, schemas.AnalysisRequested{})} {
		got := analyse(t, in)
		kept := slices.DeleteFunc(slices.Clone(got.Checklist), func(a schemas.ChecklistAnswer) bool { return a.AnsweredBy == 0 })
		if want := []schemas.ChecklistAnswer{before.Checklist[0], before.Checklist[2]}; got.Version != 5 || !reflect.DeepEqual(kept, want) {
			t.Errorf("%s: version %d, %+v", name, got.Version, got.Checklist)
		}
		for _, e := range got.Evidence {
			if e.Judgement == "checklist.101" {
				t.Errorf("%s: %+v", name, e)
			}
		}
	}
	// All else is judged as before.
	got := analyse(t, again(Input{Questions: questions}, before, schemas.AnalysisRequested{}))
	if got.Summary != before.Summary || got.Language != before.Language || !reflect.DeepEqual(got.Utterances, before.Utterances) || got.Checklist[1] != before.Checklist[1] {
		t.Errorf("%+v", got)
	}
}

func TestBuiltInChecklist(t *testing.T) {
	all, err := Checklist(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range languages {
		got := analyse(t, Input{Language: lang, Utterances: turns("o: a")})
		var asked []schemas.ChecklistQuestion
		for _, a := range got.Checklist {
			asked = append(asked, schemas.ChecklistQuestion{ID: a.ID, Question: a.Question, Active: true})
		}
		if len(asked) == 0 || !reflect.DeepEqual(all[lang], asked) {
			t.Errorf("%s: listed %+v\nasked %+v", lang, all[lang], asked)
		}
		for _, q := range asked {
			if q.ID >= schemas.FirstQuestion {
				t.Errorf("question %d could be an organisation's own", q.ID)
			}
		}
	}
	if _, err := Checklist(Config{Rules: t.TempDir() + "/none"}); err == nil {
		t.Error("a missing folder of rules")
	}
}
