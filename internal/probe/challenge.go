package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"certwright/internal/evidence"
)

// CheckChallenge is the Check of an observation that holds an evidence.Challenge.
const CheckChallenge = "challenge"

const (
	challengeDir   = "/.well-known/acme-challenge/" // RFC 8555 section 8.3
	challengeWait  = 6 * time.Second                // of one request; authorities wait 10 s for all of it
	challengeTries = 3                              // same request, one after the other
	challengeMore  = 6                              // where they do not agree, or a proof that was published is not found

	// nobody is a host name that no server is configured for (RFC 6761 section 6.4).
	nobody = "certwright-nobody.invalid"
)

// User-Agents with which authorities, programs and people look.
const (
	agentAuthority = "Mozilla/5.0 (compatible; Let's Encrypt validation server; +https://www.letsencrypt.org)"
	agentBrowser   = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
	agentPebble    = "LetsEncrypt-Pebble-VA (linux; amd64)"
	agentGo        = "Go-http-client/1.1"
)

// LookChallenge looks at a challenge path as an authority does: at every address of the name, several
// times, redirects followed as RFC 8555 section 8.3 and the public authorities have it (ports 80, 443
// and Options.HTTPPorts, host names only, at most 10). One observation an address, its Data an
// evidence.Challenge:
//
//	PASS     every try found the body that is expected; for a random name, 404 or a stateless key authorization
//	FAIL     some try did not
//	UNKNOWN  not possible from here
//
// Where a try is not well, comparisons are added that tell the causes apart (see evidence.Challenge). A
// name that has no address gives one observation with an evidence.Fetched.
func (p *Prober) LookChallenge(ctx context.Context, q evidence.ChallengeAsk, pin ...netip.Addr) []evidence.Observation {
	q = q.Filled(challengeDir, "certwright-canary-"+random()) // which a Certwright's listener would answer
	u := &url.URL{Scheme: "http", Host: hostPort(q.Name, q.Port), Path: q.Path}
	addrs := pin
	if len(addrs) == 0 {
		lctx, cancel := p.limit(ctx)
		defer cancel()
		var err error
		if addrs, err = p.addresses(lctx, q.Name); err != nil {
			o := p.fetchFailed(ctx, u.String(), ErrorClass(err), err)
			o.Check = CheckChallenge
			return []evidence.Observation{o}
		}
	}
	looks := make([]*challengeLook, len(addrs))
	each(len(addrs), func(i int) { looks[i] = p.challengeAt(ctx, q, u, addrs[i]) })
	p.compareFamilies(ctx, looks)
	out := make([]evidence.Observation, len(addrs))
	for i, l := range looks {
		out[i] = l.observation(ctx)
	}
	return out
}

// compareFamilies looks at the home pages of an IPv4 address that is well where an IPv6 one is not: whether
// the two are one machine shows in them.
func (p *Prober) compareFamilies(ctx context.Context, looks []*challengeLook) {
	six := slices.ContainsFunc(looks, func(l *challengeLook) bool { return l.addr.Is6() && l.out.Root != nil })
	for _, l := range looks {
		if bad, _ := l.count(); six && l.addr.Is4() && bad == 0 && l.out.Root == nil {
			l.homes(ctx)
			return
		}
	}
}

// challengeLook is the look at one address.
type challengeLook struct {
	p    *Prober
	q    evidence.ChallengeAsk
	u    *url.URL
	addr netip.Addr
	out  evidence.Challenge

	start time.Time
	took  time.Duration
	err   error // the first of the tries
}

// challengeAt looks at one address.
func (p *Prober) challengeAt(ctx context.Context, q evidence.ChallengeAsk, u *url.URL, a netip.Addr) *challengeLook {
	l := &challengeLook{p: p, start: p.opt.Now(), q: q, u: u, addr: a, out: evidence.Challenge{Name: q.Name, Method: q.Method, Kind: q.Kind, Token: q.Token, Path: q.Path,
		Expect: q.Body, Thumb: q.Thumb, ByHand: q.ByHand, Address: net.JoinHostPort(a.String(), strconv.Itoa(q.Port)), Family: family(a)}}
	l.err = l.tries(ctx)
	if bad, good := l.count(); bad > 0 && answered(l.out.Tries[len(l.out.Tries)-1]) {
		l.compare(ctx, good > 0)
	} else if bad > 0 {
		l.out.Speaks = p.speaks(ctx, q.Name, l.out.Address, l.out.Tries[0])
	}
	l.out.Doubted = q.Doubted
	l.took = p.opt.Now().Sub(l.start)
	return l
}

// tries makes the same request several times; where no connection comes about, once more if that was said at once, else not: a
// lost packet was sent again by then. It returns the first error.
func (l *challengeLook) tries(ctx context.Context) (first error) {
	for n := 0; n < challengeMore && ctx.Err() == nil; n++ {
		bad, good := l.count()
		if n >= challengeTries && (good > 0 && bad > 0 && n > challengeTries || good == 0 && l.q.Kind == evidence.KindAbsent || bad == 0) {
			return first
		}
		f, err := l.fetch(ctx, l.visit(l.u))
		if l.out.Tries = append(l.out.Tries, f); err != nil && first == nil {
			first = err
		}
		unreached := f.Phase == evidence.PhaseConnect || f.ErrorClass == ClassForbidden
		if !answered(f) && (n == 0 && f.ErrorClass == ClassTimeout || unreached && (n == 1 || f.ErrorClass != ClassRefused)) {
			return first
		}
	}
	return first
}

// count is how many tries were not well, and how many were.
func (l *challengeLook) count() (bad, good int) {
	for _, f := range l.out.Tries {
		if l.well(f) {
			good++
		} else {
			bad++
		}
	}
	return bad, good
}

// well says whether a fetch gave what has to be there.
func (l *challengeLook) well(f evidence.Fetched) bool {
	if f.Error != "" || len(f.Hops) == 0 {
		return false
	}
	status := f.Hops[len(f.Hops)-1].Status
	body := bytes.TrimRight(f.Body, " \t\r\n") // allowed by RFC 8555 section 8.3
	if l.q.Kind == evidence.KindAbsent {
		return status == http.StatusNotFound || status == http.StatusGone || status == http.StatusOK && stateless(l.q.Token, body)
	}
	made := l.q.Thumb != "" && string(body) == l.q.Token+"."+l.q.Thumb // by a server that knows the account
	return status == http.StatusOK && !f.Longer && (made || string(body) == l.q.Body)
}

// stateless says whether a body is a key authorization made up for whichever token is asked for: the
// token, a dot and an account's thumbprint (RFC 8555 section 8.1).
func stateless(token string, body []byte) bool {
	thumb, ok := strings.CutPrefix(string(body), token+".")
	raw, err := base64.RawURLEncoding.DecodeString(thumb)
	return ok && err == nil && len(raw) == 32
}

// answered says whether an HTTP answer came at the first hop.
func answered(f evidence.Fetched) bool { return len(f.Hops) > 0 && f.Hops[0].Status != 0 }

func (l *challengeLook) visit(u *url.URL) visit {
	return visit{url: u, addr: l.addr, agent: agentAuthority, follow: func(next *url.URL) error { return l.p.mayFollowAuthority(next, l.q.Name) }}
}

// fetch gets one page within the time of one request.
func (l *challengeLook) fetch(ctx context.Context, v visit) (evidence.Fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, min(challengeWait, l.p.opt.Timeout))
	defer cancel()
	start := l.p.opt.Now()
	f := evidence.Fetched{URL: v.url.String(), Agent: v.agent}
	err := l.p.walk(ctx, v, &f)
	f.Took = l.p.opt.Now().Sub(start)
	if err != nil {
		f.Error = err.Error()
		if f.ErrorClass == "" {
			f.ErrorClass = ErrorClass(err)
		}
	}
	return f, err
}

// mayFollowAuthority is mayFollow with the shapes of host that public authorities refuse: addresses
// (unless it is the identifier itself) and names of a single label.
func (p *Prober) mayFollowAuthority(u *url.URL, name string) error {
	if err := p.mayFollow(u); err != nil {
		return err
	}
	host := strings.TrimSuffix(u.Hostname(), ".")
	if strings.EqualFold(host, name) {
		return nil
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return bad(evidence.BadHost, "invalid host %q in redirect target: an address is not followed, only a name", host)
	}
	if !strings.Contains(host, ".") {
		return bad(evidence.BadHost, "invalid host %q in redirect target: a name of a single label is not public", host)
	}
	return nil
}

// observation puts the look into words.
func (l *challengeLook) observation(ctx context.Context) evidence.Observation {
	p, err := l.p, l.err
	o := evidence.Observation{Probe: evidence.ProbeHTTP, Check: CheckChallenge, Subject: l.u.String() + " at " + l.addr.String(), Outcome: evidence.Pass,
		Expected: l.expected(), Seen: l.seen(), From: p.opt.From, At: l.start, Took: l.took, Command: l.command()}
	bad, good := l.count()
	switch {
	case len(l.out.Tries) == 0:
		o.Outcome, o.Reason = evidence.Unknown, "there was no time for it"
	case bad > 0 && good == 0 && err != nil && !answered(l.out.Tries[0]):
		o.Outcome, o.Reason = outcomeOf(ctx, err), err.Error()
	case bad > 0:
		o.Outcome = evidence.Fail
		if err != nil {
			o.Reason = err.Error()
		}
	}
	return o.With(l.out)
}

func (l *challengeLook) expected() string {
	if l.q.Kind == evidence.KindAbsent {
		return "status 404: nobody has this name"
	}
	return "status 200 with " + l.q.Body
}

// seen sums up what the tries found, the first of each kind.
func (l *challengeLook) seen() string {
	var words []string
	n := map[string]int{}
	for _, f := range l.out.Tries {
		w := answer(f)
		if n[w]++; n[w] == 1 {
			words = append(words, w)
		}
	}
	if len(words) == 1 {
		return words[0]
	}
	for i, w := range words {
		words[i] = fmt.Sprintf("%d of %d: %s", n[w], len(l.out.Tries), w)
	}
	return strings.Join(words, "; ")
}

// answer sums up a fetch in one line: the hops' statuses, the body's beginning, or the error.
func answer(f evidence.Fetched) string {
	var b strings.Builder
	for i, h := range f.Hops {
		if h.Status == 0 {
			continue
		}
		if i > 0 {
			b.WriteString(" -> ")
		}
		fmt.Fprintf(&b, "%d", h.Status)
		if h.Location != "" && f.Error == "" && i < len(f.Hops)-1 {
			b.WriteString(" to " + h.Location)
		}
	}
	if f.Error != "" {
		if b.Len() > 0 {
			b.WriteString(", then ")
		}
		return b.String() + f.Error
	}
	if len(f.Hops) == 0 {
		return "nothing"
	}
	last := f.Hops[len(f.Hops)-1]
	if last.Server != "" {
		b.WriteString(" from " + last.Server)
	}
	if last.Type != "" {
		b.WriteString(", " + last.Type)
	}
	if s := strings.TrimSpace(cut(string(f.Body), 100)); s != "" && last.Status == http.StatusOK {
		fmt.Fprintf(&b, ", %q", s)
	}
	return b.String()
}

// command repeats a try.
func (l *challengeLook) command() string {
	return strings.Replace(curlCommand(l.u, l.addr), "curl ", "curl -A "+quote(agentAuthority)+" ", 1)
}

// random is a word that nobody has.
func random() string {
	var b [9]byte
	_, _ = rand.Read(b[:]) // never fails
	return strings.NewReplacer("-", "x", "_", "y").Replace(base64.RawURLEncoding.EncodeToString(b[:]))
}

// hostPort is a URL's authority: without port 80, with brackets where needed.
func hostPort(host string, port int) string {
	if port != 80 {
		return net.JoinHostPort(host, strconv.Itoa(port))
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}
