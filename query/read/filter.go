package read

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"earshot/schemas"
)

// Filter returns one page of the organisation's tasks that meet c. A page
// beyond the last is empty.
//
// It takes two queries. The first counts the matches by time of their last
// change, in steps of about 19 hours, with the range of their task codes: that
// gives the total, and tells where the page lies. The second sorts that range of
// the table only, so that page 1 of a million costs little more than counting.
func (r *Reader) Filter(ctx context.Context, org string, c Criteria) (Page, error) {
	if c.Page < 1 {
		c.Page = 1
	}
	if c.PerPage < 1 {
		c.PerPage = DefaultPerPage
	}
	page := Page{Tasks: []TaskRow{}, Page: c.Page, PerPage: c.PerPage}
	w := where(org, c)
	spans, err := r.spans(ctx, w)
	if err != nil {
		return Page{}, err
	}
	first := uint64(c.Page-1) * uint64(c.PerPage)
	part := cover(spans, first, uint64(c.PerPage))
	page.Total = int64(part.total)
	if first >= part.total {
		return page, nil
	}
	w.add("updated_at >= {after:DateTime64(6, 'UTC')}", "after", part.from)
	w.add("updated_at < {before:DateTime64(6, 'UTC')}", "before", part.until)
	w.add("toUInt128(code) >= {low:UInt128}", "low", part.low.String())
	w.add("toUInt128(code) <= {high:UInt128}", "high", part.high.String())
	w.bind("limit", c.PerPage)
	w.bind("offset", part.skip)
	page.Tasks, err = r.rows(ctx, `SELECT `+rowColumns+` FROM interactions FINAL WHERE `+w.String()+`
		ORDER BY updated_at DESC, id DESC LIMIT {limit:UInt64} OFFSET {offset:UInt64}`, w.args...)
	return page, err
}

// spanBits is the width of a span: 2^36 microseconds.
const spanBits = 36

// span counts matches whose updated_at lies in the span-th step since 1970.
type span struct {
	number, matches uint64
	low, high       big.Int // the least and the greatest task code, as the table is sorted
}

func (r *Reader) spans(ctx context.Context, w *conditions) ([]span, error) {
	rows, err := r.conn.Query(bounded(ctx), fmt.Sprintf(`SELECT bitShiftRight(reinterpretAsUInt64(updated_at), %d) AS span, count(),
		min(toUInt128(code)), max(toUInt128(code)) FROM interactions FINAL WHERE %s GROUP BY span ORDER BY span DESC`, spanBits, w), w.args...)
	if err != nil {
		return nil, databaseError(err)
	}
	defer rows.Close()
	var out []span
	for rows.Next() {
		var s span
		if err := rows.Scan(&s.number, &s.matches, &s.low, &s.high); err != nil {
			return nil, databaseError(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		return nil, databaseError(err)
	}
	return out, nil
}

// part is where a page lies: in time, among the codes, and behind how many
// matches of that part.
type part struct {
	from, until time.Time
	low, high   big.Int
	skip        uint64
	total       uint64 // matches of all spans
}

// cover finds the part that holds the matches first..first+n-1 of spans, newest
// first.
func cover(spans []span, first, n uint64) (p part) {
	for _, s := range spans {
		before := p.total
		p.total += s.matches
		if p.total <= first || before >= first+n {
			continue
		}
		begins := p.until.IsZero()
		if begins {
			p.until = time.UnixMicro(int64((s.number + 1) << spanBits))
			p.skip = first - before
		}
		p.from = time.UnixMicro(int64(s.number << spanBits))
		if begins || s.low.Cmp(&p.low) < 0 {
			p.low = s.low
		}
		if begins || s.high.Cmp(&p.high) > 0 {
			p.high = s.high
		}
	}
	return p
}

// conditions collects predicates, all of which must hold, with their values.
type conditions struct {
	predicates []string
	args       []any
}

func (w *conditions) add(predicate, name string, value any) {
	w.predicates = append(w.predicates, predicate)
	w.bind(name, value)
}

func (w *conditions) bind(name string, value any) {
	w.args = append(w.args, clickhouse.Named(name, value))
}

func (w *conditions) String() string { return strings.Join(w.predicates, " AND ") }

func (w *conditions) addText(predicate, name, value string) {
	if value != "" {
		w.add(predicate, name, value)
	}
}

func (w *conditions) addTime(predicate, name string, value time.Time) {
	if !value.IsZero() {
		w.add(predicate, name, value)
	}
}

func addList[T any](w *conditions, predicate, name string, values []T) {
	if len(values) > 0 {
		w.add(predicate, name, values)
	}
}

func addValue[T any](w *conditions, predicate, name string, value *T) {
	if value != nil {
		w.add(predicate, name, *value)
	}
}

// where turns criteria into predicates. This is the whole list of them: SQL
// comes from here, values never do.
func where(org string, c Criteria) *conditions {
	w := &conditions{}
	w.add("org = {org:String}", "org", org)
	w.addText("code = {code:UUID}", "code", c.TaskCode)
	w.addText("external_id = {legacy:String}", "legacy", c.LegacyCode)
	addValue(w, "id = {id:Int64}", "id", c.TaskID)
	w.addTime("call_datetime >= {from:DateTime64(6, 'UTC')}", "from", c.From)
	w.addTime("call_datetime < {until:DateTime64(6, 'UTC')}", "until", c.Until)
	addList(w, "type IN {types:Array(String)}", "types", c.Types)
	addList(w, "status IN {statuses:Array(String)}", "statuses", c.Statuses)
	addList(w, "call_type IN {call_types:Array(String)}", "call_types", c.CallTypes)
	w.addText("positionCaseInsensitiveUTF8(operator_name, {operator:String}) > 0", "operator", c.OperatorName)
	addList(w, "hasAll(words, {words:Array(String)})", "words", schemas.SearchWords(c.Message))
	addList(w, "has({tones:Array(Int64)}, tone_id)", "tones", c.Tones)
	addList(w, "has({resolutions:Array(Int64)}, resolved_status_id)", "resolutions", c.Resolutions)
	addList(w, "has({priorities:Array(Int64)}, priority_id)", "priorities", c.Priorities)
	addList(w, "has({stages:Array(Int64)}, funnel_stage_id)", "stages", c.FunnelStages)
	addList(w, "hasAny(risk_signal_ids, {risks:Array(Int64)})", "risks", c.Risks)
	addList(w, "hasAny(sales_signal_ids, {sales:Array(Int64)})", "sales", c.Sales)
	addValue(w, "script_alignment >= {script_min:Float64}", "script_min", c.ScriptMin)
	addValue(w, "script_alignment <= {script_max:Float64}", "script_max", c.ScriptMax)
	addValue(w, "csat >= {csat_min:Int64}", "csat_min", c.CSATMin)
	addValue(w, "csat <= {csat_max:Int64}", "csat_max", c.CSATMax)
	addList(w, "has({politeness:Array(Int64)}, politeness_grade)", "politeness", c.Politeness)
	addValue(w, "politeness_grade >= {politeness_min:Int64}", "politeness_min", c.PolitenessMin)
	addValue(w, "politeness_grade BETWEEN 1 AND {politeness_max:Int64}", "politeness_max", c.PolitenessMax)
	addList(w, "hasAny(tag_keys, {tags_any:Array(String)})", "tags_any", tagKeys(c.TagsAny))
	addList(w, "hasAll(tag_keys, {tags_all:Array(String)})", "tags_all", tagKeys(c.TagsAll))
	addValue(w, "length >= {length_min:Float64}", "length_min", c.LengthMin)
	addValue(w, "length <= {length_max:Float64}", "length_max", c.LengthMax)
	switch {
	case c.ChecklistID != nil && len(c.Answers) > 0:
		keys := make([]string, len(c.Answers))
		for i, answer := range c.Answers {
			keys[i] = schemas.ChecklistKey(*c.ChecklistID, answer)
		}
		w.add("hasAny(checklist_keys, {answers:Array(String)})", "answers", keys)
	case c.ChecklistID != nil:
		w.add("has(checklist_ids, {question:Int64})", "question", *c.ChecklistID)
	case len(c.Answers) > 0:
		w.add("hasAny(checklist_answers, {answers:Array(String)})", "answers", c.Answers)
	}
	return w
}

func tagKeys(tags []string) []string {
	keys := make([]string, len(tags))
	for i, tag := range tags {
		keys[i] = schemas.TagKey(tag)
	}
	return keys
}
