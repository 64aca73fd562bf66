package diagnose

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// rig is one target as its machine shows it, well until a case spoils it: nginx serves B0 from the target's own files.
type rig struct {
	listener evidence.Listener
	config   evidence.ServerConfig
	crt, key evidence.TargetFile
	test     evidence.ConfigTest
	memory   *evidence.Memory
	place    evidence.Directory
	served   string // serial on the wire
	untested bool   // the server was not asked to test its configuration
}

func newRig() *rig {
	pushed := noon.Add(-time.Hour)
	return &rig{served: "B0",
		listener: evidence.Listener{Target: "shop/files", Address: v4, Masters: []evidence.Master{{PID: 9, Name: "nginx", Software: "nginx", User: "root", Started: noon.Add(-48 * time.Hour), Loaded: pushed, Renews: true}}},
		config: evidence.ServerConfig{Target: "shop/files", Address: v4, Software: "nginx", TLS: true,
			Uses: []evidence.Use{{Certificate: "/t/a.crt", Key: "/t/a.key", From: "/etc/nginx/a.conf:3", Chosen: true, Named: true}}},
		crt:   evidence.TargetFile{Target: "shop/files", Path: "/t/a.crt", Real: "/t/a.crt", Role: "fullchain", Ours: true, Exists: true, Form: "pem", Mode: "0644", Changed: pushed.Add(-time.Second), Certs: []evidence.FileCert{{Serial: "B0", KeyHash: "KB"}, {Serial: "C0", KeyHash: "KC", CA: true}}},
		key:   evidence.TargetFile{Target: "shop/files", Path: "/t/a.key", Real: "/t/a.key", Role: "key", Ours: true, Exists: true, Form: "pem", Mode: "0600", Owner: "root", Changed: pushed.Add(-time.Second), KeyHash: "KB"},
		test:  evidence.ConfigTest{Target: "shop/files", Software: "nginx"},
		place: evidence.Directory{Target: "shop/files", Path: "/t", Writable: true, Free: 1 << 30, FreeNode: 1000, User: "certwright"}}
}

// old puts the former certificate on the wire.
func (r *rig) old() { r.served = "A0" }

// report is what is found.
func (r *rig) report(t *testing.T) Report {
	t.Helper()
	rep := r.seen().Judge()
	checkReport(t, rep)
	return rep
}

// seen is the case as its machine shows it.
func (r *rig) seen() Case {
	o := ordered(func(o *order.Order) {
		o.Versions = append([]order.Version{{Number: 1, State: order.VersionStored, Serial: "A0", KeyHash: "KA", NotBefore: noon.AddDate(0, 0, -90), NotAfter: noon.AddDate(0, 0, 5)}}, o.Versions...)
		o.Versions[1].KeyHash = "KB"
		o.Deployments[0].Receipt = &order.Receipt{Serial: "B0", At: noon.Add(-time.Hour), Reload: &evidence.Reload{Name: "nginx", Argv: []string{"nginx", "-s", "reload"}}}
		if len(r.crt.Certs) > 0 && r.crt.Certs[0].Serial == "A0" && r.crt.Changed.Before(noon.Add(-time.Hour)) {
			o.Deployments[0].Receipt.Serial = "A0" // the new one never came through
		}
	})
	see := func(check string, v any) evidence.Observation {
		return evidence.Observation{Probe: evidence.ProbeTarget, Check: check, Subject: check, Outcome: evidence.Pass, Seen: check + " seen", From: "test", At: noon, Command: "look"}.With(v)
	}
	obs := []evidence.Observation{see(evidence.CheckListener, r.listener), see(evidence.CheckConfig, r.config), see(evidence.CheckRead, r.crt), see(evidence.CheckRead, r.key), see(evidence.CheckPlace, r.place)}
	if !r.untested {
		obs = append(obs, see(evidence.CheckTest, r.test))
	}
	if r.memory != nil {
		obs = append(obs, see(evidence.CheckMemory, *r.memory))
	}
	files, wire := newFiles, order.Row{State: order.Done, Serial: r.served}
	if serial := r.crt.Certs; len(serial) > 0 && serial[0].Serial == "A0" {
		files = order.Row{State: order.StateFail, Serial: "A0", Problem: &order.Problem{What: "write", Detail: "no", Where: "/t"}}
	}
	if r.served != "B0" {
		wire = oldWire
	}
	return Case{Target: "www", Observations: obs, Path: road(files, wire), Now: noon, Options: Options{Order: o}}
}

// A server is asked to test its configuration only where something is wrong that the answer would tell apart.
func TestServersAreAskedForTheirTest(t *testing.T) {
	for _, tt := range []struct {
		title string
		spoil func(r *rig)
		asked bool
	}{
		{"well", func(r *rig) { r.untested = true }, false},
		{"old on the wire", func(r *rig) { r.untested = true; r.old() }, true},
		{"old on the wire, and tested", func(r *rig) { r.old() }, false},
		{"a file that cannot be read as what it should be", func(r *rig) { r.untested, r.crt.Damage = true, "cut" }, true},
	} {
		r := newRig()
		r.config.Test = []string{"/usr/sbin/nginx", "-t"}
		tt.spoil(r)
		c := r.seen()
		asked := slices.ContainsFunc(c.Open(c.Observations), func(q evidence.Question) bool {
			return q.What == evidence.AskTest && q.Target == "shop/files" && q.Why != ""
		})
		if asked != tt.asked {
			t.Errorf("%s: asked %v", tt.title, asked)
		}
	}
}

func TestTargetFaults(t *testing.T) {
	late := noon.Add(-time.Minute)
	for title, c := range map[string]struct {
		want  string // empty = well
		ruled string
		spoil func(r *rig)
	}{
		"well":              {"", "", func(r *rig) {}},
		"old workers leave": {"sync-old-workers", "sync-old-master-alive", func(r *rig) { r.listener.Masters[0].Workers = []evidence.Worker{{PID: 3, Leaving: true}} }},
		"CRLF":              {"", "", func(r *rig) { r.crt.Marks = []string{"crlf"} }},
		"not reloaded":      {"sync-reload-not-run", "sync-needs-restart", func(r *rig) { r.old(); r.listener.Masters[0].Loaded = noon.Add(-9 * time.Hour) }},
		"reads at its start only": {"sync-needs-restart", "sync-reload-not-run", func(r *rig) {
			r.old()
			r.listener.Masters[0].Renews, r.listener.Masters[0].Loaded = false, r.listener.Masters[0].Started
		}},
		"wrong key":          {"sync-key-mismatch", "sync-chain-order", func(r *rig) { r.key.KeyHash = "KX"; r.test.Exit = 1 }},
		"key of the former":  {"sync-partial-pair", "sync-key-mismatch", func(r *rig) { r.key.KeyHash = "KA"; r.test.Exit = 1 }},
		"wrong order":        {"sync-chain-order", "sync-key-mismatch", func(r *rig) { slices.Reverse(r.crt.Certs); r.test.Exit = 1 }},
		"empty":              {"sync-empty-file", "sync-format", func(r *rig) { r.crt.Form, r.crt.Certs = "empty", nil; r.test.Exit = 1 }},
		"DER":                {"sync-format", "sync-empty-file", func(r *rig) { r.crt.Form = "der"; r.test.Exit = 1 }},
		"cut":                {"sync-truncated", "sync-format", func(r *rig) { r.crt.Damage, r.crt.Certs = "line 1", nil; r.test.Exit = 1 }},
		"locked":             {"sync-key-encrypted", "sync-key-unreadable", func(r *rig) { r.key.Locked, r.key.KeyHash = true, ""; r.test.Exit = 1 }},
		"locked, phrase set": {"", "", func(r *rig) { r.key.Locked, r.key.KeyHash = true, "" }},
		"unreadable": {"sync-key-unreadable", "sync-mac-denied", func(r *rig) {
			r.key.Readers = []evidence.FileReader{{User: "www", May: "no", Why: "0600 root:root"}}
		}},
		"PostgreSQL's key": {"sync-pg-key-perms", "sync-key-unreadable", func(r *rig) {
			r.config.Software, r.key.Mode, r.key.Owner = "postgresql", "0644", "postgres"
		}},
		"PostgreSQL's key of root, for its group": {"", "", func(r *rig) { r.config.Software, r.key.Mode = "postgresql", "0640" }},
		"read-only": {"sync-readonly-fs", "sync-write-denied", func(r *rig) {
			r.old()
			r.crt.Certs[0].Serial = "A0"
			r.key.KeyHash = "KB"
			r.place.ReadOnly, r.place.Writable = true, false
		}},
		"denied": {"sync-write-denied", "sync-readonly-fs", func(r *rig) { r.old(); r.crt.Certs[0].Serial = "A0"; r.place.Writable = false }},
		"full":   {"sync-disk-full", "sync-write-denied", func(r *rig) { r.old(); r.crt.Certs[0].Serial = "A0"; r.place.Free = 100 }},
		"put back": {"sync-reverted-by-config-mgmt", "sync-two-managers", func(r *rig) {
			r.old()
			r.crt.Certs[0], r.key.KeyHash, r.crt.Changed = evidence.FileCert{Serial: "A0", KeyHash: "KA"}, "KA", late
		}},
		"another client": {"sync-two-managers", "sync-reverted-by-config-mgmt", func(r *rig) {
			r.served = "F0"
			r.crt.Certs[0], r.key.KeyHash, r.crt.Changed = evidence.FileCert{Serial: "F0", KeyHash: "KF", NotBefore: late}, "KF", late
		}},
		"another file is read": {"sync-wrong-path", "sync-symlink-stale", func(r *rig) {
			r.old()
			r.config.Uses[0].Certificate = "/old/a.crt"
		}},
		"somebody else's line": {"sync-reload-failed-unrelated", "sync-reload-failed-own", func(r *rig) {
			r.old()
			r.listener.Masters[0].Loaded = noon.Add(-9 * time.Hour)
			r.test.Exit, r.test.Faults = 1, []evidence.TestFault{{At: "/etc/nginx/b.conf:7", Text: "unknown directive"}}
		}},
		"our file is refused": {"sync-reload-failed-own", "sync-reload-failed-unrelated", func(r *rig) {
			r.old()
			r.listener.Masters[0].Loaded = noon.Add(-9 * time.Hour)
			r.test.Exit, r.test.Faults = 1, []evidence.TestFault{{Paths: []string{"/t/a.crt"}, Text: "ee key too small /t/a.crt"}}
		}},
		"two masters": {"sync-old-master-alive", "sync-one-node-stale", func(r *rig) {
			r.old()
			r.listener.Masters = append(r.listener.Masters, evidence.Master{PID: 4, Name: "nginx", Renews: true, Loaded: noon.Add(-9 * time.Hour)})
		}},
		"not committed": {"sync-haproxy-uncommitted", "sync-reload-not-run", func(r *rig) {
			r.old()
			r.config.Software = "haproxy"
			r.memory = &evidence.Memory{Target: "shop/files", Socket: "/s", Certs: []evidence.HeldCert{{File: "/t/a.crt", Serial: "A0"}, {File: "/t/a.crt", Serial: "B0", Open: true}}}
		}},
		"not in the list": {"sync-haproxy-crtlist-missing", "tls-sni-default-served", func(r *rig) {
			r.served = "F0"
			r.config.Software, r.config.Lists, r.config.Uses[0].Named, r.config.Uses[0].Certificate = "haproxy", []string{"/l"}, false, "/t/default.pem"
		}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			r := newRig()
			c.spoil(r)
			if cfg := r.config.Uses[0]; cfg.Certificate == "/old/a.crt" {
				x := r.crt
				x.Path, x.Real, x.Ours, x.Read, x.Certs = cfg.Certificate, cfg.Certificate, false, true, []evidence.FileCert{{Serial: "A0", KeyHash: "KB"}}
				r.checkOther(t, x, c.want, c.ruled)
				return
			}
			judged(t, r.report(t), c.want, c.ruled)
		})
	}
}

// checkOther judges with one more file that the server reads.
func (r *rig) checkOther(t *testing.T, x evidence.TargetFile, want, ruled string) {
	t.Helper()
	o := ordered(nil)
	see := func(check string, v any) evidence.Observation {
		return evidence.Observation{Probe: evidence.ProbeTarget, Check: check, Subject: check, Outcome: evidence.Pass, Seen: "seen", From: "test", At: noon, Command: "look"}.With(v)
	}
	obs := []evidence.Observation{see(evidence.CheckListener, r.listener), see(evidence.CheckConfig, r.config), see(evidence.CheckRead, r.crt), see(evidence.CheckRead, r.key), see(evidence.CheckRead, x)}
	rep := Judge("www", obs, road(newFiles, oldWire), noon, Options{Order: o})
	checkReport(t, rep)
	judged(t, rep, want, ruled)
}

// With no order to say what should be served, the file that was written after the server read is the newer one, even if both
// certificates were issued in the same second.
func TestFileOfTheSameSecondIsNewer(t *testing.T) {
	p := newPKI(t)
	w := world{p, t}
	served := w.good()
	leaf, err := x509.ParseCertificate(served[0])
	if err != nil {
		t.Fatal(err)
	}
	r := newRig()
	r.listener.Target, r.config.Target, r.crt.Target, r.key.Target = "", "", "", ""
	r.listener.Masters[0].Loaded = noon.Add(-9 * time.Hour)
	r.crt.Read, r.crt.Ours, r.key.Read, r.key.Ours = true, false, true, false
	r.crt.Certs[0] = evidence.FileCert{Serial: "B0", KeyHash: "KB", Names: []string{host}, NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter}
	obs := w.around(v4, served)
	for check, v := range map[string]any{evidence.CheckListener: r.listener, evidence.CheckConfig: r.config, evidence.CheckTest: r.test} {
		obs = append(obs, evidence.Observation{Probe: evidence.ProbeTarget, Check: check, Subject: check, Outcome: evidence.Pass, Seen: "seen", From: "test", At: noon, Command: "look"}.With(v))
	}
	for _, f := range []evidence.TargetFile{r.crt, r.key} {
		obs = append(obs, evidence.Observation{Probe: evidence.ProbeTarget, Check: evidence.CheckRead, Subject: f.Path, Outcome: evidence.Pass, Seen: "seen", From: "test", At: noon, Command: "look"}.With(f))
	}
	judged(t, Judge(host, obs, nil, noon, Options{Roots: p.roots, ServerName: host}), "sync-reload-not-run", "sync-wrong-path")
}

func judged(t *testing.T, rep Report, want, ruled string) {
	t.Helper()
	if want == "" {
		if len(rep.Findings) > 0 {
			t.Fatalf("it is well: %s", brief(rep))
		}
		return
	}
	if len(rep.Findings) == 0 || rep.Findings[0].ID != want || rep.Findings[0].Certainty != Confirmed {
		t.Fatalf("want %s: %s", want, brief(rep))
	}
	var out []string
	for _, x := range rep.Findings[0].RuledOut {
		out = append(out, x.ID)
	}
	if !slices.Contains(out, ruled) {
		t.Errorf("%s is not ruled out: %s", ruled, strings.Join(out, " "))
	}
}
