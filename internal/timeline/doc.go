// Package timeline turns an order's events into what a person reads: one entry for each operation
// (a creation, a renewal, a sync), its events as lines, repeated failures folded into one line that
// says how often and since when. Pure: it is given events and gives entries; Text is their plain form
// for a terminal, the pages draw them themselves.
package timeline
