package report

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
	"gocloud.dev/gcerrors"

	"earshot/charts/pdf"
	"earshot/schemas"
	"earshot/schemas/report"
)

// Command is `earshot report`: it makes the files of a report again, from the
// facts that were kept with it.
type Command struct {
	Code      string `arg:"" name:"task_code" help:"Code of the report's task."`
	Dir       string `help:"Folder for the files." default:"." placeholder:"DIR"`
	Recompute bool   `help:"Ask the database again, too, and say whether it gives the same facts."`
}

// Run writes the files into the folder and says on out whether they are the same.
// A file that differs although the program does not is an error, and so are facts
// that differ although nothing was written to the database meanwhile. PDFs are not
// compared: the browser writes into them when it printed.
func (c Command) Run(ctx context.Context, m *Maker, out io.Writer) error {
	code, err := uuid.Parse(c.Code)
	if err != nil {
		return fmt.Errorf("%q is no task code: %w", c.Code, err)
	}
	t, err := m.Store.Report(ctx, code.String())
	if err != nil {
		return err
	}
	facts, err := m.Kept(ctx, t.Task)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s report of %s, made %s by %s\n", facts.Kind, facts.Organisation, facts.MadeAt.Format(time.RFC3339), facts.Provenance.Program)
	return errors.Join(c.files(ctx, m, t.Task, facts, out), c.recompute(ctx, m, t.Task, facts, out))
}

func (c Command) files(ctx context.Context, m *Maker, t schemas.Task, facts report.Report, out io.Writer) error {
	files, err := m.files(ctx, t, facts)
	if errors.Is(err, pdf.ErrNoBrowser) {
		fmt.Fprintln(out, err)
	} else if err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(c.Dir, f.name)
		if err := os.WriteFile(path, f.content, 0o600); err != nil {
			return err
		}
		fmt.Fprintln(out, path)
	}
	compared, differ, err := m.compare(ctx, t, files)
	switch {
	case err != nil:
		return err
	case len(differ) == 0:
		fmt.Fprintf(out, "%d files are the same, byte by byte: all but the PDF, which says when it was printed\n", compared)
	case facts.Provenance.Program == m.Version:
		return fmt.Errorf("not what this program made first: %s", strings.Join(differ, ", "))
	default:
		fmt.Fprintf(out, "of %d files these differ: %s; %s made the first ones, this is %s\n", compared, strings.Join(differ, ", "), facts.Provenance.Program, m.Version)
	}
	return nil
}

// compare holds files against those that were kept, and names those that differ
// or were not there.
func (m *Maker) compare(ctx context.Context, t schemas.Task, files []file) (compared int, differ []string, err error) {
	for _, f := range files {
		if strings.HasSuffix(f.name, ".pdf") {
			continue
		}
		kept, err := m.Blobs.ReadAll(ctx, schemas.ReportKey(t, f.name))
		if err != nil && gcerrors.Code(err) != gcerrors.NotFound {
			return compared, differ, fmt.Errorf("%s that was made first: %w", f.name, err)
		}
		if compared++; err != nil || !bytes.Equal(kept, f.content) {
			differ = append(differ, f.name)
		}
	}
	return compared, differ, nil
}

func (c Command) recompute(ctx context.Context, m *Maker, t schemas.Task, kept report.Report, out io.Writer) error {
	if !c.Recompute {
		return nil
	}
	now, err := m.compute(ctx, t.Org, report.Query{Kind: kept.Kind, Period: kept.Period, Link: kept.Link})
	if err != nil {
		return err
	}
	same, err := sameFacts(kept, now)
	moved := !reflect.DeepEqual(kept.Provenance.Log, now.Provenance.Log)
	switch {
	case err != nil:
		return err
	case same:
		fmt.Fprintln(out, "the database gives the same facts")
	case moved || kept.Provenance.Program != m.Version:
		fmt.Fprintf(out, "the database gives other facts now: it has %s of the log, and had %s\n", count(now), count(kept))
	default:
		return errors.New("the database gives other facts, although nothing was written to it since")
	}
	return nil
}

// sameFacts compares what reports say, but for who made them when.
func sameFacts(a, b report.Report) (bool, error) {
	for _, r := range []*report.Report{&a, &b} {
		r.MadeAt, r.Organisation, r.Provenance.Program, r.Provenance.Log = time.Time{}, "", "", nil
	}
	first, err1 := encode(a)
	second, err2 := encode(b)
	return bytes.Equal(first, second), cmp.Or(err1, err2)
}

func count(r report.Report) string {
	var n int64
	for _, p := range r.Provenance.Log {
		n += p.Offset
	}
	return fmt.Sprint(n, " records")
}
