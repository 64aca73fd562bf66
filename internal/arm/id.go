package arm

import (
	"fmt"
	"strings"
)

// ID is the id of a resource in parts. They keep their case; whoever compares must not mind it.
type ID struct {
	Subscription, Group string
	Type                string // with its provider: Microsoft.Web/sites, or Microsoft.Web/sites/hostNameBindings
	Name                string // of the outermost resource
	Child               string // of the innermost below it; empty = none
}

// ParseID takes the id of a resource in a resource group apart.
func ParseID(s string) (ID, error) {
	p := split(s)
	if len(p) < 8 || len(p)%2 != 0 || !strings.HasPrefix(s, "/") || !strings.EqualFold(p[0], "subscriptions") || !strings.EqualFold(p[2], "resourceGroups") || !strings.EqualFold(p[4], "providers") {
		return ID{}, fmt.Errorf("%q is no id of a resource", s)
	}
	id := ID{Subscription: p[1], Group: p[3], Type: p[5] + "/" + p[6], Name: p[7]}
	for i := 8; i < len(p); i += 2 {
		id.Type, id.Child = id.Type+"/"+p[i], p[i+1]
	}
	return id, nil
}
