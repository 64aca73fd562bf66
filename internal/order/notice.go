package order

import (
	"strings"
	"time"
)

// NoticeSent is the name of the event of a mail that was sent.
const NoticeSent = "notice-sent"

// Noticed records that a person asked for a mail that says what has to be published, and whether it was taken.
type Noticed struct {
	By
	To      []string
	Mail    string // id of the mail
	Name    string // the name it was about; empty = all of the order's
	Problem *Problem
}

func (r Noticed) apply(o *Order, now time.Time) []Event {
	to, about := strings.Join(r.To, ", "), orWord(r.Name, nameList(o.Spec.Names))
	if r.Problem != nil {
		e := r.event(o, now, StageVerify, "notice-failed", "A mail to %s about %s was not taken: %s", to, about, r.Problem.Error()).failed(r.Problem, Warning)
		return []Event{e.with("to", to)}
	}
	return []Event{r.event(o, now, StageVerify, NoticeSent, "Mailed to %s, asked for by %s: what has to be published for %s.", to, r.Caller, about).with("to", to, "mail", r.Mail, "identifier", r.Name)}
}

// Names are the names of the order as words.
func (o *Order) Names() []string {
	var list []string
	for _, n := range o.Spec.Names {
		list = append(list, n.Value)
	}
	return list
}

// ToPublish says in words what has to be published for a name (empty = for all), a paragraph each; none where
// nothing has to be.
func (o *Order) ToPublish(name string) []string {
	var list []string
	for i := range o.Identifiers {
		row := &o.Identifiers[i]
		if (name == "" || strings.EqualFold(row.Value, name)) && row.Instruct != "" {
			list = append(list, row.Value+": "+row.Instruct)
		}
	}
	return list
}
