package notify

import (
	"fmt"
	"strings"
	"time"

	"certwright/internal/order"
)

// Types of message, as the receivers' programs tell them apart.
const (
	TypeUnwell  = "order.unwell"  // it was well and is not
	TypeChanged = "order.changed" // another cause stands first now
	TypeWell    = "order.well"    // it is well again
	TypeTest    = "test"          // somebody tries the channel
	TypePublish = "order.publish" // somebody asked for what has to be published to be mailed
)

// Message is what is told of one change. Its ID is that of the order's event, and so the same however often it is sent.
type Message struct {
	ID       string     `json:"id"`
	Type     string     `json:"type"`
	At       time.Time  `json:"at"` // when the change was told
	Order    string     `json:"order"`
	Group    string     `json:"group,omitempty"`
	Scope    string     `json:"subscription,omitempty"`
	Names    []string   `json:"names,omitempty"`
	Finding  string     `json:"finding,omitempty"` // id of the fault catalogue; of the one that is over, when it is well again
	Leg      string     `json:"leg,omitempty"`
	Severity string     `json:"severity,omitempty"`
	Title    string     `json:"title,omitempty"`
	Cause    string     `json:"cause,omitempty"`
	Since    *time.Time `json:"since,omitempty"`
	Owner    string     `json:"owner,omitempty"`    // who must act: owner, admin, issuer, certwright
	Deadline *time.Time `json:"deadline,omitempty"` // by when
	Fix      string     `json:"fix,omitempty"`
	Command  string     `json:"command,omitempty"`
	Was      string     `json:"was,omitempty"`  // id of the finding before
	Page     string     `json:"page,omitempty"` // where to look closer
	Text     string     `json:"text"`           // all of it in words

	rose  bool   // the same finding, graver than it was
	worst string // the graver of this finding and the one before: what a channel's severity is held against
}

// Of makes the message of a change of health. False: the event is none.
func Of(e order.Event, names []string, page string) (Message, bool) {
	if !order.IsTransition(&e) {
		return Message{}, false
	}
	p := e.Properties
	m := Message{ID: e.ID, Type: TypeUnwell, At: e.At.UTC(), Order: e.Order.Name, Group: e.Order.Group, Scope: e.Order.Subscription, Names: names,
		Finding: p["finding"], Leg: p["leg"], Severity: p["severity"], Title: p["title"], Cause: p["cause"], Since: instant(p["since"]), Owner: p["owner"],
		Deadline: instant(p["deadline"]), Fix: p["fix"], Command: p["command"], Was: p["was"], Page: page, worst: p["severity"]}
	switch e.Name {
	case order.FindingChanged:
		m.Type, m.rose = TypeChanged, p["rose"] != ""
	case order.FindingCleared:
		m.Type, m.Finding, m.Title = TypeWell, p["was"], p["wasTitle"]
	}
	if p["wasSeverity"] == Critical {
		m.worst = Critical
	}
	m.Text = strings.Join(m.lines(), "\n")
	return m, true
}

// Publish is the message that says what has to be published for an order.
func Publish(id, name, group, scope string, names []string, text, page string, now time.Time) Message {
	return Message{ID: id, Type: TypePublish, At: now.UTC(), Order: name, Group: group, Scope: scope, Names: names, Title: "What has to be published for " + strings.Join(names, ", "), Page: page, Text: text, worst: Critical}
}

// Test is the message by which somebody tries a channel.
func Test(id, by, page string, now time.Time) Message {
	m := Message{ID: id, Type: TypeTest, At: now.UTC(), Order: "(none)", Title: "A test: " + by + " asked whether this arrives", Page: page, worst: Critical}
	m.Text = strings.Join(m.lines(), "\n")
	return m
}

func instant(s string) *time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return nil
	}
	return &t
}

// Subject is the message in one line.
func (m *Message) Subject() string {
	switch m.Type {
	case TypeTest:
		return "[Certwright] This is a test"
	case TypeWell:
		return "[Certwright] " + m.Order + " is well again; it was: " + oneLine(m.Title)
	}
	return "[Certwright] " + m.Order + ": " + oneLine(m.Title)
}

// facts are the message's rows for a card: a word and what it says.
func (m *Message) facts() [][2]string {
	var out [][2]string
	add := func(word, text string) {
		if text != "" {
			out = append(out, [2]string{word, text})
		}
	}
	add("Names", strings.Join(m.Names, ", "))
	if m.Type != TypeTest {
		add("Finding", m.Finding+" ("+m.Leg+", "+m.Severity+")")
	}
	add("Since", form(m.Since))
	if m.Type == TypeWell {
		add("Over at", form(&m.At))
		return out
	}
	add("Must act", m.who())
	add("Fix", oneLine(m.Fix))
	add("Command", oneLine(m.Command))
	return out
}

// who must act by when, in words.
func (m *Message) who() string {
	who := map[string]string{order.OwnerUs: "nobody: Certwright goes on by itself", order.OwnerOwner: "the owner of the name", order.OwnerIssuer: "the issuer",
		order.OwnerAdmin: "whoever runs the server"}[m.Owner]
	if who == "" && m.Type != TypeTest {
		who = "whoever runs the server"
	}
	if who != "" && m.Deadline != nil {
		who += ", by " + form(m.Deadline)
	}
	return who
}

// lines are the message for a person: what is wrong, since when, who must act by when, what heals it, where to look.
func (m *Message) lines() []string {
	head := fmt.Sprintf("Order %s is not well: %s.", m.Order, oneLine(m.Title))
	switch m.Type {
	case TypeWell:
		head = fmt.Sprintf("Order %s is well again. It was: %s.", m.Order, oneLine(m.Title))
	case TypeChanged:
		if m.rose {
			head = fmt.Sprintf("What is not well with order %s is graver now, %s: %s.", m.Order, m.Severity, oneLine(m.Title))
			break
		}
		head = fmt.Sprintf("Order %s is not well for another cause now: %s.", m.Order, oneLine(m.Title))
	case TypeTest:
		head = oneLine(m.Title) + "."
	}
	out := []string{head}
	if m.Cause != "" && m.Type != TypeWell {
		out = append(out, oneLine(m.Cause))
	}
	for _, f := range m.facts() {
		out = append(out, f[0]+": "+f[1])
	}
	if m.Page != "" {
		out = append(out, m.Page)
	}
	return out
}

func form(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

// oneLine keeps what others wrote (an authority's words) from looking like more lines of the message.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
