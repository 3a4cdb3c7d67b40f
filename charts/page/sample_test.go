package page

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"earshot/schemas"
	"earshot/schemas/report"
)

// sampling makes reports that look like those of a real call centre, the same ones each time.
type sampling struct {
	*rand.Rand
	operators []string
	topics    []string // keys of the analyser
	reasons   []string // prose
	days      int
}

func ptr[T any](v T) *T { return &v }

var (
	people = []string{"Anna Petrova", "Ivan Sokolov", "Мария Константиновна Преображенская-Достоевская", "John O'Neill", "Елена Кузнецова", "Paul Grant", "Olga Smirnova",
		"Ahmed Al-Farsi", "Светлана Иванова", "Maria Garcia", "Li Wei", "Дмитрий Орлов", "Kate Brown", "Tom Hughes", ""}
	subjects = []string{"billing", "delivery", "refund", "outage", "tariff_change", "mobile", "account_access", "technical_support", "cancellation", "installation", "payment", "loyalty",
		"documents", "order_status", "warranty_return", "complaint", "fraud_security", "sales", "information", "own_rule_of_the_shop"}
	reasons = []string{"Billing: charged twice", "Delivery is late", "Возврат повреждённого товара", "Internet speed", "Change of tariff", "SIM card replacement", "Roaming abroad",
		"Настройка оборудования", "Contract cancellation", "Technician visit", "Password reset", "Loyalty programme", "Invoice copy", "Address change", "Number portability",
		"Переоформление договора на другого владельца", "Refund", "Outage in the area", "App does not open", "Family plan"}
	// hostile names must stay names wherever they are shown.
	hostileNames = []string{`</script><script>window.hacked=1</script>`, `<img src=x onerror="window.hacked=2">`, `=HYPERLINK("http://evil.example","x")`, `{a|b} {{.R}} "quotes" 'n' \ & </title>`,
		"Ы" + strings.Repeat("очень", 60) + "длинноеимя", strings.Repeat("Long Name ", 30), "Resolved", "Resolved", "\u202Eabc\x00\x07"}
)

func sampleOf(kind, variant string) report.Report {
	s := sampling{rand.New(rand.NewPCG(1, 2)), people, subjects, reasons, 31}
	switch variant {
	case "single":
		s.days = 1
	case "one":
		s.operators = people[:1]
	case "many":
		for i := range 120 {
			s.operators = append(s.operators[:len(s.operators):len(s.operators)], fmt.Sprintf("%s %d", people[i%14], i))
		}
	case "hostile":
		s.operators, s.topics, s.reasons = hostileNames, hostileNames, hostileNames
	}
	if kind == schemas.ReportDaily {
		s.days = 1
	}
	moscow := time.FixedZone("MSK", 3*3600)
	from := time.Date(2025, 10, 1, 0, 0, 0, 0, moscow)
	r := report.Report{Kind: kind, Organisation: "Smile Telecom & Co", Link: "https://calls.example/tasks/{code}", MadeAt: time.Date(2025, 11, 1, 6, 0, 3, 0, time.UTC),
		Period:   report.Period{From: from.UTC(), Until: from.AddDate(0, 0, s.days).UTC(), Zone: "Europe/Moscow"},
		Previous: report.Period{From: from.AddDate(0, 0, -s.days).UTC(), Until: from.UTC(), Zone: "Europe/Moscow"},
		Provenance: report.Provenance{Program: "v0.5.0", Log: []report.Position{{Topic: "earshot.analyses", Partition: 0, Offset: 182333}, {Topic: "earshot.analyses", Partition: 1, Offset: 181990}, {Topic: "earshot.transcripts", Partition: 0, Offset: 99120}},
			Engines: []report.Engine{{Name: "rules 5", Conversations: 4000}, {Name: "rules 4", Conversations: 312}}, Scripts: []report.Script{{ID: 7, Version: 3, Conversations: 2100}},
			Models: []report.Engine{{Name: "whisper.cpp 1.8.3 ggml-base.bin@sha256:60ed5bc3dd14", Conversations: 2600}}, Profiles: []report.Engine{{Name: "9c1f0a7be2d4", Conversations: 4100}, {Name: "03aa51c7f90e", Conversations: 212}}},
		PreviousProvenance: report.Provenance{Engines: []report.Engine{{Name: "rules 4", Conversations: 3980}}}}
	if variant == "hostile" {
		r.Organisation, r.Link = hostileNames[0], "javascript:alert('{code}')"
		r.Provenance.Engines[0].Name = hostileNames[1]
	}
	switch {
	case variant == "empty":
		s.days = 0
		switch kind {
		case schemas.ReportStandard:
			r.Quality = &report.Quality{Previous: s.figures(4312)}
		case schemas.ReportBusiness:
			r.Business = &report.Business{}
		case schemas.ReportDaily:
			r.Daily = &report.Daily{}
		}
	case kind == schemas.ReportStandard:
		r.Quality = s.quality()
	case kind == schemas.ReportBusiness:
		r.Business = s.business()
	case kind == schemas.ReportDaily:
		r.Daily = s.daily()
	}
	return r
}

func (s sampling) between(low, high float64) *float64 { return ptr(low + s.Float64()*(high-low)) }

func (s sampling) figures(n int64) report.Figures {
	f := report.Figures{Conversations: n, Analysed: n - n/20, Scored: n - n/10, Calls: n * 6 / 10, Chats: n * 3 / 10, Emails: n - n*6/10 - n*3/10, Seconds: float64(n) * 301.5, TalkSeconds: ptr(float64(n) * 150),
		Politeness: s.between(3.8, 4.9), Empathy: s.between(0.4, 0.8), CSAT: s.between(6, 8.8), Script: s.between(55, 92), Checklist: s.between(0.5, 0.9), Resolved: s.between(0.6, 0.85),
		Positive: s.between(0.3, 0.5), Negative: s.between(0.1, 0.25), Risky: n / 9, Sales: n / 7, SilenceShare: s.between(0.08, 0.2), HoldShare: s.between(0.01, 0.1),
		Interruptions: s.between(0.4, 2.5), Monologue: s.between(30, 75), FirstResponse: s.between(20, 90), Response: s.between(25, 120)}
	f.Score = report.Score(f.Politeness, f.Empathy, f.CSAT, f.Script, f.Checklist)
	return f
}

func (s sampling) perDay() (days []report.Day) {
	for i := range s.days {
		d := report.Day{Date: time.Date(2025, 10, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)}
		if i != 11 { // a holiday
			d.Figures = s.figures(90 + s.Int64N(80))
		}
		days = append(days, d)
	}
	return days
}

func (s sampling) quote(text, judgement string) report.Quote {
	return report.Quote{Code: "0199f3a0-0000-7000-8000-00000000000" + fmt.Sprint(s.IntN(10)), At: time.Date(2025, 10, 12, 9, 31, 0, 0, time.UTC), Speaker: schemas.RoleCustomer, Text: text, Start: s.between(10, 400), About: judgement}
}

func (s sampling) cases(n int, good bool) (out []report.Case) {
	for i := range n {
		c := report.Case{Code: fmt.Sprintf("0199f3a0-0000-7000-8000-%012d", s.Int64N(1e12)), Type: []string{"call", "chat", "email"}[i%3], At: time.Date(2025, 10, 3+i, 8, 15, 0, 0, time.UTC), Operator: s.operators[i%len(s.operators)],
			Seconds: 300 + 40*float64(i), Score: s.between(20, 40), CSAT: ptr(int64(3)), Summary: "The customer was charged twice and asked for the money back. The operator could not find the payment; the matter stayed open.",
			Quotes: []report.Quote{s.quote("If this is not solved today, I will go to another provider", "risk_signals.churn"), s.quote("Я звоню уже третий раз по одному и тому же вопросу", "risk_signals.repeat_contact")}}
		if c.Type != "call" {
			c.Seconds = 0
		}
		if good {
			c.Score, c.CSAT, c.Summary = s.between(90, 99), ptr(int64(10)), "Клиент просил заменить SIM-карту. Оператор всё объяснил и оформил замену за один звонок."
			c.Quotes = []report.Quote{s.quote("Thank you so much, that was really quick", "csat")}
		}
		for q := range c.Quotes {
			c.Quotes[q].Code = c.Code
		}
		out = append(out, c)
	}
	return out
}

func (s sampling) signals(ids ...int64) (out []report.SignalCount) {
	for i, id := range ids {
		c := report.SignalCount{ID: id, Count: 80 - int64(i)*13, Previous: 60 - int64(i)*7}
		if i < 2 {
			c.Quotes = []report.Quote{s.quote("I want my money back, 249 dollars", "risk_signals.refund"), s.quote("Сколько будет стоить подключение второй линии?", "sales_signals.upsell")}
		}
		out = append(out, c)
	}
	return out
}

func (s sampling) questions() (out []report.QuestionRate) {
	for i, q := range []string{"Did the operator introduce themselves?", "Did the operator clarify the purpose of the call and repeat it to the customer in their own words?", "Предложил ли оператор дальнейшую помощь?", "Was the next step agreed?"} {
		yes, partly, no := 60+s.Int64N(200), 20+s.Int64N(40), 1+s.Int64N(90)
		out = append(out, report.QuestionRate{ID: int64(i + 1), Question: q, Yes: yes, Partially: partly, No: no, Rate: (float64(yes) + float64(partly)/2) / float64(yes+partly+no)})
	}
	return out
}

func (s sampling) team() (out []report.Operator) {
	for i, name := range s.operators {
		o := report.Operator{Name: name, Rank: int64(i + 1), Figures: s.figures(100 + s.Int64N(300)), Checklist: s.questions(), Risks: s.signals(2, 3), SalesSigs: s.signals(2)}
		o.Figures.Score = ptr(92 - 60*float64(i)/float64(len(s.operators)))
		if name == "" || len(s.operators) > 3 && i >= len(s.operators)-3 { // too few to be ranked
			o.Rank, o.Figures.Scored = 0, 3
		}
		if i%4 != 3 {
			o.Previous = ptr(s.figures(200))
		}
		if i < 12 || i > len(s.operators)-10 {
			o.Best, o.Worst = s.cases(1, true), s.cases(1, false)
		}
		out = append(out, o)
	}
	return out
}

func (s sampling) quality() *report.Quality {
	q := &report.Quality{Total: s.figures(4312), Previous: s.figures(3980), Days: s.perDay(), Operators: s.team(), Spread: &report.Spread{Min: 32, Q1: 51.2, Median: 66, Q3: 78.5, Max: 92},
		Checklist: s.questions(), Risks: s.signals(2, 6, 3, 10), SalesSigs: s.signals(2, 3, 7), Best: s.cases(5, true), Worst: s.cases(5, false), OperatorCount: int64(len(s.operators))}
	if len(s.operators) > 100 {
		q.OperatorCount += 42 // who are left out
	}
	if len(s.operators) < 2 {
		q.Spread = nil
	}
	return q
}

func (s sampling) about() (out []report.Topic) {
	for i, name := range s.topics {
		n := int64(700 / (i + 1))
		t := report.Topic{Name: name, Count: n, Previous: n * int64(7+i%6) / 10, Share: ptr(float64(n) / 4100), PreviousShare: ptr(float64(n*int64(7+i%6)/10) / 3800), CSAT: s.between(5, 9), Sentiments: n, Negative: s.between(0.05, 0.4)}
		if t.Previous > 0 {
			t.Growth = ptr(float64(t.Count-t.Previous) / float64(t.Previous))
		}
		out = append(out, t)
	}
	return out
}

func (s sampling) business() *report.Business {
	b := &report.Business{Total: s.figures(4312), Previous: s.figures(3980), Days: s.perDay(), Topics: s.about(), CSATs: [11]int64{12, 20, 41, 66, 90, 210, 400, 620, 900, 480, 130}, PreviousCSATs: [11]int64{10, 12, 30, 70, 80, 170, 420, 640, 820, 500, 180},
		Risks: s.signals(2, 6, 3, 10), SalesSigs: s.signals(2, 3, 7), Responses: &report.Responses{Conversations: 1500, Target: report.ResponseTarget, Median: 38, P90: 140, P95: 260, Within: 0.713, Average: 75},
		EmailResponses: &report.Responses{Conversations: 431, Target: report.EmailTarget, Median: 9000, P90: 61000, P95: 99000, Within: 0.931, Average: 20_000}}
	for day := range 7 {
		for h := range 24 {
			switch {
			case s.days == 1:
				b.Occurs[day][h] = []int64{0, 0, 1, 0, 0, 0, 0}[day] // a Wednesday
			case day == 2 || day == 3 || day == 4: // of which October of 2025 has five
				b.Occurs[day][h] = 5
			default:
				b.Occurs[day][h] = 4
			}
			if b.Occurs[day][h] > 0 && h > 7 && h < 21 {
				b.Hours[day][h] = s.Int64N(90) * int64(7-day) / 5
			}
		}
	}
	b.NewTopics = []report.Topic{{Name: "booking", Count: 31, Share: ptr(0.008), CSAT: s.between(5, 9)}}
	b.GoneTopics = []report.Topic{{Name: "insurance_claim", Previous: 12, PreviousShare: ptr(0.003)}}
	for i, t := range b.Topics[:min(len(b.Topics), 12)] {
		name := s.reasons[i]
		b.Reasons = append(b.Reasons, report.Reason{Name: name, Count: t.Count, Previous: t.Previous, Outcomes: []report.Count{{ID: 1, Count: t.Count / 2}, {ID: 2, Count: t.Count / 6}, {ID: 3, Count: t.Count / 4}, {ID: 4, Count: t.Count / 12}}})
		if i < 6 {
			b.Unresolved = append(b.Unresolved, report.Theme{Reason: name, Unresolved: t.Count / 4, Total: t.Count - t.Count/12, CSAT: t.CSAT, Quotes: []report.Quote{s.quote("Nobody called me back", "resolution")}})
		}
	}
	for i, st := range schemas.Dictionaries[schemas.DictFunnelStage] {
		b.Funnel = append(b.Funnel, report.Stage{ID: st.ID, Count: 20, Previous: 15, Apart: st.Key == "none" || st.Key == "retention"})
		if way := &b.Funnel[i]; !way.Apart {
			way.Reached, way.PreviousReached = []int64{0, 1000, 610, 305, 60, 0}[i], []int64{0, 900, 500, 250, 110, 40}[i]
			if i > 1 {
				way.Conversion = ptr(float64(way.Reached) / float64(b.Funnel[i-1].Reached))
			}
		}
	}
	topic := b.Topics[0].Name
	b.Recommendations = []report.Recommendation{{Key: report.AdviseTopicGrowth, Subject: topic, Value: 0.171, Against: 0.102, Count: 700}, {Key: report.AdviseNewTopic, Subject: "booking", Value: 0.008, Count: 31}, {Key: report.AdviseUnresolved, Subject: s.reasons[0], Value: 0.41, Against: 0.23, Count: 633},
		{Key: report.AdviseSlowResponse, Value: 0.713, Against: 0.8, Count: 1500}, {Key: report.AdvisePeak, Subject: "0 10", Value: 30.3, Against: 11.8, Count: 121}, {Key: report.AdviseRisk, Subject: "churn", Value: 0.09, Against: 0.06, Count: 388},
		{Key: report.AdviseSales, Subject: "upsell", Value: 220, Against: 140, Count: 220}, {Key: report.AdviseSatisfaction, Value: 6.9, Against: 7.6, Count: 3100}, {Key: report.AdviseNegativeTopic, Subject: topic, Value: 0.38, Against: 0.17, Count: 266}}
	return b
}

func (s sampling) daily() *report.Daily {
	d := &report.Daily{Total: s.figures(161), Previous: s.figures(140), Operators: s.team(), Topics: s.about(), Risks: s.signals(2, 6), SalesSigs: s.signals(3), OperatorCount: int64(len(s.operators)), Attention: s.cases(6, false)}
	d.Attention[5].Score = nil // it was never judged, only heard
	d.Topics = d.Topics[:min(len(d.Topics), 10)]
	for h := range int64(24) {
		hour := report.Hour{Hour: h}
		if h > 7 && h < 21 {
			hour.Figures = s.figures(3 + s.Int64N(20))
		}
		d.Hours = append(d.Hours, hour)
	}
	return d
}
