package timeline

import (
	"slices"
	"strings"

	"certwright/internal/order"
)

// Filter chooses operations: whole ones, so that each still tells how it ended. Words are parts, without regard to case; what is
// empty is not asked for.
type Filter struct {
	Resource    string // of the order's name or id
	Operation   string // of the operation as people or the API call it, or of one of its events
	Person      string // of who began it, or did one of its events
	Outcome     Outcome
	Correlation string
	// One event of the operation has to meet both of these.
	Status order.EventStatus
	Stage  order.StageName
}

// Takes says whether an operation is one of those asked for.
func (f Filter) Takes(e Entry) bool {
	switch {
	case !holds(f.Resource, e.Order.Name, e.Order.String()):
	case f.Outcome != "" && f.Outcome != e.Outcome:
	case f.Correlation != "" && !strings.EqualFold(f.Correlation, e.Correlation):
	case !f.event(e):
	default:
		names, people := []string{e.Title, e.Operation}, []string{e.Caller}
		for _, l := range e.Lines {
			names, people = append(names, l.Name), append(people, l.Caller)
		}
		return holds(f.Operation, names...) && holds(f.Person, people...)
	}
	return false
}

// event says whether one of the operation's events has the status and the stage.
func (f Filter) event(e Entry) bool {
	return slices.ContainsFunc(e.Lines, func(l Line) bool {
		return (f.Status == "" || f.Status == l.Status) && (f.Stage == "" || f.Stage == l.Stage)
	})
}

// holds says whether one of the texts has the part in it.
func holds(part string, texts ...string) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(strings.ToLower(t), strings.ToLower(part)) })
}
