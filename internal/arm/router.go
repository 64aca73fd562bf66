package arm

import (
	"net/url"
	"slices"
	"strings"
)

// Router finds what answers a path. Words of a path compare without case, as Azure's clients and the portal need it
// (net/http's mux does not); what stands in the place of a parameter keeps its case. A slash at the end changes
// nothing.
type Router[T any] struct{ root branch[T] }

type branch[T any] struct {
	words map[string]*branch[T] // by the word in lower case
	param *branch[T]
	ends  map[string]end[T] // by method
}

// end is where a pattern ends: parameters have names of their own in each pattern.
type end[T any] struct {
	value  T
	params []string
}

// Add makes a value answer a method and a pattern such as /v1/orders/{name}. Of two patterns that fit a path, the one
// with a word where the other has a parameter wins. A second value for the same is a mistake of ours, and panics.
func (r *Router[T]) Add(method, pattern string, v T) {
	at := &r.root
	var params []string
	for _, s := range split(pattern) {
		if name, ok := strings.CutPrefix(s, "{"); ok {
			params = append(params, strings.TrimSuffix(name, "}"))
			if at.param == nil {
				at.param = &branch[T]{}
			}
			at = at.param
			continue
		}
		if at.words == nil {
			at.words = map[string]*branch[T]{}
		}
		word := strings.ToLower(s)
		if at.words[word] == nil {
			at.words[word] = &branch[T]{}
		}
		at = at.words[word]
	}
	if at.ends == nil {
		at.ends = map[string]end[T]{}
	}
	if _, ok := at.ends[method]; ok {
		panic("arm: two routes for " + method + " " + pattern)
	}
	at.ends[method] = end[T]{v, params}
}

// Found is what Find found.
type Found[T any] struct {
	Value   T
	Params  map[string]string
	Allowed []string // the methods that the path has, sorted, when it has not the one asked for
}

// Find looks for a method and an escaped path. Nothing at all is there if ok is false and Allowed is empty. HEAD is
// answered by what answers GET.
func (r *Router[T]) Find(method, escaped string) (f Found[T], ok bool) {
	var values []string
	at := r.root.find(split(escaped), &values)
	if at == nil {
		return f, false
	}
	e, ok := at.ends[method]
	if !ok && method == "HEAD" {
		e, ok = at.ends["GET"]
	}
	if !ok {
		for m := range at.ends {
			f.Allowed = append(f.Allowed, m)
		}
		slices.Sort(f.Allowed)
		return f, false
	}
	f.Value, f.Params = e.value, map[string]string{}
	for i, name := range e.params {
		f.Params[name] = values[i]
	}
	return f, true
}

func (b *branch[T]) find(rest []string, values *[]string) *branch[T] {
	if len(rest) == 0 {
		if b.ends == nil {
			return nil
		}
		return b
	}
	if next := b.words[strings.ToLower(rest[0])]; next != nil {
		if at := next.find(rest[1:], values); at != nil {
			return at
		}
	}
	if b.param == nil {
		return nil
	}
	v, err := url.PathUnescape(rest[0])
	if err != nil {
		return nil
	}
	n := len(*values)
	*values = append(*values, v)
	if at := b.param.find(rest[1:], values); at != nil {
		return at
	}
	*values = (*values)[:n]
	return nil
}

// split cuts a path into its segments; empty ones are left out.
func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}
