package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"text/tabwriter"
)

// looks are the figures of the diagnosis: what its looks at the world cost.
type looks struct {
	ofBare, rate, bare float64 // endpoints a second, and those of a bare crypto/tls loop
	memory             float64 // MiB at most, of the process that looks
	legs, dead         float64 // milliseconds of the DNS and HTTP legs of a name, well and with a dead name server
}

// measureLooks runs the benchmarks of package probe, which hold both sides and the fake tree.
func measureLooks(ctx context.Context) (*looks, error) {
	l := &looks{}
	for _, b := range []struct {
		name, times string
		into        map[string]*float64
	}{
		{"^BenchmarkMass$", "1x", map[string]*float64{"of-bare": &l.ofBare, "looks/s": &l.rate, "bare/s": &l.bare, "MiB-RSS": &l.memory}},
		{"^BenchmarkLegs$/^healthy$", "50x", map[string]*float64{"ms/look": &l.legs}},
		{"^BenchmarkLegs$/^dead$", "3x", map[string]*float64{"ms/look": &l.dead}},
	} {
		c := exec.CommandContext(ctx, "go", "test", "-tags", "grpcnotrace", "-count=1", "-run", "^$", "-bench", b.name, "-benchtime", b.times, "certwright/internal/probe")
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := c.CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %s", b.name, err, out)
		}
		for unit, into := range b.into {
			v, ok := metric(string(out), unit)
			if !ok {
				return nil, fmt.Errorf("%s gives no %s: %s", b.name, unit, out)
			}
			*into = v
		}
	}
	fmt.Printf("looks: %.0f endpoints/s beside %.0f of a bare loop; DNS and HTTP legs in %.1f ms, in %.0f ms past a dead name server\n", l.rate, l.bare, l.legs, l.dead)
	return l, nil
}

// metric finds the value before a unit in what go test prints of a benchmark.
func metric(out, unit string) (float64, bool) {
	fields := strings.Fields(out)
	for i := 1; i < len(fields); i++ {
		if fields[i] == unit {
			v, err := strconv.ParseFloat(fields[i-1], 64)
			return v, err == nil
		}
	}
	return 0, false
}

func (l *looks) print(w *tabwriter.Writer) {
	row(w, "looks at 5,000 endpoints", fmt.Sprintf("%.0f/s = %.2f of a bare loop", l.rate, l.ofBare), ">= 0.95", l.ofBare >= 0.95)
	row(w, "memory of these looks", fmt.Sprintf("%.1f MiB", l.memory), "< 30 MiB", l.memory < 30)
	row(w, "DNS and HTTP legs, all well", fmt.Sprintf("%.1f ms", l.legs), "<= 100 ms", l.legs <= 100)
	row(w, "cost of a dead name server", fmt.Sprintf("%.0f ms", l.dead-l.legs), "<= 3000 ms", l.dead-l.legs <= 3000)
}
