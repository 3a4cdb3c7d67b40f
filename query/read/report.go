package read

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"earshot/schemas"
	"earshot/schemas/report"
)

// Bounds of a report: what is more is left out, the most frequent first.
const (
	maxOperators  = 500
	maxCases      = 5 // best ones, and worst ones, of all operators
	operatorCases = 2
	maxAttention  = 10
	maxTopics     = 20 // of a business report, a daily one has half, and so have the lists of new and of gone ones
	maxReasons    = 15
	maxThemes     = 10
	signalQuotes  = 5
	themeQuotes   = 3
	caseQuotes    = 3
)

// reportSeconds bounds the run time of one query of a report on the server:
// nobody waits for its answer in front of a screen, and it may be about years.
const reportSeconds = 60

// earliest stands for any time before it: ClickHouse reads numbers of fewer
// digits than its seconds have as years. Nothing in the table is as old.
var earliest = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)

//go:embed sql/*.sql
var reportFiles embed.FS

// reportQueries are the files of the folder sql by name. One may take another
// in: what makes a conversation one of the report is said once.
var reportQueries = template.Must(template.ParseFS(reportFiles, "sql/*.sql"))

// Report computes a report of the organisation from its finished calls, chats
// and e-mails whose conversation began in the period. The same data give the
// same report, byte by byte: sums are whole numbers and every order is total.
// MadeAt, Provenance.Program and Provenance.Log are the caller's to fill, and so
// is the refusal of periods that are too long.
// Errors: CodeDatabase; CodeReport when the query is none.
func (r *Reader) Report(ctx context.Context, org string, q report.Query) (report.Report, error) {
	zone, err := time.LoadLocation(q.Period.Zone)
	if err != nil {
		return report.Report{}, schemas.Because(schemas.CodeReport, err, "the report's time zone is unknown")
	}
	if !q.Period.From.Before(q.Period.Until) {
		return report.Report{}, schemas.Fail(schemas.CodeReport, "the report's period is empty")
	}
	b := &reporter{reader: r, org: org, period: q.Period, previous: before(q.Period, zone), zone: zone}
	out := report.Report{Kind: q.Kind, Organisation: org, Period: b.period, Previous: b.previous, Link: q.Link}
	if out.Provenance, err = b.provenance(ctx); err != nil {
		return report.Report{}, err
	}
	earlier := &reporter{reader: r, org: org, period: b.previous, previous: b.previous, zone: zone}
	if out.PreviousProvenance, err = earlier.provenance(ctx); err != nil {
		return report.Report{}, err
	}
	switch q.Kind {
	case schemas.ReportStandard:
		out.Quality, err = b.quality(ctx)
	case schemas.ReportBusiness:
		out.Business, err = b.business(ctx)
	case schemas.ReportDaily:
		out.Daily, err = b.daily(ctx)
	default:
		err = schemas.Fail(schemas.CodeReport, "there is no report %q", q.Kind)
	}
	if err != nil {
		return report.Report{}, err
	}
	return out, nil
}

// before is the period of the same length that ends where p begins: as many
// days when p is made of whole days, be they 23 or 25 hours long.
func before(p report.Period, zone *time.Location) report.Period {
	from, until := p.From.In(zone), p.Until.In(zone)
	if report.AtMidnight(from) && report.AtMidnight(until) {
		y, m, d := from.Date()
		return report.Period{From: report.Midnight(y, m, d-days(from, until), zone).In(p.From.Location()), Until: p.From, Zone: p.Zone}
	}
	return report.Period{From: p.From.Add(-p.Until.Sub(p.From)), Until: p.From, Zone: p.Zone}
}

// days is the number of dates from one day to another, both in the same zone.
func days(from, until time.Time) int {
	date := func(t time.Time) time.Time {
		y, m, d := t.Date()
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
	return int(date(until).Sub(date(from)) / (24 * time.Hour))
}

// reporter asks what one report is made of.
type reporter struct {
	reader           *Reader
	org              string
	period, previous report.Period
	zone             *time.Location
}

// ask runs a query of the folder sql over the period and the one before it. Its
// columns are named as the fields of T are.
func ask[T any](ctx context.Context, b *reporter, name string, args ...any) ([]T, error) {
	return query[T](ctx, b, name, append(args, since(b.previous)))
}

// askNow is ask over the period alone.
func askNow[T any](ctx context.Context, b *reporter, name string, args ...any) ([]T, error) {
	return query[T](ctx, b, name, append(args, since(b.period)))
}

func since(p report.Period) any { return clickhouse.Named("since", later(p.From, earliest)) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func query[T any](ctx context.Context, b *reporter, name string, args []any) ([]T, error) {
	var text strings.Builder
	if err := reportQueries.ExecuteTemplate(&text, name, nil); err != nil {
		return nil, databaseError(err)
	}
	args = append(args, clickhouse.Named("org", b.org), clickhouse.Named("from", later(b.period.From, earliest)), clickhouse.Named("until", later(b.period.Until, earliest)),
		clickhouse.Named("zone", b.zone.String()))
	var rows []T
	if err := b.reader.conn.Select(boundedBy(ctx, reportSeconds), &rows, text.String(), args...); err != nil {
		return nil, databaseError(fmt.Errorf("%s: %w", name, err))
	}
	return rows, nil
}

func (b *reporter) quality(ctx context.Context) (*report.Quality, error) {
	t, err := b.timeline(ctx)
	if err != nil {
		return nil, err
	}
	q := &report.Quality{Total: t.total, Previous: t.previous, Days: t.days, Best: []report.Case{}, Worst: []report.Case{}}
	if q.Operators, q.OperatorCount, err = b.operators(ctx); err != nil {
		return nil, err
	}
	q.Spread = spread(q.Operators)
	if q.Checklist, err = b.checklist(ctx, q.Operators); err != nil {
		return nil, err
	}
	s, err := b.signals(ctx, q.Operators)
	if err != nil {
		return nil, err
	}
	q.Risks, q.SalesSigs = s.risks, s.sales
	return q, b.addCases(ctx, q)
}

func (b *reporter) daily(ctx context.Context) (*report.Daily, error) {
	t, err := b.timeline(ctx)
	if err != nil {
		return nil, err
	}
	d := &report.Daily{Total: t.total, Previous: t.previous, Hours: t.hours}
	if d.Operators, d.OperatorCount, err = b.operators(ctx); err != nil {
		return nil, err
	}
	if _, err = b.checklist(ctx, d.Operators); err != nil {
		return nil, err
	}
	topics, err := b.topics(ctx, t)
	if err != nil {
		return nil, err
	}
	d.Topics = most(topics, maxTopics/2)
	s, err := b.signals(ctx, d.Operators)
	if err != nil {
		return nil, err
	}
	d.Risks, d.SalesSigs = s.risks, s.sales
	d.Attention, err = b.attention(ctx)
	return d, err
}

func (b *reporter) provenance(ctx context.Context) (report.Provenance, error) {
	p := report.Provenance{Log: []report.Position{}, Engines: []report.Engine{}, Models: []report.Engine{}, Profiles: []report.Engine{}, Scripts: []report.Script{}}
	rows, err := askNow[struct {
		Kind    string `ch:"kind"`
		Name    string `ch:"name"`
		ID      int64  `ch:"id"`
		Version int64  `ch:"version"`
		Count   uint64 `ch:"conversations"`
	}](ctx, b, "provenance.sql")
	if err != nil {
		return p, err
	}
	for _, row := range rows {
		used := report.Engine{Name: row.Name, Conversations: int64(row.Count)}
		switch row.Kind {
		case "engine":
			p.Engines = append(p.Engines, used)
		case "model":
			p.Models = append(p.Models, used)
		case "profile":
			p.Profiles = append(p.Profiles, used)
		case "script":
			p.Scripts = append(p.Scripts, report.Script{ID: row.ID, Version: row.Version, Conversations: used.Conversations})
		}
	}
	p.Models, p.Profiles = p.Models[:min(len(p.Models), report.MaxUsed)], p.Profiles[:min(len(p.Profiles), report.MaxUsed)]
	slices.SortFunc(p.Scripts, func(a, b report.Script) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Version, b.Version))
	})
	return p, nil
}
