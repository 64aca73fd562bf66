package diagnose

import (
	"slices"
	"strings"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// asked is an order that waits for its first version, with a problem recorded at the issue stage.
func asked(p order.Problem) ([]order.Stage, *order.Order) {
	if p.At.IsZero() {
		p.At = noon.Add(-time.Minute)
	}
	o := &order.Order{ID: order.Short("www"), Kind: order.Ordered, Ordered: noon.Add(-time.Hour), Spec: order.Spec{AutoRenew: true, Issuer: "pebble", Names: []order.Name{{Kind: order.DNS, Value: "www.shop.test"}}}}
	path := []order.Stage{
		{Stage: order.StageOrder, State: order.Done}, {Stage: order.StageVerify, State: order.Blocked},
		{Stage: order.StageIssue, State: order.StateFail, Rows: []order.Row{{Name: "EC-P256", State: order.StateFail, Problem: &p, NextAt: in(time.Minute)}}},
		{Stage: order.StageStore, State: order.StateWait}, {Stage: order.StageDeploy, State: order.StateWait}, {Stage: order.StageServe, State: order.StateWait},
	}
	return path, o
}

func gaze(probe, check, subject string, out evidence.Outcome, data any) evidence.Observation {
	return evidence.Observation{Probe: probe, Check: check, Subject: subject, Outcome: out, From: "server", At: noon, Command: "true"}.With(data)
}

func directory(a evidence.Authority) evidence.Observation {
	a.Issuer, a.URL, a.Host = "pebble", "https://ca.test/dir", "ca.test"
	a.Addresses = []string{"192.0.2.9"}
	out := evidence.Fail
	if a.Directory {
		out = evidence.Pass
	}
	return gaze(evidence.ProbeCA, evidence.CheckDirectory, a.URL, out, a)
}

func peer(name, address, class string) evidence.Observation {
	return gaze(evidence.ProbeHost, evidence.CheckReach, address, evidence.Pass, evidence.Reached{Name: name, Address: address, Answered: class == "", ErrorClass: class})
}

// Every refusal that the catalogue has words for is the finding itself, whole, with a twin ruled out.
func TestEveryRefusalSpeaks(t *testing.T) {
	for _, row := range slices.Concat(rowsCA, rowsCAAccount) {
		path, o := asked(order.Problem{Class: order.Final, What: "new order", Where: "https://ca.test/x", Detail: "no, because of it", ID: row.ID, Owner: order.OwnerOwner, Cause: "c", Until: noon.Add(time.Hour)})
		r := Judge("www", nil, path, noon, Options{Order: o})
		checkReport(t, r)
		if len(r.Findings) != 1 || r.Findings[0].ID != row.ID {
			t.Errorf("%s: %s", row.ID, brief(r))
			continue
		}
		f := r.Findings[0]
		if !strings.Contains(f.Cause, "no, because of it") || len(f.RuledOut) == 0 || strings.Contains(f.Title+f.Cause+f.Fix.Text+f.Fix.Command, "{") {
			t.Errorf("%s: %+v", row.ID, f)
		}
	}
}

var parentThere = gaze(evidence.ProbeDNS, "NS", "shop.test", evidence.Pass, evidence.Resolved{Name: "shop.test", Type: "NS", Rcode: "NOERROR", Records: []string{"ns.shop.test."}})

var reachCases = []struct {
	title, want, ruled string
	said               string // recorded before
	obs                []evidence.Observation
}{
	{"nothing listens", "ca-unreachable", "ca-egress-blocked", "ca-unreachable", []evidence.Observation{directory(evidence.Authority{ErrorClass: "refused", Error: "connection refused"}), peer("endpoint a", "192.0.2.1:443", "")}},
	{"nothing listens, and nothing to compare with", "ca-unreachable", "ca-egress-blocked", "ca-unreachable", []evidence.Observation{directory(evidence.Authority{ErrorClass: "refused", Error: "connection refused"})}},
	{"dropped, others answer", "ca-egress-blocked", "ca-unreachable", "ca-unreachable", []evidence.Observation{directory(evidence.Authority{ErrorClass: "timeout", Error: "i/o timeout"}), peer("endpoint a", "192.0.2.1:443", "")}},
	{"dropped, another host refuses", "ca-egress-blocked", "sys-egress-down", "", []evidence.Observation{directory(evidence.Authority{ErrorClass: "timeout", Error: "i/o timeout"}), peer("endpoint a", "192.0.2.1:443", "refused")}},
	{"no such host", "ca-host-unresolvable", "ca-unreachable", "ca-host-unresolvable", []evidence.Observation{directory(evidence.Authority{ErrorClass: "unresolvable", NXDomain: true, Error: "no such host"}), peer("endpoint a", "192.0.2.1:443", "")}},
	{"own root unknown", "ca-directory-untrusted", "ca-tls-intercepted", "ca-directory-untrusted", []evidence.Observation{directory(evidence.Authority{ErrorClass: evidence.ClassUntrusted}), peer("endpoint a", "192.0.2.1:443", "")}},
	{"a page", "ca-directory-not-json", "ca-5xx", "", []evidence.Observation{directory(evidence.Authority{Status: 200, Type: "text/html", Body: []byte("<html>")})}},
	{"proxy wants a password", "ca-proxy-auth", "ca-directory-not-json", "", []evidence.Observation{directory(evidence.Authority{Status: 407})}},
	{"internal error", "ca-5xx", "ca-lb-throttle-503", "", []evidence.Observation{directory(evidence.Authority{Status: 500})}},
	{"busy", "ca-lb-throttle-503", "ca-5xx", "", []evidence.Observation{directory(evidence.Authority{Status: 503, RetryAfter: "60"})}},
	{"nothing is reached", "sys-egress-down", "ca-egress-blocked", "ca-unreachable", []evidence.Observation{directory(evidence.Authority{ErrorClass: "timeout", Error: "i/o timeout"}), peer("endpoint a", "192.0.2.1:443", "timeout")}},
	{"up again", nowFixed, "ca-unreachable", "ca-unreachable", []evidence.Observation{directory(evidence.Authority{Directory: true, Status: 200})}},
	{"the look then was of another kind", "ca-egress-blocked", "ca-unreachable", "ca-directory-untrusted", []evidence.Observation{directory(evidence.Authority{ErrorClass: "timeout", Error: "i/o timeout"}), peer("endpoint a", "192.0.2.1:443", "")}},
}

func TestReachingTheAuthority(t *testing.T) {
	for _, c := range reachCases {
		path, o := asked(order.Problem{})
		path[2].Rows[0].Problem = nil
		if c.said != "" {
			path, o = asked(order.Problem{Class: order.Retry, What: "read the directory", Where: "https://ca.test/dir", Detail: "dial tcp: it failed", ID: c.said, Owner: order.OwnerAdmin})
		}
		r := Judge("www", c.obs, path, noon, Options{Order: o})
		checkReport(t, r)
		if len(r.Findings) != 1 || r.Findings[0].ID != c.want || r.Findings[0].Certainty != Confirmed {
			t.Errorf("%s: want %s: %s", c.title, c.want, brief(r))
			continue
		}
		if !slices.ContainsFunc(r.Findings[0].RuledOut, func(x RuledOut) bool { return x.ID == c.ruled }) {
			t.Errorf("%s: %s is not ruled out: %v", c.title, c.ruled, r.Findings[0].RuledOut)
		}
	}
}

// With nothing to compare with, a silent host may be off or be filtered: that is said, and neither is certain.
func TestSilenceWithNothingToCompare(t *testing.T) {
	path, o := asked(order.Problem{Class: order.Retry, What: "read the directory", Detail: "i/o timeout", ID: "ca-unreachable"})
	r := Judge("www", []evidence.Observation{directory(evidence.Authority{ErrorClass: "timeout", Error: "i/o timeout"})}, path, noon, Options{Order: o})
	if len(r.Findings) != 1 || r.Findings[0].Certainty != Possible {
		t.Fatalf("%s", brief(r))
	}
}

// The limit on failed validations follows from what fails; it is never the cause while that lasts.
func TestLimitUnderItsCause(t *testing.T) {
	limit := order.Problem{Class: order.Retry, What: "new order", Detail: `too many failed authorizations (5) for "www.shop.test"`, ID: "ca-rate-limit-failed-authz", Until: noon.Add(time.Hour)}
	path, o := asked(limit)
	gone := gaze(evidence.ProbeDNS, "A", "www.shop.test", evidence.Fail, evidence.Resolved{Name: "www.shop.test", Type: "A", Rcode: "NXDOMAIN"})
	r := Judge("www", []evidence.Observation{gone, parentThere}, path, noon, Options{Order: o, ServerName: "www.shop.test"})
	if len(r.Findings) != 1 || r.Findings[0].ID != "dns-nxdomain-host" || !slices.Contains(r.Findings[0].Consequences, limit.ID) {
		t.Fatalf("live: %s %v", brief(r), r.Findings)
	}
	path, o = asked(limit)
	path[1] = order.Stage{Stage: order.StageVerify, State: order.StateFail, Rows: []order.Row{{Name: "www.shop.test", State: order.StateFail,
		Problem: &order.Problem{What: "http-01 of www.shop.test", Detail: "connection refused", Type: "urn:ietf:params:acme:error:connection", ID: "http-refused", At: noon.Add(-time.Hour)}}}}
	r = Judge("www", nil, path, noon, Options{Order: o})
	if r.Findings[0].ID != "http-refused" || len(r.Findings) != 1 {
		t.Fatalf("earlier: %s", brief(r))
	}
}

// What the authority said of a name and what is seen on it now are one fault.
func TestVerdictUnderWhatIsSeen(t *testing.T) {
	path, o := asked(order.Problem{Class: order.GiveUp, What: "verify www.shop.test", Detail: "DNS problem: SERVFAIL looking up A", Type: "urn:ietf:params:acme:error:dns", Status: 400})
	gone := gaze(evidence.ProbeDNS, "A", "www.shop.test", evidence.Fail, evidence.Resolved{Name: "www.shop.test", Type: "A", Rcode: "NXDOMAIN"})
	r := Judge("www", []evidence.Observation{gone, parentThere}, path, noon, Options{Order: o, ServerName: "www.shop.test"})
	if len(r.Findings) != 1 || r.Findings[0].ID != "dns-nxdomain-host" {
		t.Fatalf("%s", brief(r))
	}
	if r = Judge("www", nil, path, noon, Options{Order: o}); len(r.Findings) != 1 || r.Findings[0].ID != Unnamed || r.Findings[0].Leg != LegOrder {
		t.Fatalf("no look: %s", brief(r))
	}
	there := gaze(evidence.ProbeDNS, "A", "www.shop.test", evidence.Pass, evidence.Resolved{Name: "www.shop.test", Type: "A", Rcode: "NOERROR", Records: []string{"192.0.2.1"}})
	if r = Judge("www", []evidence.Observation{there}, path, noon, Options{Order: o, ServerName: "www.shop.test"}); len(r.Findings) != 1 || r.Findings[0].ID != nowFixed || r.Findings[0].Fix.Action != ActionRetry {
		t.Fatalf("passes now: %s", brief(r))
	}
}

func TestAccountClosedIsSeen(t *testing.T) {
	path, o := asked(order.Problem{})
	path[2].Rows[0].Problem = nil
	closed := gaze(evidence.ProbeCA, evidence.CheckAccount, "https://ca.test/acct/1", evidence.Fail, evidence.Account{URL: "https://ca.test/acct/1", Status: "deactivated", Error: "Account has been deactivated", Finding: "ca-account-deactivated"})
	r := Judge("www", []evidence.Observation{directory(evidence.Authority{Directory: true}), closed}, path, noon, Options{Order: o})
	if len(r.Findings) != 1 || r.Findings[0].ID != "ca-account-deactivated" {
		t.Fatalf("%s", brief(r))
	}
	open := gaze(evidence.ProbeCA, evidence.CheckAccount, "https://ca.test/acct/1", evidence.Pass, evidence.Account{URL: "https://ca.test/acct/1", Status: "valid"})
	path, o = asked(order.Problem{What: "register the account", Detail: "Account has been deactivated", ID: "ca-account-deactivated"})
	r = Judge("www", []evidence.Observation{directory(evidence.Authority{Directory: true}), open}, path, noon, Options{Order: o})
	if len(r.Findings) != 1 || r.Findings[0].ID != nowFixed {
		t.Fatalf("opened again: %s", brief(r))
	}
}

func TestStuckProcessing(t *testing.T) {
	for _, c := range []struct {
		since  time.Duration
		polled bool // for as long as one run looks
		want   int
	}{{10 * time.Second, false, 0}, {5 * time.Second, true, 0}, {20 * time.Second, true, 1}, {10 * time.Minute, false, 1}} {
		path, o := asked(order.Problem{})
		path[2] = order.Stage{Stage: order.StageIssue, State: order.StateWait}
		o.Attempts = []order.Attempt{{ID: "a1", Phase: order.Begun, Started: noon.Add(-time.Hour), Progress: order.Progress{Since: noon.Add(-c.since)}}}
		if c.polled {
			o.Attempts[0].Problem = &order.Problem{Class: order.Waiting, What: "read the order", Detail: "the order is processing"}
		}
		seen := gaze(evidence.ProbeCA, evidence.CheckOrder, "https://ca.test/o/1", evidence.Pass, evidence.AuthorityOrder{Attempt: "a1", Status: "processing"})
		r := Judge("www", []evidence.Observation{seen}, path, noon, Options{Order: o})
		if len(r.Findings) != c.want || c.want > 0 && r.Findings[0].ID != "ca-order-stuck-processing" {
			t.Errorf("%s: %s", c.since, brief(r))
		}
	}
}
