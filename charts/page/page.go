// Package page makes the page of a report: one HTML file with its charts, the
// chart library and every table inside, that opens from disk, on paper and on a
// telephone. Data in, bytes out: the same report gives the same bytes.
//
//	report.Report ─► sections of blocks ─┬─► page.html, drawn by page.js ─► HTML
//	 quality.go, operators.go,           └─► Tables ─► charts/table: CSV, XLSX
//	 business.go, daily.go
package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"sync"

	"earshot/charts/table"
	"earshot/schemas"
	"earshot/schemas/report"
)

var (
	//go:embed assets/page.html
	pageHTML string
	//go:embed assets/page.css
	pageCSS string
	//go:embed assets/page.js
	pageJS string
	// echartsGzip is echarts of npm, as deploy/setup/echarts.sh leaves it.
	//go:embed assets/echarts.min.js.gz
	echartsGzip []byte
)

var page = template.Must(template.New("page").Parse(pageHTML))

// fixed is what every page has inside, and the hashes by which its content
// security policy lets that run and nothing else.
type fixed struct {
	CSS     template.CSS
	Library template.JS
	Script  template.JS
	Policy  string
}

var parts = sync.OnceValues(func() (f fixed, err error) {
	r, err := gzip.NewReader(bytes.NewReader(echartsGzip))
	if err != nil {
		return f, err
	}
	library, err := io.ReadAll(r)
	if err != nil {
		return f, err
	}
	f.CSS, f.Library, f.Script = template.CSS(pageCSS), template.JS(library), template.JS(pageJS)
	// Charts set the style attribute of their texts; it can load nothing, since nothing may be loaded.
	f.Policy = fmt.Sprintf("default-src 'none'; base-uri 'none'; form-action 'none'; script-src %s %s; style-src-elem %s; style-src-attr 'unsafe-inline'",
		hash(string(library)), hash(pageJS), hash(pageCSS))
	return f, nil
})

func hash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// HTML writes the report as one page, under 3 MB. lang is a BCP 47 tag; English
// unless it begins with "ru". Errors are those of out, and a report whose kind is
// unknown or has no content.
func HTML(out io.Writer, r report.Report, lang string) error {
	w := write(r, lang)
	sections, err := w.sections()
	if err != nil {
		return err
	}
	f, err := parts()
	if err != nil {
		return fmt.Errorf("unpack the chart library that is built in: %w", err)
	}
	return page.Execute(out, struct {
		Fixed    fixed
		R        *writing
		Sections []section
		Charts   drawing
	}{f, w, sections, w.drawing(sections)})
}

// Tables are all tables of the report, those under its charts and those that only
// files have, of which the last says what it was made by, in the language of HTML;
// none for a report without content.
func Tables(r report.Report, lang string) (all []table.Table) {
	w := write(r, lang)
	sections, err := w.sections()
	if err != nil {
		return nil
	}
	for _, s := range sections {
		for _, b := range s.Blocks {
			if b.Table != nil && b.Place != onPage {
				all = append(all, cleaned(*b.Table))
			}
		}
	}
	if t := w.provenance(); len(t.Rows) > 0 {
		all = append(all, cleaned(t))
	}
	return all
}

// cleaned is a table whose texts read as they are written.
func cleaned(t table.Table) table.Table {
	for _, row := range t.Rows {
		for i, v := range row {
			if text, ok := v.(string); ok {
				row[i] = schemas.Printable(text)
			}
		}
	}
	return t
}

// sections are the whole content in the order of reading.
func (w *writing) sections() ([]section, error) {
	switch {
	case w.Kind == schemas.ReportStandard && w.Quality != nil:
		return w.filled(w.Quality.Total, w.quality), nil
	case w.Kind == schemas.ReportBusiness && w.Business != nil:
		return w.filled(w.Business.Total, w.business), nil
	case w.Kind == schemas.ReportDaily && w.Daily != nil:
		return w.filled(w.Daily.Total, w.daily), nil
	}
	return nil, fmt.Errorf("a report of the kind %q with nothing in it", w.Kind)
}

// filled leaves out what is empty; without conversations there is only the first section.
func (w *writing) filled(total report.Figures, content func() []section) (out []section) {
	all := content()
	if total.Conversations == 0 {
		all = all[:1]
	}
	for _, s := range all {
		if len(s.Blocks) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// drawing is what page.js is told.
type drawing struct {
	Lang   string            `json:"lang"`
	Words  map[string]string `json:"words"` // of tooltips
	Charts []*chart          `json:"charts"`
}

func (w *writing) drawing(sections []section) drawing {
	d := drawing{Lang: w.Lang, Words: map[string]string{"unknown": w.word("nothing"), "failed": w.word("chart_failed")}, Charts: []*chart{}}
	for _, s := range sections {
		for _, b := range s.Blocks {
			if b.Chart != nil {
				d.Charts = append(d.Charts, b.Chart)
			}
		}
	}
	return d
}
