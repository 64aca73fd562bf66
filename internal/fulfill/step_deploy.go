package fulfill

import (
	"context"
	"fmt"
	"strings"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/site"
)

// settle is how long a push may take to show on the wire: a reload returns before workers switch.
var settle = []time.Duration{0, 20 * time.Millisecond, 60 * time.Millisecond, 150 * time.Millisecond, 300 * time.Millisecond, 600 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second}

// pause waits by the machine's clock.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// keep remembers a version that this run obtained, so that it need not be read back.
func (r *run) keep(c Certificate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fresh[c.Name+"/"+c.ID] = c
}

// current reads the version that a target should hold, with its key; without where its owner holds it.
func (r *run) current(ctx context.Context, o *order.Order, v *order.Version) (Certificate, error) {
	name := o.SecretFor(v.KeyType)
	if o.Keyless(v) {
		return Certificate{Vault: o.Spec.Vault, Name: name, ID: v.SecretID, Chain: order.DecodeChain(v.Chain), Content: o.Spec.Content}, nil
	}
	r.mu.Lock()
	c, ok := r.fresh[name+"/"+v.SecretID]
	r.mu.Unlock()
	if ok { // what a target gets is what may be read there, however it came here
		return c, r.Vault.Ready(ctx, o.Spec.Vault)
	}
	return r.Vault.Get(ctx, o.Spec.Vault, name, v.SecretID)
}

// push compares a target, puts the current version where it differs, looks on the wire, and takes it back where the look
// says that serving got worse.
func (r *run) push(ctx context.Context, o *order.Order, d *order.Deployment) []order.Result {
	v := o.Current(d.KeyType)
	fail := func(p *order.Problem) []order.Result {
		return []order.Result{order.DeployFailed{Key: d.Key(), Version: v.Number, Problem: p}}
	}
	s, t, err := r.targetOf(ctx, o, d)
	if err != nil {
		return fail(r.problem(err, "read site "+d.Site))
	}
	if s == nil {
		return nil
	}
	c, err := r.current(ctx, o, v)
	if err != nil {
		p := r.problem(err, "read the version from the vault")
		return append(fail(p), order.VaultSeen{Problem: p})
	}
	if c.Key == nil && t.NeedsKey() {
		return r.putByHand(ctx, o, d, *s, t, c)
	}
	receipt, err := r.Deployer.Put(ctx, *s, t, c)
	if err != nil {
		// A reload that failed was taken back by Put itself: each try disturbs what serves, so they are kept apart.
		return []order.Result{order.DeployFailed{Key: d.Key(), Version: v.Number, Problem: r.problem(err, "deploy to "+d.Key()), TakenBack: receipt.Reload != nil, Reload: receipt.Reload}}
	}
	receipt.Version, receipt.Serial, receipt.At = v.Number, v.Serial, r.Now()
	rows := endpointsOf(o, *s, t)
	looks := r.lookAfter(ctx, o, v, rows, receipt.Changed)
	if d.Forced && !receipt.Changed && !allServe(looks) {
		if err := r.reloadAgain(ctx, t, &receipt); err != nil {
			return append(fail(r.problem(err, "reload "+d.Key())), looks...)
		}
		if receipt.Changed {
			looks = r.lookAfter(ctx, o, v, rows, true)
		}
	}
	if worse := worsened(o, looks, r.Now()); worse != nil && receipt.Changed && receipt.Previous != "" {
		return append(r.takeBack(ctx, d, t, receipt, worse), r.lookBack(ctx, o, v, endpointsOf(o, *s, t))...)
	}
	if receipt.Changed {
		if err := r.Deployer.Settle(ctx, t, receipt); err != nil {
			r.Logger.Warn("what was there before a push could not be cleared", "target", d.Key(), "error", err)
		}
	}
	return append([]order.Result{order.Deployed{Key: d.Key(), Receipt: receipt, Seen: receipt.Seen}}, looks...)
}

// targetOf reads the target of a row, with its site. Where the site no longer has it (no site), the order follows its sites
// as they are now, whatever it has become meanwhile.
func (r *run) targetOf(ctx context.Context, o *order.Order, d *order.Deployment) (*site.Site, site.Target, error) {
	for again := false; ; again = true {
		s, err := r.site(ctx, o, d.Site)
		if err != nil {
			return nil, site.Target{}, err
		}
		if t, ok := s.Target(d.Target); ok {
			return s, t, nil
		}
		if again {
			return nil, site.Target{}, r.follow(ctx, order.Bound{}, o.ID, true)
		}
		r.sited.forget() // the row may be newer than what was read
	}
}

// putByHand looks whether whoever holds the key of the current version has put it to a target that takes one: Certwright
// cannot. Until then the target waits for them.
func (r *run) putByHand(ctx context.Context, o *order.Order, d *order.Deployment, s site.Site, t site.Target, c Certificate) []order.Result {
	v := o.Current(d.KeyType)
	seen := r.Deployer.Observe(ctx, t, c)
	looks := r.lookAfter(ctx, o, v, endpointsOf(o, s, t), false)
	for _, x := range seen {
		if x.Check == "serial" && x.Outcome == evidence.Pass {
			receipt := order.Receipt{Version: v.Number, Serial: v.Serial, At: r.Now(), Detail: "Whoever holds its key has put it there."}
			return append([]order.Result{order.Deployed{Key: d.Key(), Receipt: receipt, Seen: seen}}, looks...)
		}
	}
	p := o.ByHand(v, "deploy to "+d.Key(), "", r.Now())
	return append([]order.Result{order.DeployFailed{Key: d.Key(), Version: v.Number, Problem: p, Seen: seen}}, looks...)
}

// allServe says whether every endpoint was seen to serve what it should; false where nothing was looked at.
func allServe(looks []order.Result) bool {
	for _, l := range looks {
		if look, ok := l.(order.Looked); !ok || look.Problem != nil {
			return false
		}
	}
	return len(looks) > 0
}

// reloadAgain has a server read files that hold the current version already: somebody asked for a sync, and the
// server was not seen to serve them. It may have been started before they were written, or a reload of it was lost.
func (r *run) reloadAgain(ctx context.Context, t site.Target, receipt *order.Receipt) error {
	ran, err := r.Deployer.Reload(ctx, t)
	if err != nil || ran == nil {
		return err
	}
	receipt.Changed, receipt.Reload = true, ran
	receipt.Detail = "The files held it already; " + ran.Name + " was reloaded, because it was not seen to be served."
	return nil
}

// takeBack puts back what was there before a push that made serving worse.
func (r *run) takeBack(ctx context.Context, d *order.Deployment, t site.Target, receipt order.Receipt, worse *order.Problem) []order.Result {
	p := *worse
	p.What = "look on the wire after the push"
	p.Class = order.Retry
	if err := r.Deployer.TakeBack(context.WithoutCancel(ctx), t, receipt); err != nil {
		p.Detail += "; and it could not be taken back: " + err.Error()
		p.Fix = "Look at the target by hand: it holds the new version, and does not serve it"
		return []order.Result{order.DeployFailed{Key: d.Key(), Version: receipt.Version, Problem: &p}}
	}
	return []order.Result{order.DeployFailed{Key: d.Key(), Version: receipt.Version, Problem: &p, TakenBack: true, Reload: receipt.Reload}}
}

// lookBack looks again after a push was taken back: what is shown is what serves now, not the push.
func (r *run) lookBack(ctx context.Context, o *order.Order, v *order.Version, rows []*order.EndpointRow) []order.Result {
	results := make([]order.Result, len(rows))
	for i, e := range rows {
		var look order.Looked
		for _, d := range settle[:len(settle)-2] {
			r.Pause(ctx, d)
			look = r.lookFor(ctx, o, v.Serial, e)
			if servesOurs(o, look.Seen, r.Now()) {
				break
			}
		}
		results[i] = look
	}
	return results
}

// servesOurs says whether every address that was looked at serves a version of the order that is valid still.
func servesOurs(o *order.Order, seen []evidence.Observation, now time.Time) bool {
	for _, s := range seen {
		if !ours(o, servedSerial(s), now) {
			return false
		}
	}
	return len(seen) > 0
}

// servedSerial is the serial number of what an observation saw, as a Version writes it: of the certificate itself,
// else of the words.
func servedSerial(s evidence.Observation) string {
	if served, ok := evidence.Decode[evidence.Served](s); ok && len(served.Chain) > 0 {
		if leaf, err := order.ParseLeaf(served.Chain[0]); err == nil {
			return leaf.Serial
		}
	}
	return strings.TrimPrefix(s.Seen, "serial ")
}

func ours(o *order.Order, serial string, now time.Time) bool {
	for i := range o.Versions {
		if v := &o.Versions[i]; v.Serial == serial && v.State != order.VersionRevoked && now.Before(v.NotAfter) {
			return true
		}
	}
	return false
}

// endpointsOf are the rows that show whether a push to a target arrived.
func endpointsOf(o *order.Order, s site.Site, t site.Target) []*order.EndpointRow {
	only := 0
	for _, x := range s.Targets {
		if x.Disabled == "" {
			only++
		}
	}
	var rows []*order.EndpointRow
	for i := range o.Endpoints {
		e := &o.Endpoints[i]
		if e.Gone || !strings.EqualFold(e.Site, s.Name) {
			continue
		}
		if strings.EqualFold(e.Target, t.Name) || e.Target == "" && only == 1 {
			rows = append(rows, e)
		}
	}
	return rows
}

// lookAfter looks at the endpoints of a push; after a change it waits for it to show.
func (r *run) lookAfter(ctx context.Context, o *order.Order, v *order.Version, rows []*order.EndpointRow, changed bool) []order.Result {
	results := make([]order.Result, len(rows))
	done := make(chan struct{})
	for i, e := range rows {
		go func() {
			defer func() { done <- struct{}{} }()
			results[i] = r.lookUntil(ctx, o, v, e, changed)
		}()
	}
	for range rows {
		<-done
	}
	return results
}

func (r *run) lookUntil(ctx context.Context, o *order.Order, v *order.Version, e *order.EndpointRow, changed bool) order.Looked {
	var look order.Looked
	for _, d := range settle {
		if r.Pause(ctx, d); ctx.Err() != nil {
			return look
		}
		look = r.lookFor(ctx, o, v.Serial, e)
		if look.Problem == nil || !changed {
			return look
		}
	}
	return look
}

// look looks at one endpoint, expecting what the order says it may serve.
func (r *run) look(ctx context.Context, o *order.Order, e *order.EndpointRow) order.Looked {
	serial := ""
	if s := o.Expected(e); len(s) > 0 {
		serial = s[0]
	}
	return r.lookFor(ctx, o, serial, e)
}

func (r *run) lookFor(ctx context.Context, o *order.Order, serial string, e *order.EndpointRow) order.Looked {
	seen := r.Prober.LookTLS(ctx, e.Endpoint, serial)
	others := map[string]bool{}
	for _, s := range o.Expected(e) {
		others[s] = true
	}
	for i := range seen { // the other key type's current version is as good
		if s := &seen[i]; s.Outcome == evidence.Fail && others[servedSerial(*s)] {
			s.Outcome, s.Expected = evidence.Pass, s.Seen
		}
	}
	return order.Looked{Key: e.Key(), Seen: seen, Problem: r.lookProblem(o, e, seen)}
}

// worsened is the problem of an endpoint that served well before a push and does not now. After a push that
// was taken back it serves an older version of ours: that is well enough to be worsened again.
func worsened(o *order.Order, looks []order.Result, now time.Time) *order.Problem {
	for _, res := range looks {
		l, ok := res.(order.Looked)
		if !ok || l.Problem == nil || l.Problem.Class == order.Waiting {
			continue
		}
		e := o.Endpoint(l.Key)
		if e == nil {
			continue
		}
		if e.State == order.Done || servesOurs(o, e.Seen, now) && !servesOurs(o, l.Seen, now) {
			return l.Problem
		}
	}
	return nil
}

// lookProblem says in words what a look found, by what every address of the endpoint gave.
func (r *run) lookProblem(o *order.Order, e *order.EndpointRow, seen []evidence.Observation) *order.Problem {
	var bad *evidence.Observation
	failed := 0
	for i := range seen {
		if seen[i].Outcome == evidence.Pass {
			continue
		}
		failed++
		if bad == nil || seen[i].Outcome == evidence.Fail && bad.Outcome != evidence.Fail {
			bad = &seen[i]
		}
	}
	if bad == nil {
		return nil
	}
	p := &order.Problem{Class: order.Retry, What: "look on the wire", Where: bad.Subject, Detail: bad.Reason, Owner: order.OwnerAdmin, At: r.Now(), Fix: "Repeat the look with: " + bad.Command}
	if bad.Outcome == evidence.Unknown {
		p.Class, p.Cause = order.Waiting, "it cannot be verified from here"
		return p
	}
	served, _ := evidence.Decode[evidence.Served](*bad)
	explainLook(p, o, served, bad)
	if failed < len(seen) {
		p.Detail += fmt.Sprintf(" (%d of %d addresses)", failed, len(seen))
		if served.Error == "" {
			p.ID, p.Cause = "sync-one-node-stale", "one of several nodes behind the name did not get the new version"
		}
	}
	return p
}

// looksLike are the classes of error that a look can end in, as causes in words.
var looksLike = map[string][2]string{
	"refused":      {"tls-port-closed", "nothing listens there, or a firewall rejects"},
	"timeout":      {"tls-timeout", "the host is down, or a firewall drops the packets"},
	"unresolvable": {"dns-nxdomain-host", "the host name has no address"},
	"not-tls":      {"tls-plain-http-443", "the port does not speak TLS"},
	"alert":        {"tls-version-mismatch", "the server refuses the handshake"},
	"reset":        {"tls-proxy-protocol", "something on the way or a wrong protocol setting cuts the connection"},
}

func explainLook(p *order.Problem, o *order.Order, served evidence.Served, bad *evidence.Observation) {
	if served.Error != "" {
		if w, ok := looksLike[served.ErrorClass]; ok {
			p.ID, p.Cause = w[0], w[1]
		}
		if p.Detail == "" {
			p.Detail = served.Error
		}
		return
	}
	p.Detail = fmt.Sprintf("serves %s, expected %s", bad.Seen, bad.Expected)
	serial := servedSerial(*bad)
	p.ID, p.Cause = "tls-sni-default-served", "another certificate is configured there for this name"
	for i := range o.Versions {
		if v := &o.Versions[i]; v.Serial == serial {
			p.ID = "renew-stored-not-synced"
			p.Cause = fmt.Sprintf("it still serves version %d: the new one was not loaded there", v.Number)
			p.Fix = "Sync the order; if that says it is in sync, reload what serves there"
		}
	}
}
