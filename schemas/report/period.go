package report

import "time"

// Midnight is when a day begins in a zone: 01:00 where the clocks go forward at
// midnight, for which time.Date gives a time of the day before.
func Midnight(year int, month time.Month, day int, zone *time.Location) time.Time {
	t := time.Date(year, month, day, 0, 0, 0, 0, zone)
	if noon := time.Date(year, month, day, 12, 0, 0, 0, zone); t.Day() != noon.Day() {
		_, t = t.ZoneBounds()
	}
	return t
}

// AtMidnight says whether t is when its day begins, in the zone that it is in.
func AtMidnight(t time.Time) bool {
	return t.Equal(Midnight(t.Year(), t.Month(), t.Day(), t.Location()))
}
