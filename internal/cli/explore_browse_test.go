package cli

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"certwright/internal/order"
)

// atOrders opens the browser and goes to the list of orders.
func atOrders(t *testing.T, a *walkedAPI, w, h int, environ ...string) *terminal {
	t.Helper()
	s := inTerminal(t, contextOf(t, a.Server), w, h, environ, "explore", "orders")
	s.await("▾ certificateOrders ✗1", "✗ bad  serve failed", "✓ good")
	return s
}

// TestBrowserWalks walks from the top to an order that is not well: its sign, its cause and what heals it are told, what may
// not be seen says so, and nothing is left on the screen at the end.
func TestBrowserWalks(t *testing.T) {
	t.Parallel()
	a := newWalkedAPI(t)
	s := inTerminal(t, contextOf(t, a.Server), 130, 60, nil, "explore")
	s.await("subscriptions …1 (2)", "✓ Main", "… 支払い部門  Warned", "▾ ✓ default", "certificateOrders ✗1 (100+)", "vaults (0)  not for this token", "● live")
	if _, n := a.requests("GET " + walkedOrders); n != 1 {
		t.Errorf("the orders were asked for %d times", n)
	}
	s.press("j", "right", "right") // opens the list, goes to its first
	s.await("✗ bad  serve failed", "Nobody delegates example.test [dns-domain-not-delegated]", "The parent zone has no NS records", "→ Look at the registration with", "order✓ serve✗", `"provisioningState": "Failed", ✗`, "things can be done with it: press a")
	if !s.coloured() {
		t.Error("nothing has a colour")
	}
	s.press("d")
	s.await("Cause  The registration ended.", "Fix    Renew the registration.", "▾ ✗ bad", "diagnose")
	s.press("left", "left") // to the tree, to the order
	s.await("↑↓ →← move")
	s.press("h", "h") // shut, up to the list
	s.await("▸ ✗ bad", "List the orders")
	s.press("q")
	if err := s.ends(); err != nil {
		t.Errorf("q ends it with %v", err)
	}
	s.until("the empty screen that was there before", func() bool { return strings.TrimSpace(s.text()) == "" })
}

// TestBrowserWithoutColour: signs alone tell how things stand.
func TestBrowserWithoutColour(t *testing.T) {
	t.Parallel()
	s := atOrders(t, newWalkedAPI(t), 130, 60, "NO_COLOR=1")
	s.press("!")
	s.await("Nobody delegates example.test", "order✓ serve✗", `"Failed", ✗`)
	if s.coloured() {
		t.Error("something has a colour in spite of NO_COLOR")
	}
}

// TestBrowserFitsItsTerminal: 80 columns show one pane, more show two; wide letters do not push the panes about; a terminal
// that is too small says so.
func TestBrowserFitsItsTerminal(t *testing.T) {
	t.Parallel()
	s := atOrders(t, newWalkedAPI(t), 80, 24)
	if s.column(5, "│") >= 0 {
		t.Error("80 columns have two panes")
	}
	s.press("right", "enter")
	s.await("Nobody delegates example.test", "!▸ ✓ good", "↑↓ scroll")
	s.press("left")
	s.await("▸ ✓ good", "? help  q quit")
	s.press("left", "left", "left") // shut the order, up, shut the list
	s.await("▸ certificateOrders ✗1 (100+)", "… 支払い部門  Warned")
	s.size(120, 30)
	s.await("… 支払い部門", "│ ✗ bad  Issued   order✓ serve✗")
	s.until("a straight line between the panes", func() bool {
		for y := 1; y < 28; y++ {
			if s.column(y, "│") != 43 {
				return false
			}
		}
		return true
	})
	s.size(30, 6)
	s.await("30×6 is too small")
	s.size(80, 24)
	s.await("▸ certificateOrders ✗1 (100+)")
}

// TestBrowserPagesLazily: a large list comes a page at a time, as one goes down.
func TestBrowserPagesLazily(t *testing.T) {
	t.Parallel()
	a := newWalkedAPI(t)
	s := atOrders(t, a, 80, 24)
	if _, n := a.requests("GET " + walkedOrders); n != 1 {
		t.Errorf("%d pages were read at first", n)
	}
	s.press("right")
	for range 90 {
		s.press("down")
	}
	s.await("▸ ✓ order-088")
	s.press("backspace")
	s.await("certificateOrders ✗1 (200+)")
	if n, _ := a.requests("GET " + walkedOrders + " 200"); n != 0 {
		t.Error("the third page was read though nobody went there")
	}
}

func TestBrowserFiltersAndGoes(t *testing.T) {
	t.Parallel()
	a := newWalkedAPI(t)
	s := atOrders(t, a, 130, 32)
	s.press("/", "good")
	s.await("Filter: good", "✓ good", "!order-001", "!✗ bad")
	s.press("enter") // not all orders are here, so the server is asked, too
	s.await(`▾ orders with "good"`, "✓ order-249")
	s.press("g", "orders/none", "enter")
	s.await("✗ there is no such thing  → See what there is")
	s.press("g", "nonsense", "enter")
	s.await(`"nonsense" is nothing that can be explored`)
	s.press("g", "orders/order-249", "enter") // on no page that was read
	// What the search found shows the same order: it is arrived at once nothing is asked or told any more.
	s.await("✓ order-249  Issued", `"name": "order-249"`, "!is nothing that can be explored", "!Go to:", "!Looking for")
	s.press("tab", "/", "etag", "enter")
	s.await(`"etag": "\"7\""`)
	s.press("left", "y")
	s.await("The same in a shell", `curl --cacert ca.pem -H "Authorization: Bearer $TOKEN"`, "az rest --method get --url", "certwright explore")
	s.press("escape")
	s.await("!The same in a shell")
	s.press("?")
	s.await("next thing that is not well")
}

// TestBrowserActs does something with an order, after a yes; what cannot be undone wants the name.
func TestBrowserActs(t *testing.T) {
	t.Parallel()
	a := newWalkedAPI(t)
	s := atOrders(t, a, 100, 30)
	s.press("right", "a")
	s.await("Do with bad", "POST   renew", "DELETE -")
	s.press("j", "enter")
	s.await("Do this with bad?", "Ask for a new version.", "It needs the right "+order.Type+"/renew/Action", "certwright rest POST", "!BODY.json")
	s.press("enter") // is no yes
	s.press("escape")
	s.await("!Do this with bad?")
	if n, _ := a.requests("POST"); n != 0 {
		t.Error("it was done without a yes")
	}
	s.press("a")
	s.await("Do with bad")
	s.press("j", "enter")
	s.await("Do this with bad?")
	s.press("y")
	s.await("✓ Ask for a new version: 204")
	if _, n := a.requests("POST " + walkedOrders + "/bad/renew"); n != 1 {
		t.Errorf("asked: %v", a.asked)
	}
	remove := func(name string) {
		s.press("a")
		s.await("Do with bad")
		s.press("end", "enter")
		s.await("it cannot be undone")
		s.press("y")
		s.await("Type its name, bad, to go on:")
		s.press(name, "enter")
	}
	remove("good")
	s.await("That is not its name: nothing was done.")
	remove("bad")
	s.await("✓ Revoke and forget an order: 204")
	if n, _ := a.requests("DELETE"); n != 1 {
		t.Errorf("asked: %v", a.asked)
	}
}

// TestBrowserWrites changes an order with the person's editor.
func TestBrowserWrites(t *testing.T) {
	t.Parallel()
	a := newWalkedAPI(t)
	editor := filepath.Join(t.TempDir(), "editor")
	if err := os.WriteFile(editor, []byte("#!/bin/sh\necho '{\"properties\":{\"autoRenew\":false}}' > \"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := atOrders(t, a, 100, 30, "EDITOR="+editor)
	s.press("right", "a")
	s.await("Do with bad")
	s.press("end", "up", "up", "enter")
	s.await("Do this with bad?", `{"properties":{"autoRenew":false}}`)
	s.press("y")
	s.await("✓ Change some properties of an order: 200")
	if _, n := a.requests("PATCH " + walkedOrders + `/bad {"properties":{"autoRenew":false}}`); n != 1 {
		t.Errorf("asked: %v", a.asked)
	}
}

// TestBrowserIsLive: what happens to an order is seen without a key; a server that is gone is told, and asked again.
func TestBrowserIsLive(t *testing.T) {
	t.Parallel()
	a := newWalkedAPI(t)
	s := atOrders(t, a, 130, 32)
	s.press("right")
	s.await("● live", "Nobody delegates")
	a.mu.Lock()
	a.state["bad"] = order.Projection{Status: order.Issued, State: order.Done}
	a.mu.Unlock()
	a.events <- order.Event{ID: "e1", Order: order.Short("bad"), Name: "look-changed", Status: order.Succeeded}
	s.await("✓ bad", "!serve failed", "!Nobody delegates")
	a.stop()
	s.press("r")
	s.await("✗ no server answers at "+a.URL, "!● live")
	s.press("\x03")
	if err := s.ends(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != ExitFailed {
			t.Errorf("Ctrl-C ends it with %v", err)
		}
	}
}

// TestBrowserOpensOnlyWhatIsThere: a name that is not there, and a server that is down, are told without a screen.
func TestBrowserOpensOnlyWhatIsThere(t *testing.T) {
	t.Parallel()
	a := newWalkedAPI(t)
	file := contextOf(t, a.Server)
	fails := func(words string, args ...string) {
		t.Helper()
		s := inTerminal(t, file, 80, 24, nil, append([]string{"explore"}, args...)...)
		var exit *exec.ExitError
		if err := s.ends(); !errors.As(err, &exit) || exit.ExitCode() != ExitFailed {
			t.Errorf("it ends with %v", err)
		}
		s.await(words, "!▸", "!? help")
	}
	fails("certwright: there is no such thing", "orders/none")
	s := inTerminal(t, file, 80, 24, nil, "explore", "orders/bad", "--plain")
	s.await("\"summary\": {")
	if err := s.ends(); err != nil {
		t.Errorf("--plain ends with %v", err)
	}
	a.Server.Close()
	fails("no server answers at")
}

// TestBrowserOutlivesItsServer: while the server is gone the line above says so and since when, whatever is pressed; once it is
// back the browser goes on by itself, and what happened meanwhile is shown.
func TestBrowserOutlivesItsServer(t *testing.T) {
	t.Parallel()
	a := newWalkedAPI(t)
	s := atOrders(t, a, 130, 30)
	s.await("● live")
	a.leave()
	s.await("✗ no server since ", "has ended the connection: it was stopped, or is being restarted")
	s.press("j", "d")
	s.await("✗ no server since ", "✗ the server at", "r asks again")
	a.mu.Lock()
	a.state["bad"] = order.Projection{Status: order.Issued, State: order.Done}
	a.mu.Unlock()
	a.events <- order.Event{ID: "e1", Order: order.Short("bad")}
	a.comeBack()
	s.await("● live", "!no server", "▾ ✓ bad", "Cause  The registration ended.")
}

// TestBrowserWhoseTokenIsWithdrawn: what is shown grows old, and the line above says so until r finds it answered again.
func TestBrowserWhoseTokenIsWithdrawn(t *testing.T) {
	t.Parallel()
	a := newWalkedAPI(t)
	s := atOrders(t, a, 130, 30)
	s.await("● live")
	a.withdrawn.Store(true)
	a.events <- order.Event{ID: "e1", Order: order.Short("bad")}
	s.await("✗ not live, r asks again: since ", "this token was deleted")
	s.press("end") // whatever is pressed
	s.await("✗ not live, r asks again: since ", "Certwright/commands: List")
	a.withdrawn.Store(false)
	s.press("r")
	s.await("● live", "!not live")
}
