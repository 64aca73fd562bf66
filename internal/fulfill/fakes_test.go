package fulfill

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/site"
)

// issuerFake is an authority that signs at once. Each hook may stand in for what it does.
type issuerFake struct {
	now      func() time.Time
	key      *ecdsa.PrivateKey
	life     time.Duration
	validate func(ctx context.Context, proofs []order.Proof) ([]order.Proof, error)
	begin    func() error
	finalise func(ctx context.Context) error
	proven   bool // what is asked for was proved for an order before

	mu        sync.Mutex
	calls     map[string]int
	signed    map[string][]byte // certificate by attempt: finalising again gives the same
	revoked   [][]byte
	abandoned []string
	traits    Traits
	hold      *order.Problem
}

func (f *issuerFake) count(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[what]++
}

func (f *issuerFake) n(what string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[what]
}

func (f *issuerFake) Authority(_ context.Context, name string) (Authority, Traits, error) {
	if name != "test" && name != order.BuiltinIssuer {
		return nil, Traits{}, ErrNotFound
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.traits
	t.Hold = f.hold
	return f, t, nil
}

func (f *issuerFake) Hold(_ context.Context, _ string, p *order.Problem) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hold = p
	return nil
}

func (f *issuerFake) Begin(_ context.Context, r Request) (Opening, error) {
	f.count("begin")
	if f.begin != nil {
		if err := f.begin(); err != nil {
			return Opening{}, err
		}
	}
	o := Opening{URL: "https://ca.test/order/" + r.Attempt, Account: "a1"}
	for _, n := range r.Names {
		o.Proofs = append(o.Proofs, order.Proof{Name: n, Method: cmp.Or(r.Method, order.MethodHTTP01), Token: "token-" + r.Attempt[:6] + "-" + n.Value, Value: "value", Done: f.proven})
	}
	return o, nil
}

func (f *issuerFake) Validate(ctx context.Context, _ Request, o Opening) ([]order.Proof, error) {
	f.count("validate")
	proofs := slices.Clone(o.Proofs)
	if f.validate != nil {
		return f.validate(ctx, proofs)
	}
	for i := range proofs {
		proofs[i].Done = true
	}
	return proofs, nil
}

func (f *issuerFake) Finalise(ctx context.Context, r Request, _ Opening, csr []byte) ([][]byte, error) {
	f.count("finalise")
	if f.finalise != nil {
		if err := f.finalise(ctx); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if der := f.signed[r.Attempt]; der != nil {
		return [][]byte{der}, nil
	}
	req, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, err
	}
	f.calls["sign"]++
	t := &x509.Certificate{SerialNumber: big.NewInt(int64(1000 + f.calls["sign"])), Subject: pkix.Name{CommonName: "x"}, DNSNames: req.DNSNames, IPAddresses: req.IPAddresses,
		NotBefore: f.now().Add(-time.Minute), NotAfter: f.now().Add(f.life)}
	der, err := x509.CreateCertificate(rand.Reader, t, &x509.Certificate{Subject: pkix.Name{CommonName: "Test CA"}}, req.PublicKey, f.key)
	f.signed[r.Attempt] = der
	return [][]byte{der}, err
}

func (f *issuerFake) Abandon(_ context.Context, r Request, _ Opening) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.abandoned = append(f.abandoned, r.Attempt)
	return nil
}

func (f *issuerFake) Revoke(_ context.Context, cert []byte, _ int) error {
	f.count("revoke")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revoked = append(f.revoked, cert)
	return nil
}

func (f *issuerFake) RenewalInfo(context.Context, []byte) (Renewal, error) {
	f.count("window")
	return Renewal{}, nil
}
func (f *issuerFake) Observe(context.Context) []evidence.Observation { return nil }

// proofsFake is a Verifier that remembers what is published.
type proofsFake struct {
	mu      sync.Mutex
	visible map[string]bool
	ever    int
	publish func(p order.Proof) error
	stuck   error // of withdrawing
	memory  bool  // a crash withdraws by itself
	// place and account are where a record of dns-01 is to stand and who writes it; servers is whether each has it.
	place, account string
	servers        []evidence.Outcome
	// withdrawn is told of each proof that went.
	withdrawn func(p order.Proof)
}

func (v *proofsFake) Publish(_ context.Context, _ []site.Site, p order.Proof) error {
	if v.publish != nil {
		if err := v.publish(p); err != nil {
			return err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.visible[p.Token] = true
	v.ever++
	return nil
}

func (v *proofsFake) Withdraw(_ context.Context, _ []site.Site, p order.Proof) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.stuck != nil {
		return v.stuck
	}
	delete(v.visible, p.Token)
	if v.withdrawn != nil {
		v.withdrawn(p)
	}
	return nil
}

func (v *proofsFake) Locate(_ context.Context, _ string, p order.Proof) (order.Proof, error) {
	if p.Method == order.MethodDNS01 {
		p.Place, p.Account = v.place, v.account
	}
	return p, nil
}

func (v *proofsFake) LeavesNothing([]site.Site, order.Proof) bool { return v.memory }

func (v *proofsFake) Preflight(context.Context, order.Proof) (out []evidence.Observation) {
	for _, outcome := range v.servers {
		out = append(out, evidence.Observation{Outcome: outcome, Subject: "a name server"})
	}
	return out
}

func (v *proofsFake) left() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.visible)
}

// vaultFake is a Vault in memory.
type vaultFake struct {
	mu   sync.Mutex
	held map[string]Certificate
	put  func() error
	puts int
	gone map[string]bool
	// These run without the lock: before a version is put, before the vault says whether it is ready, after a version was read.
	putting func(c Certificate)
	ready   func() error
	got     func(name string)
}

func (v *vaultFake) Put(_ context.Context, c Certificate) error {
	if v.putting != nil {
		v.putting(c)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.puts++
	if v.put != nil {
		if err := v.put(); err != nil {
			return err
		}
	}
	v.held[c.Name+"/"+c.ID] = c
	return nil
}

func (v *vaultFake) Get(_ context.Context, _, name, id string) (Certificate, error) {
	if v.got != nil {
		defer v.got(name)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	c, ok := v.held[name+"/"+id]
	if !ok || v.gone[name] {
		return c, secret.ErrNotFound
	}
	return c, nil
}

func (v *vaultFake) Disable(context.Context, string, string, string) error { return nil }
func (v *vaultFake) Enable(context.Context, string, string, string) error  { return nil }
func (v *vaultFake) Recover(_ context.Context, _, name string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.gone[name] {
		return secret.ErrNotFound
	}
	v.gone[name] = false
	return nil
}
func (v *vaultFake) Delete(_ context.Context, _, name string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.gone[name] = true
	return nil
}

func (v *vaultFake) Exists(_ context.Context, name string) error {
	if name != DefaultVault {
		return fmt.Errorf("there is no vault %s", name)
	}
	return nil
}

func (v *vaultFake) Ready(context.Context, string) error {
	if v.ready != nil {
		return v.ready()
	}
	return nil
}

func (v *vaultFake) ObserveSecret(context.Context, string, string, string) []evidence.Observation {
	return nil
}

// plainSealer seals nothing: the tests are not about that.
type plainSealer struct{}

func (plainSealer) Seal(p secret.Bytes, aad string) ([]byte, error) {
	return append([]byte(aad+"\x00"), p.Reveal()...), nil
}

func (plainSealer) Open(sealed []byte, aad string) (secret.Bytes, error) {
	if rest, ok := strings.CutPrefix(string(sealed), aad+"\x00"); ok {
		return secret.Bytes(rest), nil
	}
	return nil, errors.New("sealed for another place")
}

// targetsFake is a Deployer and the wire at once: an endpoint serves what its target holds.
type targetsFake struct {
	mu     sync.Mutex
	holds  map[string]string // serial by target
	broken map[string]bool   // serials that a target does not serve although it holds them
	put    func(ctx context.Context, t site.Target) error
	pushes int
	backs  int
	looks  int
	stale  map[string]string // serial that a server has in memory though its target holds another, until it is reloaded
	again  int               // reloads without a push
	seen   func(look int)    // runs after a look has seen what it gives, without the lock
}

func (d *targetsFake) Reload(_ context.Context, t site.Target) (*evidence.Reload, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.again++
	for key := range d.stale {
		if strings.HasSuffix(key, "/"+t.Name) {
			delete(d.stale, key)
		}
	}
	return &evidence.Reload{Name: "web"}, nil
}

func (d *targetsFake) Check(t site.Target) error {
	if strings.HasPrefix(t.Name, "bad") {
		return errors.New("its root is not configured")
	}
	return nil
}

func (d *targetsFake) Observe(_ context.Context, t site.Target, c Certificate) []evidence.Observation {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, err := order.ParseChain(c.Chain)
	o := evidence.Observation{Check: "serial", Outcome: evidence.Fail}
	for key, serial := range d.holds {
		if err == nil && strings.HasSuffix(key, "/"+t.Name) && serial == v.Serial {
			o.Outcome = evidence.Pass
		}
	}
	return []evidence.Observation{o}
}

func (d *targetsFake) Put(ctx context.Context, s site.Site, t site.Target, c Certificate) (order.Receipt, error) {
	if d.put != nil {
		if err := d.put(ctx, t); err != nil {
			return order.Receipt{}, err
		}
	}
	v, err := order.ParseChain(c.Chain)
	if err != nil {
		return order.Receipt{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	key := s.Name + "/" + t.Name
	r := order.Receipt{Changed: d.holds[key] != v.Serial, Previous: d.holds[key]}
	if r.Changed {
		d.pushes++
		d.holds[key] = v.Serial
	}
	return r, nil
}

func (d *targetsFake) TakeBack(_ context.Context, t site.Target, r order.Receipt) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.backs++
	for key := range d.holds {
		if strings.HasSuffix(key, "/"+t.Name) {
			d.holds[key] = r.Previous
		}
	}
	return nil
}

func (d *targetsFake) Settle(context.Context, site.Target, order.Receipt) error { return nil }

func (d *targetsFake) LookTLS(_ context.Context, e site.Endpoint, expected string) []evidence.Observation {
	d.mu.Lock()
	d.looks++
	seen, n, after := d.see(e, expected), d.looks, d.seen
	d.mu.Unlock()
	if after != nil {
		after(n)
	}
	return seen
}

func (d *targetsFake) see(e site.Endpoint, expected string) []evidence.Observation {
	serial := ""
	host, _, _ := net.SplitHostPort(e.Address)
	for key, s := range d.holds {
		if strings.HasPrefix(key, shopOf(host)+"/") {
			serial = s
			if old := d.stale[key]; old != "" {
				serial = old
			}
		}
	}
	o := evidence.Observation{Check: "serial", Subject: e.Address, Seen: serial, Expected: expected, Outcome: evidence.Fail, Command: "openssl s_client"}
	switch {
	case d.broken[serial]:
		o.Seen, o.Reason = "", "connection refused"
		o = o.With(evidence.Served{Error: "connection refused", ErrorClass: "refused"})
	case expected == "" || serial == expected:
		o.Outcome = evidence.Pass
	}
	return []evidence.Observation{o}
}

func shopOf(host string) string { return strings.Split(host, ".")[0] }

type hintsFake struct {
	mu sync.Mutex
	n  int
}

func (h *hintsFake) Hint(context.Context, order.ID) { h.mu.Lock(); h.n++; h.mu.Unlock() }
