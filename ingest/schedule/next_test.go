package schedule

import (
	"testing"
	"time"

	"earshot/schemas"
)

func at(t *testing.T, s string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestNextAndLast(t *testing.T) {
	for _, c := range []struct {
		name, every, clock, zone string
		after                    string
		due, from, until         string // of the next run
	}{
		{"today, later", schemas.EveryDay, "08:30", "UTC", "2025-10-07T08:29:59Z", "2025-10-07T08:30:00Z", "2025-10-06T00:00:00Z", "2025-10-07T00:00:00Z"},
		{"tomorrow, as now is not after now", schemas.EveryDay, "08:30", "UTC", "2025-10-07T08:30:00Z", "2025-10-08T08:30:00Z", "2025-10-07T00:00:00Z", "2025-10-08T00:00:00Z"},
		{"a zone behind", schemas.EveryDay, "23:30", "America/New_York", "2025-10-07T03:29:00Z", "2025-10-07T03:30:00Z", "2025-10-05T04:00:00Z", "2025-10-06T04:00:00Z"},
		{"Monday to Sunday", schemas.EveryWeek, "00:00", "Europe/Moscow", "2025-10-08T00:00:00Z", "2025-10-12T21:00:00Z", "2025-10-05T21:00:00Z", "2025-10-12T21:00:00Z"},
		{"from a Sunday", schemas.EveryWeek, "06:00", "UTC", "2025-10-12T07:00:00Z", "2025-10-13T06:00:00Z", "2025-10-06T00:00:00Z", "2025-10-13T00:00:00Z"},
		{"a leap February", schemas.EveryMonth, "06:00", "UTC", "2028-02-29T07:00:00Z", "2028-03-01T06:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"},
		{"over the year", schemas.EveryMonth, "06:00", "UTC", "2025-12-31T07:00:00Z", "2026-01-01T06:00:00Z", "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z"},
		{"jumped over: at the jump", schemas.EveryDay, "02:30", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z", "2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z"},
		{"a day of 23 hours", schemas.EveryDay, "02:30", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-30T00:30:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"shown twice: the first", schemas.EveryDay, "02:30", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "2026-10-23T22:00:00Z", "2026-10-24T22:00:00Z"},
		{"and not the second", schemas.EveryDay, "02:30", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
		{"a midnight that is jumped over", schemas.EveryDay, "00:00", "Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-23T22:00:00Z", "2026-04-22T22:00:00Z", "2026-04-23T22:00:00Z"},
		{"a midnight that is jumped over, west", schemas.EveryDay, "06:00", "America/Santiago", "2025-09-07T12:00:00Z", "2025-09-08T09:00:00Z", "2025-09-07T04:00:00Z", "2025-09-08T03:00:00Z"},
		{"a midnight shown twice", schemas.EveryDay, "06:00", "Asia/Amman", "2021-10-29T12:00:00Z", "2021-10-30T04:00:00Z", "2021-10-28T21:00:00Z", "2021-10-29T22:00:00Z"},
		{"shown twice, west", schemas.EveryDay, "01:30", "America/New_York", "2026-10-31T12:00:00Z", "2026-11-01T05:30:00Z", "2026-10-31T04:00:00Z", "2026-11-01T04:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := schemas.ReportSchedule{Every: c.every, At: c.clock, Zone: c.zone}
			next, err := Next(s, at(t, c.after))
			if err != nil {
				t.Fatal(err)
			}
			if !next.Due.Equal(at(t, c.due)) || !next.From.Equal(at(t, c.from)) || !next.Until.Equal(at(t, c.until)) {
				t.Errorf("due %s, [%s, %s)", next.Due.UTC(), next.From.UTC(), next.Until.UTC())
			}
			last, err := Last(s, next.Due)
			if err != nil || !last.Due.Equal(next.Due) || !last.From.Equal(next.From) || !last.Until.Equal(next.Until) {
				t.Errorf("when it falls due, the last one is %v (%v)", last, err)
			}
			if before, err := Last(s, next.Due.Add(-time.Nanosecond)); err != nil || before.Due.After(at(t, c.after)) || !before.Until.Equal(next.From) {
				t.Errorf("before it, the last one is %v (%v)", before, err)
			}
		})
	}
}

// Whatever the zone does with its clocks, periods follow each other without a
// gap and runs never go back.
func TestPeriodsAreSeamless(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut", "Asia/Amman", "America/Santiago", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "UTC"} {
		for _, every := range []string{schemas.EveryDay, schemas.EveryWeek, schemas.EveryMonth} {
			s := schemas.ReportSchedule{Every: every, At: "00:00", Zone: zone}
			previous, err := Next(s, at(t, "2016-01-01T00:00:00Z"))
			for range 800 {
				if err != nil {
					t.Fatal(err)
				}
				next, _ := Next(s, previous.Due)
				if !next.From.Equal(previous.Until) || !next.Due.After(previous.Due) || next.Due.Before(next.Until) {
					t.Fatalf("%s %s: %v follows %v", zone, every, next, previous)
				}
				previous = next
			}
		}
	}
}

func TestTimesThatAreNone(t *testing.T) {
	for _, s := range []schemas.ReportSchedule{
		{Every: "hourly", At: "08:00", Zone: "UTC"}, {Every: "daily", At: "8:00", Zone: "UTC"}, {Every: "daily", At: "24:00", Zone: "UTC"},
		{Every: "daily", At: "08:00"}, {Every: "daily", At: "08:00", Zone: "Local"}, {Every: "daily", At: "08:00", Zone: "Mars/Olympus"}, {Every: "daily", At: "08:00", Zone: "../etc/passwd"},
	} {
		_, err := Next(s, time.Now())
		if e, ok := schemas.RecordFault(err); !ok || e.Code != schemas.CodeInvalid {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
