package diagnose

import (
	"crypto/x509"
	"fmt"
	"sort"
	"time"
)

// Forecast is something that will happen to what is served now, if nobody acts or whatever anybody does.
type Forecast struct {
	At     time.Time `json:"at"`
	Text   string    `json:"text"`
	Breaks bool      `json:"breaks,omitempty"` // clients are refused from then on
}

// reuse is for how many days an authority may go on using a domain's validation (Baseline Requirements 4.2.1, ballot
// SC-081v3), beside the limits of lifeLimits.
var reuse = map[int]int{200: 200, 100: 100, 47: 10}

// maxForecasts bounds the list.
const maxForecasts = 8

// forecast tells what is ahead of the certificates that clients of the name are served and accept.
func (j *judge) forecast() []Forecast {
	var out []Forecast
	seen := map[string]bool{}
	public := false
	var life time.Duration
	for _, l := range j.survey.looks {
		c := l.leaf()
		if l.name == "" || c == nil || !valid(c, j.now) || !coversName(c, l.name) || selfSigned(c) || seen[fingerprint(c)] {
			continue
		}
		seen[fingerprint(c)] = true
		v := j.trust.view(l.certs, j.survey.known)
		path := v.sentPath
		if path == nil {
			path = v.knownPath
		}
		out = append(out, j.ahead(c, path, v.root, len(seen))...)
		if j.opts.public(v.root) && (life == 0 || c.NotAfter.Sub(c.NotBefore) > life) {
			public, life = true, c.NotAfter.Sub(c.NotBefore)
		}
	}
	if public {
		out = append(out, j.rules(life)...)
	}
	sort.SliceStable(out, func(i, k int) bool { return out[i].At.Before(out[k].At) })
	return out[:min(len(out), maxForecasts)]
}

// ahead is the end of one certificate and of what it rests on.
func (j *judge) ahead(c *x509.Certificate, path []*x509.Certificate, root *x509.Certificate, nth int) []Forecast {
	what := "The certificate"
	if kind, _ := keyOf(c); nth > 1 || !j.onlyLeaf(c) {
		what = "The " + kind + " certificate " + serialOf(c)[max(0, len(serialOf(c))-8):]
	}
	out := []Forecast{{At: c.NotAfter, Breaks: true, Text: fmt.Sprintf("%s ends, in %s: clients refuse it from then on.", what, Span(c.NotAfter.Sub(j.now)))}}
	life := c.NotAfter.Sub(c.NotBefore)
	renew := c.NotBefore.Add(life * 2 / 3)
	if renew.After(j.now) {
		limit := ""
		if j.opts.public(root) {
			if days := limitAt(renew); time.Duration(days)*24*time.Hour < life {
				limit = fmt.Sprintf(" The new one may live at most %s, this one lives %s.", plural(days, "day"), Span(life))
			}
		}
		out = append(out, Forecast{At: renew, Text: "A third of its life is left: the usual time to renew." + limit})
	}
	above := path
	if len(above) > 0 {
		above = above[1:]
	}
	if root != nil {
		above = append(above[:len(above):len(above)], root)
	}
	told := map[string]bool{}
	for _, a := range above {
		if told[fingerprint(a)] || !a.NotAfter.After(j.now) {
			continue
		}
		told[fingerprint(a)] = true
		role := "The intermediate "
		if a.Equal(root) {
			role = "The root "
		}
		switch {
		case a.NotAfter.Before(c.NotAfter):
			out = append(out, Forecast{At: a.NotAfter, Breaks: true, Text: role + called(a) + " ends before the certificate does: from then on the chain is refused. Renew with a chain that lasts."})
		case a.NotAfter.Before(c.NotAfter.Add(life)):
			out = append(out, Forecast{At: a.NotAfter, Text: role + called(a) + " ends within the life of the next certificate: that one needs another chain."})
		}
	}
	return out
}

// onlyLeaf says whether all that clients of the name are served is this certificate.
func (j *judge) onlyLeaf(c *x509.Certificate) bool {
	for _, l := range j.survey.looks {
		if o := l.leaf(); l.name != "" && o != nil && !o.Equal(c) {
			return false
		}
	}
	return true
}

// rules are the dates from which public authorities issue for a shorter time than this certificate lives.
func (j *judge) rules(life time.Duration) []Forecast {
	var out []Forecast
	for _, l := range lifeLimits {
		if !l.from.After(j.now) || time.Duration(l.days)*24*time.Hour >= life {
			continue
		}
		out = append(out, Forecast{At: l.from, Text: fmt.Sprintf("From here on public authorities issue for %s at most (this one lives %s) and re-use a domain's validation for %s.",
			plural(l.days, "day"), Span(life), plural(reuse[l.days], "day"))})
	}
	return out
}
