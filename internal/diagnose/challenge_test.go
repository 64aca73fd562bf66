package diagnose

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

const (
	chToken = "tok"
	chProof = "tok.nP1qzpXGymHBrUEepNY9HCsQk7K8KhOypzEt62jcerQ"
)

// got is a fetch of the challenge path that ended with this answer.
func got(code int, body string) evidence.Fetched {
	kind := "text/plain"
	if strings.HasPrefix(body, "<") {
		kind = "text/html"
	}
	return evidence.Fetched{URL: "http://" + host + "/.well-known/acme-challenge/tok", Agent: "authority", Body: []byte(body),
		Hops: []evidence.Hop{{URL: "http://" + host + "/.well-known/acme-challenge/tok", Address: "192.0.2.1:80", Status: code, Type: kind}}}
}

// failing is a fetch that ended with an error.
func failing(class, phase string) evidence.Fetched {
	f := got(0, "")
	f.Error, f.ErrorClass, f.Phase = "the words of "+class, class, phase
	return f
}

// led is a fetch that was redirected to u and ended there.
func led(u string, f evidence.Fetched) evidence.Fetched {
	first := got(301, "").Hops[0]
	first.Location = u
	f.Hops[0].URL = u
	f.Hops = append([]evidence.Hop{first}, f.Hops...)
	return f
}

// stuck is a fetch whose redirect is not followed.
func stuck(class, what string) evidence.Fetched {
	f := failing(class, "")
	f.Hops[0].Status, f.Hops[0].Location, f.Bad = 301, "somewhere", what
	return f
}

// at is a look at one address; edit adds the comparisons.
func lookAt(kind string, tries []evidence.Fetched, edit func(*evidence.Challenge)) evidence.Challenge {
	c := evidence.Challenge{Name: host, Method: "http-01", Kind: kind, Token: chToken, Path: "/.well-known/acme-challenge/tok", Address: "192.0.2.1:80", Family: "ip4", Tries: tries}
	if kind != evidence.KindAbsent {
		c.Expect = chProof
	}
	if edit != nil {
		edit(&c)
	}
	return c
}

func three(f evidence.Fetched) []evidence.Fetched { return []evidence.Fetched{f, f, f} }

// compared fills the comparisons: dot, outside, beside and absent by status.
func compared(dot, out, beside, absent int) func(*evidence.Challenge) {
	return func(c *evidence.Challenge) {
		p := func(code int) *evidence.Fetched { f := got(code, ""); return &f }
		c.Dot, c.Outside, c.Beside, c.Absent, c.Busted = p(dot), p(out), p(beside), p(absent), p(404)
		c.Root, c.Nobody, c.Kin = p(200), p(200), []evidence.Fetched{got(200, "")}
		c.Agents = three(c.Tries[0])
	}
}

// sites makes the home pages of the name, of an unknown name and of a neighbour.
func sites(name, nobody, kin string) func(*evidence.Challenge) {
	return func(c *evidence.Challenge) {
		compared(404, 404, 404, 404)(c)
		*c.Root, *c.Nobody, c.Kin[0] = got(200, name), got(200, nobody), got(200, kin)
	}
}

func both(edits ...func(*evidence.Challenge)) func(*evidence.Challenge) {
	return func(c *evidence.Challenge) {
		for _, e := range edits {
			e(c)
		}
	}
}

func speaks(what string) func(*evidence.Challenge) {
	return func(c *evidence.Challenge) { c.Speaks = what }
}
func byPage(c *evidence.Challenge) { c.Method = "html" }
func agentsGet(f evidence.Fetched) func(*evidence.Challenge) {
	return func(c *evidence.Challenge) { c.Agents = three(f) }
}

func cookie(f evidence.Fetched) evidence.Fetched {
	f.Hops[0].Cookies = []string{"seen"}
	return f
}

const (
	spa  = "<html><title>shop</title></html>"
	gate = "<html><script>document.cookie='a=1';location.reload()</script></html>"
)

var known200 = compared(404, 404, 404, 404)

var challengeCases = []struct {
	title, want string
	certainty   string
	looks       []evidence.Challenge
}{
	{"healthy proof", "", "", []evidence.Challenge{lookAt("proof", three(got(200, chProof+"\n")), nil)}},
	{"healthy canary of nobody", "", "", []evidence.Challenge{lookAt("absent", three(got(404, spa)), nil)}},
	{"stateless for nobody", "", "", []evidence.Challenge{lookAt("absent", three(got(200, chProof)), nil)}},
	{"made up from the right account", "", "", []evidence.Challenge{lookAt("canary", three(got(200, "tok.6nicxzh6WETQlrvdchkz-U3e3DOQZ4heJKU63rfqMqQ")), func(c *evidence.Challenge) { c.Thumb = "6nicxzh6WETQlrvdchkz-U3e3DOQZ4heJKU63rfqMqQ" })}},
	{"refused", "http-refused", Confirmed, []evidence.Challenge{lookAt("proof", []evidence.Fetched{failing("refused", "connect")}, nil)}},
	{"dropped", "http-timeout-drop", Confirmed, []evidence.Challenge{lookAt("proof", []evidence.Fetched{failing("timeout", "connect")}, nil)}},
	{"slow to answer", "http-slow", Confirmed, []evidence.Challenge{lookAt("proof", []evidence.Fetched{failing("timeout", "answer")}, nil)}},
	{"trickles", "http-slow", Confirmed, []evidence.Challenge{lookAt("absent", []evidence.Fetched{failing("timeout", "body")}, nil)}},
	{"cut", "http-reset", Confirmed, []evidence.Challenge{lookAt("proof", three(failing("reset", "answer")), agentsGet(failing("reset", "answer")))}},
	{"cut for programs only", "http-ua-or-geo-block", Confirmed, []evidence.Challenge{lookAt("proof", three(failing("reset", "answer")), agentsGet(got(200, chProof)))}},
	{"TLS on 80", "http-port80-is-tls", Confirmed, []evidence.Challenge{lookAt("proof", three(failing("reset", "answer")), speaks("tls"))}},
	{"h2c", "http-h2c", Confirmed, []evidence.Challenge{lookAt("proof", three(failing("not-http", "answer")), speaks("h2c"))}},
	{"what is no HTTP", Unnamed, "", []evidence.Challenge{lookAt("proof", three(failing("not-http", "answer")), nil)}},
	{"teapot", Unnamed, "", []evidence.Challenge{lookAt("proof", three(got(418, "")), known200)}},
	{"loop", "http-redirect-loop", Confirmed, []evidence.Challenge{lookAt("proof", three(stuck("redirect-loop", "")), known200)}},
	{"loop that sets a cookie", "http-bot-challenge", Confirmed, []evidence.Challenge{lookAt("proof", three(cookie(stuck("redirect-loop", ""))), known200)}},
	{"port", "http-redirect-bad-port", Confirmed, []evidence.Challenge{lookAt("proof", three(stuck("bad-redirect", evidence.BadPort)), known200)}},
	{"slash", "http-redirect-missing-slash", Confirmed, []evidence.Challenge{lookAt("proof", three(stuck("bad-redirect", evidence.BadSlash)), known200)}},
	{"scheme", "http-redirect-bad-scheme", Confirmed, []evidence.Challenge{lookAt("proof", three(stuck("bad-redirect", evidence.BadScheme)), known200)}},
	{"host", "http-redirect-bad-host", Confirmed, []evidence.Challenge{lookAt("proof", three(stuck("bad-redirect", evidence.BadHost)), known200)}},
	{"nowhere", "http-redirect-bad-host", Confirmed, []evidence.Challenge{lookAt("proof", three(led("http://gone.example/", failing("unresolvable", "resolve"))), known200)}},
	{"other host", "http-redirect-other-host-missing", Confirmed, []evidence.Challenge{lookAt("proof", three(led("http://files.example/", got(404, ""))), known200)}},
	{"404 of the only site", "http-404-webroot", Confirmed, []evidence.Challenge{lookAt("proof", three(got(404, "")), known200)}},
	{"404 of the name's site", "http-404-webroot", Confirmed, []evidence.Challenge{lookAt("canary", three(got(404, "")), sites("own", "default", "www"))}},
	{"404 of the default site", "http-wrong-vhost", Confirmed, []evidence.Challenge{lookAt("proof", three(got(404, "")), sites("default", "default", "www"))}},
	{"page of the default site", "http-wrong-vhost", Confirmed, []evidence.Challenge{lookAt("proof", three(got(200, spa)), sites("default", "default", "www"))}},
	{"page missing", "html-token-404", Confirmed, []evidence.Challenge{lookAt("proof", three(got(404, "")), both(known200, byPage))}},
	{"page that its owner has to publish", "", "", []evidence.Challenge{lookAt("proof", three(got(404, "")), both(known200, byPage, func(c *evidence.Challenge) { c.ByHand = true }))}},
	{"HTTPS only", "html-https-only", Confirmed, []evidence.Challenge{lookAt("proof", three(led("https://"+host+"/", got(404, ""))), both(known200, byPage))}},
	{"rule for dots", "http-403-deny-dotfiles", Confirmed, []evidence.Challenge{lookAt("proof", three(got(403, "")), compared(403, 404, 403, 403))}},
	{"file closed", "http-403-perms", Confirmed, []evidence.Challenge{lookAt("proof", three(got(403, "")), compared(404, 404, 404, 404))}},
	{"rule or mode", "http-403-deny-dotfiles", Possible, []evidence.Challenge{lookAt("proof", three(got(403, "")), compared(404, 404, 403, 403))}},
	{"password", "http-401", Confirmed, []evidence.Challenge{lookAt("absent", three(got(401, "")), compared(401, 401, 401, 401))}},
	{"application down", "http-5xx-app", Confirmed, []evidence.Challenge{lookAt("absent", three(got(502, "")), compared(502, 502, 502, 502))}},
	{"catch-all", "http-html-200", Confirmed, []evidence.Challenge{lookAt("proof", three(got(200, spa)), known200)}},
	{"catch-all for nobody", "http-html-200", Confirmed, []evidence.Challenge{lookAt("absent", three(got(200, spa)), known200)}},
	{"test for browsers", "http-bot-challenge", Confirmed, []evidence.Challenge{lookAt("absent", three(got(503, gate)), known200)}},
	{"User-Agent", "http-ua-or-geo-block", Confirmed, []evidence.Challenge{lookAt("absent", three(got(403, "")), both(compared(403, 403, 403, 403), agentsGet(got(404, ""))))}},
	{"other authority's User-Agent", "http-ua-or-geo-block", Confirmed, []evidence.Challenge{lookAt("proof", three(got(200, chProof)), agentsGet(got(403, "")))}},
	{"mark", "http-body-bom", Confirmed, []evidence.Challenge{lookAt("proof", three(got(200, "\ufeff"+chProof)), known200)}},
	{"footer", "http-body-too-long", Confirmed, []evidence.Challenge{lookAt("proof", three(got(200, chProof+"\nserved with care")), known200)}},
	{"old account", "http-wrong-thumbprint", Confirmed, []evidence.Challenge{lookAt("proof", three(got(200, "tok.6nicxzh6WETQlrvdchkz-U3e3DOQZ4heJKU63rfqMqQ")), known200)}},
	{"old proof", "http-stale-token", Confirmed, []evidence.Challenge{lookAt("proof", three(got(200, "old.nP1qzpXGymHBrUEepNY9HCsQk7K8KhOypzEt62jcerQ")), known200)}},
	{"one node", "http-one-node-lacks-token", Confirmed, []evidence.Challenge{lookAt("proof", []evidence.Fetched{got(200, chProof), got(404, ""), got(200, chProof), got(404, "")}, nil)}},
	{"one address", "http-one-node-lacks-token", Confirmed, []evidence.Challenge{lookAt("proof", three(got(200, chProof)), nil), at("192.0.2.2:80", "ip4", lookAt("proof", three(got(404, "")), known200))}},
	{"IPv6", "http-ipv6-elsewhere", Confirmed, []evidence.Challenge{lookAt("proof", three(got(200, chProof)), nil), at("[2001:db8::1]:80", "ip6", lookAt("proof", three(got(404, "")), known200))}},
}

func at(address, family string, c evidence.Challenge) evidence.Challenge {
	c.Address, c.Family = address, family
	return c
}

// observed are the observations of looks.
func observed(looks []evidence.Challenge) []evidence.Observation {
	var out []evidence.Observation
	for _, c := range looks {
		o := evidence.Observation{Probe: evidence.ProbeHTTP, Check: checkChallenge, Subject: c.Tries[0].URL + " at " + c.Address, Outcome: evidence.Fail, From: "test", At: noon, Command: "curl"}
		l := challenge{Challenge: c}
		if !slices.ContainsFunc(c.Tries, func(f evidence.Fetched) bool { return !l.well(&f) }) {
			o.Outcome = evidence.Pass
		}
		out = append(out, o.With(c))
	}
	return out
}

func TestChallengeCauses(t *testing.T) {
	t.Parallel()
	for _, c := range challengeCases {
		r := Judge(host, observed(c.looks), nil, noon, Options{ServerName: host, Method: "http-01"})
		switch {
		case c.want == "" && len(r.Findings) > 0:
			t.Errorf("%s: %s, want nothing", c.title, r.Findings[0].ID)
		case c.want == "":
		case len(r.Findings) != 1 || r.Findings[0].ID != c.want || c.certainty != "" && r.Findings[0].Certainty != c.certainty:
			for _, f := range r.Findings {
				t.Errorf("%s: %s (%s) %s; want %s alone", c.title, f.ID, f.Certainty, f.Cause, c.want)
			}
		default:
			f := r.Findings[0]
			if f.Leg != LegHTTP || strings.Contains(f.Title+f.Cause+f.Fix.Text, "{") || len(f.Evidence) == 0 || f.Evidence[0].Command == "" && c.want != Unnamed {
				t.Errorf("%s: leg %s, evidence %v: %s %s %s", c.title, f.Leg, f.Evidence, f.Title, f.Cause, f.Fix.Text)
			}
			if f.Certainty == Confirmed && len(f.RuledOut) == 0 {
				t.Errorf("%s: no twin is ruled out", c.title)
			}
		}
	}
}

// The modes of the files tell a rule from a file that is closed.
func TestModesDecideWhatDenies(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]string{"0700": "http-403-perms", "0755": "http-403-deny-dotfiles"} {
		obs := observed([]evidence.Challenge{lookAt("canary", three(got(403, "")), compared(404, 404, 403, 403))})
		o := evidence.Observation{Probe: evidence.ProbeFiles, Check: "webroot", Subject: host + " /srv/www/.well-known", Outcome: evidence.Pass, Seen: "directory of mode " + mode, At: noon}
		obs = append(obs, o.With(evidence.File{Path: "/srv/www/.well-known", Kind: "directory", Exists: true, Mode: mode}))
		if r := Judge(host, obs, nil, noon, Options{ServerName: host}); len(r.Findings) != 1 || r.Findings[0].ID != want || r.Findings[0].Certainty != Confirmed {
			t.Errorf("%s: %v", mode, r.Findings)
		}
	}
}

// What the authority recorded hangs under what its path shows now; where that is well, the record is over.
func TestRecordedRefusalsHangUnderTheLook(t *testing.T) {
	t.Parallel()
	path := []order.Stage{{Stage: order.StageVerify, State: order.StateFail, Rows: []order.Row{{Name: host, State: order.StateFail,
		Problem: &order.Problem{Class: order.GiveUp, What: "http-01 of " + host, Detail: "Invalid response: 404", Type: "urn:ietf:params:acme:error:unauthorized", ID: "http-404-webroot", At: noon.AddDate(0, 0, -1)}}}}}
	o := &order.Order{ID: order.Short("www"), Kind: order.Ordered, Spec: order.Spec{AutoRenew: true, Names: []order.Name{{Kind: order.DNS, Value: host}}}}
	for want, look := range map[string]evidence.Challenge{
		"http-html-200":      lookAt("canary", three(got(200, spa)), known200),
		"http-404-webroot":   lookAt("canary", three(got(404, "")), known200),
		"ca-error-now-fixed": lookAt("canary", three(got(200, chProof)), nil),
	} {
		r := Judge("www", observed([]evidence.Challenge{look}), path, noon, Options{ServerName: host, Order: o})
		if len(r.Findings) != 1 || r.Findings[0].ID != want {
			t.Errorf("want %s alone, got %v", want, brief(r))
		}
	}
}

func TestALPNCauses(t *testing.T) {
	t.Parallel()
	proof := func(edit func(*evidence.ALPN)) evidence.ALPN {
		r := evidence.ALPN{Name: host, Address: "192.0.2.1:443", Family: "ip4", Negotiated: checkALPN, SelfSigned: true, Names: []string{host}, Extension: true, Critical: true,
			Digest: make([]byte, 32), Normal: []byte{1}}
		edit(&r)
		return r
	}
	plain := func(r *evidence.ALPN) {
		*r = evidence.ALPN{Name: host, Address: r.Address, Family: "ip4", Normal: []byte{1}}
	}
	for _, tt := range []struct {
		title, want string
		looks       []evidence.ALPN
	}{
		{"proof", "", []evidence.ALPN{proof(func(*evidence.ALPN) {})}},
		{"nothing under way", "", []evidence.ALPN{proof(func(r *evidence.ALPN) { plain(r); r.Error, r.ErrorClass = "alert", "alert" })}},
		{"plain server", "alpn-not-offered", []evidence.ALPN{proof(plain)}},
		{"a protocol that was not offered", "alpn-not-offered", []evidence.ALPN{proof(func(r *evidence.ALPN) { plain(r); r.Error, r.ErrorClass, r.Foreign = "unadvertised", "other", true })}},
		{"refused protocol", "alpn-not-offered", []evidence.ALPN{proof(func(r *evidence.ALPN) { plain(r); r.Error, r.ErrorClass, r.NoProtocol = "alert", "alert", true })}},
		{"proxy", "alpn-terminated-upstream", []evidence.ALPN{proof(func(r *evidence.ALPN) { plain(r); r.Via = "Via: 1.1 edge" })}},
		{"capable behind", "alpn-terminated-upstream", []evidence.ALPN{proof(plain), proof(func(r *evidence.ALPN) { r.Address = "192.0.2.2:443" })}},
		{"closed", "alpn-443-closed", []evidence.ALPN{proof(func(r *evidence.ALPN) { plain(r); r.Normal, r.Error, r.ErrorClass = nil, "refused", "refused" })}},
		{"other name", "alpn-wrong-identifier", []evidence.ALPN{proof(func(r *evidence.ALPN) { r.Names = []string{"other.example"} })}},
		{"other digest", "alpn-wrong-identifier", []evidence.ALPN{proof(func(r *evidence.ALPN) { r.Expect = []byte(base64.StdEncoding.EncodeToString(r.Digest))[:32] })}},
		{"two names", "alpn-bad-cert-shape", []evidence.ALPN{proof(func(r *evidence.ALPN) { r.Names = append(r.Names, "b.example") })}},
		{"uncritical", "alpn-bad-cert-shape", []evidence.ALPN{proof(func(r *evidence.ALPN) { r.Critical = false })}},
		{"issued", "alpn-bad-cert-shape", []evidence.ALPN{proof(func(r *evidence.ALPN) { r.SelfSigned, r.Extension = false, false })}},
	} {
		var obs []evidence.Observation
		for _, l := range tt.looks {
			o := evidence.Observation{Probe: evidence.ProbeTLS, Check: checkALPN, Subject: l.Address, Outcome: evidence.Fail, At: noon, Command: "openssl s_client"}
			obs = append(obs, o.With(l))
		}
		r := Judge(host, obs, nil, noon, Options{ServerName: host, Method: "tls-alpn-01"})
		if tt.want == "" && len(r.Findings) > 0 || tt.want != "" && (len(r.Findings) != 1 || r.Findings[0].ID != tt.want || r.Findings[0].Certainty != Confirmed || r.Findings[0].Leg != LegALPN) {
			t.Errorf("%s: %v, want %q", tt.title, brief(r), tt.want)
		}
	}
}

// The control: rows whose signs are exchanged with their twin's are caught by the cases.
func TestSwappedChallengeTwinsAreCaught(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{"http-refused", "http-timeout-drop"}, {"http-404-webroot", "http-wrong-vhost"}, {"http-403-perms", "http-403-deny-dotfiles"},
		{"http-html-200", "http-bot-challenge"}, {"http-reset", "http-port80-is-tls"}, {"http-wrong-thumbprint", "http-stale-token"}, {"html-token-404", "html-https-only"}} {
		rows := catalogue()
		i := slices.IndexFunc(rows, func(r Row) bool { return r.ID == pair[0] })
		k := slices.IndexFunc(rows, func(r Row) bool { return r.ID == pair[1] })
		rows[i].Must, rows[k].Must = rows[k].Must, rows[i].Must
		rows[i].MustNot, rows[k].MustNot = rows[k].MustNot, rows[i].MustNot
		caught := 0
		for _, c := range challengeCases {
			j := newJudge(host, observed(c.looks), nil, noon, Options{ServerName: host})
			if r := j.judgeWith(rows); slices.Contains(pair[:], c.want) && (len(r.Findings) == 0 || r.Findings[0].ID != c.want) {
				caught++
			}
		}
		if caught < 2 {
			t.Errorf("exchanging %v was caught by %d cases only", pair, caught)
		}
	}
}
