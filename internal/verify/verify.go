// Package verify publishes what shows control of a name where an authority will look, and withdraws
// it: on the own listener (responder.go), as files under configured webroots (webroot.go), as TXT records by way of
// DNS accounts (dns.go, dnsupdate.go), or, where Certwright cannot write, by telling the owner what to publish (byhand.go). Preflight looks at a
// proof from here: evidence, never a gate. Whether a proof convinces is the authority's affair.
package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/site"
)

// Looker looks at web pages and the DNS; probe's Prober is one.
type Looker interface {
	// FetchHTTP gets a page at every address of its host: one observation each, with an evidence.Fetched.
	FetchHTTP(ctx context.Context, rawURL string, pin ...netip.Addr) []evidence.Observation
	// LookDNS asks for records: one observation with an evidence.Resolved.
	LookDNS(ctx context.Context, name, qtype string) evidence.Observation
	// LookServers asks every name server of the zone by itself: one observation each, with an evidence.Resolved.
	LookServers(ctx context.Context, name, qtype string) []evidence.Observation
}

// Options say where proofs can be published. Now is needed; all else may be missing.
type Options struct {
	Now       func() time.Time
	Webroots  map[string]string // configured name to directory; a site names one
	Responder *Responder        // the own listener; nil = none
	Looker    Looker            // nil = nothing can be seen from here
	Accounts  Accounts          // DNS accounts; nil = none
	Dial      Dialer            // to their servers; needed with Accounts
	Wall      func() time.Time  // the time of their servers' clocks; needed with Accounts
	HTTPPort  int               // where names answer plain HTTP; 0 = 80, the only port that public authorities ask
	LookFor   time.Duration     // the longest a look may take; 0 = 5 s
	From      string            // vantage named in observations of our own; empty = "server"
	Logger    *slog.Logger      // nil = silent
}

// Verifier is a fulfill.Verifier, safe for concurrent use.
type Verifier struct {
	o        Options
	webroots map[string]*webroot
}

// New makes a Verifier.
func New(o Options) *Verifier {
	if o.HTTPPort == 0 {
		o.HTTPPort = 80
	}
	if o.LookFor <= 0 {
		o.LookFor = 5 * time.Second
	}
	if o.From == "" {
		o.From = "server"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	v := &Verifier{o: o, webroots: map[string]*webroot{}}
	for name, dir := range o.Webroots {
		v.webroots[name] = &webroot{name: name, dir: dir}
	}
	return v
}

// Publish makes a proof visible: in memory for the own listener and as a file under the webroots of the
// sites. Where neither is there, or the DNS record is not, it returns an *order.Problem of class
// Waiting whose Fix tells the owner what to publish. It may be repeated.
func (v *Verifier) Publish(ctx context.Context, sites []site.Site, p order.Proof) error {
	switch p.Method {
	case order.MethodTXT:
		return v.publishTXT(ctx, p)
	case order.MethodDNS01:
		return v.publishDNS(ctx, p)
	}
	path, err := pathOf(p)
	if err != nil {
		return v.refuse(p, err)
	}
	written, err := v.write(sites, p, path)
	if err != nil {
		// Not half published: the caller withdraws only what Publish said it did.
		if back := v.remove(sites, path, p.Value); back != nil {
			v.o.Logger.Warn("a proof that could not be published everywhere could not be withdrawn either", "name", p.Name.Value, "error", back)
		}
		return err
	}
	if v.o.Responder != nil {
		v.o.Responder.put(path, p.Value)
	}
	if written > 0 {
		return nil
	}
	// Only the listener: an ACME authority finds out by itself whether its requests come here. For the page that
	// an owner can put there by hand just as well, we look first, and tell the owner if it is not there.
	if v.o.Responder != nil && (p.Method == order.MethodHTTP01 || v.visible(ctx, p)) {
		return nil
	}
	if v.o.Responder == nil && v.visible(ctx, p) {
		return nil // its owner has put it there
	}
	if v.o.Responder != nil {
		v.o.Responder.remove(path)
	}
	return v.pageByHand(p)
}

// LeavesNothing says whether the proof is published in memory alone: on the own listener, for an ACME authority,
// with no webroot to write to.
func (v *Verifier) LeavesNothing(sites []site.Site, p order.Proof) bool {
	return p.Method == order.MethodHTTP01 && v.o.Responder != nil && len(webrootsOf(sites)) == 0
}

// write puts the file under the webroots of the sites and counts them.
func (v *Verifier) write(sites []site.Site, p order.Proof, path string) (int, error) {
	names := webrootsOf(sites)
	for _, name := range names {
		w, ok := v.webroots[name]
		if !ok {
			return 0, &order.Problem{Class: order.Retry, What: "publish the proof for " + p.Name.Value, Where: "webroot " + name, Owner: order.OwnerAdmin, At: v.o.Now(),
				Detail: "no webroot of this name is configured", Cause: "a site names a webroot that the server's configuration does not have",
				Fix: "add the webroot to the server's configuration, or change the site"}
		}
		if err := w.publish(path, []byte(p.Value)); err != nil {
			return 0, &order.Problem{Class: order.Retry, What: "publish the proof for " + p.Name.Value, Where: w.where(path), Owner: order.OwnerAdmin, At: v.o.Now(),
				Detail: err.Error(), Cause: causeOf(err), Fix: "let the user that runs Certwright write in this webroot; it is tried again"}
		}
	}
	return len(names), nil
}

// webrootsOf are the names of the sites' webroots, each once.
func webrootsOf(sites []site.Site) []string {
	var names []string
	for _, s := range sites {
		if s.Webroot != "" && !slices.Contains(names, s.Webroot) {
			names = append(names, s.Webroot)
		}
	}
	return names
}

// Withdraw takes a proof back from the listener and from every configured webroot, whichever sites
// there are now: a site may have changed since the proof was published, perhaps before a crash. What is
// not there, or is not ours, is left as it is without an error.
func (v *Verifier) Withdraw(ctx context.Context, sites []site.Site, p order.Proof) error {
	switch p.Method {
	case order.MethodTXT:
		return nil // its owner published it
	case order.MethodDNS01:
		return v.withdrawDNS(ctx, p)
	}
	path, err := pathOf(p)
	if err != nil {
		return nil // it was never published
	}
	if v.o.Responder != nil {
		v.o.Responder.remove(path)
	}
	if err := v.remove(sites, path, p.Value); err != nil {
		return &order.Problem{Class: order.Retry, What: "withdraw the proof for " + p.Name.Value, Where: path, Owner: order.OwnerAdmin, At: v.o.Now(),
			Detail: err.Error(), Cause: causeOf(err), Fix: "remove the file by hand; it does no harm, it is only no longer needed"}
	}
	return nil
}

// remove takes the file away under every webroot. A webroot that none of the sites names is looked at
// too, but its troubles are not this proof's.
func (v *Verifier) remove(sites []site.Site, path, value string) error {
	named := webrootsOf(sites)
	var errs []error
	for name, w := range v.webroots {
		if err := w.withdraw(path, []byte(value)); err != nil && slices.Contains(named, name) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// refuse is for a proof that cannot be published as it is: its token is no file name.
func (v *Verifier) refuse(p order.Proof, err error) *order.Problem {
	return &order.Problem{Class: order.GiveUp, What: "publish the proof for " + p.Name.Value, Where: p.URL, Owner: order.OwnerIssuer, At: v.o.Now(),
		Detail: err.Error(), Cause: "the authority gave a token that is none (RFC 8555 section 8.3 allows base64url characters only)", Fix: "a new order is made"}
}

// pathOf is the URL path of a proof, its token checked.
func pathOf(p order.Proof) (string, error) {
	dir := challengeDir
	ok := validToken(p.Token)
	switch p.Method {
	case order.MethodHTTP01:
	case order.MethodHTML:
		dir, ok = validationDir, validFile(p.Token)
	default:
		return "", fmt.Errorf("method %q is not published over HTTP", p.Method)
	}
	if !ok {
		return "", fmt.Errorf("token %.80q cannot be a file name", p.Token)
	}
	return dir + "/" + p.Token, nil
}
