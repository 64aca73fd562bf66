package diagnose

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"certwright/internal/evidence"
)

// checkChallenge and checkALPN are the Checks of observations that hold an evidence.Challenge and an evidence.ALPN.
const (
	checkChallenge = "challenge"
	checkALPN      = "acme-tls/1"
)

// challenge is the look at one challenge path at one address, read.
type challenge struct {
	evidence.Challenge
	obs  evidence.Observation
	bad  []*evidence.Fetched // tries that did not find what has to be there
	good []*evidence.Fetched // and those that did
	lost *evidence.Fetched   // a try that came to no answer, where all others did: no state of the address
}

// challenges reads the looks at challenge paths.
func (j *judge) challenges() []*challenge {
	var out []*challenge
	for _, o := range j.obs {
		if o.Probe != evidence.ProbeHTTP || o.Check != checkChallenge || o.Outcome == evidence.Unknown {
			continue // not possible from here: a blind spot, no look
		}
		c, ok := evidence.Decode[evidence.Challenge](o)
		if !ok || c.Address == "" || len(c.Tries) == 0 {
			continue
		}
		l := &challenge{Challenge: c, obs: o}
		l.join(j.obs)
		l.sort()
		out = append(out, l)
	}
	return out
}

// join adds what was asked later: the same path, as several programs. What was asked as an authority is more of the same tries.
func (c *challenge) join(obs []evidence.Observation) {
	for _, o := range obs {
		a, ok := evidence.Decode[evidence.Agents](o)
		if o.Probe != evidence.ProbeHTTP || o.Check != evidence.AskAgents || !ok || a.Name != c.Name || a.Address != c.Address || a.Path != c.Path || len(a.Tries) == 0 {
			continue
		}
		for _, f := range a.Tries {
			if f.Agent == c.Tries[0].Agent {
				c.Tries = append(c.Tries, f)
			} else {
				c.Agents = append(c.Agents, f)
			}
		}
	}
}

// enough is how many other tries have to be answered before a lost one counts for nothing.
const enough = 3

// sort tells the tries that were well from those that were not.
func (c *challenge) sort() {
	for i := range c.Tries {
		if f := &c.Tries[i]; c.well(f) {
			c.good = append(c.good, f)
		} else {
			c.bad = append(c.bad, f)
		}
	}
	if len(c.bad) == 1 && len(c.good) >= enough && status(c.bad[0]) == 0 {
		c.lost, c.bad = c.bad[0], nil
	}
}

// known says whether something was published at the path, rather than a random name asked for.
func (c *challenge) known() bool { return c.Kind != evidence.KindAbsent }

// well says whether a fetch gave what has to be there.
func (c *challenge) well(f *evidence.Fetched) bool {
	h := last(f)
	if f.Error != "" || h.Status == 0 {
		return false
	}
	body := strings.TrimRight(string(f.Body), " \t\r\n") // allowed by RFC 8555 section 8.3
	if !c.known() {
		token, _, _ := keyAuthorization(body)
		return h.Status == 404 || h.Status == 410 || h.Status == 200 && token == c.Token
	}
	made := c.Thumb != "" && body == c.Token+"."+c.Thumb // by a server that knows the account
	return h.Status == 200 && !f.Longer && (made || body == c.Expect)
}

// allWell says whether every try was well.
func (c *challenge) allWell() bool { return len(c.bad) == 0 }

// first is the try to speak of: the first that was not well.
func (c *challenge) first() *evidence.Fetched {
	if len(c.bad) > 0 {
		return c.bad[0]
	}
	return c.good[0]
}

// keyAuthorization splits a body into token and thumbprint (RFC 8555 section 8.1).
func keyAuthorization(body string) (token, thumb string, ok bool) {
	token, thumb, ok = strings.Cut(body, ".")
	if !ok || token == "" || len(thumb) != 43 || !base64url(token) || !base64url(thumb) {
		return "", "", false
	}
	return token, thumb, true
}

func base64url(s string) bool {
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// last is the hop where a fetch ended; the zero Hop if there was none.
func last(f *evidence.Fetched) evidence.Hop {
	if f == nil || len(f.Hops) == 0 {
		return evidence.Hop{}
	}
	return f.Hops[len(f.Hops)-1]
}

// status is where a fetch ended, 0 without an answer.
func status(f *evidence.Fetched) int {
	if f == nil || f.Error != "" && f.Bad == "" && f.ErrorClass != "bad-redirect" {
		return 0
	}
	return last(f).Status
}

// hopHost is the host of a hop's URL, empty if it has none.
func hopHost(h evidence.Hop) string {
	u, err := url.Parse(h.URL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func hopScheme(h evidence.Hop) string {
	u, err := url.Parse(h.URL)
	if err != nil {
		return ""
	}
	return u.Scheme
}

// away says whether a fetch ended at another host than the name.
func (c *challenge) away(f *evidence.Fetched) bool {
	if f.Phase == evidence.PhaseResolve {
		return true
	}
	h := hopHost(last(f))
	return h != "" && !strings.EqualFold(strings.TrimSuffix(h, "."), c.Name)
}

// html says whether a fetch ended in an HTML page.
func html(f *evidence.Fetched) bool {
	body := strings.ToLower(strings.TrimSpace(string(f.Body)))
	return strings.Contains(strings.ToLower(last(f).Type), "html") && body != "" || strings.HasPrefix(body, "<!doctype") || strings.HasPrefix(body, "<html")
}

// alikePage says whether two answers of a home page are the same, but for the host's own name in them.
func alikePage(a, b *evidence.Fetched) bool {
	if a == nil || b == nil || len(a.Hops) == 0 || len(b.Hops) == 0 {
		return false
	}
	x, y := a.Hops[0], b.Hops[0]
	plain := func(h evidence.Hop, s string) string {
		if host := hopHost(h); host != "" {
			return strings.ReplaceAll(s, host, "*")
		}
		return s
	}
	return x.Status == y.Status && plain(x, x.Location) == plain(y, y.Location) && plain(x, string(a.Body)) == plain(y, string(b.Body))
}

// ref quotes the look, its seen in the words of the fetch.
func (c *challenge) ref() EvidenceRef {
	r := refOf(c.obs)
	if c.obs.Seen == "" || c.obs.Reason != "" && c.obs.Seen == "" {
		r.Seen = answerOf(c.first())
	}
	return r
}

// quoteFetch quotes a comparison.
func (c *challenge) quoteFetch(what string, f *evidence.Fetched) EvidenceRef {
	return EvidenceRef{Probe: evidence.ProbeHTTP, Subject: f.URL + " at " + c.Address + " (" + what + ")", Seen: answerOf(f), From: c.obs.From, At: c.obs.At,
		Command: curlCommand(f, c.Address)}
}

// answerOf sums up a fetch in one line: the hops' statuses, the body's beginning, or the error.
func answerOf(f *evidence.Fetched) string {
	var parts []string
	for i, h := range f.Hops {
		if h.Status == 0 {
			continue
		}
		s := fmt.Sprintf("%d", h.Status)
		if h.Location != "" && i < len(f.Hops)-1 {
			s += " to " + h.Location
		}
		parts = append(parts, s)
	}
	s := strings.Join(parts, ", then ")
	if f.Error != "" && f.ErrorClass != "bad-redirect" {
		return strings.TrimPrefix(s+", then "+f.Error, ", then ")
	}
	h := last(f)
	if h.Location != "" {
		return s + " to " + h.Location
	}
	if h.Server != "" {
		s += " from " + h.Server
	}
	if h.Type != "" {
		s += ", " + h.Type
	}
	return s
}

// curlCommand repeats a fetch at an address, its redirects not followed.
func curlCommand(f *evidence.Fetched, address string) string {
	c := "curl -sSik"
	if f.Agent != "" {
		c += " -A " + quote(f.Agent)
	}
	u, err := url.Parse(f.URL)
	if err != nil {
		return c + " " + quote(f.URL)
	}
	ip, p, err := net.SplitHostPort(address)
	if _, isAddr := netip.ParseAddr(u.Hostname()); err == nil && isAddr != nil {
		if strings.Contains(ip, ":") {
			ip = "[" + ip + "]"
		}
		c += " --resolve " + quote(u.Hostname()+":"+p+":"+ip)
	}
	return c + " " + quote(f.URL)
}
