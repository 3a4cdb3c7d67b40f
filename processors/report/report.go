// Package report makes reports: facts out of the database, files out of the facts.
//
//	tasks.report ─► log position ─► read.Reader.Report ─► facts (kept first, and once)
//	                                                        └─► html ─► pdf
//	                                                        └─► tables ─► xlsx, csv
//	                                                        ─► all of it into the blob store ─► completed, with the names
//
// The facts decide everything: whatever is delivered twice, or made again by
// `earshot report`, is made of the same ones.
package report

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"gocloud.dev/blob"

	"earshot/charts/pdf"
	"earshot/processors"
	"earshot/query/read"
	"earshot/schemas"
	"earshot/sinks/state"
)

// Config of reports.
type Config struct {
	PDF  pdf.Config
	Link string `env:"EARSHOT_REPORT_LINK" help:"where a report's conversations link to, {code} stands for the task code: https://crm.example.com/calls/{code}; empty: nowhere"`
}

// Validate refuses what is no link.
func (c *Config) Validate() error {
	if c.Link != "" && (!strings.HasPrefix(c.Link, "https://") && !strings.HasPrefix(c.Link, "http://") || !strings.Contains(c.Link, "{code}")) {
		return fmt.Errorf("EARSHOT_REPORT_LINK is %q, want http:// or https:// with {code} in it", c.Link)
	}
	return nil
}

// Maker makes reports. It is safe for concurrent use.
type Maker struct {
	Config  Config
	Version string // of the program
	Store   *state.Store
	Reader  *read.Reader
	Blobs   *blob.Bucket
	Log     *kgo.Client // to ask how far the database is
	Printer *pdf.Printer
	Metrics *schemas.StageMetrics
}

// New returns a maker; Close it. log serves the questions about offsets.
func New(cfg Config, version string, store *state.Store, reader *read.Reader, blobs *blob.Bucket, log *kgo.Client, metrics *schemas.StageMetrics, logger *slog.Logger) *Maker {
	return &Maker{cfg, version, store, reader, blobs, log, pdf.New(cfg.PDF, logger), metrics}
}

// Close ends the browser, if one runs.
func (m *Maker) Close() { m.Printer.Close() }

// Slots is how many reports one process makes at a time: they share a browser.
const Slots = 1

// timed notes how long a part of making a report took: facts, html, tables or pdf,
// as a stage of its own in the metrics, "report.html".
func (m *Maker) timed(part string, begin time.Time) {
	m.Metrics.Latency(schemas.StageReport + "." + part).Observe(time.Since(begin).Seconds())
}

// longest bounds the making of a report; its queries and its printing have
// bounds of their own.
const longest = 5 * time.Minute

// Stage returns the maker as a stage: ordered reports in, files in the blob store
// and their names out.
func (m *Maker) Stage() processors.Stage {
	return processors.Stage{
		Name: schemas.StageReport, Group: schemas.GroupReport, Live: []string{schemas.TopicReport},
		Batch: 1, Done: schemas.StatusVersion(schemas.StatusCompleted), Announce: true,
		Handle: m.handle,
	}
}

func (m *Maker) handle(ctx context.Context, job processors.Job) ([]processors.Event, error) {
	if job.Submitted.Report == nil {
		return nil, schemas.Fail(schemas.CodeNoDates, "")
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	facts, err := m.facts(ctx, job.Task, *job.Submitted.Report)
	if err != nil {
		return nil, err
	}
	files, err := m.files(ctx, job.Task, facts)
	missing := ""
	if errors.Is(err, pdf.ErrNoBrowser) { // all else is there, and says the same
		missing, err = noBrowser(), nil
	}
	if err != nil {
		return nil, err
	}
	names, err := m.keep(ctx, job.Task, files)
	if err != nil {
		return nil, err
	}
	done := processors.Status(job.Task, schemas.StatusCompleted)
	done.Task.FileName, done.Files, done.Error = names[0], names, missing
	events := []processors.Event{{Topic: schemas.TopicStatus, Value: done}}
	if t := job.Task; t.Resource != "" {
		events = append(events, processors.Event{Topic: schemas.TopicUsage, Value: schemas.UsageRecorded{
			ID: t.Code + "/" + t.Resource, Org: t.Org, TaskCode: t.Code, Resource: t.Resource, Units: t.Reserved, At: done.UpdatedAt, Processing: t.Processing}})
	}
	return events, nil
}

func noBrowser() string {
	return schemas.T("There is no PDF, because no browser is installed here to print it. All else is there; an administrator can install Chromium and print this report with earshot report").String()
}
