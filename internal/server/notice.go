package server

import (
	"context"
	"strings"

	"certwright/internal/fulfill"
	"certwright/internal/notify"
	"certwright/internal/order"
)

// mailPublish mails what has to be published for a name of an order (empty = for all), to everybody who is told of
// the order by mail. It is recorded whether it was taken or not.
func (s *Server) mailPublish(ctx context.Context, by order.By, o *order.Order, name string) error {
	names := o.Names()
	if name != "" {
		names = []string{name}
	}
	page := strings.TrimRight(s.Config.URL, "/") + "/orders/" + o.ID.Name
	id := fulfill.NewUUID()
	m := notify.Publish(id, o.ID.Name, o.ID.Group, o.ID.Subscription, names, s.publishText(o, name, names, page), page, s.Now())
	var failed error
	sent := false
	for i := range s.channels {
		c := &s.channels[i]
		if c.Kind != notify.SMTP || !c.Wants(&m) {
			continue
		}
		n := order.Noticed{By: by, To: c.To, Mail: id, Name: name}
		if err := s.sender.Send(ctx, c, m); err != nil {
			n.Problem = &order.Problem{Class: order.Retry, What: "send a mail", Where: c.Where(), Detail: err.Error(), Owner: order.OwnerAdmin, Fix: "Try the channel with: certwright notify test " + c.Name, At: s.Now()}
			failed = &order.Refusal{Kind: order.Conflict, Code: "MailNotTaken", Message: "the mail was not taken: " + err.Error(), Fix: n.Problem.Fix}
		}
		if err := s.Mover.Noticed(context.WithoutCancel(ctx), o.ID, n); err != nil {
			return err
		}
		sent = sent || n.Problem == nil
	}
	switch {
	case sent:
		return nil
	case failed != nil:
		return failed
	}
	return &order.Refusal{Kind: order.Conflict, Code: "NoMailServer", Message: "nobody is told of this order by mail", Fix: "Add a notification of kind smtp to the configuration (docs/monitoring.md)"}
}

func (s *Server) publishText(o *order.Order, name string, names []string, page string) string {
	lines, which := o.ToPublish(name), strings.Join(names, ", ")
	switch {
	case len(lines) == 0 && o.StatusOf(s.Now()) == order.Pendingissuance:
		lines = []string{"Order " + o.ID.Name + " is pending, and the authority has not asked for anything yet that is missing for " + which + ". Ask again in a moment, or look at the page below."}
	case len(lines) == 0:
		lines = []string{"Nothing has to be published now for " + which + "."}
	default:
		lines = append([]string{"So that order " + o.ID.Name + " can go on, publish:"}, lines...)
	}
	return strings.Join(append(lines, "More: "+page), "\n\n")
}
