package probe

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"certwright/internal/evidence"
)

// zoneSec is a zone's place in the chain of keys.
type zoneSec struct {
	fact evidence.ZoneSec
	keys []*dns.DNSKEY // trusted; only of a secure zone
}

// Algorithms and digests that can be checked here (RFC 8624); others make a zone insecure, never broken
// (RFC 4035 section 5.2).
var (
	algorithms = map[uint8]bool{dns.RSASHA1: true, dns.RSASHA1NSEC3SHA1: true, dns.RSASHA256: true, dns.RSASHA512: true,
		dns.ECDSAP256SHA256: true, dns.ECDSAP384SHA384: true, dns.ED25519: true}
	digests = map[uint8]bool{dns.SHA1: true, dns.SHA256: true, dns.SHA384: true}
)

// secure computes the chain into a zone, its parent's first. Everything has been answered by then, except the
// DNSKEY records of zones that only servers' addresses needed.
func (w *walker) secure(ctx context.Context, z *zone) *zoneSec {
	if z.sec != nil {
		return z.sec
	}
	sec := &zoneSec{}
	z.sec = sec
	sec.fact.DS = w.anchors(z.name)
	known := len(sec.fact.DS) > 0
	if z.parent == nil && !known {
		w.trustOnSight(ctx, z, sec)
		return sec
	}
	if z.parent != nil && !known {
		up := w.secure(ctx, z.parent)
		if up.fact.State != evidence.SecSecure {
			sec.fact.State, sec.fact.Why = up.fact.State, "parent"
			return sec
		}
		if !w.readDS(ctx, z, up, sec) {
			return sec
		}
	}
	w.matchKeys(ctx, z, sec)
	if z.parent == nil && (sec.fact.Why == evidence.KeyMismatch || sec.fact.Why == evidence.KeyNone) {
		// Another root than the anchor is of: a private DNS, or an old anchor. That is no fault of any zone.
		*sec = zoneSec{}
		w.trustOnSight(ctx, z, sec)
	}
	return sec
}

// anchors are the keys trusted beforehand for a zone, as DS records.
func (w *walker) anchors(name string) (out []evidence.DSFact) {
	list := w.p.opt.Anchors
	if len(list) == 0 && len(w.p.opt.Roots) == 0 {
		list = BuiltinAnchors()
	}
	for _, a := range list {
		if a.Zone == name {
			out = append(out, evidence.DSFact{Tag: a.Tag, Algorithm: a.Algorithm, DigestType: a.DigestType, Digest: a.Digest, Supported: algorithms[a.Algorithm] && digests[a.DigestType]})
		}
	}
	return out
}

// trustOnSight takes the root zone's own keys where no anchor fits it: what is below can then be checked for
// itself.
func (w *walker) trustOnSight(ctx context.Context, z *zone, sec *zoneSec) {
	keys, _, _, ok := w.dnskeys(ctx, z)
	switch {
	case !ok:
		sec.fact.State, sec.fact.Text = evidence.SecUnknown, "no server gave the zone's DNSKEY records"
	case len(keys) == 0:
		sec.fact.State, sec.fact.Why = evidence.SecInsecure, "unsigned"
	default:
		sec.fact.State, sec.fact.Text, sec.keys = evidence.SecSecure, "no trust anchor fits this root zone: its keys are taken as they are", keys
		sec.fact.Keys = keyFacts(keys)
	}
}

// readDS reads the DS records at the parent, or the proof that there are none. False ends the chain.
func (w *walker) readDS(ctx context.Context, z *zone, up *zoneSec, sec *zoneSec) bool {
	r := w.query(ctx, z.parent, z.name, dns.TypeDS).first(ctx)
	if r == nil || r.plain {
		sec.fact.State, sec.fact.Text = evidence.SecUnknown, "the DS records could not be fetched from the servers of "+bare(z.parent.name)
		return false
	}
	set, _ := rrset(r.msg.Answer, z.name, dns.TypeDS)
	v := w.judgeAnswer(z.parent, up, r.msg, z.name, dns.TypeDS)
	if v.Why != "" {
		sec.fact.State, sec.fact.Why = evidence.SecBroken, v.Why
		sec.fact.Text = "the DS records of " + bare(z.name) + " in " + bare(z.parent.name) + ": " + v.Text
		sec.fact.KeySigs = v.Sigs
		return false
	}
	if len(set) == 0 {
		sec.fact.State, sec.fact.Why = evidence.SecInsecure, "unsigned"
		return false
	}
	for _, rr := range set {
		d := rr.(*dns.DS)
		f := evidence.DSFact{Tag: d.KeyTag, Algorithm: d.Algorithm, DigestType: d.DigestType, Digest: strings.ToLower(d.Digest), Supported: algorithms[d.Algorithm] && digests[d.DigestType]}
		sec.fact.Unsupported = sec.fact.Unsupported || !f.Supported
		sec.fact.DS = append(sec.fact.DS, f)
	}
	if !slices.ContainsFunc(sec.fact.DS, func(d evidence.DSFact) bool { return d.Supported }) {
		sec.fact.State, sec.fact.Why = evidence.SecInsecure, "unsupported"
		return false
	}
	return true
}

// matchKeys finds the DNSKEY that a DS record is of, and holds the zone's key set against its signature.
func (w *walker) matchKeys(ctx context.Context, z *zone, sec *zoneSec) {
	f := &sec.fact
	keys, rrs, sigs, ok := w.dnskeys(ctx, z)
	if !ok {
		f.State, f.Text = evidence.SecUnknown, "no server gave the zone's DNSKEY records"
		return
	}
	f.Keys = keyFacts(keys)
	if len(keys) == 0 {
		f.State, f.Why, f.Text = evidence.SecBroken, evidence.KeyNone, "the parent holds DS records and the zone no DNSKEY record"
		return
	}
	var entry []*dns.DNSKEY
	for i := range f.DS {
		for _, k := range keys {
			if f.DS[i].Supported && k.KeyTag() == f.DS[i].Tag && k.Algorithm == f.DS[i].Algorithm && digestOf(k, f.DS[i].DigestType) == f.DS[i].Digest {
				f.DS[i].Matches = true
				entry = append(entry, k)
			}
		}
	}
	if len(entry) == 0 {
		f.State, f.Why = evidence.SecBroken, evidence.KeyMismatch
		f.Text = "the DS records are of " + tagsOfDS(f.DS) + ", the zone's keys are " + tagsOfKeys(f.Keys)
		return
	}
	v := judgeSet(z.name, rrs, sigs, entry, w.p.opt.Now())
	f.KeySigs = v.Sigs
	if v.Why != "" {
		f.State, f.Why, f.Text = evidence.SecBroken, v.Why, "the zone's DNSKEY records: "+v.Text
		return
	}
	f.State, sec.keys = evidence.SecSecure, keys
}

// dnskeys are the zone's keys; ok is false if no server gave an answer about them.
func (w *walker) dnskeys(ctx context.Context, z *zone) (keys []*dns.DNSKEY, rrs []dns.RR, sigs []*dns.RRSIG, ok bool) {
	r := w.query(ctx, z, z.name, dns.TypeDNSKEY).first(ctx)
	if r == nil || r.plain {
		return nil, nil, nil, false
	}
	rrs, sigs = rrset(r.msg.Answer, z.name, dns.TypeDNSKEY)
	for _, rr := range rrs {
		if k := rr.(*dns.DNSKEY); k.Flags&dns.ZONE != 0 && k.Flags&dns.REVOKE == 0 && k.Protocol == 3 {
			keys = append(keys, k)
		}
	}
	return keys, rrs, sigs, true
}

// judgeAnswer says what the signatures of an answer about a name in a secure zone are worth.
func (w *walker) judgeAnswer(z *zone, sec *zoneSec, m *dns.Msg, name string, qtype uint16) evidence.RRsetSec {
	now := w.p.opt.Now()
	for _, t := range []uint16{qtype, dns.TypeCNAME} {
		if set, sigs := rrset(m.Answer, name, t); len(set) > 0 {
			return judgeSet(z.name, set, sigs, sec.keys, now)
		}
	}
	return judgeAbsence(z.name, m, name, qtype, sec.keys, now)
}

// judgeSet holds a record set against its signatures. One good signature is enough (RFC 4035 section 5.3.3).
func judgeSet(zoneName string, set []dns.RR, sigs []*dns.RRSIG, keys []*dns.DNSKEY, now time.Time) evidence.RRsetSec {
	v := evidence.RRsetSec{}
	what := dns.TypeToString[set[0].Header().Rrtype] + " records of " + bare(dns.CanonicalName(set[0].Header().Name))
	worst := evidence.SigNone
	for _, s := range sigs {
		if !strings.EqualFold(s.SignerName, zoneName) {
			continue
		}
		f := sigFact(s, set, keys)
		v.Sigs = append(v.Sigs, f)
		why := sigWhy(f, now)
		if why == "" || !algorithms[s.Algorithm] {
			return evidence.RRsetSec{Sigs: v.Sigs}
		}
		if rankOf(why) > rankOf(worst) {
			worst = why
		}
	}
	v.Why = worst
	v.Text = map[string]string{
		evidence.SigNone:    "the " + what + " carry no signature",
		evidence.SigExpired: "the signature over the " + what + " ended at " + endOf(v.Sigs),
		evidence.SigFuture:  "the signature over the " + what + " begins only at " + beginOf(v.Sigs),
		evidence.SigNoKey:   "the signature over the " + what + " is by key " + tagOf(v.Sigs) + ", which the zone does not publish",
		evidence.SigInvalid: "the signature over the " + what + " does not fit them",
	}[worst]
	return v
}

func sigFact(s *dns.RRSIG, set []dns.RR, keys []*dns.DNSKEY) evidence.SigFact {
	f := evidence.SigFact{Tag: s.KeyTag, Algorithm: s.Algorithm, Begins: time.Unix(int64(s.Inception), 0).UTC(), Ends: time.Unix(int64(s.Expiration), 0).UTC()}
	for _, k := range keys {
		if k.KeyTag() == s.KeyTag && k.Algorithm == s.Algorithm {
			f.KeyThere = true
			f.Verifies = f.Verifies || s.Verify(k, set) == nil
		}
	}
	return f
}

func sigWhy(f evidence.SigFact, now time.Time) string {
	switch {
	case !f.KeyThere:
		return evidence.SigNoKey
	case now.After(f.Ends):
		return evidence.SigExpired
	case now.Before(f.Begins):
		return evidence.SigFuture
	case !f.Verifies:
		return evidence.SigInvalid
	}
	return ""
}

// rankOf orders the reasons: of several bad signatures the one that came nearest to be good tells the cause.
func rankOf(why string) int {
	return slices.Index([]string{evidence.SigNone, evidence.SigNoKey, evidence.SigInvalid, evidence.SigFuture, evidence.SigExpired}, why)
}

// rrset picks the records of one name and type, and the signatures over them.
func rrset(rrs []dns.RR, name string, t uint16) (set []dns.RR, sigs []*dns.RRSIG) {
	for _, rr := range rrs {
		if !strings.EqualFold(rr.Header().Name, name) {
			continue
		}
		if s, ok := rr.(*dns.RRSIG); ok && s.TypeCovered == t {
			sigs = append(sigs, s)
		} else if rr.Header().Rrtype == t {
			set = append(set, rr)
		}
	}
	return set, sigs
}

func digestOf(k *dns.DNSKEY, kind uint8) string {
	ds := k.ToDS(kind)
	if ds == nil {
		return ""
	}
	return strings.ToLower(ds.Digest)
}

func keyFacts(keys []*dns.DNSKEY) (out []evidence.KeyFact) {
	for _, k := range keys {
		out = append(out, evidence.KeyFact{Tag: k.KeyTag(), Algorithm: k.Algorithm, SEP: k.Flags&dns.SEP != 0})
	}
	slices.SortFunc(out, func(a, b evidence.KeyFact) int { return int(a.Tag) - int(b.Tag) })
	return out
}

func tagsOfDS(ds []evidence.DSFact) string {
	var out []string
	for _, d := range ds {
		out = append(out, fmt.Sprintf("key %d (algorithm %d)", d.Tag, d.Algorithm))
	}
	return strings.Join(out, ", ")
}

func tagsOfKeys(keys []evidence.KeyFact) string {
	var out []string
	for _, k := range keys {
		out = append(out, fmt.Sprintf("%d (algorithm %d)", k.Tag, k.Algorithm))
	}
	return strings.Join(out, ", ")
}

// endOf and beginOf are the dates of the signatures that last longest and begin first.
func endOf(sigs []evidence.SigFact) string {
	var t time.Time
	for _, s := range sigs {
		if s.Ends.After(t) {
			t = s.Ends
		}
	}
	return t.Format(time.RFC3339)
}

func beginOf(sigs []evidence.SigFact) string {
	var t time.Time
	for _, s := range sigs {
		if t.IsZero() || s.Begins.Before(t) {
			t = s.Begins
		}
	}
	return t.Format(time.RFC3339)
}

func tagOf(sigs []evidence.SigFact) string {
	if len(sigs) == 0 {
		return ""
	}
	return fmt.Sprint(sigs[0].Tag)
}
