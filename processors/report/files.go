package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gocloud.dev/blob"

	"earshot/charts/page"
	"earshot/charts/pdf"
	"earshot/charts/table"
	"earshot/schemas"
	"earshot/schemas/report"
)

// name is what a file of a report is called: report_78157.pdf, as in the seed.
func name(t schemas.Task, suffix string) string { return fmt.Sprintf("report_%d%s", t.ID, suffix) }

// file is one file of a report.
type file struct {
	name    string
	content []byte
}

// files makes everything of the facts but the facts themselves, the one to open
// first at the front. With pdf.ErrNoBrowser all but the PDF is there. Other errors:
// schemas.CodeReport when the browser failed twice.
func (m *Maker) files(ctx context.Context, t schemas.Task, facts report.Report) (files []file, err error) {
	zone, err := time.LoadLocation(facts.Period.Zone)
	add := func(suffix string, write func(io.Writer) error) {
		var b bytes.Buffer
		if err == nil {
			err = write(&b)
			files = append(files, file{name(t, suffix), b.Bytes()})
		}
	}
	begin := time.Now()
	add(".html", func(w io.Writer) error { return page.HTML(w, facts, t.Language) })
	m.timed("html", begin)
	begin = time.Now()
	tables := page.Tables(facts, t.Language)
	add(".xlsx", func(w io.Writer) error { return table.XLSX(w, tables, zone, t.Language) })
	for _, one := range tables {
		add("_"+one.ID+".csv", func(w io.Writer) error { return table.CSV(w, one, zone) })
	}
	if err != nil {
		return nil, fmt.Errorf("make report %s: %w", t.Code, err)
	}
	m.timed("tables", begin)
	begin = time.Now()
	printed, err := m.Printer.Print(ctx, files[0].content, footer(facts, zone))
	m.timed("pdf", begin)
	switch {
	case errors.Is(err, pdf.ErrNoBrowser):
		return files, err
	case err != nil && ctx.Err() != nil: // called off: another try may well print it, so the code stays out
		return nil, fmt.Errorf("print report %s: %v", t.Code, err)
	case err != nil: // after two tries, each with a new browser
		return nil, err
	}
	return append([]file{{name(t, ".pdf"), printed}}, files...), nil
}

// footer stands on every page of the PDF: whose report it is, and of which days.
func footer(facts report.Report, zone *time.Location) string {
	first := facts.Period.From.In(zone).Format(time.DateOnly)
	last := facts.Period.Until.Add(-1).In(zone).Format(time.DateOnly)
	if first == last {
		return facts.Organisation + ", " + first
	}
	return facts.Organisation + ", " + first + " – " + last
}

// keep puts files into the blob store and gives the names of all that is there
// of the report then, the facts among them.
func (m *Maker) keep(ctx context.Context, t schemas.Task, files []file) (names []string, err error) {
	for _, f := range files {
		if err := m.Blobs.WriteAll(ctx, schemas.ReportKey(t, f.name), f.content, &blob.WriterOptions{}); err != nil {
			return nil, fmt.Errorf("keep %s of report %s: %w", f.name, t.Code, err)
		}
		names = append(names, f.name)
	}
	// People's files first, then what programs read.
	i := 0
	for i < len(names) && !strings.HasSuffix(names[i], ".csv") {
		i++
	}
	return append(names[:i:i], append([]string{name(t, ".json")}, names[i:]...)...), nil
}
