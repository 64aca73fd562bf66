package diagnose

import (
	"fmt"
	"time"
)

// day writes an instant for a person: the date, and the time of day in UTC.
func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// Span says how long something is in the largest fitting unit, such as "12 days" or "3 hours".
func Span(d time.Duration) string {
	if d < 0 {
		d = -d
	}
	units := []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}}
	for _, u := range units {
		n := int(d / u.of)
		if n == 1 && u.name != "second" { // "1 day" hides up to a day: say it in the smaller unit
			continue
		}
		if n > 0 {
			return plural(n, u.name)
		}
	}
	return "moments"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
