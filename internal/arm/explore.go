package arm

import (
	"encoding/json"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"

	"certwright/internal/order"
)

// Place is a path of the API as whoever walks through it sees it: what it is, what can be done there, what lies below.
// All of it comes from the registry; what is at the place, the API has to be asked.
type Place struct {
	Path    string   `json:"path"`
	Type    string   `json:"type,omitempty"` // with its provider; empty where the registry does not know the path
	Text    string   `json:"text,omitempty"` // what asking for it does
	Version string   `json:"apiVersion,omitempty"`
	List    bool     `json:"list,omitempty"`
	Actions []Action `json:"actions,omitempty"`
	Below   []Place  `json:"below,omitempty"` // lists and views that have a word of their own
}

// Action is something that can be done at a place.
type Action struct {
	Method  string `json:"method"`
	Path    string `json:"path"`
	Right   string `json:"action"` // that whoever does it must be allowed
	Text    string `json:"text"`
	Version string `json:"apiVersion,omitempty"`
	Body    bool   `json:"body,omitempty"` // it reads a body
}

// Address is the action's path with its API version.
func (a Action) Address() string { return Place{Path: a.Path, Version: a.Version}.Address() }

// Address is the path with its API version.
func (p Place) Address() string {
	if p.Version == "" {
		return p.Path
	}
	return p.Path + "?api-version=" + p.Version
}

// Shell are the lines that show the same in a shell: with curl, with az, with our own command.
type Shell struct{ Curl, AZ, Ours string }

// Server is where the lines of a shell lead.
type Server struct {
	URL      string // base URL
	OwnRoots bool   // its certificate is of its own authority: curl is told its roots, which lie in ca.pem
}

// curl is the beginning of a line.
func (s Server) curl() string {
	if s.OwnRoots {
		return "curl --cacert ca.pem "
	}
	return "curl "
}

// Shell says how the place is asked for at a server; TOKEN holds a token.
func (p Place) Shell(server Server) Shell {
	at := quoted(server.URL + p.Address())
	return Shell{Curl: server.curl() + `-H "Authorization: Bearer $TOKEN" ` + at, AZ: "az rest --method get --url " + at, Ours: "certwright explore " + quoted(p.Path)}
}

// Shell says how the action is done from a shell. A body that it reads is to be put in the place of BODY.
func (a Action) Shell(server Server) Shell {
	at := quoted(server.URL + a.Address())
	s := Shell{Curl: server.curl() + "-X " + a.Method + ` -H "Authorization: Bearer $TOKEN" `, AZ: "az rest --method " + strings.ToLower(a.Method) + " --url " + at, Ours: "certwright rest " + a.Method + " " + quoted(a.Path)}
	switch {
	case a.Body:
		s.Curl += "-H 'Content-Type: application/json' -d @BODY.json "
		s.AZ += " --body @BODY.json"
		s.Ours += " --body BODY.json"
	case a.Method == "POST":
		s.Curl += "-d '' "
	}
	s.Curl += at
	return s
}

// quoted is a word for a shell: names are others', and may have a quote.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Root is where a walk begins: what the directory has, then what lies in no subscription.
func Root() Place {
	root := Place{Path: "/", Text: "Everything that this token may see"}
	for _, path := range []string{"/subscriptions", "/providers", inOurs + "/issuers", inOurs + "/dnsAccounts", inOurs + "/commands"} {
		p := Place{Path: path}
		if found, ok := places().Find("GET", path); ok {
			p.describe(found.Value)
		}
		root.Below = append(root.Below, p)
	}
	return root
}

// asked is an operation with its type.
type asked struct {
	t Type
	o Operation
}

// walkable are the registry's GETs that tell what is there: no waiting for what comes, no ends of operations, no log.
var walkable = sync.OnceValue(func() []asked {
	var list []asked
	for _, t := range Registry() {
		for _, o := range t.Operations {
			if o.Method == "GET" && t.Provider != "Microsoft.Insights" && !strings.HasSuffix(o.Path, "/follow") && !strings.Contains(o.Path, "/operationResults/") {
				list = append(list, asked{t, o})
			}
		}
	}
	return list
})

var places = sync.OnceValue(func() *Router[asked] {
	var r Router[asked]
	for _, a := range walkable() {
		r.Add("GET", a.o.Path, a)
	}
	return &r
})

// PlaceOf is the place of an escaped path without its query. A path that the registry has not is a place, too: the API
// may have it.
func PlaceOf(path string) Place {
	path = "/" + strings.Join(split(path), "/")
	if path == "/" {
		return Root()
	}
	p := Place{Path: path}
	found, ok := places().Find("GET", path)
	if !ok {
		return p
	}
	p.describe(found.Value)
	p.Actions = actionsAt(path)
	for _, a := range walkable() {
		if rest, ok := beyond(a.o.Path, path); ok && rest != "" && !strings.Contains(rest, "{") {
			below := Place{Path: path + rest}
			below.describe(a)
			p.Below = append(p.Below, below)
		}
	}
	slices.SortStableFunc(p.Below, func(a, b Place) int { return strings.Count(a.Path, "/") - strings.Count(b.Path, "/") })
	return p
}

func (p *Place) describe(a asked) {
	p.Type, p.Text, p.List = a.t.Full(), a.o.Text, lists(a.o)
	if len(a.t.Versions) > 0 {
		p.Version = a.t.Versions[0]
	}
}

// lists says whether an operation answers with a list of things that have places of their own.
func lists(o Operation) bool {
	return o.Answer != nil && strings.HasPrefix(reflect.TypeOf(o.Answer).Name(), "List[") && reflect.TypeOf(o.Answer) != reflect.TypeFor[List[order.Event]]()
}

// beyond is what a pattern has after a path that fits its beginning.
func beyond(pattern, path string) (rest string, ok bool) {
	want, have := split(pattern), split(path)
	if len(want) < len(have) {
		return "", false
	}
	for i, h := range have {
		if !strings.HasPrefix(want[i], "{") && !strings.EqualFold(want[i], h) {
			return "", false
		}
	}
	if len(want) == len(have) {
		return "", true
	}
	return "/" + strings.Join(want[len(have):], "/"), true
}

// actionsAt are the operations at a path that are not to read it, and those that a word after it names.
func actionsAt(path string) []Action {
	var list []Action
	for _, t := range Registry() {
		for _, o := range t.Operations {
			rest, ok := beyond(o.Path, path)
			if !ok || o.Method == "GET" || o.Method == "HEAD" || strings.Contains(rest, "{") || strings.Count(rest, "/") > 1 || rest != "" && o.Method != "POST" {
				continue
			}
			a := Action{Method: o.Method, Path: path + rest, Right: o.Action, Text: o.Text, Body: o.Body != nil}
			if len(t.Versions) > 0 {
				a.Version = t.Versions[0]
			}
			list = append(list, a)
		}
	}
	return list
}

// InGroup says whether a path lies in a resource group.
func InGroup(path string) bool {
	words := split(path)
	return len(words) > 4 && strings.EqualFold(words[2], "resourceGroups")
}

// Above is the place that a path lies in: "/" at last.
func Above(path string) string {
	words := split(path)
	for n := len(words) - 1; n > 0; n-- {
		at := "/" + strings.Join(words[:n], "/")
		if _, ok := places().Find("GET", at); ok {
			return at
		}
	}
	return "/"
}

// Thing is one thing of a list: where it is, and how it stands. One that the list alone tells of has no path.
type Thing struct {
	Name   string            `json:"name"`
	Path   string            `json:"path"`
	Type   string            `json:"type,omitempty"`
	State  order.StageState  `json:"state,omitempty"` // empty where it has none
	Word   string            `json:"word,omitempty"`  // the state in the API's own word
	Order  *order.Projection `json:"summary,omitempty"`
	Stages []order.Stage     `json:"stages,omitempty"` // of an order
}

// shape is what things of all types may have.
type shape struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Namespace  string `json:"namespace"`
	UUID       string `json:"subscriptionId"`
	Display    string `json:"displayName"`
	Type       string `json:"type"`
	State      string `json:"state"`
	Properties struct {
		Provisioning string            `json:"provisioningState"`
		Status       string            `json:"status"`
		Kind         string            `json:"kind"`
		Summary      *order.Projection `json:"summary"`
		Stages       []order.Stage     `json:"path"`
	} `json:"properties"`
}

// ThingOf reads a resource; what it does not say is left empty. Where it has no id of its own, it lies below the place.
func ThingOf(at string, data json.RawMessage) Thing {
	var s shape
	_ = json.Unmarshal(data, &s) // of something else altogether there is nothing to say
	t := Thing{Name: s.Name, Path: s.ID, Type: s.Type, Order: s.Properties.Summary, Stages: s.Properties.Stages}
	for _, name := range []string{s.Namespace, s.Display, s.UUID} {
		if t.Name == "" {
			t.Name = name
		}
	}
	if !strings.HasPrefix(t.Path, "/") && t.Name != "" {
		t.Path = strings.TrimSuffix(at, "/") + "/" + url.PathEscape(t.Name)
	}
	t.Word, t.State = stands(s)
	return t
}

// stands says how a thing stands, in the API's word and as a state. What has neither is told by its kind, if it has one.
func stands(s shape) (string, order.StageState) {
	if p := s.Properties.Summary; p != nil {
		return s.Properties.Status, stateOf(*p)
	}
	word := s.Properties.Provisioning
	if word == "" && s.UUID != "" {
		word = s.State
	}
	switch word {
	case "":
		return s.Properties.Kind, ""
	case "Succeeded", order.SubscriptionEnabled:
		return word, order.Done
	case order.SubscriptionWarned, string(order.VaultWaiting), string(order.VaultInitialized), "Deleting", "InProgress":
		return word, order.StateWait
	case "Canceled", string(order.VaultExternalKey):
		return word, order.Disabled
	}
	return word, order.StateFail
}

// Standing says how a word in a resource's JSON stands, where its name tells that it is about that. False: it is not.
func Standing(name, word string) (order.StageState, bool) {
	switch name {
	case "provisioningState":
		var s shape
		s.Properties.Provisioning = word
		_, state := stands(s)
		return state, state != ""
	case "state":
		state := order.StageState(word)
		return state, slices.Contains([]order.StageState{order.Done, order.StateWait, order.Blocked, order.StateFail, order.Disabled, order.StateUnkno}, state)
	}
	return "", false
}

// stateOf is the state of an order: where something was found, its path alone does not tell.
func stateOf(p order.Projection) order.StageState {
	if p.Finding != "" && p.State == order.Done {
		return order.StateFail
	}
	return p.State
}

// ThingOfOrder is an order of a list of orders.
func ThingOfOrder(s order.Summary) Thing {
	return Thing{Name: s.ID.Name, Path: s.ID.String(), Type: order.Type, State: stateOf(s.Projection), Word: string(s.Projection.Status), Order: &s.Projection}
}

// Things reads a list; next is the address of its next page.
func Things(at string, data []byte) (things []Thing, next string, err error) {
	var list List[json.RawMessage]
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, "", err
	}
	for _, v := range list.Value {
		t := ThingOf(at, v)
		if _, ok := places().Find("GET", t.Path); !ok {
			t.Path = ""
		}
		things = append(things, t)
	}
	return things, list.NextLink, nil
}

// shortWords are the words under which the commonest places may be asked for.
var shortWords = []string{"orders", "sites", "vaults", "certificates", "targets", "endpoints", "issuers", "dns-accounts", "commands", "groups", "subscriptions", "providers"}

// PathOf makes a path of what a person names: an id, a short path, or words such as orders or orders/www, which mean the
// default subscription and group. False: it is none of these.
func PathOf(s string) (string, bool) {
	if s == "" || s == "/" {
		return "/", true
	}
	words := split(s)
	if strings.HasPrefix(s, "/") && !(len(words) > 1 && strings.EqualFold(words[0], "v1")) {
		return "/" + strings.Join(words, "/"), true
	}
	if len(words) > 0 && strings.EqualFold(words[0], "v1") {
		words = words[1:]
	}
	if len(words) == 0 || !slices.ContainsFunc(shortWords, func(w string) bool { return strings.EqualFold(w, words[0]) }) {
		return s, strings.HasPrefix(s, "/")
	}
	group := "/subscriptions/" + order.DefaultSubscription + "/resourceGroups/" + order.DefaultGroup
	at := map[string]string{"orders": group + "/providers/" + order.Type, "sites": group + inWeb + "/sites", "vaults": group + "/providers/" + vaultType, "certificates": group + inWeb + "/certificates",
		"targets": group + inOurs + "/targets", "endpoints": group + inOurs + "/endpoints", "issuers": inOurs + "/issuers", "dns-accounts": inOurs + "/dnsAccounts", "commands": inOurs + "/commands", "groups": "/subscriptions/" + order.DefaultSubscription + "/resourceGroups", "subscriptions": "/subscriptions", "providers": "/providers"}[strings.ToLower(words[0])]
	return strings.Join(append([]string{at}, words[1:]...), "/"), true
}

// ShortWords are the words that PathOf knows.
func ShortWords() []string { return slices.Clone(shortWords) }
