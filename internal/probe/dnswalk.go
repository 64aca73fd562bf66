package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/miekg/dns"
)

const (
	maxUpper   = 6  // servers asked of the root and of a top-level domain
	maxServers = 24 // addresses asked of any other zone
	maxNested  = 4  // how deep finding a server's address may need another server's address
	maxTargets = 10 // CNAMEs followed
)

// nameServer is one address of a zone's server.
type nameServer struct {
	name   string
	addr   netip.AddrPort
	failed atomic.Bool // it did not answer: it is asked no more
}

// zone is a zone under way. Its servers are fixed once it is made.
type zone struct {
	name     string // with its last dot
	parent   *zone
	servers  []*nameServer
	nsParent []string
	noGlue   []string
	noAddr   []string
	own      bool // on the way to a name that was asked for, not only to some server's address
	sec      *zoneSec
	long     []reply // what came after a long wait, where nothing came before
}

// asking is one question put to every server of a zone.
type asking struct {
	zone    *zone
	q       question
	replies []reply       // by the zone's servers
	useful  chan struct{} // closed with the first answer to go on with, or the last one
	all     chan struct{} // closed with the last one
	best    *reply
	from    *nameServer
	done    bool
}

// visited is a name that was asked for.
type visited struct {
	name, role, from string
	zone             *zone
	types            []uint16
}

// walker goes through the DNS once. Every question is put once, whoever needs it.
type walker struct {
	p   *Prober
	via bool // it asks the resolver in place of the name servers

	mu    sync.Mutex
	cuts  map[string]*zoneCut
	asked map[string]*asking
	tcp   map[*nameServer]error
	cased map[*nameServer]string
	knows map[*nameServer]string
	order []*zone
	names []*visited
	busy  sync.WaitGroup
	tcpOK atomic.Bool
	root  *zone
}

// zoneCut is the answer to "does a zone begin at this name".
type zoneCut struct {
	once sync.Once
	zone *zone // where the name is: the zone that begins there, or the one above
	end  bool  // nothing is below: the name does not exist, or the zone's servers are silent
}

func (p *Prober) newWalker(root *zone) *walker {
	return &walker{p: p, root: root, cuts: map[string]*zoneCut{}, asked: map[string]*asking{}, tcp: map[*nameServer]error{},
		cased: map[*nameServer]string{}, knows: map[*nameServer]string{}}
}

// rootZone has the servers that the options name.
func (p *Prober) rootZone() *zone {
	roots := p.opt.Roots
	if len(roots) == 0 {
		roots = BuiltinRoots()
	}
	z := &zone{name: "."}
	for i := 0; i < 2; i++ { // one address of each server first: six servers rather than three
		for _, r := range roots {
			if i < len(r.Addresses) {
				z.servers = append(z.servers, p.server(r.Name, r.Addresses[i]))
			}
		}
	}
	for _, r := range roots {
		z.nsParent = append(z.nsParent, r.Name)
	}
	z.servers = z.servers[:min(len(z.servers), maxUpper)]
	return z
}

func (p *Prober) server(name string, a netip.Addr) *nameServer {
	return &nameServer{name: name, addr: netip.AddrPortFrom(a.Unmap(), p.nsPort())}
}

func (p *Prober) nsPort() uint16 {
	a, err := netip.ParseAddrPort("127.0.0.1:" + p.opt.DNSPort)
	if err != nil {
		return 53
	}
	return a.Port()
}

// query puts a question to every server of a zone, once. It does not wait.
func (w *walker) query(ctx context.Context, z *zone, name string, qtype uint16) *asking {
	key := z.name + " " + name + " " + dns.TypeToString[qtype]
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.asked[key]; a != nil {
		return a
	}
	a := &asking{zone: z, q: question{name: name, qtype: qtype, recursive: w.via}, replies: make([]reply, len(z.servers)), useful: make(chan struct{}), all: make(chan struct{})}
	w.asked[key] = a
	var left atomic.Int32
	left.Store(int32(len(z.servers)))
	if len(z.servers) == 0 {
		close(a.useful)
		close(a.all)
		a.done = true
	}
	for i, s := range z.servers {
		w.busy.Go(func() {
			r := w.one(ctx, s, a.q)
			w.mu.Lock()
			defer w.mu.Unlock()
			a.replies[i] = r
			last := left.Add(-1) == 0
			if !a.done && w.serves(z, a.q, r) {
				a.best, a.from = &a.replies[i], s
			}
			if !a.done && (a.best != nil || last) {
				a.done = true
				close(a.useful)
			}
			if last {
				close(a.all)
			}
		})
	}
	return a
}

var errSilent = errors.New("it answered no question before this one, so this one was not asked")

// one asks one server, unless it is known to be silent.
func (w *walker) one(ctx context.Context, s *nameServer, q question) reply {
	if s.failed.Load() {
		return reply{err: fmt.Errorf("%w: %w", errSilent, context.DeadlineExceeded)}
	}
	r := w.p.askServer(ctx, s.addr, q)
	if r.err != nil && ctx.Err() == nil && (ErrorClass(r.err) == ClassTimeout || ErrorClass(r.err) == ClassRefused) {
		s.failed.Store(true)
	}
	return r
}

// serves says whether an answer is one to go on with: authoritative, or a delegation further down.
func (w *walker) serves(z *zone, q question, r reply) bool {
	if r.msg != nil && cnameOf(r.msg, q.name) != "" && (r.msg.Authoritative || w.via) {
		return true // whatever the code says of where it leads
	}
	if r.msg == nil || r.msg.Rcode != dns.RcodeSuccess && r.msg.Rcode != dns.RcodeNameError || r.msg.Truncated {
		return false
	}
	if w.via {
		return true
	}
	owner, _ := delegation(r.msg)
	return r.msg.Authoritative || owner != "" && owner != z.name && dns.IsSubDomain(z.name, owner) && dns.IsSubDomain(owner, q.name)
}

// first waits for an answer to go on with; nil if no server gave one.
func (a *asking) first(ctx context.Context) *reply {
	select {
	case <-a.useful:
		return a.best
	case <-ctx.Done():
		return nil
	}
}

// delegation gives the owner and the names of the NS records of a referral (RFC 1034 section 4.3.2).
func delegation(m *dns.Msg) (owner string, names []string) {
	if m.Authoritative || len(m.Answer) > 0 {
		return "", nil
	}
	return nsOf(m.Ns)
}

func nsOf(rrs []dns.RR) (owner string, names []string) {
	for _, rr := range rrs {
		if ns, ok := rr.(*dns.NS); ok {
			owner = dns.CanonicalName(ns.Hdr.Name)
			if n := dns.CanonicalName(ns.Ns); !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return owner, names
}

// descend finds the zone that a name is in: from the root, label by label.
func (w *walker) descend(ctx context.Context, name string, own bool, nested int) *zone {
	z := w.root
	w.keep(ctx, z, own)
	labels := dns.SplitDomainName(name)
	for i := len(labels) - 1; i >= 0; i-- {
		n := dns.Fqdn(strings.Join(labels[i:], "."))
		w.mu.Lock()
		c := w.cuts[n]
		if c == nil {
			c = &zoneCut{}
			w.cuts[n] = c
		}
		w.mu.Unlock()
		c.once.Do(func() { c.zone, c.end = w.cutAt(ctx, z, n, nested) })
		if z = c.zone; z.name == n {
			w.keep(ctx, z, own)
		}
		if c.end {
			break
		}
	}
	return z
}

// keep marks a zone as one of those to report, and looks at all its servers.
func (w *walker) keep(ctx context.Context, z *zone, own bool) {
	w.mu.Lock()
	known := z.own || !own
	if !known {
		z.own = true
		w.order = append(w.order, z)
	}
	w.mu.Unlock()
	if !known {
		w.survey(ctx, z)
	}
}

// cutAt asks the zone's servers for the name's NS records: a delegation makes a new zone.
func (w *walker) cutAt(ctx context.Context, z *zone, n string, nested int) (at *zone, end bool) {
	r := w.query(ctx, z, n, dns.TypeNS).first(ctx)
	if r == nil {
		return z, true
	}
	owner, names := delegation(r.msg)
	referral := owner == n
	if !referral {
		owner, names = nsOf(r.msg.Answer)
	}
	if owner != n || len(names) == 0 {
		return z, r.msg.Rcode == dns.RcodeNameError
	}
	c := &zone{name: n, parent: z}
	w.query(ctx, z, n, dns.TypeDS)
	if w.via {
		c.servers = z.servers
		return c, false
	}
	if referral {
		c.nsParent = names
	}
	w.locate(ctx, c, z, r.msg, names, nested)
	return c, false
}

// locate finds the addresses of a new zone's servers: glue, the parent's own servers, or a walk of
// their own.
func (w *walker) locate(ctx context.Context, c, parent *zone, m *dns.Msg, names []string, nested int) {
	found := make([][]netip.Addr, len(names))
	var wg sync.WaitGroup
	for i, ns := range names {
		found[i] = glue(m, ns)
		inside := dns.IsSubDomain(c.name, ns)
		switch {
		case len(found[i]) > 0:
		case len(c.nsParent) == 0: // the parent's servers answered with authority for the child
			wg.Go(func() { found[i] = w.ownServers(ctx, parent, ns, inside, nested) })
		case inside:
			c.noGlue = append(c.noGlue, ns)
		case nested < maxNested:
			wg.Go(func() { found[i] = w.addressesOf(ctx, ns, nested+1) })
		}
	}
	wg.Wait()
	for i, ns := range names {
		for _, a := range found[i] {
			c.servers = append(c.servers, w.p.server(ns, a))
		}
		if len(found[i]) == 0 && !slices.Contains(c.noGlue, ns) {
			c.noAddr = append(c.noAddr, ns)
		}
	}
	most := maxServers
	if dns.CountLabel(c.name) < 2 {
		most = maxUpper
	}
	c.servers = c.servers[:min(len(c.servers), most)]
}

// ownServers are the addresses of a server of a zone whose parent's servers hold it too.
func (w *walker) ownServers(ctx context.Context, parent *zone, ns string, inside bool, nested int) (out []netip.Addr) {
	for _, s := range parent.servers {
		if s.name == ns {
			out = append(out, s.addr.Addr())
		}
	}
	if len(out) > 0 || nested >= maxNested {
		return out
	}
	if !inside {
		return w.addressesOf(ctx, ns, nested+1)
	}
	return w.addressRecords(ctx, parent, ns)
}

// addressesOf finds the addresses of a name server by a walk.
func (w *walker) addressesOf(ctx context.Context, host string, nested int) []netip.Addr {
	return w.addressRecords(ctx, w.descend(ctx, host, false, nested), host)
}

func (w *walker) addressRecords(ctx context.Context, z *zone, host string) (out []netip.Addr) {
	four, six := w.query(ctx, z, host, dns.TypeA), w.query(ctx, z, host, dns.TypeAAAA)
	for _, a := range []*asking{four, six} {
		if r := a.first(ctx); r != nil {
			out = append(out, recordAddresses(r.msg.Answer, host)...)
		}
	}
	return out
}

func glue(m *dns.Msg, ns string) []netip.Addr { return recordAddresses(m.Extra, ns) }

func recordAddresses(rrs []dns.RR, host string) (out []netip.Addr) {
	for _, rr := range rrs {
		if !strings.EqualFold(rr.Header().Name, host) {
			continue
		}
		switch v := rr.(type) {
		case *dns.A:
			out = append(out, addrOf(v.A))
		case *dns.AAAA:
			out = append(out, addrOf(v.AAAA))
		}
	}
	return out
}
