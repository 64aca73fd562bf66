package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// Accounts are the DNS accounts that there are; server's are in the database.
type Accounts interface {
	DNSAccounts(ctx context.Context) ([]order.DNSAccount, error)
	// DNSKey is an account's secret.
	DNSKey(ctx context.Context, name string) (secret.Bytes, error)
}

// Locate says of a proof of dns-01 where its record is to stand, at the end of the CNAMEs that lead on from
// _acme-challenge, and which DNS account writes it: the named one, else the one with the longest zone. Without an
// account its owner writes it. Nothing is written. A proof of another method is given back as it is.
func (v *Verifier) Locate(ctx context.Context, account string, p order.Proof) (order.Proof, error) {
	if p.Method != order.MethodDNS01 {
		return p, nil
	}
	p.Place, p.Account = v.placeOf(ctx, p), ""
	if v.o.Accounts == nil {
		return p, nil
	}
	list, err := v.o.Accounts.DNSAccounts(ctx)
	if err != nil {
		return p, fmt.Errorf("read the DNS accounts: %w", err)
	}
	if account == "" {
		if a := order.ChooseDNSAccount(list, p.Place); a != nil {
			p.Account = a.Name
		}
		return p, nil
	}
	i := slices.IndexFunc(list, func(a order.DNSAccount) bool { return strings.EqualFold(a.Name, account) })
	if i < 0 {
		return p, v.noAccount(p, account)
	}
	if list[i].Covers(p.Place) == "" {
		fix := "Order without --dns-account, or name one that has the zone; or add the zone: certwright dns-account add " + account + " --replace --zone ..."
		if p.Place != order.ChallengeName(p.Name.Value) {
			fix += fmt.Sprintf(". The CNAME at %s leads to %s", order.ChallengeName(p.Name.Value), p.Place)
		}
		return p, &order.Problem{Class: order.Retry, What: "write the TXT record for " + p.Name.Value, Where: "DNS account " + list[i].Name, Owner: order.OwnerOwner, At: v.o.Now(), ID: "dns-provider-zone-not-found",
			Detail: fmt.Sprintf("%s is in none of its zones: %s", p.Place, strings.Join(list[i].Zones, ", ")), Cause: "the order names this account, and the record stands elsewhere", Fix: fix}
	}
	p.Account = list[i].Name
	return p, nil
}

// placeOf is the name at the end of the CNAMEs from _acme-challenge. Where nobody answers it is that name itself.
func (v *Verifier) placeOf(ctx context.Context, p order.Proof) string {
	name := order.ChallengeName(p.Name.Value)
	if v.o.Looker == nil {
		return name
	}
	ctx, cancel := context.WithTimeout(ctx, v.o.LookFor)
	defer cancel()
	for _, o := range v.o.Looker.LookServers(ctx, name, "TXT") {
		if r, ok := evidence.Decode[evidence.Resolved](o); ok && len(r.CNAMEs) > 0 {
			return strings.ToLower(r.CNAMEs[len(r.CNAMEs)-1])
		}
	}
	return name
}

// publishDNS writes the record with the proof's account; without one it looks whether its owner has.
func (v *Verifier) publishDNS(ctx context.Context, p order.Proof) error {
	if p.Account == "" {
		return v.dnsByHand(ctx, p)
	}
	u, err := v.updater(ctx, p.Account)
	if err != nil {
		return v.orNoAccount(err, p)
	}
	return u.add(ctx, p.Place, p.Value)
}

// withdrawDNS takes away exactly the value that was written.
func (v *Verifier) withdrawDNS(ctx context.Context, p order.Proof) error {
	if p.Account == "" {
		return nil // its owner published it
	}
	u, err := v.updater(ctx, p.Account)
	if err == nil {
		err = u.remove(ctx, p.Place, p.Value)
	}
	return v.orNoAccount(err, p)
}

// errNoAccount is an account that is there no more.
var errNoAccount = errors.New("there is no such DNS account")

func (v *Verifier) orNoAccount(err error, p order.Proof) error {
	if errors.Is(err, errNoAccount) {
		return v.noAccount(p, p.Account)
	}
	return err
}

func (v *Verifier) noAccount(p order.Proof, account string) *order.Problem {
	return &order.Problem{Class: order.Retry, What: "write the TXT record for " + p.Name.Value, Where: "DNS account " + account, Owner: order.OwnerOwner, At: v.o.Now(),
		Detail: "there is no such DNS account", Cause: "it was removed, or its name is mistyped in the order", Fix: "See those that are there with: certwright dns-account list"}
}

// updater is an account in use.
func (v *Verifier) updater(ctx context.Context, name string) (*updater, error) {
	if v.o.Accounts == nil {
		return nil, errNoAccount
	}
	list, err := v.o.Accounts.DNSAccounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the DNS accounts: %w", err)
	}
	i := slices.IndexFunc(list, func(a order.DNSAccount) bool { return strings.EqualFold(a.Name, name) })
	if i < 0 {
		return nil, errNoAccount
	}
	key, err := v.o.Accounts.DNSKey(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open the secret of DNS account %s: %w", name, err)
	}
	return v.with(list[i], key), nil
}

func (v *Verifier) with(a order.DNSAccount, key secret.Bytes) *updater {
	return &updater{account: a, key: key, dial: v.o.Dial, wall: v.o.Wall, now: v.o.Now}
}

// dnsByHand looks whether the owner has published the record, and tells what to publish.
func (v *Verifier) dnsByHand(ctx context.Context, p order.Proof) error {
	if v.visible(ctx, p) {
		return nil
	}
	place := p.Place
	if place == "" {
		place = order.ChallengeName(p.Name.Value)
	}
	record := fmt.Sprintf("%s. %d IN TXT %q", place, txtTTL, p.Value)
	return &order.Problem{Class: order.Waiting, What: "publish the TXT record for " + p.Name.Value, Where: place, Owner: order.OwnerOwner, At: v.o.Now(),
		Detail: "the record is not at every name server of the zone yet", Cause: "no DNS account has the zone, so its owner has to publish it",
		Fix: "publish this DNS record, beside those that are there: " + record + "; or let Certwright do it: certwright dns-account add NAME --zone ZONE ..."}
}

// lookServers looks for the value at every name server of the zone.
func (v *Verifier) lookServers(ctx context.Context, p order.Proof) []evidence.Observation {
	seen := v.o.Looker.LookServers(ctx, order.ChallengeName(p.Name.Value), "TXT")
	for i := range seen {
		holds(&seen[i], p.Value)
	}
	return seen
}

// holds judges an answer by whether it has the value among its records.
func holds(o *evidence.Observation, value string) {
	o.Check, o.Expected = checkProof, value
	r, ok := evidence.Decode[evidence.Resolved](*o)
	if o.Outcome == evidence.Pass && (!ok || !slices.Contains(r.Records, value)) {
		o.Outcome, o.Reason = evidence.Fail, fmt.Sprintf("none of the %d TXT records has the value", len(r.Records))
	}
}

// Dialer connects to the servers of DNS accounts; it is where addresses that may not be reached are refused.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// TestAccount writes a record that nobody needs into every zone of an account, takes it away again, and says what came
// of each. Nothing is recorded.
func (v *Verifier) TestAccount(ctx context.Context, a order.DNSAccount, key secret.Bytes) []order.ZoneTest {
	out := make([]order.ZoneTest, len(a.Zones))
	u := v.with(a, key)
	for i, z := range a.Zones {
		out[i] = order.ZoneTest{Zone: z, Name: testName(z)}
		value := strings.TrimPrefix(newCanary(), canaryPrefix)
		err := u.add(ctx, out[i].Name, value)
		if err == nil {
			out[i].Written = true
			err = u.remove(context.WithoutCancel(ctx), out[i].Name, value)
		}
		out[i].Problem = order.AsProblem(err, "test DNS account "+a.Name, v.o.Now())
	}
	return out
}

// ObserveAccount asks an account's server, for each zone, to remove a value that is not there: so that it checks the
// key, the clocks, the zone and its policy, and changes nothing. One observation a zone, of Check "dns-account".
func (v *Verifier) ObserveAccount(ctx context.Context, name string) []evidence.Observation {
	u, err := v.updater(ctx, name)
	if err != nil {
		return []evidence.Observation{{Probe: evidence.ProbeDNS, Check: evidence.CheckDNSAccount, Subject: "DNS account " + name, Outcome: evidence.Unknown, Reason: err.Error(), From: v.o.From, At: v.o.Now()}}
	}
	out := make([]evidence.Observation, 0, len(u.account.Zones))
	for _, z := range u.account.Zones {
		out = append(out, u.observe(ctx, z, v.o.From))
	}
	return out
}

// testName is a name below a zone at which nothing but tests stands.
func testName(zone string) string { return order.ChallengeName("certwright-test." + zone) }

// observe asks for one zone.
func (u *updater) observe(ctx context.Context, zone, from string) evidence.Observation {
	start, name := u.now(), testName(zone)
	host, port, _ := net.SplitHostPort(u.account.Server)
	o := evidence.Observation{Probe: evidence.ProbeDNS, Check: evidence.CheckDNSAccount, Subject: "DNS account " + u.account.Name + " zone " + zone, Outcome: evidence.Pass,
		Expected: "NOERROR to an update that changes nothing", Seen: "NOERROR: the server takes the key, and its policy allows it", From: from, At: start,
		Command: fmt.Sprintf("printf 'server %s %s\\nzone %s\\nupdate delete %s TXT \"none\"\\nsend\\n' | nsupdate -k KEYFILE", host, port, zone, name)}
	fact := evidence.DNSAccount{Name: u.account.Name, Server: u.account.Server, Zone: zone, Key: u.account.Key, Algorithm: u.account.Algorithm}
	var p *order.Problem
	if errors.As(u.remove(ctx, name, newCanary()), &p) {
		o.Outcome, o.Reason, o.Seen = evidence.Fail, p.Cause, p.Detail
		fact.ID, fact.Detail, fact.Cause, fact.Fix = p.ID, p.Detail, p.Cause, p.Fix
		if p.ID == "" {
			o.Outcome = evidence.Unknown
		}
	}
	o.Took = u.now().Sub(start)
	return o.With(fact)
}
