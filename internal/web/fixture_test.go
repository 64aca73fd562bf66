package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/fulfill"
	"certwright/internal/order"
)

var now = time.Date(2026, 11, 23, 2, 14, 0, 0, time.UTC)

func at(d time.Duration) *time.Time { t := now.Add(d); return &t }

const dayLong = 24 * time.Hour

// fixture is an order with its path as order.Path would give it.
type fixture struct {
	o      *order.Order
	path   []order.Stage
	pr     order.Projection
	events []order.Event
}

// world is a Reader, Actions and Auth over fixtures; it can be changed while pages look at it.
type world struct {
	mu      sync.Mutex
	all     []*fixture
	calls   []string
	refuse  error
	broken  error // every read fails
	follow  []chan order.ID
	shut    chan struct{} // while it is not closed nobody follows anew; nil = it never was shut
	report  *Report
	diagErr error
	events  int // that were read
}

// read is how many events were read so far.
func (w *world) read() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events
}

func (w *world) find(id order.ID) *fixture {
	for _, f := range w.all {
		if f.o.ID.Key() == id.Key() {
			return f
		}
	}
	return nil
}

func (w *world) ListOrders(_ context.Context, q order.Query) (order.Page, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var page order.Page
	if w.broken != nil {
		return page, w.broken
	}
	for _, f := range w.all {
		names := f.o.ID.Name + " " + joinNames(f.o.Spec.Names)
		if q.Status != "" && f.pr.Status != q.Status || q.State != "" && f.pr.State != q.State || q.Stage != "" && f.pr.Stage != q.Stage ||
			q.Text != "" && !strings.Contains(names, q.Text) || q.After != "" && f.o.ID.Name <= q.After {
			continue
		}
		if len(page.Orders) == q.Limit {
			page.Next = page.Orders[q.Limit-1].ID.Name
			break
		}
		page.Orders = append(page.Orders, order.Summary{ID: f.o.ID, Kind: f.o.Kind, Revision: f.o.Revision, CommonName: f.o.Spec.Names[0].Value, Projection: f.pr})
	}
	return page, nil
}

func (w *world) CountOrders(context.Context, string, string) ([]order.Count, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []order.Count
	for _, f := range w.all {
		out = append(out, order.Count{Status: f.pr.Status, Stage: f.pr.Stage, State: f.pr.State, N: 1})
	}
	return out, w.broken
}

func (w *world) LoadOrder(_ context.Context, id order.ID) (*order.Order, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return nil, w.broken
	}
	f := w.find(id)
	if f == nil {
		return nil, fmt.Errorf("order %s: %w", id.Name, fulfill.ErrNotFound)
	}
	return f.o.Clone(), nil
}

func (w *world) Events(_ context.Context, q order.EventQuery) (found []order.Event, next string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.events += len(found) }()
	if w.broken != nil {
		return nil, "", w.broken
	}
	if q.Order == nil {
		return w.newest(q)
	}
	f := w.find(*q.Order)
	if f == nil {
		return nil, "", nil
	}
	var out []order.Event
	for _, e := range slices.Backward(f.events) {
		if (q.Before == 0 || e.Seq < q.Before) && len(out) < q.Limit {
			out = append(out, e)
		}
	}
	return out, "", nil
}

// newest are the events of all orders, newest first; a cursor is the number of those that came before.
func (w *world) newest(q order.EventQuery) ([]order.Event, string, error) {
	var all []order.Event
	for _, f := range w.all {
		for _, e := range f.events {
			if !e.At.Before(q.From) && (q.To.IsZero() || e.At.Before(q.To)) {
				all = append(all, e)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b order.Event) int { return b.At.Compare(a.At) })
	n, _ := strconv.Atoi(q.Cursor)
	all = all[min(n, len(all)):]
	if len(all) > q.Limit {
		return all[:q.Limit], strconv.Itoa(n + q.Limit), nil
	}
	return all, "", nil
}

func (w *world) Do(_ context.Context, caller string, id order.ID, action string) error {
	return w.act(action, caller, id)
}

func (w *world) Request(_ context.Context, caller string, id order.ID, csr string, reuse bool) error {
	return w.act(fmt.Sprintf("request %q %v", csr, reuse), caller, id)
}

func (w *world) act(what, caller string, id order.ID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, what+" "+id.Name+" by "+caller)
	return w.refuse
}

func (w *world) called() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.calls, "; ")
}

func (w *world) SignIn(_ context.Context, token string) (string, string, error) {
	if token != "right" {
		return "", "", errors.New("this token is not known or has run out")
	}
	return "s3ssion", "alice", nil
}

func (w *world) Who(_ context.Context, r *http.Request) (string, bool) {
	return "alice", Session(r) == "s3ssion"
}

func (w *world) changes(ctx context.Context) (<-chan order.ID, error) {
	c := make(chan order.ID, 16)
	w.mu.Lock()
	shut := w.shut
	w.mu.Unlock()
	if shut != nil {
		select {
		case <-shut:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.follow = append(w.follow, c)
	return c, nil
}

// change edits an order under its next revision and tells the streams.
func (w *world) change(name string, edit func(f *fixture)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.find(order.Short(name))
	edit(f)
	f.o.Revision++
	for _, c := range w.follow {
		c <- f.o.ID
	}
}

// cut ends all streams, as a server that stops does; it is back when the function is called that it gives.
func (w *world) cut() (back func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	shut := make(chan struct{})
	w.shut = shut
	for _, c := range w.follow {
		close(c)
	}
	w.follow = nil
	return func() { close(shut) }
}

func (w *world) diagnose(context.Context, order.ID) (Report, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.report == nil {
		return Report{}, firstErr(w.diagErr, errors.New("the probes did not answer in time"))
	}
	return *w.report, nil
}

func firstErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (w *world) options() Options {
	get := func(o *order.Order) *fixture {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.find(o.ID)
	}
	return Options{Reader: w, Actions: w, Auth: w, Now: func() time.Time { return now }, Version: "1.2.3", PublicURL: "https://certwright.example.test:8443/", OwnRoots: true,
		Path:    func(o *order.Order, _ time.Time) []order.Stage { return get(o).path },
		Project: func(o *order.Order, _ time.Time) order.Projection { return get(o).pr },
		Changes: w.changes, Ask: w.ask}
}

// serve starts the pages over HTTPS.
func serve(t testing.TB, o Options) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(New(o))
	t.Cleanup(s.CloseClientConnections)
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return s
}

func names(list ...string) []order.Name {
	var out []order.Name
	for _, n := range list {
		out = append(out, order.Name{Kind: order.DNS, Value: n})
	}
	return out
}

// base is a healthy order with one version, two targets and two endpoints.
func base(name string, hosts ...string) *fixture {
	o := &order.Order{ID: order.Short(name), Kind: order.Ordered, Generation: 1, Revision: 7, Created: now.Add(-40 * dayLong),
		Spec: order.Spec{Names: names(hosts...), Issuer: "le", Method: order.MethodHTTP01, KeyTypes: []order.KeyType{order.P256}, AutoRenew: true,
			Vault: "main", Sites: []string{"shop"}},
		DueAt: now.Add(9 * time.Hour), Seq: 6,
		Versions: []order.Version{version(1, -130, -40, order.First), version(2, -40, 50, order.Renewal)},
		Deployments: []order.Deployment{{Site: "shop", Target: "nginx", Version: 2, SyncAt: now.Add(9 * time.Hour)},
			{Site: "shop", Target: "haproxy", Version: 2, SyncAt: now.Add(10 * time.Hour)}}}
	f := &fixture{o: o, path: healthyPath(hosts), events: renewal(o.ID)}
	f.pr = order.Projection{Status: order.Issued, Vault: order.VaultSucceeded, Stage: order.StageOrder, State: order.Done,
		Text: "renews in 20 days", Expires: now.Add(50 * dayLong), Serial: o.Versions[1].Serial}
	return f
}

func version(n, from, to int, why order.Reason) order.Version {
	return order.Version{Number: n, KeyType: order.P256, State: order.VersionStored, Serial: fmt.Sprintf("04AF31C07B5D9E82%04X", n*4711),
		Thumbprint: strings.Repeat(fmt.Sprintf("%02X", n*37), 20), IssuedBy: "CN=Example Issuing CA 3,O=Example Trust,C=NO", NotBefore: now.Add(time.Duration(from) * dayLong),
		NotAfter: now.Add(time.Duration(to) * dayLong), Reason: why, Issuer: "le"}
}

func healthyPath(hosts []string) []order.Stage {
	var out []order.Stage
	for i, s := range order.Stages {
		st := order.Stage{Stage: s, State: order.Done, Version: 2, Since: at(-40*dayLong + time.Duration(i)*time.Second)}
		switch s {
		case order.StageVerify:
			for _, h := range hosts {
				st.Rows = append(st.Rows, order.Row{Name: h, State: order.Done, Text: "verified by http-01", Since: st.Since})
			}
		case order.StageDeploy:
			st.Rows = []order.Row{{Name: "shop/nginx", State: order.Done, Version: 2, Since: st.Since}, {Name: "shop/haproxy", State: order.Done, Version: 2, Since: st.Since}}
			st.Next, st.NextAt = "compared with the vault again", at(9*time.Hour)
		case order.StageServe:
			st.Rows = []order.Row{{Name: "192.0.2.10:443", State: order.Done, Version: 2}, {Name: "[2001:db8::10]:443", State: order.Done, Version: 2}}
		}
		out = append(out, st)
	}
	return out
}

// after sets the states of the stages from the named one on to the given one.
func after(path []order.Stage, from order.StageName, s order.StageState) {
	for i := slices.Index(order.Stages, from); i < len(path); i++ {
		path[i].State, path[i].Rows, path[i].Since, path[i].Version, path[i].Next, path[i].NextAt = s, nil, nil, 0, "", nil
	}
}

func renewal(id order.ID) []order.Event {
	ev := func(n int64, sec int, name string, st order.EventStatus, stage order.StageName, text string) order.Event {
		return order.Event{Seq: n, ID: fmt.Sprintf("%s-%d", id.Name, n), Order: id, At: now.Add(-40*dayLong + time.Duration(sec)*time.Second), Caller: "certwright",
			Correlation: "r1", Operation: order.Type + "/renew/action", Name: name, Stage: stage, Status: st, Level: order.Informational, Text: text}
	}
	return []order.Event{
		ev(1, 0, "renew-requested", order.Succeeded, order.StageOrder, "Renewal is due: two thirds of the life of version 1 are over."),
		ev(2, 1, "attempt-begun", order.Started, order.StageIssue, "An order was opened at le."),
		ev(3, 3, "issued", order.Succeeded, order.StageIssue, "Version 2 was issued, valid for 90 days."),
		ev(4, 4, "stored", order.Succeeded, order.StageStore, "Version 2 is in vault main."),
		ev(5, 5, "deployed", order.Succeeded, order.StageDeploy, "Version 2 is at shop/nginx and shop/haproxy."),
		ev(6, 6, "look-changed", order.Info, order.StageServe, "All endpoints serve version 2."),
	}
}

func failing(id order.ID, from int64, n int, name string, stage order.StageName, text string) []order.Event {
	var out []order.Event
	for i := range n {
		out = append(out, order.Event{Seq: from + int64(i), ID: fmt.Sprintf("%s-%d", id.Name, from+int64(i)), Order: id, At: now.Add(time.Duration(i-n) * 50 * time.Minute),
			Caller: "certwright", Correlation: "f1", Name: name, Stage: stage, Status: order.Failed, Level: order.Error, Text: text})
	}
	return out
}

// fixtures are one order for every state that the pages must tell apart.
func fixtures() *world {
	w := &world{}
	add := func(f *fixture, edit func(f *fixture)) { edit(f); w.all = append(w.all, f) }
	add(base("api", "api.example.test"), deniedF)
	add(base("blog", "blog.example.test", "www.blog.example.test"), waitingF)
	add(base("cdn", "cdn.example.test"), outOfSyncF)
	add(base("db", "db.internal.example.test"), importedF)
	add(base("intranet", "intranet.example.test"), expiredF)
	add(base("login", "login.example.test"), func(f *fixture) { rekeyF(f) })
	add(base("mail", "mail.example.test", "imap.example.test", "smtp.example.test"), func(f *fixture) {})
	add(base("old", "old.example.test"), revokedF)
	add(base("partner", "partner.example.net"), watchedF)
	add(base("shop", "shop.example.test", "www.shop.example.test"), hungF)
	return w
}

func waitingF(f *fixture) {
	f.o.Versions, f.o.Deployments = nil, nil
	after(f.path, order.StageVerify, order.Blocked)
	f.path[0].Version, f.path[0].Since = 0, at(-3*dayLong)
	f.path[1] = order.Stage{Stage: order.StageVerify, State: order.StateWait, Since: at(-3 * dayLong), Deadline: at(12 * dayLong), Owner: order.OwnerOwner,
		Next: "publish the TXT record certwright-verify=8f0c2d77 at blog.example.test; looked for again", NextAt: at(7 * time.Minute),
		Rows: []order.Row{{Name: "blog.example.test", State: order.StateWait, Since: at(-3 * dayLong), NextAt: at(7 * time.Minute), Text: "No TXT record with the token was found at blog.example.test."},
			{Name: "www.blog.example.test", State: order.Done, Text: "verified by html", Since: at(-3 * dayLong)}}}
	f.pr = order.Projection{Status: order.Pendingissuance, Vault: order.VaultWaiting, Stage: order.StageVerify, State: order.StateWait, Owner: order.OwnerOwner,
		Text: "blog.example.test is not verified: no TXT record with the token"}
	f.events = nil
}

func deniedF(f *fixture) {
	waitingF(f)
	f.o.DeniedAt = at(-2 * dayLong)
	f.path[1].State, f.path[1].Deadline, f.path[1].NextAt = order.StateFail, nil, nil
	f.path[1].Problem = &order.Problem{Class: order.Final, What: "domain verification of api.example.test", Detail: "no proof was found within 15 days", Owner: order.OwnerOwner, At: now.Add(-2 * dayLong), Fix: "order again and publish the token"}
	f.path[1].Rows = nil
	f.pr = order.Projection{Status: order.Denied, Vault: order.VaultOrderFailed, Stage: order.StageVerify, State: order.StateFail, Owner: order.OwnerOwner, Text: "not verified within 15 days"}
}

func outOfSyncF(f *fixture) {
	f.path[3].State, f.path[3].Since, f.path[3].Owner = order.StateFail, at(-5*time.Hour), order.OwnerAdmin
	f.path[3].Problem = &order.Problem{Class: order.Retry, What: "write the certificate to the vault", Where: "vault main, secret cdn", Detail: "403 Forbidden: the caller lacks secrets/set",
		Cause: "the access policy of vault main no longer lets Certwright write secrets", Fix: "give the principal certwright the permission secrets/set on vault main", ID: "vault-write-denied", Owner: order.OwnerAdmin, At: now.Add(-10 * time.Minute), Vault: order.VaultNotPermitted}
	f.path[3].Next, f.path[3].NextAt = "tried again", at(20*time.Minute)
	after(f.path, order.StageDeploy, order.Blocked)
	f.pr.Vault, f.pr.Stage, f.pr.State, f.pr.Owner, f.pr.Text = order.VaultNotPermitted, order.StageStore, order.StateFail, order.OwnerAdmin, "vault main refuses the write: secrets/set is missing"
	f.events = append(f.events, failing(f.o.ID, 7, 6, "store-failed", order.StageStore, "Vault main refused the write (403): the caller lacks secrets/set.")...)
}

func importedF(f *fixture) {
	f.o.Kind, f.o.Spec.Issuer, f.o.Spec.AutoRenew, f.o.Spec.ImportedFrom = order.Imported, "", false, "/etc/letsencrypt/live/db.internal.example.test"
	f.path[1].State, f.path[1].Rows, f.path[2].State = order.Absent, nil, order.Absent
	f.o.Versions = f.o.Versions[1:]
	f.o.Versions[0].Reason = ""
	f.pr.Expires, f.pr.Text = now.Add(11*dayLong), "nothing renews it: import the next one"
}

func expiredF(f *fixture) {
	f.o.Versions = []order.Version{version(1, -95, -5, order.First)}
	f.path[2] = order.Stage{Stage: order.StageIssue, State: order.StateFail, Since: at(-26 * dayLong), Deadline: at(-5 * dayLong), Owner: order.OwnerAdmin, Version: 1,
		Problem: &order.Problem{Class: order.GiveUp, What: "new order", Where: "https://acme.example.net/new-order", Detail: "CAA record for intranet.example.test prevents issuance",
			Cause: "the CAA record at example.test names only digicert.com; the issuer le is not permitted", Fix: "add the record: example.test. CAA 0 issue \"letsencrypt.org\"", ID: "caa-not-permitted", Type: "urn:ietf:params:acme:error:caa", Status: 403, Owner: order.OwnerAdmin, At: now.Add(-3 * time.Hour),
			Sub: []order.Sub{{Identifier: "intranet.example.test", Detail: "CAA record for example.test prevents issuance"}}},
		Next: "a new attempt", NextAt: at(5 * time.Hour), Rows: []order.Row{{Name: "EC-P256", State: order.StateFail, Version: 1, Text: "12 attempts since 2026-10-28"}}}
	f.path[5].State, f.path[5].Problem = order.StateFail, &order.Problem{What: "look at 192.0.2.10:443", Detail: "serves a certificate that ended 5 days ago", Owner: order.OwnerUs}
	f.pr = order.Projection{Status: order.StatusExpired, Vault: order.VaultSucceeded, Stage: order.StageIssue, State: order.StateFail, Owner: order.OwnerAdmin,
		Text: "CAA at example.test does not permit le: renewal failed 12 times", Expires: now.Add(-5 * dayLong), Serial: f.o.Versions[0].Serial}
	f.events = append(f.events, failing(f.o.ID, 7, 12, "attempt-failed", order.StageIssue, "The authority refused the order: CAA record for intranet.example.test prevents issuance.")...)
}

func rekeyF(f *fixture) {
	f.path[2] = order.Stage{Stage: order.StageIssue, State: order.StateWait, Since: at(-40 * time.Second), Owner: order.OwnerIssuer, Version: 2, Next: "the authority is signing", NextAt: at(20 * time.Second), Deadline: at(24 * time.Hour),
		Rows: []order.Row{{Name: "EC-P256", State: order.StateWait, Version: 2, Text: "version 3 with a new key is on its way"}}}
	f.pr.Status, f.pr.Stage, f.pr.State, f.pr.Owner, f.pr.Text = order.PendingRekey, order.StageIssue, order.StateWait, order.OwnerIssuer, "version 3 with a new key is on its way"
}

func revokedF(f *fixture) {
	f.o.RevokedAt, f.o.Versions[1].State, f.o.Versions[1].RevokedAt = at(-dayLong), order.VersionRevoked, at(-dayLong)
	after(f.path, order.StageIssue, order.Disabled)
	f.pr.Status, f.pr.Vault, f.pr.Text, f.pr.State, f.pr.Stage = order.StatusRevoked, order.VaultSucceeded, "withdrawn by alice", order.Disabled, order.StageIssue
}

func watchedF(f *fixture) {
	f.o.Kind, f.o.Spec.Issuer, f.o.Spec.Vault, f.o.Spec.AutoRenew, f.o.Versions, f.o.Deployments = order.Watched, "", "", false, nil, nil
	for i := 1; i < 5; i++ {
		f.path[i] = order.Stage{Stage: order.Stages[i], State: order.Absent}
	}
	f.path[5].Rows = []order.Row{{Name: "partner.example.net:443", State: order.StateUnkno, Text: "Not verifiable from here: the host does not answer (timeout)."}}
	f.path[5].State = order.StateUnkno
	f.pr = order.Projection{Status: order.Issued, Vault: order.VaultUnknown, Stage: order.StageServe, State: order.StateUnkno, Text: "partner.example.net:443 does not answer", Expires: now.Add(19 * dayLong)}
}

func hungF(f *fixture) {
	f.path[4].State, f.path[4].Since, f.path[4].Deadline, f.path[4].Owner = order.StateFail, at(-3*time.Hour-20*time.Minute), at(8*time.Hour), order.OwnerAdmin
	f.path[4].Next, f.path[4].NextAt = "shop/haproxy is tried again", at(12*time.Minute)
	f.path[4].Rows = []order.Row{{Name: "shop/nginx", State: order.Done, Version: 2, Since: at(-3 * time.Hour)},
		{Name: "shop/haproxy", State: order.StateFail, Version: 1, Since: at(-3*time.Hour - 20*time.Minute), NextAt: at(12 * time.Minute), Serial: f.o.Versions[0].Serial,
			Problem: &order.Problem{Class: order.Retry, What: "reload haproxy after the new files were written", Where: "command haproxy-reload", Detail: "exit status 1 after 30 s: [ALERT] unable to load certificate from file '/etc/haproxy/certs/shop.pem': private key does not match",
				Cause: "the combined file still holds the key of version 1: the template in /etc/haproxy is written by another tool after us", Fix: "stop the other tool from writing shop.pem, then press Sync", ID: "sync-reload-failed-own", Owner: order.OwnerAdmin, At: now.Add(-8 * time.Minute)}}}
	f.path[5].State, f.path[5].Rows = order.Blocked, []order.Row{{Name: "192.0.2.10:443", State: order.Done, Version: 2}, {Name: "192.0.2.11:443", State: order.Blocked, Version: 1, Text: "still serves version 1"}}
	f.o.Deployments[1].Seen = []evidence.Observation{{Probe: evidence.ProbeFiles, Check: "pair", Subject: "/etc/haproxy/certs/shop.pem", Outcome: evidence.Fail, Expected: "key of version 2", Seen: "key of version 1",
		From: "server", At: now.Add(-8 * time.Minute), Command: "openssl x509 -in /etc/haproxy/certs/shop.pem -noout -pubkey"}}
	f.pr.Stage, f.pr.State, f.pr.Owner, f.pr.Text = order.StageDeploy, order.StateFail, order.OwnerAdmin, "1 of 2 targets failed: haproxy does not load the new certificate"
	f.events = append(f.events, failing(f.o.ID, 7, 4, "deploy-failed", order.StageDeploy, "Reloading haproxy failed with exit status 1.")...)
}

// diagnosis is what diagnose would say of the hung target.
func hungReport() *Report {
	return &Report{Took: 812 * time.Millisecond, BlindSpots: []string{"192.0.2.12:443 does not answer, so what it serves is not known"},
		Roots: []Root{{ID: "deploy-file-overwritten", Leg: "deploy", Severity: "critical", Certainty: "confirmed", Title: "Another tool overwrites shop.pem after Certwright has written it",
			Cause: "The file was changed 4 seconds after our push by the user ansible. It holds the key of version 1, so HAProxy refuses to load it.", Since: now.Add(-200 * time.Minute), Owner: order.OwnerAdmin, Deadline: now.Add(8 * time.Hour),
			Evidence: []Evidence{{Subject: "files /etc/haproxy/certs/shop.pem", Expected: "serial 04AF31C07B5D9E8224CE", Seen: "serial 04AF31C07B5D9E821267", From: "server", At: now.Add(-time.Minute), Command: "openssl x509 -in /etc/haproxy/certs/shop.pem -noout -serial"}},
			RuledOut: []RuledOut{{"sync-reload-not-run", "the reload was run and ended with exit status 1"}}, FixText: "Take shop.pem out of the playbook haproxy.yml, then sync.", FixCommand: "certwright order sync shop", Action: "sync"}}}
}
