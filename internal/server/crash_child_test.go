package server

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/fulfill"
	"certwright/internal/issue"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/site"
	"certwright/internal/testworld"
)

// crashEnv carries a crashSpec to the child.
const crashEnv = "CERTWRIGHT_TEST_CRASH"

// crashSpec is what a child process is to do: run a server until its order is at its end, or until the
// point at which it kills itself.
type crashSpec struct {
	Dir, Data, DSN, Node string
	Host, Issuer         string
	Directory, CA        string // of the ACME authority
	DNS, HTTP, HTTPS     string // of the world
	TSIG                 string // the secret of a DNS account at DNS: control is shown by dns-01; empty = over HTTP
	Kill                 int    // 0 = not at all
	Ahead                time.Duration
	CSR                  string // certificate request of whoever keeps the key; empty = the key is made here
	Renew                bool   // walk on: a second version follows the first
}

// crashReport is what a child that came to the end found.
type crashReport struct {
	Base     int // points passed before a renewal began
	Points   int
	Names    []string // of the points, in order
	Serial   string
	Attempts []string // URLs of the orders at the authority
	Keys     [][]byte // PKCS#8 of everything in the vault
	Faults   []string // what must not be
}

// TestMain runs the tests, or, where the environment says so, a server that is to crash.
func TestMain(m *testing.M) {
	spec := os.Getenv(crashEnv)
	if spec == "" {
		os.Exit(m.Run())
	}
	report, err := crashChild(spec)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	_ = json.NewEncoder(os.Stdout).Encode(report) // a parent that is gone needs no report
}

// points counts what is passed on the path, and kills the process at one of them.
type points struct {
	kill   int
	note   string // file that says at which
	tokens string // file with the names of proofs, written before they are published
	n      atomic.Int64
	mu     sync.Mutex
	names  []string
}

func (p *points) hit(name string) {
	n := int(p.n.Add(1))
	p.mu.Lock()
	p.names = append(p.names, name)
	p.mu.Unlock()
	if n == p.kill {
		_ = os.WriteFile(p.note, []byte(name), 0o600)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // it comes at once, but not in this instant
	}
}

// around is a point before and one after.
func (p *points) around(name string, do func() error) error {
	p.hit("before " + name)
	err := do()
	p.hit("after " + name)
	return err
}

func (p *points) wrap(o *fulfill.Options) {
	o.Store = crashStore{o.Store, p}
	o.Authorities = crashAuthorities{o.Authorities, p}
	o.Verifier = crashVerifier{o.Verifier, p}
	o.Vault = crashVault{o.Vault, p}
	o.Deployer = crashDeployer{o.Deployer, p}
}

func (p *points) wrapBuiltin(o *issue.BuiltinOptions) { o.Serials = crashSerials{o.Serials, p} }

type crashStore struct {
	fulfill.Store
	p *points
}

func (s crashStore) CreateOrder(ctx context.Context, o *order.Order, pr order.Projection, e []order.Event) error {
	return s.p.around("create", func() error { return s.Store.CreateOrder(ctx, o, pr, e) })
}

func (s crashStore) SaveOrder(ctx context.Context, o *order.Order, pr order.Projection, e []order.Event) error {
	return s.p.around("save", func() error { return s.Store.SaveOrder(ctx, o, pr, e) })
}

func (s crashStore) LeaseOrder(ctx context.Context, id order.ID, node string, now, until time.Time) (o *order.Order, err error) {
	err = s.p.around("lease", func() error { o, err = s.Store.LeaseOrder(ctx, id, node, now, until); return err })
	return o, err
}

type crashAuthorities struct {
	fulfill.Authorities
	p *points
}

func (a crashAuthorities) Authority(ctx context.Context, issuer string) (fulfill.Authority, fulfill.Traits, error) {
	x, traits, err := a.Authorities.Authority(ctx, issuer)
	return crashAuthority{x, a.p}, traits, err
}

type crashAuthority struct {
	fulfill.Authority
	p *points
}

func (a crashAuthority) Begin(ctx context.Context, r fulfill.Request) (o fulfill.Opening, err error) {
	err = a.p.around("begin", func() error { o, err = a.Authority.Begin(ctx, r); return err })
	return o, err
}

func (a crashAuthority) Validate(ctx context.Context, r fulfill.Request, o fulfill.Opening) (ps []order.Proof, err error) {
	err = a.p.around("validate", func() error { ps, err = a.Authority.Validate(ctx, r, o); return err })
	return ps, err
}

func (a crashAuthority) Finalise(ctx context.Context, r fulfill.Request, o fulfill.Opening, csr []byte) (c [][]byte, err error) {
	err = a.p.around("finalise", func() error { c, err = a.Authority.Finalise(ctx, r, o, csr); return err })
	return c, err
}

type crashSerials struct {
	issue.Serials
	p *points
}

func (s crashSerials) RecordSerial(ctx context.Context, serial, order, attempt string, notAfter time.Time) (ok bool, err error) {
	if strings.Contains(order, "certwright") && !strings.Contains(order, "/crash") { // the server's own certificate
		return s.Serials.RecordSerial(ctx, serial, order, attempt, notAfter)
	}
	err = s.p.around("record the serial", func() error { ok, err = s.Serials.RecordSerial(ctx, serial, order, attempt, notAfter); return err })
	return ok, err
}

func (s crashSerials) SetIssued(ctx context.Context, serial string, cert []byte) error {
	return s.p.around("keep the certificate", func() error { return s.Serials.SetIssued(ctx, serial, cert) })
}

type crashVerifier struct {
	fulfill.Verifier
	p *points
}

func (v crashVerifier) Publish(ctx context.Context, sites []site.Site, proof order.Proof) error {
	f, err := os.OpenFile(v.p.tokens, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	fmt.Fprintln(f, string(proof.Method), proof.Token)
	_ = f.Close()
	return v.p.around("publish", func() error { return v.Verifier.Publish(ctx, sites, proof) })
}

func (v crashVerifier) Withdraw(ctx context.Context, sites []site.Site, proof order.Proof) error {
	return v.p.around("withdraw", func() error { return v.Verifier.Withdraw(ctx, sites, proof) })
}

type crashVault struct {
	fulfill.Vault
	p *points
}

func (v crashVault) Put(ctx context.Context, c fulfill.Certificate) error {
	return v.p.around("store", func() error { return v.Vault.Put(ctx, c) })
}

type crashDeployer struct {
	fulfill.Deployer
	p *points
}

func (d crashDeployer) Put(ctx context.Context, s site.Site, t site.Target, c fulfill.Certificate) (r order.Receipt, err error) {
	err = d.p.around("deploy", func() error { r, err = d.Deployer.Put(ctx, s, t, c); return err })
	return r, err
}

func (d crashDeployer) TakeBack(ctx context.Context, t site.Target, r order.Receipt) error {
	return d.p.around("take back", func() error { return d.Deployer.TakeBack(ctx, t, r) })
}

func (d crashDeployer) Settle(ctx context.Context, t site.Target, r order.Receipt) error {
	return d.p.around("settle", func() error { return d.Deployer.Settle(ctx, t, r) })
}

func (d crashDeployer) Observe(ctx context.Context, t site.Target, c fulfill.Certificate) []evidence.Observation {
	return d.Deployer.Observe(ctx, t, c)
}

// crashChild runs a server: the order is placed if it is not there, and watched to its end.
func crashChild(text string) (*crashReport, error) {
	var c crashSpec
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	w := &world{dns: c.DNS, http: c.HTTP, https: c.HTTPS}
	sh := &shop{host: c.Host, dir: c.Dir}
	conf := w.config(c.Data, c.DSN, sh)
	conf.Node = c.Node
	log, err := os.OpenFile(filepath.Join(c.Data, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &points{kill: c.Kill, note: filepath.Join(c.Dir, "killed"), tokens: filepath.Join(c.Dir, "tokens")}
	s, err := New(ctx, Options{Config: conf, Now: func() time.Time { return time.Now().Add(c.Ahead) }, Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Wrap: p.wrap, WrapBuiltin: p.wrapBuiltin})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	if c.Issuer == "pebble" {
		if err := addPebble(ctx, s, c.Directory, []byte(c.CA)); err != nil {
			return nil, err
		}
	}
	spec, words := order.Spec{AutoRenew: true, Issuer: c.Issuer}, []string{c.Host}
	if c.TSIG != "" {
		account := order.DNSAccount{Name: "bind", Kind: order.KindRFC2136, Server: c.DNS, Zones: []string{"example.test"}, Key: testworld.NamedKey}
		if _, _, err := s.DNS.Put(ctx, account, secret.Bytes(c.TSIG)); err != nil {
			return nil, err
		}
		spec.Method, words = order.MethodDNS01, append(words, "*."+c.Host)
	}
	o, err := crashOrder(ctx, s, w, sh, fulfill.Wish{Words: words, CSR: c.CSR, Spec: spec})
	if err != nil {
		return nil, err
	}
	report := &crashReport{Base: int(p.n.Load())}
	if c.Renew && o.First().Number == 1 {
		if _, err := s.Mover.Renew(ctx, testBy, o.ID); err != nil {
			return nil, err
		}
		if o, err = waitSettled(ctx, s, o.ID); err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	report.Points, report.Names, report.Serial = len(p.names), p.names, o.First().Serial
	p.mu.Unlock()
	return report, report.inspect(ctx, s, o, p)
}

// crashOrder places the order where it is missing and waits until nothing is left to do.
func crashOrder(ctx context.Context, s *Server, w *world, sh *shop, wish fulfill.Wish) (*order.Order, error) {
	id := order.Short(shopName(sh.host))
	if _, err := s.Store.LoadOrder(ctx, id); errors.Is(err, fulfill.ErrNotFound) {
		si := w.site(sh)
		if wish.CSR != "" { // the key lies there already
			si.Targets[0].Files.Key = ""
		}
		if old, err := s.Store.LoadSite(ctx, si.Subscription, si.Group, si.Name); err == nil {
			si.Revision = old.Revision
		}
		if _, err := s.Mover.SaveSite(ctx, testBy, si); err != nil {
			return nil, err
		}
		wish.Sites = []string{id.Name}
		if _, err := s.Mover.Create(ctx, testBy, id, wish); err != nil {
			return nil, err
		}
	}
	return waitSettled(ctx, s, id)
}

// waitSettled waits until an order has nothing to do for a while: served what the vault holds.
func waitSettled(ctx context.Context, s *Server, id order.ID) (*order.Order, error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var o *order.Order
	for {
		var err error
		if o, err = s.Store.LoadOrder(ctx, id); err == nil && settled(o, s.Now()) {
			return o, nil
		}
		select {
		case <-ctx.Done():
			path, _ := json.MarshalIndent(o, "", " ")
			return nil, fmt.Errorf("the order did not come to its end (%v): %s", err, path)
		case <-tick.C:
		}
	}
}

func settled(o *order.Order, now time.Time) bool {
	v := o.First()
	if v == nil || o.Vault.Problem != nil || o.LeaseOwner != "" || !o.DueAt.After(now) || len(o.Needs) > 0 {
		return false
	}
	for i := range o.Attempts {
		if o.Attempts[i].Open() || o.Attempts[i].Visible {
			return false
		}
	}
	for i := range o.Deployments {
		if o.Deployments[i].Version != v.Number || o.Deployments[i].Problem != nil {
			return false
		}
	}
	for i := range o.Endpoints {
		if o.Endpoints[i].State != order.Done || o.Endpoints[i].Served != v.Serial {
			return false
		}
	}
	return true
}

func (r *crashReport) fault(format string, args ...any) {
	r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
}

// inspect looks at everything that only the process itself can see.
func (r *crashReport) inspect(ctx context.Context, s *Server, o *order.Order, p *points) error {
	for i := range o.Attempts {
		a := &o.Attempts[i]
		if a.Issuer != "" && a.URL != "" {
			r.Attempts = append(r.Attempts, a.URL)
		}
		if len(a.Sealed) > 0 || len(a.Proofs) > 0 || a.Visible {
			r.fault("attempt %s has ended and keeps its key (%d bytes) or %d proofs", a.ID, len(a.Sealed), len(a.Proofs))
		}
	}
	if err := s.Store.VerifyChain(ctx, o.ID); err != nil {
		r.fault("chain of events: %v", err)
	}
	if err := r.vault(ctx, s, o); err != nil {
		return err
	}
	r.proofs(s, p)
	return r.api(ctx, s, o)
}

// vault opens every version of every secret: each has its key and its certificate, and each is a version of the order.
func (r *crashReport) vault(ctx context.Context, s *Server, o *order.Order) error {
	secrets, err := s.Vault.List(ctx, o.Spec.Vault, "", 100)
	if err != nil {
		return err
	}
	found := 0
	for _, sec := range secrets {
		versions, err := s.Vault.Versions(ctx, o.Spec.Vault, sec.Name, "", 100)
		if err != nil {
			return err
		}
		for _, v := range versions {
			found++
			c, err := s.Vault.Get(ctx, o.Spec.Vault, sec.Name, v.ID)
			if err != nil {
				r.fault("secret %s version %s does not open: %v", sec.Name, v.ID, err)
				continue
			}
			leaf, err := x509.ParseCertificate(c.Chain[0])
			if err != nil || c.Key == nil || !leaf.PublicKey.(*ecdsa.PublicKey).Equal(c.Key.Public()) {
				r.fault("secret %s version %s: key and certificate are not a pair (%v)", sec.Name, v.ID, err)
				continue
			}
			der, err := x509.MarshalPKCS8PrivateKey(c.Key.(crypto.PrivateKey))
			if err != nil {
				return err
			}
			r.Keys = append(r.Keys, der)
		}
	}
	stored, away := 0, 0
	for i := range o.Versions {
		if o.Versions[i].State == order.VersionStored {
			stored++
		}
		if o.Versions[i].External {
			away++
		}
	}
	if found != stored || found+away != len(o.Versions) {
		r.fault("the vault holds %d versions, the order %d, of which %d are stored", found, len(o.Versions), stored)
	}
	return nil
}

// proofs asks the own listener for every proof that was ever published.
func (r *crashReport) proofs(s *Server, p *points) {
	text, _ := os.ReadFile(p.tokens)
	for line := range strings.Lines(string(text)) {
		method, token, _ := strings.Cut(strings.TrimSpace(line), " ")
		dir := ".well-known/acme-challenge/"
		if method == string(order.MethodHTML) {
			dir = ".well-known/pki-validation/"
		}
		resp, err := http.Get("http://" + s.HTTP01 + "/" + dir + token)
		if err != nil {
			r.fault("ask the own listener: %v", err)
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			r.fault("the own listener answers %d for a proof that is done", resp.StatusCode)
		}
	}
}

// api keeps what the API says, for the scan.
func (r *crashReport) api(ctx context.Context, s *Server, o *order.Order) error {
	token, err := s.LocalToken(ctx)
	if err != nil {
		return err
	}
	for i, path := range []string{"/v1/orders", "/v1/orders/" + o.ID.Name, "/v1/orders/" + o.ID.Name + "/timeline", "/v1/vaults/default/secrets", "/v1/vaults/default/secrets/" + o.ID.Name, "/v1/issuers", "/v1/orders/" + o.ID.Name + "/diagnose"} {
		rec := newRecorder()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://localhost"+path, nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		s.https.Handler.ServeHTTP(rec, req)
		want := http.StatusOK
		if strings.HasSuffix(path, "/secrets/"+o.ID.Name) && o.KeyElsewhere() {
			want = http.StatusNotFound
		}
		if rec.status != want {
			r.fault("GET %s: %d %s", path, rec.status, rec.body.String())
		}
		if err := os.WriteFile(filepath.Join(string(s.Config.Data), fmt.Sprintf("api-%d", i)), []byte(rec.body.String()), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// recorder is a small http.ResponseWriter.
type recorder struct {
	header http.Header
	status int
	body   strings.Builder
}

func newRecorder() *recorder { return &recorder{header: http.Header{}, status: http.StatusOK} }

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
