// Package server assembles Certwright: it reads the configuration, builds every room, plugs them into one
// another, listens, and stops gracefully.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/idna"

	"certwright/internal/auth"
	"certwright/internal/deploy"
	"certwright/internal/fulfill"
	"certwright/internal/issue"
	"certwright/internal/keyvault"
	"certwright/internal/notify"
	"certwright/internal/order"
	"certwright/internal/probe"
	"certwright/internal/store"
	"certwright/internal/vault"
	"certwright/internal/verify"
	"certwright/internal/work"
)

// Options are what a Server is given besides its configuration.
type Options struct {
	Config  Config
	Environ []string // for passphrases
	Now     func() time.Time
	Logger  *slog.Logger
	Version string
	// Wrap, when set, may stand between the mover and a seam: the crash walk's tests do.
	Wrap func(*fulfill.Options)
	// WrapBuiltin may stand, for the same tests, between the built-in authority and its book of serial numbers.
	WrapBuiltin func(*issue.BuiltinOptions)
	// Around, when set, stands around everything that HTTPS serves: tests see with it what their clients really sent.
	Around func(http.Handler) http.Handler
}

// Server is Certwright: everything built and plugged together. New builds, Start serves, Close ends.
type Server struct {
	Options
	Store   *store.Store
	Mover   *fulfill.Mover
	Vault   *vault.Builtin
	Keys    *vault.SystemKeys
	Builtin *issue.Builtin
	Auth    *auth.Auth
	Work    *work.Work
	Prober  *probe.Prober
	Issuers *issuers
	DNS     dnsAccounts
	Vaults  *keyvault.Handler

	lock      *lock
	quota     *auth.Limiter // of the requests of each token; nil = no bound
	keyring   *vault.Keyring
	responder *verify.Responder
	deployer  *deploy.Deployer
	verifier  *verify.Verifier
	tls       *ownTLS
	hints     hints
	memo      memo
	examiner  *work.Examiner
	channels  []notify.Channel
	sender    *notify.Sender
	book      *notify.Book
	metrics   *metrics

	https    *http.Server
	http01   *http.Server
	figures  *http.Server
	stopped  sync.WaitGroup
	cancel   context.CancelFunc
	Address  string // where HTTPS listens, once started
	Metrics  string // where the metrics' own listener listens, once started; empty = none
	HTTP01   string // where the own http-01 listener listens, once started; empty = none
	FirstRun string // the first token, if this start made it
}

// New takes the data directory for this process alone, opens the database and builds every room. Nothing listens
// yet. A data directory in use, a wrong key-encryption key or a database of a newer program ends here with nothing
// written.
func New(ctx context.Context, o Options) (*Server, error) {
	s := &Server{Options: o}
	if err := os.MkdirAll(string(o.Config.Data), 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w\n  → name another with 'data' in the configuration, or CERTWRIGHT_DATA", err)
	}
	var err error
	if s.lock, err = takeLock(string(o.Config.Data)); err != nil {
		return nil, err
	}
	if s.Store, err = store.Open(ctx, store.Options{DSN: string(o.Config.Database.DSN), Now: o.Now}); err != nil {
		return nil, errors.Join(err, s.lock.release())
	}
	if err := s.build(ctx); err != nil {
		return nil, errors.Join(err, s.Store.Close(), s.lock.release())
	}
	return s, nil
}

func (s *Server) build(ctx context.Context) error {
	c := s.Config
	ko, err := s.keyringOptions()
	if err != nil {
		return err
	}
	kr, err := vault.OpenKeyring(ctx, ko, s.Store)
	if err != nil {
		return fmt.Errorf("open the key-encryption key: %w", err)
	}
	s.keyring = kr
	s.Keys = vault.NewSystemKeys(s.Store, kr)
	s.Vault = vault.NewBuiltin(vault.BuiltinOptions{Rows: s.Store, Keyring: kr, Now: s.Now, Retention: time.Duration(c.Retention.Secrets)})
	if s.Prober, err = s.newProber(); err != nil {
		return err
	}
	if s.Builtin, err = issue.NewBuiltin(context.WithoutCancel(ctx), s.authority()); err != nil {
		return err
	}
	s.Auth = auth.New(s.Store, s.Now)
	s.Auth.Replicas = s.Store.Kind() == "postgres"
	s.Issuers = &issuers{s: s, clients: map[string]*client{}, rows: map[string]seenRow{}}
	s.DNS = dnsAccounts{s}
	s.responder = verify.NewResponder(s.lookupProof)
	v := verify.Options{Now: s.Now, Webroots: paths(c.Webroots), Looker: s.Prober, HTTPPort: c.Authority.HTTPPort, Logger: s.Logger,
		Accounts: s.DNS, Dial: s.dialer().DialContext, Wall: time.Now}
	if c.HTTP01.Listen != "" {
		v.Responder = s.responder
	}
	s.verifier = verify.New(v)
	s.deployer = deploy.New(deploy.Options{Now: s.Now, Roots: paths(c.Roots), Commands: commands(c.Commands), Logger: s.Logger})
	s.buildWatch()
	fo := fulfill.Options{Store: s.Store, Authorities: s.Issuers, Verifier: s.verifier, Vault: vault.Own{Builtin: s.Vault}, Sealer: kr, Deployer: s.deployer, Prober: s.Prober,
		Hinter: &s.hints, Watcher: watcher{s}, Now: s.Now, Node: c.Node, Logger: s.Logger, MaxNames: c.Limits.Names}
	if s.Wrap != nil {
		s.Wrap(&fo)
	}
	s.Mover = fulfill.New(fo)
	if n := c.Limits.Requests; n > 0 {
		s.quota = &auth.Limiter{Most: n, Per: time.Minute}
	}
	s.Vaults = s.keyvault()
	return s.buildWork(ctx)
}

func (s *Server) keyringOptions() (vault.KeyringOptions, error) {
	k := s.Config.KEK
	phrase, err := Passphrase(k.PassphraseFile, k.Env, s.Environ)
	if err != nil {
		return vault.KeyringOptions{}, err
	}
	o := vault.KeyringOptions{Current: vault.Source{File: string(k.File), Passphrase: phrase}, Create: true}
	for _, older := range k.Older {
		phrase, err := Passphrase(older.PassphraseFile, older.Env, s.Environ)
		if err != nil {
			return o, err
		}
		o.Older = append(o.Older, vault.Source{File: string(older.File), Passphrase: phrase})
	}
	return o, nil
}

// authority are the options of the built-in authority.
func (s *Server) authority() issue.BuiltinOptions {
	a := s.Config.Authority
	o := issue.BuiltinOptions{Now: s.Now, Keys: s.Keys, Serials: s.Store, Looks: s.Prober, CRLURL: a.CRLURL, CAADomain: a.CAA, Organization: a.Organization, HTTPPort: a.HTTPPort,
		Validity: time.Duration(a.Validity.Default), MaxValidity: time.Duration(a.Validity.Max), MaxNames: max(s.Config.Limits.Names, fulfill.MaxNames)}
	if s.WrapBuiltin != nil {
		s.WrapBuiltin(&o)
	}
	return o
}

func (s *Server) guard() probe.Guard {
	return probe.Guard{AllowPrivate: s.Config.Network.Private, AllowLoopback: s.Config.Network.Loopback}
}

func paths(m map[string]Path) map[string]string {
	out := map[string]string{}
	for name, p := range m {
		out[name] = string(p)
	}
	return out
}

func commands(m map[string]Command) map[string]deploy.Command {
	out := map[string]deploy.Command{}
	for name, c := range m {
		var env []string
		for k, v := range c.Env {
			env = append(env, k+"="+v)
		}
		out[name] = deploy.Command{Argv: c.Argv, User: c.User, Dir: string(c.Dir), Env: env, Timeout: time.Duration(c.Timeout)}
	}
	return out
}

// quiet lets the engine see a lost order as no error.
type quiet struct{ m *fulfill.Mover }

func (q quiet) Advance(ctx context.Context, id order.ID) error {
	err := q.m.Advance(ctx, id)
	if errors.Is(err, fulfill.ErrNotFound) {
		return nil
	}
	return err
}

func (s *Server) buildWork(ctx context.Context) error {
	c := s.Config
	project := func(o *order.Order) order.Projection { return o.Project(s.Now()) }
	w, err := work.New(ctx, work.Options{
		SQLite: s.Store.RiverSQLite(), Pgx: s.Store.RiverPgx(), Mover: quiet{s.Mover}, Source: s.Store, Send: s.send, Now: s.Now, Node: c.Node, Logger: s.Logger,
		Busy: fulfill.ErrLeased, Workers: c.Workers, SweepEvery: time.Duration(c.Sweep.Due),
		Chores: []work.Chore{
			{Name: "projections", Every: time.Duration(c.Sweep.Projections), Run: func(ctx context.Context, now time.Time) (bool, error) {
				n, err := s.Store.RefreshProjections(ctx, now, 500, project)
				return n == 500, err
			}},
			{Name: "examine", Every: examineSweep, Run: s.examineDue},
			{Name: "notify", Every: outboxSweep, Run: s.drainOutbox},
			{Name: "prune", Every: time.Duration(c.Sweep.Prune), Run: func(ctx context.Context, now time.Time) (bool, error) {
				_, err := s.Store.Prune(ctx, store.PruneLimits{EventsBefore: now.Add(-time.Duration(c.Retention.Events))})
				return false, err
			}},
			{Name: "sessions", Every: time.Hour, Run: func(ctx context.Context, _ time.Time) (bool, error) { return false, s.Auth.Prune(ctx) }},
			{Name: "self-signed", Every: time.Hour, Run: func(ctx context.Context, now time.Time) (bool, error) { return false, s.renewSelf(ctx, now) }},
			{Name: "purge", Every: time.Duration(c.Sweep.Prune), Run: func(ctx context.Context, now time.Time) (bool, error) {
				_, err := s.Store.PurgeDue(ctx, now)
				return false, err
			}},
		},
	})
	if err != nil {
		return err
	}
	s.Work = w
	s.hints.to = w.Hint
	return nil
}

// hints passes hints on to the engine, which is built after the mover.
type hints struct {
	to func(ctx context.Context, id order.ID)
}

func (h *hints) Hint(ctx context.Context, id order.ID) {
	if h.to != nil {
		h.to(ctx, id)
	}
}

// lookupProof finds a proof that another replica works on; nothing is shared yet but the database's orders.
func (s *Server) lookupProof(ctx context.Context, token string) (string, bool) {
	value, err := s.Store.ProofByToken(ctx, token)
	return value, err == nil && value != ""
}

// listen opens an address and says in words why it cannot.
func listen(address, key string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w\n  → free the address, or name another with '%s' in the configuration", address, err, key)
	}
	return l, nil
}

// Start listens, makes the first token where there is none, and begins to work.
func (s *Server) Start(ctx context.Context) error {
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	ln, err := listen(s.Config.Listen, "listen")
	if err != nil {
		return err
	}
	s.Address = ln.Addr().String()
	if _, port, _ := net.SplitHostPort(s.Config.Listen); port == "0" {
		s.Config.URL = "https://" + s.Address
	}
	if s.tls, err = newOwnTLS(ctx, s); err != nil {
		return errors.Join(err, ln.Close())
	}
	if err := s.firstToken(ctx); err != nil {
		return errors.Join(err, ln.Close())
	}
	h := s.handler()
	if s.Around != nil {
		h = s.Around(h)
	}
	s.https = s.httpServer(h, "https")
	s.https.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.tls.get, Time: s.Now, NextProtos: []string{"h2", "http/1.1"}}
	s.serve(func() error { return s.https.ServeTLS(spoken{ln}, "", "") })
	if err := s.startHTTP01(); err != nil {
		return err
	}
	if err := s.startMetrics(); err != nil {
		return err
	}
	s.examiner.Start(ctx)
	if err := s.Work.Start(ctx); err != nil {
		return fmt.Errorf("start the work: %w", err)
	}
	s.stopped.Add(1)
	go func() {
		defer s.stopped.Done()
		s.tls.keep(ctx)
	}()
	return nil
}

func (s *Server) startHTTP01() error {
	if s.Config.HTTP01.Listen == "" {
		return nil
	}
	ln, err := listen(s.Config.HTTP01.Listen, "http01.listen")
	if err != nil {
		return err
	}
	s.HTTP01 = ln.Addr().String()
	s.http01 = s.httpServer(s.responder, "http01")
	s.serve(func() error { return s.http01.Serve(ln) })
	return nil
}

func (s *Server) httpServer(h http.Handler, name string) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 256 << 10,
		ErrorLog: slog.NewLogLogger(s.Logger.With("listener", name).Handler(), slog.LevelDebug)}
}

func (s *Server) serve(run func() error) {
	s.stopped.Add(1)
	go func() {
		defer s.stopped.Done()
		if err := run(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.Logger.Error("a listener ended", "error", err)
		}
	}()
}

// closeLimit is how long a graceful stop may take.
const closeLimit = 20 * time.Second

// Close stops gracefully: no new requests, running steps end at their next safe point, leases are let go.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	var errs []error
	if s.examiner != nil {
		s.examiner.Stop()
	}
	if s.Work != nil {
		errs = append(errs, s.Work.Stop(ctx))
	}
	if s.cancel != nil {
		s.cancel()
	}
	for _, h := range []*http.Server{s.figures, s.http01, s.https} {
		if h != nil {
			soon, cancel := context.WithTimeout(ctx, 2*time.Second)
			if h.Shutdown(soon) != nil { // followers hang on by design: they come back to another replica
				errs = append(errs, h.Close())
			}
			cancel()
		}
	}
	s.stopped.Wait()
	return errors.Join(append(errs, s.Store.Close(), s.lock.release())...) // the lock last: until then the files are ours
}

// firstToken makes the owner's token at the very first start.
func (s *Server) firstToken(ctx context.Context) error {
	tokens, err := s.Auth.Tokens(ctx)
	if err != nil || len(tokens) > 0 {
		return err
	}
	s.FirstRun, _, err = s.Auth.Issue(ctx, "owner", auth.Owner, "/", tokenLife)
	if errors.Is(err, fulfill.ErrExists) {
		return nil // another replica was first
	}
	return err
}

const tokenLife = 365 * 24 * time.Hour

// LocalToken makes the token of this machine's command line, in place of the one before.
func (s *Server) LocalToken(ctx context.Context) (string, error) {
	name := "local-" + strings.ToLower(s.Config.Node)
	if a, err := idna.ToASCII(name); err == nil {
		name = a
	}
	if err := s.Auth.Delete(ctx, name); err != nil && !errors.Is(err, fulfill.ErrNotFound) {
		return "", err
	}
	plain, _, err := s.Auth.Issue(ctx, name, auth.Owner, "/", tokenLife)
	return plain, err
}
