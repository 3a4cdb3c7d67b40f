package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"runtime"
	"strconv"
	"time"

	"earshot/deploy/client"
)

// reportRuns is how often each report is made; the slowest counts.
const reportRuns = 3

// reports loads months of conversations straight into ClickHouse and times
// reports from the order to the finished task: over a month after one with a tenth
// of its conversations, over one after a month as large, and over one with 10,000.
func (b *bench) reports(ctx context.Context, rows int) error {
	org, err := organisation(b.server.Token)
	if err != nil {
		return err
	}
	if err := b.server.Stop(ctx); err != nil {
		return err
	}
	large, small := time.Date(2025, 9, 1, 0, 0, 0, 0, time.UTC), time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
	next := large.AddDate(0, 1, 0)
	err = b.loadRows(ctx, org,
		stretch{small, small.AddDate(0, 1, 0), 10_000},
		stretch{large.AddDate(0, -1, 0), large, rows / 10},
		stretch{large, next, rows},
		stretch{next, next.AddDate(0, 1, 0), rows})
	if err != nil {
		return fmt.Errorf("load %d rows: %w", rows, err)
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	for _, kind := range []string{"business", "standard", "daily"} {
		length := large.AddDate(0, 1, -1)
		if kind == "daily" {
			length = large
		}
		took, err := b.slowest(ctx, kind, large, length)
		if err != nil {
			return fmt.Errorf("%s report: %w", kind, err)
		}
		note := fmt.Sprintf("%d conversations, the slowest of %d", rows, reportRuns)
		if kind != "business" {
			report(figure{Figure: "report_" + kind, Value: took.whole, Unit: "s", Met: true, Cores: runtime.NumCPU(), Note: fmt.Sprintf("%s; SQL %.2f s, HTML %.2f s, PDF %.2f s; no target", note, took.facts, took.html, took.pdf)})
			continue
		}
		atMost("report_business_sql", took.facts, "s", 3, note)
		atMost("report_business_html", took.facts+took.html, "s", 4, note+", SQL and HTML")
		atMost("report_business", took.whole, "s", 12, note+", from the order to the finished task with HTML, PDF, XLSX and CSV")
	}
	took, err := b.slowest(ctx, "business", next, next.AddDate(0, 1, -1))
	if err != nil {
		return err
	}
	report(figure{Figure: "report_business_after_month_as_large", Value: took.whole, Unit: "s", Met: true, Cores: runtime.NumCPU(),
		Note: fmt.Sprintf("SQL %.2f s, HTML %.2f s, PDF %.2f s; no target", took.facts, took.html, took.pdf)})
	took, err = b.slowest(ctx, "business", small, small.AddDate(0, 1, -1))
	if err != nil {
		return err
	}
	atMost("report_business_10000", took.whole, "s", 5, fmt.Sprintf("from the order to the finished task; of it SQL %.2f s, HTML %.2f s, PDF %.2f s", took.facts, took.html, took.pdf))
	return nil
}

// reportTime is where the time of a report went, in seconds.
type reportTime struct{ whole, facts, html, pdf float64 }

func (b *bench) slowest(ctx context.Context, kind string, first, last time.Time) (worst reportTime, err error) {
	for range reportRuns {
		took, err := b.timeReport(ctx, kind, first, last)
		if err != nil {
			return worst, err
		}
		worst = reportTime{max(worst.whole, took.whole), max(worst.facts, took.facts), max(worst.html, took.html), max(worst.pdf, took.pdf)}
	}
	return worst, nil
}

func (b *bench) timeReport(ctx context.Context, kind string, first, last time.Time) (reportTime, error) {
	before, err := b.reportParts(ctx)
	if err != nil {
		return reportTime{}, err
	}
	var ordered struct {
		Code string `json:"report_task_code"`
	}
	begin := time.Now()
	order := map[string]string{"report_type": kind, "start_date": first.Format(time.DateOnly), "end_date": last.Format(time.DateOnly)}
	if err := b.server.Post(ctx, "/user/callreport", nil, order, &ordered); err != nil {
		return reportTime{}, err
	}
	done, err := b.server.Wait(ctx, ordered.Code, 20*time.Millisecond)
	if err != nil {
		return reportTime{}, err
	}
	whole := time.Since(begin).Seconds()
	if done.Status != "completed" || done.Error != nil {
		return reportTime{}, fmt.Errorf("the task ended as %s: %s", done.Status, deref(done))
	}
	after, err := b.reportParts(ctx)
	if err != nil {
		return reportTime{}, err
	}
	return reportTime{whole, after["facts"] - before["facts"], after["html"] - before["html"], after["pdf"] - before["pdf"]}, nil
}

func deref(t client.Task) string {
	if t.Error == nil {
		return "no error"
	}
	return *t.Error
}

var reportPart = regexp.MustCompile(`(?m)^earshot_stage_latency_seconds_sum\{stage="report\.(\w+)"\} (\S+)$`)

// reportParts are the seconds that all reports so far took, by part.
func (b *bench) reportParts(ctx context.Context) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.server.Base+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := b.server.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	if err != nil {
		return nil, err
	}
	parts := map[string]float64{}
	for _, m := range reportPart.FindAllStringSubmatch(string(text), -1) {
		if parts[m[1]], err = strconv.ParseFloat(m[2], 64); err != nil {
			return nil, err
		}
	}
	return parts, nil
}
