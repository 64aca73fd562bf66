package diagnose

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"certwright/internal/evidence"
)

const (
	host = "www.example.test"
	v4   = "192.0.2.1:443"
	v4b  = "192.0.2.2:443"
	v6   = "[2001:db8::1]:443"
)

// world is what a case builds its evidence from.
type world struct {
	*pki
	t *testing.T
}

// around are the handshakes of a usual survey of one address: the name and no name, each key type.
func (w world) around(addr string, chain [][]byte) []evidence.Observation {
	return []evidence.Observation{
		shake(addr, host, "any", chain), shake(addr, host, "ecdsa", chain), shake(addr, "", "any", chain),
		shake(addr, "nobody.invalid", "any", chain), shake(addr, host, "rsa", nil, failed("alert", "remote error: tls: handshake failure")),
	}
}

func (w world) good(edit ...func(*x509.Certificate)) [][]byte {
	return chainOf(w.leafFor(w.t, []string{host}, edit...), w.inter)
}

// endpointCases are one fault each: what is served, and the finding that has to stand first.
var endpointCases = []struct {
	want     string // id of the first finding; empty = healthy
	title    string
	possible bool
	ruled    []string // ids that must be ruled out in words
	under    []string // consequences
	note     string
	host     string // asked for, if not host
	obs      func(w world) []evidence.Observation
}{
	{title: "healthy", obs: func(w world) []evidence.Observation { return w.around(v4, w.good()) }},
	{title: "healthy with the root sent", note: "tls-extra-root-sent", obs: func(w world) []evidence.Observation {
		return w.around(v4, append(w.good(), w.root.cert.Raw))
	}},
	{title: "healthy with RSA and ECDSA both current", obs: func(w world) []evidence.Observation {
		r := chainOf(w.rsaLeaf(w.t, 2048, []string{host}, dates(noon.AddDate(0, 0, -3), noon.AddDate(0, 0, 87))), w.inter)
		return append(w.around(v4, w.good())[:4], shake(v4, host, "rsa", r))
	}},
	{title: "healthy with an old certificate for those without a name of another site", note: "tls-no-sni-client", obs: func(w world) []evidence.Observation {
		other := chainOf(w.leafFor(w.t, []string{"other.test"}, dates(noon.AddDate(-1, 0, 0), noon.AddDate(0, 0, -100))), w.inter)
		return []evidence.Observation{shake(v4, host, "any", w.good()), shake(v4, "", "any", other)}
	}},
	{want: "tls-leaf-expired", title: "expired", ruled: []string{"tls-intermediate-expired", "tls-not-yet-valid", "sync-one-node-stale"}, obs: func(w world) []evidence.Observation {
		return w.around(v4, w.good(dates(noon.AddDate(0, 0, -95), noon.AddDate(0, 0, -5))))
	}},
	{want: "tls-not-yet-valid", title: "future", ruled: []string{"tls-leaf-expired"}, obs: func(w world) []evidence.Observation {
		return w.around(v4, w.good(dates(noon.AddDate(0, 0, 2), noon.AddDate(0, 0, 90))))
	}},
	{want: "tls-leaf-expiring", title: "nine days of ninety left", ruled: []string{"tls-leaf-expired"}, obs: func(w world) []evidence.Observation {
		return w.around(v4, w.good(dates(noon.AddDate(0, 0, -81), noon.AddDate(0, 0, 9))))
	}},
	{want: "", title: "two days of six left are no alarm", obs: func(w world) []evidence.Observation {
		return w.around(v4, w.good(dates(noon.AddDate(0, 0, -4), noon.AddDate(0, 0, 2))))
	}},
	{want: "tls-intermediate-expired", title: "old intermediate", ruled: []string{"tls-leaf-expired", "tls-chain-incomplete"}, obs: func(w world) []evidence.Observation {
		old := mint(w.t, w.inter.key, w.root, caNamed("Test Issuing", dates(noon.AddDate(-4, 0, 0), noon.AddDate(0, 0, -3))))
		return w.around(v4, chainOf(w.leafFor(w.t, []string{host}), old))
	}},
	{want: "tls-root-expired-path", title: "cross-signed by an ended root, another path valid", ruled: []string{"tls-leaf-expired"}, obs: func(w world) []evidence.Observation {
		old := mint(w.t, ecKeys[5], nil, caNamed("Old Root", dates(noon.AddDate(-20, 0, 0), noon.AddDate(0, 0, -50))))
		cross := mint(w.t, w.root.key, old, caNamed("Test Root"))
		return w.around(v4, append(w.good(), cross.cert.Raw, old.cert.Raw))
	}},
	{want: "tls-chain-incomplete", title: "leaf only, the issuer fetched", ruled: []string{"tls-untrusted-root", "tls-chain-wrong-intermediate"}, obs: func(w world) []evidence.Observation {
		leaf := w.leafFor(w.t, []string{host})
		return append(w.around(v4, chainOf(leaf)), issuersOf(leaf, chainOf(w.inter), ""))
	}},
	{want: "tls-chain-incomplete", title: "leaf only, nothing fetched", possible: true, obs: func(w world) []evidence.Observation {
		return w.around(v4, chainOf(w.leafFor(w.t, []string{host})))
	}},
	{want: "tls-chain-incomplete", title: "one address alone leaves the intermediate out", obs: func(w world) []evidence.Observation {
		leaf := w.leafFor(w.t, []string{host})
		return append(w.around(v4, chainOf(leaf)), w.around(v4b, chainOf(leaf, w.inter))...)
	}},
	{want: "tls-chain-wrong-intermediate", title: "same name, other key", ruled: []string{"tls-chain-incomplete", "tls-untrusted-root"}, obs: func(w world) []evidence.Observation {
		other := mint(w.t, ecKeys[4], w.root, caNamed("Test Issuing"))
		return w.around(v4, chainOf(w.leafFor(w.t, []string{host}), other))
	}},
	{want: "tls-chain-order-served", title: "shuffled", ruled: []string{"tls-chain-incomplete"}, obs: func(w world) []evidence.Observation {
		second := mint(w.t, ecKeys[3], w.inter, caNamed("Test Second"))
		leaf := mint(w.t, ecKeys[2], second, func(c *x509.Certificate) { c.DNSNames = []string{host} })
		return w.around(v4, chainOf(leaf, w.inter, second))
	}},
	{want: "tls-self-signed-default", title: "snakeoil", ruled: []string{"tls-untrusted-root", "tls-chain-incomplete"}, under: []string{"tls-name-mismatch"}, obs: func(w world) []evidence.Observation {
		snake := mint(w.t, ecKeys[6], nil, func(c *x509.Certificate) { c.Subject.CommonName, c.DNSNames = "debian", []string{"debian"} })
		return w.around(v4, chainOf(snake))
	}},
	{want: "tls-untrusted-root", title: "private root, sent", ruled: []string{"tls-chain-incomplete", "tls-self-signed-default"}, obs: func(w world) []evidence.Observation {
		own := mint(w.t, ecKeys[5], nil, caNamed("Own Root"))
		leaf := mint(w.t, ecKeys[2], own, func(c *x509.Certificate) { c.DNSNames = []string{host} })
		return w.around(v4, chainOf(leaf, own))
	}},
	{want: "tls-untrusted-root", title: "private root, not sent, intermediate sent", possible: true, obs: func(w world) []evidence.Observation {
		own := mint(w.t, ecKeys[5], nil, caNamed("Own Root"))
		inter := mint(w.t, ecKeys[4], own, caNamed("Own Issuing"))
		leaf := mint(w.t, ecKeys[2], inter, func(c *x509.Certificate) { c.DNSNames = []string{host} })
		return w.around(v4, chainOf(leaf, inter))
	}},
	{want: "ca-wrong-directory", title: "staging", ruled: []string{"tls-untrusted-root"}, obs: func(w world) []evidence.Observation {
		own := mint(w.t, ecKeys[5], nil, caNamed("(STAGING) Pretend Pear X1"))
		leaf := mint(w.t, ecKeys[2], own, func(c *x509.Certificate) { c.DNSNames = []string{host} })
		return w.around(v4, chainOf(leaf, own))
	}},
	{want: "tls-name-mismatch", title: "another name of the domain", ruled: []string{"tls-sni-default-served", "tls-wildcard-depth", "tls-apex-missing"}, obs: func(w world) []evidence.Observation {
		return w.around(v4, chainOf(w.leafFor(w.t, []string{"mail.example.test"}), w.inter))
	}},
	{want: "tls-name-mismatch", title: "a foreign name, one certificate seen", possible: true, obs: func(w world) []evidence.Observation {
		return w.around(v4, chainOf(w.leafFor(w.t, []string{"shop.elsewhere.test"}), w.inter))
	}},
	{want: "tls-name-mismatch", title: "chosen for the name and not for it", ruled: []string{"tls-sni-default-served"}, obs: func(w world) []evidence.Observation {
		def := chainOf(w.leafFor(w.t, []string{"default.test"}), w.inter)
		return []evidence.Observation{shake(v4, host, "any", chainOf(w.leafFor(w.t, []string{"shop.elsewhere.test"}), w.inter)), shake(v4, "", "any", def), shake(v4, "x.invalid", "any", def)}
	}},
	{want: "tls-sni-default-served", title: "default, others exist", ruled: []string{"tls-name-mismatch", "tls-self-signed-default"}, obs: func(w world) []evidence.Observation {
		def := w.around(v4, chainOf(w.leafFor(w.t, []string{"a.example.test"}), w.inter))
		return append(def, shake(v4, "b.example.test", "any", chainOf(w.leafFor(w.t, []string{"b.example.test"}), w.inter)))
	}},
	{want: "tls-wildcard-depth", title: "one label too deep", host: "a.b.example.test", ruled: []string{"tls-name-mismatch", "tls-apex-missing"}, obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(v4, "a.b.example.test", "any", chainOf(w.leafFor(w.t, []string{"*.example.test"}), w.inter))}
	}},
	{want: "tls-apex-missing", title: "wildcard only", host: "example.test", ruled: []string{"tls-name-mismatch", "tls-wildcard-depth"}, obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(v4, "example.test", "any", chainOf(w.leafFor(w.t, []string{"*.example.test"}), w.inter))}
	}},
	{want: "tls-v4-v6-differ", title: "v6 expired", ruled: []string{"sync-one-node-stale", "tls-dual-key-one-stale"}, under: []string{"tls-leaf-expired"}, obs: func(w world) []evidence.Observation {
		old := w.good(dates(noon.AddDate(0, 0, -95), noon.AddDate(0, 0, -5)))
		return append(w.around(v4, w.good()), w.around(v6, old)...)
	}},
	{want: "sync-one-node-stale", title: "one of three older, valid", ruled: []string{"tls-v4-v6-differ"}, obs: func(w world) []evidence.Observation {
		fresh, old := w.good(), w.good(dates(noon.AddDate(0, 0, -40), noon.AddDate(0, 0, 50)))
		return slices.Concat(w.around(v4, fresh), w.around(v4b, old), w.around("192.0.2.3:443", fresh))
	}},
	{want: "tls-dual-key-one-stale", title: "RSA expired beside ECDSA", ruled: []string{"sync-one-node-stale"}, under: []string{"tls-leaf-expired"}, obs: func(w world) []evidence.Observation {
		old := chainOf(w.rsaLeaf(w.t, 2048, []string{host}, dates(noon.AddDate(0, 0, -95), noon.AddDate(0, 0, -5))), w.inter)
		obs := append(w.around(v4, w.good())[:4], shake(v4, host, "rsa", old))
		return append(obs, shookAgain(v4, obs[4], obs[0], obs[0], obs[4], obs[1]))
	}},
	{want: "tls-sni-ip-binding-differ", title: "older one without name", ruled: []string{"tls-no-sni-client"}, obs: func(w world) []evidence.Observation {
		old := w.good(dates(noon.AddDate(0, 0, -60), noon.AddDate(0, 0, 30)))
		named, bare := shake(v4, host, "any", w.good()), shake(v4, "", "any", old)
		return []evidence.Observation{named, bare, shookAgain(v4, named, bare, bare, named)}
	}},
	// The same three with nodes that take turns behind one address: the difference is the node's, not the client's.
	{want: "sync-one-node-stale", title: "by turns, the RSA look hit the old node", under: []string{"tls-leaf-expired"}, obs: func(w world) []evidence.Observation {
		end := dates(noon.AddDate(0, 0, -95), noon.AddDate(0, 0, -5))
		old := shake(v4, host, "rsa", chainOf(w.rsaLeaf(w.t, 2048, []string{host}, end), w.inter))
		fresh := shake(v4, host, "rsa", chainOf(w.rsaLeaf(w.t, 2048, []string{host}), w.inter))
		return append(w.around(v4, w.good())[:4], old, shookAgain(v4, old, fresh, fresh))
	}},
	{want: "sync-one-node-stale", title: "by turns, the look without a name hit the old node", obs: func(w world) []evidence.Observation {
		old := w.good(dates(noon.AddDate(0, 0, -60), noon.AddDate(0, 0, 30)))
		fresh := w.good()
		return []evidence.Observation{shake(v4, host, "any", fresh), shake(v4, "", "any", old),
			shookAgain(v4, shake(v4, host, "any", old), shake(v4, "", "any", fresh), shake(v4, "", "any", old))}
	}},
	{want: "sync-one-node-stale", title: "by turns, to the very same client", under: []string{"tls-leaf-expired"}, obs: func(w world) []evidence.Observation {
		fresh, old := w.good(), w.good(dates(noon.AddDate(0, 0, -95), noon.AddDate(0, 0, -5)))
		return []evidence.Observation{shake(v4, host, "any", fresh), shake(v4, host, "ecdsa", old), shookAgain(v4, shake(v4, host, "any", old), shake(v4, host, "ecdsa", old))}
	}},
	{want: "tls-leaf-expired", title: "two certificates of one kind at one address, always the same to the same client", obs: func(w world) []evidence.Observation {
		fresh, old := w.good(), w.good(dates(noon.AddDate(0, 0, -95), noon.AddDate(0, 0, -5)))
		a, b := shake(v4, host, "any", fresh), shake(v4, host, "tls1.2", old)
		return []evidence.Observation{a, b, shookAgain(v4, a, b, b, a)}
	}},
	{want: "tls-port-closed", title: "refused", ruled: []string{"tls-timeout"}, obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(v4, host, "any", nil, failed("refused", "connection refused"))}
	}},
	{want: "tls-timeout", title: "silence", ruled: []string{"tls-port-closed"}, obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(v4, host, "any", nil, failed("timeout", "i/o timeout"))}
	}},
	{want: "tls-port-closed", title: "an address, tried once only and with a name that nobody has", host: "192.0.2.1", obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(v4, "nobody.invalid", "any", nil, failed("refused", "connection refused"))}
	}},
	{want: "tls-plain-http-443", title: "HTTP", ruled: []string{"tls-port-closed", "tls-version-mismatch"}, obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(v4, host, "any", nil, failed("not-tls", "first record does not look like TLS"), func(s *evidence.Served) { s.PlainHTTP = true })}
	}},
	{want: "tls-starttls-wrong", title: "SMTP", ruled: []string{"tls-plain-http-443"}, obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake("192.0.2.1:25", host, "any", nil, failed("not-tls", "first record does not look like TLS"))}
	}},
	{want: "tls-weak-key", title: "RSA 1024", obs: func(w world) []evidence.Observation {
		c := chainOf(w.rsaLeaf(w.t, 1024, []string{host}), w.inter)
		return []evidence.Observation{shake(v4, host, "any", c), shake(v4, "", "any", c)}
	}},
	{want: "tls-sha1-sig", title: "SHA-1", obs: func(w world) []evidence.Observation {
		inter := mint(w.t, rsaKeys[2048], w.root, caNamed("RSA Issuing"))
		c := &x509.Certificate{Raw: sha1Leaf(w.t, inter, host)}
		return w.around(v4, [][]byte{c.Raw, inter.cert.Raw})
	}},
	{want: "tls-eku-missing", title: "clientAuth only", ruled: []string{"tls-untrusted-root"}, obs: func(w world) []evidence.Observation {
		return w.around(v4, w.good(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }))
	}},
	{want: "tls-must-staple-absent", title: "must-staple", obs: func(w world) []evidence.Observation { return w.around(v4, w.good(mustStapleExt)) }},
	{want: "tls-too-long-validity", title: "500 days", ruled: []string{"tls-leaf-expired"}, obs: func(w world) []evidence.Observation {
		return w.around(v4, w.good(dates(noon.AddDate(0, 0, -10), noon.AddDate(0, 0, 490))))
	}},
	{want: "tls-version-mismatch", title: "TLS 1.0", obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(v4, host, "any", w.good(), func(s *evidence.Served) { s.Version = "TLS 1.0" })}
	}},
	{want: "tls-version-mismatch", title: "alert", ruled: []string{"tls-cipher-mismatch"}, obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(v4, host, "any", nil, failed("alert", "remote error: tls: protocol version not supported"))}
	}},
	{want: "tls-cipher-mismatch", title: "handshake failure", ruled: []string{"tls-version-mismatch"}, obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(v4, host, "any", nil, failed("alert", "remote error: tls: handshake failure"))}
	}},
	{want: "tls-sni-refused", title: "unrecognized name", ruled: []string{"tls-sni-default-served"}, obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(v4, host, "any", nil, failed("alert", "remote error: tls: unrecognized name"))}
	}},
	{want: "tls-client-cert-required", title: "mutual TLS", ruled: []string{"tls-cipher-mismatch"}, obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(v4, host, "any", w.good(), failed("alert", "remote error: tls: certificate required"))}
	}},
	{want: "tls-name-constraint", title: "constrained issuer", ruled: []string{"tls-name-mismatch"}, obs: func(w world) []evidence.Observation {
		inter := mint(w.t, ecKeys[4], w.root, caNamed("Corp Issuing", func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"corp.test"}, true
		}))
		leaf := mint(w.t, ecKeys[2], inter, func(c *x509.Certificate) { c.DNSNames = []string{host} })
		return w.around(v4, chainOf(leaf, inter))
	}},
	{want: Unnamed, title: "cut off", ruled: []string{"tls-port-closed"}, obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(v4, host, "any", nil, failed("reset", "EOF"))}
	}},
	{want: "dns-nxdomain-host", title: "no such name", ruled: []string{"dns-domain-not-delegated", "sys-resolver-broken", "dns-nodata-address"}, obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(host+":443", host, "any", nil, failed("unresolvable", "no such host")),
			answered(host, "A", "NXDOMAIN", nil, ""), answered(host, "AAAA", "NXDOMAIN", nil, ""), answered("example.test", "SOA", "NOERROR", []string{"ns. x. 1 1 1 1 1"}, "")}
	}},
	{want: "dns-domain-not-delegated", title: "no such domain", ruled: []string{"dns-nxdomain-host"}, obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(host+":443", host, "any", nil, failed("unresolvable", "no such host")),
			answered(host, "A", "NXDOMAIN", nil, ""), answered("example.test", "SOA", "NXDOMAIN", nil, "")}
	}},
	{want: "dns-nodata-address", title: "no address", ruled: []string{"dns-nxdomain-host"}, obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(host+":443", host, "any", nil, failed("unresolvable", "no address")),
			answered(host, "A", "NOERROR", nil, ""), answered(host, "AAAA", "NOERROR", nil, "")}
	}},
	{want: "sys-resolver-broken", title: "silent resolver", ruled: []string{"dns-all-ns-down", "dns-nxdomain-host"}, obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(host+":443", host, "any", nil, failed("unresolvable", "timeout")),
			answered(host, "A", "", nil, "i/o timeout"), answered(".", "NS", "", nil, "i/o timeout")}
	}},
	{want: "dns-lookup-failed", title: "SERVFAIL for one name", ruled: []string{"sys-resolver-broken"}, obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(host+":443", host, "any", nil, failed("unresolvable", "SERVFAIL")),
			answered(host, "A", "SERVFAIL", nil, "SERVFAIL looking up A"), answered(".", "NS", "NOERROR", []string{"a.root-servers.net."}, "")}
	}},
	{want: "sys-egress-down", title: "no route", obs: func(w world) []evidence.Observation {
		return []evidence.Observation{shake(v6, host, "any", nil, failed("unreachable", "network is unreachable"))}
	}},
}

func TestEndpointFaults(t *testing.T) {
	p := newPKI(t)
	for _, c := range endpointCases {
		t.Run(strings.TrimSpace(c.want+" "+c.title), func(t *testing.T) {
			t.Parallel()
			name := host
			if c.host != "" {
				name = c.host
			}
			r := Judge(name, c.obs(world{p, t}), nil, noon, Options{Roots: p.roots, ServerName: name})
			checkReport(t, r)
			if c.note != "" && !slices.ContainsFunc(r.Notes, func(n Note) bool { return n.ID == c.note }) {
				t.Errorf("no note %s: %v", c.note, r.Notes)
			}
			if c.want == "" {
				if len(r.Findings) != 0 || !r.Healthy {
					t.Fatalf("healthy %v, findings %s", r.Healthy, brief(r))
				}
				return
			}
			if len(r.Findings) == 0 || r.Findings[0].ID != c.want {
				t.Fatalf("first finding is not %s: %s", c.want, brief(r))
			}
			f := r.Findings[0]
			if len(r.Findings) > 1 {
				t.Errorf("more than the one fault: %s", brief(r))
			}
			if (f.Certainty == Possible) != c.possible {
				t.Errorf("certainty %s: %s", f.Certainty, f.Cause)
			}
			if r.Healthy != (f.Severity == Info) {
				t.Errorf("healthy %v with severity %s", r.Healthy, f.Severity)
			}
			for _, id := range c.ruled {
				if !slices.ContainsFunc(f.RuledOut, func(o RuledOut) bool { return o.ID == id }) {
					t.Errorf("%s is not ruled out: %v", id, f.RuledOut)
				}
			}
			for _, id := range c.under {
				if !slices.Contains(f.Consequences, id) {
					t.Errorf("%s is no consequence: %v", id, f.Consequences)
				}
			}
		})
	}
}

// checkReport holds for every report: evidence everywhere, no unfilled text, known ids.
func checkReport(t *testing.T, r Report) {
	t.Helper()
	for _, f := range r.Findings {
		all := f.Title + f.Cause + f.Fix.Text + f.Fix.Command
		if f.Fix.Text == "" || f.Fix.Command == "" {
			t.Errorf("%s: a fix needs words and a command: %+v", f.ID, f.Fix)
		}
		for _, x := range f.RuledOut {
			all += x.Because
			if x.ID == f.ID {
				t.Errorf("%s rules itself out", f.ID)
			}
		}
		if i := strings.Index(all, "{"); i >= 0 {
			t.Errorf("%s: a text is not filled in: %.60s", f.ID, all[i:])
		}
		if len(f.Evidence) == 0 || f.Fix.Text == "" || f.Cause == "" || f.Leg == "" {
			t.Errorf("%s lacks evidence, fix, cause or leg: %+v", f.ID, f)
		}
		for _, e := range f.Evidence {
			if e.Seen == "" || e.Command == "" || e.At.IsZero() {
				t.Errorf("%s: evidence without what was seen, when or how to repeat it: %+v", f.ID, e)
			}
		}
	}
	for _, n := range r.Notes {
		if strings.Contains(n.Text, "{") {
			t.Errorf("note %s is not filled in: %s", n.ID, n.Text)
		}
	}
}

func brief(r Report) string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, f.ID+" ("+f.Certainty+": "+f.Title+") under "+strings.Join(f.Consequences, " "))
	}
	return strings.Join(out, "; ")
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{50 * time.Hour: "2 days", 30 * time.Hour: "30 hours", 90 * time.Minute: "90 minutes", -3 * 24 * time.Hour: "3 days", time.Second: "1 second", 0: "moments"} {
		if got := Span(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}
