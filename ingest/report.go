package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones are known also where the machine has none

	"earshot/schemas"
)

// ReportTypes are the types of report that can be ordered.
var ReportTypes = []string{schemas.ReportStandard, schemas.ReportBusiness, schemas.ReportDaily}

// reportResource is what a report uses of its plan: one business or daily
// report; operator quality reports are without limit (seed section 12).
func reportResource(reportType string) string {
	switch reportType {
	case schemas.ReportBusiness:
		return schemas.ResourceReports
	case schemas.ReportDaily:
		return schemas.ResourceDailyReports
	}
	return ""
}

// Zone finds a time zone by its IANA name; 4001 when there is none. The zone of
// this machine has no such name.
func Zone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return nil, schemas.Fail(schemas.CodeInvalid, "there is no time zone %q; names are those of the IANA, such as Europe/Berlin", CleanLine(name, 64))
	}
	return zone, nil
}

// prepareReport completes and checks the task of a report.
func prepareReport(s *Submission) error {
	t, r := &s.Task, s.Report
	switch {
	case r == nil:
		return errors.New("submission of a report without its period")
	case !slices.Contains(ReportTypes, t.ReportType):
		return schemas.Fail(schemas.CodeInvalid, "%s must be one of %s", "report_type", strings.Join(ReportTypes, ", "))
	case !slices.Contains(schemas.Languages, t.Language):
		return schemas.Fail(schemas.CodeInvalid, "%s must be one of %s", "language", strings.Join(schemas.Languages, ", "))
	case r.From.After(r.Until):
		return schemas.Fail(schemas.CodeDatesReversed, "")
	case !r.From.Before(r.Until):
		return schemas.Fail(schemas.CodeInvalid, "the period of a report ends when it begins")
	case r.Until.Sub(r.From) > schemas.MaxReportPeriod:
		return schemas.Fail(schemas.CodeInvalid, "the period of a report has more than %d days", schemas.MaxReportPeriod/(24*time.Hour))
	}
	if _, err := Zone(r.Zone); err != nil {
		return err
	}
	// As the log holds them.
	r.From, r.Until = r.From.UTC().Truncate(time.Microsecond), r.Until.UTC().Truncate(time.Microsecond)
	if t.Source == "" {
		t.Source = schemas.SourceReport
	}
	if t.Resource = reportResource(t.ReportType); t.Resource != "" {
		t.Reserved = 1
	}
	// What an Idempotency-Key stands for.
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d %s %s", t.ReportType, r.From.UnixMicro(), r.Until.UnixMicro(), r.Zone, t.Language))
	t.Digest = hex.EncodeToString(sum[:])
	return nil
}

// mayReport tells whether an organisation may have a report that uses nothing of
// its plan: it must have one. All others are asked about as they are accepted.
func (d *Door) mayReport(ctx context.Context, t schemas.Task) error {
	if t.Type != schemas.TypeReport || t.Resource != "" {
		return nil
	}
	_, err := d.store.Quota(ctx, t.Org)
	return err
}

// reportError gives what a plan refuses the code that reports have for it.
func reportError(t schemas.Task, err error) error {
	var coded *schemas.Error
	if t.Type == schemas.TypeReport && errors.As(err, &coded) && (coded.Code == schemas.CodeNoPlan || coded.Code == schemas.CodeQuota) {
		return schemas.Because(schemas.CodeNoReports, err, "%s", coded.Detail)
	}
	return err
}
