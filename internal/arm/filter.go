package arm

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"certwright/internal/order"
)

// clause begins a $filter: a comparison (name, operator, value in quotes; times come without), or a function of a text and a
// property in either order. A quote in a value is doubled (OData).
var clause = regexp.MustCompile(`^\s*(?:([A-Za-z$./]+)\s+(?i:(eq|ne|ge|le|gt|lt))\s+('(?:[^']|'')*'|[0-9][0-9A-Za-z:.+-]*)|(?i:(substringof|startswith))\(\s*('(?:[^']|'')*'|[A-Za-z]+)\s*,\s*('(?:[^']|'')*'|[A-Za-z]+)\s*\))\s*`)

// and stands between clauses.
var and = regexp.MustCompile(`^(?i:and)\s`)

// Compare is a clause of a filter. Op is eq, ne, ge, le, gt, lt, substringof or startswith.
type Compare struct{ Name, Op, Value string }

// Filter takes a $filter apart: clauses joined by "and", no other syntax.
func Filter(s string) ([]Compare, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	var list []Compare
	for rest := s; ; {
		m := clause.FindStringSubmatch(rest)
		if m == nil {
			return nil, badFilter(fmt.Sprintf("%q is no comparison", strings.TrimSpace(rest)), "Write NAME eq 'VALUE', several joined by and")
		}
		c := Compare{m[1], strings.ToLower(m[2]), unquoted(m[3])}
		if m[4] != "" {
			c = Compare{m[6], strings.ToLower(m[4]), unquoted(m[5])}
			if strings.HasPrefix(m[6], "'") { // the text comes second
				c.Name, c.Value = m[5], unquoted(m[6])
			}
		}
		list = append(list, c)
		if rest = rest[len(m[0]):]; rest == "" {
			return list, nil
		}
		joined := and.FindString(rest)
		if joined == "" {
			return nil, badFilter(fmt.Sprintf("%q does not go on with and", rest), "Write NAME eq 'VALUE', several joined by and")
		}
		rest = rest[len(joined):]
	}
}

// unquoted is a literal without its quotes.
func unquoted(s string) string {
	if text, ok := strings.CutPrefix(s, "'"); ok {
		return strings.ReplaceAll(strings.TrimSuffix(text, "'"), "''", "'")
	}
	return s
}

func badFilter(message, fix string) error {
	return &order.Refusal{Kind: order.BadInput, Code: "InvalidFilter", Property: "$filter", Message: message, Fix: fix}
}

// LogFilter is what a $filter of the activity log asks for.
type LogFilter struct {
	From, To                               time.Time
	Group, Resource, Provider, Correlation string

	Caller, Status string // az narrows by these besides
}

// Takes says whether an event is of the caller and status that the filter names.
func (f LogFilter) Takes(d EventData) bool {
	return (f.Caller == "" || strings.EqualFold(f.Caller, d.Caller)) && (f.Status == "" || strings.EqualFold(f.Status, d.Status.Value))
}

// ParseLogFilter reads a $filter of the activity log: a start, an end, and at most one of group, resource, provider and
// correlation id; az adds caller and status. A start must be given.
func ParseLogFilter(s string) (LogFilter, error) {
	const fix = "Write eventTimestamp ge 'T1' and eventTimestamp le 'T2', and at most one of resourceGroupName, resourceUri, resourceProvider and correlationId eq '...'; caller and status eq '...' besides"
	var f LogFilter
	list, err := Filter(s)
	if err != nil {
		return f, err
	}
	n := 0
	for _, c := range list {
		name := strings.ToLower(c.Name)
		one := map[string]*string{"resourcegroupname": &f.Group, "resourceuri": &f.Resource, "resourceid": &f.Resource, "resourceprovider": &f.Provider, "correlationid": &f.Correlation}[name]
		besides := map[string]*string{"caller": &f.Caller, "status": &f.Status}[name]
		switch {
		case one != nil && c.Op == "eq" && c.Value != "":
			n++
			*one = c.Value
		case besides != nil && c.Op == "eq" && *besides == "" && c.Value != "":
			*besides = c.Value
		case name == "eventchannels" && c.Op == "eq" && strings.Contains(c.Value, "Admin"): // PowerShell always says so, and all of ours are
		case name == "eventtimestamp" && (c.Op == "ge" || c.Op == "le"):
			t, err := instant(c.Value)
			if err != nil {
				return f, badFilter(fmt.Sprintf("%q is no time", c.Value), "Write it such as 2026-11-28T02:04:05Z")
			}
			if c.Op == "ge" {
				f.From = t
			} else {
				f.To = t
			}
		default:
			return f, badFilter(fmt.Sprintf("%s %s is no comparison of the activity log", c.Name, c.Op), fix)
		}
	}
	if f.From.IsZero() || n > 1 {
		return f, badFilter("it must have a start, and at most one property besides", fix)
	}
	return f, nil
}

// instant reads a time; without a zone, as az writes it, it is UTC.
func instant(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05", s)
	}
	return t, err
}

// ResourceFilter is a $filter of lists of resources: what a resource must be like.
type ResourceFilter struct {
	list []Compare
	// Type, Name and Group are those that are named with eq: what can be asked of the store at once. Empty = any.
	Type, Name, Group string
}

// What a $filter of resources can compare: of those of a group, of a subscription, and of the groups themselves.
var (
	OfGroups       = []string{"tagName", "tagValue"}
	OfGroup        = append([]string{"resourceType", "name", "location"}, OfGroups...)
	OfSubscription = append([]string{"resourceGroup"}, OfGroup...)
)

// ParseResourceFilter reads a $filter of a list of resources that may compare what has these names.
func ParseResourceFilter(s string, names []string) (ResourceFilter, error) {
	list, err := Filter(s)
	f := ResourceFilter{list: list}
	if err != nil {
		return f, err
	}
	fix := "Use " + strings.Join(names, ", ") + ", each with eq or ne '...'; substringof('...', name); startswith(tagName, '...'); joined by and"
	named := false
	for i, c := range list {
		name := strings.ToLower(c.Name)
		f.list[i].Name, named = name, named || name == "tagname"
		ok := slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
		switch c.Op {
		case "eq", "ne":
		case "substringof":
			ok = ok && (name == "name" || name == "resourcegroup")
		case "startswith":
			ok = ok && name == "tagname"
		default:
			ok = false
		}
		if !ok {
			return f, badFilter(fmt.Sprintf("%s %s is no comparison of these resources", c.Name, c.Op), fix)
		}
		if to := map[string]*string{"resourcetype": &f.Type, "name": &f.Name, "resourcegroup": &f.Group}[name]; to != nil && c.Op == "eq" {
			*to = c.Value
		}
	}
	if !named && slices.ContainsFunc(f.list, func(c Compare) bool { return c.Name == "tagvalue" }) {
		return f, badFilter("tagValue needs the tagName that it is of", fix)
	}
	return f, nil
}

// Takes says whether a resource is as the filter says.
func (f ResourceFilter) Takes(g Generic) bool {
	group := ""
	if id, err := ParseID(g.ID); err == nil {
		group = id.Group
	}
	var tag []Compare
	for _, c := range f.list {
		is, text := "", strings.ToLower(c.Value)
		switch c.Name {
		case "tagname", "tagvalue": // of one tag, all of them
			tag = append(tag, c)
			continue
		case "resourcetype":
			is = g.Type
		case "name":
			is = g.Name
		case "location":
			is, text = place(g.Location), place(c.Value)
		case "resourcegroup":
			is = group
		}
		if !holds(strings.ToLower(is), c.Op, text) {
			return false
		}
	}
	if len(tag) == 0 {
		return true
	}
	for name, value := range g.Tags {
		if !slices.ContainsFunc(tag, func(c Compare) bool {
			if c.Name == "tagname" {
				return !holds(strings.ToLower(name), c.Op, strings.ToLower(c.Value))
			}
			return !holds(value, c.Op, c.Value)
		}) {
			return true
		}
	}
	return false
}

func holds(is, op, text string) bool {
	switch op {
	case "ne":
		return is != text
	case "substringof":
		return strings.Contains(is, text)
	case "startswith":
		return strings.HasPrefix(is, text)
	}
	return is == text
}

// place is a location as Azure compares it: "West Europe" is westeurope.
func place(location string) string { return strings.ToLower(strings.ReplaceAll(location, " ", "")) }

// SamePlace says whether two locations are the same one.
func SamePlace(a, b string) bool { return place(a) == place(b) }
