package budget

import "time"

// window is the hour, day, week or month that a time belongs to, from its first moment up to, not including, the first of
// the next one. Days, weeks (from Monday on) and months are those of zone.
//
// The ledger keeps its sums by whole hours of UTC, so a window begins with such an hour: where a zone differs from UTC by
// half an hour, it begins half an hour before midnight. Else a restart would put another amount on the accounts.
func window(per string, at time.Time, zone *time.Location) (from, to time.Time) {
	at = at.In(zone)
	for n := range 2 { // the half hour before midnight may belong to the next day
		if from, to = begin(per, at, n), begin(per, at, n+1); at.Before(to) {
			break
		}
	}
	return from, to
}

// begin is when the nth window after the one of at begins.
func begin(per string, at time.Time, n int) time.Time {
	y, m, d := at.Date()
	switch per {
	case Hour:
		return at.Truncate(time.Hour).Add(time.Duration(n) * time.Hour)
	case Week:
		at = time.Date(y, m, d-(int(at.Weekday())+6)%7+7*n, 0, 0, 0, 0, at.Location())
	case Month:
		at = time.Date(y, m+time.Month(n), 1, 0, 0, 0, 0, at.Location())
	default:
		at = time.Date(y, m, d+n, 0, 0, 0, 0, at.Location())
	}
	return at.Truncate(time.Hour)
}
