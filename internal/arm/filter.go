package arm

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"certwright/internal/order"
)

// clause is one comparison of a $filter: name, operator, value in quotes. A quote in a value is doubled (OData).
var clause = regexp.MustCompile(`^\s*([A-Za-z$./]+)\s+(eq|ge|le|gt|lt|ne)\s+'((?:[^']|'')*)'\s*$`)

// and stands between clauses.
var and = regexp.MustCompile(`(?i)\s+and\s+`)

// Compare is a clause of a filter.
type Compare struct{ Name, Op, Value string }

// Filter takes a $filter apart: comparisons joined by "and", no other syntax.
func Filter(s string) ([]Compare, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	var list []Compare
	for _, part := range and.Split(s, -1) {
		m := clause.FindStringSubmatch(part)
		if m == nil {
			return nil, badFilter(fmt.Sprintf("%q is no comparison", part), "Write NAME eq 'VALUE', several joined by and")
		}
		list = append(list, Compare{m[1], m[2], strings.ReplaceAll(m[3], "''", "'")})
	}
	return list, nil
}

func badFilter(message, fix string) error {
	return &order.Refusal{Kind: order.BadInput, Code: "InvalidFilter", Property: "$filter", Message: message, Fix: fix}
}

// LogFilter is what a $filter of the activity log asks for.
type LogFilter struct {
	From, To                               time.Time
	Group, Resource, Provider, Correlation string
}

// ParseLogFilter reads a $filter of the activity log: a start, an end, and at most one of group, resource, provider and
// correlation id. A start must be given.
func ParseLogFilter(s string) (LogFilter, error) {
	const fix = "Write eventTimestamp ge 'T1' and eventTimestamp le 'T2', and at most one of resourceGroupName, resourceUri, resourceProvider and correlationId eq '...'"
	var f LogFilter
	list, err := Filter(s)
	if err != nil {
		return f, err
	}
	n := 0
	for _, c := range list {
		to := map[string]*string{"resourcegroupname": &f.Group, "resourceuri": &f.Resource, "resourceid": &f.Resource, "resourceprovider": &f.Provider, "correlationid": &f.Correlation}[strings.ToLower(c.Name)]
		switch {
		case to != nil && c.Op == "eq" && c.Value != "":
			n++
			*to = c.Value
		case strings.EqualFold(c.Name, "eventTimestamp") && (c.Op == "ge" || c.Op == "le"):
			t, err := time.Parse(time.RFC3339, c.Value)
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
