package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"certwright/internal/order"
)

// node is a JSON value with its keys in the order they came: a tree to fold.
type node struct {
	Key   string
	Kind  string // object, array, string, number, bool, null
	Value string // of a scalar, as JSON writes it
	Kids  []node
}

// maxDepth bounds the tree; what is deeper is shown as text.
const maxDepth = 24

// parseTree reads JSON into a tree.
func parseTree(b []byte) (node, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	n, err := readNode(d, 0)
	if err != nil {
		return node{}, fmt.Errorf("read the resource's JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return node{}, errors.New("read the resource's JSON: more than one value")
	}
	return n, nil
}

func readNode(d *json.Decoder, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errors.New("nested too deeply")
	}
	t, err := d.Token()
	if err != nil {
		return node{}, err
	}
	switch t := t.(type) {
	case json.Delim:
		return readKids(d, t, depth)
	case string:
		return node{Kind: "string", Value: quoted(t)}, nil
	case json.Number:
		return node{Kind: "number", Value: t.String()}, nil
	case bool:
		return node{Kind: "bool", Value: strconv.FormatBool(t)}, nil
	}
	return node{Kind: "null", Value: "null"}, nil
}

// readKids reads the rest of an object or array whose opening was read.
func readKids(d *json.Decoder, open json.Delim, depth int) (node, error) {
	n := node{Kind: "array"}
	if open == '{' {
		n.Kind = "object"
	}
	for d.More() {
		key := strconv.Itoa(len(n.Kids))
		if n.Kind == "object" {
			t, err := d.Token()
			if err != nil {
				return n, err
			}
			key, _ = t.(string) // an object's keys are strings, or Token had failed
		}
		kid, err := readNode(d, depth+1)
		if err != nil {
			return n, err
		}
		kid.Key = key
		n.Kids = append(n.Kids, kid)
	}
	_, err := d.Token()
	return n, err
}

// quoted is a string as JSON writes it, with <, > and & left as they are: the page escapes them.
func quoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return strconv.Quote(s)
	}
	return string(bytes.TrimRight(b.Bytes(), "\n"))
}

// summary says what a folded branch holds.
func (n node) summary() string {
	if n.Kind == "array" {
		return "[ " + strconv.Itoa(len(n.Kids)) + " ]"
	}
	return "{ " + strconv.Itoa(len(n.Kids)) + " }"
}

func (n node) branch() bool { return len(n.Kids) > 0 }

// empty branches have nothing to fold.
func (n node) text() string {
	switch {
	case n.Kind == "object":
		return "{}"
	case n.Kind == "array":
		return "[]"
	}
	return n.Value
}

// ownJSON is the order without what only the mover may open: the sealed keys of running attempts.
func ownJSON(_ context.Context, o *order.Order) (json.RawMessage, error) {
	c := o.Clone()
	for i := range c.Attempts {
		c.Attempts[i].Sealed = nil
	}
	return json.Marshal(c)
}

// resourceView is an order as the API shows it.
type resourceView struct {
	orderView
	Tree node
	Raw  string
}

func (p *pages) resource(w http.ResponseWriter, r *http.Request, v visit) {
	o, ok := p.load(w, r, v)
	if !ok {
		return
	}
	get := p.Resource
	if get == nil {
		get = ownJSON
	}
	raw, err := get(r.Context(), o)
	if err == nil {
		var b bytes.Buffer
		if err = json.Indent(&b, raw, "", "  "); err == nil {
			raw = b.Bytes()
		}
	}
	view := resourceView{Raw: string(raw)}
	view.visit, view.Order, view.Now = v, o, p.Now()
	if err == nil {
		view.Tree, err = parseTree(raw)
	}
	if err != nil {
		p.fail(w, r, v, http.StatusInternalServerError, "The resource cannot be shown", sentence(err.Error()))
		return
	}
	p.render(w, r, http.StatusOK, resourcePage(view))
}
