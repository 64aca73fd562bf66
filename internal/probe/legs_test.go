package probe

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/inspect"
)

// legsWorld is a tree with a resolver beside it, and a web server for www.shop.test; with dead, one of the zone's name
// servers is silent. What is given looks at the DNS and HTTP legs of the name as `certwright diagnose --method http-01` does.
func legsWorld(t testing.TB, dead bool) func() []evidence.Observation {
	tr := newTree(t)
	tr.above(3, 4)
	z := tr.zone("www.shop.test. A "+tr.addr(7)+"\n", 3, 4)
	tr.serve(3, nil, z)
	if dead {
		tr.silent(4)
	} else {
		tr.serve(4, nil, z)
	}
	tr.serve(5, nil, "."+soa+". NS root.\nroot. A "+tr.addr(1)+"\n", z)
	l, err := net.Listen("tcp", net.JoinHostPort(tr.addr(7), "0"))
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
	go web.Serve(l)
	t.Cleanup(func() { web.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	at, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	p := New(Options{Now: time.Now, From: "test", Guard: open, DNSPort: tr.port, Resolver: net.JoinHostPort(tr.addr(5), tr.port),
		Roots: []RootServer{{"root.", []netip.Addr{netip.MustParseAddr(tr.addr(1))}}}, HTTPPorts: []int{at}})
	return func() []evidence.Observation {
		return inspect.Host(t.Context(), inspect.HostOptions{Clock: inspect.Clock{Now: time.Now, From: "test"}, Host: "www.shop.test", Port: "443",
			Method: "http-01", DNS: p, HTTP: p, HTTPPort: at})
	}
}

// checkLegs holds that the looks saw what is there: a benchmark of looks that fail would flatter.
func checkLegs(t testing.TB, obs []evidence.Observation, dead bool) {
	t.Helper()
	var walk evidence.Walk
	resolved, answered := false, false
	for _, o := range obs {
		if w, ok := evidence.Decode[evidence.Walk](o); ok && o.Check == evidence.CheckWalk {
			walk = w
		}
		if r, ok := evidence.Decode[evidence.Resolved](o); ok && r.Type == "A" && len(r.Records) == 1 {
			resolved = true
		}
		if c, ok := evidence.Decode[evidence.Challenge](o); ok && len(c.Tries) > 0 && c.Tries[0].Error == "" && len(c.Tries[0].Hops) == 1 && c.Tries[0].Hops[0].Status == http.StatusNotFound {
			answered = true
		}
	}
	want := 2
	if dead {
		want = 1
	}
	if n := len(zoneOf(t, walk, "shop.test").Answering()); n != want || len(walk.Addresses()) != 1 || !resolved || !answered {
		t.Fatalf("%d name servers answer, addresses %v, resolved %v, challenge path answered %v", n, walk.Addresses(), resolved, answered)
	}
}

func TestLegs(t *testing.T) {
	t.Parallel()
	checkLegs(t, legsWorld(t, false)(), false)
}

// BenchmarkLegs looks at the DNS and HTTP legs of a healthy name, and of one with a dead name server among two.
func BenchmarkLegs(b *testing.B) {
	for _, dead := range []bool{false, true} {
		b.Run(map[bool]string{false: "healthy", true: "dead"}[dead], func(b *testing.B) {
			look := legsWorld(b, dead)
			checkLegs(b, look(), dead)
			for b.Loop() {
				look()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/look")
		})
	}
}
