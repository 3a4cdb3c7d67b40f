package notify

import (
	"context"
	"encoding/json"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"earshot/schemas"
	"earshot/schemas/report"
)

// factsMost bounds what is read of a report's facts; a mail of a larger report
// has no figures.
const factsMost = 16 << 20

// figures gives the lines of the most telling numbers of a report, none when its
// facts cannot be read: the report itself is more important.
func (n *Notifier) figures(ctx context.Context, org string, m *message) []string {
	i := slices.IndexFunc(m.report.Files, func(name string) bool { return path.Ext(name) == ".json" })
	if i < 0 {
		return nil
	}
	r, err := n.Blobs.NewReader(ctx, schemas.ReportKey(schemas.Task{Org: org, Code: m.report.TaskCode}, m.report.Files[i]), nil)
	if err != nil {
		n.Log.Warn("read the facts of a report", "task", m.report.TaskCode, "error", err)
		return nil
	}
	defer r.Close()
	var facts report.Report
	if err := json.NewDecoder(io.LimitReader(r, factsMost)).Decode(&facts); err != nil {
		n.Log.Warn("read the facts of a report", "task", m.report.TaskCode, "error", err)
		return nil
	}
	switch {
	case facts.Quality != nil:
		return headline(facts.Quality.Total, facts.Quality.Previous, m.schedule.Language)
	case facts.Business != nil:
		return headline(facts.Business.Total, facts.Business.Previous, m.schedule.Language)
	case facts.Daily != nil:
		return headline(facts.Daily.Total, facts.Daily.Previous, m.schedule.Language)
	}
	return nil
}

func headline(now, before report.Figures, lang string) (lines []string) {
	number := func(f float64, digits int) string {
		s := strconv.FormatFloat(f, 'f', digits, 64)
		if lang == "ru" {
			s = strings.Replace(s, ".", ",", 1)
		}
		return s
	}
	add := func(t schemas.Text) { lines = append(lines, t.In(lang)) }
	add(schemas.T("Conversations: %d, in the period before: %d", now.Conversations, before.Conversations))
	if now.Score != nil {
		add(schemas.T("Quality score: %s of 100", number(*now.Score, 1)))
	}
	if now.CSAT != nil {
		add(schemas.T("Customer satisfaction: %s of 10", number(*now.CSAT, 1)))
	}
	if now.Resolved != nil {
		add(schemas.T("Resolved: %s %%", number(100**now.Resolved, 0)))
	}
	if now.Conversations > 0 {
		add(schemas.T("With risk signals: %d", now.Risky))
	}
	return lines
}
