package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/faq"
	"certwright/internal/order"
)

// The Resource Explorer shows what the API answers to its viewer, place by place. It knows of nothing else: what lies
// where and what can be done there comes from the registry (arm.PlaceOf), all the rest from the API, asked with the
// viewer's own session.

// treeShows is how many things of a list the tree shows; a list itself shows what a page of the API has.
const treeShows = 40

// foldable is how large JSON may be to be shown as a tree to fold: a page of it is ten times as large.
const foldable = 200 << 10

// leafNode is a place in the tree.
type leafNode struct {
	Name    string
	Path    string
	State   order.StageState
	Word    string
	Short   string // the word where there is little room
	Open    bool   // what is below it is shown
	Current bool
	More    bool // its list has others
	Kids    []leafNode
}

// exploreView is all that the explorer shows.
type exploreView struct {
	visit
	Query  string
	Tree   []leafNode
	Place  arm.Place
	Thing  arm.Thing
	Things []arm.Thing // of a list
	More   string      // address of the list's next part
	JSON   node
	Raw    string
	Base   arm.Server
	Status int // what the API answered where it refused
	Error  arm.ErrorInfo
}

// explorer asks the API for one request of a page.
type explorer struct {
	p *pages
	r *http.Request
}

func (p *pages) explore(w http.ResponseWriter, r *http.Request, v visit) {
	if p.Ask == nil {
		p.fail(w, r, v, http.StatusNotFound, "There is nothing to explore", "This server's pages have no API beside them.")
		return
	}
	x := explorer{p, r}
	q := r.URL.Query()
	view := exploreView{visit: v, Query: strings.TrimSpace(clip(q.Get("q"), 255)), Base: p.server()}
	at := "/"
	if path, ok := arm.PathOf(q.Get("at")); ok {
		at = escaped(path)
	}
	x.fill(&view, at, q.Get("next"))
	switch {
	case view.Query != "":
		view.Tree = x.search(view.Query)
	case view.Status != 0: // what is not there has no place in the tree
		view.Tree = x.tree(arm.Above(at), arm.Thing{})
	default:
		view.Tree = x.tree(at, view.Thing)
	}
	code := http.StatusOK
	if view.Status != 0 {
		code = view.Status
	}
	if partial(r) {
		p.render(w, r, http.StatusOK, exploreTree(view))
		return
	}
	p.render(w, r, code, explorePage(view))
}

// escaped is a path as it stands in an address; what cannot be one is the root.
func escaped(path string) string {
	u := url.URL{Path: path}
	if un, err := url.PathUnescape(path); err == nil {
		u.Path = un
	}
	return u.EscapedPath()
}

// mayAsk says whether the explorer asks for a path at all: only for what tells what is there. Waiting, downloads and
// secrets are for others.
func mayAsk(p arm.Place) bool { return p.Type != "" }

// fill reads the place itself.
func (x explorer) fill(v *exploreView, at, next string) {
	v.Place = arm.PlaceOf(at)
	if at == "/" {
		return
	}
	if !mayAsk(v.Place) {
		v.Status, v.Error = http.StatusNotFound, arm.ErrorInfo{Message: "There is nothing at " + at + " that can be explored."}
		return
	}
	address := v.Place.Address()
	if next != "" && v.Place.List {
		address += moreOf(address) + "$skiptoken=" + url.QueryEscape(next)
	}
	status, body := x.p.Ask(x.r, address)
	if status >= http.StatusBadRequest {
		var e arm.ErrorBody
		_ = json.Unmarshal(body, &e) // without words of its own the status has to do
		v.Status, v.Error = status, e.Error
		v.Error.Message = sentence(firstOf(e.Error.Message, http.StatusText(status)))
		return
	}
	v.show(body)
}

func moreOf(address string) string {
	if strings.Contains(address, "?") {
		return "&"
	}
	return "?"
}

// show takes what the API answered apart.
func (v *exploreView) show(body []byte) {
	var b bytes.Buffer
	if json.Indent(&b, body, "", "  ") == nil {
		body = b.Bytes()
	}
	v.Raw = string(bytes.TrimSpace(body))
	tree, err := parseTree(body)
	if err != nil {
		return // no JSON: the text has to do
	}
	if len(body) <= foldable {
		v.JSON = tree
	}
	if v.Place.List {
		things, next, _ := arm.Things(v.Place.Path, body) // it was JSON above
		v.Things = things
		if u, err := url.Parse(next); err == nil && u.Query().Get("$skiptoken") != "" {
			v.More = exploreAt(v.Place.Path) + "&next=" + url.QueryEscape(u.Query().Get("$skiptoken"))
		}
		return
	}
	v.Thing = arm.ThingOf(v.Place.Path, body)
}

// list asks for a list; a refusal is an empty one: what a viewer may not see is not there.
func (x explorer) list(path string) (things []arm.Thing, more bool) {
	p := arm.PlaceOf(path)
	status, body := x.p.Ask(x.r, p.Address())
	if status >= http.StatusBadRequest {
		return nil, false
	}
	things, next, _ := arm.Things(p.Path, body) // what is no list has none
	return things, next != ""
}

// tree is the way from the top to a place with everything beside it; from the top itself, to the default group.
func (x explorer) tree(at string, here arm.Thing) []leafNode {
	to := at
	if at == "/" {
		to, _ = arm.PathOf("groups/" + order.DefaultGroup)
	}
	way := []string{to}
	for p := arm.Above(to); p != "/"; p = arm.Above(p) {
		way = append(way, p)
	}
	slices.Reverse(way)
	var nodes []leafNode
	for _, p := range arm.Root().Below {
		nodes = append(nodes, leafNode{Name: p.Path[strings.LastIndexByte(p.Path, '/')+1:], Path: p.Path})
	}
	x.grow(nodes, way, at, here)
	return nodes
}

// grow opens the nodes that lie on the way; here is the thing that it leads to, where that is known.
func (x explorer) grow(nodes []leafNode, way []string, at string, here arm.Thing) {
	for i := range nodes {
		n := &nodes[i]
		if n.Current = strings.EqualFold(n.Path, at); n.Current && n.State == "" && here.State != "" {
			n.State, n.Word, n.Short = here.State, thingWord(here), shortWord(here) // it is on no page of the list that was read
		}
		if len(way) == 0 || !strings.EqualFold(n.Path, way[0]) {
			continue
		}
		n.Open = true
		p := arm.PlaceOf(n.Path)
		if p.List {
			n.Kids, n.More = x.kids(p.Path, way)
		} else {
			n.Kids = listsOf(p)
		}
		x.grow(n.Kids, way[1:], at, here)
	}
}

// kids are the things of a list, so many, and in any case the one that the way leads to.
func (x explorer) kids(path string, way []string) (kids []leafNode, more bool) {
	things, more := x.list(path)
	wanted := func(t arm.Thing) bool { return len(way) > 1 && strings.EqualFold(t.Path, way[1]) }
	for i, t := range things {
		if i < treeShows || wanted(t) {
			kids = append(kids, nodeOf(t))
		}
	}
	if len(way) > 1 && !slices.ContainsFunc(things, wanted) {
		name, err := url.PathUnescape(way[1][strings.LastIndexByte(way[1], '/')+1:])
		if err == nil {
			kids = append(kids, leafNode{Name: name, Path: way[1]})
		}
	}
	return kids, more || len(things) > treeShows
}

func nodeOf(t arm.Thing) leafNode {
	return leafNode{Name: firstOf(t.Name, "(no name)"), Path: t.Path, State: t.State, Word: thingWord(t), Short: shortWord(t)}
}

// shortWord is how a thing stands where there is little room: of an order its worst stage.
func shortWord(t arm.Thing) string {
	if t.Order == nil || t.Order.State == order.Done {
		return thingWord(t)
	}
	return stageWord[t.Order.Stage] + " " + wordOf(t.State)
}

// thingWord is how a thing stands, in a word or two: of an order that is not well where it fails, for "Issued" would hide it.
func thingWord(t arm.Thing) string {
	switch {
	case t.Order == nil:
		return firstOf(t.Word, wordOf(t.State))
	case t.Order.State == order.Done && t.State == order.StateFail:
		return "Not well"
	case (t.Order.Status == order.Issued || t.Order.Status == order.Pendingissuance) && (t.State == order.StateFail || t.State == order.Blocked || t.State == order.StateUnkno):
		return stageWord[t.Order.Stage] + " " + wordOf(t.State)
	}
	return statusTitle(t.Order.Status)
}

// listsOf are the lists and views below a thing. In a subscription these are its groups and providers, in a group its types.
func listsOf(p arm.Place) []leafNode {
	var kids []leafNode
	for _, b := range p.Below {
		if p.Type == arm.Resources+"/subscriptions" && strings.Contains(b.Path, "/providers/") || strings.HasSuffix(b.Path, "/resources") {
			continue // these are the same things once more
		}
		kids = append(kids, leafNode{Name: b.Path[strings.LastIndexByte(b.Path, '/')+1:], Path: b.Path})
	}
	return kids
}

// search is a flat tree: the orders whose names contain the words, then other resources.
func (x explorer) search(words string) []leafNode {
	var found struct {
		Value []order.Summary `json:"value"`
		Next  string          `json:"nextLink"`
	}
	orders := leafNode{Name: "Orders", Open: true}
	if status, body := x.p.Ask(x.r, "/v1/orders?top="+strconv.Itoa(treeShows)+"&q="+url.QueryEscape(words)); status < http.StatusBadRequest && json.Unmarshal(body, &found) == nil {
		for _, s := range found.Value {
			orders.Kids = append(orders.Kids, nodeOf(arm.ThingOfOrder(s)))
		}
		orders.More = found.Next != ""
	}
	others := leafNode{Name: "Other resources", Open: true}
	subscriptions, _ := x.list("/subscriptions")
	for _, s := range subscriptions[:min(len(subscriptions), treeShows)] {
		for _, t := range x.others(s.Path) {
			if strings.Contains(strings.ToLower(t.Path), strings.ToLower(words)) {
				others.Kids = append(others.Kids, nodeOf(t))
			}
		}
	}
	return slices.DeleteFunc([]leafNode{orders, others}, func(n leafNode) bool { return len(n.Kids) == 0 })
}

// others are the resources of a subscription but its orders, by type: in a list of all they would stand behind these.
func (x explorer) others(subscription string) (things []arm.Thing) {
	for _, p := range arm.PlaceOf(subscription).Below {
		if p.List && strings.Contains(p.Path, "/providers/") && !strings.EqualFold(p.Type, order.Type) {
			some, _ := x.list(p.Path)
			things = append(things, some...)
		}
	}
	return things
}

// exploreAt is the explorer's address of a place.
func exploreAt(path string) string {
	if path == "/" {
		return "/explore"
	}
	return "/explore?at=" + url.QueryEscape(path)
}

// crumb is a place above this one.
type crumb struct{ Name, Path string }

// crumbs are the things that a place lies in, from the outermost on.
func (v exploreView) crumbs() []crumb {
	var list []crumb
	for p := v.Place.Path; p != "/"; p = arm.Above(p) {
		name := p[strings.LastIndexByte(p, '/')+1:]
		if un, err := url.PathUnescape(name); err == nil {
			name = un
		}
		list = append(list, crumb{name, p})
	}
	list = append(list, crumb{"Everything", "/"})
	slices.Reverse(list)
	return list
}

// title is the name of the place.
func (v exploreView) title() string {
	c := v.crumbs()
	return firstOf(v.Thing.Name, c[len(c)-1].Name)
}

// shell are the lines that show the same in a shell.
// server is where the lines for a shell lead: the server's public address.
func (p *pages) server() arm.Server {
	return arm.Server{URL: strings.TrimRight(p.PublicURL, "/"), OwnRoots: p.OwnRoots}
}

func (v exploreView) shell() arm.Shell { return v.Place.Shell(v.Base) }

// mixed says whether a list has things of many types.
func mixed(p arm.Place) bool { return strings.HasSuffix(p.Path, "/resources") }

// orderOf is the order that a thing is or lies in.
func orderOf(path string) (order.ID, bool) {
	words := strings.Split(strings.Trim(path, "/"), "/")
	if len(words) > 8 {
		words = words[:8]
	}
	id, err := arm.ParseID("/" + strings.Join(words, "/"))
	return order.ID{Subscription: id.Subscription, Group: id.Group, Name: id.Name}, err == nil && strings.EqualFold(id.Type, order.Type)
}

// wrongOf says what is not well with an order, and closer is the command that looks closer.
func wrongOf(t arm.Thing) string {
	if t.Order == nil || t.State == order.Done || t.State == order.Disabled {
		return ""
	}
	return sentence(firstOf(t.Order.FindingTitle, t.Order.Text))
}

// answerTo is the article on what was found wrong with an order.
func answerTo(t arm.Thing) (faq.Article, bool) {
	if t.Order == nil || t.Order.Finding == "" {
		return faq.Article{}, false
	}
	return faq.Get(t.Order.Finding)
}

// refersTo is the place that a value of JSON names, if it is the id of a resource.
func (n node) refersTo() string {
	var id string
	if n.Kind != "string" || !strings.HasPrefix(n.Value, `"/subscriptions/`) || json.Unmarshal([]byte(n.Value), &id) != nil {
		return ""
	}
	if path, ok := arm.PathOf(id); ok && mayAsk(arm.PlaceOf(escaped(path))) {
		return escaped(path)
	}
	return ""
}

// standing is the state that a value of JSON tells, if it does.
func (n node) standing() order.StageState {
	var word string
	if n.Kind != "string" || json.Unmarshal([]byte(n.Value), &word) != nil {
		return ""
	}
	state, _ := arm.Standing(n.Key, word)
	return state
}

// short is what is left of an action's path below its place.
func short(a arm.Action, p arm.Place) string {
	return firstOf(strings.TrimPrefix(strings.TrimPrefix(a.Path, p.Path), "/"), "-")
}
