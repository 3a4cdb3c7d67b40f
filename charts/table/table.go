// Package table holds the tables of a report and writes them as CSV and XLSX.
package table

import (
	"fmt"
	"math"
	"time"
)

// Kind of a column: how its cells are shown.
type Kind int

// Kinds and the type of their cells; nil is "unknown" in every one.
const (
	Text     Kind = iota // string
	Number               // int64 or float64
	Percent              // float64, 0..1
	Duration             // float64, seconds
	Time                 // time.Time; CSV and XLSX show it in their zone
	Date                 // string, YYYY-MM-DD
)

// Column of a table.
type Column struct {
	Name   string // in the language of the report
	Kind   Kind
	Change bool // its numbers are differences, which have their sign
}

// Table is one table, in the language of the report.
type Table struct {
	ID      string // file name and sheet name are made of it: lower-case letters, digits, _
	Title   string
	Columns []Column
	Rows    [][]any // cells as the kind of their column says
}

// MaxRows is how many rows of a table are written; a sheet holds 1,048,576.
const MaxRows = 500_000

// check refuses a table that cannot be written. It comes before the first byte, so
// that no half a file is left; after it a cell is nil or what its kind says.
func (t Table) check() error {
	if len(t.Columns) == 0 || len(t.Rows) > MaxRows {
		return fmt.Errorf("the table %s has %d columns and %d rows: at least one column and at most %d rows are written", t.ID, len(t.Columns), len(t.Rows), MaxRows)
	}
	for i, row := range t.Rows {
		if len(row) != len(t.Columns) {
			return fmt.Errorf("row %d of the table %s has %d cells for %d columns", i, t.ID, len(row), len(t.Columns))
		}
		for j, cell := range row {
			if !t.Columns[j].Kind.holds(cell) {
				return fmt.Errorf("row %d of the table %s: the column %q cannot hold %v, a %T", i, t.ID, t.Columns[j].Name, cell, cell)
			}
		}
	}
	return nil
}

func (k Kind) holds(cell any) bool {
	switch v := cell.(type) {
	case nil:
		return true
	case string:
		return k == Text || k == Date
	case int64:
		return k == Number
	case float64:
		return (k == Number || k == Percent || k == Duration) && !math.IsNaN(v) && !math.IsInf(v, 0)
	case time.Time:
		return k == Time
	}
	return false
}
