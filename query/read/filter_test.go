package read_test

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"earshot/query/read"
	"earshot/schemas"
)

// row is what a filter looks at, and what a page shows.
type row struct {
	Org          string     `ch:"org"`
	Code         uuid.UUID  `ch:"code"`
	Version      uint64     `ch:"version"`
	ID           int64      `ch:"id"`
	Type         string     `ch:"type"`
	Status       string     `ch:"status"`
	ExternalID   string     `ch:"external_id"`
	FileName     string     `ch:"file_name"`
	UpdatedAt    time.Time  `ch:"updated_at"`
	CreatedAt    time.Time  `ch:"created_at"`
	CallDatetime time.Time  `ch:"call_datetime"`
	CallTime     *time.Time `ch:"call_time"`
	CallDate     *time.Time `ch:"call_date"`
	CallType     string     `ch:"call_type"`
	Operator     string     `ch:"operator_name"`
	ErrorCode    int32      `ch:"error_code"`
	Error        string     `ch:"error_message"`
	Directory    int64      `ch:"directory_id"`
	Length       float64    `ch:"length"`
	ReportType   string     `ch:"report_type"`
	CSAT         *uint8     `ch:"csat"`
	Words        []string   `ch:"words"`
	Tone         uint8      `ch:"tone_id"`
	Resolution   uint8      `ch:"resolved_status_id"`
	Priority     uint8      `ch:"priority_id"`
	Stage        uint8      `ch:"funnel_stage_id"`
	Risks        []uint8    `ch:"risk_signal_ids"`
	Sales        []uint8    `ch:"sales_signal_ids"`
	Script       *float64   `ch:"script_alignment"`
	Grade        uint8      `ch:"politeness_grade"`
	TagKeys      []string   `ch:"tag_keys"`
	Questions    []int64    `ch:"checklist_ids"`
	Answers      []string   `ch:"checklist_answers"`
	AnswerKeys   []string   `ch:"checklist_keys"`
}

const rowFields = `org, code, version, id, type, status, external_id, file_name, updated_at, created_at, call_datetime, call_time, call_date, call_type, operator_name,
	error_code, error_message, directory_id, length, report_type, csat, words, tone_id, resolved_status_id, priority_id, funnel_stage_id, risk_signal_ids,
	sales_signal_ids, script_alignment, politeness_grade, tag_keys, checklist_ids, checklist_answers, checklist_keys`

func insert(t testing.TB, rows []row) {
	t.Helper()
	batch, err := db.PrepareBatch(context.Background(), "INSERT INTO interactions ("+rowFields+")")
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := batch.AppendStruct(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
}

// Values are drawn from few, so that criteria often match.
var (
	operators = []string{"", "Ольга Иванова", "IVAN", "O'Neil \\ 50%", "a\tb\nc", "_"}
	texts     = []string{"Возврат денег за заказ", "refund of the order 12", "eSIM setup", "не работает интернет", ""}
	tagPool   = []string{"eSIM", "Возврат", "it's \"a\\tag", "a,b", "apn"}
	orgs      = []string{"org_1", "org_2"}
	day       = time.Date(2026, 2, 27, 0, 0, 0, 0, time.UTC)
)

func drawRow(r *rapid.T) row {
	pick := func(label string, from []string) string { return rapid.SampledFrom(from).Draw(r, label) }
	small := func(label string) uint8 { return uint8(rapid.IntRange(0, 4).Draw(r, label)) }
	smalls := func(label string) []uint8 { return rapid.SliceOfN(rapid.Uint8Range(1, 4), 0, 2).Draw(r, label) }
	moment := func(label string) time.Time {
		return day.Add(time.Duration(rapid.IntRange(0, 96).Draw(r, label)) * time.Hour).Add(time.Duration(rapid.IntRange(0, 1).Draw(r, label)) * time.Microsecond)
	}
	at := moment("conversation")
	out := row{Org: pick("org", orgs), Code: uuid.Must(uuid.NewV7()), Version: 1 << 40, ID: rapid.Int64Range(1, 40).Draw(r, "id"),
		Type: pick("type", []string{"call", "chat", "callreport"}), Status: pick("status", []string{"pending", "completed", "error"}),
		ExternalID: pick("external", []string{"", "old-1", "old'2"}), FileName: pick("file", []string{"", "a.ogg"}), UpdatedAt: moment("updated"), CreatedAt: at, CallDatetime: at, CallTime: &at,
		CallType: pick("call type", []string{"", "inbound", "outbound"}), Operator: pick("operator", operators), Length: math.Round(rapid.Float64Range(0, 3).Draw(r, "length")*100) / 100,
		Words: schemas.SearchWords(pick("text", texts), pick("summary", texts)), Tone: small("tone"), Resolution: small("resolution"), Priority: small("priority"), Stage: small("stage"),
		Risks: smalls("risks"), Sales: smalls("sales"), Grade: uint8(rapid.IntRange(0, 5).Draw(r, "politeness"))}
	if rapid.Bool().Draw(r, "csat known") {
		csat := uint8(rapid.IntRange(0, 10).Draw(r, "csat"))
		out.CSAT = &csat
	}
	if rapid.Bool().Draw(r, "script known") {
		script := float64(rapid.IntRange(0, 100).Draw(r, "script"))
		out.Script = &script
	}
	for _, tag := range rapid.SliceOfNDistinct(rapid.SampledFrom(tagPool), 0, 3, rapid.ID).Draw(r, "tags") {
		out.TagKeys = append(out.TagKeys, schemas.TagKey(tag))
	}
	for _, q := range rapid.SliceOfNDistinct(rapid.Int64Range(1, 3), 0, 3, rapid.ID).Draw(r, "questions") {
		answer := pick("answer", []string{schemas.AnswerYes, schemas.AnswerPartially, schemas.AnswerNo})
		out.Questions, out.Answers, out.AnswerKeys = append(out.Questions, q), append(out.Answers, answer), append(out.AnswerKeys, schemas.ChecklistKey(q, answer))
	}
	return out
}

// criterion is one parameter: how it is drawn, and what it means in plain Go.
type criterion struct {
	name  string
	draw  func(r *rapid.T, c *read.Criteria)
	match func(c read.Criteria, w row) bool
}

func drawInts(r *rapid.T) []int64 {
	return rapid.SliceOfN(rapid.Int64Range(0, 300), 1, 3).Draw(r, "ids")
}

func drawInt(r *rapid.T, low, high int64) *int64 {
	n := rapid.Int64Range(low, high).Draw(r, "number")
	return &n
}

func drawNumber(r *rapid.T, high int) *float64 {
	n := float64(rapid.IntRange(0, high*4).Draw(r, "number")) / 4
	return &n
}

func drawSome(r *rapid.T, from ...string) []string {
	return rapid.SliceOfN(rapid.SampledFrom(from), 1, 2).Draw(r, "values")
}

func anyOf[T comparable](have []T, want []T) bool {
	return slices.ContainsFunc(want, func(v T) bool { return slices.Contains(have, v) })
}

func allOf[T comparable](have []T, want []T) bool {
	return !slices.ContainsFunc(want, func(v T) bool { return !slices.Contains(have, v) })
}

func wide(ids []uint8) []int64 {
	var out []int64
	for _, id := range ids {
		out = append(out, int64(id))
	}
	return out
}

func lower(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, strings.ToLower(s))
	}
	return out
}

var criteria = []criterion{
	{"legacy code", func(r *rapid.T, c *read.Criteria) { c.LegacyCode = drawSome(r, "old-1", "old'2")[0] },
		func(c read.Criteria, w row) bool { return w.ExternalID == c.LegacyCode }},
	{"task_id", func(r *rapid.T, c *read.Criteria) { c.TaskID = drawInt(r, 1, 40) }, func(c read.Criteria, w row) bool { return w.ID == *c.TaskID }},
	{"date_from", func(r *rapid.T, c *read.Criteria) { c.From = day.Add(time.Duration(*drawInt(r, 0, 96)) * time.Hour) },
		func(c read.Criteria, w row) bool { return !w.CallDatetime.Before(c.From) }},
	{"date_to", func(r *rapid.T, c *read.Criteria) {
		c.Until = day.Add(time.Duration(*drawInt(r, 0, 96))*time.Hour + time.Microsecond)
	},
		func(c read.Criteria, w row) bool { return w.CallDatetime.Before(c.Until) }},
	{"task_type", func(r *rapid.T, c *read.Criteria) { c.Types = drawSome(r, "call", "chat", "email") }, func(c read.Criteria, w row) bool { return slices.Contains(c.Types, w.Type) }},
	{"status", func(r *rapid.T, c *read.Criteria) { c.Statuses = drawSome(r, "completed", "error") }, func(c read.Criteria, w row) bool { return slices.Contains(c.Statuses, w.Status) }},
	{"call_type", func(r *rapid.T, c *read.Criteria) { c.CallTypes = drawSome(r, "inbound", "outbound") }, func(c read.Criteria, w row) bool { return slices.Contains(c.CallTypes, w.CallType) }},
	{"operator_name", func(r *rapid.T, c *read.Criteria) {
		c.OperatorName = drawSome(r, "иван", "ИВАН", "ivan", "%", "_", "o'n", `\`, "b\nc", "{x:String}", "?")[0]
	}, func(c read.Criteria, w row) bool {
		return strings.Contains(strings.ToLower(w.Operator), strings.ToLower(c.OperatorName))
	}},
	{"message", func(r *rapid.T, c *read.Criteria) {
		c.Message = drawSome(r, "возврат", "ЗАКАЗА деньги", "Orders", "esim", "refund order", "o'order", "нет")[0]
	},
		func(c read.Criteria, w row) bool { return allOf(w.Words, schemas.SearchWords(c.Message)) }},
	{"tone_id", func(r *rapid.T, c *read.Criteria) { c.Tones = drawInts(r) }, func(c read.Criteria, w row) bool { return slices.Contains(c.Tones, int64(w.Tone)) }},
	{"resolved_status_id", func(r *rapid.T, c *read.Criteria) { c.Resolutions = drawInts(r) }, func(c read.Criteria, w row) bool { return slices.Contains(c.Resolutions, int64(w.Resolution)) }},
	{"priority_id", func(r *rapid.T, c *read.Criteria) { c.Priorities = drawInts(r) }, func(c read.Criteria, w row) bool { return slices.Contains(c.Priorities, int64(w.Priority)) }},
	{"funnel_stage_id", func(r *rapid.T, c *read.Criteria) { c.FunnelStages = drawInts(r) }, func(c read.Criteria, w row) bool { return slices.Contains(c.FunnelStages, int64(w.Stage)) }},
	{"risk_signal_id", func(r *rapid.T, c *read.Criteria) { c.Risks = drawInts(r) }, func(c read.Criteria, w row) bool { return anyOf(wide(w.Risks), c.Risks) }},
	{"sales_signal_id", func(r *rapid.T, c *read.Criteria) { c.Sales = drawInts(r) }, func(c read.Criteria, w row) bool { return anyOf(wide(w.Sales), c.Sales) }},
	{"script_alignment_min", func(r *rapid.T, c *read.Criteria) { c.ScriptMin = drawNumber(r, 100) }, func(c read.Criteria, w row) bool { return w.Script != nil && *w.Script >= *c.ScriptMin }},
	{"script_alignment_max", func(r *rapid.T, c *read.Criteria) { c.ScriptMax = drawNumber(r, 100) }, func(c read.Criteria, w row) bool { return w.Script != nil && *w.Script <= *c.ScriptMax }},
	{"csat_min", func(r *rapid.T, c *read.Criteria) { c.CSATMin = drawInt(r, 0, 10) }, func(c read.Criteria, w row) bool { return w.CSAT != nil && int64(*w.CSAT) >= *c.CSATMin }},
	{"csat_max", func(r *rapid.T, c *read.Criteria) { c.CSATMax = drawInt(r, 0, 10) }, func(c read.Criteria, w row) bool { return w.CSAT != nil && int64(*w.CSAT) <= *c.CSATMax }},
	{"politeness", func(r *rapid.T, c *read.Criteria) { c.Politeness = []int64{*drawInt(r, 1, 5), *drawInt(r, 1, 5)} }, func(c read.Criteria, w row) bool { return slices.Contains(c.Politeness, int64(w.Grade)) }},
	{"politeness_min", func(r *rapid.T, c *read.Criteria) { c.PolitenessMin = drawInt(r, 1, 5) }, func(c read.Criteria, w row) bool { return int64(w.Grade) >= *c.PolitenessMin }},
	{"politeness_max", func(r *rapid.T, c *read.Criteria) { c.PolitenessMax = drawInt(r, 1, 5) }, func(c read.Criteria, w row) bool { return w.Grade > 0 && int64(w.Grade) <= *c.PolitenessMax }},
	{"tags_any", func(r *rapid.T, c *read.Criteria) { c.TagsAny = drawSome(r, append(tagPool, "none", "ESIM")...) }, func(c read.Criteria, w row) bool { return anyOf(w.TagKeys, lower(c.TagsAny)) }},
	{"tags_all", func(r *rapid.T, c *read.Criteria) { c.TagsAll = drawSome(r, append(tagPool, "ВОЗВРАТ")...) }, func(c read.Criteria, w row) bool { return allOf(w.TagKeys, lower(c.TagsAll)) }},
	{"length_min", func(r *rapid.T, c *read.Criteria) { c.LengthMin = drawNumber(r, 3) }, func(c read.Criteria, w row) bool { return w.Length >= *c.LengthMin }},
	{"length_max", func(r *rapid.T, c *read.Criteria) { c.LengthMax = drawNumber(r, 3) }, func(c read.Criteria, w row) bool { return w.Length <= *c.LengthMax }},
	{"checklist_id", func(r *rapid.T, c *read.Criteria) { c.ChecklistID = drawInt(r, 1, 4) }, func(c read.Criteria, w row) bool {
		i := slices.Index(w.Questions, *c.ChecklistID)
		return i >= 0 && (len(c.Answers) == 0 || slices.Contains(c.Answers, w.Answers[i]))
	}},
	{"answers", func(r *rapid.T, c *read.Criteria) { c.Answers = drawSome(r, schemas.AnswerYes, schemas.AnswerNo) }, func(c read.Criteria, w row) bool { return anyOf(w.Answers, c.Answers) }},
}

// Every parameter, alone and with others, says in SQL what it says in Go; no
// row of another organisation is ever seen, nor an older version of a row.
func TestFilterIsThatOfPlainGo(t *testing.T) {
	reader := read.New(db)
	rapid.Check(t, func(r *rapid.T) {
		exec(t, "TRUNCATE TABLE interactions")
		rows := rapid.SliceOfN(rapid.Custom(drawRow), 1, 60).Draw(r, "rows")
		insert(t, rows)
		var older []row // each may match what its successor does not
		for _, w := range rows[:len(rows)/2] {
			old := drawRow(r)
			old.Org, old.Code, old.Version = w.Org, w.Code, 1
			older = append(older, old)
		}
		insert(t, older)
		for i, one := range criteria { // each alone, then each with one other
			for _, with := range []*criterion{nil, rapid.SampledFrom(pointers(criteria)).Draw(r, "with")} {
				var c read.Criteria
				one.draw(r, &c)
				if with != nil && with.name != one.name {
					with.draw(r, &c)
				}
				org := orgs[i%2]
				want := slices.DeleteFunc(slices.Clone(rows), func(w row) bool {
					return w.Org != org || !one.match(c, w) || with != nil && !with.match(c, w)
				})
				comparePages(r, reader, org, c, want)
			}
		}
	})
}

func pointers[T any](list []T) []*T {
	out := make([]*T, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

func comparePages(r *rapid.T, reader *read.Reader, org string, c read.Criteria, want []row) {
	slices.SortStableFunc(want, func(a, b row) int {
		return cmp.Or(b.UpdatedAt.Compare(a.UpdatedAt), cmp.Compare(b.ID, a.ID))
	})
	c.PerPage = rapid.IntRange(1, 10).Draw(r, "per page")
	c.Page = rapid.IntRange(1, len(want)/c.PerPage+1).Draw(r, "page")
	page, err := reader.Filter(context.Background(), org, c)
	if err != nil {
		r.Fatalf("%+v: %v", c, err)
	}
	first := min(len(want), (c.Page-1)*c.PerPage)
	want, total := want[first:min(len(want), first+c.PerPage)], int64(len(want))
	if page.Total != total || len(page.Tasks) != len(want) {
		r.Fatalf("%+v: %d of %d, want %d of %d", c, len(page.Tasks), page.Total, len(want), total)
	}
	for i, w := range want {
		got := page.Tasks[i]
		// Equal times and ids may come in any order: the test draws ids twice, the product does not.
		if got.ID != w.ID || !got.UpdatedAt.Equal(w.UpdatedAt) {
			r.Fatalf("%+v: place %d has %d of %s, want %d of %s", c, i, got.ID, got.UpdatedAt, w.ID, w.UpdatedAt)
		}
	}
}
