package table

import (
	"encoding/csv"
	"io"
	"regexp"
	"strconv"
	"time"

	"earshot/schemas"
)

// CSV writes a table as RFC 4180 describes it, in UTF-8 with a byte order mark,
// without which Excel reads Cyrillic as something else. Numbers have a decimal
// point, shares are 0..1, durations seconds, times ISO 8601 as the clocks of zone
// show them, with their offset; what is unknown is empty. A text that a spreadsheet would run as a formula
// begins with an apostrophe.
func CSV(w io.Writer, t Table, zone *time.Location) error {
	if err := t.check(); err != nil {
		return err
	}
	if _, err := io.WriteString(w, "\uFEFF"); err != nil {
		return err
	}
	lines := csv.NewWriter(w)
	lines.UseCRLF = true
	line := make([]string, len(t.Columns))
	for i, column := range t.Columns {
		line[i] = defused(column.Name)
	}
	if err := lines.Write(line); err != nil {
		return err
	}
	for _, row := range t.Rows {
		for i, cell := range row {
			line[i] = written(cell, zone)
		}
		if err := lines.Write(line); err != nil {
			return err
		}
	}
	lines.Flush()
	return lines.Error()
}

// written is a cell as CSV has it.
func written(cell any, zone *time.Location) string {
	switch v := cell.(type) {
	case string:
		return defused(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Time:
		return v.In(zone).Format(time.RFC3339)
	}
	return ""
}

// formula is how a text begins that Excel or LibreOffice would run, the wide forms
// in East Asian versions.
var formula = regexp.MustCompile(`^([\s\x{A0}]*[=+\-@＝＋－＠]|\s)`)

// defused is a text that no spreadsheet takes for a formula.
func defused(s string) string {
	if s = schemas.Printable(s); formula.MatchString(s) {
		return "'" + s
	}
	return s
}
