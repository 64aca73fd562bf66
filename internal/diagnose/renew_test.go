package diagnose

import (
	"slices"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// lives makes an order's version with days behind and before it.
func lives(behind, ahead int) func(*order.Order) {
	return func(o *order.Order) {
		v := &o.Versions[0]
		v.NotBefore, v.NotAfter = noon.AddDate(0, 0, -behind), noon.AddDate(0, 0, ahead)
		v.Issued = v.NotBefore
	}
}

func with(edits ...func(*order.Order)) *order.Order {
	return ordered(func(o *order.Order) {
		for _, e := range edits {
			e(o)
		}
	})
}

// waits is a path on which a stage's first row has a problem.
func waits(stage int, p order.Problem) []order.Stage {
	path := road(newFiles, newWire)
	path[stage].State = order.StateFail
	if len(path[stage].Rows) == 0 {
		path[stage].Rows = []order.Row{{Name: "row"}}
	}
	path[stage].Rows[0].State, path[stage].Rows[0].Problem = order.StateFail, &p
	return path
}

func TestRenewals(t *testing.T) {
	window := func(from, to int) func(*order.Order) {
		return func(o *order.Order) {
			o.Versions[0].Window = &order.Window{Start: noon.AddDate(0, 0, from), End: noon.AddDate(0, 0, to), Explanation: "https://ca.test/incident"}
		}
	}
	info := func(x evidence.RenewalInfo, out evidence.Outcome) []evidence.Observation {
		x.Serial, x.Offered = "B0", true
		return []evidence.Observation{gaze(evidence.ProbeCA, evidence.CheckRenewal, "renewal information of serial B0", out, x)}
	}
	awaited := order.Problem{Class: order.Waiting, What: "certificate request", Detail: "a new one is needed: the one given was used already, and may not be used again", ID: "renew-external-csr", Owner: order.OwnerOwner, Fix: "certwright order renew www --csr FILE"}
	start, end := noon.AddDate(0, 0, -1), noon.AddDate(0, 0, 1)
	for _, c := range []struct {
		title, want, note, command string
		order                      *order.Order
		path                       []order.Stage
		obs                        []evidence.Observation
	}{
		{title: "not due", note: "renew-not-due", order: with(lives(30, 60))},
		{title: "not due, the window is the usual one", note: "renew-not-due", order: with(lives(30, 60), window(28, 30))},
		{title: "early window, recorded", want: "renew-ari-advanced", order: with(lives(10, 80), window(-2, -1))},
		{title: "early window, seen now", want: "renew-ari-advanced", order: with(lives(10, 80)), obs: info(evidence.RenewalInfo{Start: &start, End: &end}, evidence.Pass)},
		{title: "information cannot be read", want: "renew-ari-unreadable", order: with(lives(10, 80)), obs: info(evidence.RenewalInfo{Error: "HTTP 500"}, evidence.Fail)},
		{title: "information cannot be read, nor can the directory", want: "ca-unreachable", order: with(lives(10, 80)), path: waits(2, order.Problem{Class: order.Retry, What: "new order", Detail: "connection refused", ID: "ca-unreachable"}),
			obs: append(info(evidence.RenewalInfo{Error: "connection refused"}, evidence.Fail), directory(evidence.Authority{ErrorClass: "refused", Error: "connection refused"}))},
		{title: "key elsewhere", want: "renew-external-csr", order: with(lives(85, 5), func(o *order.Order) { o.Kind, o.Spec.ExternalKey = order.Imported, true })},
		{title: "key elsewhere, long to go", order: with(lives(10, 80), func(o *order.Order) { o.Kind, o.Spec.ExternalKey = order.Imported, true })},
		{title: "a request is awaited", want: "renew-external-csr", order: with(lives(70, 20), func(o *order.Order) {
			o.Spec.ExternalKey = true
			o.Needs = []order.Need{{KeyType: order.P256, Reason: order.Renewal, Progress: order.Progress{Problem: &awaited}}}
		}), path: waits(2, awaited)},
		{title: "a request is there", note: "renew-not-due", order: with(lives(10, 80), func(o *order.Order) { o.Spec.ExternalKey = true })},
		{title: "to be put by hand", want: "sync-key-external", order: with(lives(10, 80), func(o *order.Order) { o.Spec.ExternalKey = true }),
			path: waits(4, order.Problem{Class: order.Waiting, What: "deploy to shop/files", Detail: "version 2 is to be put there together with its private key, which is not here", ID: "sync-key-external", Owner: order.OwnerOwner})},
		{title: "a name was added", want: "renew-san-added", order: with(lives(10, 80), func(o *order.Order) {
			o.Spec.Names = []order.Name{{Kind: order.DNS, Value: "a.test"}, {Kind: order.DNS, Value: "b.test"}}
			o.Versions[0].Names = []string{"a.test"}
			o.Identifiers = []order.Identifier{{Name: o.Spec.Names[0], Verified: ago(time.Hour)}, {Name: o.Spec.Names[1]}}
		})},
		{title: "issued and not stored", want: "renew-issued-not-stored", order: with(lives(10, 80), func(o *order.Order) {
			o.Attempts = []order.Attempt{{ID: "a", Phase: order.Signed, Progress: order.Progress{Since: noon.Add(-time.Hour)}}}
		})},
		{title: "issued just now", order: with(lives(10, 80), func(o *order.Order) {
			o.Attempts = []order.Attempt{{ID: "a", Phase: order.Signed, Progress: order.Progress{Since: noon.Add(-time.Minute)}}}
		})},
		{title: "the vault refuses what was issued", want: "vault-sealed", path: waits(3, order.Problem{What: "store", Detail: "sealed", ID: "vault-sealed"}), order: with(lives(10, 80), func(o *order.Order) {
			o.Attempts = []order.Attempt{{ID: "a", Phase: order.Signed, Progress: order.Progress{Since: noon.Add(-time.Hour), Problem: &order.Problem{What: "store", Detail: "sealed", ID: "vault-sealed"}}}}
		})},
		{title: "loop", want: "renew-loop", order: with(lives(1, 89), func(o *order.Order) {
			for i := range 5 {
				at := noon.AddDate(0, 0, -i)
				o.Versions = append(o.Versions, order.Version{Number: 10 + i, State: order.VersionStored, Reason: order.Renewal, Issued: at, NotBefore: at, NotAfter: at.AddDate(0, 0, 90)})
			}
		})},
		{title: "five a week of a short life are no loop", order: with(lives(1, 5), func(o *order.Order) {
			for i := range 5 {
				at := noon.AddDate(0, 0, -i)
				o.Versions = append(o.Versions, order.Version{Number: 10 + i, State: order.VersionStored, Reason: order.Renewal, Issued: at, NotBefore: at, NotAfter: at.AddDate(0, 0, 6)})
			}
		})},
		{title: "subscription off", want: "sub-disabled", order: with(lives(60, 30)), path: waits(2, order.Problem{Class: order.Waiting, What: "new order", Where: "subscription 1234", Detail: "the subscription is Disabled", ID: "sub-disabled"}), command: "certwright subscription enable 1234"},
		{title: "hook", want: "renew-hook-failed", order: with(lives(10, 80)), path: waits(4, order.Problem{What: "run hook notify", Detail: "exit status 1", ID: "renew-hook-failed"})},
	} {
		path := c.path
		if path == nil {
			path = road(newFiles, newWire)
		}
		r := Judge("www", c.obs, path, noon, Options{Order: c.order})
		checkReport(t, r)
		if c.note != "" && !slices.ContainsFunc(r.Notes, func(n Note) bool { return n.ID == c.note }) {
			t.Errorf("%s: no note %s: %v", c.title, c.note, r.Notes)
		}
		if c.want == "" && len(r.Findings) > 0 || c.want != "" && (len(r.Findings) != 1 || r.Findings[0].ID != c.want) {
			t.Errorf("%s: want %q: %s", c.title, c.want, brief(r))
		} else if c.command != "" && r.Findings[0].Fix.Command != c.command {
			t.Errorf("%s: healed by %q", c.title, r.Findings[0].Fix.Command)
		}
	}
}
