package verify

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"

	"certwright/internal/order"
	"certwright/internal/probe"
	"certwright/internal/secret"
)

// Times of a dynamic update.
const (
	updateWait  = 10 * time.Second // for one answer, the connection included
	tsigFudge   = 300              // seconds by which the two clocks may differ (RFC 8945 section 10)
	updateTTL   = 60               // of the records written, in seconds: what is remembered of them is soon forgotten
	tsigTimeLen = 12               // hexadecimal digits of the server's time in a BADTIME answer
)

// updater writes TXT records at a name server by signed dynamic updates (RFC 2136, RFC 8945). Every call is one connection.
type updater struct {
	account order.DNSAccount
	key     secret.Bytes // as name servers' configurations show it: base64
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	wall    func() time.Time // the time that the server's clock shows too, whatever ours is set to for a test
	now     func() time.Time
}

// add writes one value at a name beside those that are there, and remove takes exactly that value away: other
// records are not touched, and what is there already, or is not there, is no error.
func (u *updater) add(ctx context.Context, name, value string) error {
	return u.update(ctx, name, value, true)
}

func (u *updater) remove(ctx context.Context, name, value string) error {
	return u.update(ctx, name, value, false)
}

func (u *updater) update(ctx context.Context, name, value string, add bool) error {
	zone, err := u.zoneOf(ctx, name)
	if err != nil {
		return err
	}
	m := new(dns.Msg).SetUpdate(dns.Fqdn(zone))
	rr := &dns.TXT{Hdr: dns.RR_Header{Name: dns.Fqdn(name), Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: updateTTL}, Txt: []string{value}}
	what := "write the TXT record at " + name
	if add {
		m.Insert([]dns.RR{rr})
	} else {
		m.Remove([]dns.RR{rr})
		what = "remove the TXT record at " + name
	}
	r, err := u.ask(ctx, m)
	if err != nil {
		return u.unreached(what, err)
	}
	if r.Rcode != dns.RcodeSuccess || r.IsTsig() == nil {
		return u.refused(what, zone, name, r)
	}
	return nil
}

// zoneOf finds the zone of a name: the one whose SOA record the server gives for it. A server that does not
// answer questions is taken to have the account's own zone.
func (u *updater) zoneOf(ctx context.Context, name string) (string, error) {
	own := u.account.Covers(name)
	what := "find the zone of " + name
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeSOA)
	m.RecursionDesired = false
	r, err := u.ask(ctx, m)
	if err != nil {
		return "", u.unreached(what, err)
	}
	if t := r.IsTsig(); t != nil && t.Error != dns.RcodeSuccess {
		return "", u.refused(what, own, name, r)
	}
	if !r.Authoritative {
		return own, nil
	}
	for _, rr := range append(append([]dns.RR{}, r.Answer...), r.Ns...) {
		soa, ok := rr.(*dns.SOA)
		zone := strings.TrimSuffix(strings.ToLower(rr.Header().Name), ".")
		if ok && u.account.Covers(zone) != "" && dns.IsSubDomain(soa.Hdr.Name, dns.Fqdn(name)) {
			return zone, nil
		}
	}
	return own, nil
}

// errForged is an answer whose signature does not hold though the server does not say that ours did not.
var errForged = errors.New("the answer's signature does not fit")

// ask signs a message, sends it over TCP and reads the answer; an answer that says what is wrong with our
// signature is one, too.
func (u *updater) ask(ctx context.Context, m *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, updateWait)
	defer cancel()
	m.SetTsig(dns.Fqdn(u.account.Key), dns.Fqdn(u.account.Algorithm), tsigFudge, u.wall().Unix())
	text := string(u.key.Reveal())
	out, mac, err := dns.TsigGenerate(m, text, "", false)
	if err != nil {
		return nil, fmt.Errorf("sign the message: %w", err)
	}
	raw, err := u.dial(ctx, "tcp", u.account.Server)
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	c := &dns.Conn{Conn: raw}
	if _, err := c.Write(out); err != nil {
		return nil, err
	}
	in, err := c.ReadMsgHeader(nil)
	if err != nil {
		return nil, err
	}
	r := new(dns.Msg)
	if err := r.Unpack(in); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if r.Id != m.Id || !r.Response {
		return nil, errors.New("the answer is to another question")
	}
	t := r.IsTsig()
	if t == nil || t.Error != dns.RcodeSuccess || r.Rcode == dns.RcodeNotAuth { // of which the library verifies nothing
		return r, nil // what it says is judged by who asked; without our key it can say no more than no
	}
	if err := dns.TsigVerify(in, text, mac, false); err != nil {
		return nil, fmt.Errorf("%w: %w", errForged, err)
	}
	return r, nil
}

func (u *updater) problem(what, id, detail, cause, fix string) *order.Problem {
	return &order.Problem{Class: order.Retry, What: what, Where: "DNS account " + u.account.Name + " at " + u.account.Server, Owner: order.OwnerAdmin, At: u.now(),
		ID: id, Detail: detail, Cause: cause, Fix: fix}
}

// unreached is an update without an answer.
func (u *updater) unreached(what string, err error) *order.Problem {
	again := "; then: " + u.test()
	switch {
	case errors.Is(err, probe.ErrForbidden):
		return u.problem(what, "", err.Error(), "the configuration does not let Certwright connect to the account's server", "Allow the range in the configuration (network.private, network.loopback), or name another server"+again)
	case errors.Is(err, errForged):
		return u.problem(what, "dns-update-badsig", err.Error(), "the server's secret for this key is another one than the account's, or somebody answers in its place", u.renewSecret())
	}
	class := probe.ErrorClass(err)
	detail := err.Error()
	switch class {
	case probe.ClassTimeout:
		return u.problem(what, "", "no answer in time ("+detail+")", "a firewall drops TCP port 53 to the server, or it hangs", "Let TCP port 53 through to "+u.account.Server+again)
	case probe.ClassRefused:
		return u.problem(what, "", detail, "no name server listens on TCP at this address", "Start it, or correct the account's server"+again)
	}
	return u.problem(what, "", detail, "the connection to the account's server broke", "See whether the server runs and what it logs"+again)
}

func (u *updater) test() string { return "certwright dns-account test " + u.account.Name }

func (u *updater) renewSecret() string {
	return fmt.Sprintf("Give the account the secret that stands in the server's configuration for the key %s: certwright dns-account add %s --replace ...; then: %s", u.account.Key, u.account.Name, u.test())
}

// refused puts an answer other than yes into words: what it means at BIND, Knot DNS and PowerDNS.
func (u *updater) refused(what, zone, name string, r *dns.Msg) *order.Problem {
	if t := r.IsTsig(); t != nil && t.Error != dns.RcodeSuccess {
		return u.unsigned(what, t)
	}
	again := "; then: " + u.test()
	code := dns.RcodeToString[r.Rcode]
	detail := fmt.Sprintf("the server answers %s to the update of zone %s", code, zone)
	switch r.Rcode {
	case dns.RcodeRefused:
		return u.problem(what, "dns-update-refused", detail, fmt.Sprintf("the zone's policy does not let the key %s write TXT at %s", u.account.Key, name),
			fmt.Sprintf("Let it, in the zone's configuration (BIND: update-policy { grant %s subdomain %s TXT; };)", u.account.Key, dns.Fqdn(zone))+again)
	case dns.RcodeNotAuth, dns.RcodeNotZone:
		return u.problem(what, "dns-provider-zone-not-found", detail, "this server is not the primary of such a zone", "Let the account name the zone's primary server, and zones that it has"+again)
	case dns.RcodeServerFailure:
		return u.problem(what, "", detail, "it could not write: often its user may not write the journal beside the zone's file, or the zone is frozen or not loaded", "See the server's log (BIND: journalctl -u named); chown the zone's folder to its user; rndc thaw "+zone+again)
	case dns.RcodeNotImplemented, dns.RcodeFormatError:
		return u.problem(what, "dns-update-refused", detail, "this server takes no dynamic updates", "Name a server that does, and switch updates on for the zone"+again)
	case dns.RcodeSuccess:
		return u.problem(what, "dns-update-badsig", "the server says yes, but does not sign its answer", "somebody answers in its place, or a proxy takes the signature off", "Let the account name the server's own address"+again)
	}
	return u.problem(what, "", detail, "", "See the server's log"+again)
}

// unsigned is what a server holds against our signature (RFC 8945 section 5.2).
func (u *updater) unsigned(what string, t *dns.TSIG) *order.Problem {
	switch t.Error {
	case dns.RcodeBadKey:
		return u.problem(what, "dns-update-badkey", fmt.Sprintf("the server answers BADKEY: it knows no key %s of algorithm %s", u.account.Key, u.account.Algorithm),
			"the key has another name or algorithm there, or was removed", "Compare with the key in the server's configuration (BIND: rndc tsig-list); then: "+u.test())
	case dns.RcodeBadTime:
		detail := fmt.Sprintf("the server answers BADTIME: its clock and ours differ by more than %d s", tsigFudge)
		if raw, err := hex.DecodeString(t.OtherData); err == nil && len(t.OtherData) == tsigTimeLen {
			theirs := time.Unix(int64(binary.BigEndian.Uint64(append([]byte{0, 0}, raw...))), 0).UTC()
			ours := u.wall().UTC().Truncate(time.Second)
			detail = fmt.Sprintf("the server answers BADTIME: its clock shows %s, ours %s", theirs.Format(time.RFC3339), ours.Format(time.RFC3339))
		}
		return u.problem(what, "dns-update-badtime", detail, "one of the two clocks is wrong", "Compare both with the time (timedatectl), and let NTP set the one that is off; then: "+u.test())
	}
	return u.problem(what, "dns-update-badsig", fmt.Sprintf("the server answers %s: the signature does not fit", dns.RcodeToString[int(t.Error)]),
		fmt.Sprintf("the account's secret is not the one that the server has for the key %s", u.account.Key), u.renewSecret())
}
