package issue

import (
	"crypto"
	"crypto/x509"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/mholt/acmez/v3/acme"

	"certwright/internal/order"
)

// nonces are those that the authority gave lately. Each is good once (RFC 8555 section 6.5), so that one
// which comes twice was kept by something between here and the authority.
type nonces struct {
	mu   sync.Mutex
	seen []string
}

// maxNonces bounds what is remembered: a cache that repeats does so at once.
const maxNonces = 64

// again notes a nonce and says whether it had come before.
func (n *nonces) again(nonce string) bool {
	if n == nil || nonce == "" {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if slices.Contains(n.seen, nonce) {
		return true
	}
	n.seen = append(n.seen, nonce)
	if len(n.seen) > maxNonces {
		n.seen = slices.Delete(n.seen, 0, len(n.seen)-maxNonces)
	}
	return false
}

// fromCache says whether an answer that carries a nonce was kept by a cache (RFC 9111 section 5.1, RFC 9211).
func fromCache(h http.Header) bool {
	if h.Get("Replay-Nonce") == "" {
		return false
	}
	age := strings.TrimLeft(h.Get("Age"), "0 ")
	hit := strings.HasPrefix(strings.ToUpper(h.Get("X-Cache")), "HIT") || strings.Contains(h.Get("Cache-Status"), "; hit")
	return age != "" || hit
}

// privateSuffixes end names that no public authority knows (RFC 6762 appendix G, RFC 8375, ICANN's reservation of
// internal). The suffixes for tests and documents are not among them: authorities of test worlds issue for those.
var privateSuffixes = []string{"internal", "local", "localdomain", "localhost", "corp", "lan", "home", "home.arpa", "intranet", "private", "mail"}

// nameFacts are what the names of an order show by themselves.
func nameFacts(ids []acme.Identifier) []string {
	var out []string
	add := func(fact string, holds bool) {
		if holds && !slices.Contains(out, fact) {
			out = append(out, fact)
		}
	}
	for _, id := range ids {
		_, err := netip.ParseAddr(id.Value)
		add(ipName, id.Type == "ip" || err == nil)
		add(nonASCII, strings.ContainsFunc(id.Value, func(r rune) bool { return r > 0x7f }))
		add(internalName, id.Type == "dns" && err != nil && isInternal(id.Value))
	}
	return out
}

func isInternal(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return !strings.Contains(name, ".") || slices.ContainsFunc(privateSuffixes, func(s string) bool { return strings.HasSuffix(name, "."+s) })
}

// csrFault is the finding id of what a request shows by itself to be wrong; empty = nothing.
func csrFault(csr []byte, account crypto.PublicKey, ids []acme.Identifier) string {
	req, err := x509.ParseCertificateRequest(csr)
	if err != nil || req.CheckSignature() != nil {
		return "ca-csr-bad-signature"
	}
	if k, ok := req.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); ok && k.Equal(account) {
		return "ca-csr-account-key-reuse"
	}
	if id, _ := order.BadKey(req.PublicKey); id != "" {
		return id
	}
	if len(req.EmailAddresses)+len(req.URIs) > 0 || len(req.Subject.CommonName) > 64 {
		return "ca-csr-bad-fields"
	}
	var want []string
	for _, id := range ids {
		want = append(want, strings.ToLower(id.Value))
	}
	slices.Sort(want)
	if len(want) > 0 && !slices.Equal(slices.Compact(want), slices.Sorted(slices.Values(order.NamesOf(req)))) {
		return "ca-csr-names-mismatch"
	}
	return ""
}
