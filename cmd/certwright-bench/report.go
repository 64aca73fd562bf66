package main

import (
	"fmt"
	"os"
	"sort"
	"text/tabwriter"
)

// report gathers the figures of all rounds.
type report struct {
	bare  []float64
	runs  []figures
	looks *looks
	api   *apiFigures
}

// row is one line: the figure, what it is to be, whether it is.
func row(w *tabwriter.Writer, name, value, bound string, ok bool) {
	mark := "ok"
	if !ok {
		mark = "MISSED"
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", name, value, bound, mark)
}

func (r *report) print() {
	fmt.Println()
	w := tabwriter.NewWriter(os.Stdout, 2, 4, 2, ' ', 0)
	fmt.Fprintln(w, "FIGURE\tMEASURED\tBOUND\t")
	bare := median(r.bare)
	if len(r.bare) > 0 {
		fmt.Fprintf(w, "bare loop, certificates/s\t%.1f\t\t\n", bare)
	}
	for _, kind := range []string{"sqlite", "postgresql"} {
		r.printKind(w, kind, bare)
	}
	if r.looks != nil {
		r.looks.print(w)
	}
	if r.api != nil {
		r.api.print(w)
	}
	w.Flush()
}

func (r *report) printKind(w *tabwriter.Writer, kind string, bare float64) {
	of := func(get func(figures) float64) float64 {
		var all []float64
		for _, f := range r.runs {
			if f.kind == kind {
				all = append(all, get(f))
			}
		}
		return median(all)
	}
	rate := of(func(f figures) float64 { return f.rate })
	if rate == 0 {
		return
	}
	ratio := rate / bare
	row(w, kind+": certificates/s", fmt.Sprintf("%.1f = %.2f of the bare loop", rate, ratio), ">= 0.60 (sqlite)", ratio >= 0.6 || kind != "sqlite")
	commits := of(func(f figures) float64 { return f.commits })
	row(w, kind+": commits a certificate", fmt.Sprintf("%.2f", commits), "<= 6", commits <= 6)
	cpu := of(func(f figures) float64 { return f.cpu })
	row(w, kind+": CPU a certificate", fmt.Sprintf("%.1f ms", cpu), "< 20 ms", cpu < 20)
	one := of(func(f figures) float64 { return float64(f.one.Milliseconds()) })
	row(w, kind+": one order to the wire", fmt.Sprintf("%.0f ms", one), "< 500 ms", one < 500)
	start := of(func(f figures) float64 { return float64(f.start.Milliseconds()) })
	row(w, kind+": first start to serving", fmt.Sprintf("%.0f ms", start), "< 300 ms", start < 300)
	cold := of(func(f figures) float64 { return f.coldRSS })
	row(w, kind+": memory before any order", fmt.Sprintf("%.1f MiB", cold), "< 64 MiB", cold < 64)
	rss := of(func(f figures) float64 { return f.restRSS })
	row(w, kind+": memory at rest afterwards", fmt.Sprintf("%.1f MiB", rss), "< 64 MiB", rss < 64)
	idle := of(func(f figures) float64 { return f.restCPU })
	row(w, kind+": CPU at rest", fmt.Sprintf("%.2f %% of a core", idle), "< 2 %", idle < 2)
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	sort.Float64s(v)
	return v[len(v)/2]
}
