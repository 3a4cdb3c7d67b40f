package page

import (
	"cmp"
	"fmt"
	"slices"

	"earshot/charts/table"
	"earshot/schemas/report"
)

// Title and the others here are for page.html.
func (w *writing) Title() string { return w.word("title_" + w.Kind) }

// When is the period, Before the one it is compared with.
func (w *writing) When() string { return w.period(w.Period) }

// Before is the period before.
func (w *writing) Before() string { return w.period(w.Previous) }

// view is a block as the template sees it.
type view struct {
	Block block
	R     *writing
}

// View is the block with what its template asks for.
func (w *writing) View(b block) view { return view{b, w} }

// Caption is what the fold above the table says.
func (v view) Caption() string { return v.R.fill("table_of", "title", v.Block.Table.Title) }

// shown is a cell of a table. Numbers stand to the right.
type shown struct {
	Text   string
	Number bool
}

// A table of wide columns or more is set smaller; one of slim or fewer does not
// fill the page, where its numbers would stand far from their names.
const wide, slim = 9, 3

// Form is how the table is set: wide when it has many columns, slim when it has
// few, upright when its columns are rows.
func (v view) Form() string {
	switch n := len(v.Block.Table.Columns); {
	case v.Block.Upright:
		return "upright"
	case n >= wide:
		return "wide"
	case n <= slim:
		return "slim"
	}
	return ""
}

// Rows are the cells of the table in text, the head first; of an upright one its columns are the rows.
func (v view) Rows() [][]shown {
	t := v.Block.Table
	rows := [][]shown{make([]shown, len(t.Columns))}
	for i, c := range t.Columns {
		rows[0][i] = shown{c.Name, numeric(c.Kind)}
	}
	for r, row := range t.Rows {
		cells := make([]shown, len(t.Columns))
		for i, c := range t.Columns {
			text := v.R.cell(c.Kind, row[i])
			if i > 0 && (v.Block.Changes && r == len(t.Rows)-1 || c.Change) {
				text = v.R.delta(c.Kind, row[i])
			}
			cells[i] = shown{text, numeric(c.Kind)}
		}
		rows = append(rows, cells)
	}
	if !v.Block.Upright {
		return rows
	}
	turned := make([][]shown, len(t.Columns))
	for i := range turned {
		for _, row := range rows {
			turned[i] = append(turned[i], row[i])
		}
		turned[i][0].Number = false
	}
	for i := range turned[0] {
		turned[0][i].Number = i > 0
	}
	return turned
}

func numeric(kind table.Kind) bool {
	return kind == table.Number || kind == table.Percent || kind == table.Duration
}

// origin is a line of where the report comes from.
type origin struct {
	Name   string
	Values []string
}

// Origin is everything that is needed to make the report again.
func (w *writing) Origin() []origin {
	p := w.Provenance
	out := []origin{
		{w.word("organisation"), []string{w.Organisation}},
		{w.word("period"), []string{w.moment(w.Period.From) + " – " + w.moment(w.Period.Until)}},
		{w.word("previous"), []string{w.moment(w.Previous.From) + " – " + w.moment(w.Previous.Until)}},
		{w.word("zone"), []string{w.Period.Zone}},
		{w.word("made_at"), []string{w.moment(w.MadeAt)}},
		{w.word("program"), []string{"Earshot " + p.Program}},
	}
	out = append(out, w.origins(w.used(w.Provenance, "models", "engines", "scripts"))...)
	settings, log := origin{Name: w.word("settings")}, origin{Name: w.word("log")}
	if n := len(p.Profiles); n > 0 { // their names are in the table
		settings.Values = []string{w.count("version", int64(n))}
		if n == report.MaxUsed {
			settings.Values = []string{w.fill("at_least", "n", settings.Values[0])}
		}
	}
	for i, l := range p.Log {
		if i == 0 || l.Topic != p.Log[i-1].Topic {
			log.Values = append(log.Values, l.Topic)
		}
		log.Values[len(log.Values)-1] += fmt.Sprintf(" %d:%d", l.Partition, l.Offset)
	}
	out = append(append(append(out, settings), w.origins(w.used(w.PreviousProvenance, "models_before", "engines_before", "scripts_before"))...), log)
	return slices.DeleteFunc(out, func(o origin) bool { return len(o.Values) == 0 || cmp.Or(o.Values...) == "" })
}

// origins has a line for each part.
func (w *writing) origins(all []used) (out []origin) {
	for _, used := range all {
		if len(out) == 0 || out[len(out)-1].Name != used.part {
			out = append(out, origin{Name: used.part})
		}
		last := &out[len(out)-1]
		last.Values = append(last.Values, w.fill("judged", "name", used.name, "n", w.count("conversation", used.conversations)))
	}
	return out
}

// used is what heard or judged conversations of the report: which part it has in
// it, its name, how many conversations.
type used struct {
	part, name    string
	conversations int64
}

// used are speech models, analysers and scripts, each part's together and named by
// a word.
func (w *writing) used(p report.Provenance, models, engines, scripts string) (all []used) {
	for _, e := range p.Models {
		all = append(all, used{w.word(models), e.Name, e.Conversations})
	}
	for _, e := range p.Engines {
		all = append(all, used{w.word(engines), e.Name, e.Conversations})
	}
	for _, s := range p.Scripts {
		name := w.fill("script_version", "id", fmt.Sprint(s.ID), "version", fmt.Sprint(s.Version))
		all = append(all, used{w.word(scripts), name, s.Conversations})
	}
	return all
}

// provenance is the table of the same, with the digests of the settings.
func (w *writing) provenance() table.Table {
	t := w.table("provenance", "used_part", table.Text, "used_name", table.Text, "conversations", table.Number)
	for _, used := range append(w.used(w.Provenance, "models", "engines", "scripts"), w.used(w.PreviousProvenance, "models_before", "engines_before", "scripts_before")...) {
		t.Rows = append(t.Rows, []any{used.part, used.name, used.conversations})
	}
	for _, p := range w.Provenance.Profiles {
		t.Rows = append(t.Rows, []any{w.word("settings"), p.Name, p.Conversations})
	}
	return *t
}
