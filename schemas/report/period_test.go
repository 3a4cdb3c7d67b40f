package report_test

import (
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"earshot/schemas/report"
)

func TestMidnight(t *testing.T) {
	for _, c := range []struct {
		zone       string
		year       int
		month      time.Month
		day        int
		want, note string
	}{
		{"UTC", 2026, 2, 29, "2026-03-01T00:00:00Z", "days go over into months"},
		{"Europe/Berlin", 2026, 3, 29, "2026-03-29T00:00:00+01:00", "clocks go forward later that day"},
		{"America/Santiago", 2025, 9, 7, "2025-09-07T01:00:00-03:00", "there is no midnight"},
		{"America/Santiago", 2026, 4, 5, "2026-04-05T00:00:00-04:00", "the hour before comes twice"},
		{"America/Havana", 2026, 3, 8, "2026-03-08T01:00:00-04:00", "there is no midnight"},
		{"America/Havana", 2025, 11, 2, "2025-11-02T00:00:00-04:00", "the hour after comes twice"},
		{"Asia/Amman", 2021, 10, 29, "2021-10-29T00:00:00+03:00", "clocks go back to it, and show it twice"},
		{"Asia/Kolkata", 2026, 1, 0, "2025-12-31T00:00:00+05:30", "and into years"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		at := report.Midnight(c.year, c.month, c.day, zone)
		if !report.AtMidnight(at) || report.AtMidnight(at.Add(time.Second)) || report.AtMidnight(at.Add(-time.Second)) || report.AtMidnight(at.Add(12*time.Hour)) {
			t.Errorf("%s %s (%s): midnight is not told from other times", c.zone, at, c.note)
		}
		if got := at.Format(time.RFC3339); got != c.want {
			t.Errorf("%s %d-%d-%d (%s): %s, want %s", c.zone, c.year, c.month, c.day, c.note, got, c.want)
		}
	}
}
