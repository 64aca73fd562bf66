package client

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"

	"certwright/internal/api"
	"certwright/internal/arm"
	"certwright/internal/order"
	"certwright/internal/site"
)

// Order is an order as the API gives it.
type Order struct {
	arm.Resource
	Properties arm.Properties `json:"properties"`
}

// Followed is an answer of Follow.
type Followed struct {
	Events []order.Event `json:"events"`
	Order  *Order        `json:"order"`
}

func path(name string, more ...string) string {
	p := "/v1/orders/" + url.PathEscape(name)
	for _, m := range more {
		p += "/" + m
	}
	return p
}

// CreateOrder creates an order; one that exists is an error.
func (c *Client) CreateOrder(ctx context.Context, name string, w arm.Wish) (o Order, err error) {
	err = c.Call(ctx, "PUT", path(name), nil, w, &o, "If-None-Match", "*")
	return o, err
}

// UpdateOrder changes what the wish names.
func (c *Client) UpdateOrder(ctx context.Context, name string, w arm.Wish) (o Order, err error) {
	err = c.Call(ctx, "PATCH", path(name), nil, w, &o)
	return o, err
}

// ImportOrder brings a certificate.
func (c *Client) ImportOrder(ctx context.Context, name string, b api.ImportBody) (o Order, err error) {
	err = c.Call(ctx, "POST", path(name, "import"), nil, b, &o)
	return o, err
}

// WatchOrder watches endpoints.
func (c *Client) WatchOrder(ctx context.Context, name string, b api.WatchBody) (o Order, err error) {
	err = c.Call(ctx, "POST", path(name, "watch"), nil, b, &o)
	return o, err
}

// Order reads an order.
func (c *Client) Order(ctx context.Context, name string) (o Order, err error) {
	err = c.Call(ctx, "GET", path(name), nil, nil, &o)
	return o, err
}

// Orders lists every order that a query names, over all pages.
func (c *Client) Orders(ctx context.Context, query url.Values) ([]order.Summary, error) {
	return All[order.Summary](ctx, c, "/v1/orders", query)
}

// All lists what the list at a path has, over all its pages.
func All[T any](ctx context.Context, c *Client, path string, query url.Values) ([]T, error) {
	all := []T{}
	for next := path; next != ""; {
		var page arm.List[T]
		if err := c.Call(ctx, "GET", next, query, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
		next, query = c.Relative(page.NextLink), nil
	}
	return all, nil
}

// Relative makes a nextLink a path at the server as we reach it: its public URL may differ from ours.
func (c *Client) Relative(link string) string {
	u, err := url.Parse(link)
	if err != nil || link == "" {
		return ""
	}
	return u.RequestURI()
}

// Command gives an order a command: verify, renew, rekey, sync, retry, store, recover, enable, resume, revoke, cancel, again.
func (c *Client) Command(ctx context.Context, name, command string, b api.CommandBody) (o Order, err error) {
	err = c.Call(ctx, "POST", path(name, command), nil, b, &o)
	return o, err
}

// DeleteOrder deletes an order.
func (c *Client) DeleteOrder(ctx context.Context, name string, force bool) (o Order, err error) {
	q := url.Values{}
	if force {
		q.Set("force", "true")
	}
	err = c.Call(ctx, "DELETE", path(name), q, nil, &o)
	return o, err
}

// Export reads the current version with its key: PEM text or a PFX.
func (c *Client) Export(ctx context.Context, name string, b api.ExportBody) (data []byte, err error) {
	err = c.Call(ctx, "POST", path(name, "export"), nil, b, &data)
	return data, err
}

// Chain reads the current certificate of a key type (empty = the first) with its intermediates, as PEM.
func (c *Client) Chain(ctx context.Context, name string, k order.KeyType) (data []byte, err error) {
	q := url.Values{}
	if k != "" {
		q.Set("keyType", string(k))
	}
	err = c.Call(ctx, "GET", path(name, "chain"), q, nil, &data)
	return data, err
}

// Follow waits until an order has events after a number, or for a while. Order is nil in the answer once
// the order is deleted.
func (c *Client) Follow(ctx context.Context, name string, after int64) (f Followed, err error) {
	return c.FollowFrom(ctx, name, after, 0)
}

// FollowFrom is Follow that also comes back when the order is no more of this revision: not every write has an
// event.
func (c *Client) FollowFrom(ctx context.Context, name string, after, revision int64) (f Followed, err error) {
	q := url.Values{"after": {strconv.FormatInt(after, 10)}}
	if revision > 0 {
		q.Set("revision", strconv.FormatInt(revision, 10))
	}
	err = c.Call(ctx, "GET", path(name, "follow"), q, nil, &f)
	return f, err
}

// Diagnose asks the server why an order is as it is: the JSON of the findings.
func (c *Client) Diagnose(ctx context.Context, name string) (report json.RawMessage, err error) {
	err = c.Call(ctx, "GET", path(name, "diagnose"), nil, nil, &report)
	return report, err
}

// Fix asks what would heal an order and, with b.Do, does the first of it.
func (c *Client) Fix(ctx context.Context, name string, b api.FixBody) (a api.FixAnswer, err error) {
	err = c.Call(ctx, "POST", path(name, "fix"), nil, b, &a)
	return a, err
}

// Bundle reads all that is known of an order, redacted, as one file.
func (c *Client) Bundle(ctx context.Context, name string) (data []byte, err error) {
	err = c.Call(ctx, "GET", path(name, "bundle"), nil, nil, &data)
	return data, err
}

// SaveSite creates or changes a site.
func (c *Client) SaveSite(ctx context.Context, name string, s site.Site, create bool) (saved site.Site, err error) {
	var r struct {
		Properties site.Site `json:"properties"`
	}
	var header []string
	if create {
		header = []string{"If-None-Match", "*"}
	}
	err = c.Call(ctx, "PUT", "/v1/sites/"+url.PathEscape(name), nil, api.SiteBody{Properties: s}, &r, header...)
	return r.Properties, err
}
