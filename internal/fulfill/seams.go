// Package fulfill moves orders. A command (create, renew, sync ...) records a wish; Advance takes an
// order as far down its path as it can go: it asks order.Next which steps are due, does them, and
// records what came of each with order.Apply. It declares here everything it needs of the rooms
// beside it; server plugs them in.
package fulfill

import (
	"context"
	"crypto"
	"errors"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/site"
)

// Errors of a Store, matched with errors.Is.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	ErrConflict = errors.New("changed by someone else meanwhile") // the revision moved on
	ErrLeased   = errors.New("another worker holds the lease")
)

// Store keeps orders. Every write of an order is one transaction: the row under its revision, its
// parts, its projection, the rollup and its events.
type Store interface {
	// CreateOrder writes a new order with its first events. ErrExists if its id is taken.
	CreateOrder(ctx context.Context, o *order.Order, p order.Projection, events []order.Event) error
	// LoadOrder reads an order whole. ErrNotFound.
	LoadOrder(ctx context.Context, id order.ID) (*order.Order, error)
	// SaveOrder writes o if the stored revision is still o.Revision, then counts o.Revision up; it sets
	// Seq, Prev and Hash of the events and o.Seq and o.Hash. ErrConflict changes nothing, o included.
	// The stored lease and due time become o's.
	SaveOrder(ctx context.Context, o *order.Order, p order.Projection, events []order.Event) error
	// LeaseOrder takes the lease until the given time for node and reads the order, in one
	// transaction. ErrLeased if another node holds a lease that has not ended by now, or the same
	// node holds one already. It counts the revision up.
	LeaseOrder(ctx context.Context, id order.ID, node string, now, until time.Time) (*order.Order, error)
	// DeleteOrder removes the order under its revision, keeping its events (for their retention).
	DeleteOrder(ctx context.Context, o *order.Order, events []order.Event) error
	// MoveOrder replaces the order, under its revision, by what it is under another id. ErrExists if that is taken.
	MoveOrder(ctx context.Context, o, moved *order.Order, p order.Projection, left, came []order.Event) error
	// OrdersBySite and OrdersByNames list ids of orders that use a site, or cover exactly these names.
	OrdersBySite(ctx context.Context, subscription, group, site string) ([]order.ID, error)
	OrdersByNames(ctx context.Context, names []string) ([]order.ID, error)

	// LoadSite reads a site. ErrNotFound.
	LoadSite(ctx context.Context, subscription, group, name string) (*site.Site, error)
	// SaveSite writes a site if its stored revision is s.Revision (0 = it must be new) and counts it up.
	SaveSite(ctx context.Context, s *site.Site) error
	ListSites(ctx context.Context, subscription, group string) ([]site.Site, error)
	DeleteSite(ctx context.Context, s *site.Site) error

	// LoadIssuer, SaveIssuer, ListIssuers: as for sites; issuers belong to the whole service.
	LoadIssuer(ctx context.Context, name string) (*order.Issuer, error)
	SaveIssuer(ctx context.Context, i *order.Issuer) error
	ListIssuers(ctx context.Context) ([]order.Issuer, error)
	DeleteIssuer(ctx context.Context, i *order.Issuer) error

	ListDNSAccounts(ctx context.Context) ([]order.DNSAccount, error)
	// LoadDNSAccount reads a DNS account. ErrNotFound.
	LoadDNSAccount(ctx context.Context, name string) (*order.DNSAccount, error)

	// SubscriptionState is "Enabled", "Warned" or "Disabled". ErrNotFound.
	SubscriptionState(ctx context.Context, subscription string) (string, error)
	// GroupExists says whether the resource group is there.
	GroupExists(ctx context.Context, subscription, group string) (bool, error)
}

// Authority is one issuer as the mover sees it: an ACME account or the built-in authority. Every
// method may be repeated after a crash with the same arguments and then goes on where it was. An error
// that is an *order.Problem says by its Class what to do; any other is retried. A Problem with an Until
// is not tried again before it.
type Authority interface {
	// Begin opens an order for the names, re-using a pending one of the same names where the authority
	// has it, and says what has to be published. Nothing is asked to be validated yet.
	Begin(ctx context.Context, r Request) (Opening, error)
	// Validate tells the authority that the proofs are published and waits, polling quickly at first,
	// until each is valid or refused or ctx ends. It returns the proofs with Done and Problem set. An
	// error of class Waiting says for whom. A refused proof is not an error of Validate.
	Validate(ctx context.Context, r Request, o Opening) ([]order.Proof, error)
	// Finalise submits the CSR once (an order that is processing or valid already is not finalised
	// again) and returns the chain in DER, leaf first.
	Finalise(ctx context.Context, r Request, o Opening, csr []byte) ([][]byte, error)
	// Abandon lets an order at the authority go (deactivates its pending authorizations); best effort.
	Abandon(ctx context.Context, r Request, o Opening) error
	// Revoke withdraws a certificate (DER). One that is revoked already is no error.
	Revoke(ctx context.Context, cert []byte, reason int) error
	// RenewalInfo is the suggested window for a certificate (leaf and its issuer in DER), its CertID and
	// when to ask again; a nil window where the authority has none.
	RenewalInfo(ctx context.Context, leaf []byte) (Renewal, error)
	// Observe looks at the authority and the account: no verdict.
	Observe(ctx context.Context) []evidence.Observation
}

// Request is what an attempt asks for.
type Request struct {
	Order    order.ID
	Attempt  string                      // the attempt's id
	Names    []order.Name                // the first is the common name
	Method   order.Method                // MethodNone = the authority's default
	Tokens   map[string]string           // domain verification token of each name (built-in authority), by Name.Value
	Proven   map[string]order.Identifier // names whose control is shown and still valid (built-in authority)
	Validity time.Duration
	Profile  string
	Replaces string // CertID of the version that this one replaces, empty = none
}

// Opening is an order at the authority.
type Opening struct {
	URL      string
	Account  string
	Expires  *time.Time
	Proofs   []order.Proof
	Replaced bool // the authority took Replaces
}

// Renewal is renewal information.
type Renewal struct {
	CertID string
	Window *order.Window
	Again  time.Time // when to ask again; zero = never, the authority has no renewal information
}

// Authorities gives the authority of an issuer's name. ErrNotFound.
type Authorities interface {
	Authority(ctx context.Context, issuer string) (Authority, Traits, error)
	// Hold records that the issuer asked the whole account not to come before p.Until; nil = that is over.
	Hold(ctx context.Context, issuer string, p *order.Problem) error
}

// Traits are what the mover has to know of an issuer.
type Traits struct {
	InFlight int  // attempts at once; 0 = 4
	Patient  bool // asking it to validate too early costs nothing (the built-in authority)
	Wildcard bool // it issues for wildcards by the methods that Certwright has for it
	Internal bool // it issues for names that no public authority knows
	// Hold is what the issuer asked of the whole account last: not to come before its Until. nil = nothing.
	Hold *order.Problem
}

// Verifier publishes proofs where an authority will look, and withdraws them. Both may be repeated;
// withdrawing what is not there is no error.
type Verifier interface {
	// Publish makes the proof visible at the sites' webroots and the own listener, or returns a Problem of
	// class Waiting whose Fix tells the owner what to publish by hand (TXT with no way to write the zone).
	Publish(ctx context.Context, sites []site.Site, p order.Proof) error
	Withdraw(ctx context.Context, sites []site.Site, p order.Proof) error
	// Locate fills in where a record of dns-01 is to stand and which DNS account writes it: the named one, or, empty, the
	// one whose zone fits best; none = its owner. A proof of another method comes back as it is.
	Locate(ctx context.Context, account string, p order.Proof) (order.Proof, error)
	// LeavesNothing says whether Publish writes the proof into this process's memory alone, so that a crash
	// withdraws it.
	LeavesNothing(sites []site.Site, p order.Proof) bool
	// Preflight looks at the proof from here before the authority is asked: evidence, never a gate.
	Preflight(ctx context.Context, p order.Proof) []evidence.Observation
}

// Vault keeps keys with their certificates. A Problem's Vault field carries Key Vault's word for it.
type Vault interface {
	// Put writes one version of a certificate: key and chain together or not at all. The id is the caller's;
	// writing the same id again with the same content is no error.
	Put(ctx context.Context, c Certificate) error
	// Get opens a version (id empty = the newest enabled one).
	Get(ctx context.Context, vault, name, id string) (Certificate, error)
	// SetExpiry and the like are attributes: Disable marks a version as not to be used (revoked).
	Disable(ctx context.Context, vault, name, id string) error
	// Enable undoes Disable. secret.ErrNotFound when the version is not there.
	Enable(ctx context.Context, vault, name, id string) error
	// Recover undoes Delete, with all versions. secret.ErrNotFound when the secret is not soft-deleted.
	Recover(ctx context.Context, vault, name string) error
	// Delete soft-deletes the secret with all its versions; not there is no error.
	Delete(ctx context.Context, vault, name string) error
	// Exists says whether the vault is there: nil, or a Problem.
	Exists(ctx context.Context, vault string) error
	// Ready says whether Certwright may store in the vault and read there what is deployed: nil, or a Problem.
	Ready(ctx context.Context, vault string) error
	// ObserveSecret looks at the secret and whether it holds the serial as its current version.
	ObserveSecret(ctx context.Context, vault, name, serial string) []evidence.Observation
}

// Certificate is a key with its chain, as it goes into a vault and to a target.
type Certificate struct {
	Vault, Name, ID string
	Key             crypto.Signer // nil = without its key (never put)
	Chain           [][]byte      // DER, leaf first, as sent by the authority, without the root
	Content         string        // secret.ContentPFX or secret.ContentPEM
	Tags            map[string]string
	Author          string
}

// Sealer seals what must lie in the database unread: an attempt's private key. aad binds the sealed
// bytes to their place; opening with another fails.
type Sealer interface {
	Seal(plain secret.Bytes, aad string) ([]byte, error)
	Open(sealed []byte, aad string) (secret.Bytes, error)
}

// Deployer puts versions to targets. A Problem's What and Where name the file, the command, the host.
type Deployer interface {
	// Check says whether a target's settings can be used here: its root and reload command are
	// configured, no path leads out of the root. Nothing is written.
	Check(t site.Target) error
	// Observe looks at what the target holds now, compared with the certificate: one observation a
	// file and one with Check "serial" whose outcome says whether it holds cert's serial throughout.
	Observe(ctx context.Context, t site.Target, c Certificate) []evidence.Observation
	// Put makes the target hold the certificate, runs its reload and gives a receipt. If the reload fails, what was
	// there before is put back and loaded again before Put returns its Problem.
	Put(ctx context.Context, s site.Site, t site.Target, c Certificate) (order.Receipt, error)
	// Reload runs the target's reload command though no file changed, for a server that holds older ones; nil and no
	// error where the target has none. A failure is a Problem, and leaves everything as it was.
	Reload(ctx context.Context, t site.Target) (*evidence.Reload, error)
	// TakeBack puts back what was there before the push of that receipt, and reloads.
	TakeBack(ctx context.Context, t site.Target, r order.Receipt) error
	// Settle lets go of what a receipt keeps for TakeBack.
	Settle(ctx context.Context, t site.Target, r order.Receipt) error
}

// Prober looks at the wire.
type Prober interface {
	// LookTLS looks at every address of the endpoint. It gives one observation of Check "serial" for each address, its Data an
	// evidence.Served, its outcome PASS when the leaf's serial is the expected one (any, when expected is empty).
	LookTLS(ctx context.Context, e site.Endpoint, expected string) []evidence.Observation
}

// Watcher examines orders and keeps what it finds with Mover.Examined.
type Watcher interface {
	// Stir says that an order's finding may be another now: a step failed, or something went well in an order that
	// is not. It never blocks; what it loses, the periodic examination finds.
	Stir(id order.ID, failed bool)
	// Happened says what was just recorded of an order, after the commit. It never blocks.
	Happened(o *order.Order, events []order.Event)
}

// Hinter passes on that an order should be looked at soon. A lost hint loses nothing.
type Hinter interface {
	Hint(ctx context.Context, id order.ID)
}
