package document

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"earshot/schemas"
)

var keep = flag.String("keep", "", "folder to keep the documents in, to look at")

func ptrTo[T any](v T) *T { return &v }

// sample is a call with everything that a document shows.
func sample() Call {
	at := func(s float64) *float64 { return &s }
	c := Call{Directory: "Продажи & Co", Analysis: schemas.Analysis{
		Task: schemas.Task{ID: 78157, Code: "0199f3a0-0000-7000-8000-000000000001", FileName: "rec_2025-10-20 «Анна».wav", OperatorName: "Ivan Petrov",
			ClientID: "C-42", CallType: "inbound", CallTime: time.Date(2025, 10, 20, 7, 0, 0, 0, time.UTC), Seconds: 754.2},
		Language: "en", Summary: "The customer asked for a refund of $249.99 because the parcel came broken. The operator apologised and promised to send the courier. The matter is in progress; the customer is content with that.",
		Tone: "mixed", Resolution: "partially_resolved", Priority: "medium", FunnelStage: "retention", CSAT: ptrTo(int64(7)), Politeness: at(0.95), Empathy: at(0.8), Script: at(83.3),
		Reason: "Refund of a damaged item", Intent: "get the money back", Product: "vase", Driver: "speed of the refund", RootCause: "damaged in transit", Obstacles: "the courier comes only on Friday",
		Dynamics: "irritated, then calm", NextAction: "The operator should send the courier", Tags: []string{"Refund", "Damaged item", "order 45821"},
		RiskSignals: []string{"churn", "refund"}, SalesSignals: []string{"upsell"}, Commitments: []string{"send the courier on Friday"}, Actions: []string{"Send the courier on Friday", "Make the customer an offer to stay"},
		Checklist: []schemas.ChecklistAnswer{{ID: 1, Question: "Did the operator introduce themselves?", Answer: schemas.AnswerYes, Score: 1},
			{ID: 2, Question: "Did the operator clarify the purpose of the call?", Answer: schemas.AnswerPartially, Score: 0.5}, {ID: 3, Question: "Did the operator offer further help?", Answer: schemas.AnswerNo}},
		Metrics: schemas.Metrics{OperatorTalk: at(301), CustomerTalk: at(250), Silence: at(42), Hold: at(65), Interruptions: ptrTo(int64(2)), FirstResponse: at(1.2), AverageResponse: at(2.6)},
		Evidence: []schemas.Evidence{{Judgement: "risk_signals.churn", Turn: 1, Speaker: "customer", Quote: "I will cancel my account", Start: at(65)}, {Judgement: "risk_signals.refund", Turn: 1, Speaker: "customer", Quote: "I want my money back", Start: at(61)},
			{Judgement: "key_obstacles", Turn: 2, Speaker: "operator", Quote: "only on Friday", Start: at(300)}, {Judgement: "checklist.1", Turn: 0, Speaker: "operator", Quote: "my name is Ivan", Start: at(3)},
			{Judgement: "checklist.2", Turn: 0, Speaker: "operator", Quote: "what is it about", Start: at(8)}, {Judgement: "actions.0", Turn: 2, Speaker: "operator", Quote: "I will send the courier on Friday", Start: at(305)}},
		CreatedAt: time.Date(2025, 10, 20, 7, 30, 0, 0, time.UTC),
	}}
	for i := range 60 {
		u := schemas.Utterance{Turn: int64(i), Speaker: schemas.RoleOperator, Start: at(float64(12 * i)), Text: fmt.Sprintf("Good afternoon, this is turn %d. How can I help you with the parcel that you told me about, and when did it arrive?", i)}
		if i%2 == 1 {
			u.Speaker, u.Text = schemas.RoleCustomer, fmt.Sprintf("Здравствуйте, это реплика %d.\nПосылка пришла разбитой, хочу вернуть деньги.", i)
		}
		c.Utterances = append(c.Utterances, u)
	}
	return c
}

func docxOf(t testing.TB, c Call, lang string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := c.DOCX(&b, lang); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func txtOf(t testing.TB, c Call, lang string) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.TXT(&b, lang); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// pages are the words of a document as LibreOffice lays it out, a string a page.
func pages(t *testing.T, name string, document []byte) []string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, name+".docx")
	if err := os.WriteFile(file, document, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	run := func(program string, args ...string) []byte {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env = append(os.Environ(), "HOME="+dir) // a profile of its own
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s (deploy/setup/apt.sh installs it): %v\n%s", program, err, out)
		}
		return out
	}
	run("libreoffice", "--headless", "--convert-to", "pdf", "--outdir", dir, file)
	pdf := filepath.Join(dir, name+".pdf")
	run("pdftotext", "-layout", pdf, filepath.Join(dir, "text"))
	text, err := os.ReadFile(filepath.Join(dir, "text"))
	if err != nil {
		t.Fatal(err)
	}
	if *keep != "" {
		run("cp", pdf, file, *keep)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\f"), "\f")
}

var spaces = regexp.MustCompile(`\s+`)

func TestDocxOpensInLibreOffice(t *testing.T) {
	for lang, want := range map[string][]string{
		"en": {"Call report", "rec_2025-10-20 «Анна».wav", "Task 78157", "2025-10-20 07:00:00", "12:34", "inbound", "Ivan Petrov", "Продажи & Co", "Summary The customer asked for a refund of $249.99",
			"Customer satisfaction 7 of 10", "Operator's politeness 95%", "Kept to the script 83%", "Measures", "On hold 1:05", "Issues", "Churn", "“I will cancel my account” (Customer, 1:05)", "the courier comes only on Friday",
			"What should be done", "Checklist", "Did the operator introduce", "Yes “my name is Ivan” (Operator, 0:03)", "Partially", "Transcript", "0:00 Operator: Good afternoon, this is turn 0.", "0:12 Customer: Здравствуйте, это реплика 1.", "turn 58", "реплика 59"},
		"ru": {"Отчёт о звонке", "Задача 78157", "входящий", "Кратко", "Удовлетворённость клиента 7 из 10", "Соответствие скрипту 83%", "Проблемы", "«I want my money back» (Клиент, 1:01)", "Чек-лист", "Да", "Частично", "Нет", "Расшифровка", "Оператор: Good afternoon"},
	} {
		t.Run(lang, func(t *testing.T) {
			got := pages(t, "call-"+lang, docxOf(t, sample(), lang))
			if len(got) < 3 || len(got) > 8 {
				t.Errorf("%d pages", len(got))
			}
			all := spaces.ReplaceAllString(strings.Join(got, " "), " ")
			at := 0
			for _, w := range want { // in this order
				i := strings.Index(all[at:], w)
				if i < 0 {
					t.Errorf("no %q after %.40q in\n%s", w, all[max(0, at-20):], all)
					break
				}
				at += i
			}
			for i, p := range got {
				if !strings.Contains(p, fmt.Sprint(words[lang]["page"], " ", i+1)) {
					t.Errorf("page %d has no number", i+1)
				}
			}
		})
	}
}

// hostile is a call whose every text tries to be something else.
func hostile() Call {
	const bad = "<script>alert(1)</script> =cmd()|' /C calc'!A0 \x00\x01\x1b\u202egpj.exe\u2066\ufffe ]]> &amp; <w:p/> \xff\xfe"
	a := schemas.Analysis{Task: schemas.Task{FileName: bad, OperatorName: bad, ClientID: bad, Code: bad, CallType: bad}, Summary: bad, Tone: bad, Resolution: bad, Priority: bad, FunnelStage: bad,
		Language: "<\"", Reason: bad, Intent: bad, Product: bad, Driver: bad, RootCause: bad, Obstacles: bad, Dynamics: bad, NextAction: bad, Tags: []string{bad}, RiskSignals: []string{bad},
		SalesSignals: []string{bad}, Commitments: []string{bad}, Actions: []string{bad}, Checklist: []schemas.ChecklistAnswer{{ID: 1, Question: bad, Answer: bad}},
		Evidence: []schemas.Evidence{{Judgement: "checklist.1", Speaker: bad, Quote: bad}, {Judgement: "key_obstacles", Quote: bad}, {Judgement: "actions.0", Quote: bad}}}
	return Call{Analysis: a, Directory: bad, Cut: true, Utterances: []schemas.Utterance{{Speaker: bad, Text: bad}, {Speaker: schemas.RoleCustomer, Text: strings.Repeat(bad+"\n", 100)}}}
}

// Whatever the texts are, the document is well-formed XML with nothing in it that
// a text brought, and both say what is left.
func TestTextsStayTexts(t *testing.T) {
	document := docxOf(t, hostile(), "ru")
	z, err := zip.NewReader(bytes.NewReader(document), int64(len(document)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		if !strings.HasSuffix(f.Name, ".xml") && !strings.HasSuffix(f.Name, ".rels") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(r)
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local == "script" {
				t.Errorf("%s holds a script", f.Name)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.Join(pages(t, "hostile", document), " ")
	for name, s := range map[string]string{"DOCX": text, "TXT": txtOf(t, hostile(), "ru")} {
		if !strings.Contains(s, "/gettask") { // the note that it was cut
			t.Errorf("%s does not say that it goes on", name)
		}
		if !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\x01\x1b\u202e\u2066\ufffe") || !strings.Contains(s, "<script>alert(1)</script> =cmd()") {
			t.Errorf("%s: %.300q", name, s)
		}
	}
}

func TestText(t *testing.T) {
	got := txtOf(t, sample(), "en")
	for _, want := range []string{"Call report\n===========\n", "\nTask: 78157\n", "\nDuration: 12:34\n", "\nCustomer satisfaction: 7 of 10\n", "\nRisks:\n- ", "\n  “I will cancel my account” (Customer, 1:05)\n",
		"\n- Did the operator introduce themselves? Yes\n  “my name is Ivan” (Operator, 0:03)\n", "\n[0:12] Customer: Здравствуйте, это реплика 1.\n    Посылка"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	// Nothing is known: nothing is made up.
	empty := txtOf(t, Call{Analysis: schemas.Analysis{NoSpeech: true, Resolution: "unknown", Priority: "low", FunnelStage: "none", RiskSignals: []string{"none"}, SalesSignals: []string{"none"}}}, "de")
	for _, want := range []string{"Nobody speaks in this recording.", "No issues were found.", "There is no transcript.", "No checklist was answered"} {
		if !strings.Contains(empty, want) {
			t.Errorf("no %q in\n%s", want, empty)
		}
	}
	if strings.Contains(empty, "satisfaction") || strings.Contains(empty, "%") || strings.Contains(empty, "Measures") {
		t.Errorf("it tells what nobody knows:\n%s", empty)
	}
}

func TestGuessedRolesAreMarked(t *testing.T) {
	c := sample()
	sure := 0.9
	c.Analysis.Sound.RoleConfidence, c.Utterances[0].RoleConfidence = &sure, &sure
	c.Utterances[1].Speaker = schemas.RoleUnknown
	got := txtOf(t, c, "en")
	for _, want := range []string{"90% sure", "[0:00] Operator?: ", "[0:12] Speaker unknown: ", "(Customer?, 1:05)"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestBothLanguagesSayTheSame(t *testing.T) {
	keysOf := func(lang string) (keys []string) {
		for k, v := range words[lang] {
			if keys = append(keys, k); v == "" {
				t.Errorf("%s: %s is empty", lang, k)
			}
		}
		slices.Sort(keys)
		return keys
	}
	if en, ru := keysOf("en"), keysOf("ru"); !slices.Equal(en, ru) {
		t.Errorf("en %v\nru %v", en, ru)
	}
	// A document that uses a word which is not there has an empty heading or label.
	for _, lang := range []string{"en", "ru"} {
		for _, s := range sample().in(lang).sections() {
			for _, b := range s.blocks {
				for _, p := range b.pairs {
					if s.title == "" || p[0] == "" {
						t.Errorf("%s: %q: %v", lang, s.title, p)
					}
				}
			}
		}
	}
}

// A call of ten hours makes a document in bounded time.
func BenchmarkDocx(b *testing.B) {
	c := sample()
	for range 7 {
		c.Utterances = append(c.Utterances, c.Utterances...)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := c.DOCX(io.Discard, "en"); err != nil {
			b.Fatal(err)
		}
	}
}
