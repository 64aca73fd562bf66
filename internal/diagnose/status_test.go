package diagnose

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"certwright/internal/evidence"
)

// says is an observation of one source of revocation about a leaf.
func says(leaf []byte, source, status string, edit ...func(*evidence.Revocation)) evidence.Observation {
	c, err := x509.ParseCertificate(leaf)
	if err != nil {
		panic(err)
	}
	made, until := noon.Add(-24*time.Hour), noon.Add(48*time.Hour)
	r := evidence.Revocation{Leaf: fingerprint(c), Serial: serialOf(c), Source: source, URL: "http://ca.test/int." + source, Status: status, ThisUpdate: &made, NextUpdate: &until}
	if source == evidence.FromStapled {
		r.URL, r.Address = "", v4
	}
	if status == evidence.StatusRevoked {
		r.Reason, r.RevokedAt = "keyCompromise", &made
	}
	for _, e := range edit {
		e(&r)
	}
	o := evidence.Observation{Probe: evidence.ProbeTLS, Check: checkRevocation, Subject: "serial", Outcome: evidence.Pass, Seen: status, From: "test", At: noon, Command: "curl -s " + r.URL}
	if r.Error != "" {
		o.Outcome, o.Reason = evidence.Unknown, r.Error
	}
	return o.With(r)
}

func down(fault bool) func(*evidence.Revocation) {
	return func(r *evidence.Revocation) {
		r.Status, r.Error, r.Fault, r.ThisUpdate, r.NextUpdate = "", "fetch the list: HTTP 404", fault, nil, nil
	}
}

func until(t time.Time) func(*evidence.Revocation) {
	return func(r *evidence.Revocation) { r.NextUpdate = &t }
}

func paged(date time.Time, header string) evidence.Observation {
	o := evidence.Observation{Probe: evidence.ProbeTLS, Check: checkPage, Subject: v4, Outcome: evidence.Pass, Seen: "HTTP 200", From: "test", At: noon, Command: "curl -skI https://" + host}
	return o.With(evidence.Page{Address: v4, ServerName: host, Status: 200, HSTS: header, Date: &date, At: noon})
}

func didTry(what string, worked bool, status int) evidence.Observation {
	o := evidence.Observation{Probe: evidence.ProbeTLS, Check: checkTried, Subject: v4 + ", tried " + what, Outcome: evidence.Pass, Seen: "tried", From: "test", At: noon, Command: "curl -v"}
	return o.With(evidence.Tried{Address: v4, ServerName: host, What: what, Worked: worked, Seen: "tried", HTTPStatus: status})
}

var embedded = func(c *x509.Certificate) {
	c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: sctList, Value: []byte{4, 5, 0, 3, 0, 1, 7}})
}

// staple is an OCSP answer of the leaf's authority, as a server staples it.
func staple(t *testing.T, p *pki, leaf []byte, exts ...pkix.Extension) func(*evidence.Served) {
	t.Helper()
	c, err := x509.ParseCertificate(leaf)
	if err != nil {
		t.Fatal(err)
	}
	der, err := ocsp.CreateResponse(p.inter.cert, p.inter.cert, ocsp.Response{Status: ocsp.Good, SerialNumber: c.SerialNumber, ThisUpdate: noon.Add(-time.Hour), NextUpdate: noon.Add(time.Hour),
		ExtraExtensions: exts}, p.inter.key)
	if err != nil {
		t.Fatal(err)
	}
	return func(s *evidence.Served) { s.Stapled = der }
}

// What others say of a certificate, and what another way of looking brought.
func TestStatusFaults(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	w := world{p, t}
	good := w.good()
	leaf := good[0]
	stapled := func(s *evidence.Served) { s.Stapled = []byte{1} }
	must := w.good(mustStapleExt)
	ended := w.good(dates(noon.AddDate(0, 0, -95), noon.AddDate(0, 0, -5)))
	plain := shake(v4, host, "any", nil, failed("not-tls", "HTTP"), func(s *evidence.Served) { s.PlainHTTP = true })
	old := func(version, cipher string) evidence.Observation {
		return shake(v4, host, "any", good, failed("alert", "remote error: tls: handshake failure"), func(s *evidence.Served) { s.Legacy, s.Version, s.Cipher = true, version, cipher })
	}
	for _, c := range []struct {
		title, want, severity, note string
		public                      bool
		obs                         []evidence.Observation
	}{
		{title: "good by the list", obs: []evidence.Observation{shake(v4, host, "any", good), says(leaf, "crl", "good")}},
		{title: "revoked by the list", want: "tls-revoked", severity: Critical, obs: []evidence.Observation{shake(v4, host, "any", good), says(leaf, "crl", "revoked")}},
		{title: "revoked by the staple", want: "tls-revoked", severity: Critical, obs: []evidence.Observation{shake(v4, host, "any", good, stapled), says(leaf, "stapled", "revoked"), says(leaf, "crl", "", down(true))}},
		{title: "the list is gone", want: "tls-crl-unreachable", severity: Warning, obs: []evidence.Observation{shake(v4, host, "any", good), says(leaf, "crl", "", down(true))}},
		{title: "the list has ended", want: "tls-crl-unreachable", severity: Warning, obs: []evidence.Observation{shake(v4, host, "any", good), says(leaf, "crl", "good", until(noon.Add(-time.Hour)))}},
		{title: "the list is gone, the responder answers", obs: []evidence.Observation{shake(v4, host, "any", good), says(leaf, "crl", "", down(true)), says(leaf, "ocsp", "good")}},
		{title: "the list was not reached from here", obs: []evidence.Observation{shake(v4, host, "any", good), says(leaf, "crl", "", down(false))}},
		{title: "an old staple", want: "tls-staple-expired", severity: Warning, obs: []evidence.Observation{shake(v4, host, "any", good, stapled), says(leaf, "stapled", "good", until(noon.Add(-time.Hour)))}},
		{title: "an old staple where one is demanded", want: "tls-staple-expired", severity: Critical, obs: []evidence.Observation{shake(v4, host, "any", must, stapled), says(must[0], "stapled", "good", until(noon.Add(-time.Hour)))}},
		{title: "no log has signed", want: "tls-ct-missing", severity: Warning, public: true, obs: []evidence.Observation{shake(v4, host, "any", good)}},
		{title: "an empty list of timestamps", want: "tls-ct-missing", severity: Warning, public: true, obs: []evidence.Observation{shake(v4, host, "any", w.good(func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: sctList, Value: []byte{4, 2, 0, 0}})
		}))}},
		{title: "a staple without timestamps", want: "tls-ct-missing", severity: Warning, public: true, obs: []evidence.Observation{shake(v4, host, "any", good, staple(t, p, leaf))}},
		{title: "timestamps in the staple", public: true, obs: []evidence.Observation{shake(v4, host, "any", good, staple(t, p, leaf, pkix.Extension{Id: sctStapled, Value: []byte{4, 5, 0, 3, 0, 1, 7}}))}},
		{title: "timestamps in the certificate", public: true, obs: []evidence.Observation{shake(v4, host, "any", w.good(embedded))}},
		{title: "timestamps in the handshake", public: true, obs: []evidence.Observation{shake(v4, host, "any", good, func(s *evidence.Served) { s.SCTs = 2 })}},
		{title: "no log, a private root", obs: []evidence.Observation{shake(v4, host, "any", good)}},
		{title: "one other clock", want: "tls-leaf-expired", severity: Critical, obs: []evidence.Observation{shake(v4, host, "any", ended), paged(noon.AddDate(0, 0, -8), "")}},
		{title: "two other clocks", want: "tls-client-clock", severity: Critical, obs: []evidence.Observation{shake(v4, host, "any", ended), paged(noon.AddDate(0, 0, -8), ""),
			says(ended[0], "stapled", "good", func(r *evidence.Revocation) {
				a, b := noon.AddDate(0, 0, -9), noon.AddDate(0, 0, -6)
				r.ThisUpdate, r.NextUpdate = &a, &b
			})}},
		{title: "HSTS on an ended one", want: "tls-leaf-expired", severity: Critical, note: "tls-hsts-blocked-bypass", obs: []evidence.Observation{shake(v4, host, "any", ended), paged(noon, "max-age=31536000; includeSubDomains")}},
		{title: "PROXY header wanted", want: "tls-proxy-protocol", severity: Critical, obs: []evidence.Observation{shake(v4, host, "any", nil, failed("reset", "EOF")), didTry("a PROXY header", true, 0)}},
		{title: "PROXY header tried in vain", want: Unnamed, severity: Critical, obs: []evidence.Observation{shake(v4, host, "any", nil, failed("reset", "EOF")), didTry("a PROXY header", false, 0)}},
		{title: "HTTP refused as well", want: "tls-proxy-protocol", severity: Critical, obs: []evidence.Observation{plain, didTry("plain HTTP", true, 400)}},
		{title: "HTTP answered", want: "tls-plain-http-443", severity: Critical, obs: []evidence.Observation{plain, didTry("plain HTTP", true, 301)}},
		{title: "TLS 1.0 only", want: "tls-version-mismatch", severity: Critical, obs: []evidence.Observation{old("TLS 1.0", "TLS_RSA_WITH_AES_128_CBC_SHA")}},
		{title: "3DES only", want: "tls-cipher-mismatch", severity: Critical, obs: []evidence.Observation{old("TLS 1.2", "TLS_RSA_WITH_3DES_EDE_CBC_SHA")}},
		{title: "a group that no browser has", want: "tls-group-mismatch", severity: Critical, obs: []evidence.Observation{shake(v4, host, "any", good, failed("alert", "remote error: tls: handshake failure"),
			func(s *evidence.Served) {
				s.Legacy, s.Version, s.Cipher, s.Group = true, "TLS 1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "X448"
			})}},
		{title: "that group in TLS 1.3 only", want: "tls-group-mismatch", severity: Critical, obs: []evidence.Observation{shake(v4, host, "any", nil, failed("alert", "remote error: tls: handshake failure"),
			func(s *evidence.Served) { s.Group = "X448" })}},
		{title: "a post-quantum group only", want: "tls-group-mismatch", severity: Warning, obs: []evidence.Observation{shake(v4, host, "any", good, func(s *evidence.Served) { s.Group, s.GroupNew = "X25519MLKEM768", true })}},
		{title: "RSA key exchange only", want: "tls-cipher-mismatch", severity: Warning, obs: []evidence.Observation{old("TLS 1.2", "TLS_RSA_WITH_AES_128_CBC_SHA")}},
		{title: "STARTTLS not offered", want: "tls-starttls-wrong", severity: Warning, obs: []evidence.Observation{shake(v4, host, "any", nil, failed("no-starttls", "smtp: the server does not offer TLS"), func(s *evidence.Served) { s.StartTLS = "smtp" })}},
		{title: "SMTP at an odd port, well behind STARTTLS", want: "tls-starttls-wrong", severity: Warning, obs: []evidence.Observation{
			shake(v4, host, "any", nil, failed("not-tls", "no TLS"), func(s *evidence.Served) { s.Speaks = "smtp" }), didTry("smtp", true, 0),
			shake(v4, host, "any", good, func(s *evidence.Served) { s.StartTLS = "smtp" })}},
		{title: "an alert that only this name gets", want: "tls-sni-refused", severity: Critical, obs: []evidence.Observation{
			shake(v4, host, "any", nil, failed("alert", "remote error: tls: internal error")), shake(v4, "", "any", good)}},
		{title: "a client's certificate wanted, said by HTTP", want: "tls-client-cert-required", severity: Info, obs: []evidence.Observation{
			shake(v4, host, "any", good, func(s *evidence.Served) { s.ClientCert, s.HTTPStatus = true, 400 })}},
		{title: "a client's certificate welcome", obs: []evidence.Observation{shake(v4, host, "any", good, func(s *evidence.Served) { s.ClientCert, s.HTTPStatus = true, 200 })}},
	} {
		t.Run(c.title, func(t *testing.T) {
			t.Parallel()
			r := Judge(host, c.obs, nil, noon, Options{Roots: p.roots, ServerName: host, PublicRoots: c.public})
			checkReport(t, r)
			if c.want == "" {
				if len(r.Findings) > 0 || !r.Healthy {
					t.Fatalf("healthy %v: %s", r.Healthy, brief(r))
				}
				return
			}
			if len(r.Findings) == 0 || r.Findings[0].ID != c.want || r.Findings[0].Severity != c.severity {
				t.Fatalf("want %s (%s): %s", c.want, c.severity, brief(r))
			}
			if c.note != "" && !slices.ContainsFunc(r.Notes, func(n Note) bool { return n.ID == c.note }) {
				t.Errorf("no note %s: %v", c.note, r.Notes)
			}
			if len(r.Findings[0].RuledOut) == 0 && c.want != Unnamed {
				t.Error("no twin is ruled out")
			}
		})
	}
}

// A list that was not reached from here is a blind spot, unless another source spoke.
func TestStatusBlindSpot(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	good := world{p, t}.good()
	obs := []evidence.Observation{shake(v4, host, "any", good), says(good[0], "crl", "", down(false))}
	opts := Options{Roots: p.roots, ServerName: host}
	if r := Judge(host, obs, nil, noon, opts); len(r.BlindSpots) != 1 {
		t.Errorf("%v", r.BlindSpots)
	}
	if r := Judge(host, append(obs, says(good[0], "ocsp", "good")), nil, noon, opts); len(r.BlindSpots) != 0 {
		t.Errorf("%v", r.BlindSpots)
	}
}

// What is ahead: the end, the usual renewal, an intermediate that ends first, and of public roots the rules to come.
func TestForecast(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	inter := mint(t, p.inter.key, p.root, caNamed("Short Issuing", func(c *x509.Certificate) { c.NotAfter = noon.AddDate(0, 0, 20) }))
	leaf := mint(t, ecKeys[2], inter, func(c *x509.Certificate) {
		c.DNSNames, c.NotBefore, c.NotAfter = []string{host}, noon.AddDate(0, 0, -10), noon.AddDate(0, 0, 180)
		embedded(c)
	})
	obs := []evidence.Observation{shake(v4, host, "any", chainOf(leaf, inter)), shake(v6, host, "any", chainOf(leaf, inter))}
	for _, public := range []bool{true, false} {
		r := Judge(host, obs, nil, noon, Options{Roots: p.roots, ServerName: host, PublicRoots: public})
		var all []string
		for i, f := range r.Forecast {
			all = append(all, f.At.Format("2006-01-02 ")+f.Text)
			if i > 0 && f.At.Before(r.Forecast[i-1].At) {
				t.Error("not in order")
			}
		}
		text := strings.Join(all, "\n")
		for word, always := range map[string]bool{"2026-12-13 The intermediate Short Issuing ends before": true, "The certificate ends, in 180 days": true, "the usual time to renew": true,
			"2027-03-15 From here on public authorities issue for 100 days": false, "47 days": false, "The new one may live at most 100 days, this one lives 190 days": false} {
			if strings.Contains(text, word) != (always || public) {
				t.Errorf("public %v: %q in\n%s", public, word, text)
			}
		}
	}
}

func TestHSTS(t *testing.T) {
	for header, want := range map[string]bool{"max-age=31536000": true, "includeSubDomains; max-age=\"60\"": true, "max-age=0": false, "": false, "max-age=x": false} {
		if _, got := hsts(header); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}
