package cli

import (
	"time"

	"github.com/spf13/cobra"

	"certwright/internal/client"
	"certwright/internal/order"
	"certwright/internal/timeline"
)

func (e *Env) timelineCommand() *cobra.Command {
	var n int
	var each bool
	c := &cobra.Command{
		Use: "timeline [ORDER]", Short: "Show what was done, by whom, with which result: of one order, or of all", Args: upTo(1, "the name of one order, or nothing for all"),
		Long: `Show what was done, by whom, with which result: of one order, or of all, newest first. What belongs to one
operation stands together, and what was tried again and again is one line.`,
		Example: "  certwright timeline www\n  certwright timeline -n 20\n  certwright timeline www -o json --query \"[?status=='Failed'].description\"",
	}
	c.Flags().IntVarP(&n, "number", "n", 100, "how many events at most")
	c.Flags().BoolVar(&each, "each", false, "every operation for itself, also the ones that are like the one before")
	c.RunE = func(c *cobra.Command, args []string) error {
		if n < 1 || n > 100000 {
			return usage("-n %d is not a number of events from 1 to 100000", n)
		}
		cl, err := e.client()
		if err != nil {
			return err
		}
		name := ""
		if len(args) == 1 {
			name = args[0]
		}
		events, err := cl.Timeline(c.Context(), name, n)
		if err != nil {
			return err
		}
		if name != "" && len(events) == 0 { // no such order, rather than one without a past
			if _, err := cl.Order(c.Context(), name); client.NotFound(err) {
				return err
			}
		}
		return e.show(events, func() { e.printTimeline(events, name == "", each) })
	}
	return c
}

// printTimeline prints events as grouped entries, newest first. Of several orders each entry names its own.
func (e *Env) printTimeline(events []order.Event, all, each bool) {
	if len(events) == 0 {
		e.printf("Nothing has happened yet.\n")
		return
	}
	entries := timeline.Build(events, timeline.Options{Unfolded: each})
	if all {
		for i := range entries {
			entries[i].Title = entries[i].Order.Name + ": " + entries[i].Title
		}
	}
	e.printf("%s", timeline.Text(entries, time.Local))
}
