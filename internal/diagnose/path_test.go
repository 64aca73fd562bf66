package diagnose

import (
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

func ago(d time.Duration) *time.Time { t := noon.Add(-d); return &t }
func in(d time.Duration) *time.Time  { t := noon.Add(d); return &t }

// road is the path of an order whose vault holds serial B: what each stage holds is up to the case.
func road(deploy, serve order.Row) []order.Stage {
	deploy.Name, serve.Name = "shop/files", "192.0.2.1:443"
	return []order.Stage{
		{Stage: order.StageOrder, State: order.Done}, {Stage: order.StageVerify, State: order.Done},
		{Stage: order.StageIssue, State: order.Done, Rows: []order.Row{{Name: "EC-P256", State: order.Done, Serial: "B0", Version: 2}}},
		{Stage: order.StageStore, State: order.Done, Serial: "B0", Rows: []order.Row{{Name: "default/www", State: order.Done, Serial: "B0", Version: 2}}},
		{Stage: order.StageDeploy, State: deploy.State, Rows: []order.Row{deploy}},
		{Stage: order.StageServe, State: serve.State, Rows: []order.Row{serve}},
	}
}

// ordered is an order with a version that has 60 days left.
func ordered(edit func(*order.Order)) *order.Order {
	o := &order.Order{ID: order.Short("www"), Kind: order.Ordered, Spec: order.Spec{AutoRenew: true},
		Versions:    []order.Version{{Number: 2, State: order.VersionStored, Serial: "B0", NotBefore: noon.AddDate(0, 0, -30), NotAfter: noon.AddDate(0, 0, 60)}},
		Deployments: []order.Deployment{{Site: "shop", Target: "files"}}}
	if edit != nil {
		edit(o)
	}
	return o
}

var (
	newFiles = order.Row{State: order.Done, Serial: "B0"}
	oldFiles = order.Row{State: order.StateWait, Serial: "A0", Since: ago(3 * time.Hour)}
	newWire  = order.Row{State: order.Done, Serial: "B0"}
	oldWire  = order.Row{State: order.StateFail, Serial: "A0", Problem: &order.Problem{What: "look", Detail: "another serial is served"}}
)

func receipt(r *evidence.Reload) func(*order.Order) {
	return func(o *order.Order) { o.Deployments[0].Receipt = &order.Receipt{Serial: "B0", At: noon, Reload: r} }
}

var pathCases = []struct {
	title, want string
	leg         string
	under       []string
	ruled       []string
	note        string
	well        bool // healthy in spite of the finding: it is a state
	path        []order.Stage
	order       *order.Order
}{
	{title: "all well", path: road(newFiles, newWire), order: ordered(nil)},
	{title: "sync due later is a state", note: "sync-pending", order: ordered(nil),
		path: road(order.Row{State: order.StateWait, Serial: "A0", NextAt: in(time.Hour)}, order.Row{State: order.StateWait})},
	{title: "a push just begun is a state", note: "sync-pending", order: ordered(nil),
		path: road(order.Row{State: order.StateWait, Serial: "A0", Since: ago(time.Minute)}, order.Row{State: order.StateWait})},
	{title: "switched off, holding the current one, is no fault", order: ordered(nil),
		path: road(order.Row{State: order.Disabled, Serial: "B0"}, newWire)},
	{title: "behind without a reason", want: "renew-stored-not-synced", leg: LegRenewal, ruled: []string{"sync-pending"}, path: road(oldFiles, oldWire), order: ordered(nil)},
	{title: "no reload", want: "sync-reload-not-run", leg: LegDeploy, under: []string{"renew-stored-not-synced"},
		ruled: []string{"sync-reload-failed-own", "sync-wrong-path"}, path: road(newFiles, oldWire), order: ordered(receipt(nil))},
	{title: "reload failed", want: "sync-reload-failed-own", leg: LegDeploy, under: []string{"renew-stored-not-synced"}, ruled: []string{"sync-reload-not-run"},
		path: road(newFiles, oldWire), order: ordered(receipt(&evidence.Reload{Name: "nginx", Argv: []string{"nginx", "-s", "reload"}, Exit: 1, Output: "[emerg] key values mismatch"}))},
	{title: "reload well, process old", want: "sync-needs-restart", leg: LegDeploy, ruled: []string{"sync-reload-not-run", "sync-reload-failed-own"},
		path: road(newFiles, oldWire), order: ordered(receipt(&evidence.Reload{Name: "nginx", Argv: []string{"nginx", "-s", "reload"}}))},
	{title: "switched off and old", want: "sync-disabled", leg: LegDeploy, ruled: []string{"sync-pending"}, well: true,
		path:  road(order.Row{State: order.Disabled, Serial: "A0", Text: "switched off by ann"}, order.Row{State: order.Done, Serial: "A0"}),
		order: ordered(func(o *order.Order) { o.Deployments[0].Disabled = "ann" })},
	{title: "for another kind of key", path: road(order.Row{State: order.Disabled, Text: "takes RSA-2048 only, of which this order has none"}, newWire), order: ordered(nil)},
	{title: "bound to nothing", want: "sync-no-binding", leg: LegDeploy, ruled: []string{"sync-pending", "sync-disabled"}, well: true,
		order: ordered(func(o *order.Order) { o.Deployments = nil }), path: road(newFiles, newWire)[:4]},
	{title: "bound to nothing, and something else is served", want: "sync-no-binding", leg: LegDeploy, under: []string{"renew-stored-not-synced"},
		order: ordered(func(o *order.Order) { o.Deployments = nil }), path: append(road(newFiles, newWire)[:4], road(newFiles, oldWire)[5])},
	{title: "renewal off and due", want: "renew-auto-off", leg: LegRenewal, ruled: []string{"renew-not-due"}, path: road(newFiles, newWire), order: ordered(func(o *order.Order) {
		o.Spec.AutoRenew, o.Versions[0].NotBefore, o.Versions[0].NotAfter = false, noon.AddDate(0, 0, -85), noon.AddDate(0, 0, 5)
	})},
	{title: "renewal off and not due", path: road(newFiles, newWire), order: ordered(func(o *order.Order) { o.Spec.AutoRenew = false })},
	{title: "write denied at the target", want: "sync-write-denied", leg: LegDeploy, under: []string{"renew-stored-not-synced"}, order: ordered(nil),
		path: road(order.Row{State: order.StateFail, Serial: "A0", Problem: &order.Problem{What: "write", Where: "/srv/tls/shop.pem", Detail: "permission denied", ID: "sync-write-denied", Fix: "Give the folder to certwright."}}, oldWire)},
	{title: "a vault's word without an id", want: "vault-write-denied", leg: LegVault, order: ordered(nil),
		path: func() []order.Stage {
			p := road(newFiles, newWire)
			p[3].State, p[3].Rows[0].State = order.StateFail, order.StateFail
			p[3].Rows[0].Problem = &order.Problem{What: "put", Detail: "403", Vault: order.VaultNotPermitted}
			return p
		}()},
	{title: "a cause in no list", want: Unnamed, leg: LegOrder, order: ordered(nil), path: func() []order.Stage {
		p := road(newFiles, newWire)
		p[2].State, p[2].Rows[0].State = order.StateFail, order.StateFail
		p[2].Rows[0].Problem = &order.Problem{What: "new order", Detail: "teapot", Type: "urn:ietf:params:acme:error:teapot", Status: 418, Sub: []order.Sub{{Identifier: "a.test", Detail: "short and stout"}}}
		return p
	}()},
	{title: "the owner has to begin", want: "verify-never-started", leg: LegOrder, ruled: []string{"verify-lapsed"},
		order: ordered(func(o *order.Order) {
			o.Versions, o.Deployments = nil, nil
			o.Identifiers = []order.Identifier{{Name: order.Name{Kind: order.DNS, Value: "a.test"}, Instruct: "publish TXT x at a.test"}}
		}),
		path: []order.Stage{{Stage: order.StageOrder, State: order.Done}, {Stage: order.StageVerify, State: order.StateWait, Owner: order.OwnerOwner, Deadline: in(time.Hour)},
			{Stage: order.StageIssue, State: order.StateWait, Rows: []order.Row{{Name: "EC-P256", State: order.StateWait, // the same wait, seen by the attempt
				Problem: &order.Problem{Class: order.Waiting, What: "publish the TXT record for a.test", Detail: "it is not visible from here yet", Owner: order.OwnerOwner}}}}}},
}

func TestPathFaults(t *testing.T) {
	for _, c := range pathCases {
		t.Run(c.title, func(t *testing.T) {
			t.Parallel()
			r := Judge("www", nil, c.path, noon, Options{Order: c.order})
			checkReport(t, r)
			if c.note != "" && !slices.ContainsFunc(r.Notes, func(n Note) bool { return n.ID == c.note }) {
				t.Errorf("no note %s: %v", c.note, r.Notes)
			}
			if c.want == "" {
				if len(r.Findings) > 0 || !r.Healthy {
					t.Fatalf("healthy %v: %s", r.Healthy, brief(r))
				}
				return
			}
			if len(r.Findings) == 0 || r.Findings[0].ID != c.want {
				t.Fatalf("first finding is not %s: %s", c.want, brief(r))
			}
			f := r.Findings[0]
			if f.Leg != c.leg || len(r.Findings) != 1 || r.Healthy != c.well {
				t.Errorf("leg %s, healthy %v, all: %s", f.Leg, r.Healthy, brief(r))
			}
			for _, id := range c.under {
				if !slices.Contains(f.Consequences, id) {
					t.Errorf("%s is no consequence: %v", id, f.Consequences)
				}
			}
			for _, id := range c.ruled {
				if !slices.ContainsFunc(f.RuledOut, func(o RuledOut) bool { return o.ID == id }) {
					t.Errorf("%s is not ruled out: %v", id, f.RuledOut)
				}
			}
		})
	}
}

// An expired certificate on the wire while the vault holds a newer one: the root is where the serial
// stops, the expiry its consequence.
func TestExpiredOnTheWireWhileANewerOneIsStored(t *testing.T) {
	p := newPKI(t)
	w := world{p, t}
	old := w.around(v4, w.good(dates(noon.AddDate(0, 0, -95), noon.AddDate(0, 0, -5))))
	r := Judge("www", old, road(newFiles, oldWire), noon, Options{Roots: p.roots, Order: ordered(receipt(nil))})
	checkReport(t, r)
	if len(r.Findings) != 1 || r.Findings[0].ID != "sync-reload-not-run" || !slices.Contains(r.Findings[0].Consequences, "tls-leaf-expired") {
		t.Fatalf("%s", brief(r))
	}
}

// Endpoints of an order may ask for other names than its first.
func TestEveryNameOfAnOrderCounts(t *testing.T) {
	p := newPKI(t)
	w := world{p, t}
	old := w.around(v4, w.good(dates(noon.AddDate(0, 0, -95), noon.AddDate(0, 0, -5))))
	o := ordered(nil)
	r := Judge("www", old, nil, noon, Options{Roots: p.roots, Order: o, ServerName: "first.test"})
	if len(r.Findings) != 1 || r.Findings[0].ID != "tls-leaf-expired" {
		t.Fatalf("%s", brief(r))
	}
}

// The leaf alone is served although the authority gave its intermediate: it is missing even if the
// judge holds the intermediate for a root.
func TestWithheldIntermediate(t *testing.T) {
	p := newPKI(t)
	w := world{p, t}
	leaf := w.leafFor(t, []string{host})
	pool := x509.NewCertPool()
	pool.AddCert(p.inter.cert)
	var text []byte
	for _, der := range chainOf(leaf, p.inter) {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	o := ordered(func(o *order.Order) { o.Versions[0].Chain = text })
	r := Judge("www", w.around(v4, chainOf(leaf)), nil, noon, Options{Roots: pool, Order: o})
	if len(r.Findings) != 1 || r.Findings[0].ID != "tls-chain-incomplete" || r.Findings[0].Certainty != Confirmed {
		t.Fatalf("%s", brief(r))
	}
	if r = Judge("www", w.around(v4, chainOf(leaf, p.inter)), nil, noon, Options{Roots: pool, Order: o}); len(r.Findings) != 0 {
		t.Fatalf("the full chain is served: %s", brief(r))
	}
}

// Two independent faults are both told, the one that hurts first in front, and why.
func TestTwoFaultsInSeries(t *testing.T) {
	p := newPKI(t)
	w := world{p, t}
	leaf := w.leafFor(t, []string{host}, dates(noon.AddDate(0, 0, -81), noon.AddDate(0, 0, 9)))
	obs := append(w.around(v4, chainOf(leaf)), issuersOf(leaf, chainOf(p.inter), ""))
	r := Judge(host, obs, nil, noon, Options{Roots: p.roots, ServerName: host})
	if len(r.Findings) != 2 || r.Findings[0].ID != "tls-chain-incomplete" || r.Findings[1].ID != "tls-leaf-expiring" || !strings.Contains(r.Findings[0].Rank, "sooner") {
		t.Fatalf("%s, rank %q", brief(r), r.Findings[0].Rank)
	}
}

// What nobody saw is a blind spot: neither well nor a fault.
func TestUnknownIsABlindSpot(t *testing.T) {
	o := evidence.Observation{Probe: evidence.ProbeTLS, Check: "handshake", Subject: v6, Outcome: evidence.Unknown, Reason: "network is unreachable", At: noon}
	r := Judge(host, []evidence.Observation{o}, nil, noon, Options{ServerName: host})
	if r.Healthy || len(r.Findings) != 0 || len(r.BlindSpots) != 1 || r.BlindSpots[0].Because != "network is unreachable" {
		t.Fatalf("%+v", r)
	}
}

// The order of the observations does not matter.
func TestSameEvidenceSameReport(t *testing.T) {
	p := newPKI(t)
	w := world{p, t}
	obs := append(w.around(v4, w.good()), w.around(v6, w.good(dates(noon.AddDate(0, 0, -95), noon.AddDate(0, 0, -5))))...)
	a := Judge(host, obs, nil, noon, Options{Roots: p.roots, ServerName: host})
	slices.Reverse(obs)
	b := Judge(host, obs, nil, noon, Options{Roots: p.roots, ServerName: host})
	if brief(a) != brief(b) || a.Findings[0].Cause != b.Findings[0].Cause {
		t.Errorf("%s\n%s", brief(a), brief(b))
	}
}

// TestNamesKeepTheirCase: a title that begins with a name is not made a sentence of.
func TestNamesKeepTheirCase(t *testing.T) {
	for title, want := range map[string]string{"{order} waits": "www waits", "{host} has none": "shop.test has none", "the vault": "The vault", "{what} failed": "Push failed"} {
		s := newScope(perOrder, "k", "")
		s.vars["order"], s.vars["host"], s.vars["what"] = "www", "shop.test", "push"
		c := &candidate{row: &Row{Title: title}}
		c.add(s, confirmed, nil, nil, nil)
		if got := c.title(); got != want {
			t.Errorf("%s: %q, want %q", title, got, want)
		}
	}
}
