package keyvault

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
)

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// Only one label below the suffix is a vault: neither the suffix itself nor what is deeper or merely ends alike.
func TestHostVault(t *testing.T) {
	h := New(Options{Suffix: "vault.example.test"})
	for host, want := range map[string]string{"a.vault.example.test": "a", "A.Vault.Example.Test:8443": "a", "a.vault.example.test.": "a", "vault.example.test": "", "b.a.vault.example.test": "",
		".vault.example.test": "", "avault.example.test": "", "a.vault.example.test.evil.test": "", "127.0.0.1:8443": "", "": "", "[::1]:8443": ""} {
		if got, ok := h.hostVault(host); ok != (want != "") || ok && got != want {
			t.Errorf("%q names vault %q (%t), want %q", host, got, ok, want)
		}
	}
}

// Every operation that Azure lists is found at its path, and fixed words win over names.
func TestMatch(t *testing.T) {
	h := New(Options{})
	for call, want := range map[string]string{
		"GET /secrets": "/secrets", "GET /SECRETS/a": "/secrets/{name}", "GET /secrets/a/": "/secrets/{name}/{version?}", "GET /secrets/a/versions": "/secrets/{name}/versions", "POST /secrets/restore": "/secrets/restore",
		"GET /certificates/issuers": "/certificates/issuers", "GET /certificates/issuers/versions": "/certificates/issuers/{name}", "GET /certificates/contacts": "/certificates/contacts", "GET /certificates/a/": "/certificates/{name}/{version?}",
		"GET /certificates/a/policy": "/certificates/{name}/policy", "POST /certificates/a/pending/merge": "/certificates/{name}/pending/merge", "DELETE /deletedcertificates/a": "/deletedcertificates/{name}",
		"GET /secrets/": "", "GET /secrets//": "", "GET //a": "", "GET /secrets/a/b/c": "", "PATCH /secrets": "", "GET /secrets/%zz": "",
	} {
		method, path, _ := strings.Cut(call, " ")
		got := ""
		if rt, _ := h.match(method, path); rt != nil {
			got = rt.Pattern
		}
		if got != want {
			t.Errorf("%s is route %q, want %q", call, got, want)
		}
	}
	if _, args := h.match(http.MethodGet, "/secrets/a%2Fb/0A"); args["name"] != "a/b" || args["version"] != "0A" {
		t.Errorf("%v", args)
	}
}

// Names in the forms that people and Azure's tools write.
func TestParseName(t *testing.T) {
	for in, want := range map[string]string{"CN=a.example.com": "CN=a.example.com", "cn=a, O=Example Ltd., C=DE": "C=DE,O=Example Ltd.,CN=a", `CN="a, b",OU=x`: `OU=x,CN=a\, b`, `CN=a\, b`: `CN=a\, b`, "": ""} {
		n, err := parseName(in)
		if got := n.String(); err != nil || got != want {
			t.Errorf("%q is %q (%v), want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"a.example.com", "CN", "CN=", "XY=a", "CN=a,,O=b", "CN=a,"} {
		if n, err := parseName(in); err == nil {
			t.Errorf("%q was read as %s", in, n)
		}
	}
}

func given(t *testing.T, body string) *policy {
	t.Helper()
	p, err := overlay(nil, json.RawMessage(body))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A policy becomes an order's wish, and the order says the same policy again.
func TestPolicyOfAnOrderAndBack(t *testing.T) {
	p := given(t, `{"issuer":{"name":"le"},"key_props":{"kty":"EC","key_size":384},"secret_props":{"contentType":"application/x-pem-file"},
		"x509_props":{"subject":"CN=A.example.com","sans":{"dns_names":["a.example.com","b.example.com"],"ipAddresses":["192.0.2.1"]},"ekus":["1.3.6.1.5.5.7.3.1"],"validity_months":6},
		"lifetime_actions":[{"trigger":{"days_before_expiry":30},"action":{"action_type":"AutoRenew"}}]}`)
	var w fulfill.Wish
	if err := p.onto(&w, "le"); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(w.Words, []string{"A.example.com", "b.example.com", "192.0.2.1"}) || !reflect.DeepEqual(w.KeyTypes, []order.KeyType{order.P384}) || w.Content != "application/x-pem-file" ||
		!w.AutoRenew || w.RenewAt < 0.83 || w.RenewAt > 0.84 || w.Validity.Round(time.Hour) != 4383*time.Hour {
		t.Errorf("%+v", w)
	}
	w.Names = []order.Name{{Kind: order.DNS, Value: "a.example.com"}, {Kind: order.DNS, Value: "b.example.com"}, {Kind: order.IP, Value: "192.0.2.1"}}
	back := policyOfOrder(order.Fresh(order.Short("a"), order.Ordered, w.Spec, nil, now), order.P384)
	if back.Issuer.Name != "le" || back.X509.Subject != "CN=a.example.com" || !reflect.DeepEqual(back.X509.SANs, sans{DNS: []string{"a.example.com", "b.example.com"}, IPs: []string{"192.0.2.1"}}) ||
		back.X509.Months != 6 || back.Key.Curve != "P-384" || back.Actions[0].Trigger.Percentage != 84 || back.Actions[0].Action.Type != autoRenew {
		t.Errorf("%+v", back)
	}
	if err := back.complete(); err != nil {
		t.Errorf("an order's own policy is refused: %v", err)
	}
}

// What an order cannot be is refused, and the property named.
func TestPolicyThatIsNoOrder(t *testing.T) {
	for part, property := range map[string]string{
		`"x509_props":{"subject":"CN=a.example.com, O=Example"}`:                                                  "x509_props.subject",
		`"x509_props":{"subject":"O=Example"}`:                                                                    "x509_props.subject",
		`"x509_props":{"subject":"CN=a.example.com","sans":{"emails":["a@example.com"]}}`:                         "x509_props.sans",
		`"x509_props":{"subject":"CN=a.example.com","ekus":["1.3.6.1.5.5.7.3.3"]}`:                                "x509_props.ekus",
		`"x509_props":{"subject":"CN=a.example.com","key_usage":["keyCertSign"]}`:                                 "x509_props.key_usage",
		`"key_props":{"kty":"RSA","reuse_key":true},"x509_props":{"subject":"CN=a.example.com"}`:                  "reuse_key",
		`"key_props":{"exportable":false},"x509_props":{"subject":"CN=a.example.com"}`:                            "exportable",
		`"key_props":{"kty":"EC","crv":"P-521"},"x509_props":{"subject":"CN=a.example.com"}`:                      "key_props",
		`"secret_props":{"contentType":"text/plain"},"x509_props":{"subject":"CN=a.example.com"}`:                 "contentType",
		`"x509_props":{"subject":"CN=a.example.com"},"lifetime_actions":[{"action":{"action_type":"AutoRenew"}}]`: "lifetime_actions",
		`"x509_props":{}`: "x509_props",
	} {
		p, err := overlay(nil, json.RawMessage(`{"issuer":{"name":"le"},`+part+`}`))
		if err == nil {
			err = p.onto(&fulfill.Wish{}, "le")
		}
		if err == nil || !strings.Contains(err.Error(), property) {
			t.Errorf("%s: %v, want %s named", part, err, property)
		}
	}
}

// A self-signed certificate and a request say what the policy says, and the certificate's policy says it again.
func TestSelfSignedSaysItsPolicy(t *testing.T) {
	p := given(t, `{"issuer":{"name":"Self"},"key_props":{"kty":"EC","crv":"P-256"},"x509_props":{"subject":"CN=a, O=Example","sans":{"dns_names":["a.example.com"],"emails":["a@example.com"],"uris":["spiffe://a/b"],"ipAddresses":["::1"]},
		"ekus":["1.3.6.1.5.5.7.3.2","1.2.3.4"],"key_usage":["digitalSignature","decipherOnly"],"validity_months":3}}`)
	key, err := order.GenerateKey(order.P256)
	if err != nil {
		t.Fatal(err)
	}
	der, err := p.selfSigned(key, now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil || c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) != nil || c.IsCA || !c.NotAfter.Equal(now.AddDate(0, 3, 0)) {
		t.Fatalf("%v %+v", err, c)
	}
	back := policyOfCertificate(c, "application/x-pkcs12")
	want := p.X509
	want.Subject = "CN=a,O=Example"
	if !reflect.DeepEqual(back.X509, want) || back.Key.Curve != "P-256" {
		t.Errorf("the certificate says\n%+v, the policy\n%+v", back.X509, want)
	}
	req, err := p.request(key)
	if err != nil {
		t.Fatal(err)
	}
	r, err := x509.ParseCertificateRequest(req)
	if err != nil || r.CheckSignature() != nil || !reflect.DeepEqual(r.DNSNames, c.DNSNames) || r.Subject.String() != "CN=a,O=Example" {
		t.Errorf("%v %s %v", err, r.Subject, r.DNSNames)
	}
	usage := map[string][]byte{}
	for _, e := range append(r.Extensions, c.Extensions...) {
		id := e.Id.String()
		if had, ok := usage[id]; ok && (id == "2.5.29.15" || id == "2.5.29.37") && string(had) != string(e.Value) {
			t.Errorf("extension %s: the request has %x, the certificate %x", id, had, e.Value)
		}
		usage[id] = e.Value
	}
	if len(usage["2.5.29.15"]) == 0 || len(usage["2.5.29.37"]) == 0 {
		t.Error("there are no key usages to compare")
	}
}

// A change of a policy leaves what it does not name, and replaces names, actions and the kind of key as a whole.
func TestPolicyIsChanged(t *testing.T) {
	start := `{"issuer":{"name":"le"},"key_props":{"kty":"RSA","key_size":4096},"x509_props":{"subject":"CN=a.example.com","sans":{"dns_names":["a.example.com"],"ipAddresses":["192.0.2.1"]},"validity_months":6},
		"lifetime_actions":[{"trigger":{"lifetime_percentage":70},"action":{"action_type":"AutoRenew"}}]}`
	for change, is := range map[string]func(p *policy) bool{
		`{}`: func(p *policy) bool { return p.Key.Size == 4096 && len(p.X509.SANs.IPs) == 1 && p.X509.Months == 6 },
		`{"key_props":{},"x509_props":{"sans":{},"validity_months":3}}`: func(p *policy) bool {
			return p.X509.Months == 3 && len(p.X509.SANs.DNS) == 1 && len(p.X509.SANs.IPs) == 1 && p.Key.Size == 4096
		},
		`{"x509_props":{"sans":{"dns_names":["b.example.com"]}}}`: func(p *policy) bool {
			return reflect.DeepEqual(p.X509.SANs, sans{DNS: []string{"b.example.com"}}) && p.X509.Subject == "CN=a.example.com"
		},
		`{"key_props":{"kty":"EC"}}`: func(p *policy) bool { k, err := p.keyType(); return err == nil && k == order.P256 },
		`{"lifetime_actions":[{"trigger":{"days_before_expiry":9},"action":{"action_type":"EmailContacts"}}]}`: func(p *policy) bool {
			return len(p.Actions) == 1 && p.Actions[0].Trigger == trigger{Days: 9} && p.Actions[0].Action.Type == "EmailContacts"
		},
		`{"issuer":{"cty":"DV"}}`: func(p *policy) bool { return p.Issuer.Name == "le" },
	} {
		p, err := overlay(given(t, start), json.RawMessage(change))
		if err != nil || !is(p) {
			t.Errorf("%s: %v %+v", change, err, p)
		}
	}
}
