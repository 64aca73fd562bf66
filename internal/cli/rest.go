package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"certwright/internal/arm"
	"certwright/internal/client"
)

// restMethods are those that the API knows.
var restMethods = []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete}

// restFlags are the flags of rest.
type restFlags struct {
	body               string
	headers            []string
	include, wait, all bool
	timeout            time.Duration
}

func (e *Env) restCommand() *cobra.Command {
	var f restFlags
	c := &cobra.Command{
		Use: "rest METHOD PATH", Short: "Send one request to the API and print its answer",
		Long: `Send one request to the server's API, with the token of the context, and print the answer: short paths (/v1/orders/www), whole
ones (/subscriptions/ID/...), and words such as orders/www or issuers. A whole path without api-version is asked with the
newest one of its type. An address that the server gave, such as a nextLink, may stand in place of the path.

Exit status: 0 the server did it, 1 it did not (its words on standard error, with -i its whole answer on standard output), 2 wrong
usage, and nothing was sent.`,
		Example: `  certwright rest GET orders/www
  certwright rest GET /subscriptions --query 'value[].subscriptionId'
  certwright rest GET orders --all --query 'value[].name' -o tsv
  certwright rest PATCH orders/www --body '{"properties":{"autoRenew":false}}'
  certwright rest PUT /v1/sites/shop --body site.json --header 'If-Match: "3"' -i
  certwright rest PUT orders/www --body - --wait < order.json`,
	}
	c.Flags().StringVar(&f.body, "body", "", "the JSON to send: itself, FILE or @FILE, or - for standard input")
	c.Flags().StringArrayVarP(&f.headers, "header", "H", nil, "NAME=VALUE or 'NAME: VALUE', sent with it; may be given more than once")
	c.Flags().BoolVarP(&f.include, "include", "i", false, "print status and headers of the answer before it, of a refusal, too")
	c.Flags().BoolVar(&f.wait, "wait", false, "follow the Location of what was accepted until it is over, and print what it ended with")
	c.Flags().DurationVar(&f.timeout, "timeout", 10*time.Minute, "how long --wait follows it; it goes on after that by itself")
	c.Flags().BoolVar(&f.all, "all", false, "of a list, read all pages and print them as one")
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) != 2 {
			return usage("give a method and a path\n  → usage: %s", c.UseLine())
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		r, err := e.restRequest(args[0], args[1], f)
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
	restFlags
	method, path string
	payload      []byte
	header       []string // name and value in turn
}

// restRequest checks what the command line says before anything is sent.
func (e *Env) restRequest(method, path string, f restFlags) (r restRequest, err error) {
	r = restRequest{restFlags: f, method: strings.ToUpper(method)}
	if !slices.Contains(restMethods, r.method) {
		return r, usage("%q is no method: use one of %s", method, strings.Join(restMethods, ", "))
	}
	if f.all && (r.method != http.MethodGet || f.include) {
		return r, usage("--all reads the pages of a list: it goes with GET, and not with -i")
	}
	for _, h := range f.headers {
		name, value, ok := cutHeader(h)
		if !ok {
			return r, usage("--header %q is not NAME=VALUE", h)
		}
		r.header = append(r.header, name, value)
	}
	if r.path, err = restPath(path); err != nil {
		return r, err
	}
	r.payload, err = e.readBody(f.body)
	return r, err
}

// cutHeader takes a header apart, as curl or as az writes it.
func cutHeader(h string) (name, value string, ok bool) {
	at := strings.IndexAny(h, "=:")
	if at < 1 {
		return "", "", false
	}
	return strings.TrimSpace(h[:at]), strings.TrimSpace(h[at+1:]), true
}

// restPath is where a request goes: words become paths, and a whole path gets an API version if it has none.
func restPath(path string) (string, error) {
	u, err := url.Parse(path)
	if err != nil {
		return "", usage("%q is no path of the API: %v", path, err)
	}
	if u.Scheme == "" && !strings.HasPrefix(u.Path, "/") {
		words, ok := arm.PathOf(u.EscapedPath())
		if first, _, _ := strings.Cut(u.Path, "/"); slices.Contains([]string{"orders", "sites", "issuers"}, first) {
			words = "/v1/" + u.EscapedPath() // the short paths ask for less: no location, no product type
		}
		if !ok {
			return "", usage("%q is no path of the API: it begins with /, or with one of %s", path, strings.Join(arm.ShortWords(), ", "))
		}
		if u, err = url.Parse(words + "?" + u.RawQuery); err != nil {
			return "", usage("%q is no path of the API: %v", path, err)
		}
		path = strings.TrimSuffix(u.String(), "?")
	}
	q := u.Query()
	if v := versionFor(u.EscapedPath()); v != "" && !q.Has("api-version") {
		q.Set("api-version", v)
		u.RawQuery = q.Encode()
		path = u.String()
	}
	return path, nil
}

// versionFor is the API version of a path of Azure Resource Manager's form; other paths want none. What the registry does not
// know is asked with that of what it lies in: an action is named by a word after its resource's path.
func versionFor(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(strings.ToLower(path), "/"), "/")
	if first != "subscriptions" && first != "providers" && first != "tenants" {
		return ""
	}
	for p := path; p != "/"; p = arm.Above(p) {
		if place := arm.PlaceOf(p); place.Version != "" {
			return place.Version
		}
	}
	return defaultAPIVersion
}

// defaultAPIVersion is sent where the registry has none for a path: the newest one of certificate orders.
const defaultAPIVersion = "2024-11-01"

// readBody reads --body. It must be JSON: a typing error is found here, with its place.
func (e *Env) readBody(body string) ([]byte, error) {
	data := []byte(body)
	var err error
	file, isFile := strings.CutPrefix(body, "@")
	if !isFile && body != "" && body != "-" && !json.Valid(data) && !strings.ContainsAny(body[:1], "{[\"") {
		isFile = true // nothing but a file's name
	}
	switch {
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
	if r.all {
		return e.restAll(ctx, cl, r)
	}
	a, err := cl.Send(ctx, r.method, r.path, nil, r.payload, r.header...)
	if at := a.Header.Get("Location"); err == nil && at != "" && (a.Status == http.StatusAccepted || a.Status == http.StatusCreated) {
		switch {
		case r.wait:
			a, err = e.restWait(ctx, cl, r, a)
		case a.Status == http.StatusAccepted:
			e.errorf("Accepted; it goes on at %s\n", at)
		}
	}
	var refused *client.Error
	if errors.As(err, &refused) && r.include {
		a = refused.Answer
	} else if err != nil {
		return err
	}
	return errors.Join(e.printAnswered(r, a), err)
}

// restWait follows a Location until what was accepted is over. What it ended with is its last answer; where that has no
// body, the resource as it is then.
func (e *Env) restWait(ctx context.Context, cl *client.Client, r restRequest, first client.Answer) (a client.Answer, err error) {
	ctx, stop := context.WithTimeout(ctx, r.timeout)
	defer stop()
	at := first.Header.Get("Location")
	for a = first; ; {
		select {
		case <-ctx.Done():
		case <-time.After(retryAfter(a)):
			a, err = cl.Send(ctx, http.MethodGet, at, nil, nil)
		}
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return a, fmt.Errorf("it is not over after %s; it goes on by itself at %s", r.timeout, at)
		case ctx.Err() != nil || err != nil:
			return a, errors.Join(err, ctx.Err())
		case a.Status == http.StatusAccepted:
			if next := a.Header.Get("Location"); next != "" {
				at = next
			}
		case len(a.Body) == 0 && r.method != http.MethodPost && r.method != http.MethodDelete:
			return cl.Send(ctx, http.MethodGet, r.path, nil, nil)
		default:
			return a, nil
		}
	}
}

// retryAfter is how long an answer asks to wait before the next look; a second where it asks nothing, none where it is over.
func retryAfter(a client.Answer) time.Duration {
	if a.Status != http.StatusAccepted {
		return 0
	}
	if n, err := strconv.Atoi(a.Header.Get("Retry-After")); err == nil && n >= 0 {
		return time.Duration(n) * time.Second
	}
	return time.Second
}

// restAll reads a list page by page.
func (e *Env) restAll(ctx context.Context, cl *client.Client, r restRequest) error {
	var all struct {
		Value []any `json:"value"`
	}
	all.Value = []any{}
	for next := r.path; next != ""; {
		a, err := cl.Send(ctx, http.MethodGet, next, nil, nil, r.header...)
		if err != nil {
			return err
		}
		var page arm.List[any]
		if err := json.Unmarshal(a.Body, &page); err != nil || page.Value == nil {
			return fmt.Errorf("%s is no list\n  → leave --all away", r.path)
		}
		all.Value = append(all.Value, page.Value...)
		next = cl.Relative(page.NextLink)
	}
	return e.show(all, func() { _ = e.writeJSON(all) }) // whoever reads is gone if this fails
}

// printAnswered prints an answer: with -i as it came over the wire, then its JSON as -o and --query say.
func (e *Env) printAnswered(r restRequest, a client.Answer) error {
	if r.include {
		e.printf("HTTP %d %s\n", a.Status, http.StatusText(a.Status))
		for _, name := range slices.Sorted(maps.Keys(a.Header)) {
			for _, v := range a.Header[name] {
				e.printf("%s: %s\n", name, cell(v))
			}
		}
		e.printf("\n")
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
