package notify

import (
	"encoding/json"
	"strings"
	"testing"

	"certwright/internal/order"
)

// TestMessageSaysAll: what is wrong, since when, who must act by when, the fix in one line, where to look.
func TestMessageSaysAll(t *testing.T) {
	t.Parallel()
	m := message(t)
	want := `Order www is not well: Nothing listens at <shop>.
The server is down
Names: www.example.test
Finding: tls-port-closed (endpoint, critical)
Since: 2026-11-01 09:00 UTC
Must act: whoever runs the server, by 2026-11-05 00:00 UTC
Fix: Start it
Command: systemctl start nginx
https://cw.test/orders/www`
	if m.Text != want || m.Type != TypeUnwell || m.Subject() != "[Certwright] www: Nothing listens at <shop>" {
		t.Errorf("%s\n%s", m.Subject(), m.Text)
	}
	e := transition(order.FindingCleared)
	e.Properties = map[string]string{"was": "tls-port-closed", "wasTitle": "Nothing listens", "wasSeverity": "critical", "severity": "critical", "leg": "endpoint", "since": "2026-11-01T09:00:00Z"}
	well, _ := Of(e, nil, "")
	if want := "Order www is well again. It was: Nothing listens.\nFinding: tls-port-closed (endpoint, critical)\nSince: 2026-11-01 09:00 UTC\nOver at: 2026-11-01 10:00 UTC"; well.Text != want || well.Type != TypeWell {
		t.Errorf("well again: %s %s", well.Type, well.Text)
	}
	e = transition(order.FindingChanged)
	e.Properties["was"], e.Properties["wasSeverity"] = "tls-port-closed", "warning"
	other, _ := Of(e, nil, "")
	e.Properties["rose"] = "critical"
	rose, _ := Of(e, nil, "")
	if rose.Type != TypeChanged || !strings.HasPrefix(rose.Text, "What is not well with order www is graver now, critical: Nothing listens at <shop>.\n") || !strings.HasPrefix(other.Text, "Order www is not well for another cause now: ") {
		t.Errorf("graver: %s %s\nanother: %s", rose.Type, rose.Text, other.Text)
	}
	if c := (Channel{Severity: Critical}); !c.Wants(&rose) {
		t.Error("a channel from critical on is not told that it is critical now")
	}
	if _, ok := Of(transition("deployed"), nil, ""); ok {
		t.Error("another event makes a message")
	}
}

func TestChannelWants(t *testing.T) {
	t.Parallel()
	warn := transition(order.FindingAppeared)
	warn.Properties["severity"] = "warning"
	warning, _ := Of(warn, nil, "")
	was := transition(order.FindingChanged)
	was.Properties["severity"], was.Properties["wasSeverity"] = "warning", "critical"
	calmer, _ := Of(was, nil, "")
	critical := message(t)
	for name, tc := range map[string]struct {
		c    Channel
		m    Message
		want bool
	}{
		"all":                            {Channel{}, warning, true},
		"from critical on":               {Channel{Severity: Critical}, warning, false},
		"critical":                       {Channel{Severity: Critical}, critical, true},
		"the critical one is over":       {Channel{Severity: Critical}, calmer, true},
		"its group, without case":        {Channel{Groups: []string{"shops", "Default"}}, critical, true},
		"another group":                  {Channel{Groups: []string{"shops"}}, critical, false},
		"another subscription":           {Channel{Subscriptions: []string{"x"}}, critical, false},
		"a test always":                  {Channel{Severity: Critical, Groups: []string{"x"}}, Test("1", "ada", "", t0), true},
		"its subscription and its group": {Channel{Subscriptions: []string{order.DefaultSubscription}, Groups: []string{"default"}}, critical, true},
	} {
		if got := tc.c.Wants(&tc.m); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestCards: valid JSON of the receiver's form, and no words of others that it would take for markup.
func TestCards(t *testing.T) {
	t.Parallel()
	m := message(t)
	m.Title = "<!channel> [click](https://evil.test) *now*"
	for kind, wants := range map[string][]string{
		Slack: {`"text":`, `"blocks":`, `\u0026lt;!channel\u0026gt;`, "https://cw.test/orders/www|Look closer"},
		Teams: {`"contentType":"application/vnd.microsoft.card.adaptive"`, `"type":"AdaptiveCard"`, `\\[click\\]`, `\\*now\\*`, `"color":"Attention"`, `"Action.OpenUrl"`},
		JSON:  {`"type":"order.unwell"`, `"timestamp":"2026-11-01T10:00:00Z"`, `"finding":"tls-port-closed"`, `"page":"https://cw.test/orders/www"`},
	} {
		b, err := body(kind, &m)
		if err != nil || !json.Valid(b) {
			t.Fatalf("%s: %v", kind, err)
		}
		for _, want := range wants {
			if !strings.Contains(string(b), want) {
				t.Errorf("%s lacks %s:\n%s", kind, want, b)
			}
		}
	}
}
