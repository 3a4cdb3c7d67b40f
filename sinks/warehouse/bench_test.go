package warehouse_test

import (
	"context"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"earshot/schemas"
	"earshot/sinks/warehouse"
)

// BenchmarkSink is the whole way of a chat of 12 turns through the sink, broker
// and ClickHouse included: cpu-µs/chat is what the process spent on it.
func BenchmarkSink(b *testing.B) {
	e, closeEnv := newEnv(b, io.Discard)
	defer closeEnv()
	var records []*kgo.Record
	for i := range b.N {
		t := newTask(i, schemas.TypeChat, schemas.ResourceChats)
		us := chat(i)
		records = append(records, e.record(schemas.TopicText, schemas.TaskSubmitted{Task: t, Utterances: us}), e.fullAnalysis(t, us))
	}
	if err := e.client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	before := cpu()
	e.run(db.Conn, warehouse.Config{BatchRecords: 20000, BatchBytes: 8 << 20, BatchAge: 500 * time.Millisecond}, nil)
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/chat")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "chats/s")
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func chat(i int) []schemas.Utterance {
	lines := []string{"Good morning, this is support, how can I help you today?", "I ordered a router %d last week and it still has not arrived.",
		"Let me check order %d for you, could you give me your phone number please?", "Sure, it is 555 %d, and I would like a refund if it is lost."}
	if i%2 == 0 {
		lines = []string{"Здравствуйте, служба поддержки, чем могу помочь?", "Я заказывал роутер %d на прошлой неделе, он так и не пришёл.",
			"Сейчас проверю заказ %d, подскажите пожалуйста номер телефона?", "Конечно, 555 %d, и если он потерялся, я хочу вернуть деньги."}
	}
	var words []string
	for j := range 12 {
		words = append(words, fmt.Sprintf(lines[j%4]+" ", i*12+j)[:len(lines[j%4])])
	}
	return talk(words...)
}

func (e *env) fullAnalysis(t schemas.Task, us []schemas.Utterance) *kgo.Record {
	f := func(v float64) *float64 { return &v }
	n := func(v int64) *int64 { return &v }
	a := schemas.Analysis{Task: t, Version: 1, Engine: "builtin 1", Language: "en", RoleSource: "text", Utterances: us, Summary: "The customer ordered a router which did not arrive and asks for a refund; the operator checked the order.",
		Sentiment: "negative", SentimentScore: -0.4, Tone: "negative", CSAT: n(4), Politeness: f(0.9), Empathy: f(0.5),
		Tags: []string{"delivery", "refund", "router"}, Topics: []string{"delivery"}, Intent: "get a refund", Reason: "late delivery", Product: "router", RootCause: "logistics",
		Resolution: "unresolved", Priority: "high", FunnelStage: "none", RiskSignals: []string{"refund", "churn"}, SalesSignals: []string{"none"},
		Actions: []string{"Check the delivery"}, Commitments: []string{"Call back"}, CreatedAt: t.CreatedAt,
		Checklist: []schemas.ChecklistAnswer{{ID: 1, Question: "Did the operator greet?", Answer: schemas.AnswerYes, Score: 1}, {ID: 2, Question: "Did the operator introduce themselves?", Answer: schemas.AnswerNo}},
		Metrics:   schemas.Metrics{Turns: 12, OperatorTurns: 6, CustomerTurns: 6, Words: 120}}
	a.Evidence = []schemas.Evidence{{Judgement: "reason_for_contact", Turn: 1, Speaker: "customer", Quote: "I ordered a router"}}
	for i := range 6 {
		a.Evidence = append(a.Evidence, schemas.Evidence{Judgement: "risk_signals.refund", Turn: int64(i), Speaker: "customer", Quote: "I would like a refund"})
	}
	for i := range a.Utterances {
		a.Utterances[i].Sentiment = f(0.1)
	}
	return e.record(schemas.TopicAnalyses, a)
}
