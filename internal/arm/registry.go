package arm

import (
	"slices"
	"strings"
)

// Operation is one thing that can be asked of a type of resource. Everything that is said of it anywhere is made of
// this: its route, the action that it needs, its line in the provider's operations, its place in /openapi.json.
type Operation struct {
	ID     string // Azure's operationId, or one in its manner
	Method string
	Path   string // with {subscription}, {group}, {name} and, for what lies below, {child}
	Action string // that its caller must be allowed
	Body   any    // a value of the type that it reads; nil = none
	Answer any    // a value of the type that it answers with; nil = none
	Codes  []int  // of success
	Kind   string // media type of an answer that is no JSON
	Form   bool   // its body is a form
	LRO    bool   // a long-running operation that ends by its Location
	Text   string // what it does, in a few words
	Within bool   // a list that is narrowed to what the caller's scope covers
}

// Type is a type of resource.
type Type struct {
	Provider     string
	Name         string   // such as certificateOrders/certificates; empty = what the provider does itself
	Versions     []string // API versions, all with one behaviour; nil = none is needed
	Capabilities []string
	Operations   []Operation
}

// Full is the type with its provider.
func (t *Type) Full() string { return strings.TrimSuffix(t.Provider+"/"+t.Name, "/") }

// Begin of paths.
const (
	inSubscription = "/subscriptions/{subscription}"
	inGroup        = inSubscription + "/resourceGroups/{group}"
)

// Registry lists every type that there is, by provider.
func Registry() []Type {
	return slices.Concat(certificateTypes(), resourceTypes(), insightTypes(), webTypes(), dnsAccountTypes())
}

// Providers are the names of all providers, in the order in which they are listed.
func Providers() []string {
	var names []string
	for _, t := range Registry() {
		if t.Provider != "" && !slices.Contains(names, t.Provider) {
			names = append(names, t.Provider)
		}
	}
	return names
}

// TypesOf are the types of a provider, by its name without case; those that are resources, which have a name.
func TypesOf(provider string) []Type {
	var list []Type
	for _, t := range Registry() {
		if t.Name != "" && strings.EqualFold(t.Provider, provider) {
			list = append(list, t)
		}
	}
	return list
}

func known(provider string) bool {
	return slices.ContainsFunc(Providers(), func(p string) bool { return strings.EqualFold(p, provider) })
}
