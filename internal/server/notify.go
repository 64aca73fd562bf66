package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/fulfill"
	"certwright/internal/notify"
	"certwright/internal/order"
	"certwright/internal/probe"
	"certwright/internal/work"
)

// channels are those of the configuration, by name.
func channels(c Config) []notify.Channel {
	var out []notify.Channel
	for _, name := range slices.Sorted(maps.Keys(c.Notify)) {
		n := c.Notify[name]
		out = append(out, notify.Channel{Name: name, Kind: n.Kind, URL: string(n.URL), URLFile: string(n.URLFile), SecretFile: string(n.SecretFile), CAFile: string(n.CAFile),
			Server: n.Server, TLS: n.TLS, User: n.User, PasswordFile: string(n.PasswordFile), From: n.From, To: n.To,
			Severity: n.Severity, Groups: n.Groups, Subscriptions: n.Subscriptions})
	}
	return out
}

// NewSender sends as this configuration says: from this host, and only to addresses that it allows.
func NewSender(c Config, version string, now func() time.Time) *notify.Sender {
	return &notify.Sender{Now: now, Host: mailName(), Version: version, Dial: func(ctx context.Context, address string, literal bool) (net.Conn, error) {
		g := probe.Guard{AllowPrivate: c.Network.Private, AllowLoopback: c.Network.Loopback}
		if literal { // the operator wrote this very address: no one else decides where it leads
			g.AllowPrivate, g.AllowLoopback = true, true
		}
		d := net.Dialer{Timeout: 10 * time.Second, Control: g.Control}
		return d.DialContext(ctx, "tcp", address)
	}}
}

// mailName is what this host calls itself (RFC 5321 section 4.1.3): its name, or where that has no form of one,
// an address literal.
func mailName() string {
	name, err := os.Hostname()
	if err != nil || !domain(name) {
		if a, err := netip.ParseAddr("127.0.0.1"); err == nil {
			return "[" + a.String() + "]"
		}
	}
	return name
}

// handOn gives changes of health in the outbox to River, one job for each channel that wants it, and then takes them
// out: a crash in between gives some twice, and River knows them by their arguments.
func (s *Server) handOn(ctx context.Context) {
	if _, err := s.drainOutbox(ctx, s.Now()); err != nil && ctx.Err() == nil {
		s.Logger.Warn("notifications wait in the outbox; they are handed on in a moment", "error", err)
	}
}

const outboxAtOnce = 200

func (s *Server) drainOutbox(ctx context.Context, _ time.Time) (bool, error) {
	events, err := s.Store.Outbox(ctx, outboxAtOnce)
	if err != nil || len(events) == 0 {
		return false, err
	}
	var jobs []work.Notice
	for _, e := range events {
		m, ok := notify.Of(e, nil, "")
		for i := range s.channels {
			if c := &s.channels[i]; ok && c.Wants(&m) {
				jobs = append(jobs, work.Notice{Order: e.Order, Seq: e.Seq, Channel: c.Name})
			}
		}
	}
	if err := s.Work.Post(ctx, jobs); err != nil {
		return false, err
	}
	return len(events) == outboxAtOnce, s.Store.Handed(ctx, events)
}

// send sends one notification once, and notes how it went. What can be sent no more (the channel is gone from the
// configuration, the event is past its retention) is done.
func (s *Server) send(ctx context.Context, n work.Notice) error {
	i := slices.IndexFunc(s.channels, func(c notify.Channel) bool { return c.Name == n.Channel })
	if i < 0 {
		s.Logger.Info("a notification is dropped: its channel is no longer configured", "channel", n.Channel, "order", n.Order.Name)
		return nil
	}
	e, err := s.Store.EventOf(ctx, n.Order, n.Seq)
	if errors.Is(err, fulfill.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	var names []string
	if o, err := s.Store.LoadOrder(ctx, n.Order); err == nil {
		for _, name := range o.Spec.Names {
			names = append(names, name.Value)
		}
	}
	m, ok := notify.Of(e, names, s.pageOf(n.Order))
	if !ok {
		return nil
	}
	return s.tell(ctx, &s.channels[i], m)
}

// tell sends a message and notes how it went: as a figure, in the log, in the book. Nothing else comes of it.
func (s *Server) tell(ctx context.Context, c *notify.Channel, m notify.Message) error {
	began := s.Now()
	err := s.sender.Send(ctx, c, m)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return err // we are stopping: that says nothing of the channel
	}
	s.metrics.told(c.Name, c.Kind, err == nil, s.Now().Sub(began))
	note, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if e := s.book.Note(note, c.Name, err, s.Now()); e != nil {
		s.Logger.Warn("how a notification went could not be noted", "channel", c.Name, "error", e)
	}
	if err != nil {
		s.Logger.Warn("a notification did not arrive; it is tried again", "channel", c.Name, "order", m.Order, "error", err)
		return err
	}
	s.Logger.Info("a notification was sent", "channel", c.Name, "order", m.Order, "type", m.Type, "id", m.ID)
	return nil
}

// broken are the channels over which nothing arrives.
func (s *Server) broken(ctx context.Context) ([]notify.State, error) {
	var names []string
	for _, c := range s.channels {
		names = append(names, c.Name)
	}
	return s.book.Broken(ctx, names)
}

// observeChannels says how each channel does: whether the last message over it arrived.
func (s *Server) observeChannels(ctx context.Context) []evidence.Observation {
	var out []evidence.Observation
	broken, err := s.broken(ctx)
	for i := range s.channels {
		c := &s.channels[i]
		o := evidence.Observation{Probe: evidence.ProbeHost, Check: "notify", Subject: "notification " + c.Name, Outcome: evidence.Pass, From: "server", At: s.Now(),
			Expected: "the last message arrived", Seen: "it arrived, or there was none", Command: "certwright notify test " + c.Name}
		say := evidence.Notified{Channel: c.Name, Kind: c.Kind}
		for _, b := range broken {
			if b.Channel == c.Name {
				o.Outcome, o.Seen = evidence.Fail, b.Error
				say.Failing, say.Tries, say.Error, say.Refused = b.Failing, b.Tries, b.Error, b.Refused
			}
		}
		if err != nil {
			o.Outcome, o.Seen, o.Reason = evidence.Unknown, "", err.Error()
		}
		out = append(out, o.With(say))
	}
	return out
}

// notes are what a person should know of a service that is ready all the same. They are open to everybody: no words of
// the other side are in them.
func (s *Server) notes(ctx context.Context) []string {
	broken, err := s.broken(ctx)
	if err != nil {
		return nil
	}
	var out []string
	for _, b := range broken {
		out = append(out, fmt.Sprintf("sys-notify-failed: notifications do not arrive over %s since %s", b.Channel, b.Failing.UTC().Format(time.RFC3339)))
	}
	return out
}

// TestNotify sends a test over a channel of a configuration, with no server. It says who took it.
func TestNotify(ctx context.Context, c Config, name, by, version string, now func() time.Time) (string, error) {
	sender := NewSender(c, version, now)
	return tryChannel(channels(c), name, by, strings.TrimRight(c.URL, "/")+"/", now(), func(c *notify.Channel, m notify.Message) error {
		return sender.Send(ctx, c, m)
	})
}

// testNotify sends a test as this server sends all: what comes of it is noted.
func (s *Server) testNotify(ctx context.Context, name, by string) (string, error) {
	return tryChannel(s.channels, name, by, strings.TrimRight(s.Config.URL, "/")+"/", s.Now(), func(c *notify.Channel, m notify.Message) error {
		return s.tell(ctx, c, m)
	})
}

func tryChannel(all []notify.Channel, name, by, page string, now time.Time, send func(*notify.Channel, notify.Message) error) (string, error) {
	i := slices.IndexFunc(all, func(c notify.Channel) bool { return c.Name == name })
	if i < 0 {
		none := &order.Refusal{Kind: order.NotFound, Code: "NotificationNotFound", Property: "name", Message: "there is no notification " + name,
			Fix: "Add it below 'notify' in the configuration; docs/monitoring.md has an example of each kind"}
		var known []string
		for _, c := range all {
			known = append(known, c.Name)
		}
		if len(known) > 0 {
			none.Fix = "Configured are " + strings.Join(known, ", ")
		}
		return "", none
	}
	m := notify.Test(fulfill.NewID(), by, page, now)
	if err := send(&all[i], m); err != nil {
		return "", &order.Refusal{Kind: order.Unsuitable, Code: "NotificationFailed", Property: "name", Message: "notification " + name + " did not arrive: " + err.Error(), Fix: advice(err)}
	}
	return fmt.Sprintf("Sent: %s took the test as %s.", all[i].Where(), m.ID), nil
}

// advice is the next step after a failure.
func advice(err error) string {
	var f *notify.Failure
	switch {
	case errors.Is(err, probe.ErrForbidden):
		return "Allow such addresses with 'network' in the configuration, or write the address itself in place of the name"
	case errors.As(err, &f) && f.Permanent:
		return "The other side refuses it: check the URL, the secret or the mail addresses"
	}
	return "Look whether the other side runs and can be reached from here"
}

// pageOf is the address of an order's page.
func (s *Server) pageOf(id order.ID) string {
	at := strings.TrimRight(s.Config.URL, "/") + "/orders/"
	if !strings.EqualFold(id.Subscription, order.DefaultSubscription) || !strings.EqualFold(id.Group, order.DefaultGroup) {
		at += url.PathEscape(id.Subscription) + "/" + url.PathEscape(id.Group) + "/"
	}
	return at + url.PathEscape(id.Name)
}
