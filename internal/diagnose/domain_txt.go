package diagnose

import (
	"slices"
	"strings"

	"certwright/internal/evidence"
)

// Signs of a TXT record that a validation waits for (in the scope of its own name, perDomain).
const (
	sTXTGone      sign = "the-TXT-value-is-at-no-name-server"
	sTXTPartly    sign = "the-TXT-value-is-at-some-name-servers-only"
	sTXTThere     sign = "every-name-server-has-the-TXT-value"
	sTXTNone      sign = "no-TXT-record-is-there-at-all"
	sTXTOther     sign = "a-TXT-value-that-looks-like-it-is-there"
	sTXTOld       sign = "the-TXT-value-of-an-earlier-attempt-is-there"
	sTXTQuoted    sign = "the-TXT-value-is-there-with-quotes-or-words-around-it"
	sTXTToken     sign = "the-token-itself-is-there-in-place-of-its-digest"
	sTXTDouble    sign = "the-TXT-value-is-at-the-name-with-the-zone-appended-twice"
	sTXTApex      sign = "the-TXT-value-is-at-the-domain-itself"
	sTXTNoScore   sign = "the-TXT-value-is-at-the-name-without-its-underscore"
	sTXTElsewhere sign = "the-TXT-value-is-at-another-name"
	sTXTShadow    sign = "a-wildcard-answers-for-the-name"
	sTXTSecond    sign = "only-one-of-several-TXT-values-is-there"
	sCutLoop      sign = "the-challenge-s-CNAMEs-lead-in-a-circle"
	sCutDangling  sign = "the-challenge-s-CNAME-leads-to-nothing"
	sCutOther     sign = "the-challenge-s-CNAME-leads-where-the-value-is-not-written"
)

// challengeScopes are the scopes of the places where a TXT record is waited for.
func (d *domain) challengeScopes() []*scope {
	if !d.asked() {
		return nil
	}
	var out []*scope
	asks := slices.Clone(d.walk.Ask.TXT)
	if name := "_acme-challenge." + d.host; d.walk.Ask.Method == "dns-01" && !slices.ContainsFunc(asks, func(t evidence.TXTAsk) bool { return sameName(t.Name, name) }) {
		asks = append(asks, evidence.TXTAsk{Name: name})
	}
	for _, t := range asks {
		s := newScope(perDomain, d.host+" TXT "+t.Name, t.Name)
		s.vars["host"], s.vars["name"], s.vars["want"] = d.host, t.Name, strings.Join(t.Values, " and ")
		d.placeSigns(s, t)
		out = append(out, s)
	}
	return out
}

// placeSigns read one place: its CNAMEs, then the values.
func (d *domain) placeSigns(s *scope, t evidence.TXTAsk) {
	chain := d.chain(strings.ToLower(t.Name), evidence.RoleChallenge)
	if len(chain) == 0 {
		return
	}
	var names []string
	for _, n := range chain {
		names = append(names, n.Name)
	}
	s.vars["cnames"], s.vars["zone"] = strings.Join(names, " -> "), chain[len(chain)-1].Zone
	loop := d.circle(chain)
	s.set(sCutLoop, loop, d.cnames(chain)...)
	last := chain[len(chain)-1]
	s.vars["target"] = last.Name
	have, lack, gone := d.holders(last, t.Values)
	dangling := mark{state: no}
	if len(chain) > 1 && len(have) == 0 && !t.Ours {
		for _, a := range of(last, "TXT") {
			if a.AA && a.Rcode == "NXDOMAIN" && a.Error == "" {
				dangling.state, dangling.ev = yes, append(dangling.ev, d.answer(last, a))
			}
		}
		dangling.ev = append(dangling.ev, d.cnames(chain)...)
	}
	s.signs[sCutDangling] = dangling
	if len(t.Values) == 0 || loop {
		return
	}
	s.set(sTXTThere, len(have) > 0 && len(lack) == 0, have...)
	s.set(sTXTPartly, len(have) > 0 && len(lack) > 0, append(lack, have...)...)
	s.set(sTXTGone, len(have) == 0 && len(lack) > 0, lack...)
	s.set(sTXTNone, gone, lack...)
	s.set(sCutOther, len(chain) > 1 && len(have) == 0 && dangling.state == no, append(d.cnames(chain), lack...)...)
	d.valueSigns(s, t, last)
	d.elsewhere(s, t)
	d.txtView(s, t)
}

// holders parts the servers that have all values from those that have not.
func (d *domain) holders(n *evidence.DNSName, values []string) (have, lack []EvidenceRef, empty bool) {
	empty = true
	for _, a := range of(n, "TXT") {
		if a.Error != "" || !a.AA {
			continue
		}
		empty = empty && len(a.Records) == 0
		all := len(values) > 0
		for _, v := range values {
			all = all && slices.Contains(a.Records, v)
		}
		r := d.answer(n, a)
		r.Expected = strings.Join(values, "; ")
		if all {
			have = append(have, r)
		} else {
			lack = append(lack, r)
		}
	}
	return have, lack, empty
}

// valueSigns read what stands at the place instead.
func (d *domain) valueSigns(s *scope, t evidence.TXTAsk, n *evidence.DNSName) {
	marks := map[sign]*mark{sTXTOther: {state: no}, sTXTOld: {state: no}, sTXTQuoted: {state: no}, sTXTToken: {state: no}, sTXTSecond: {state: no}}
	for _, a := range of(n, "TXT") {
		for _, r := range a.Records {
			kind := kindOf(t, r)
			if kind == "" {
				continue
			}
			m := marks[kind]
			m.state, m.ev = yes, append(m.ev, d.answer(n, a))
			s.vars["found"] = r
		}
	}
	for k, m := range marks {
		s.signs[k] = *m
	}
	shadow := mark{state: no}
	for i := range d.walk.Names {
		w := &d.walk.Names[i]
		if w.Role != evidence.RoleRandom || !sameName(w.For, t.Name) {
			continue
		}
		for _, a := range of(w, "TXT") {
			if a.Present() && slices.ContainsFunc(of(n, "TXT"), func(o evidence.DNSAnswer) bool { return slices.Equal(o.Records, a.Records) && o.CNAME == a.CNAME }) {
				shadow.state, shadow.ev = yes, append(shadow.ev, d.answer(w, a))
			}
		}
	}
	s.signs[sTXTShadow] = shadow
}

// kindOf says how a value found relates to those waited for; empty if it has nothing to do with them.
func kindOf(t evidence.TXTAsk, r string) sign {
	bare := strings.Trim(r, "\"' \t")
	switch {
	case slices.Contains(t.Values, r):
		if len(t.Values) > 1 {
			return sTXTSecond
		}
		return ""
	case slices.ContainsFunc(t.Values, func(v string) bool {
		return strings.Contains(bare, v)
	}):
		return sTXTQuoted
	case t.Token != "" && (bare == t.Token || strings.HasPrefix(bare, t.Token+".")):
		return sTXTToken
	case slices.Contains(t.Beside, bare):
		return sTXTSecond
	case slices.Contains(t.Old, bare):
		return sTXTOld
	case slices.ContainsFunc(t.Values, func(v string) bool { return alikeText(bare, v) }):
		return sTXTOther
	}
	return ""
}

// alikeText says whether a is of the same make as want: about as long, and of letters that such a
// value is made of; or a good part of it, the rest of which was lost in the copying.
func alikeText(a, want string) bool {
	if len(a) >= len(want)/2 && strings.Contains(want, a) {
		return true
	}
	if diff := len(a) - len(want); diff < -3 || diff > 3 {
		return false
	}
	return strings.Trim(a, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=") == ""
}

// elsewhere looks for the value under the names where it is often put by mistake.
func (d *domain) elsewhere(s *scope, t evidence.TXTAsk) {
	marks := map[sign]*mark{sTXTDouble: {state: no}, sTXTApex: {state: no}, sTXTNoScore: {state: no}, sTXTElsewhere: {state: no}}
	for i := range d.walk.Names {
		n := &d.walk.Names[i]
		if n.Role != evidence.RoleMistaken || !sameName(n.For, t.Name) {
			continue
		}
		for _, a := range of(n, "TXT") {
			if !slices.ContainsFunc(a.Records, func(r string) bool { return slices.Contains(t.Values, strings.Trim(r, "\" ")) }) {
				continue
			}
			kind := sTXTElsewhere
			switch {
			case strings.HasPrefix(n.Name, strings.ToLower(t.Name)+"."):
				kind = sTXTDouble
			case !strings.HasPrefix(t.Name, "_"):
			case sameName(n.Name, t.Name[1:]):
				kind = sTXTNoScore
			case n.Name == n.Zone || n.Name == d.host:
				kind = sTXTApex
			}
			marks[kind].state, marks[kind].ev = yes, append(marks[kind].ev, d.answer(n, a))
			s.vars["place"] = n.Name
			break
		}
	}
	for k, m := range marks {
		s.signs[k] = *m
	}
}

// txtView compares the resolver's answer with the name servers', where these all have the value.
func (d *domain) txtView(s *scope, t evidence.TXTAsk) {
	if s.signs[sTXTThere].state != yes {
		return
	}
	looks, from := payloads[evidence.Resolved](d.j.obs, evidence.ProbeDNS)
	for i, r := range looks {
		if r.Type != "TXT" || !sameName(r.Name, t.Name) || r.Error != "" || from[i].Check == evidence.CheckWalk {
			continue
		}
		lacks := slices.ContainsFunc(t.Values, func(v string) bool { return !slices.Contains(r.Records, v) })
		s.vars["ttl"] = seconds(r.TTL)
		s.vars["thing"], s.vars["authority"], s.vars["viewed"] = "the TXT record at "+t.Name, s.vars["want"], strings.Join(r.Records, ", ")
		s.set(sViewNo, lacks && len(r.Records) == 0, refOf(from[i]))
		s.set(sViewOld, lacks && len(r.Records) > 0, refOf(from[i]))
		s.set(sViewUseless, lacks)
		s.set(sAuthThere, true, s.signs[sTXTThere].ev[:1]...)
		s.set(sTrouble, false)
	}
}
