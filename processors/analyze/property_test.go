package analyze

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"earshot/schemas"
)

// check holds for every analysis whatever the input: quotes are literal, keys
// are in their dictionaries, scores are in range.
func check(t testing.TB, in Input, got schemas.Analysis) {
	t.Helper()
	for _, e := range got.Evidence {
		i := slices.IndexFunc(in.Utterances, func(u schemas.Utterance) bool { return u.Turn == e.Turn })
		if i < 0 {
			t.Fatalf("evidence of a turn that is not there: %+v", e)
		}
		u := in.Utterances[i]
		if e.Quote == "" || e.Judgement == "" || e.Speaker != u.Speaker || e.Start != u.Start || !strings.Contains(u.Text, e.Quote) {
			t.Fatalf("%+v is not in %+v", e, u)
		}
		if utf8.ValidString(u.Text) && !utf8.ValidString(e.Quote) {
			t.Fatalf("quote cuts a letter: %q", e.Quote)
		}
	}
	// The warehouse tells a reason from none by this.
	shown := slices.ContainsFunc(got.Evidence, func(e schemas.Evidence) bool { return e.Judgement == "reason_for_contact" })
	if shown == slices.Contains([]string{"not clear", "не ясно"}, got.Reason) {
		t.Fatalf("reason %q, with words that show it: %v", got.Reason, shown)
	}
	if got.NoSpeech && (got.Sentiment != "" || got.Tone != "") || !got.NoSpeech && !slices.Contains(sentiments, got.Sentiment) || !slices.Contains(resolutions, got.Resolution) || !slices.Contains(ranks, got.Priority) {
		t.Fatalf("sentiment %q, resolution %q, priority %q", got.Sentiment, got.Resolution, got.Priority)
	}
	keys := map[string][]string{
		schemas.DictResolution: {got.Resolution}, schemas.DictPriority: {got.Priority},
		schemas.DictFunnelStage: {got.FunnelStage}, schemas.DictRisk: got.RiskSignals, schemas.DictSales: got.SalesSignals,
	}
	if !got.NoSpeech {
		keys[schemas.DictTone] = []string{got.Tone}
	}
	for dict, list := range keys {
		if len(list) == 0 {
			t.Fatalf("nothing of dictionary %s", dict)
		}
		for _, k := range list {
			if schemas.TermID(dict, k) == 0 {
				t.Fatalf("%q is not in dictionary %s", k, dict)
			}
		}
	}
	inRange(t, "sentiment", &got.SentimentScore, -1, 1)
	inRange(t, "politeness", got.Politeness, 0, 1)
	inRange(t, "empathy", got.Empathy, 0, 1)
	inRange(t, "script", got.Script, 0, 100)
	if got.CSAT != nil && (*got.CSAT < 0 || *got.CSAT > 10) {
		t.Fatalf("CSAT %d", *got.CSAT)
	}
	for _, u := range got.Utterances {
		inRange(t, "turn", u.Sentiment, -1, 1)
	}
	for _, a := range got.Checklist {
		if want, ok := map[string]float64{"Yes": 1, "Partially": 0.5, "No": 0}[a.Answer]; !ok || want != a.Score {
			t.Fatalf("%+v", a)
		}
	}
	for _, s := range []string{got.Summary, got.Intent, got.Reason, got.Product, got.RootCause, got.Driver, got.Obstacles, got.Dynamics, got.NextAction, got.Engine} {
		if strings.TrimSpace(s) == "" || strings.Contains(s, "%s") || strings.ContainsAny(s, "{}") && !strings.ContainsAny(allText(in), "{}") {
			t.Fatalf("prose %q", s)
		}
	}
}

func allText(in Input) string {
	var b strings.Builder
	for _, u := range in.Utterances {
		b.WriteString(u.Text)
	}
	return b.String()
}

func inRange(t testing.TB, name string, x *float64, low, high float64) {
	t.Helper()
	if x != nil && !(*x >= low && *x <= high) {
		t.Fatalf("%s %v", name, *x)
	}
}

func FuzzAnalyze(f *testing.F) {
	for _, d := range []string{chatRefund, chatOutageRu, chatNoCancel, chatRude, chatUnlabelled} {
		f.Add(d, "", "Did the operator greet the customer?", "Hello, how can I help you?\nThank you, goodbye")
	}
	f.Add("c: $ 1 000 руб. №5 1.2.3 '' it's -5- 12:30 i'll send, \xff\xfe ё́", "und", "? ?", "\n\n..\n")
	f.Fuzz(func(t *testing.T, dialogue, language, question, script string) {
		in := Input{Language: language, Utterances: turns(dialogue)}
		in.Questions = []schemas.ChecklistQuestion{{ID: 7, Question: question, Active: question != ""}}
		in.Scripts = []schemas.Script{{ID: 3, Body: script, Active: script != ""}}
		analyse(t, in)
	})
}

// Hostile size: one line of 10 MB, or many turns, take seconds at most and yield
// bounded lists. The limit is loose: a quadratic step would take hours.
func TestGiants(t *testing.T) {
	line := strings.Repeat("i will send you the refund of $5 for order 12345 and cancel it again not good 2025 ", 10<<20/83)
	ru := strings.Repeat("верните деньги перезвоню вам завтра не работает заказ 12345 очень плохо ", 1<<20/120)
	many := strings.Repeat("c: I want a refund, order 99120!\no: I'll call you back. Sorry about that.\n", 10_000)
	for name, us := range map[string][]schemas.Utterance{
		"one line":     {{Speaker: schemas.RoleUnknown, Text: line}},
		"russian line": {{Speaker: schemas.RoleCustomer, Text: ru}},
		"one word":     {{Speaker: schemas.RoleCustomer, Text: strings.Repeat("нет", 1<<18)}},
		"marks":        {{Speaker: schemas.RoleOperator, Text: strings.Repeat("-.,", 1<<18) + "sorry"}},
		"many turns":   turns(many),
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			got := analyse(t, Input{Utterances: us})
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			if len(got.Evidence) > evidenceMax || len(got.Commitments) > deedsMax || len(got.Summary) > 2000 {
				t.Errorf("%d quotes, %d commitments, summary of %d bytes", len(got.Evidence), len(got.Commitments), len(got.Summary))
			}
			for _, e := range got.Evidence {
				if len(e.Quote) > quoteMax+formMax {
					t.Errorf("a quote of %d bytes", len(e.Quote))
				}
			}
		})
	}
}
