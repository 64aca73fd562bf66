package issue

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/publicsuffix"

	"certwright/internal/evidence"
	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// Defaults of BuiltinOptions.
const (
	DefaultCAADomain = "certwright.internal"
	defaultReuse     = 198 * 24 * time.Hour // CA/Browser Forum BR 4.2.1, from 2026-03-15
	defaultValidity  = 90 * 24 * time.Hour
	minValidity      = time.Minute
	maxNames         = 100
	// builtinParallel names of one order are looked at at once.
	builtinParallel = 8
)

// KeyStore keeps the authority's own keys, sealed. The vault's SystemKeys are one.
type KeyStore interface {
	// Signer gives the key of that name; an error when there is none or it was sealed apart.
	Signer(ctx context.Context, name string) (crypto.Signer, error)
	// CreateSigner makes the key if the name is free; otherwise it gives the one that is there. A
	// name whose key was sealed apart stays taken: an error.
	CreateSigner(ctx context.Context, name string, kt order.KeyType) (crypto.Signer, error)
	// SealApart moves the key to where the running server does not load it. Repeating it is no error.
	SealApart(ctx context.Context, name string) error
}

// Serials is the authority's book, in the database.
type Serials interface {
	// RecordSerial writes the intent to sign. False: the serial, or another one for this attempt, is
	// recorded already; nothing was written.
	RecordSerial(ctx context.Context, serial, order, attempt string, notAfter time.Time) (bool, error)
	// SetIssued keeps the certificate (DER) signed under a recorded serial.
	SetIssued(ctx context.Context, serial string, cert []byte) error
	// IssuedByAttempt finds the serial recorded for an attempt; cert is nil until it is issued.
	IssuedByAttempt(ctx context.Context, attempt string) (serial string, cert []byte, found bool, err error)
	// RevokeSerial marks a serial as withdrawn; one that is already keeps its first date and reason.
	RevokeSerial(ctx context.Context, serial string, reason int, at time.Time) error
	// Revocations are those of certificates that have not expired by now.
	Revocations(ctx context.Context, now time.Time) ([]order.Revocation, error)
	// NextCRLNumber counts up with every call (RFC 5280 section 5.2.3).
	NextCRLNumber(ctx context.Context) (int64, error)
	// Setting reads a small value; an error that is fulfill.ErrNotFound when it was never set.
	Setting(ctx context.Context, key string) ([]byte, error)
	SetSetting(ctx context.Context, key string, value []byte) error
}

// Looks are the authority's eyes: a *probe.Prober whose resolver and address guard the configuration sets.
type Looks interface {
	LookDNS(ctx context.Context, name, qtype string) evidence.Observation
	LookCAA(ctx context.Context, name string) evidence.Observation
	LookServers(ctx context.Context, name, qtype string) []evidence.Observation
	FetchHTTP(ctx context.Context, url string, pin ...netip.Addr) []evidence.Observation
}

// BuiltinOptions set up the built-in authority.
type BuiltinOptions struct {
	Now     func() time.Time
	Keys    KeyStore
	Serials Serials
	Looks   Looks

	CRLURL       string        // prefix of the CRLs' URLs: <CRLURL>/ec.crl and <CRLURL>/rsa.crl; empty = none in certificates
	CAADomain    string        // the issuer domain in CAA records that permits us; empty = DefaultCAADomain
	Account      string        // URI for CAA's accounturi; empty = https://<CAADomain>/account/builtin
	Organization string        // in the authorities' names; empty = Certwright
	HTTPPort     int           // port of the HTML page; 0 = 80
	Reuse        time.Duration // how long a shown control is re-used; 0 = 198 days
	Validity     time.Duration // of a certificate whose order names none; 0 = 90 days
	MaxValidity  time.Duration // longest certificate; 0 = as long as the issuing authority itself lives
	MaxNames     int           // most names in one certificate; 0 = 100

	NoCAA     bool // do not look at CAA records
	NoControl bool // do not ask for proof of control: for names that only this network knows
}

// Builtin is the built-in authority: one root and two issuing authorities under it, an ECDSA and an
// RSA one. It implements fulfill.Authority and is safe for use by many goroutines and replicas.
type Builtin struct {
	opt BuiltinOptions
	*builtinCAs

	mu   sync.Mutex
	caa  map[string]time.Time // when a name's CAA set last permitted, by name and method
	crls map[string]builtinCRL
}

// builtinCAs are the authorities themselves, shared by all views of them.
type builtinCAs struct {
	root *x509.Certificate
	ec   *builtinCA

	rsaTurn chan struct{} // one at a time makes or loads the RSA authority
	rsa     *builtinCA    // nil until made; under rsaTurn
}

var _ fulfill.Authority = (*Builtin)(nil)

// NewBuiltin loads the authority, or makes it at the very first start. It returns as soon as ECDSA
// certificates can be issued; the RSA authority, whose key takes a while to find, follows in the
// background (Ready waits for it).
func NewBuiltin(ctx context.Context, o BuiltinOptions) (*Builtin, error) {
	if o.Now == nil || o.Keys == nil || o.Serials == nil || o.Looks == nil {
		return nil, errors.New("built-in authority: Now, Keys, Serials and Looks are required")
	}
	if o.CAADomain == "" {
		o.CAADomain = DefaultCAADomain
	}
	if o.Account == "" {
		o.Account = "https://" + o.CAADomain + "/account/builtin"
	}
	if o.Organization == "" {
		o.Organization = "Certwright"
	}
	if o.Reuse <= 0 {
		o.Reuse = defaultReuse
	}
	if o.Validity <= 0 {
		o.Validity = defaultValidity
	}
	if o.MaxNames <= 0 {
		o.MaxNames = maxNames
	}
	o.CRLURL = strings.TrimSuffix(o.CRLURL, "/")
	b := &Builtin{opt: o, builtinCAs: &builtinCAs{rsaTurn: make(chan struct{}, 1)}, caa: map[string]time.Time{}, crls: map[string]builtinCRL{}}
	if err := b.setup(ctx); err != nil {
		return nil, fmt.Errorf("built-in authority: %w", err)
	}
	go func() { _, _ = b.authority(ctx, FamilyRSA) }() // what fails here is tried again when it is needed
	return b, nil
}

// WithoutChecks is the same authority for Certwright's own names: it asks for no proof of control and
// looks at no CAA record. Only the server itself may use it.
func (b *Builtin) WithoutChecks() *Builtin {
	o := b.opt
	o.NoCAA, o.NoControl = true, true
	return &Builtin{opt: o, builtinCAs: b.builtinCAs, caa: map[string]time.Time{}, crls: map[string]builtinCRL{}}
}

// Ready waits until the authorities of both families are there.
func (b *Builtin) Ready(ctx context.Context) error {
	_, err := b.authority(ctx, FamilyRSA)
	return err
}

// Roots are the certificates that clients have to trust: one root above both families. RSA chains end in
// an ECDSA root too: every client of the last fifteen years can verify it, and one root means one
// thing to install, at the first start already, before the RSA key is found.
func (b *Builtin) Roots() []*x509.Certificate { return []*x509.Certificate{b.root} }

// RootsPEM are the Roots as PEM.
func (b *Builtin) RootsPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.root.Raw})
}

// Begin says what has to be published for each name whose control is not shown yet. It asks and
// records nothing: repeating it gives the same.
func (b *Builtin) Begin(_ context.Context, r fulfill.Request) (fulfill.Opening, error) {
	o := fulfill.Opening{URL: "builtin:" + r.Attempt, Account: b.opt.Account}
	if len(r.Names) == 0 || len(r.Names) > b.opt.MaxNames {
		return o, b.giveUp("new order", "", "ca-too-many-names", fmt.Sprintf("%d names: at least 1 and at most %d are possible", len(r.Names), b.opt.MaxNames), "Split the order")
	}
	for _, n := range r.Names {
		if p := b.checkName(n); p != nil {
			return o, p
		}
		if b.opt.NoControl || b.proven(r, n) {
			continue
		}
		proof, p := b.proofFor(r, n)
		if p != nil {
			return o, p
		}
		o.Proofs = append(o.Proofs, proof)
	}
	return o, nil
}

// Abandon has nothing to let go of: an order is an attempt's id and no more.
func (b *Builtin) Abandon(context.Context, fulfill.Request, fulfill.Opening) error { return nil }

// checkName refuses what no authority may issue for.
func (b *Builtin) checkName(n order.Name) *order.Problem {
	if n.Kind == order.IP {
		if _, err := netip.ParseAddr(n.Value); err != nil {
			return b.giveUp("new order", n.Value, "ca-name-bad-char", "is not an IP address", "Correct the name")
		}
		return nil
	}
	bare := strings.TrimPrefix(n.Value, "*.")
	for _, l := range strings.Split(bare, ".") {
		if l == "" || len(l) > 63 || len(bare) > 253 || l[0] == '-' || l[len(l)-1] == '-' || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return b.giveUp("new order", n.Value, "ca-name-bad-char", "is not a DNS name in lower-case A-label form", "Correct the name")
		}
	}
	if suffix, icann := publicsuffix.PublicSuffix(bare); icann && suffix == bare {
		return b.giveUp("new order", n.Value, "ca-name-is-suffix", bare+" is a public suffix: everybody registers names under it", "Order a name below it")
	}
	return nil
}

// proven says whether control of the name was shown before and may still be re-used. A page shows
// control of exactly one name, never of a wildcard (BR 3.2.2.4.18).
func (b *Builtin) proven(r fulfill.Request, n order.Name) bool {
	id, ok := r.Proven[n.Value]
	return ok && id.Verified != nil && id.ValidUntil != nil && b.opt.Now().Before(*id.ValidUntil) &&
		!(builtinWildcard(n) && id.Method == order.MethodHTML)
}

// proofFor is what the owner has to publish for a name.
//
//	txt   a TXT record with the token at the registered domain, as App Service Certificates want it
//	dns-01  as at an ACME authority: a TXT record at _acme-challenge before the name, with the digest of the
//	      token and, in place of an account's key, the account's URI
//	html  a page /.well-known/pki-validation/<file>.html that holds the token. The file's name is a
//	      digest of token and name: it tells nothing of the token, which BR 3.2.2.4.18 forbids to appear in
//	      the request, or a server that echoes its path would prove control of anything
func (b *Builtin) proofFor(r fulfill.Request, n order.Name) (order.Proof, *order.Problem) {
	p := order.Proof{Name: n, Method: r.Method, Value: r.Tokens[n.Value]}
	if p.Method == order.MethodNone {
		if p.Method = order.MethodHTML; builtinWildcard(n) {
			p.Method = order.MethodTXT
		}
	}
	if len(p.Value) < 16 {
		return p, b.giveUp("new order", n.Value, "", "the order has no verification token for this name", "Create the order again")
	}
	switch {
	case (p.Method == order.MethodTXT || p.Method == order.MethodDNS01) && n.Kind == order.IP:
		return p, b.giveUp("new order", n.Value, "ca-challenge-not-offered", "control of an IP address cannot be shown by a TXT record", "Choose the method html")
	case p.Method == order.MethodDNS01:
		sum := sha256.Sum256([]byte(p.Value + "." + b.opt.Account))
		p.Token, p.Value = p.Value, base64.RawURLEncoding.EncodeToString(sum[:])
	case p.Method == order.MethodTXT:
		p.Token = builtinRootDomain(n.Value)
	case p.Method == order.MethodHTML && builtinWildcard(n):
		return p, b.giveUp("new order", n.Value, "ca-wildcard-needs-dns", "control of a wildcard cannot be shown by a page", "Choose the method txt")
	case p.Method == order.MethodHTML:
		sum := sha256.Sum256([]byte("certwright html page\x00" + n.Value + "\x00" + p.Value))
		p.Token = hex.EncodeToString(sum[:16]) + ".html"
		p.URL = b.pageURL(n, p.Token)
	default:
		return p, b.giveUp("new order", n.Value, "ca-challenge-not-offered", fmt.Sprintf("the built-in authority does not verify by %s", p.Method), "Choose html, txt or dns-01")
	}
	return p, nil
}

// pageURL is where the page of a proof is looked for.
func (b *Builtin) pageURL(n order.Name, file string) string {
	host := n.Value
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if b.opt.HTTPPort != 0 && b.opt.HTTPPort != 80 {
		host = fmt.Sprintf("%s:%d", host, b.opt.HTTPPort)
	}
	return "http://" + host + "/.well-known/pki-validation/" + file
}

func builtinWildcard(n order.Name) bool {
	return n.Kind != order.IP && strings.HasPrefix(n.Value, "*.")
}

// builtinRootDomain is the registered domain of a name: the label below its public suffix. A name that
// has none (a single label, or itself a suffix run by a company) stands for itself: never wider than what was asked for.
func builtinRootDomain(name string) string {
	name = strings.TrimPrefix(name, "*.")
	root, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return name
	}
	return root
}

// giveUp is a refusal that ends the attempt.
func (b *Builtin) giveUp(what, where, id, detail, fix string) *order.Problem {
	return &order.Problem{Class: order.GiveUp, What: what, Where: where, Detail: detail, Fix: fix, ID: id, Owner: order.OwnerOwner, At: b.opt.Now(),
		Type: "urn:ietf:params:acme:error:rejectedIdentifier"}
}
