package order

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"certwright/internal/site"
)

// requests are some, each with a key of its own, for www.example.test and example.test.
var requests = func() (all [][]byte) {
	for range 4 {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "www.example.test"}, DNSNames: []string{"www.example.test", "example.test"}}, k)
		if err != nil {
			panic(err)
		}
		all = append(all, der)
	}
	return all
}()

// begins is how the step begin ends: with a key sealed here, with its owner's request, or waiting for one.
func (w *world) begins(k KeyType) []Result {
	a := w.attempt(k)
	if !w.o.Spec.ExternalKey {
		return []Result{Began{Attempt: a}}
	}
	csr, p := w.o.NextCSR(w.now)
	if p != nil {
		for _, n := range w.o.Wanted() {
			if n.KeyType == k {
				return []Result{BeginFailed{Need: n, Problem: p}}
			}
		}
		return nil
	}
	a.Sealed, a.External, a.CSR = nil, true, csr
	return []Result{Began{Attempt: a}}
}

// signed is the certificate of an attempt, for the key of its request.
func (w *world) signed(attempt string) SignedBy {
	v := w.certificate(w.life)
	if r, err := ParseRequest(w.o.Attempt(attempt).CSR); err == nil {
		v.KeyHash = r.KeyHash
	}
	return SignedBy{attempt, v}
}

// askAnew has an order change its keys: another type, another request, kept elsewhere or here again.
func (c *chaos) askAnew() {
	cmd := rapid.SampledFrom([]Command{CmdRenew, CmdRekey}).Draw(c.rt, "command")
	spec := c.o.Clone().Spec
	switch rapid.IntRange(0, 2).Draw(c.rt, "key") {
	case 0:
		if len(spec.KeyTypes) > 1 {
			return // one request is for one key
		}
		spec.KeyTypes, spec.ExternalKey, spec.CSR, spec.CSRGiven = []KeyType{P256}, true, rapid.SampledFrom(requests).Draw(c.rt, "request"), c.now
	case 1:
		spec.ExternalKey, spec.CSR, spec.ReuseCSR = false, nil, false
	default:
		if spec.ExternalKey {
			return
		}
		spec.KeyTypes = rapid.SampledFrom([][]KeyType{{P256}, {P384}, {RSA2048}, {P256, RSA2048}, {RSA2048, P256}}).Draw(c.rt, "types")
	}
	if c.o.Kind != Ordered || c.o.AllowedWith(cmd, c.now, spec) != nil {
		return
	}
	had, one := c.o.First(), len(c.o.Spec.KeyTypes) == 1
	by := By{Caller: "ada"}
	c.give(Rewished{By: by, Spec: spec, Sites: []site.Site{drawShop(c.rt)}}, Commanded{By: by, Command: cmd, Delay: -1})
	c.forgetRows()
	if had != nil && one && c.o.First() == nil {
		c.rt.Fatalf("%s counts no more while another key is under way: %+v", had.Label(), c.o.Switches)
	}
}

func TestReadRequest(t *testing.T) {
	t.Parallel()
	der := requests[0]
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	for form, s := range map[string]string{
		"PEM": text, "PEM with text before it": "Certificate Request:\n" + text, "as old tools write it": strings.ReplaceAll(text, "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"), "with CRLF": strings.ReplaceAll(text, "\n", "\r\n"),
		"base64": base64.StdEncoding.EncodeToString(der), "base64 in lines": strings.Join(strings.SplitAfter(base64.StdEncoding.EncodeToString(der), "A"), "\n"),
	} {
		r, err := ReadRequest(s)
		if err != nil || r.KeyType != P256 || strings.Join(r.Words, " ") != "www.example.test example.test" || len(r.KeyHash) != 64 {
			t.Errorf("%s: %v %+v", form, err, r)
			continue
		}
		if !r.Names([]Name{{DNS, "example.test"}, {DNS, "www.example.test"}}) || r.Names([]Name{{DNS, "www.example.test"}}) || r.Names(nil) {
			t.Errorf("%s: its names", form)
		}
	}
	for what, s := range map[string]string{"nothing": "", "a certificate": strings.ReplaceAll(text, "CERTIFICATE REQUEST", "CERTIFICATE"), "two": text + text, "cut off": text[:len(text)/2]} {
		if r, err := ReadRequest(s); err == nil {
			t.Errorf("%s is read as %+v", what, r)
		}
	}
}

func FuzzReadRequest(f *testing.F) {
	f.Add(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: requests[0]})))
	f.Add(base64.StdEncoding.EncodeToString(requests[1]))
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ReadRequest(s)
		if (err == nil) != (r != nil) || err == nil && (r.KeyHash == "" || len(r.DER) > maxRequest || r.KeyType == "") {
			t.Errorf("%v %+v", err, r)
		}
	})
}
