package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"certwright/internal/evidence"
)

const (
	maxRedirects = 10
	maxBody      = 1 << 10 // bytes of the last answer that are kept
)

// Error classes of HTTP looks besides those of TLS (evidence.Fetched.ErrorClass).
const (
	ClassTooManyRedirects = "too-many-redirects"
	ClassRedirectLoop     = "redirect-loop"
	ClassBadRedirect      = "bad-redirect"
	ClassBadURL           = "bad-url"
	ClassNotHTTP          = "not-http" // what came back is no HTTP/1
)

// FetchHTTP gets a page at every address of its host, each for itself, IPv6 first, and follows redirects
// as an authority does: 301, 302, 307 and 308, at most 10, to http or https on ports 80, 443 and
// Options.HTTPPorts; certificates on the way are not verified. With pin only that address is asked.
// A redirect that stays on the host stays on the address; one to another host goes to the first of its
// addresses that connects. Each observation has Check "http-status" and an evidence.Fetched as Data:
//
//	PASS     the last answer is 200; Seen is its status
//	FAIL     another status, or an error whose class the Data names
//	UNKNOWN  not possible from here
func (p *Prober) FetchHTTP(ctx context.Context, rawURL string, pin ...netip.Addr) []evidence.Observation {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return []evidence.Observation{p.fetchFailed(ctx, rawURL, ClassBadURL, fmt.Errorf("%q is not an http or https URL", rawURL))}
	}
	addrs := pin
	if len(addrs) == 0 {
		lctx, cancel := p.limit(ctx)
		addrs, err = p.addresses(lctx, u.Hostname())
		cancel()
		if err != nil {
			return []evidence.Observation{p.fetchFailed(ctx, rawURL, ErrorClass(err), err)}
		}
	}
	out := make([]evidence.Observation, len(addrs))
	each(len(addrs), func(i int) { out[i] = p.fetchAt(ctx, u, addrs[i]) })
	return out
}

// fetchFailed is the observation of a page that no address could be asked for.
func (p *Prober) fetchFailed(ctx context.Context, rawURL, class string, err error) evidence.Observation {
	o := evidence.Observation{Probe: evidence.ProbeHTTP, Check: "http-status", Subject: rawURL, Outcome: outcomeOf(ctx, err),
		Expected: "status 200", Reason: err.Error(), From: p.opt.From, At: p.opt.Now(), Command: "curl -sS -i " + quote(rawURL)}
	return o.With(evidence.Fetched{URL: rawURL, Error: err.Error(), ErrorClass: class})
}

// fetchAt follows one page from one address.
func (p *Prober) fetchAt(ctx context.Context, u *url.URL, a netip.Addr) evidence.Observation {
	lctx, cancel := p.limit(ctx)
	defer cancel()
	start := p.opt.Now()
	f := evidence.Fetched{URL: u.String()}
	err := p.walk(lctx, visit{url: u, addr: a, agent: p.opt.UserAgent}, &f)
	o := evidence.Observation{Probe: evidence.ProbeHTTP, Check: "http-status", Subject: u.String() + " at " + a.String(), Outcome: evidence.Pass,
		Expected: "status 200", From: p.opt.From, At: start, Took: p.opt.Now().Sub(start), Command: curlCommand(u, a)}
	if err != nil {
		f.Error = err.Error()
		if f.ErrorClass == "" {
			f.ErrorClass = ErrorClass(err)
		}
		o.Outcome, o.Reason = outcomeOf(ctx, err), f.Error
		return o.With(f)
	}
	last := f.Hops[len(f.Hops)-1]
	o.Seen = fmt.Sprintf("status %d", last.Status)
	if last.URL != f.URL {
		o.Seen += " at " + last.URL
	}
	if last.Status != http.StatusOK {
		o.Outcome = evidence.Fail
	}
	return o.With(f)
}

// visit is one page to be got from one address.
type visit struct {
	url    *url.URL
	addr   netip.Addr
	agent  string               // User-Agent
	follow func(*url.URL) error // says whether a redirect may be followed; nil = Prober.mayFollow
}

// walk requests a page and what it redirects to, recording every hop.
func (p *Prober) walk(ctx context.Context, v visit, f *evidence.Fetched) error {
	seen := map[string]bool{}
	addrs, u, first := []netip.Addr{v.addr}, v.url, v.url
	if v.follow == nil {
		v.follow = p.mayFollow
	}
	for {
		if seen[u.String()] {
			f.ErrorClass = ClassRedirectLoop
			return fmt.Errorf("redirect loop: %s was visited before", u)
		}
		seen[u.String()] = true
		hop, err := p.hop(ctx, v, u, addrs, f)
		f.Hops = append(f.Hops, hop)
		if err != nil {
			return err
		}
		f.Phase = ""
		if !slices.Contains([]int{301, 302, 307, 308}, hop.Status) || hop.Location == "" {
			return nil
		}
		if len(f.Hops) > maxRedirects {
			f.ErrorClass = ClassTooManyRedirects
			return fmt.Errorf("more than %d redirects, the last to %s", maxRedirects, hop.Location)
		}
		next, err := redirectTarget(u, hop.Location)
		if err == nil {
			err = v.follow(next)
		}
		if err != nil {
			f.ErrorClass = ClassBadRedirect
			var b *badRedirect
			if errors.As(err, &b) {
				f.Bad = b.what
			}
			return fmt.Errorf("%s redirects to %q: %w", u, hop.Location, err)
		}
		switch {
		case strings.EqualFold(next.Hostname(), first.Hostname()):
			addrs = []netip.Addr{v.addr} // back at the name: at the address that is looked at
		case !strings.EqualFold(next.Hostname(), u.Hostname()):
			if addrs, err = p.addresses(ctx, next.Hostname()); err != nil {
				f.Phase = evidence.PhaseResolve
				return fmt.Errorf("%s redirects to %s: %w", u, next, err)
			}
		}
		next.Fragment = ""
		u = next
	}
}

// badRedirect is a redirect that is not followed: what is wrong with it, and in words.
type badRedirect struct{ what, words string }

func (e *badRedirect) Error() string { return e.words }

func bad(what, format string, args ...any) error {
	return &badRedirect{what, fmt.Sprintf(format, args...)}
}

// mayFollow refuses redirect targets that an authority refuses.
func (p *Prober) mayFollow(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return bad(evidence.BadScheme, "invalid protocol scheme %q in redirect target: only http and https are followed", u.Scheme)
	}
	host := u.Hostname()
	if host == "" {
		return bad(evidence.BadHost, "invalid empty host in redirect target")
	}
	if strings.HasSuffix(host, ".well-known") {
		return bad(evidence.BadSlash, "invalid host %q in redirect target: a \"/\" is missing after the host in the server's redirect rule", host)
	}
	port, err := strconv.Atoi(portOf(u))
	if err != nil || port != 80 && port != 443 && !slices.Contains(p.opt.HTTPPorts, port) {
		return bad(evidence.BadPort, "invalid port %s in redirect target: only ports 80 and 443 are followed", portOf(u))
	}
	return nil
}

// redirectTarget reads a Location.
func redirectTarget(from *url.URL, location string) (*url.URL, error) {
	next, err := from.Parse(location)
	if err == nil {
		return next, nil
	}
	// https://host:443.well-known/x and the like cannot even be parsed.
	if _, rest, ok := strings.Cut(location, "//"); ok {
		if authority, _, _ := strings.Cut(rest, "/"); strings.HasSuffix(authority, ".well-known") {
			return nil, bad(evidence.BadSlash, "a \"/\" is missing after the host in the server's redirect rule: %v", err)
		}
	}
	return nil, bad(evidence.BadHost, "it is no URL: %v", err)
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// curlCommand repeats a look at one address.
func curlCommand(u *url.URL, a netip.Addr) string {
	c := "curl -sSikL --max-redirs 10"
	if _, err := netip.ParseAddr(u.Hostname()); err != nil {
		ip := a.String()
		if a.Is6() {
			ip = "[" + ip + "]"
		}
		c += " --resolve " + quote(u.Hostname()+":"+portOf(u)+":"+ip)
	}
	return c + " " + quote(u.String())
}
