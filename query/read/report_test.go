package read_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"earshot/query/read"
	"earshot/schemas"
	"earshot/schemas/report"
)

// talk is what a report looks at in one row of interactions.
type talk struct {
	Org         string     `ch:"org"`
	Code        uuid.UUID  `ch:"code"`
	Version     uint64     `ch:"version"`
	Status      string     `ch:"status"`
	ID          int64      `ch:"id"`
	Type        string     `ch:"type"`
	Operator    string     `ch:"operator_name"`
	At          time.Time  `ch:"call_datetime"`
	Date        *time.Time `ch:"call_date"` // without a call_time: the hour is not known
	Seconds     float64    `ch:"seconds"`
	Analysed    uint32     `ch:"analysis_version"`
	Engine      string     `ch:"engine"`
	Model       string     `ch:"speech_model"`
	Profile     string     `ch:"profile"`
	Summary     string     `ch:"summary"`
	Sentiment   string     `ch:"sentiment"`
	CSAT        *uint8     `ch:"csat"`
	Grade       uint8      `ch:"politeness_grade"`
	Empathy     *float64   `ch:"empathy"`
	Topics      []string   `ch:"topics"`
	Reason      string     `ch:"reason"`
	Outcome     uint8      `ch:"resolved_status_id"`
	Stage       uint8      `ch:"funnel_stage_id"`
	Risks       []uint8    `ch:"risk_signal_ids"`
	Sales       []uint8    `ch:"sales_signal_ids"`
	Questions   []int64    `ch:"checklist_ids"`
	Answers     []string   `ch:"checklist_answers"`
	Script      *float64   `ch:"script_alignment"`
	ScriptID    int64      `ch:"script_id"`
	ScriptVer   int64      `ch:"script_version"`
	Talk        *float64   `ch:"operator_talk"`
	Silence     *float64   `ch:"silence"`
	Hold        *float64   `ch:"hold"`
	Interrupted *uint32    `ch:"interruptions"`
	First       *float64   `ch:"first_response"`
	Average     *float64   `ch:"average_response"`
	Monologue   *float64   `ch:"longest_monologue"`
	Analysis    string     `ch:"analysis"`
	UpdatedAt   time.Time  `ch:"updated_at"`     // what pages of the filter go by
	AnswerKeys  []string   `ch:"checklist_keys"` // what the filter looks answers up in

	evidence []schemas.Evidence
}

const talkFields = `org, code, version, status, id, type, operator_name, call_datetime, call_date, seconds, analysis_version, engine, speech_model, profile, summary, sentiment, csat, politeness_grade,
	empathy, topics, reason, resolved_status_id, funnel_stage_id, risk_signal_ids, sales_signal_ids, checklist_ids, checklist_answers, script_alignment, script_id,
	script_version, operator_talk, silence, hold, interruptions, first_response, average_response, longest_monologue, analysis, updated_at, checklist_keys`

func insertTalks(t testing.TB, talks []talk) {
	t.Helper()
	batch, err := db.PrepareBatch(context.Background(), "INSERT INTO interactions ("+talkFields+")")
	if err != nil {
		t.Fatal(err)
	}
	for i := range talks {
		if err := batch.AppendStruct(&talks[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
}

// dice draws conversations; of few values, so that ties are frequent.
type dice struct{ *rand.Rand }

func (d dice) of(values ...string) string { return values[d.IntN(len(values))] }

// maybe is nil three times of ten.
func maybe[T any](d dice, value func() T) *T {
	if d.IntN(10) < 3 {
		return nil
	}
	v := value()
	return &v
}

func (d dice) seconds() float64 { return float64(d.IntN(100_000_000)) / micros }

const micros = 1e6

func (d dice) ids(n int) []uint8 {
	ids := []uint8{1}
	if d.IntN(2) == 0 {
		ids = nil
		for range 1 + d.IntN(2) {
			ids = append(ids, uint8(2+d.IntN(n))) // at times the same twice
		}
	}
	return ids
}

// code is a UUIDv7 of a time.
func (d dice) code(at time.Time) (code uuid.UUID) {
	binary.BigEndian.PutUint64(code[:], uint64(at.UnixMilli())<<16|0x7000|uint64(d.IntN(1<<12)))
	binary.BigEndian.PutUint64(code[8:], 1<<63|d.Uint64()>>2)
	return code
}

func (d dice) talk(t testing.TB, id int64, from, until time.Time) talk {
	at := from.Add(time.Duration(d.Int64N(int64(until.Sub(from)/time.Microsecond))) * time.Microsecond)
	w := talk{Org: d.of("org_1", "org_1", "org_2"), Code: d.code(at.Add(time.Duration(d.IntN(1000)) * time.Hour)), Version: 50<<32 + 2, Status: d.of("completed", "completed", "completed", "completed", "error"),
		ID: id, Type: d.of("call", "call", "chat", "email", "audio", "callreport"), Operator: d.of("", "Ольга", "Ivan", "O'Neil \\", "a\tb"), At: at, UpdatedAt: at,
		Analysed: uint32(d.IntN(4)), Engine: d.of("rules-1", "rules-2"), Summary: fmt.Sprintf("summary %d", id), Sentiment: d.of("", "positive", "neutral", "negative"),
		CSAT: maybe(d, func() uint8 { return uint8(d.IntN(11)) }), Grade: uint8(d.IntN(6)), Empathy: maybe(d, func() float64 { return float64(d.IntN(101)) / 100 }),
		Reason: d.of("", "charged twice", "it's \"late\"", "refund", "возврат"), Outcome: uint8(d.IntN(5)), Stage: uint8(d.IntN(8)), Risks: d.ids(9), Sales: d.ids(6),
		Script: maybe(d, func() float64 { return float64(d.IntN(1001)) / 10 }), Talk: maybe(d, d.seconds), Silence: maybe(d, d.seconds), Hold: maybe(d, d.seconds),
		Interrupted: maybe(d, func() uint32 { return uint32(d.IntN(9)) }), First: maybe(d, func() float64 { return float64(d.IntN(120)) }), Average: maybe(d, d.seconds), Monologue: maybe(d, d.seconds)}
	if w.Type == "call" {
		w.Seconds, w.Model = d.seconds(), d.of("", "whisper.cpp 1.8 ggml-base.bin", "whisper.cpp 1.8 ggml-tiny.bin")
	}
	if w.Analysed > 0 {
		w.Profile = d.of("", fmt.Sprintf("%012x", d.IntN(80))) // more than a report names
	}
	if d.IntN(5) == 0 {
		w.Date = &at
	}
	if w.Type == "email" && w.First != nil {
		*w.First *= 1500 // up to two days
	}
	if d.IntN(40) == 0 {
		w.Operator = "Rare" // at times too rare for a rank
	}
	if d.IntN(2) == 0 {
		w.ScriptID, w.ScriptVer = 1+d.Int64N(2), 1+d.Int64N(3)
	}
	for range d.IntN(4) {
		w.Topics = append(w.Topics, fmt.Sprintf("topic %d", int(math.Sqrt(float64(d.IntN(900)))))) // some of thirty, often the same twice
	}
	w.judge(t, d)
	return w
}

// judge adds answers and evidence.
func (w *talk) judge(t testing.TB, d dice) {
	stored := schemas.Analysis{Version: 1}
	for q := range int64(3) {
		if d.IntN(3) > 0 {
			answer := d.of("Yes", "Partially", "No", "in a person's own words")
			w.Questions, w.Answers, w.AnswerKeys = append(w.Questions, 101+q), append(w.Answers, answer), append(w.AnswerKeys, schemas.ChecklistKey(101+q, answer))
			stored.Checklist = append(stored.Checklist, schemas.ChecklistAnswer{ID: 101 + q, Question: fmt.Sprintf("Question %d of %d?", q, w.ID)})
		}
	}
	judgements := []string{"csat", "resolution", "reason_for_contact", "politeness", "checklist.101", "tags.x"}
	for _, id := range w.Risks {
		judgements = append(judgements, "risk_signals."+keyOf(schemas.DictRisk, id))
	}
	for _, id := range w.Sales {
		judgements = append(judgements, "sales_signals."+keyOf(schemas.DictSales, id))
	}
	for i, j := range judgements {
		if d.IntN(4) > 0 {
			w.evidence = append(w.evidence, schemas.Evidence{Judgement: j, Turn: int64(i), Speaker: d.of("customer", "operator"),
				Quote: d.of("no", "Верните деньги!", "I'll cancel", "thanks", ""), Start: maybe(d, d.seconds)})
		}
	}
	stored.Evidence = w.evidence
	text, err := json.Marshal(stored)
	if err != nil {
		t.Fatal(err)
	}
	w.Analysis = string(text)
}

func keyOf[T uint8 | int64](dictionary string, id T) string {
	return schemas.TermOf(dictionary, int64(id)).Key
}

func zoned(t testing.TB, zone, from, until string) report.Period {
	t.Helper()
	place, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]time.Time
	for i, text := range []string{from, until} {
		at, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = report.Midnight(at.Year(), at.Month(), at.Day(), place)
		if at.Hour() > 0 {
			ends[i] = time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), 0, 0, place)
		}
	}
	return report.Period{From: ends[0], Until: ends[1], Zone: zone}
}

// Periods, each with the beginning of the one before it in the same zone.
var periods = []struct{ zone, since, from, until string }{
	{"UTC", "2026-01-02 00:00", "2026-02-01 00:00", "2026-03-03 00:00"},
	{"Europe/Berlin", "2026-03-25 00:00", "2026-03-28 00:00", "2026-03-31 00:00"},    // of 71 hours
	{"Europe/Berlin", "2025-10-25 00:00", "2025-10-26 00:00", "2025-10-27 00:00"},    // a day of 25 hours
	{"America/Santiago", "2025-09-05 00:00", "2025-09-07 00:00", "2025-09-09 00:00"}, // begins at 01:00
	{"Asia/Kolkata", "2025-12-30 00:00", "2025-12-31 00:00", "2026-01-01 00:00"},     // a single day
	{"America/New_York", "2025-10-30 10:30", "2025-11-03 09:00", "2025-11-07 08:30"}, // as many hours, not days
}

// Every field of every report is that of plain Go, in any time zone, whatever
// older versions, other tenants and other periods lie in the table; and the same
// data give the same bytes, however they lie there.
func TestReportIsThatOfPlainGo(t *testing.T) {
	reader := read.New(db)
	for n, p := range periods {
		period, since := zoned(t, p.zone, p.from, p.until), zoned(t, p.zone, p.since, p.from).From
		exec(t, "TRUNCATE TABLE interactions")
		d := dice{rand.New(rand.NewPCG(1, uint64(n)))}
		talks := d.talks(t, since, period)
		for _, org := range []string{"org_1", "org_2", "org_3"} {
			for _, kind := range []string{schemas.ReportStandard, schemas.ReportBusiness, schemas.ReportDaily} {
				q := report.Query{Kind: kind, Period: period, Link: "https://example.com/{code}"}
				got, err := reader.Report(t.Context(), org, q)
				if err != nil {
					t.Fatalf("%s %s: %v", p.zone, kind, err)
				}
				want := naive{talks: talks, org: org, since: since, period: period}.report(q)
				for _, difference := range differences(t, got, want) {
					t.Errorf("%s %s %s: %s", p.zone, org, kind, difference)
				}
			}
		}
		again(t, reader, period)
	}
}

// talks inserts conversations in and around a period and the one before, and
// returns those that FINAL shows.
func (d dice) talks(t testing.TB, since time.Time, period report.Period) []talk {
	var talks, older []talk
	for id := range int64(900) {
		talks = append(talks, d.talk(t, id+1, since.Add(-time.Hour), period.Until.Add(time.Hour)))
	}
	for i, edge := range []time.Time{since, period.From, period.Until} { // and right before each
		talks[2*i].At, talks[2*i+1].At = edge, edge.Add(-time.Microsecond)
	}
	for i := range talks {
		if w := &talks[i]; i%8 == 0 && w.At.Before(period.From) {
			w.Topics = append(w.Topics, "gone")
		} else if i%8 == 0 {
			w.Topics = append(w.Topics, "new")
		}
	}
	for i, w := range talks {
		if i%3 == 0 {
			old := d.talk(t, w.ID, since, period.Until)
			old.Org, old.Code, old.Version = w.Org, w.Code, 50<<32+1
			older = append(older, old)
		}
	}
	insertTalks(t, talks[:300])
	insertTalks(t, older)
	insertTalks(t, talks[300:])
	insertTalks(t, talks[:100]) // written twice
	return talks
}

// again makes all reports twice, and once more when the table was merged.
func again(t *testing.T, reader *read.Reader, period report.Period) {
	t.Helper()
	first := map[string][]byte{}
	for _, between := range []string{"SELECT 1", "SELECT 1", "OPTIMIZE TABLE interactions FINAL"} {
		exec(t, between)
		for _, kind := range []string{schemas.ReportStandard, schemas.ReportBusiness, schemas.ReportDaily} {
			r, err := reader.Report(t.Context(), "org_1", report.Query{Kind: kind, Period: period})
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if first[kind] == nil {
				first[kind] = text
			}
			if !bytes.Equal(first[kind], text) {
				t.Errorf("%s report differs from the first:\n%s\n%s", kind, first[kind], text)
			}
		}
	}
}

// The totals of a report are those of /tasks/filter with the same criteria.
func TestReportAgreesWithFilter(t *testing.T) {
	reader := read.New(db)
	period := zoned(t, "Europe/Berlin", "2026-03-28 00:00", "2026-03-31 00:00")
	exec(t, "TRUNCATE TABLE interactions")
	dice{rand.New(rand.NewPCG(2, 2))}.talks(t, period.From.AddDate(0, 0, -3), period)
	ask := func(kind string) report.Report {
		r, err := reader.Report(t.Context(), "org_1", report.Query{Kind: kind, Period: period})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	b, q, d := ask(schemas.ReportBusiness).Business, ask(schemas.ReportStandard).Quality, ask(schemas.ReportDaily).Daily
	same := func(what string, got int64, narrow func(*read.Criteria)) {
		t.Helper()
		c := read.Criteria{From: period.From, Until: period.Until, Types: []string{"call", "chat", "email"}, Statuses: []string{"completed"}}
		narrow(&c)
		page, err := reader.Filter(t.Context(), "org_1", c)
		if err != nil || page.Total != got || got == 0 {
			t.Errorf("%s: %d in the report, %d by the filter: %v", what, got, page.Total, err)
		}
	}
	everything := func(*read.Criteria) {}
	same("all of business", b.Total.Conversations, everything)
	same("all of quality", q.Total.Conversations, everything)
	same("all of daily", d.Total.Conversations, everything)
	same("calls", b.Total.Calls, func(c *read.Criteria) { c.Types = []string{"call"} })
	same("chats", b.Total.Chats, func(c *read.Criteria) { c.Types = []string{"chat"} })
	same("e-mails", b.Total.Emails, func(c *read.Criteria) { c.Types = []string{"email"} })
	same("risky", q.Total.Risky, func(c *read.Criteria) { c.Risks = []int64{2, 3, 4, 5, 6, 7, 8, 9, 10} })
	same("sales", q.Total.Sales, func(c *read.Criteria) { c.Sales = []int64{2, 3, 4, 5, 6, 7} })
	same("the period before", b.Previous.Conversations, func(c *read.Criteria) { c.From, c.Until = period.From.AddDate(0, 0, -3), period.From })
	for _, s := range b.Risks {
		same("risk "+keyOf(schemas.DictRisk, s.ID), s.Count, func(c *read.Criteria) { c.Risks = []int64{s.ID} })
	}
	for _, s := range b.SalesSigs {
		same("sale "+keyOf(schemas.DictSales, s.ID), s.Count, func(c *read.Criteria) { c.Sales = []int64{s.ID} })
	}
	for csat, n := range b.CSATs {
		grade := int64(csat)
		same("CSAT", n, func(c *read.Criteria) { c.CSATMin, c.CSATMax = &grade, &grade })
	}
	for _, stage := range b.Funnel {
		same("stage "+keyOf(schemas.DictFunnelStage, stage.ID), stage.Count, func(c *read.Criteria) { c.FunnelStages = []int64{stage.ID} })
	}
	for _, day := range b.Days {
		at, err := time.ParseInLocation(time.DateOnly, day.Date, period.From.Location())
		if err != nil {
			t.Fatal(err)
		}
		same(day.Date, day.Conversations, func(c *read.Criteria) { c.From, c.Until = at, at.AddDate(0, 0, 1) })
	}
	for _, o := range q.Operators {
		if o.Name != "" {
			same("operator "+o.Name, o.Figures.Conversations, func(c *read.Criteria) { c.OperatorName = o.Name })
		}
	}
	for _, rate := range q.Checklist {
		same(rate.Question, rate.Yes, func(c *read.Criteria) { c.ChecklistID, c.Answers = &rate.ID, []string{schemas.AnswerYes} })
		same(rate.Question, rate.Yes+rate.Partially+rate.No, func(c *read.Criteria) {
			c.ChecklistID, c.Answers = &rate.ID, []string{schemas.AnswerYes, schemas.AnswerPartially, schemas.AnswerNo}
		})
	}
}

// Nothing happened: every day is there, nothing is 0 that is unknown, and no
// list is null.
func TestEmptyReport(t *testing.T) {
	exec(t, "TRUNCATE TABLE interactions")
	period := zoned(t, "Europe/Berlin", "2026-02-01 00:00", "2026-03-01 00:00")
	for _, kind := range []string{schemas.ReportStandard, schemas.ReportBusiness, schemas.ReportDaily} {
		got, err := read.New(db).Report(t.Context(), "org_1", report.Query{Kind: kind, Period: period})
		if err != nil {
			t.Fatal(err)
		}
		want := naive{org: "org_1", since: zoned(t, "Europe/Berlin", "2026-01-04 00:00", "2026-02-01 00:00").From, period: period}.report(report.Query{Kind: kind})
		for _, difference := range differences(t, got, want) {
			t.Errorf("%s: %s", kind, difference)
		}
		if _, err := read.New(db).Report(t.Context(), "org_1", report.Query{Kind: kind, Period: zoned(t, "UTC", "1970-01-01 00:00", "1970-01-03 00:00")}); err != nil {
			t.Errorf("%s of the first days there are: %v", kind, err)
		}
		if kind == schemas.ReportBusiness && len(got.Business.Days) != 28 {
			t.Errorf("%d days", len(got.Business.Days))
		}
	}
}

// A report is bounded: it has the busiest operators, and all of the total.
func TestReportOfManyOperators(t *testing.T) {
	exec(t, "TRUNCATE TABLE interactions")
	period := zoned(t, "UTC", "2026-02-01 00:00", "2026-02-02 00:00")
	d := dice{rand.New(rand.NewPCG(3, 3))}
	var talks []talk
	for id := range int64(1700) {
		w := d.talk(t, id, period.From.AddDate(0, 0, -1), period.Until)
		w.Org, w.Type, w.Status, w.Operator = "org_1", "call", "completed", fmt.Sprintf("operator %03d", id%600)
		talks = append(talks, w)
	}
	insertTalks(t, talks)
	got, err := read.New(db).Report(t.Context(), "org_1", report.Query{Kind: schemas.ReportStandard, Period: period})
	if err != nil {
		t.Fatal(err)
	}
	want := naive{talks: talks, org: "org_1", since: period.From.AddDate(0, 0, -1), period: period}.report(report.Query{Kind: schemas.ReportStandard})
	slices.SortFunc(want.Quality.Operators, func(a, b report.Operator) int {
		return cmp.Or(cmp.Compare(b.Figures.Conversations, a.Figures.Conversations), cmp.Compare(a.Name, b.Name))
	})
	if got.Quality.OperatorCount != int64(len(want.Quality.Operators)) {
		t.Errorf("%d operators in all, want %d", got.Quality.OperatorCount, len(want.Quality.Operators))
	}
	if len(want.Quality.Operators) <= 500 || len(got.Quality.Operators) != 500 || got.Quality.Total.Conversations != want.Quality.Total.Conversations {
		t.Fatalf("%d operators of %d, %d conversations of %d", len(got.Quality.Operators), len(want.Quality.Operators), got.Quality.Total.Conversations, want.Quality.Total.Conversations)
	}
	for _, w := range want.Quality.Operators[:500] {
		i := slices.IndexFunc(got.Quality.Operators, func(o report.Operator) bool { return o.Name == w.Name })
		if i < 0 {
			t.Fatalf("%s with %d conversations is missing", w.Name, w.Figures.Conversations)
		}
		w.Rank = got.Quality.Operators[i].Rank // among 500
		for _, difference := range differences(t, got.Quality.Operators[i], w) {
			t.Errorf("%s: %s", w.Name, difference)
		}
	}
}

// What the caller may get wrong, and a database that does not answer.
func TestReportErrors(t *testing.T) {
	reader := read.New(db)
	period := zoned(t, "UTC", "2026-01-01 00:00", "2026-01-02 00:00")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		q    report.Query
		code schemas.Code
	}{
		{"kind", t.Context(), report.Query{Kind: "weekly", Period: period}, schemas.CodeReport},
		{"zone", t.Context(), report.Query{Kind: schemas.ReportDaily, Period: report.Period{From: period.From, Until: period.Until, Zone: "Mars/Base"}}, schemas.CodeReport},
		{"backwards", t.Context(), report.Query{Kind: schemas.ReportDaily, Period: report.Period{From: period.Until, Until: period.From}}, schemas.CodeReport},
		{"database", gone, report.Query{Kind: schemas.ReportDaily, Period: period}, schemas.CodeDatabase},
	} {
		_, err := reader.Report(c.ctx, "org_1", c.q)
		var coded *schemas.Error
		if !errors.As(err, &coded) || coded.Code != c.code {
			t.Errorf("%s: %v, want code %d", c.name, err, c.code)
		}
	}
}
