// Package table holds the tables of a report and writes them as CSV and XLSX.
package table

// Kind of a column: how its cells are shown.
type Kind int

// Kinds and the type of their cells; nil is "unknown" in every one.
const (
	Text     Kind = iota // string
	Number               // int64 or float64
	Percent              // float64, 0..1
	Duration             // float64, seconds
	Time                 // time.Time, in the zone of the report
	Date                 // string, YYYY-MM-DD
)

// Column of a table.
type Column struct {
	Name string // in the language of the report
	Kind Kind
}

// Table is one table, in the language of the report.
type Table struct {
	ID      string // file name and sheet name are made of it: lower-case letters, digits, _
	Title   string
	Columns []Column
	Rows    [][]any // cells as the kind of their column says
}
