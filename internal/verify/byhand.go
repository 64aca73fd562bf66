package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// txtTTL is the time to live in the records that owners are told to publish, in seconds.
const txtTTL = 300

// publishTXT looks whether the record is there already; Certwright does not write zones itself.
func (v *Verifier) publishTXT(ctx context.Context, p order.Proof) error {
	if v.visible(ctx, p) {
		return nil
	}
	record := fmt.Sprintf("%s. %d IN TXT %q", recordOwner(p), txtTTL, p.Value)
	return &order.Problem{Class: order.Waiting, What: "publish the TXT record for " + p.Name.Value, Where: recordOwner(p), Owner: order.OwnerOwner, At: v.o.Now(),
		Detail: "the record is not visible from here yet", Cause: "the DNS zone is not written by Certwright: its owner has to",
		Fix: "publish this DNS record (in many panels the host is \"@\"), beside those that are there: " + record}
}

// pageByHand tells the owner which page to publish.
func (v *Verifier) pageByHand(p order.Proof) *order.Problem {
	u := v.urlOf(p)
	return &order.Problem{Class: order.Waiting, What: "publish the verification page for " + p.Name.Value, Where: u, Owner: order.OwnerOwner, At: v.o.Now(),
		Detail: "the page is not visible from here yet", Cause: "none of the order's sites has a webroot that Certwright may write, and requests for the name do not reach Certwright's own listener",
		Fix: fmt.Sprintf("give the site a webroot, or let the web server pass requests for this path to Certwright's listener; or publish a page at %s with exactly this content, without the quotes: %q", u, p.Value)}
}

// recordOwner is the name that the TXT record belongs to: the proof's Token where it is the name itself
// or a parent of it, else the name.
func recordOwner(p order.Proof) string {
	name := strings.TrimPrefix(p.Name.Value, "*.")
	owner := strings.ToLower(strings.TrimSuffix(p.Token, "."))
	if owner != "" && (owner == name || strings.HasSuffix(name, "."+owner) || strings.HasSuffix(owner, "."+name)) {
		return owner
	}
	return name
}

// visible says whether every look from here finds the proof. Nothing to look with: it does not. Name servers that do
// not answer count for nothing where others have the record: the authority passes them over too.
func (v *Verifier) visible(ctx context.Context, p order.Proof) bool {
	seen := v.Preflight(ctx, p)
	if p.Method == order.MethodDNS01 {
		seen = slices.DeleteFunc(seen, func(o evidence.Observation) bool { return o.Outcome == evidence.Unknown })
	}
	return len(seen) > 0 && !slices.ContainsFunc(seen, func(o evidence.Observation) bool { return o.Outcome != evidence.Pass })
}
