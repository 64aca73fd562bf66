package diagnose

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"sort"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// Case is everything that a judgement rests on: what was seen, the path, the moment, the options. It is
// pure data. Judged where it was gathered or, after a trip through JSON, anywhere else, it gives the same report.
type Case struct {
	Target       string                 `json:"target"`
	Now          time.Time              `json:"now"` // the moment that is judged for
	Observations []evidence.Observation `json:"observations"`
	Path         []order.Stage          `json:"path,omitempty"`
	Options      Options                `json:"options"`
	// Anchors are the trusted roots in DER that the evidence can lead to. A pool cannot be listed, so Portable finds
	// them; they stand in for Options.Roots where that is nil.
	Anchors [][]byte `json:"anchors,omitempty"`
}

// Judge names what is wrong in the case, root cause first.
func (c Case) Judge() Report {
	o := c.Options
	if o.Roots == nil {
		o.Roots = c.pool()
	}
	return Judge(c.Target, c.Observations, c.Path, c.Now, o)
}

// pool are the anchors as a pool.
func (c Case) pool() *x509.CertPool {
	p := x509.NewCertPool()
	for _, der := range c.Anchors {
		if root, err := x509.ParseCertificate(der); err == nil {
			p.AddCert(root)
		}
	}
	return p
}

// Portable gives the case as it can be written down: with its anchors, without what cannot leave the
// process (the pool of roots, sealed keys).
func (c Case) Portable() Case {
	if c.Options.Roots != nil {
		c.Anchors = anchors(c.Options.Roots, c.certificates(), c.Now)
	}
	c.Options.Roots = nil
	if c.Options.Order != nil {
		o := c.Options.Order.Clone()
		for i := range o.Attempts {
			o.Attempts[i].Sealed = nil
		}
		c.Options.Order = o
	}
	return c
}

// certificates are all that the evidence and the order hold, in whatever field of whatever payload.
func (c Case) certificates() []*x509.Certificate {
	byDER := map[string]*x509.Certificate{}
	add := func(der []byte) {
		if cert, err := x509.ParseCertificate(der); err == nil {
			byDER[string(der)] = cert
		}
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			text, err := base64.StdEncoding.DecodeString(v)
			if len(v) < 100 || err != nil {
				return
			}
			add(text)
			for b, rest := pem.Decode(text); b != nil; b, rest = pem.Decode(rest) {
				add(b.Bytes)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	scan := func(data []byte) {
		var v any
		if json.Unmarshal(data, &v) == nil {
			walk(v)
		}
	}
	for _, o := range c.Observations {
		scan(o.Data)
	}
	if c.Options.Order != nil {
		data, _ := json.Marshal(c.Options.Order)
		scan(data)
	}
	all := make([]*x509.Certificate, 0, len(byDER))
	for _, cert := range byDER {
		all = append(all, cert)
	}
	sort.Slice(all, func(i, j int) bool { return string(all[i].Raw) < string(all[j].Raw) })
	return all
}

// anchors are the roots of a pool in which any of the certificates can end. A pool does not list its roots,
// but a verified chain shows the one it ends in; each certificate is asked at moments of its own life, so that what
// expired counts too.
func anchors(pool *x509.CertPool, certs []*x509.Certificate, now time.Time) [][]byte {
	all := x509.NewCertPool()
	for _, c := range certs {
		all.AddCert(c)
	}
	found := map[string]bool{}
	for _, c := range certs {
		for _, at := range []time.Time{now, c.NotBefore.Add(time.Second), c.NotAfter.Add(-time.Second)} {
			chains, err := c.Verify(x509.VerifyOptions{Roots: pool, Intermediates: all, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
			if err != nil {
				continue
			}
			for _, ch := range chains {
				found[string(ch[len(ch)-1].Raw)] = true
			}
		}
	}
	var out [][]byte
	for der := range found {
		out = append(out, []byte(der))
	}
	sort.Slice(out, func(i, j int) bool { return string(out[i]) < string(out[j]) })
	return out
}
