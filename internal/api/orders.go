package api

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/site"
)

func (a *API) load(r *request) (*order.Order, error) {
	o, err := a.Reader.LoadOrder(r.Context(), r.scope)
	if errors.Is(err, fulfill.ErrNotFound) {
		return nil, &order.Refusal{Kind: order.NotFound, Code: "OrderNotFound", Message: fmt.Sprintf("there is no order %s", r.scope.Name), Fix: "See the names with: certwright order list"}
	}
	return o, err
}

func (a *API) answer(w http.ResponseWriter, status int, o *order.Order) error {
	w.Header().Set("ETag", arm.ETag(o.Generation))
	write(w, status, arm.Order(o, a.Now()))
	return nil
}

func (a *API) getOrder(w http.ResponseWriter, r *request) error {
	o, err := a.load(r)
	if err != nil {
		return err
	}
	return a.answer(w, http.StatusOK, o)
}

// listOrders gives a page of summaries; nextLink is absolute.
func (a *API) listOrders(w http.ResponseWriter, r *request) error {
	v := r.URL.Query()
	if err := words(v); err != nil {
		return err
	}
	q := order.Query{Subscription: v.Get("subscription"), Group: v.Get("group"), Status: order.Status(v.Get("status")), Vault: order.VaultStatus(v.Get("vaultStatus")), Stage: order.StageName(v.Get("stage")),
		State: order.StageState(v.Get("state")), Finding: v.Get("finding"), Leg: v.Get("leg"), Owner: v.Get("owner"), Issuer: v.Get("issuer"), Kind: order.Kind(v.Get("kind")), Site: v.Get("site"), Name: v.Get("name"), Text: v.Get("q"), After: v.Get("after")}
	var err error
	if q.Limit, err = number(v, "top", 0, 1000); err != nil {
		return err
	}
	page, err := a.listed(r, q)
	if err != nil {
		return err
	}
	list := arm.List[order.Summary]{Value: page.Orders}
	if list.Value == nil {
		list.Value = []order.Summary{}
	}
	if page.Next != "" {
		v.Set("after", page.Next)
		list.NextLink = a.Public + "/v1/orders?" + v.Encode()
	}
	write(w, http.StatusOK, list)
	return nil
}

// listWords are the parameters of a short list of orders; those with values have no others.
var listWords = map[string][]string{"subscription": nil, "group": nil, "finding": nil, "leg": nil, "owner": nil, "issuer": nil, "site": nil, "name": nil, "q": nil, "after": nil, "top": nil, "api-version": nil,
	"kind": namesOf(order.Ordered, order.Imported, order.Watched), "vaultStatus": nil,
	"status": namesOf(order.NotSubmitted, order.Pendingissuance, order.Issued, order.Denied, order.Pendingrevocation, order.StatusRevoked, order.StatusCanceled, order.PendingRekey, order.StatusExpired, order.Unused),
	"stage":  namesOf(order.Stages...),
	"state":  namesOf(order.Done, order.StateWait, order.Blocked, order.StateFail, order.Disabled, order.StateUnkno, order.Absent)}

func namesOf[T ~string](all ...T) (list []string) {
	for _, s := range all {
		list = append(list, string(s))
	}
	return list
}

// words refuses a parameter that a list has not: it would be as if it had not been asked for.
func words(v url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		only, ok := listWords[name]
		if !ok {
			return &order.Refusal{Kind: order.BadInput, Code: "InvalidParameter", Property: name, Message: fmt.Sprintf("a list of orders has no parameter %s", name), Fix: "Use " + strings.Join(slices.Sorted(maps.Keys(listWords)), ", ")}
		}
		if s := v.Get(name); only != nil && s != "" && !slices.Contains(only, s) {
			return &order.Refusal{Kind: order.BadInput, Code: "InvalidParameter", Property: name, Message: fmt.Sprintf("%q is no %s of an order", s, name), Fix: "Use " + strings.Join(only, ", ")}
		}
	}
	return nil
}

// listed gives what the caller's scope leaves of a page of orders.
func (a *API) listed(r *request, q order.Query) (order.Page, error) {
	in, ok := auth.Within(r.who.Scope, q.Subscription, q.Group)
	if !ok || in.Type != "" && !strings.EqualFold(in.Type, order.Type) {
		return order.Page{}, nil
	}
	q.Subscription, q.Group = in.Subscription, in.Group
	if in.Name == "" {
		return a.Reader.ListOrders(r.Context(), q)
	}
	q.Text = in.Name // the page holds what has the name in its own; the rest goes below
	page, err := a.Reader.ListOrders(r.Context(), q)
	page.Orders = slices.DeleteFunc(page.Orders, func(s order.Summary) bool { return !strings.EqualFold(s.ID.Name, in.Name) })
	return page, err
}

func number(v url.Values, name string, def, most int) (int, error) {
	s := v.Get(name)
	if s == "" {
		return def, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > most {
		return 0, &order.Refusal{Kind: order.BadInput, Code: "InvalidParameter", Property: name, Message: fmt.Sprintf("%q is not a number from 0 to %d", s, most), Fix: fmt.Sprintf("Give %s a number from 0 to %d", name, most)}
	}
	return n, nil
}

// createOrder: PUT of a new name creates; PUT of an existing one changes its wish.
func (a *API) createOrder(w http.ResponseWriter, r *request) error {
	var body arm.Wish
	if err := read(r, &body); err != nil {
		return err
	}
	wish, err := wishOf(body)
	if err != nil {
		return err
	}
	if r.Header.Get("If-None-Match") == "" {
		if _, err := a.Reader.LoadOrder(r.Context(), r.scope); err == nil {
			return a.update(w, r, body)
		}
	}
	if err := a.mayReach(r, nil, wish.Spec); err != nil {
		return err
	}
	o, err := a.Service.Create(r.Context(), r.by, r.scope, wish)
	if err != nil {
		return err
	}
	return a.answer(w, http.StatusCreated, o)
}

// wishOf is a body as the wish of a new order.
func wishOf(body arm.Wish) (fulfill.Wish, error) {
	w := fulfill.Wish{Spec: order.Spec{AutoRenew: true}, Duplicate: body.Properties.AllowDuplicate, CSR: csrOf(body)}
	return w, badBody(body.Apply(&w.Spec, &w.Words))
}

func (a *API) updateOrder(w http.ResponseWriter, r *request) error {
	body, _, err := readPatch(r)
	if err != nil {
		return err
	}
	if _, err := wishOf(body); err != nil {
		return err
	}
	return a.update(w, r, body)
}

func (a *API) update(w http.ResponseWriter, r *request, body arm.Wish) error {
	if err := a.mayReachBy(r, body); err != nil {
		return err
	}
	if csrOf(body) != "" {
		old, err := a.load(r)
		if err != nil {
			return err
		}
		if err := body.FixedCSR(old); err != nil {
			return err
		}
	}
	o, err := a.Service.Update(r.Context(), r.by, r.scope, r.generation, func(wish *fulfill.Wish) {
		_ = body.Apply(&wish.Spec, &wish.Words) // it applied to an empty wish already: it cannot fail
	})
	if err != nil {
		return err
	}
	return a.answer(w, http.StatusOK, o)
}

func (a *API) deleteOrder(w http.ResponseWriter, r *request) error {
	o, err := a.Service.Delete(r.Context(), r.by, r.scope, r.URL.Query().Get("force") == "true")
	if err != nil {
		return err
	}
	return a.answer(w, http.StatusOK, o)
}

// ImportBody is what importOrder reads: PEM text, or a PFX in base64 with its password.
type ImportBody struct {
	PEM      string   `json:"pem,omitempty"`
	PFX      string   `json:"pfx,omitempty"`
	Password string   `json:"password,omitempty"`
	From     string   `json:"from,omitempty"`
	Wish     arm.Wish `json:"wish"`
}

// unbased decodes a file that a property of a body brings in base64.
func unbased(property, text string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, &order.Refusal{Kind: order.BadInput, Code: "InvalidBody", Property: property, Message: "it is not base64", Fix: "Encode the file in base64 (RFC 4648 section 4)"}
	}
	return data, nil
}

func (a *API) importOrder(w http.ResponseWriter, r *request) error {
	var body ImportBody
	if err := read(r, &body); err != nil {
		return err
	}
	pfx, err := unbased("pfx", body.PFX)
	if err != nil {
		return err
	}
	wish := fulfill.Wish{}
	if err := body.Wish.Apply(&wish.Spec, &wish.Words); err != nil {
		return badBody(err)
	}
	if err := a.mayReach(r, nil, wish.Spec); err != nil {
		return err
	}
	o, err := a.Service.Import(r.Context(), r.by, r.scope, wish, fulfill.Bundle{PEM: secret.Bytes(body.PEM), PFX: pfx, Password: secret.Bytes(body.Password), From: body.From})
	if err != nil {
		return err
	}
	return a.answer(w, http.StatusCreated, o)
}

// WatchBody is what watchOrder reads.
type WatchBody struct {
	Endpoints []site.Endpoint   `json:"endpoints"`
	Names     []string          `json:"names,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
}

func (a *API) watchOrder(w http.ResponseWriter, r *request) error {
	var body WatchBody
	if err := read(r, &body); err != nil {
		return err
	}
	wish := fulfill.Wish{Words: body.Names, Spec: order.Spec{Endpoints: body.Endpoints, Tags: body.Tags}}
	o, err := a.Service.Watch(r.Context(), r.by, r.scope, wish)
	if err != nil {
		return err
	}
	return a.answer(w, http.StatusCreated, o)
}

// CommandBody is what the commands read; each uses what is its own.
type CommandBody struct {
	DelayExistingRevokeInHours *float64 `json:"delayExistingRevokeInHours,omitempty"` // rekey: absent = the old version is not revoked
	Reason                     int      `json:"reason,omitempty"`                     // revoke: RFC 5280 section 5.3.1

	CSR      *string          `json:"csr,omitempty"`                  // rekey, renew: a certificate request of whoever keeps the key
	External *bool            `json:"isPrivateKeyExternal,omitempty"` // rekey, renew: whether the key is theirs from now on
	KeySize  *int             `json:"keySize,omitempty"`              // rekey, renew: bits of an RSA key
	KeyTypes *[]order.KeyType `json:"keyTypes,omitempty"`             // rekey, renew: the keys made here from now on
	ReuseCSR *bool            `json:"reuseCsr,omitempty"`             // rekey, renew: whether later renewals may use csr again
}

func (b CommandBody) asked() arm.AskedProperties {
	return arm.AskedProperties{CSR: b.CSR, External: b.External, KeySize: b.KeySize, KeyTypes: b.KeyTypes, ReuseCSR: b.ReuseCSR}
}

// command gives one command to an order.
func (a *API) command(do func(r *request, b CommandBody) (*order.Order, error)) handler {
	return func(w http.ResponseWriter, r *request) error {
		var body CommandBody
		if err := read(r, &body); err != nil {
			return err
		}
		o, err := do(r, body)
		if err != nil {
			return err
		}
		return a.answer(w, http.StatusOK, o)
	}
}

func (a *API) verify(r *request, _ CommandBody) (*order.Order, error) {
	return a.Service.Verify(r.Context(), r.by, r.scope)
}

func (a *API) renew(r *request, b CommandBody) (*order.Order, error) {
	return a.newVersion(r, order.CmdRenew, b.asked(), b.DelayExistingRevokeInHours, "")
}

func (a *API) rekey(r *request, b CommandBody) (*order.Order, error) {
	return a.newVersion(r, order.CmdRekey, b.asked(), b.DelayExistingRevokeInHours, "")
}

func (a *API) sync(r *request, _ CommandBody) (*order.Order, error) {
	return a.Service.Sync(r.Context(), r.by, r.scope)
}

func (a *API) revoke(r *request, b CommandBody) (*order.Order, error) {
	return a.Service.Revoke(r.Context(), r.by, r.scope, b.Reason)
}

func (a *API) cancel(r *request, _ CommandBody) (*order.Order, error) {
	return a.Service.Cancel(r.Context(), r.by, r.scope)
}

func (a *API) again(r *request, _ CommandBody) (*order.Order, error) {
	return a.Service.Again(r.Context(), r.by, r.scope)
}

// ExportBody says how a certificate and its key are given out.
type ExportBody struct {
	Format   string        `json:"format"` // "pem" or "pfx"
	KeyType  order.KeyType `json:"keyType,omitempty"`
	Password string        `json:"password,omitempty"` // of the PFX; empty as App Service Certificates export it
}

func (a *API) export(w http.ResponseWriter, r *request) error {
	var body ExportBody
	if err := read(r, &body); err != nil {
		return err
	}
	if body.Format != "pem" && body.Format != "pfx" {
		return &order.Refusal{Kind: order.BadInput, Code: "UnknownFormat", Property: "format", Message: fmt.Sprintf("%q is neither pem nor pfx", body.Format), Fix: "Give pem or pfx"}
	}
	if err := a.mayExport(r); err != nil {
		return err
	}
	c, err := a.Service.Export(r.Context(), r.by, r.scope, body.KeyType)
	if err != nil {
		return err
	}
	var data []byte
	if body.Format == "pfx" {
		data, err = a.Encoder.PFX(c, body.Password)
	} else {
		data, err = a.Encoder.PEM(c)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", map[string]string{"pfx": secret.ContentPFX, "pem": secret.ContentPEM}[body.Format])
	w.Header().Set("Cache-Control", "no-store")
	_, err = w.Write(data)
	return err
}
