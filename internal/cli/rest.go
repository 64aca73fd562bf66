package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"certwright/internal/client"
)

// restMethods are those that the API knows.
var restMethods = []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete}

// defaultAPIVersion is sent where a path of Azure's form names none: the newest one of certificate orders.
const defaultAPIVersion = "2024-11-01"

func (e *Env) restCommand() *cobra.Command {
	var body string
	var headers []string
	c := &cobra.Command{
		Use: "rest METHOD PATH", Short: "Send one request to the API and print its answer",
		Long: `Send one request to the server's API, with the token of the context, and print the answer: short paths (/v1/orders/www)
and whole ones (/subscriptions/ID/...). A whole path without api-version is asked with ` + defaultAPIVersion + `. An address that the
server gave, such as a nextLink, may stand in place of the path.`,
		Example: `  certwright rest GET /v1/orders/www
  certwright rest GET /subscriptions --query 'value[].subscriptionId'
  certwright rest PATCH /v1/orders/www --body '{"properties":{"autoRenew":false}}'
  certwright rest PUT /v1/sites/shop --body @site.json --header If-Match='"3"'`,
	}
	c.Flags().StringVar(&body, "body", "", "the JSON to send: itself, @FILE, or - for standard input")
	c.Flags().StringArrayVar(&headers, "header", nil, "NAME=VALUE, sent with it; may be given more than once")
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) != 2 {
			return usage("give a method and a path\n  → usage: %s", c.UseLine())
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		r, err := e.restRequest(args[0], args[1], body, headers)
		if err != nil {
			return err
		}
		cl, err := e.client()
		if err != nil {
			return err
		}
		return e.rest(c.Context(), cl, r)
	}
	return c
}

// restRequest is what is to be sent.
type restRequest struct {
	method, path string
	body         []byte
	header       []string // name and value in turn
}

// restRequest checks what the command line says before anything is sent.
func (e *Env) restRequest(method, path, body string, headers []string) (r restRequest, err error) {
	r.method, r.path = strings.ToUpper(method), path
	if !slices.Contains(restMethods, r.method) {
		return r, usage("%q is no method: use one of %s", method, strings.Join(restMethods, ", "))
	}
	for _, h := range headers {
		name, value, ok := strings.Cut(h, "=")
		if !ok || name == "" {
			return r, usage("--header %q is not NAME=VALUE", h)
		}
		r.header = append(r.header, name, value)
	}
	if r.body, err = e.readBody(body); err != nil {
		return r, err
	}
	u, err := url.Parse(path)
	if err != nil || !strings.HasPrefix(u.Path, "/") {
		return r, usage("%q is no path of the API: it begins with /", path)
	}
	if q := u.Query(); isARM(u.Path) && !q.Has("api-version") {
		q.Set("api-version", defaultAPIVersion)
		u.RawQuery = q.Encode()
		r.path = u.String()
	}
	return r, nil
}

// isARM says whether a path is one of Azure Resource Manager's, which want a version.
func isARM(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(strings.ToLower(path), "/"), "/")
	return first == "subscriptions" || first == "providers" || first == "tenants"
}

// readBody reads --body. It must be JSON: a typing error is found here, with its place.
func (e *Env) readBody(body string) ([]byte, error) {
	data := []byte(body)
	var err error
	switch file, isFile := strings.CutPrefix(body, "@"); {
	case body == "":
		return nil, nil
	case body == "-":
		data, err = io.ReadAll(io.LimitReader(e.Stdin, 16<<20))
	case isFile:
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fmt.Errorf("read --body: %w", err)
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, usage("--body is no JSON: %v", err)
	}
	return data, nil
}

// rest sends the request and prints what came.
func (e *Env) rest(ctx context.Context, cl *client.Client, r restRequest) error {
	if strings.HasPrefix(r.path, "https://") && !strings.HasPrefix(r.path, cl.URL()+"/") {
		return usage("%s is not at the server %s: the token goes nowhere else", r.path, cl.URL())
	}
	a, err := cl.Send(ctx, r.method, r.path, nil, r.body, r.header...)
	if err != nil {
		return err
	}
	if at := a.Header.Get("Location"); a.Status == http.StatusAccepted && at != "" {
		e.errorf("Accepted; it goes on at %s\n", at)
	}
	if len(a.Body) == 0 {
		return nil
	}
	var v any
	if json.Unmarshal(a.Body, &v) != nil { // a bundle, a PFX, figures
		_, err := e.Stdout.Write(a.Body)
		return err
	}
	return e.show(v, func() { _ = e.writeJSON(v) })
}
