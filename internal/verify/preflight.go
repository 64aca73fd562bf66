package verify

import (
	"bytes"
	"context"
	"net"
	"strconv"
	"strings"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// checkProof is the Check of every observation of a preflight.
const checkProof = "proof"

// Preflight looks at a proof as the authority will, from here: one observation for every address of the
// name, or one for the DNS. From inside a network a name can look different than from the authority's side:
// the outcome says what was seen from here and decides nothing.
func (v *Verifier) Preflight(ctx context.Context, p order.Proof) []evidence.Observation {
	ctx, cancel := context.WithTimeout(ctx, v.o.LookFor)
	defer cancel()
	if v.o.Looker == nil {
		return []evidence.Observation{{Probe: evidence.ProbeHTTP, Check: checkProof, Subject: p.Name.Value, Outcome: evidence.Unknown, Expected: p.Value,
			Reason: "no way to look from here is configured", From: v.o.From, At: v.o.Now()}}
	}
	switch p.Method {
	case order.MethodTXT:
		return []evidence.Observation{v.lookTXT(ctx, p)}
	case order.MethodDNS01:
		return v.lookServers(ctx, p)
	}
	if _, err := pathOf(p); err != nil {
		return []evidence.Observation{{Probe: evidence.ProbeHTTP, Check: checkProof, Subject: p.Name.Value, Outcome: evidence.Unknown, Reason: err.Error(), From: v.o.From, At: v.o.Now()}}
	}
	seen := v.o.Looker.FetchHTTP(ctx, v.urlOf(p))
	for i := range seen {
		compare(&seen[i], p.Value)
	}
	return seen
}

// compare judges a fetched page by its content. An outcome other than PASS is the fetch's own.
func compare(o *evidence.Observation, value string) {
	o.Check, o.Expected = checkProof, value
	f, ok := evidence.Decode[evidence.Fetched](*o)
	if o.Outcome != evidence.Pass || !ok {
		return
	}
	// White space at the end is allowed (RFC 8555 section 8.3).
	o.Seen = strings.ToValidUTF8(string(f.Body[:min(len(f.Body), 200)]), "?")
	if !bytes.Equal(bytes.TrimRight(f.Body, " \t\r\n"), []byte(value)) {
		o.Outcome, o.Reason = evidence.Fail, "the page has another content than the proof"
	}
}

// lookTXT looks for the value among the TXT records.
func (v *Verifier) lookTXT(ctx context.Context, p order.Proof) evidence.Observation {
	o := v.o.Looker.LookDNS(ctx, recordOwner(p), "TXT")
	holds(&o, p.Value)
	return o
}

// urlOf is where the authority will fetch a proof.
func (v *Verifier) urlOf(p order.Proof) string {
	dir := challengeDir
	if p.Method == order.MethodHTML {
		if p.URL != "" {
			return p.URL // the built-in authority says where it looks; an ACME proof's URL is its challenge
		}
		dir = validationDir
	}
	host := p.Name.Value
	if v.o.HTTPPort != 80 {
		host = net.JoinHostPort(host, strconv.Itoa(v.o.HTTPPort))
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]" // an IPv6 address
	}
	return "http://" + host + "/" + dir + "/" + p.Token
}
