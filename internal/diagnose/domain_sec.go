package diagnose

import (
	"slices"
	"strconv"
	"strings"

	"certwright/internal/evidence"
)

// Signs of a zone's DNSSEC (perDomain), as computed from its records.
const (
	sSecBroken   sign = "the-chain-of-keys-into-the-zone-is-broken"
	sSigBad      sign = "a-signature-in-the-zone-does-not-hold"
	sNoKeys      sign = "the-parent-has-DS-records-and-the-zone-no-keys"
	sDSMismatch  sign = "no-key-of-the-zone-has-the-digest-of-a-DS-record"
	sSigExpired  sign = "a-signature-has-ended"
	sSigFuture   sign = "a-signature-has-not-begun"
	sSigMissing  sign = "records-of-the-signed-zone-carry-no-signature"
	sSigNoKey    sign = "a-signature-is-by-a-key-that-the-zone-does-not-publish"
	sSigInvalid  sign = "a-signature-does-not-fit-its-records"
	sSigNoProof  sign = "nothing-proves-that-something-is-not-there"
	sOtherValid  sign = "another-name-server-gives-the-same-with-a-good-signature"
	sUnsupported sign = "DS-records-use-what-few-can-check"
	sSecInsecure sign = "the-zone-counts-as-unsigned"
	sOwnClock    sign = "the-public-root-zone-looks-wrong-in-time-too"
)

// secSigns read what the probe computed.
func (d *domain) secSigns(s *scope, z evidence.Zone) {
	sec := z.DNSSEC
	if sec.State == "" || sec.State == evidence.SecUnknown {
		return
	}
	broken := sec.State == evidence.SecBroken && sec.Why != "parent"
	ref := d.secRef(z)
	s.set(sSecBroken, broken, ref)
	s.set(sSecInsecure, sec.State == evidence.SecInsecure, ref)
	s.set(sNoKeys, broken && sec.Why == evidence.KeyNone, ref)
	s.set(sDSMismatch, broken && sec.Why == evidence.KeyMismatch, ref)
	s.set(sUnsupported, sec.Unsupported, ref)
	s.vars["dnssec"], s.vars["ds"], s.vars["keys"] = sec.Text, dsList(sec.DS), keyList(sec.Keys)
	why := map[string]sign{evidence.SigExpired: sSigExpired, evidence.SigFuture: sSigFuture, evidence.SigNone: sSigMissing,
		evidence.SigNoKey: sSigNoKey, evidence.SigInvalid: sSigInvalid, evidence.SigNoProof: sSigNoProof}
	found := map[string]*mark{}
	for k := range why {
		found[k] = &mark{state: no}
	}
	if m := found[sec.Why]; m != nil && broken {
		m.state, m.ev = yes, append(m.ev, ref)
	}
	sets := map[string]bool{} // by name and type, whether some server's answer holds
	bad := map[string]bool{}
	for i := range d.walk.Names {
		n := &d.walk.Names[i]
		if n.Zone != z.Name {
			continue
		}
		for _, a := range n.Answers {
			if a.Sec == nil {
				continue
			}
			key := n.Name + " " + a.Type
			m := found[a.Sec.Why]
			if m == nil {
				sets[key] = true
				continue
			}
			bad[key] = true
			m.state = yes
			r := d.answer(n, a)
			r.Seen, r.Command = a.Sec.Text, strings.Replace(r.Command, "+norec", "+dnssec +norec", 1)
			m.ev = append(m.ev, r)
			if s.vars["dnssec"] == "" {
				s.vars["dnssec"] = a.Sec.Text
			}
		}
	}
	spared := len(bad) > 0 && !broken
	for key := range bad {
		spared = spared && sets[key]
	}
	s.set(sOtherValid, spared)
	s.set(sSigBad, len(bad) > 0)
	for k, sg := range why {
		s.signs[sg] = *found[k]
	}
	s.set(sOwnClock, d.walk.Public && z.Name == ".")
}

// secRef quotes the zone's place in the chain of keys.
func (d *domain) secRef(z evidence.Zone) EvidenceRef {
	seen := z.DNSSEC.Text
	if seen == "" {
		seen = z.DNSSEC.State
	}
	r := EvidenceRef{Probe: d.obs.Probe, Subject: "DNSSEC of " + z.Name, Seen: seen, From: d.obs.From, At: d.obs.At}
	server := d.walk.Via
	if a := z.Answering(); len(a) > 0 {
		server = a[0].Address
	}
	up := d.walk.Via
	if p := d.zone(z.Parent); p != nil {
		if a := p.Answering(); len(a) > 0 {
			up = a[0].Address
		}
	}
	cd := "+norec +dnssec "
	if d.walk.Via != "" {
		cd = "+cd +dnssec "
	}
	r.Command = "dig " + digAt(up) + cd + z.Name + " DS; dig " + digAt(server) + cd + z.Name + " DNSKEY"
	return r
}

func dsList(ds []evidence.DSFact) string {
	var out []string
	for _, d := range ds {
		out = append(out, "key "+strconv.Itoa(int(d.Tag))+", algorithm "+strconv.Itoa(int(d.Algorithm))+", digest type "+strconv.Itoa(int(d.DigestType)))
	}
	return strings.Join(out, "; ")
}

func keyList(keys []evidence.KeyFact) string {
	var out []string
	for _, k := range keys {
		out = append(out, strconv.Itoa(int(k.Tag)))
	}
	slices.Sort(out)
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}
