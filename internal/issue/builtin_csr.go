package issue

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// checkCSR reads a certificate request (DER) and refuses whatever must not be signed: a bad signature, names that
// are not exactly the order's, fields that the authority does not vouch for, a weak key.
func (b *Builtin) checkCSR(r fulfill.Request, der []byte) (*x509.CertificateRequest, *order.Problem) {
	if len(r.Names) == 0 {
		return nil, b.giveUp("finalise", "", "ca-too-many-names", "the order has no names", "Create the order again")
	}
	no := func(id, detail string) *order.Problem {
		p := b.giveUp("check the certificate request", r.Names[0].Value, id, detail, "Make a new request from the order's own names, with an EC-P256 or RSA-2048 key")
		p.Type = "urn:ietf:params:acme:error:badCSR"
		return p
	}
	req, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, no("ca-csr-bad-fields", "cannot be read: "+err.Error())
	}
	if err := req.CheckSignature(); err != nil {
		return nil, no("ca-csr-bad-signature", "invalid signature on CSR: "+err.Error())
	}
	if len(req.EmailAddresses)+len(req.URIs) > 0 {
		return nil, no("ca-csr-bad-fields", "CSR contains e-mail addresses or URIs")
	}
	want, got := builtinNameSet(r), slices.Sorted(slices.Values(order.NamesOf(req)))
	if !slices.Equal(want, got) {
		return nil, no("ca-csr-names-mismatch", fmt.Sprintf("CSR does not specify same identifiers as Order: it names %s, the order %s", strings.Join(got, ", "), strings.Join(want, ", ")))
	}
	if id, why := order.BadKey(req.PublicKey); why != "" {
		p := no(id, why)
		p.Type = "urn:ietf:params:acme:error:badPublicKey"
		return nil, p
	}
	return req, nil
}

func builtinNameSet(r fulfill.Request) []string {
	var out []string
	for _, n := range r.Names {
		v := strings.ToLower(n.Value)
		if a, err := netip.ParseAddr(v); err == nil {
			v = a.Unmap().String()
		}
		out = append(out, v)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
