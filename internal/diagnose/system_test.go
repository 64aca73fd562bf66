package diagnose

import (
	"slices"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

func clockAt(name, address string, skew time.Duration) evidence.Observation {
	date := noon.Add(skew)
	return gaze(evidence.ProbeHost, evidence.CheckReach, address, evidence.Pass, evidence.Reached{Name: name, Address: address, Answered: true, Date: &date, Skew: skew})
}

func database(d evidence.Database) evidence.Observation {
	out := evidence.Pass
	if !d.Writes {
		out = evidence.Fail
	}
	return gaze(evidence.ProbeHost, evidence.CheckDatabase, "database", out, d)
}

func works(edit func(*evidence.Work)) evidence.Observation {
	at := noon.Add(-2 * time.Second)
	w := evidence.Work{Node: "a", LastSweep: &at, SweepEvery: 5 * time.Second, Workers: 16, Leader: "a", LeaderLeft: 10 * time.Second}
	if edit != nil {
		edit(&w)
	}
	return gaze(evidence.ProbeHost, evidence.CheckWork, "workers", evidence.Pass, w)
}

var systemCases = []struct {
	title, want, ruled string
	possible           bool
	obs                []evidence.Observation
	moved              time.Duration
}{
	{title: "all well", obs: []evidence.Observation{clockAt("a", "192.0.2.1:443", 2*time.Second), database(evidence.Database{Answers: true, Writes: true, Have: 3, Want: 3}), works(nil)}},
	{title: "behind two others", want: "sys-clock-behind", ruled: "sys-clock-ahead", obs: []evidence.Observation{clockAt("a", "192.0.2.1:443", time.Hour), clockAt("b", "192.0.2.2:443", time.Hour)}},
	{title: "ahead of two others", want: "sys-clock-ahead", ruled: "sys-clock-behind", obs: []evidence.Observation{clockAt("a", "192.0.2.1:443", -time.Hour), clockAt("b", "192.0.2.2:443", -time.Hour)}},
	{title: "one other alone", want: "sys-clock-ahead", possible: true, obs: []evidence.Observation{clockAt("a", "192.0.2.1:443", -time.Hour)}},
	{title: "the other is off, a third agrees with us", obs: []evidence.Observation{clockAt("a", "192.0.2.1:443", -time.Hour), clockAt("b", "192.0.2.2:443", 0)}},
	{title: "our own machine agrees, of course", want: "sys-clock-ahead", obs: []evidence.Observation{clockAt("a", "192.0.2.1:443", -time.Hour), clockAt("b", "192.0.2.2:443", -time.Hour), clockAt("c", "127.0.0.1:443", 0)}},
	{title: "two disagree with each other", want: "sys-clock-ahead", possible: true, obs: []evidence.Observation{clockAt("a", "192.0.2.1:443", -time.Hour), clockAt("b", "192.0.2.2:443", -3*time.Hour)}},
	{title: "one host twice is one clock", want: "sys-clock-ahead", possible: true, obs: []evidence.Observation{clockAt("a", "192.0.2.1:443", -time.Hour), clockAt("b", "192.0.2.1:8443", -time.Hour)}},
	{title: "moved on purpose", moved: 960 * time.Hour, obs: []evidence.Observation{clockAt("a", "192.0.2.1:443", -960*time.Hour), clockAt("b", "192.0.2.2:443", -960*time.Hour)}},
	{title: "database down", want: "sys-db-down", ruled: "sys-db-locked", obs: []evidence.Observation{database(evidence.Database{Finding: "sys-db-down", Error: "connection refused"})}},
	{title: "database locked", want: "sys-db-locked", ruled: "sys-db-readonly", obs: []evidence.Observation{database(evidence.Database{Answers: true, Finding: "sys-db-locked", Error: "database is locked", Wait: 4 * time.Second})}},
	{title: "database read-only", want: "sys-db-readonly", ruled: "sys-db-full", obs: []evidence.Observation{database(evidence.Database{Answers: true, Finding: "sys-db-readonly", Error: "readonly"})}},
	{title: "database full", want: "sys-db-full", ruled: "sys-db-readonly", obs: []evidence.Observation{database(evidence.Database{Answers: true, Finding: "sys-db-full", Error: "full"})}},
	{title: "old schema", want: "sys-migration-pending", obs: []evidence.Observation{database(evidence.Database{Answers: true, Writes: true, Have: 2, Want: 3})}},
	{title: "no sweep", want: "renew-scheduler-stopped", ruled: "sys-no-leader", obs: []evidence.Observation{works(func(w *evidence.Work) { t := noon.Add(-time.Hour); w.LastSweep = &t })}},
	{title: "no leader", want: "sys-no-leader", obs: []evidence.Observation{works(func(w *evidence.Work) { t := noon.Add(-time.Hour); w.LastSweep, w.LeaderLeft = &t, -time.Hour })}},
	{title: "no leader, and this node looks by itself", obs: []evidence.Observation{works(func(w *evidence.Work) { w.LeaderLeft = -time.Hour })}},
	{title: "no sweep because the database is down", want: "sys-db-down", obs: []evidence.Observation{works(func(w *evidence.Work) { t := noon.Add(-time.Hour); w.LastSweep = &t }), database(evidence.Database{Finding: "sys-db-down", Error: "connection refused"})}},
	{title: "a wave of orders", want: "sys-queue-backlog", obs: []evidence.Observation{works(func(w *evidence.Work) { w.Due, w.Lag = 10000, 10*time.Minute })}},
	{title: "a small wave", obs: []evidence.Observation{works(func(w *evidence.Work) { w.Due, w.Lag = 20, 10*time.Second })}},
	{title: "no files", want: "sys-files-exhausted", obs: []evidence.Observation{gaze(evidence.ProbeHost, evidence.CheckLimits, "files", evidence.Pass, evidence.Limits{Files: 1020, MaxFiles: 1024})}},
	{title: "disk full", want: "sys-disk-full", obs: []evidence.Observation{gaze(evidence.ProbeHost, evidence.CheckDisk, "disk", evidence.Pass, evidence.Disk{Path: "/srv", Free: 4096, Total: 1 << 30, Inodes: 5})}},
}

func TestSystem(t *testing.T) {
	for _, c := range systemCases {
		if len(checked(c.obs, evidence.CheckDatabase)) == 0 {
			c.obs = append(c.obs, database(evidence.Database{Answers: true, Writes: true, Have: 3, Want: 3}))
		}
		r := Judge("www", c.obs, road(newFiles, newWire), noon, Options{Order: ordered(nil), Moved: c.moved})
		checkReport(t, r)
		if c.want == "" {
			if len(r.Findings) > 0 {
				t.Errorf("%s: %s", c.title, brief(r))
			}
			continue
		}
		if len(r.Findings) != 1 || r.Findings[0].ID != c.want || (r.Findings[0].Certainty == Possible) != c.possible {
			t.Errorf("%s: want %s: %s", c.title, c.want, brief(r))
			continue
		}
		if c.ruled != "" && !slices.ContainsFunc(r.Findings[0].RuledOut, func(x RuledOut) bool { return x.ID == c.ruled }) {
			t.Errorf("%s: %s is not ruled out: %v", c.title, c.ruled, r.Findings[0].RuledOut)
		}
	}
}

func TestLeases(t *testing.T) {
	for want, edit := range map[string]func(*order.Order){
		"sys-worker-crashed-mid-order": func(o *order.Order) { o.LeaseOwner, o.LeaseUntil = "b", noon.Add(-time.Hour) },
		"sys-job-lease-stuck": func(o *order.Order) {
			o.LeaseOwner, o.LeaseUntil, o.Updated = "b", noon.Add(time.Minute), noon.Add(-time.Hour)
			o.Attempts = []order.Attempt{{ID: "a", Phase: order.Ended, Progress: order.Progress{At: noon.Add(-time.Hour)}}}
		},
		"": func(o *order.Order) { o.LeaseOwner, o.LeaseUntil, o.Updated = "b", noon.Add(time.Minute), noon },
	} {
		r := Judge("www", nil, road(newFiles, newWire), noon, Options{Order: ordered(edit)})
		if want == "" && len(r.Findings) > 0 || want != "" && (len(r.Findings) != 1 || r.Findings[0].ID != want) {
			t.Errorf("want %q: %s", want, brief(r))
		}
	}
}

// A clock that is off explains what is read by it; nothing else.
func TestClockExplainsDates(t *testing.T) {
	p := newPKI(t)
	w := world{p, t}
	old := w.around(v4, w.good(dates(noon.AddDate(0, 0, -95), noon.AddDate(0, 0, -5))))
	obs := append(old, clockAt("a", "192.0.2.1:443", -10*24*time.Hour), clockAt("b", "192.0.2.2:443", -10*24*time.Hour))
	r := Judge(host, obs, nil, noon, Options{Roots: p.roots, ServerName: host})
	if len(r.Findings) != 1 || r.Findings[0].ID != "sys-clock-ahead" || !slices.Contains(r.Findings[0].Consequences, "tls-leaf-expired") {
		t.Fatalf("%s", brief(r))
	}
}
