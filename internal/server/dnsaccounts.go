package server

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// dnsAccounts are where TXT records may be written: rows of the store, their secrets sealed beside.
type dnsAccounts struct{ s *Server }

func dnsKey(account string) string { return "dns-account/" + strings.ToLower(account) }

// DNSAccounts gives all accounts.
func (d dnsAccounts) DNSAccounts(ctx context.Context) ([]order.DNSAccount, error) {
	return d.s.Store.ListDNSAccounts(ctx)
}

// DNSKey opens an account's secret.
func (d dnsAccounts) DNSKey(ctx context.Context, name string) (secret.Bytes, error) {
	return d.s.Keys.GetSecret(ctx, dnsKey(name))
}

// List gives all accounts, without their secrets.
func (d dnsAccounts) List(ctx context.Context) ([]order.DNSAccount, error) {
	return d.s.Store.ListDNSAccounts(ctx)
}

// Get gives one account.
func (d dnsAccounts) Get(ctx context.Context, name string) (order.DNSAccount, error) {
	row, err := d.s.Store.LoadDNSAccount(ctx, name)
	if errors.Is(err, fulfill.ErrNotFound) {
		return order.DNSAccount{}, &order.Refusal{Kind: order.NotFound, Code: "DNSAccountNotFound", Message: fmt.Sprintf("there is no DNS account %s", name), Fix: "See the names with: certwright dns-account list"}
	}
	if err != nil {
		return order.DNSAccount{}, err
	}
	return *row, nil
}

// Put records an account, or changes one: an empty secret leaves the one that is kept. The same again changes nothing.
func (d dnsAccounts) Put(ctx context.Context, row order.DNSAccount, key secret.Bytes) (saved order.DNSAccount, created bool, err error) {
	if err := checkDNSAccount(&row, key); err != nil {
		return row, false, err
	}
	old, err := d.s.Store.LoadDNSAccount(ctx, row.Name)
	row.Created, row.Updated = d.s.Now(), d.s.Now()
	switch {
	case errors.Is(err, fulfill.ErrNotFound):
		if row.Revision, created = 0, true; len(key) == 0 {
			return row, false, badAccount("secret", "the key's secret is missing", "Give it as it stands in the name server's configuration, in base64")
		}
	case err != nil:
		return row, false, err
	case row.Revision != 0 && row.Revision != old.Revision:
		return row, false, stale(row.Name)
	default:
		row.Name, row.Revision, row.Created = old.Name, old.Revision, old.Created
		if same, err := d.same(ctx, *old, row, key); err != nil || same {
			return *old, false, err
		}
	}
	if len(key) > 0 {
		if err := d.s.Keys.PutSecret(ctx, dnsKey(row.Name), key); err != nil {
			return row, false, fmt.Errorf("keep the secret of the DNS account: %w", err)
		}
	}
	err = d.s.Store.SaveDNSAccount(ctx, &row)
	if errors.Is(err, fulfill.ErrExists) || errors.Is(err, fulfill.ErrConflict) {
		return row, false, stale(row.Name)
	}
	return row, created, err
}

// same says whether an account that is there says what is asked for already, its secret included.
func (d dnsAccounts) same(ctx context.Context, old, row order.DNSAccount, key secret.Bytes) (bool, error) {
	if old.Kind != row.Kind || old.Server != row.Server || !slices.Equal(old.Zones, row.Zones) || old.Key != row.Key || old.Algorithm != row.Algorithm {
		return false, nil
	}
	if len(key) == 0 {
		return true, nil
	}
	kept, err := d.DNSKey(ctx, old.Name)
	if err != nil {
		return false, fmt.Errorf("open the secret of DNS account %s: %w", old.Name, err)
	}
	defer kept.Wipe()
	return subtle.ConstantTimeCompare(kept, key) == 1, nil
}

func stale(account string) error {
	return &order.Refusal{Kind: order.Stale, Code: "PreconditionFailed", Message: fmt.Sprintf("DNS account %s was changed meanwhile", account), Fix: "Read it again and repeat the change"}
}

func badAccount(property, message, fix string) error {
	return &order.Refusal{Kind: order.BadInput, Code: "InvalidDNSAccount", Property: property, Message: message, Fix: fix}
}

// checkDNSAccount checks what an account says of itself, and its secret where it is given, and gives it its usual form.
func checkDNSAccount(a *order.DNSAccount, key secret.Bytes) error {
	if len(key) > 0 {
		if err := checkTSIGSecret(key); err != nil {
			return err
		}
	}
	if err := order.ValidName(a.Name); err != nil {
		return badAccount("name", err.Error(), "")
	}
	if !slices.Contains(order.DNSAccountKinds, a.Kind) {
		return badAccount("kind", fmt.Sprintf("there is no kind of DNS account %q", a.Kind), "Use "+strings.Join(order.DNSAccountKinds, " or ")+
			" (dynamic updates signed with a TSIG key: BIND, Knot DNS, PowerDNS, Windows). For another provider let a CNAME at _acme-challenge lead to a zone on such a server")
	}
	host, port, err := net.SplitHostPort(a.Server)
	if err != nil {
		host, port = strings.Trim(a.Server, "[]"), "53"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || host == "" {
		return badAccount("server", fmt.Sprintf("%q is no address of a name server", a.Server), "Give HOST or HOST:PORT, an IPv6 address in brackets")
	}
	if name, err := fulfill.ParseName(host); err != nil || strings.HasPrefix(name.Value, "*") {
		return badAccount("server", fmt.Sprintf("%q is neither a host name nor an address", host), "Give HOST or HOST:PORT, an IPv6 address in brackets")
	}
	a.Server = net.JoinHostPort(host, port)
	if len(a.Zones) == 0 {
		return badAccount("zones", "the account has no zone", "Give each zone that it may write, such as example.com")
	}
	for i, z := range a.Zones {
		z = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(z), "."))
		if !validZone(z) {
			return badAccount("zones", fmt.Sprintf("%q is no zone", a.Zones[i]), "Give its name, such as example.com; an underscore is allowed, a wildcard is not")
		}
		a.Zones[i] = z
	}
	slices.Sort(a.Zones)
	a.Zones = slices.Compact(a.Zones)
	if a.Algorithm = strings.ToLower(strings.TrimSuffix(a.Algorithm, ".")); a.Algorithm == "" {
		a.Algorithm = order.TSIGAlgorithms[0]
	}
	if !slices.Contains(order.TSIGAlgorithms, a.Algorithm) {
		return badAccount("algorithm", fmt.Sprintf("TSIG algorithm %q is not known", a.Algorithm), "Use one of "+strings.Join(order.TSIGAlgorithms, ", "))
	}
	if a.Key = strings.ToLower(strings.TrimSuffix(a.Key, ".")); !validZone(a.Key) {
		return badAccount("key", fmt.Sprintf("%q is no name of a TSIG key", a.Key), "Give it as it stands in the name server's configuration")
	}
	return nil
}

// validZone says whether a name can be a zone's or a key's: labels of letters, digits, hyphens and underscores.
func validZone(z string) bool {
	if z == "" || len(z) > 253 {
		return false
	}
	for _, l := range strings.Split(z, ".") {
		if l == "" || len(l) > 63 || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

func checkTSIGSecret(key secret.Bytes) error {
	raw, err := base64.StdEncoding.DecodeString(string(key.Reveal()))
	defer clear(raw)
	if err != nil || len(raw) == 0 {
		return badAccount("secret", "the secret is not base64", "Copy it as it stands in the name server's configuration (BIND: secret \"...\")")
	}
	return nil
}

// Test writes a record into each zone of an account and takes it away again.
func (d dnsAccounts) Test(ctx context.Context, name string) ([]order.ZoneTest, error) {
	row, err := d.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	key, err := d.DNSKey(ctx, row.Name)
	if err != nil {
		return nil, fmt.Errorf("open the secret of DNS account %s: %w", row.Name, err)
	}
	defer key.Wipe()
	return d.s.verifier.TestAccount(ctx, row, key), nil
}

// mostNamed is how many of the orders that name an account its refusal names.
const mostNamed = 5

// named refuses while orders name an account: their next version could not be verified.
func (d dnsAccounts) named(ctx context.Context, account string) error {
	ids, err := d.s.Store.OrdersByDNSAccount(ctx, account, mostNamed+1)
	if err != nil || len(ids) == 0 {
		return err
	}
	var names []string
	for _, id := range ids[:min(len(ids), mostNamed)] {
		names = append(names, id.Name)
	}
	who := "order " + names[0] + " names it"
	if len(names) > 1 {
		who = "orders " + strings.Join(names, ", ") + " name it"
	}
	if len(ids) > mostNamed {
		who = "orders " + strings.Join(names, ", ") + " and others name it"
	}
	return &order.Refusal{Kind: order.Conflict, Code: "DNSAccountInUse", Message: fmt.Sprintf("DNS account %s is in use: %s, and could not be verified again without it", account, who),
		Fix: "Give each another one first, or none: certwright order update " + names[0] + " --dns-account OTHER"}
}

// Remove removes an account that no order names and that has no record published, and forgets its secret.
func (d dnsAccounts) Remove(ctx context.Context, name string) error {
	row, err := d.Get(ctx, name)
	if err != nil {
		return err
	}
	if err := d.named(ctx, row.Name); err != nil {
		return err
	}
	user, found, err := d.s.Store.OrderPublishing(ctx, row.Name)
	if err != nil {
		return err
	}
	if found {
		return &order.Refusal{Kind: order.Conflict, Code: "DNSAccountInUse", Message: fmt.Sprintf("order %s has a record published by DNS account %s, which nobody could remove then", user.Name, row.Name),
			Fix: "Wait until the order is issued, or cancel it: certwright order show " + user.Name}
	}
	if err := d.s.Store.DeleteDNSAccount(ctx, &row); err != nil {
		return err
	}
	return d.s.Keys.PutSecret(ctx, dnsKey(row.Name), secret.Bytes("removed"))
}
