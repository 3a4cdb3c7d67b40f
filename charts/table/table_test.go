package table

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
)

var moscow = time.FixedZone("MSK", 3*60*60)

// hostile are texts that must stay texts.
var hostile = []string{`=cmd|' /C calc'!A0`, "+1+1", "-2+3", "@SUM(1,1)", "\t=1+1", "\r=1+1", "  =1+1", "\x01=1+1", "＝1+1",
	`<script>alert(1)</script>`, "a\x00b\x0Bc\uFFFEd\u202Ee", `say "yes", or;no`, "two\nlines", "]]></t>", "_x000D_", "'quoted", "\xFF\xFE"}

// sample has every kind of column, a row with all that is unknown, and hostile texts.
func sample(id string) Table {
	t := Table{ID: id, Title: "Операторы & Ко <b>", Columns: []Column{{Name: "Оператор", Kind: Text}, {Name: "Звонков", Kind: Number}, {Name: "Балл", Kind: Number}, {Name: "Решено", Kind: Percent},
		{Name: "=Длительность", Kind: Duration}, {Name: "Начало", Kind: Time}, {Name: "День", Kind: Date}}}
	at := time.Date(2025, 10, 31, 22, 30, 5, 0, time.UTC)
	t.Rows = append(t.Rows, []any{"Анна Иванова", int64(1234567), 83.25, 0.5, 90061.0, at, "2025-10-31"}, make([]any, 7))
	for _, text := range hostile {
		t.Rows = append(t.Rows, []any{text, int64(-1), -0.5, 0.0, 0.5, at, text})
	}
	return t
}

func TestCSV(t *testing.T) {
	var b bytes.Buffer
	if err := CSV(&b, sample("operators"), moscow); err != nil {
		t.Fatal(err)
	}
	text, found := strings.CutPrefix(b.String(), "\uFEFF")
	if !found || strings.Count(text, "\n") != strings.Count(text, "\r\n") {
		t.Error("no byte order mark, or lines that do not end with CR LF")
	}
	lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"Оператор", "Звонков", "Балл", "Решено", "'=Длительность", "Начало", "День"},
		{"Анна Иванова", "1234567", "83.25", "0.5", "90061", "2025-11-01T01:30:05+03:00", "2025-10-31"},
		{"", "", "", "", "", "", ""},
	}
	for i, line := range want {
		if !slices.Equal(lines[i], line) {
			t.Errorf("line %d is %q, want %q", i, lines[i], line)
		}
	}
	if len(lines) != 3+len(hostile) {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines[3:] {
		for _, i := range []int{0, 6} {
			if strings.ContainsAny(strings.TrimLeft(line[i], " ")[:1], "=+-@\t\r\n") || strings.ContainsAny(line[i], "\x00\x01\x0B\u202E\uFFFE") {
				t.Errorf("the cell %q is not inert", line[i])
			}
		}
		if line[1] != "-1" || line[2] != "-0.5" {
			t.Errorf("negative numbers became %q and %q", line[1], line[2])
		}
	}
}

func workbookOf(t *testing.T, lang string, tables ...Table) (*excelize.File, []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := XLSX(&b, tables, moscow, lang); err != nil {
		t.Fatal(err)
	}
	wellFormed(t, b.Bytes())
	f, err := excelize.OpenReader(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, b.Bytes()
}

// wellFormed reads every part of a workbook as XML: Excel refuses the whole file for one bad one.
func wellFormed(t *testing.T, book []byte) {
	t.Helper()
	parts, err := zip.NewReader(bytes.NewReader(book), int64(len(book)))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts.File {
		content, err := part.Open()
		if err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(content); err == nil; {
			_, err = d.Token()
		}
		content.Close()
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", part.Name, err)
		}
	}
}

func TestXLSX(t *testing.T) {
	f, first := workbookOf(t, "ru-RU", sample("operators"), Table{ID: "empty", Title: "Пусто", Columns: []Column{{Name: "День", Kind: Date}}})
	if sheets := f.GetSheetList(); !slices.Equal(sheets, []string{"Содержание", "operators", "empty"}) {
		t.Fatalf("sheets %q", sheets)
	}
	list, err := f.GetRows("Содержание")
	if err != nil || !slices.Equal(list[1], []string{"Операторы & Ко <b>", "19"}) || !slices.Equal(list[2], []string{"Пусто", "0"}) {
		t.Errorf("the list of tables is %q, %v", list, err)
	}
	if linked, to, err := f.GetCellHyperLink("Содержание", "A2"); !linked || to != "'operators'!A1" || err != nil {
		t.Errorf("the list leads to %q, %v", to, err)
	}
	for cell, want := range map[string]string{"A2": "Анна Иванова", "B2": "1,234,567", "C2": "83.25", "D2": "50.0%", "E2": "25:01:01",
		"F2": "2025-11-01 01:30:05", "G2": "2025-10-31", "E1": "=Длительность", "A3": "", "B3": "", "F3": ""} {
		if shown, err := f.GetCellValue("operators", cell); err != nil || shown != want {
			t.Errorf("%s shows %q, want %q, %v", cell, shown, want, err)
		}
	}
	for i, text := range hostile {
		checkText(t, f, fmt.Sprintf("A%d", i+4), text)
		checkText(t, f, fmt.Sprintf("G%d", i+4), text)
	}
	for _, sheet := range []string{"operators", "empty"} {
		if panes, err := f.GetPanes(sheet); err != nil || !panes.Freeze || panes.YSplit != 1 {
			t.Errorf("%s: the header does not stay: %+v, %v", sheet, panes, err)
		}
	}
	if names := f.GetDefinedName(); len(names) != 2 || names[0].RefersTo != "'operators'!$A$1:$G$20" {
		t.Errorf("filters: %+v", names)
	}
	style, err := f.GetCellStyle("operators", "A1")
	if err != nil {
		t.Fatal(err)
	}
	if header, err := f.GetStyle(style); err != nil || header.Font == nil || !header.Font.Bold {
		t.Errorf("the header is not bold: %+v, %v", header, err)
	}
	if width, err := f.GetColWidth("operators", "F"); err != nil || width < 19 {
		t.Errorf("the column of times is %v wide: Excel shows ####, %v", width, err)
	}
	if _, again := workbookOf(t, "ru-RU", sample("operators"), Table{ID: "empty", Title: "Пусто", Columns: []Column{{Name: "День", Kind: Date}}}); !bytes.Equal(first, again) {
		t.Error("the same tables made another file")
	}
}

// checkText says whether a cell is a text, and the one that was meant.
func checkText(t *testing.T, f *excelize.File, cell, text string) {
	t.Helper()
	kind, err := f.GetCellType("operators", cell)
	if err != nil || kind != excelize.CellTypeInlineString && kind != excelize.CellTypeSharedString {
		t.Errorf("%s: %q is of type %v, %v", cell, text, kind, err)
	}
	if run, err := f.GetCellFormula("operators", cell); run != "" || err != nil {
		t.Errorf("%s: %q became the formula %q, %v", cell, text, run, err)
	}
	want := strings.NewReplacer("\x00", "", "\x01", "", "\x0B", "", "\r", "", "\uFFFE", "", "\u202E", "", "\xFF\xFE", "\uFFFD").Replace(text)
	if got, err := f.GetCellValue("operators", cell); err != nil || got != want {
		t.Errorf("%s reads %q, want %q, %v", cell, got, want, err)
	}
}

func TestSheetNames(t *testing.T) {
	ids := []string{"operators", "Operators", "", `a/b\c[d]e:f*g?h`, "'quoted'", "History", "contents", "=1+1", "😀😀", "x\x00y\u202E",
		strings.Repeat("длинное_", 5), strings.Repeat("длинное_", 5), strings.Repeat("длинное_", 5)}
	tables := make([]Table, len(ids))
	for i, id := range ids {
		tables[i] = sample(id)
	}
	f, _ := workbookOf(t, "en", tables...)
	sheets := f.GetSheetList()
	if len(sheets) != len(ids)+1 || sheets[0] != "Contents" {
		t.Fatalf("sheets %q", sheets)
	}
	seen := map[string]bool{}
	for i, name := range sheets {
		if n := len([]rune(name)); n == 0 || n > 31 || strings.ContainsAny(name, `[]:*?/\'`) || strings.EqualFold(name, "history") || seen[strings.ToLower(name)] {
			t.Errorf("Excel refuses the sheet name %q", name)
		}
		seen[strings.ToLower(name)] = true
		if cell, err := f.GetCellValue(name, "A2"); i > 0 && (err != nil || cell != "Анна Иванова") {
			t.Errorf("the sheet %q begins with %q, %v", name, cell, err)
		}
	}
}

func TestTablesThatAreRefused(t *testing.T) {
	for name, rows := range map[string][][]any{
		"short row": {{"a"}}, "wrong kind": {{"a", "b"}}, "int": {{"a", 1}}, "no number": {{"a", math.NaN()}}, "endless": {{"a", math.Inf(1)}},
		"too many": make([][]any, MaxRows+1),
	} {
		t.Run(name, func(t *testing.T) {
			bad := Table{ID: "bad", Columns: []Column{{Name: "A", Kind: Text}, {Name: "B", Kind: Number}}, Rows: rows}
			var b bytes.Buffer
			for _, err := range []error{CSV(&b, bad, time.UTC), XLSX(&b, []Table{bad}, time.UTC, "en"), CSV(&b, Table{ID: "bad"}, time.UTC)} {
				if err == nil || !strings.Contains(err.Error(), "table bad") {
					t.Errorf("got %v", err)
				}
			}
			if b.Len() > 0 {
				t.Errorf("%d bytes were written", b.Len())
			}
		})
	}
}

func BenchmarkXLSX(b *testing.B) {
	t := sample("operators")
	for len(t.Rows) < 20_000 {
		t.Rows = append(t.Rows, t.Rows[0])
	}
	for b.Loop() {
		if err := XLSX(io.Discard, []Table{t}, moscow, "en"); err != nil {
			b.Fatal(err)
		}
	}
}
