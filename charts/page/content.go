package page

import (
	"net/url"
	"strings"

	"earshot/charts/table"
	"earshot/schemas/report"
)

// A section is a heading of the second level with blocks below it, and an entry
// of the contents.
type section struct {
	ID, Title string
	Blocks    []block
}

// A block is what stands under a heading of the third level, or under none:
// words, tiles, a chart, its table, cases, quotes, advice; each where there is one.
type block struct {
	ID, Title string
	Text      []string
	Tiles     []tile
	Chart     *chart
	Table     *table.Table
	Place     place
	Upright   bool // the table's columns are shown as rows
	Changes   bool // the last row of the table is the change of the others
	Narrow    bool // stands beside its neighbour where there is room
	Cases     []card
	Quotes    []quote
	Advice    []advice
}

// place is where a block's table goes.
type place int

const (
	everywhere place = iota
	onPage           // it is a part of another table
	inFiles          // the page shows the same in another way
)

// ShowTable tells whether the page has the block's table.
func (b block) ShowTable() bool { return b.Table != nil && b.Place != inFiles && len(b.Table.Rows) > 0 }

// tile is one key figure. Trend is "better", "worse" or "" and is only colour:
// Arrow and Change say the same.
type tile struct {
	Name, Value, Arrow, Change, Was, Trend string
}

// card is a conversation that is worth a look.
type card struct {
	Link, Code, About, Score, Summary string
	Quotes                            []quote
}

// quote is what somebody said, and where.
type quote struct {
	Text, Place, Link string
}

// advice is a recommendation: what to do, and the numbers behind it.
type advice struct {
	Do, Because string
}

// about is a section that is left out when its blocks are empty.
func about(id, title string, blocks ...block) section {
	s := section{ID: id, Title: title}
	for _, b := range blocks {
		if len(b.Text)+len(b.Tiles)+len(b.Cases)+len(b.Quotes)+len(b.Advice) > 0 || b.Chart != nil || b.Table != nil {
			s.Blocks = append(s.Blocks, b)
		}
	}
	return s
}

// link is the address of a conversation, "" where the report has none. Only web
// addresses: the page is opened from anywhere.
func (w *writing) link(code string) string {
	address, err := url.Parse(strings.ReplaceAll(w.Link, "{code}", url.PathEscape(code)))
	if code == "" || err != nil || address.Scheme != "https" && address.Scheme != "http" {
		return ""
	}
	return address.String()
}

func (w *writing) quotes(said []report.Quote) (out []quote) {
	for _, q := range said {
		where := []string{w.speaker(q.Speaker), w.moment(q.At)}
		if q.Start != nil {
			where = append(where, w.fill("at_minute", "minute", clock(*q.Start)))
		}
		out = append(out, quote{w.fill("quoted", "quote", one(q.Text)), strings.Join(where, ", "), w.link(q.Code)})
	}
	return out
}

// cards are conversations with what proves the judgement; the table of the same goes into the files.
func (w *writing) cards(cases []report.Case) (out []card) {
	for _, c := range cases {
		about := []string{w.word("type_" + c.Type), w.moment(c.At)}
		if c.Operator != "" {
			about = append(about, one(c.Operator))
		}
		if c.Seconds > 0 {
			about = append(about, clock(c.Seconds))
		}
		if c.CSAT != nil {
			about = append(about, w.fill("csat_is", "csat", w.cell(table.Number, *c.CSAT)))
		}
		out = append(out, card{w.link(c.Code), c.Code, strings.Join(about, " · "), w.cell(table.Number, known(c.Score)), one(c.Summary), w.quotes(c.Quotes)})
	}
	return out
}

// caseColumns are those of caseRow.
var caseColumns = []any{"case_time", table.Time, "case_type", table.Text, "operator", table.Text, "length", table.Duration, "score", table.Number,
	"csat", table.Number, "summary", table.Text, "code", table.Text, "link", table.Text}

func (w *writing) caseRow(c report.Case) []any {
	var csat any
	if c.CSAT != nil {
		csat = *c.CSAT
	}
	return []any{c.At, w.word("type_" + c.Type), c.Operator, c.Seconds, known(c.Score), csat, c.Summary, c.Code, w.link(c.Code)}
}

// cases are blocks for good or bad conversations.
func (w *writing) cases(id string, cases []report.Case) block {
	if len(cases) == 0 {
		return block{}
	}
	t := w.table(id, caseColumns...)
	for _, c := range cases {
		t.Rows = append(t.Rows, w.caseRow(c))
	}
	return block{ID: id, Title: t.Title, Cases: w.cards(cases), Table: t, Place: inFiles}
}

// table begins a table of the report; columns are a word and its kind, in turn.
func (w *writing) table(id string, columns ...any) *table.Table {
	t := &table.Table{ID: id, Title: w.word("table_" + id)}
	for i := 0; i+1 < len(columns); i += 2 {
		t.Columns = append(t.Columns, w.column(columns[i].(string), columns[i+1].(table.Kind)))
	}
	return t
}

// column is one named by a word; those of changes are shown with their sign.
func (w *writing) column(word string, kind table.Kind) table.Column {
	return table.Column{Name: w.word(word), Kind: kind, Change: word == "change" || strings.HasSuffix(word, "_change")}
}
