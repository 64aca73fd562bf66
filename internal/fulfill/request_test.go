package fulfill

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/url"
	"strings"
	"testing"
	"time"

	"certwright/internal/order"
	"certwright/internal/site"
)

// ownKey is a key that its owner keeps, and what they make with it.
type ownKey struct{ crypto.Signer }

func newOwnKey(t *testing.T) ownKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return ownKey{k}
}

// request is a certificate request in PEM.
func (k ownKey) request(t *testing.T, names ...string) string {
	t.Helper()
	return requestPEM(t, k, &x509.CertificateRequest{DNSNames: names})
}

func requestPEM(t *testing.T, k crypto.Signer, q *x509.CertificateRequest) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, q, k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// has says whether a version is for this key.
func (k ownKey) has(t *testing.T, v *order.Version) bool {
	t.Helper()
	c, err := x509.ParseCertificate(order.DecodeChain(v.Chain)[0])
	if err != nil {
		t.Fatal(err)
	}
	return samePublic(c.PublicKey, k.Public())
}

// ordered creates an order with a request.
func (l *lab) ordered(name, csr string, change func(w *Wish)) order.ID {
	l.t.Helper()
	w := Wish{CSR: csr, Spec: order.Spec{Issuer: "test", AutoRenew: true}}
	if change != nil {
		change(&w)
	}
	id := order.Short(name)
	if _, err := l.Create(l.ctx(), by, id, w); err != nil {
		l.t.Fatal(err)
	}
	return id
}

func (l *lab) next(id order.ID, c order.Command, a Asked) error {
	_, err := l.NewVersion(l.ctx(), by, id, c, a)
	return err
}

// TestOrderWithRequest: the names come from the request, its key is certified, nothing of a key is kept anywhere; the
// renewal waits for another request, says so once, and goes on when it is given.
func TestOrderWithRequest(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key := newOwnKey(t)
	id := l.ordered("hsm", key.request(t, "hsm.example.com", "www.example.com"), nil)
	o := l.advance(id)
	v := o.First()
	if v == nil || !v.External || !key.has(t, v) || strings.Join(v.Names, " ") != "hsm.example.com www.example.com" || len(o.Spec.Names) != 2 {
		t.Fatalf("%+v", o.Versions)
	}
	if l.vault.puts != 0 || o.Attempts[0].Sealed != nil || o.Attempts[0].Phase != order.Ended {
		t.Errorf("%d puts, attempt %+v", l.vault.puts, o.Attempts[0])
	}
	now := l.clock.now()
	if o.VaultStatusOf(now) != order.VaultExternalKey || o.StatusOf(now) != order.Issued || !o.Spec.ExternalKey {
		t.Errorf("vault %s, status %s", o.VaultStatusOf(now), o.StatusOf(now))
	}
	if _, err := l.Export(l.ctx(), by, id, ""); code(err) != "ExternalPrivateKey" {
		t.Errorf("export: %v", err)
	}
	o = l.until(id, 20, func(o *order.Order) bool { return len(o.Needs) > 0 })
	p := o.Needs[0].Problem
	if p == nil || p.ID != "renew-external-csr" || p.Owner != order.OwnerOwner || p.Class != order.Waiting || !strings.Contains(p.Fix, "--csr") {
		t.Fatalf("%+v", o.Needs[0])
	}
	issue := o.Path(l.clock.now())[2]
	if issue.State != order.StateWait || issue.Owner != order.OwnerOwner || issue.Deadline == nil || !issue.Deadline.Equal(v.NotAfter) || o.StatusOf(l.clock.now()) != order.Pendingissuance {
		t.Errorf("%s, %+v", o.StatusOf(l.clock.now()), issue)
	}
	for range 3 {
		l.clock.move(24 * time.Hour)
		l.advance(id)
	}
	if n := l.eventsNamed("csr-waiting"); n != 1 || l.issuer.n("begin") != 1 {
		t.Errorf("told %d times, the issuer asked %d times", n, l.issuer.n("begin"))
	}
	again := newOwnKey(t)
	if err := l.next(id, order.CmdRenew, Asked{Delay: -1, CSR: again.request(t, "www.example.com", "hsm.example.com")}); err != nil {
		t.Fatal(err)
	}
	if o = l.advance(id); o.First().Number != 2 || !again.has(t, o.First()) || len(o.Needs) != 0 || o.StatusOf(l.clock.now()) != order.Issued {
		t.Errorf("%s %+v", o.StatusOf(l.clock.now()), o.Versions)
	}
}

// TestRequestUsedAgain: where its owner allows it, a renewal uses the request again.
func TestRequestUsedAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key := newOwnKey(t)
	id := l.ordered("hsm", key.request(t, "hsm.example.com"), func(w *Wish) { w.ReuseCSR = true })
	l.advance(id)
	o := l.until(id, 20, func(o *order.Order) bool { return o.First().Number == 2 })
	if !key.has(t, o.First()) || o.First().Reason != order.Renewal {
		t.Errorf("%+v", o.First())
	}
	if err := l.next(id, order.CmdRekey, Asked{Delay: -1}); code(err) != order.CsrMissing {
		t.Errorf("a new key without a request: %v", err)
	}
}

// TestSwitchCustody: managed to external and back, with the old version revoked in time; what serves is never without
// a current version, and the vault's is left alone.
func TestSwitchCustody(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop", "files")
	o := l.advance(id)
	serial := o.First().Serial
	key, yes, no := newOwnKey(t), true, false
	if err := l.next(id, order.CmdRekey, Asked{Delay: time.Hour, CSR: key.request(t, "shop.example.com"), External: &yes}); err != nil {
		t.Fatal(err)
	}
	if o = l.load(id); o.First() == nil || o.First().Serial != serial || o.StatusOf(l.clock.now()) != order.PendingRekey || o.VaultStatusOf(l.clock.now()) != order.VaultSucceeded {
		t.Errorf("on the way: %s %s %+v", o.StatusOf(l.clock.now()), o.VaultStatusOf(l.clock.now()), o.First())
	}
	if o = l.advance(id); o.First().Number != 2 || !o.First().External || !key.has(t, o.First()) || o.VaultStatusOf(l.clock.now()) != order.VaultExternalKey {
		t.Fatalf("%+v", o.Versions)
	}
	// The target takes no key in this lab (it names no files): the certificate alone is put there.
	if got := l.target.holds["shop/files"]; got != o.First().Serial || l.vault.puts != 1 {
		t.Errorf("the target holds %s, want %s; %d puts", got, o.First().Serial, l.vault.puts)
	}
	l.clock.move(2 * time.Hour)
	if o = l.advance(id); o.Version(1).State != order.VersionRevoked {
		t.Errorf("%+v", o.Version(1))
	}
	if err := l.next(id, order.CmdRekey, Asked{Delay: -1, External: &no, KeyTypes: []order.KeyType{order.P384}}); err != nil {
		t.Fatal(err)
	}
	if o = l.load(id); o.First() == nil || o.First().Number != 2 {
		t.Errorf("on the way back: %+v", o.First())
	}
	o = l.advance(id)
	if v := o.First(); v.Number != 3 || v.External || v.KeyType != order.P384 || v.State != order.VersionStored || o.Spec.ExternalKey || o.Spec.CSR != nil || l.vault.held["shop/"+v.SecretID].Key == nil {
		t.Errorf("%+v, wish %+v", v, o.Spec)
	}
	if err := order.VerifyChain(nil, l.store.events); err != nil {
		t.Error(err)
	}
}

// TestNewKeySize: another key type comes with a rekey or a renewal; what serves stays current until its version is there,
// under the same secret.
func TestNewKeySize(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop", "files")
	o := l.advance(id)
	if err := l.next(id, order.CmdRenew, Asked{Delay: -1, RSA: order.RSA2048}); err != nil {
		t.Fatal(err)
	}
	was := o.Generation
	if o = l.load(id); o.First() == nil || o.First().Number != 1 || o.SecretFor(order.P256) != "shop" || o.Generation != was+1 {
		t.Fatalf("on the way: %+v", o.First())
	}
	l.target.put = nil
	o = l.advance(id)
	v := o.First()
	if v.Number != 2 || v.KeyType != order.RSA2048 || len(o.Switches) != 0 || l.target.holds["shop/files"] != v.Serial || l.vault.held["shop/"+v.SecretID].Key == nil {
		t.Errorf("%+v", v)
	}
	if err := l.next(id, order.CmdRekey, Asked{Delay: 0, KeyTypes: []order.KeyType{order.P256}}); err != nil { // back, and the one between is revoked
		t.Fatal(err)
	}
	if o = l.load(id); o.First() == nil || o.First().Number != 2 {
		t.Errorf("on the way back the first version counts again: %+v", o.First())
	}
	if o = l.advance(id); o.First().Number != 3 || o.First().KeyType != order.P256 {
		t.Errorf("%+v", o.First())
	}
	l.until(id, 3, func(o *order.Order) bool { return o.Version(2).State == order.VersionRevoked })
}

// TestPutByHand: a target that takes a key waits for whoever holds it, tells them what to do, and is done when it is seen.
func TestPutByHand(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key := newOwnKey(t)
	s := site.Site{Subscription: order.Short("x").Subscription, Group: order.Short("x").Group, Name: "hsm", Endpoints: []site.Endpoint{{Address: "hsm.example.com:443"}},
		Targets: []site.Target{{Name: "files", Kind: site.KindFiles, Files: &site.Files{Root: "r", Fullchain: "c.pem", Key: "k.pem"}}}}
	if _, err := l.SaveSite(l.ctx(), by, s); err != nil {
		t.Fatal(err)
	}
	id := l.ordered("hsm", key.request(t, "hsm.example.com"), func(w *Wish) { w.Sites = []string{"hsm"} })
	o := l.advance(id)
	d := o.Path(l.clock.now())[4]
	if l.target.pushes != 0 || d.State != order.StateWait || d.Owner != order.OwnerOwner || d.Problem == nil || d.Problem.ID != "sync-key-external" || !strings.Contains(d.Problem.Fix, "--chain") {
		t.Fatalf("%d pushes, %+v", l.target.pushes, d)
	}
	l.target.mu.Lock()
	l.target.holds["hsm/files"] = o.First().Serial
	l.target.mu.Unlock()
	o = l.until(id, 3, func(o *order.Order) bool { return o.Deployments[0].Version == 1 })
	if w := order.Worst(o.Path(l.clock.now())); w.State != order.Done {
		t.Errorf("%+v", w)
	}
	if err := l.next(id, order.CmdRekey, Asked{Delay: -1, CSR: newOwnKey(t).request(t, "hsm.example.com")}); err != nil {
		t.Fatal(err)
	}
	o = l.advance(id)
	path := o.Path(l.clock.now())
	if path[4].State != order.StateWait || path[5].State == order.StateFail {
		t.Errorf("a version to come is no failure while the former one serves: %+v", path[4:])
	}
}

// TestRequestsRefused: whatever cannot be is named, and nothing of it is kept.
func TestRequestsRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key, yes, no := newOwnKey(t), true, false
	good := key.request(t, "shop.example.com")
	other := key.request(t, "else.example.com")
	small, _ := rsa.GenerateKey(rand.Reader, 1024)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	block, _ := pem.Decode([]byte(good))
	damaged := append([]byte{}, block.Bytes...)
	damaged[len(damaged)-3] ^= 0xff
	uri := requestPEM(t, key, &x509.CertificateRequest{DNSNames: []string{"shop.example.com"}, URIs: []*url.URL{{Scheme: "spiffe", Host: "x"}}})
	for name, c := range map[string]struct{ csr, code, property string }{
		"nonsense":    {"hello", "InvalidCsr", "csr"},
		"a key":       {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "InvalidCsr", "csr"},
		"too long":    {strings.Repeat("A", 70000), "InvalidCsr", "csr"},
		"damaged":     {base64.StdEncoding.EncodeToString(damaged), "InvalidCsr", "csr"},
		"RSA 1024":    {requestPEM(t, small, &x509.CertificateRequest{DNSNames: []string{"shop.example.com"}}), "InvalidCsr", "csr"},
		"Ed25519":     {requestPEM(t, ed, &x509.CertificateRequest{DNSNames: []string{"shop.example.com"}}), "InvalidCsr", "csr"},
		"P-521":       {requestPEM(t, p521, &x509.CertificateRequest{DNSNames: []string{"shop.example.com"}}), "InvalidCsr", "csr"},
		"a URI":       {uri, "InvalidCsr", "csr"},
		"other names": {other, "CsrNamesMismatch", "csr"},
	} {
		_, err := l.Create(l.ctx(), by, order.Short("shop"), Wish{CSR: c.csr, Words: []string{"shop.example.com"}, Spec: order.Spec{Issuer: "test"}})
		if r, ok := order.AsRefusal(err); !ok || r.Code != c.code || r.Property != c.property || r.Kind != order.BadInput || r.Fix == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(l.store.orders) != 0 {
		t.Fatal("something was stored")
	}
	id := l.order("shop")
	o := l.advance(id)
	was := o.Revision
	for name, c := range map[string]struct {
		do             order.Command
		a              Asked
		code, property string
	}{
		"a request and a key made here": {order.CmdRekey, Asked{CSR: good, External: &no}, "ConflictingProperties", "isPrivateKeyExternal"},
		"elsewhere without a request":   {order.CmdRenew, Asked{External: &yes}, order.CsrMissing, "csr"},
		"names":                         {order.CmdRenew, Asked{CSR: other}, "CsrNamesMismatch", "csr"},
		"size":                          {order.CmdRekey, Asked{CSR: good, RSA: order.RSA2048}, "CsrKeyMismatch", "keySize"},
		"types":                         {order.CmdRekey, Asked{CSR: good, KeyTypes: []order.KeyType{order.P384}}, "CsrKeyMismatch", "keyTypes"},
		"unknown type":                  {order.CmdRekey, Asked{KeyTypes: []order.KeyType{"EC-P521"}}, "UnknownKeyType", "keyTypes"},
		"no type":                       {order.CmdRekey, Asked{KeyTypes: []order.KeyType{}}, "KeyTypeMissing", "keyTypes"},
		"again without a request":       {order.CmdRekey, Asked{ReuseCSR: &yes}, "ConflictingProperties", "reuseCsr"},
	} {
		c.a.Delay = -1
		err := l.next(id, c.do, c.a)
		if r, ok := order.AsRefusal(err); !ok || r.Code != c.code || r.Property != c.property {
			t.Errorf("%s: %v", name, err)
		}
	}
	if o = l.load(id); o.Revision != was {
		t.Error("a refused command changed the order")
	}
}

// TestRequestForOneOfSeveralKeys: one request is for one key; the refusal names both ways on, and both lead there.
func TestRequestForOneOfSeveralKeys(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key := newOwnKey(t)
	csr := key.request(t, "shop.example.com")
	id := order.Short("shop")
	if _, err := l.Create(l.ctx(), by, id, Wish{Words: []string{"shop.example.com"}, Spec: order.Spec{Issuer: "test", KeyTypes: []order.KeyType{order.P256, order.RSA2048}}}); err != nil {
		t.Fatal(err)
	}
	l.advance(id)
	err := l.next(id, order.CmdRekey, Asked{Delay: -1, CSR: csr})
	r, ok := order.AsRefusal(err)
	if !ok || r.Code != "SeveralKeyTypes" || !strings.Contains(r.Fix, "certwright order update shop --key-type EC-P256") || !strings.Contains(r.Fix, "certwright order create shop-csr --csr FILE --allow-duplicate") {
		t.Fatalf("%v", err)
	}
	apart := order.Short("shop-csr")
	if _, err := l.Create(l.ctx(), by, apart, Wish{CSR: csr, Duplicate: true, Spec: order.Spec{Issuer: "test"}}); err != nil {
		t.Errorf("ordered apart: %v", err)
	} else if o := l.advance(apart); o.First() == nil || !key.has(t, o.First()) {
		t.Errorf("ordered apart: %+v", o.Versions)
	}
	if _, err := l.Update(l.ctx(), by, id, 0, func(w *Wish) { w.KeyTypes = []order.KeyType{order.P256} }); err != nil {
		t.Fatal(err)
	}
	l.advance(id)
	if err := l.next(id, order.CmdRekey, Asked{Delay: -1, CSR: newOwnKey(t).request(t, "shop.example.com")}); err != nil {
		t.Errorf("with one type: %v", err)
	}
}

// TestRequestGivenAgain: the same request again changes nothing while a version is under way with it; afterwards a
// rekey says that its key is not new, and a renewal may keep it. A request replaces one that got stuck.
func TestRequestGivenAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop")
	l.advance(id)
	l.issuer.finalise = nil
	key := newOwnKey(t)
	csr := key.request(t, "shop.example.com")
	for range 2 {
		if err := l.next(id, order.CmdRekey, Asked{Delay: -1, CSR: csr}); err != nil {
			t.Fatal(err)
		}
	}
	if n := l.eventsNamed("rekey-requested"); n != 1 {
		t.Errorf("%d requests", n)
	}
	if o := l.advance(id); o.First().Number != 2 {
		t.Fatalf("%+v", o.Versions)
	}
	l.clock.move(time.Minute)
	if err := l.next(id, order.CmdRekey, Asked{Delay: -1, CSR: csr}); code(err) != "CsrKeyNotNew" {
		t.Errorf("a rekey with the key of version 2: %v", err)
	}
	if err := l.next(id, order.CmdRenew, Asked{Delay: -1}); code(err) != order.CsrMissing {
		t.Errorf("a renewal without a request: %v", err)
	}
	if err := l.next(id, order.CmdRenew, Asked{Delay: -1, CSR: csr}); err != nil {
		t.Fatal(err)
	}
	l.issuer.begin = func() error {
		return &order.Problem{Class: order.GiveUp, What: "new order", Detail: "badCSR"}
	}
	if o := l.advance(id); o.First().Number != 2 || len(o.Needs) != 1 {
		t.Fatalf("%+v", o.Needs)
	}
	l.issuer.begin = nil
	better := newOwnKey(t)
	if err := l.next(id, order.CmdRenew, Asked{Delay: -1, CSR: better.request(t, "shop.example.com")}); err != nil {
		t.Fatal(err)
	}
	if o := l.until(id, 3, func(o *order.Order) bool { return o.First().Number == 3 }); !better.has(t, o.First()) {
		t.Error("the request that was refused was used")
	}
}

// TestFirstRequestReplaced: an order whose authority refuses the first request takes another one, or makes the key here.
func TestFirstRequestReplaced(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.ordered("shop", newOwnKey(t).request(t, "shop.example.com"), nil)
	l.issuer.finalise = func(context.Context) error {
		return &order.Problem{Class: order.GiveUp, What: "finalise", Detail: "key is on a list", ID: "ca-csr-weak-key", Owner: order.OwnerUs}
	}
	o := l.advance(id)
	if p := o.Needs[0].Problem; p.Owner != order.OwnerOwner || p.Class != order.Final || !strings.Contains(p.Fix, "--csr") {
		t.Errorf("%+v", p)
	}
	for range 3 {
		l.clock.move(7 * time.Hour)
		l.advance(id)
	}
	if n := l.issuer.n("finalise"); n != 1 {
		t.Errorf("the authority was given the request that it refused %d times", n)
	}
	l.issuer.finalise = nil
	if err := l.next(id, order.CmdRenew, Asked{Delay: -1}); code(err) != "OrderPending" {
		t.Errorf("a renewal of an order without any version: %v", err)
	}
	l.clock.move(time.Minute)
	better := newOwnKey(t)
	if err := l.next(id, order.CmdRekey, Asked{Delay: -1, CSR: better.request(t, "shop.example.com")}); err != nil {
		t.Fatal(err)
	}
	o = l.until(id, 3, func(o *order.Order) bool { return o.First() != nil })
	if !better.has(t, o.First()) || o.First().Reason != order.First {
		t.Errorf("%+v", o.First())
	}
}

// TestRequestAndChangedNames: when the names of an order are changed, its request fits no more, and another is awaited.
func TestRequestAndChangedNames(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.ordered("shop", newOwnKey(t).request(t, "shop.example.com"), func(w *Wish) { w.ReuseCSR = true })
	l.advance(id)
	if _, err := l.Update(l.ctx(), by, id, 0, func(w *Wish) { w.Words = []string{"shop.example.com", "www.example.com"} }); err != nil {
		t.Fatal(err)
	}
	o := l.advance(id)
	if len(o.Needs) != 1 || o.Needs[0].Problem == nil || !strings.Contains(o.Needs[0].Problem.Detail, "www.example.com") {
		t.Fatalf("%+v", o.Needs)
	}
	if _, err := l.Update(l.ctx(), by, id, 0, func(w *Wish) { w.KeyTypes = []order.KeyType{order.RSA2048} }); code(err) != "CsrKeyMismatch" {
		t.Errorf("key types of a key that lies elsewhere: %v", err)
	}
	key := newOwnKey(t)
	if err := l.next(id, order.CmdRenew, Asked{Delay: -1, CSR: key.request(t, "www.example.com", "shop.example.com")}); err != nil {
		t.Fatal(err)
	}
	if o = l.advance(id); !key.has(t, o.First()) || len(o.First().Names) != 2 {
		t.Errorf("%+v", o.First())
	}
}
