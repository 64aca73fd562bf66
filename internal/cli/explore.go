package cli

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"certwright/internal/arm"
	"certwright/internal/client"
	"certwright/internal/diagnose"
	"certwright/internal/faq"
	"certwright/internal/order"
	"certwright/internal/timeline"
)

func (e *Env) exploreCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "explore [PATH]", Short: "Walk through everything the API has: subscriptions, groups, types, resources, JSON", Args: upTo(1, "a path, or nothing"),
		Long: `Walk through everything that the API has: subscriptions, groups or providers, types, resources, and the JSON of each, with how
it stands, what can be done there, and what is not well and why. PATH is an id, a short path, or one of these words, alone or with
a name after it (orders/www), which mean the default subscription and group:
  ` + strings.Join(arm.ShortWords(), ", ") + `

In a terminal it opens a browser: arrow keys or hjkl walk, Enter opens, / filters, g goes to a path, a does something with what
is chosen, y shows the same for a shell, ? tells all keys, q leaves. With --plain, -o, --query or without a terminal it prints:
without PATH all as a tree, with PATH what is there.`,
		Example: `  certwright explore
  certwright explore orders/www
  certwright explore orders --plain
  certwright explore /v1/orders/www/diagnose | less
  certwright explore orders -o json --query 'value[?properties.summary.finding].name'`,
	}
	var plainly bool
	c.Flags().BoolVar(&plainly, "plain", false, "print, also in a terminal")
	c.RunE = func(c *cobra.Command, args []string) error {
		said := strings.Join(args, "")
		path, ok := arm.PathOf(said)
		if !ok {
			return usage("%q is nothing that can be explored\n  → give an id, a short path such as /v1/orders/www, or one of %s with or without a name: orders/www", said, strings.Join(arm.ShortWords(), ", "))
		}
		cl, err := e.client()
		if err != nil {
			return err
		}
		x := explorer{Env: e, cl: cl, ctx: c.Context()}
		switch {
		case e.talks() && e.plain() && !plainly:
			return x.browse(path)
		case path != "/":
			return x.place(path)
		}
		return x.tree()
	}
	return c
}

// explorer walks through the API.
type explorer struct {
	*Env
	cl    *client.Client
	ctx   ctxt
	marks bool // JSON is told with signs for what is not well: to be looked at, not to be copied
}

// Of a list, a tree draws so many and a list shows so many: what has more is for order list to search.
const (
	treeShows = 20
	listShows = 500
)

// read asks for what is at a place: whole JSON, as it came.
func (x explorer) read(p arm.Place) (data []byte, err error) {
	return data, x.cl.Call(x.ctx, http.MethodGet, p.Address(), nil, nil, &data)
}

// page reads one page of a list at an address: its things, and the address of the next page, if there is one.
func (x explorer) page(p arm.Place, address string) (things []arm.Thing, next string, err error) {
	var data []byte
	if err := x.cl.Call(x.ctx, http.MethodGet, address, nil, nil, &data); err != nil {
		return nil, "", err
	}
	things, next, err = arm.Things(p.Path, data)
	return things, x.cl.Relative(next), err
}

// list reads a list page by page, so many at most; more says that there are others.
func (x explorer) list(p arm.Place, most int) (things []arm.Thing, more bool, err error) {
	for next := p.Address(); next != ""; {
		var page []arm.Thing
		if page, next, err = x.page(p, next); err != nil {
			return nil, false, err
		}
		if things = append(things, page...); len(things) >= most {
			return things[:most], next != "" || len(things) > most, nil
		}
	}
	return things, false, nil
}

// branch is a part of the tree.
type branch struct {
	arm.Thing
	Below   []branch `json:"below,omitempty"`
	More    bool     `json:"more,omitempty"`    // there are others of its kind
	Refused string   `json:"refused,omitempty"` // why what is below is not shown
}

// tree draws all: what lies where, and how it stands.
func (x explorer) tree() error {
	var all []branch
	for _, p := range arm.Root().Below {
		b := branch{Thing: arm.Thing{Name: strings.TrimPrefix(p.Path, "/"), Path: p.Path, Type: p.Type}}
		if err := x.grow(&b, p, strings.EqualFold(p.Path, "/subscriptions")); err != nil {
			return err
		}
		all = append(all, b)
	}
	return x.show(&all, func() {
		for i := range all {
			x.draw(&all[i], "")
		}
		x.printf("\n  → one of them: certwright explore PATH   the same with buttons: %s/explore\n", x.cl.URL())
	})
}

// grow reads what is below a list, and for deep ones the lists below each of its things.
func (x explorer) grow(b *branch, p arm.Place, deep bool) error {
	things, more, err := x.list(p, treeShows)
	var refused *client.Error
	if errors.As(err, &refused) && refused.Status == http.StatusForbidden {
		b.Refused = refused.Message
		return nil
	}
	if err != nil {
		return err
	}
	b.More = more
	for _, t := range things {
		one := branch{Thing: t}
		if deep {
			if err := x.growLists(&one); err != nil {
				return err
			}
		}
		b.Below = append(b.Below, one)
	}
	return nil
}

// growLists grows the groups of a subscription and the types of a group, those that have something.
func (x explorer) growLists(b *branch) error {
	for _, p := range arm.PlaceOf(b.Path).Below {
		inGroup, groups := arm.InGroup(p.Path), strings.HasSuffix(p.Path, "/resourceGroups")
		if !p.List || !groups && !(inGroup && strings.Contains(p.Path, "/providers/")) {
			continue
		}
		kind := branch{Thing: arm.Thing{Name: p.Type, Path: p.Path}}
		if err := x.grow(&kind, p, groups); err != nil {
			return err
		}
		if len(kind.Below) > 0 {
			b.Below = append(b.Below, kind)
		}
	}
	return nil
}

// draw draws a branch and what is below it.
func (x explorer) draw(b *branch, indent string) {
	x.printf("%s%s\n", indent, x.line(&b.Thing, x.colour()))
	x.advise(&b.Thing, indent+"    ")
	for i := range b.Below {
		x.draw(&b.Below[i], indent+"  ")
	}
	if b.More {
		x.printf("%s  and more   → %s\n", indent, others(b.Path))
	}
	if b.Refused != "" {
		x.printf("%s  not for this token: %s\n", indent, b.Refused)
	}
}

// others is the command that finds what a list did not show: of orders, those that are not well first of all.
func others(path string) string {
	if strings.HasSuffix(strings.ToLower(path), strings.ToLower("/"+order.Type)) {
		return "certwright order list --state failed, or --search WORD"
	}
	return "certwright rest GET " + path
}

// line is a thing with its mark, its word, and of an order its stages.
func (x explorer) line(t *arm.Thing, c paint) string {
	s := t.Name
	if t.State != "" {
		s = c.as(stateCode[t.State], stateMark[t.State]) + " " + s
	}
	if t.Word != "" {
		s += "  " + c.as(stateCode[t.State], t.Word)
	}
	if len(t.Stages) > 0 {
		s += "  "
		for _, st := range t.Stages {
			s += " " + c.as(stateCode[st.State], string(st.Stage)+strings.TrimSpace(stateMark[st.State]))
		}
	}
	return s
}

// typed is a thing with its type, in a list of things of many types.
func (x explorer) typed(t *arm.Thing, p arm.Place) string {
	s := x.line(t, x.colour())
	if t.Type != "" && strings.HasSuffix(p.Path, "/resources") {
		s += x.colour().dim("  " + t.Type)
	}
	return s
}

// notWell says whether a thing is told to a reader as one that needs eyes.
func notWell(t *arm.Thing) bool {
	return t.State != "" && t.State != order.Done && t.State != order.Disabled
}

// advise says of a thing that is not well what it is, and how to look closer.
func (x explorer) advise(t *arm.Thing, indent string) {
	if !notWell(t) || t.Order == nil { // its word says it
		return
	}
	if why := x.wrong(t.Order); why != "" {
		x.printf("%s", x.wrap(indent, ended(upper(why))))
	}
	x.printf("%s→ %s\n", indent, x.closer(t))
}

// explain says of an order that is not well what the cause is and what heals it: the finding of the last examination, else
// what stands in the way of the worst stage.
func (x explorer) explain(t *arm.Thing, indent string) {
	if !notWell(t) || t.Order == nil {
		return
	}
	c := x.colour()
	if why := x.wrong(t.Order); why != "" {
		x.printf("%s", c.as(stateCode[t.State], x.wrap(indent, ended(upper(why)))))
	}
	worst := worstProblem(t.Stages)
	switch a, known := faq.Get(t.Order.Finding); {
	case t.Order.Finding != "" && known:
		x.printf("%s", x.wrap(indent, a.Part("Means")))
		x.printf("%s", x.wrap(indent+"→ ", a.Part("Fix")))
	case worst != nil:
		if worst.Problem.Cause != "" {
			x.printf("%s", x.wrap(indent, "Likely cause: "+ended(worst.Problem.Cause)))
		}
		if fix := worst.Problem.Fix; fix != "" && !strings.EqualFold(fix, t.Order.Text) {
			x.printf("%s", x.wrap(indent+"→ ", ended(upper(fix))))
		}
	}
	x.printf("%s→ Look closer with: %s\n", indent, x.closer(t))
}

// closer is the command that looks closer at an order.
func (x explorer) closer(t *arm.Thing) string {
	if id, err := arm.ParseID(t.Path); err == nil && (!strings.EqualFold(id.Group, order.DefaultGroup) || !strings.EqualFold(id.Subscription, order.DefaultSubscription)) {
		return "certwright explore " + t.Path + "/diagnose"
	}
	return "certwright diagnose " + t.Name
}

// place prints what is at a path.
func (x explorer) place(path string) error {
	p := arm.PlaceOf(path)
	data, err := x.read(p)
	if err != nil {
		return err
	}
	var v any
	if json.Unmarshal(data, &v) != nil { // no JSON: a bundle
		_, err := x.Stdout.Write(data)
		return err
	}
	if x.plain() && (p.List || isList(v)) {
		return x.printList(p)
	}
	return x.show(v, func() { x.printAnswer(p, data, v) })
}

// printAnswer prints what a place answered for a person: a diagnosis and a timeline in words, anything else with its JSON.
func (x explorer) printAnswer(p arm.Place, data []byte, v any) {
	var report diagnose.Report
	var events arm.List[order.Event]
	switch {
	case strings.HasSuffix(p.Path, "/diagnose") && json.Unmarshal(data, &report) == nil:
		x.head(p)
		x.printReport(report, nil, x.colour())
	case strings.HasSuffix(p.Path, "/timeline") && json.Unmarshal(data, &events) == nil:
		x.head(p)
		scrub(events.Value)
		x.printf("%s", timeline.Painted(timeline.Build(events.Value, timeline.Options{}), time.Local, x.timelinePaint()))
	default:
		x.printThing(p, data)
		x.printf("\n")
		if x.marks {
			x.printJSON(v)
			return
		}
		_ = x.writeJSON(v) // whoever reads is gone if this fails
	}
}

// isList knows a list at a path that the registry has not.
func isList(v any) bool {
	m, _ := v.(map[string]any)
	_, ok := m["value"].([]any)
	return ok
}

func (x explorer) printList(p arm.Place) error {
	things, more, err := x.list(p, listShows)
	if err != nil {
		return err
	}
	scrub(things)
	x.head(p)
	for i := range things {
		x.printf("  %s\n", x.typed(&things[i], p))
		x.advise(&things[i], "      ")
	}
	if len(things) == 0 {
		x.printf("  nothing here\n")
	}
	if more {
		x.printf("  and more   → %s\n", others(p.Path))
	}
	return nil
}

func (x explorer) head(p arm.Place) {
	x.printf("%s\n", x.colour().bold(p.Path))
	if p.Type != "" {
		x.printf("  %s: %s\n", p.Type, p.Text)
	} else if p.Text != "" {
		x.printf("  %s\n", p.Text)
	}
}

// printThing prints all of one thing but its JSON: how it stands, what is wrong, what can be done, what is below.
func (x explorer) printThing(p arm.Place, data []byte) {
	t, c := arm.ThingOf(p.Path, data), x.colour()
	scrub(&t)
	x.head(p)
	if t.Name != "" {
		x.printf("  %s\n", x.line(&t, c))
	}
	x.explain(&t, "    ")
	if len(t.Stages) > 0 {
		x.printf("\n")
		x.printPathOf(t.Stages, "", c)
	}
	if len(p.Actions) > 0 && x.marks {
		x.printf("\n  → %s can be done with it: press a\n", count(len(p.Actions), "thing"))
	} else if len(p.Actions) > 0 {
		x.printf("\n  What can be done here:\n")
		for _, a := range p.Actions {
			what := strings.TrimPrefix(a.Path, p.Path)
			x.printf("    %s%s%s\n", pad(a.Method, 7), pad(dash(strings.TrimPrefix(what, "/")), 28), a.Text)
		}
	}
	if len(p.Below) > 0 && !x.marks { // there the tree shows it
		x.printf("\n  Below it:\n")
		wide := 0
		for _, b := range p.Below {
			wide = max(wide, width(b.Path)-width(p.Path)+1)
		}
		for _, b := range p.Below {
			x.printf("    %s%s\n", pad(strings.TrimPrefix(b.Path, p.Path+"/"), wide), b.Text)
		}
	}
}
