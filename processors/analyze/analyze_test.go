package analyze

import (
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"earshot/processors"
	"earshot/processors/measure"
	"earshot/schemas"
)

var analyser = sync.OnceValues(func() (*Analyzer, error) { return New(Config{}) })

func analyse(t testing.TB, in Input) schemas.Analysis {
	t.Helper()
	a, err := analyser()
	if err != nil {
		t.Fatal(err)
	}
	in.Now = time.Unix(1_760_000_000, 0).UTC()
	got := a.Analyze(in)
	check(t, in, got)
	return got
}

// expect is what a supervisor would say of a conversation. Empty fields are
// not compared; lists must hold what is named; not must be absent.
type expect struct {
	language, sentiment, tone, resolution, priority, funnel string
	csat                                                    [2]int64 // inclusive
	polite                                                  [2]float64
	empathy                                                 [2]float64
	risks, sales                                            []string // exactly
	topics, tags                                            []string // among others
	commitments                                             []string // each a part of one, in order
	summary                                                 []string // parts, in order
	notSummary                                              []string
	reason, intent, dynamics                                string
	yes, no                                                 []int64 // checklist
}

func TestDialogues(t *testing.T) {
	none := []string{"none"}
	for name, c := range map[string]struct {
		dialogue string
		want     expect
	}{
		"refund, the courier still to come": {chatRefund, expect{
			language: "en", sentiment: "positive", resolution: "partially_resolved", priority: "medium", funnel: "none", csat: [2]int64{6, 9}, polite: [2]float64{0.8, 1}, empathy: [2]float64{0.7, 1},
			risks: []string{"refund"}, sales: none, topics: []string{"refund"}, tags: []string{"Damaged item", "Refund", "order 45821"},
			commitments: []string{"send the courier", "send the customer the return label by email"},
			summary:     []string{"The customer", "refund of $249.99", "The operator", "promised to send", "in progress", "order 45821"},
			reason:      "Refund", yes: []int64{1, 2, 4, 5, 6, 8}}},
		"outage, in progress": {chatOutageRu, expect{
			language: "ru", resolution: "partially_resolved", priority: "high", funnel: "none", csat: [2]int64{3, 7}, polite: [2]float64{0.8, 1}, empathy: [2]float64{0.7, 1},
			risks: []string{"churn", "repeat_contact"}, sales: []string{"competitor"}, topics: []string{"outage"}, tags: []string{"Роутер", "Авария", "Удалённая работа"},
			commitments: []string{"восстановить связь сегодня до 18:00", "перезвонить клиенту сегодня в 18:30", "сделать перерасчёт"},
			summary:     []string{"Клиент сообщил, что не работает интернет", "Оператор", "пообещал", "Вопрос в работе"},
			reason:      "Не работает интернет", yes: []int64{1, 2, 4, 5, 6, 7, 8, 9}}},
		"not going to cancel": {chatNoCancel, expect{
			language: "en", sentiment: "positive", resolution: "resolved", priority: "low", csat: [2]int64{8, 10}, risks: none, sales: []string{"renewal"},
			commitments: []string{"make sure the customer gets a confirmation by email"}, notSummary: []string{"cancel", "complain"}, yes: []int64{1, 2, 3, 9}}},
		"will not complain": {chatNoComplaintRu, expect{
			language: "ru", sentiment: "positive", resolution: "resolved", csat: [2]int64{7, 10}, risks: none, priority: "medium",
			tags: []string{"Скидка"}, commitments: []string{"отправить клиенту на почту"}, notSummary: []string{"жал", "потребовал"}, yes: []int64{1, 2, 5, 6, 9}}},
		"password, lower case and no apostrophes": {chatPassword, expect{
			language: "en", sentiment: "positive", resolution: "resolved", csat: [2]int64{8, 10}, risks: none, sales: none, topics: []string{"account_access"}, tags: []string{"Password reset", "Login"},
			summary: []string{"The customer could not get into the account.", "The operator", "settled"}, reason: "No access", intent: "get access to the account", yes: []int64{1, 2, 4, 6, 9}, no: []int64{8}}},
		"fraud": {chatFraud, expect{
			language: "en", resolution: "partially_resolved", priority: "critical", risks: []string{"refund", "fraud"}, sales: none, topics: []string{"fraud_security"}, csat: [2]int64{4, 7}, polite: [2]float64{0.7, 1},
			summary: []string{"reported a suspicious operation of 400 euros", "blocked the card", "promised to register a claim"}, reason: "Suspected fraud", yes: []int64{1, 2, 4, 5, 6, 7, 9}}},
		"rude operator": {chatRude, expect{
			language: "ru", sentiment: "negative", tone: "negative", resolution: "unresolved", priority: "critical", csat: [2]int64{0, 1}, polite: [2]float64{0, 0.2}, empathy: [2]float64{0, 0.2},
			risks: []string{"churn", "complaint", "escalation", "legal", "refund"}, sales: none, commitments: []string{},
			summary: []string{"Клиент сообщил о двойном списании денег", "отказал в помощи", "клиент ушёл недовольным"}, reason: "Двойное списание", no: []int64{1, 2, 4, 5, 7, 8, 9}}},
		"sale": {chatSaleRu, expect{
			language: "ru", sentiment: "positive", funnel: "purchase", risks: none, priority: "medium", csat: [2]int64{7, 10},
			sales: []string{"purchase_intent", "price_interest"}, topics: []string{"sales"}, commitments: []string{"отправить клиенту на почту сегодня"}, yes: []int64{1, 2, 9}}},
		"eSIM and static IP": {chatEsim, expect{
			language: "en", sentiment: "positive", risks: none, sales: []string{"upsell"}, csat: [2]int64{7, 10}, topics: []string{"mobile"}, tags: []string{"eSIM", "Static IP", "Remote access", "APN"},
			summary:     []string{"The customer wanted to activate an eSIM", "The operator", "promised to send the customer the code by SMS"},
			commitments: []string{"send the customer the code by SMS", "check the outages in the customer's area", "call the customer back today"}, yes: []int64{1, 2, 4, 8, 9}}},
		"a simple question": {chatHours, expect{
			language: "en", resolution: "resolved", priority: "low", funnel: "none", risks: none, sales: none, topics: []string{"information"}, csat: [2]int64{7, 9}, reason: "General information",
			summary: []string{"The customer asked for general information.", "settled"}, commitments: []string{}, yes: []int64{1}, no: []int64{2, 4, 8}}},
		"sarcasm and repeated contact": {chatSarcasm, expect{
			language: "en", sentiment: "negative", resolution: "unresolved", priority: "high", risks: []string{"public_review", "repeat_contact"}, sales: none, csat: [2]int64{0, 2}, polite: [2]float64{0, 0.4},
			summary: []string{"left dissatisfied"}, no: []int64{1, 2, 4, 5, 9}}},
		"speakers unknown": {chatUnlabelled, expect{
			language: "en", resolution: "partially_resolved", risks: none, topics: []string{"billing"}, csat: [2]int64{6, 9}, polite: [2]float64{0.7, 1}, commitments: []string{"correct the bill today"},
			summary: []string{"The customer questioned a charge on the bill."}, dynamics: "grateful", yes: []int64{1, 2, 4, 5, 6, 9}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := analyse(t, Input{Utterances: turns(c.dialogue), RoleSource: "text"})
			c.want.compare(t, got)
			if t.Failed() {
				t.Logf("summary: %s\ncommitments: %q\ntags: %q topics: %q dynamics: %s\n%+v", got.Summary, got.Commitments, got.Tags, got.Topics, got.Dynamics, got.Checklist)
			}
		})
	}
}

func (w expect) compare(t *testing.T, got schemas.Analysis) {
	t.Helper()
	text := func(name, got, want string) {
		if want != "" && got != want {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
	text("language", got.Language, w.language)
	text("sentiment", got.Sentiment, w.sentiment)
	text("tone", got.Tone, w.tone)
	text("resolution", got.Resolution, w.resolution)
	text("priority", got.Priority, w.priority)
	text("funnel", got.FunnelStage, w.funnel)
	text("intent", got.Intent, w.intent)
	if !strings.HasPrefix(got.Reason, w.reason) || !strings.Contains(got.Dynamics, w.dynamics) {
		t.Errorf("reason %q, dynamics %q", got.Reason, got.Dynamics)
	}
	if w.csat != [2]int64{} && (got.CSAT == nil || *got.CSAT < w.csat[0] || *got.CSAT > w.csat[1]) {
		t.Errorf("CSAT %v, want %v", *got.CSAT, w.csat)
	}
	between(t, "politeness", got.Politeness, w.polite)
	between(t, "empathy", got.Empathy, w.empathy)
	lists(t, "risks", got.RiskSignals, w.risks)
	lists(t, "sales", got.SalesSignals, w.sales)
	for _, tag := range w.tags {
		if !slices.Contains(got.Tags, tag) {
			t.Errorf("no tag %q", tag)
		}
	}
	for _, topic := range w.topics {
		if !slices.Contains(got.Topics, topic) {
			t.Errorf("no topic %q", topic)
		}
	}
	inOrder(t, "summary", got.Summary, w.summary)
	inOrder(t, "commitments", strings.Join(got.Commitments, "\n"), w.commitments)
	if w.commitments != nil && len(w.commitments) != len(got.Commitments) {
		t.Errorf("commitments %q", got.Commitments)
	}
	for _, s := range w.notSummary {
		if strings.Contains(got.Summary, s) {
			t.Errorf("summary tells of %q", s)
		}
	}
	for _, a := range got.Checklist {
		if slices.Contains(w.yes, a.ID) && a.Answer != schemas.AnswerYes || slices.Contains(w.no, a.ID) && a.Answer != schemas.AnswerNo {
			t.Errorf("checklist %d %q: %s", a.ID, a.Question, a.Answer)
		}
	}
}

func between(t *testing.T, name string, got *float64, want [2]float64) {
	t.Helper()
	if want != [2]float64{} && (got == nil || *got < want[0] || *got > want[1]) {
		t.Errorf("%s %v, want %v", name, *got, want)
	}
}

func lists(t *testing.T, name string, got, want []string) {
	t.Helper()
	if want != nil && !slices.Equal(got, want) {
		t.Errorf("%s %q, want %q", name, got, want)
	}
}

func inOrder(t *testing.T, name, text string, parts []string) {
	t.Helper()
	for _, p := range parts {
		at := strings.Index(text, p)
		if at < 0 {
			t.Errorf("%s: no %q in %q", name, p, text)
			return
		}
		text = text[at+len(p):]
	}
}

func TestSameInputSameAnalysis(t *testing.T) {
	other, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{chatRefund, chatOutageRu, chatRude, chatUnlabelled} {
		in := Input{Utterances: turns(d)}
		first := analyse(t, in)
		analyse(t, Input{Utterances: turns(chatFraud)}) // whatever the pooled scanner did in between
		in.Now = first.CreatedAt
		if second := other.Analyze(in); !reflect.DeepEqual(first, second) {
			t.Errorf("differs:\n%+v\n%+v", first, second)
		}
	}
}

func TestNothingWasSaid(t *testing.T) {
	for name, in := range map[string]Input{
		"no turns":      {Language: "ru"},
		"empty turns":   {Utterances: []schemas.Utterance{{Speaker: schemas.RoleOperator}, {Turn: 1, Speaker: schemas.RoleCustomer, Text: " …!? "}}},
		"only the bot":  {Utterances: turns("s: Welcome to the hotline. Your call is important to us, thank you, goodbye.")},
		"heard nothing": {NoSpeech: true},
	} {
		t.Run(name, func(t *testing.T) {
			got := analyse(t, in)
			if got.CSAT != nil || got.Politeness != nil || got.Empathy != nil || got.Script != nil || len(got.Evidence) > 0 || len(got.Checklist) > 0 {
				t.Errorf("scores without speech: %+v", got)
			}
			if got.Sentiment != "" || got.Tone != "" || got.SentimentScore != 0 || got.Resolution != "unknown" || !slices.Equal(got.RiskSignals, []string{"none"}) || !got.NoSpeech {
				t.Errorf("%+v", got)
			}
			for _, u := range got.Utterances {
				if u.Speaker == schemas.RoleSystem && u.Sentiment != nil {
					t.Errorf("a machine's mood is %v", *u.Sentiment)
				}
			}
		})
	}
	const en, ru = "Nobody said anything in this conversation.", "В этом разговоре никто ничего не сказал."
	for _, c := range []struct {
		in   Input
		want string
	}{
		{Input{NoSpeech: true, Language: "und"}, en}, {Input{NoSpeech: true, Language: "ru"}, ru}, {Input{NoSpeech: true, Language: "und", Locale: "ru"}, ru},
		{Input{NoSpeech: true, Language: "en", Locale: "ru"}, ru}, // what an English-only model calls silence
		{Input{NoSpeech: true, Locale: "de"}, en},
	} {
		if got := analyse(t, c.in).Summary; got != c.want {
			t.Errorf("language %q, locale %q: %s", c.in.Language, c.in.Locale, got)
		}
	}
}

// What was heard and measured with the transcript goes into the analysis; what
// was not is measured here.
func TestTheStageMeasuresWhatIsNotMeasured(t *testing.T) {
	half, start, end := 0.5, 1.0, 4.0
	us := []schemas.Utterance{{Speaker: schemas.RoleOperator, Start: &start, End: &end, Text: "Good day, one moment", RoleConfidence: &half, Words: []schemas.Word{{Start: 1, End: 2, Text: "Good"}}}}
	sound := schemas.Sound{RoleConfidence: &half, Marks: []schemas.Mark{{Kind: schemas.MarkHold, Start: 4, End: 9}}, Suppressed: []schemas.Suppressed{{Text: "Thanks for watching"}}}
	heard := schemas.Transcript{Task: schemas.Task{Seconds: 20}, Language: "en", RoleSource: schemas.RoleFromDiarized, Utterances: us, Sound: sound, Metrics: schemas.Metrics{Turns: 77},
		Engine: "whisper.cpp 1.8", Model: "ggml-tiny.bin@sha256:60ed5bc3dd14"}
	cfg := measure.Config{Silence: 3 * time.Second}
	call := analyse(t, input(processors.Job{Task: heard.Task, Transcript: &heard}, profile{digest: "0123456789ab"}, cfg))
	if call.SpeechModel != "whisper.cpp 1.8 ggml-tiny.bin@sha256:60ed5bc3dd14" || call.Profile != "0123456789ab" {
		t.Errorf("heard by %q, judged by %q", call.SpeechModel, call.Profile)
	}
	if call.Metrics.Turns != 77 || !reflect.DeepEqual(call.Sound, sound) || call.RoleSource != schemas.RoleFromDiarized || !reflect.DeepEqual(call.Utterances[0].Words, us[0].Words) {
		t.Errorf("a measured call: %+v", call)
	}
	heard.Metrics = schemas.Metrics{}
	if m := input(processors.Job{Task: heard.Task, Transcript: &heard}, profile{}, cfg).Metrics; m.Turns != 1 || *m.OperatorTalk != 3 || *m.Silence != 11 || m.Hold != nil {
		t.Errorf("a transcript without measures: %+v", m)
	}
	chat := schemas.TaskSubmitted{Utterances: turns(chatHours)}
	if m := input(processors.Job{Submitted: &chat}, profile{}, cfg).Metrics; m.Turns != 4 || m.OperatorTurns != 2 || m.Words != 21 || m.Silence != nil || len(m.Speakers) != 2 {
		t.Errorf("a chat: %+v", m)
	}
}

func TestLanguage(t *testing.T) {
	for text, want := range map[string]string{
		"Hello, can you help me with my order?":                                       "en",
		"Здравствуйте, где мой заказ?":                                                "ru",
		"Подключите eSIM и APN internet на iPhone, VoLTE не работает":                 "ru",
		"Guten Tag, ich habe eine Frage zu meiner Rechnung und der Zahlung im März":   "und",
		"Добрий день, підкажіть, будь ласка, де моє замовлення і коли його привезуть": "und",
		"12345 !!!":   "und",
		"你好，我的订单在哪里？": "und",
	} {
		if got := analyse(t, Input{Utterances: turns("c: " + text)}).Language; got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
	if got := analyse(t, Input{Language: "en-US", Utterances: turns("c: ok")}).Language; got != "en" {
		t.Errorf("given en-US, got %s", got)
	}
}
