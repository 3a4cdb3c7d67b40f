package table

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"

	"earshot/schemas"
)

// listWords are the words of the first sheet: its name, and its columns.
var listWords = map[string][3]string{
	"en": {"Contents", "Table", "Rows"},
	"ru": {"Содержание", "Таблица", "Строк"},
}

const (
	narrowest, widest = 8, 60 // columns, in characters
	measured          = 1000  // rows that the width of a column is taken from
)

// XLSX writes the tables as a workbook, a sheet each: a header that stays in view,
// a filter, and cells that are numbers, shares, durations, dates and times to
// Excel, times as the clocks of zone show them. Before them comes a list of the
// tables in the language of a BCP 47 tag, "ru" or else English. Texts are never
// formulas. A text of more than 32,767 characters is cut there, as Excel does.
func XLSX(w io.Writer, tables []Table, zone *time.Location, lang string) error {
	for _, t := range tables {
		if err := t.check(); err != nil {
			return err
		}
	}
	words := listWords["en"]
	if strings.HasPrefix(strings.ToLower(lang), "ru") {
		words = listWords["ru"]
	}
	book := &workbook{file: excelize.NewFile(), zone: zone, names: map[string]bool{}}
	defer book.file.Close()
	if err := book.makeStyles(); err != nil {
		return err
	}
	list := book.sheetName(words[0])
	if err := book.file.SetSheetName("Sheet1", list); err != nil {
		return err
	}
	sheets := make([]string, len(tables))
	for i, t := range tables {
		sheets[i] = book.sheetName(t.ID)
		if err := book.add(sheets[i], t); err != nil {
			return fmt.Errorf("the sheet %s: %w", sheets[i], err)
		}
	}
	if err := book.addList(list, words, tables, sheets); err != nil {
		return fmt.Errorf("the list of tables: %w", err)
	}
	return book.write(w)
}

// write writes the file with its parts in order. excelize's order is random, and
// the same tables must make the same file.
func (b *workbook) write(w io.Writer) error {
	made, err := b.file.WriteToBuffer()
	if err != nil {
		return err
	}
	archive, err := zip.NewReader(bytes.NewReader(made.Bytes()), int64(made.Len()))
	if err != nil {
		return err
	}
	slices.SortFunc(archive.File, func(x, y *zip.File) int { return strings.Compare(x.Name, y.Name) })
	sorted := zip.NewWriter(w)
	for _, part := range archive.File {
		if err := sorted.Copy(part); err != nil {
			return err
		}
	}
	return sorted.Close()
}

// workbook is one while it is made.
type workbook struct {
	file   *excelize.File
	zone   *time.Location
	names  map[string]bool // of sheets, in lower case: Excel takes A and a for one
	header int             // styles
	link   int
	whole  int // of a Number that is an int64
	kinds  map[Kind]int
}

// makeStyles makes the formats of cells. Excel shows them in the user's own way:
// decimal comma, order of day and month.
func (b *workbook) makeStyles() (err error) {
	style := func(format string, s excelize.Style) (id int) {
		if format != "" {
			s.CustomNumFmt = &format
		}
		if err == nil {
			id, err = b.file.NewStyle(&s)
		}
		return id
	}
	top := &excelize.Alignment{Vertical: "top"}
	b.header = style("", excelize.Style{Font: &excelize.Font{Bold: true}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"E8ECF1"}},
		Alignment: &excelize.Alignment{Vertical: "top", WrapText: true}})
	b.link = style("", excelize.Style{Font: &excelize.Font{Color: "0563C1", Underline: "single"}})
	b.whole = style("#,##0", excelize.Style{Alignment: top})
	b.kinds = map[Kind]int{
		Text:     style("@", excelize.Style{Alignment: &excelize.Alignment{Vertical: "top", WrapText: true}}),
		Number:   style("#,##0.00", excelize.Style{Alignment: top}),
		Percent:  style("0.0%", excelize.Style{Alignment: top}),
		Duration: style("[h]:mm:ss", excelize.Style{Alignment: top}),
		Time:     style("yyyy-mm-dd hh:mm:ss", excelize.Style{Alignment: top}),
		Date:     style("yyyy-mm-dd", excelize.Style{Alignment: top}),
	}
	return err
}

// sheetName is a name that Excel accepts and no other sheet has: at most 31
// characters, none of []:*?/\ and no apostrophe, not "History".
func (b *workbook) sheetName(wanted string) string {
	base := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`[]:*?/\'`, r) || r < ' ' || r > 0xFFFF {
			return '_'
		}
		return r
	}, schemas.Printable(wanted))
	if base == "" || strings.EqualFold(base, "history") {
		base += "_"
	}
	name := cut(base, 31)
	for i := 2; b.names[strings.ToLower(name)]; i++ {
		end := fmt.Sprintf(" (%d)", i)
		name = cut(base, 31-len(end)) + end
	}
	b.names[strings.ToLower(name)] = true
	return name
}

// cut is the text's first n characters.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// add writes a table to a sheet of its own, row by row: the rows never lie in
// memory a second time.
func (b *workbook) add(sheet string, t Table) error {
	if _, err := b.file.NewSheet(sheet); err != nil {
		return err
	}
	last, err := excelize.CoordinatesToCellName(len(t.Columns), len(t.Rows)+1)
	if err != nil {
		return err
	}
	if err := b.file.AutoFilter(sheet, "A1:"+last, nil); err != nil {
		return err
	}
	lines, err := b.file.NewStreamWriter(sheet)
	if err != nil {
		return err
	}
	for i := range t.Columns {
		if err := lines.SetColWidth(i+1, i+1, t.width(i)); err != nil {
			return err
		}
	}
	if err := lines.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	line := make([]any, len(t.Columns))
	for i, column := range t.Columns {
		line[i] = excelize.Cell{StyleID: b.header, Value: schemas.Printable(column.Name)}
	}
	if err := lines.SetRow("A1", line); err != nil {
		return err
	}
	for i, row := range t.Rows {
		for j, cell := range row {
			line[j] = b.cell(t.Columns[j].Kind, cell)
		}
		if err := lines.SetRow(fmt.Sprintf("A%d", i+2), line); err != nil {
			return err
		}
	}
	return lines.Flush()
}

// cell is a cell as Excel has it: days since 1900 for times and durations.
func (b *workbook) cell(kind Kind, cell any) excelize.Cell {
	made := excelize.Cell{StyleID: b.kinds[kind], Value: cell}
	switch v := cell.(type) {
	case int64:
		made.StyleID = b.whole
	case float64:
		if kind == Duration {
			made.Value = v / (24 * time.Hour).Seconds()
		}
	case time.Time:
		made.Value = v.In(b.zone)
	case string:
		made.Value = schemas.Printable(v)
		if day, err := time.Parse(time.DateOnly, v); err == nil && kind == Date {
			made.Value = day
		} else {
			made.StyleID = b.kinds[Text]
		}
	}
	return made
}

// width is how wide a column must be for most of its cells.
func (t Table) width(column int) float64 {
	most := utf8.RuneCountInString(t.Columns[column].Name) + 3 // room for the filter's button
	if kind := t.Columns[column].Kind; kind == Time {
		most = max(most, len(time.DateTime))
	} else if kind != Text {
		most = max(most, len(time.DateOnly))
	}
	for _, row := range t.Rows[:min(len(t.Rows), measured)] {
		if text, ok := row[column].(string); ok {
			most = max(most, utf8.RuneCountInString(text))
		}
	}
	return float64(min(max(most+1, narrowest), widest))
}

// addList fills the first sheet: what tables there are, and the way to them.
func (b *workbook) addList(list string, words [3]string, tables []Table, sheets []string) error {
	lines := [][]any{{words[1], words[2]}}
	for _, t := range tables {
		lines = append(lines, []any{schemas.Printable(t.Title), len(t.Rows)})
	}
	for i, line := range lines {
		if err := b.file.SetSheetRow(list, fmt.Sprintf("A%d", i+1), &line); err != nil {
			return err
		}
		if i == 0 {
			continue
		}
		at := fmt.Sprintf("A%d", i+1)
		if err := b.file.SetCellHyperLink(list, at, "'"+sheets[i-1]+"'!A1", "Location"); err != nil {
			return err
		}
		if err := b.file.SetCellStyle(list, at, at, b.link); err != nil {
			return err
		}
	}
	if err := b.file.SetCellStyle(list, "A1", "B1", b.header); err != nil {
		return err
	}
	if err := b.file.SetColWidth(list, "A", "A", widest); err != nil {
		return err
	}
	return b.file.SetPanes(list, &excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"})
}
