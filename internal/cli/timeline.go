package cli

import (
	"time"

	"certwright/internal/order"
	"certwright/internal/timeline"
)

// printTimeline prints events as grouped entries, newest first.
func (e *Env) printTimeline(events []order.Event, _ bool) {
	if len(events) == 0 {
		e.printf("Nothing has happened yet.\n")
		return
	}
	e.printf("%s", timeline.Text(timeline.Build(events, timeline.Options{}), time.Local))
}
