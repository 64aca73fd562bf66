package diagnose

import (
	"slices"
	"strings"
	"testing"

	"certwright/internal/evidence"
)

func TestIDsAreKnown(t *testing.T) {
	if n := len(KnownIDs()); n < 319 {
		t.Fatalf("the list has %d ids", n)
	}
	seen := map[string]bool{}
	for _, k := range append(KnownIDs(), additions...) {
		if seen[k.ID] {
			t.Errorf("%s stands twice", k.ID)
		}
		seen[k.ID] = true
		if k.ID != Unnamed && !slices.Contains(legs, k.Leg) {
			t.Errorf("%s: no leg %q", k.ID, k.Leg)
		}
	}
	for _, r := range catalogue() {
		if !seen[r.ID] {
			t.Errorf("%s is in no list", r.ID)
		}
		for _, tw := range r.Twins {
			if !seen[tw.ID] {
				t.Errorf("%s: twin %s is in no list", r.ID, tw.ID)
			}
		}
		for _, p := range r.Predicts {
			if base, wild := strings.CutSuffix(p, "*"); !seen[p] && (!wild || !slices.ContainsFunc(KnownIDs(), func(k Known) bool { return strings.HasPrefix(k.ID, base) })) {
				t.Errorf("%s predicts %s, which is in no list", r.ID, p)
			}
		}
	}
	for _, id := range vaultIDs {
		if !seen[id] {
			t.Errorf("%s is in no list", id)
		}
	}
}

func TestRowsAreComplete(t *testing.T) {
	once := map[string]bool{}
	per := map[kind]bool{} // a cause in no list has a row for each kind of scope that can show one
	nodes := map[node]bool{}
	for _, g := range graph {
		nodes[g.node] = true
	}
	for _, r := range catalogue() {
		if r.ID == Unnamed && !per[r.Per] {
			per[r.Per] = true
		} else if once[r.ID] {
			t.Errorf("%s has two rows", r.ID)
		}
		once[r.ID] = true
		if r.Title == "" || r.Cause == "" || r.Fix.Text == "" || len(r.Must) == 0 || !nodes[r.Node] {
			t.Errorf("%s lacks title, cause, fix, signs or node", r.ID)
		}
		if !slices.Contains([]string{Critical, Warning, Info}, r.Severity) {
			t.Errorf("%s: severity %q", r.ID, r.Severity)
		}
		if len(r.Twins) == 0 {
			t.Errorf("%s has no twin: every cause is mistaken for something", r.ID)
		}
		for _, tw := range r.Twins {
			if len(tw.Because) < 15 {
				t.Errorf("%s: twin %s is not ruled out in words", r.ID, tw.ID)
			}
			row, known := Explain(tw.ID)
			if (!known || row.Per != r.Per) && len(tw.When)+len(tw.WhenNot) == 0 {
				t.Errorf("%s: twin %s has no row of its own here and no condition: it could never be ruled out", r.ID, tw.ID)
			}
		}
	}
}

// A row's first sign is its symptom: the one that has to be seen. What merely says what sort of thing was looked at holds on
// healthy ones too, and with the rest in the dark the row would be "possible" there.
func TestTheSymptomIsAFault(t *testing.T) {
	circumstances := []sign{tHAProxy, tNamed, tLoaded, tNewWork, tFilesNew, tOursNew, tWell, hPublished, hHTML, hByHand, hToHTTPS, hHostUp, aChosen,
		sCert, sTrusted, sPublic, sHSTS, sStapled, sNoDemand, sOtherWell, sSeveral, sStatus}
	for _, r := range catalogue() {
		if slices.Contains(circumstances, r.Must[0]) {
			t.Errorf("%s begins with %q, which is no fault", r.ID, r.Must[0])
		}
	}
}

// A proxy in front that holds no certificate, with its files unseen, has nothing that was not persisted.
func TestAProxyWithoutCertificatesIsNoFault(t *testing.T) {
	p := newPKI(t)
	now := noon
	obs := []evidence.Observation{
		shake(v4, host, "any", chainOf(p.leafFor(t, []string{host}), p.inter)),
		evidence.Observation{Probe: evidence.ProbeTarget, Check: evidence.CheckListener, Subject: v4, Outcome: evidence.Pass, At: now}.
			With(evidence.Listener{Address: v4, ServerName: host, Masters: []evidence.Master{{PID: 9, Name: "haproxy", Software: "haproxy", Started: now, Loaded: now}}}),
		evidence.Observation{Probe: evidence.ProbeTarget, Check: evidence.CheckConfig, Subject: "haproxy at 192.0.2.1:443", Outcome: evidence.Pass, At: now}.
			With(evidence.ServerConfig{Address: v4, ServerName: host, Software: "haproxy", Files: []string{"/etc/front.cfg"}}),
	}
	r := Judge(host, obs, nil, now, Options{Roots: p.roots, ServerName: host})
	if !r.Healthy || len(r.Findings) != 0 {
		t.Errorf("healthy %v, findings %+v", r.Healthy, r.Findings)
	}
}

// The endpoint leg's ids that the wire and the DNS show all have a row.
func TestEndpointLegIsThere(t *testing.T) {
	for _, id := range strings.Fields(`tls-leaf-expired tls-not-yet-valid tls-intermediate-expired tls-root-expired-path tls-chain-incomplete
		tls-chain-wrong-intermediate tls-chain-order-served tls-extra-root-sent tls-self-signed-default tls-untrusted-root tls-name-mismatch tls-wildcard-depth
		tls-apex-missing tls-sni-default-served tls-no-sni-client tls-v4-v6-differ sync-one-node-stale tls-dual-key-one-stale tls-port-closed tls-timeout
		tls-plain-http-443 tls-weak-key tls-sha1-sig tls-eku-missing tls-must-staple-absent tls-too-long-validity tls-version-mismatch tls-client-cert-required
		tls-name-constraint dns-nxdomain-host dns-nodata-address sys-resolver-broken`) {
		if _, ok := Explain(id); !ok {
			t.Errorf("%s has no row", id)
		}
	}
}

// A cause never explains what lies before it on the road.
func TestPredictionsPointDownstream(t *testing.T) {
	for _, r := range catalogue() {
		for _, p := range r.Predicts {
			if row, ok := Explain(p); ok && upstream(row.Node, r.Node) {
				t.Errorf("%s (%s) predicts %s, which lies upstream (%s)", r.ID, r.Node, p, row.Node)
			}
		}
	}
}

func TestGraphIsInOrder(t *testing.T) {
	for i, g := range graph {
		for _, n := range g.needs {
			if position(n) >= i {
				t.Errorf("%s needs %s, which stands after it", g.node, n)
			}
		}
	}
	if !upstream(nodeEgress, nodeTrust) || upstream(nodeTrust, nodeEgress) {
		t.Error("egress must be upstream of trust, and not the reverse")
	}
}

func TestFillLeavesForeignBracesAlone(t *testing.T) {
	if got := fill("a {x} b {y}", map[string]string{"x": "{y}", "y": "2"}); got != "a {y} b 2" {
		t.Errorf("values are filled in twice: %q", got)
	}
}

// The control: rows whose signs are exchanged with their twin's must be caught by the cases.
func TestSwappedTwinsAreCaught(t *testing.T) {
	p := newPKI(t)
	swap := func(a, b string) []Row {
		rows := catalogue()
		var x, y *Row
		for i := range rows {
			switch rows[i].ID {
			case a:
				x = &rows[i]
			case b:
				y = &rows[i]
			}
		}
		x.Must, y.Must = y.Must, x.Must
		x.MustNot, y.MustNot = y.MustNot, x.MustNot
		return rows
	}
	for _, pair := range [][2]string{{"tls-leaf-expired", "tls-not-yet-valid"}, {"tls-chain-incomplete", "tls-untrusted-root"}, {"tls-chain-incomplete", "tls-chain-wrong-intermediate"},
		{"tls-sni-default-served", "tls-name-mismatch"}, {"tls-wildcard-depth", "tls-apex-missing"}, {"tls-v4-v6-differ", "sync-one-node-stale"},
		{"tls-port-closed", "tls-timeout"}, {"dns-nxdomain-host", "dns-nodata-address"}, {"tls-version-mismatch", "tls-cipher-mismatch"}} {
		rows, caught := swap(pair[0], pair[1]), 0
		for _, c := range endpointCases {
			if c.want != pair[0] && c.want != pair[1] {
				continue
			}
			name := host
			if c.host != "" {
				name = c.host
			}
			j := newJudge(name, c.obs(world{p, t}), nil, noon, Options{Roots: p.roots, ServerName: name})
			if r := j.judgeWith(rows); len(r.Findings) == 0 || r.Findings[0].ID != c.want {
				caught++
			}
		}
		if caught < 2 {
			t.Errorf("exchanging %v was caught by %d cases only", pair, caught)
		}
	}
}

// Every row lies on a leg, those without a name of their own, too.
func TestRowsHaveALeg(t *testing.T) {
	for _, r := range catalogue() {
		if !slices.Contains(legs, r.leg()) {
			t.Errorf("%s, of scopes %d, has leg %q", r.ID, r.Per, r.leg())
		}
	}
}
