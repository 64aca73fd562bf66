package cli

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"certwright/internal/arm"
	"certwright/internal/client"
	"certwright/internal/order"
)

func testEnv(environ ...string) (*Env, *bytes.Buffer, *bytes.Buffer) {
	var out, errs bytes.Buffer
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	return &Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Environ: environ, Now: func() time.Time { return now }, Version: "test"}, &out, &errs
}

// failing is an order whose authority answers with words that would clear a terminal.
func failing(e *Env) *client.Order {
	since, deadline := e.Now().Add(-3*time.Minute), e.Now().Add(14*24*time.Hour)
	p := &order.Problem{Class: order.GiveUp, What: "authorize", Where: "https://ca.example.test", Detail: "evil\x1b[2J\nwww  Issued \u202egnitsurt " + strings.Repeat("word ", 40),
		Cause: "the authority cannot reach the name", Fix: "publish\x07 the record"}
	o := &client.Order{Resource: arm.Resource{Name: "www"}}
	o.Properties = arm.Properties{Status: order.Pendingissuance, OrderKind: order.Ordered, Names: []string{"xn--bcher-kva.example.test"}, Issuer: "le\x1b]0;owned\x07", KeyTypes: []order.KeyType{order.P256},
		Path: []order.Stage{
			{Stage: order.StageOrder, State: order.Done, Since: &since},
			{Stage: order.StageVerify, State: order.StateFail, Since: &since, Deadline: &deadline, NextAt: &deadline, Owner: order.OwnerOwner, Problem: p,
				Rows: []order.Row{{Name: "xn--bcher-kva.example.test", State: order.StateFail, Text: p.Error(), Problem: p}}},
			{Stage: order.StageIssue, State: order.Blocked, Owner: order.OwnerOwner, Next: "waits for the stage verify"},
		}}
	return o
}

func TestOrderIsSafeAndFitsThePage(t *testing.T) {
	t.Parallel()
	e, out, _ := testEnv()
	o := failing(e)
	if err := e.show(o, func() { e.printOrder(o) }); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, r := range text {
		if r != '\n' && (r < 0x20 || r >= 0x7f && r <= 0x9f || r == 0x202e) {
			t.Fatalf("%q reaches the terminal in:\n%s", r, text)
		}
	}
	for _, l := range strings.Split(text, "\n") {
		if width(l) > pageWidth {
			t.Errorf("%d characters wide: %s", width(l), l)
		}
		if strings.HasPrefix(l, "www  Issued") {
			t.Errorf("a peer's words look like ours: %s", l)
		}
	}
	for _, want := range []string{"www  Pendingissuance\n", "bücher.example.test (xn--bcher-kva.example.test)", "✗ verify: authorize", "Likely cause: the authority cannot reach the name.", "→ publish the record.",
		"→ Look closer with: certwright diagnose www", "3 min ago", "in 14 days", "owner", "■ issue     blocked"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
}

// The API's words stay whole for programs: escaped, not removed.
func TestJSONKeepsWhatPeersSaidEscaped(t *testing.T) {
	t.Parallel()
	e, out, _ := testEnv()
	e.output = "json"
	if err := e.show(map[string]string{"a": "x\x1b[2J\u009b1m"}, nil); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, `x\u001b[2J\u009b1m`) || strings.ContainsAny(got, "\x1b\u009b") {
		t.Errorf("%q", got)
	}
	e, out, _ = testEnv()
	e.output = "tsv"
	if err := e.show([][]string{{"a\tb", "c\nd", "\x1b[2Je"}}, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "a b\tc d\t[2Je\n"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
}

func TestColourOnlyOnATerminal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		terminal bool
		environ  []string
		want     bool
	}{
		{"pipe", false, nil, false},
		{"terminal", true, nil, true},
		{"NO_COLOR", true, []string{"NO_COLOR=1"}, false},
		{"dumb", true, []string{"TERM=dumb"}, false},
	} {
		e, out, _ := testEnv(c.environ...)
		e.IsTerminal = c.terminal
		e.printOrder(failing(e))
		e.printOrders([]order.Summary{{ID: order.Short("www"), Projection: order.Projection{State: order.StateFail}}}, false)
		e.printEvent(&order.Event{Stage: order.StageIssue, Status: order.Failed, Text: "no"})
		if got := strings.Contains(out.String(), "\x1b[1;31m"); got != c.want {
			t.Errorf("%s: colour %v", c.name, got)
		}
	}
}

func TestOrdersNoneOneMany(t *testing.T) {
	t.Parallel()
	sum := func(name string, s order.StageState) order.Summary {
		return order.Summary{ID: order.Short(name), Kind: order.Ordered, Projection: order.Projection{Status: order.Issued, Stage: order.StageIssue, State: s, Text: strings.Repeat("long ", 50)}}
	}
	for _, c := range []struct {
		list     []order.Summary
		filtered bool
		want     string
		not      string
	}{
		{nil, false, "No orders yet.\n  → create one with", "NAME  "},
		{nil, true, "No order is like that.", "create"},
		{[]order.Summary{sum("a", order.Done)}, false, "✓ a", "order:"},
		{[]order.Summary{sum("a", order.Done), sum("b", order.StateFail), sum("c", order.Done)}, false, "3 orders: 1 failed, 2 done\n", "No order"},
	} {
		e, out, _ := testEnv("COLUMNS=100")
		e.printOrders(c.list, c.filtered)
		if got := out.String(); !strings.Contains(got, c.want) || strings.Contains(got, c.not) {
			t.Errorf("%d orders: %s", len(c.list), got)
		}
		for _, l := range strings.Split(out.String(), "\n") {
			if width(l) > pageWidth {
				t.Errorf("%d characters wide: %s", width(l), l)
			}
		}
	}
}

// What is wrong with an order is never cut: its cause mostly stands at the end. What is well may be, in a terminal; what is piped
// has each order on one line.
func TestWhatIsWrongIsNotCut(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("long ", 30) + "no such name (NXDOMAIN)"
	list := []order.Summary{
		{ID: order.Short("bad"), Kind: order.Ordered, Projection: order.Projection{Status: order.Issued, Stage: order.StageVerify, State: order.StateFail, Text: text}},
		{ID: order.Short("good"), Kind: order.Ordered, Projection: order.Projection{Status: order.Issued, Stage: order.StageIssue, State: order.Done, Text: text}},
	}
	for columns, want := range map[string]string{
		"COLUMNS=90": "✗ bad   Issued  -        verify failed  -\n    long ",
		"PAGER=less": "verify failed  -         " + text + "\n✓ good",
	} {
		e, out, _ := testEnv(columns)
		e.printOrders(list, false)
		if got := out.String(); !strings.Contains(got, want) || strings.Count(got, "(NXDOMAIN)") != map[bool]int{true: 1, false: 2}[columns == "COLUMNS=90"] {
			t.Errorf("%s:\n%s", columns, got)
		}
	}
}

// An order whose path is done and on which something was found is not told as one that is well.
func TestFoundOnAPathThatIsDone(t *testing.T) {
	t.Parallel()
	e, out, _ := testEnv()
	e.printOrders([]order.Summary{
		{ID: order.Short("a"), Kind: order.Ordered, Projection: order.Projection{Status: order.Issued, Stage: order.StageIssue, State: order.Done, Finding: "tls-chain-incomplete", FindingTitle: "The chain is not whole", FindingSince: e.Now().Add(-time.Minute)}},
		{ID: order.Short("b"), Kind: order.Ordered, Projection: order.Projection{Status: order.Issued, Stage: order.StageIssue, State: order.Done}},
	}, false)
	for _, want := range []string{"✗ a     Issued  -        not well  -         The chain is not whole [tls-chain-incomplete], for 60 s\n", "✓ b     Issued  -        all done", "2 orders: 1 failed, 1 done\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	e, _, _ := testEnv()
	got := e.wrap("  → ", strings.Repeat("seven77 ", 20))
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "  → seven77") || !strings.HasPrefix(lines[1], "    seven77") {
		t.Errorf("%q", got)
	}
	long := strings.Repeat("x", 150)
	if got := e.wrap("  ", "a "+long+" b"); got != "  a\n  "+long+"\n  b\n" {
		t.Errorf("a long word is broken or lost: %q", got)
	}
}

// Every command says what it does and shows how it is used, with words that it knows.
func TestEveryCommandHasHelp(t *testing.T) {
	t.Parallel()
	e, _, _ := testEnv()
	root := e.root()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" {
			return
		}
		if c.Short == "" {
			t.Errorf("%s does not say what it does", c.CommandPath())
		}
		if !c.HasSubCommands() && c.Example == "" {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for _, l := range strings.Split(c.Example, "\n") {
			checkExample(t, root, l)
		}
		for _, s := range c.Commands() {
			walk(s)
		}
	}
	walk(root)
}

// checkExample finds the command of an example and sees that it knows the flags shown.
func checkExample(t *testing.T, root *cobra.Command, line string) {
	line, _, _ = strings.Cut(line, "   (")
	_, line, ok := strings.Cut(line, "certwright ")
	if !ok {
		return
	}
	words := strings.Fields(line)
	c, _, err := root.Find(words)
	if err != nil || c == root {
		t.Errorf("example %q: no such command: %v", line, err)
		return
	}
	for _, w := range words {
		name, isFlag := strings.CutPrefix(w, "--")
		if isFlag && c.Flag(name) == nil && root.PersistentFlags().Lookup(name) == nil {
			t.Errorf("example %q: flag %s is not known to %s", line, w, c.CommandPath())
		}
	}
}

func TestExitStatuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		args string
		want int
		says string
	}{
		{"version", ExitWell, ""},
		{"order", ExitWell, ""},
		{"order crate x", ExitUsage, "did you mean: certwright order create"},
		{"ordr list", ExitUsage, "Did you mean this?"},
		{"order list", ExitFailed, "no server is known yet"},
		{"order create x", ExitUsage, "an order needs a name"},
		{"order show", ExitUsage, "usage: certwright order show NAME"},
		{"order list -o xml", ExitUsage, "use table, json, yaml or tsv"},
	} {
		e, _, errs := testEnv("CERTWRIGHT_CONTEXT=" + dir + "/none.json")
		if got := e.Run(context.Background(), strings.Fields(c.args)); got != c.want || !strings.Contains(errs.String(), c.says) {
			t.Errorf("%s: exit status %d, not %d: %s", c.args, got, c.want, errs)
		}
	}
}

// What ends a wait says that the order goes on.
func TestLettingGoOfAWait(t *testing.T) {
	t.Parallel()
	e, _, _ := testEnv()
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithDeadline(context.Background(), time.Unix(1, 0))
	defer cancel()
	for ctx, want := range map[context.Context]string{stopped: "interrupted; www goes on by itself", late: "www does not rest yet after 1m0s; it goes on by itself"} {
		err := e.letGo(ctx, "www", errors.New("x"), waitFlags{timeout: time.Minute})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "certwright order show www") {
			t.Errorf("%v", err)
		}
	}
	if err := e.letGo(context.Background(), "www", errors.New("refused"), waitFlags{}); err == nil || err.Error() != "refused" {
		t.Errorf("an error of another kind is changed: %v", err)
	}
}
