package api

import (
	"fmt"
	"slices"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/order"
)

// sought is what a $filter of resources or groups asks for, by the names of what it compares.
type sought map[string]string

// soughtBy reads a $filter of comparisons with these names alone.
func soughtBy(filter string, names ...string) (sought, error) {
	list, err := arm.Filter(filter)
	if err != nil {
		return nil, err
	}
	refuse := func(message string) error {
		return &order.Refusal{Kind: order.BadInput, Code: "InvalidFilter", Property: "$filter", Message: message, Fix: "Use " + strings.Join(names, ", ") + ", each with eq '...', joined by and"}
	}
	s := sought{}
	for _, c := range list {
		i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, c.Name) })
		if i < 0 || c.Op != "eq" {
			return nil, refuse(fmt.Sprintf("%s %s is no comparison of these resources", c.Name, c.Op))
		}
		s[names[i]] = c.Value
	}
	if _, named := s[byTag]; s[byTagValue] != "" && !named {
		return nil, refuse("tagValue needs the tagName that it is of")
	}
	return s, nil
}

// What a $filter can compare.
const (
	byType     = "resourceType"
	byResource = "name"
	byLocation = "location"
	byGroup    = "resourceGroup"
	byTag      = "tagName"
	byTagValue = "tagValue"
)

// is says whether a value is what is sought under a name, or nothing is.
func (s sought) is(name, value string) bool {
	want, ok := s[name]
	return !ok || strings.EqualFold(want, value)
}

// tagged says whether tags have the one that is sought; their names compare without case, their values with it, as in Azure.
func (s sought) tagged(tags map[string]string) bool {
	name, ok := s[byTag]
	if !ok {
		return true
	}
	value, valued := s[byTagValue]
	for k, v := range tags {
		if strings.EqualFold(k, name) {
			return !valued || v == value
		}
	}
	return false
}
