package report

import "time"

// Midnight is when a day begins in a zone: 01:00 where the clocks go forward at
// midnight, for which time.Date gives a time of the day before, and the first of
// two midnights where they go back over it.
func Midnight(year int, month time.Month, day int, zone *time.Location) time.Time {
	return Clock(year, month, day, 0, 0, zone)
}

// Clock is the first moment at which clocks of the zone show the time of day on
// that day, or the moment of the jump where they jump over it. Days and months
// beyond the calendar go over into the next, as in time.Date.
func Clock(year int, month time.Month, day, hour, minute int, zone *time.Location) time.Time {
	want := time.Date(year, month, day, hour, minute, 0, 0, time.UTC)
	t := time.Date(year, month, day, hour, minute, 0, 0, zone)
	start, end := t.ZoneBounds()
	_, offset := t.Zone()
	switch shown := t.UTC().Add(time.Duration(offset) * time.Second); {
	case shown.After(want): // it was jumped over, and t is behind the jump
		return start
	case shown.Before(want):
		return end
	}
	if !start.IsZero() {
		_, before := start.Add(-time.Second).Zone()
		if earlier := t.Add(time.Duration(offset-before) * time.Second); earlier.Before(start) {
			return earlier // clocks were set back and show it twice
		}
	}
	return t
}

// AtMidnight says whether t is when its day begins, in the zone that it is in.
func AtMidnight(t time.Time) bool {
	return t.Equal(Midnight(t.Year(), t.Month(), t.Day(), t.Location()))
}
