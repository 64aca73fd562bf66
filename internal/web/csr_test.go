package web

import (
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"

	"certwright/internal/order"
)

// TestRequestForm: whoever keeps the key pastes a certificate request; a private key goes no further than the page's own door.
func TestRequestForm(t *testing.T) {
	w := fixtures()
	h := New(w.options())
	says(t, browse(t, h, "GET", "/orders/shop").Body.String(), "Bring a certificate request", "It must name exactly shop.example.test", "openssl req -new", "-addext subjectAltName=DNS:shop.example.test,DNS:www.shop.example.test", "the vault holds nothing of it")
	for _, name := range []string{"partner", "api", "old", "db"} { // watched, denied, revoked, imported
		if strings.Contains(browse(t, h, "GET", "/orders/"+name).Body.String(), "/-/request") {
			t.Errorf("%s can be given a request", name)
		}
	}
	csr := "-----BEGIN CERTIFICATE REQUEST-----\nMII\n-----END CERTIFICATE REQUEST-----"
	if got := post(h, "/orders/shop/-/request", url.Values{"csr": {csr + "\n"}, "reuse": {"1"}}, signedIn); got.Code != 303 || got.Header().Get("Location") != "/orders/shop?did=request" {
		t.Errorf("%d to %s", got.Code, got.Header().Get("Location"))
	}
	says(t, browse(t, h, "GET", "/orders/shop?did=request").Body.String(), "The request was taken.")
	says(t, post(h, "/orders/shop/-/request", url.Values{"csr": {csr}}, signedIn, htmx).Body.String(), "The request was taken.")
	if want := fmt.Sprintf("request %q true shop by alice; request %q false shop by alice", csr, csr); w.called() != want {
		t.Errorf("called: %s", w.called())
	}
	for what, form := range map[string]url.Values{
		"That is a private key, not a request": {"csr": {"-----BEGIN EC PRIVATE KEY-----\nMHcC"}},
		"What was sent is no form, or larger":  {"csr": {strings.Repeat("M", mostRequest)}},
	} {
		before := w.called()
		got := post(h, "/orders/shop/-/request", form, signedIn)
		says(t, got.Body.String(), "Nothing was done.", what)
		if got.Code != 400 || w.called() != before || strings.Contains(got.Body.String(), "MHcC") {
			t.Errorf("%s: %d, called %s", what, got.Code, w.called())
		}
	}
	for _, f := range w.all {
		if f.o.ID.Name == "shop" {
			f.o.Spec.KeyTypes = []order.KeyType{order.P256, order.RSA2048}
		}
	}
	body := browse(t, h, "GET", "/orders/shop").Body.String()
	says(t, body, "keys of 2 types side by side", "certwright order update shop --key-type EC-P256", "certwright order create shop-csr --csr FILE --allow-duplicate")
	if strings.Contains(body, "<textarea") {
		t.Error("an order with keys of several types has the form")
	}
}

// TestChainOfAVersion: the certificate with its intermediates as a file, of any version that is kept.
func TestChainOfAVersion(t *testing.T) {
	w := fixtures()
	for _, f := range w.all {
		if f.o.ID.Name == "shop" {
			f.o.Versions[0].Chain, f.o.Versions[1].Chain = []byte("first"), []byte("second")
		}
	}
	h := New(w.options())
	body := browse(t, h, "GET", "/orders/shop").Body.String()
	for href, want := range map[string]string{"/orders/shop/-/chain?version=1&key=EC-P256": "first", "/orders/shop/-/chain?version=2&key=EC-P256": "second"} {
		if !strings.Contains(body, `href="`+html.EscapeString(href)+`"`) {
			t.Errorf("the page does not link to %s", href)
		}
		got := browse(t, h, "GET", href)
		if got.Code != 200 || got.Body.String() != want || got.Header().Get("Content-Type") != "application/pem-certificate-chain" || !strings.HasPrefix(got.Header().Get("Content-Disposition"), "attachment; filename=shop-") {
			t.Errorf("%s: %d %q %v", href, got.Code, got.Body, got.Header())
		}
	}
	for _, path := range []string{"/orders/shop/-/chain?version=3", "/orders/shop/-/chain?version=2&key=RSA-2048", "/orders/mail/-/chain", "/orders/nobody/-/chain"} {
		if got := browse(t, h, "GET", path); got.Code != 404 {
			t.Errorf("%s: %d", path, got.Code)
		}
	}
}
