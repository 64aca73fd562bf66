package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/order"
)

// searchServer asks the server for orders of the filter's words where not all of them are here, and shows them as a list
// of their own.
func (b *browser) searchServer(words string) {
	b.filter = words
	if words == "" || !b.partial() {
		return
	}
	b.tell("Looking for %q on the server", words)
	b.ask(func() func() {
		var found arm.List[order.Summary]
		err := b.cl.Call(b.ctx, http.MethodGet, "/v1/orders", url.Values{"q": {words}, "top": {"100"}}, nil, &found)
		return func() {
			if err != nil {
				b.fail(err)
				return
			}
			b.foundOrders(words, found.Value)
		}
	})
}

// partial says whether a list has things that are not here yet.
func (b *browser) partial() bool {
	for l := range b.root.all() {
		if l.lists() && l.next != "" {
			return true
		}
	}
	return false
}

// foundOrders shows what a search of the server found, at the top of the tree.
func (b *browser) foundOrders(words string, list []order.Summary) {
	b.said = ""
	if len(b.root.kids) > 0 && b.root.kids[0].Path == "" {
		b.root.kids = b.root.kids[1:]
	}
	if len(list) == 0 {
		b.tell("The server has no order with %q in its names.", words)
		return
	}
	top := &leaf{Thing: arm.Thing{Name: fmt.Sprintf("orders with %q", words)}, above: b.root, view: true, open: true, loaded: true}
	for _, s := range list {
		t := arm.ThingOfOrder(s)
		scrub(&t)
		top.kids = append(top.kids, top.thingOf(t))
	}
	b.root.kids = append([]*leaf{top}, b.root.kids...)
	b.filter, b.at = "", top.kids[0]
}

// say is an overlay's text that is the same at every width.
func say(lines ...string) func(int) []textLine {
	return func(most int) []textLine { return linesOf(strings.Join(lines, "\n"), most) }
}

// help tells the keys.
func (b *browser) help() {
	b.over = &overlay{title: "Keys", keys: "any of Enter, Esc, q closes", text: say(
		"↑ ↓  k j        up and down        PgUp PgDn Home End G",
		"→  l  Enter     open, go down      Enter on a thing goes to its page",
		"←  h  Backspace shut, go up        Space opens and shuts",
		"Tab             from the tree to the page and back",
		"/               filter the tree; on Enter also ask the server",
		"                on the page: find, n next, N the one before",
		"Esc             drop the filter, leave the page",
		"g               go to an id, a short path, orders/NAME",
		"!               next thing that is not well",
		"d  t            diagnose an order now, its timeline",
		"a               do something with what is chosen",
		"y               the same for a shell: curl, az, certwright",
		"r               ask again     ? help     q leave",
		"",
		"✓ done  … waiting  ■ blocked  ✗ failed  ? unknown  – disabled",
	)}
}

// same shows the lines that show the same in a shell, and copies one.
func (b *browser) same() {
	if b.at.Path == "" {
		b.tell("This has no path of its own.")
		return
	}
	b.shellLines("The same in a shell", b.at.place.Shell(b.cl.At()))
}

func (b *browser) shellLines(title string, s arm.Shell) {
	put := func(what, line string) choice {
		return choice{what + ":\n" + line, func() {
			b.screen.SetClipboard([]byte(line))
			b.tell("The %s line was given to the terminal's clipboard, where it has one.", what)
		}}
	}
	text := say("TOKEN is a token, such as " + b.hint("certwright token create") + " gives.")
	if at := b.cl.At(); at.OwnRoots {
		text = say("TOKEN is a token, such as "+b.hint("certwright token create")+" gives; ca.pem are the server's roots:", "curl -sk "+at.URL+"/ca.pem -o ca.pem", "")
	}
	b.over = &overlay{title: title, text: text, keys: "Enter gives it to the clipboard, Esc closes", choices: []choice{put("curl", s.Curl), put("az", s.AZ), put("certwright", b.hint(s.Ours))}}
}

// actions lets one choose what to do with the chosen thing.
func (b *browser) actions() {
	p := b.at.place
	if len(p.Actions) == 0 {
		b.tell("Nothing can be done here: choose a thing.")
		return
	}
	o := &overlay{title: "Do with " + b.at.Name, keys: "Enter chooses, Esc closes"}
	for _, a := range byDanger(p.Actions) {
		what := dash(strings.TrimPrefix(strings.TrimPrefix(a.Path, p.Path), "/"))
		o.choices = append(o.choices, choice{pad(a.Method, 7) + pad(what, 27) + a.Text, func() { b.prepare(a) }})
	}
	b.over = o
}

// byDanger puts what is done with one key press first, then what is written in an editor, and what removes the thing last.
func byDanger(list []arm.Action) []arm.Action {
	rank := map[string]int{http.MethodPost: 0, http.MethodPatch: 1, http.MethodPut: 2, http.MethodDelete: 3}
	return slices.SortedStableFunc(slices.Values(list), func(a, b arm.Action) int { return rank[a.Method] - rank[b.Method] })
}

// prepare gets ready what is to be sent: what reads a body is written in an editor first.
func (b *browser) prepare(a arm.Action) {
	switch {
	case a.Method == http.MethodPut:
		b.write(a, b.at.body)
	case a.Method == http.MethodPatch:
		b.write(a, []byte(`{"properties": {}}`))
	case a.Body && !strings.HasSuffix(a.Path, "/renew") && !strings.HasSuffix(a.Path, "/reissue"):
		b.write(a, []byte(`{}`))
	default:
		b.confirm(a, nil)
	}
}

// write has the person write the body in their editor.
func (b *browser) write(a arm.Action, body []byte) {
	var v any
	if json.Unmarshal(body, &v) == nil {
		body, _ = json.MarshalIndent(v, "", "  ") // it was JSON
	}
	if err := b.screen.Suspend(); err != nil {
		b.fail(fmt.Errorf("leave the screen to an editor: %w", err))
		return
	}
	written, err := b.edit(body)
	if back := b.screen.Resume(); back != nil {
		b.leaving = true
		return
	}
	switch {
	case err != nil:
		b.fail(err)
	case strings.TrimSpace(string(written)) == strings.TrimSpace(string(body)):
		b.tell("Nothing was changed, so nothing is sent.")
	case json.Unmarshal(written, &v) != nil:
		b.fail(fmt.Errorf("what was written is no JSON: %w; nothing is sent", json.Unmarshal(written, &v)))
	default:
		b.confirm(a, written)
	}
}

// edit opens the person's editor with a text in a file that only they can read.
func (e *Env) edit(text []byte) ([]byte, error) {
	dir, err := os.MkdirTemp("", "certwright-edit-") // mode 0700
	if err != nil {
		return nil, fmt.Errorf("make a file to edit: %w", err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "body.json")
	if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		return nil, fmt.Errorf("make a file to edit: %w", err)
	}
	words := strings.Fields(e.getenv("VISUAL"))
	if len(words) == 0 {
		words = strings.Fields(e.getenv("EDITOR"))
	}
	if len(words) == 0 {
		words = []string{"vi"}
	}
	c := exec.Command(words[0], append(words[1:], file)...)
	c.Stdin, c.Stdout, c.Stderr = e.Stdin, e.Stdout, e.Stderr
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("the editor %s: %w; set EDITOR to one that is here", words[0], err)
	}
	return os.ReadFile(file)
}

// confirm asks whether to do it. What cannot be undone wants the thing's name typed.
func (b *browser) confirm(a arm.Action, body []byte) {
	final := a.Method == http.MethodDelete || strings.HasSuffix(a.Path, "/revoke")
	keys := "y does it, Esc does not"
	if final {
		keys = "it cannot be undone: y asks for the name, Esc does not"
	}
	name, l := b.at.Name, b.at
	a.Body = body != nil
	text := func(most int) []textLine {
		s := a.Text + ".\n\n  " + a.Method + " " + a.Address() + "\n"
		if body != nil {
			s += "\n" + string(body) + "\n"
		}
		return linesOf(s+"\nIt needs the right "+a.Right+".\nThe same in a shell: "+b.hint(a.Shell(b.cl.At()).Ours), most)
	}
	b.over = &overlay{title: "Do this with " + name + "?", keys: keys, text: text, key: func(k string) bool {
		switch {
		case k == "enter": // too easily pressed twice
			return true
		case k != "y":
			return false
		}
		b.over = nil
		if !final {
			b.do(l, a, body)
			return true
		}
		b.asked = &prompt{label: "Type its name, " + name + ", to go on: ", done: func(s string) {
			if s != name {
				b.tell("That is not its name: nothing was done.")
				return
			}
			b.do(l, a, body)
		}}
		return true
	}}
}

// do sends it and shows what the server says.
func (b *browser) do(l *leaf, a arm.Action, body []byte) {
	b.tell("%s %s …", a.Method, a.Path)
	var header []string
	if etag := etagOf(l.body); etag != "" && a.Path == l.Path && a.Method != http.MethodDelete {
		header = []string{"If-Match", etag}
	}
	b.ask(func() func() {
		answer, err := b.cl.Send(b.ctx, a.Method, a.Address(), nil, body, header...)
		return func() {
			if err != nil {
				b.fail(err)
				b.over = &overlay{title: "It was not done", keys: "Esc closes", text: say("\x1b[31m✗\x1b[0m "+b.hint(err.Error()), "", a.Method+" "+a.Path)}
				return
			}
			b.tell("✓ %s: %d %s", a.Text, answer.Status, http.StatusText(answer.Status))
			b.showAnswer(a, answer.Body)
			b.refresh(l)
			if a.Method == http.MethodDelete && l.above != nil {
				b.reload(l.above)
			}
		}
	})
}

// showAnswer shows what an action answered, unless that is the thing itself, which is on the page anyway.
func (b *browser) showAnswer(a arm.Action, body []byte) {
	var v any
	if json.Unmarshal(body, &v) != nil || strings.EqualFold(arm.ThingOf("/", body).Path, b.at.Path) {
		return
	}
	b.over = &overlay{title: a.Text, keys: "Esc closes", text: func(most int) []textLine {
		return b.pageOf(most, func(x explorer) { x.printJSON(v) })
	}}
}

// etagOf is the ETag that a resource says it has.
func etagOf(body []byte) string {
	var r struct {
		ETag string `json:"etag"`
	}
	_ = json.Unmarshal(body, &r) // what has none is sent without
	return r.ETag
}
