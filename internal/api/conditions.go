package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// present is what a write would change, as it is now.
type present struct {
	what       string // for a person, such as "order www"
	there      bool
	generation int64 // 0 = it has no entity tag
}

// conditions holds If-Match and If-None-Match of a write against the resource that it names, in one place for every
// route. A write of an order is held against the generation again when it is stored (generationOf). Reading takes no
// notice of them: an entity tag says what an owner wished, and an order goes on with the same one.
func (a *API) conditions(q *request, rt Route) error {
	match, none := strings.Join(q.Header.Values("If-Match"), ","), strings.Join(q.Header.Values("If-None-Match"), ",")
	if match == "" && none == "" || q.Method == http.MethodGet || q.Method == http.MethodHead {
		return nil
	}
	p, err := a.presentOf(q, rt)
	switch {
	case err != nil || p.what == "":
		return err
	case !p.there && q.Method == http.MethodDelete:
		return nil // gone is as good as deleted
	}
	if match != "" {
		tags, err := arm.ParseETags(match)
		switch {
		case err != nil:
			return &order.Refusal{Kind: order.BadInput, Code: "InvalidETag", Property: "If-Match", Message: err.Error(), Fix: "Send the ETag of the last answer as it was, or *"}
		case !p.there:
			return stale("there is no " + p.what)
		case tags != nil && !slices.Contains(tags, arm.ETag(p.generation)):
			return stale(fmt.Sprintf("If-Match has %s, and the ETag of %s is %s", match, p.what, arm.ETag(p.generation)))
		case tags != nil:
			q.generation = p.generation
		}
	}
	if none == "" || !p.there {
		return nil
	}
	tags, err := arm.ParseETags(none)
	switch {
	case err != nil:
		return &order.Refusal{Kind: order.BadInput, Code: "InvalidETag", Property: "If-None-Match", Message: err.Error(), Fix: "Send * to make only what is not there"}
	case tags == nil:
		i := strings.LastIndexByte(p.what, ' ')
		kind, name := p.what[:i], p.what[i+1:]
		return &order.Refusal{Kind: order.Stale, Code: "PreconditionFailed", Property: "If-None-Match", Message: fmt.Sprintf("%s %s named %s exists already", article(kind), kind, name), Fix: "Choose another name, or change the one that is there"}
	case slices.Contains(tags, arm.ETag(p.generation)):
		return stale(fmt.Sprintf("If-None-Match has %s, and that is the ETag of %s", none, p.what))
	}
	return nil
}

func article(noun string) string {
	if strings.ContainsAny(noun[:1], "aeiou") {
		return "an"
	}
	return "a"
}

// presentOf reads what a route names; an empty what means that it has no entity of its own.
func (a *API) presentOf(q *request, rt Route) (present, error) {
	kind, at := strings.ToLower(rt.Action[:strings.LastIndex(rt.Action, "/")]), q.scope
	p := present{}
	var err error
	switch {
	case strings.HasPrefix(kind, strings.ToLower(order.Type)) && at.Name != "":
		p.what = "order " + at.Name
		var o *order.Order
		if o, err = a.Reader.LoadOrder(q.Context(), at); err == nil {
			p.generation = o.Generation
			if child := q.PathValue("child"); child != "" {
				p.what = "link " + child
				_, err = a.linkAt(o, child)
			}
		}
	case strings.HasPrefix(kind, "microsoft.web/sites") && at.Name != "":
		p.what = "site " + at.Name
		s, failed := a.Reader.LoadSite(q.Context(), at.Subscription, at.Group, at.Name)
		if err = failed; err == nil {
			p.generation = s.Revision
		}
		if child := q.PathValue("child"); child != "" && err == nil {
			_, i, bad := hostAt(s, q)
			if p.what = "binding " + child; bad == nil && i < 0 {
				err = fulfill.ErrNotFound
			}
		}
	case strings.HasPrefix(kind, "microsoft.web/certificates") && at.Name != "":
		p.what = "certificate " + at.Name
		v, failed := a.Imports.LoadImport(q.Context(), at.Subscription, at.Group, at.Name)
		if err = failed; err == nil {
			p.generation = v.Revision
		}
	case kind == "microsoft.keyvault/vaults" && at.Name != "":
		p.what = "vault " + at.Name
		v, failed := a.Vaults.LoadVault(q.Context(), at.Name)
		if err = failed; err == nil && !inPath(q, v.Subscription, v.Group) {
			err = secret.ErrNoVault
		}
	case kind == "certwright/dnsaccounts" && q.PathValue("account") != "":
		p.what = "DNS account " + q.PathValue("account")
		d, failed := a.DNS.Get(q.Context(), q.PathValue("account"))
		p.generation, err = d.Revision, failed
	case rt.Action == arm.Resources+"/subscriptions/resourceGroups/Write" || rt.Action == arm.Resources+"/subscriptions/resourceGroups/Delete":
		p.what = "group " + at.Group
		_, err = a.group(q)
	}
	refusal, refused := order.AsRefusal(err)
	if errors.Is(err, fulfill.ErrNotFound) || errors.Is(err, secret.ErrNoVault) || refused && refusal.Kind == order.NotFound {
		return p, nil
	}
	p.there = err == nil
	return p, err
}
