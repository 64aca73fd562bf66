package work

import (
	"context"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"certwright/internal/order"
)

// onBothKinds runs a benchmark on both databases.
func onBothKinds(b *testing.B, f func(b *testing.B, d database)) {
	b.Run("sqlite", func(b *testing.B) { f(b, newDatabase(b, "sqlite")) })
	b.Run("postgres", func(b *testing.B) { f(b, newDatabase(b, "postgres")) })
}

// BenchmarkLatency is the time from a hint to its run, one at a time: the short way and by a River job.
func BenchmarkLatency(b *testing.B) {
	for name, queue := range map[string]int{"short": 0, "river": -1} {
		b.Run(name, func(b *testing.B) {
			onBothKinds(b, func(b *testing.B, d database) {
				o, db := d.open(b)
				o.Queue, o.SweepEvery = queue, time.Hour
				ran := make(chan struct{}, 1)
				w := startWith(b, o, newRows(b, db, "a"), moverFunc(func(context.Context, order.ID) error { ran <- struct{}{}; return nil }))
				took := make([]time.Duration, 0, b.N)
				names := many(b.N)
				b.ResetTimer()
				for _, n := range names {
					t := time.Now()
					w.Hint(context.Background(), order.Short(n))
					<-ran
					took = append(took, time.Since(t))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
			})
		})
	}
}

// BenchmarkBulk is what a hint costs in a wave: time and processor, the short way and by River jobs.
func BenchmarkBulk(b *testing.B) {
	for name, queue := range map[string]int{"short": 0, "river": -1} {
		b.Run(name, func(b *testing.B) {
			onBothKinds(b, func(b *testing.B, d database) {
				o, db := d.open(b)
				o.Queue, o.SweepEvery = queue, time.Hour
				ran := make(chan struct{}, 1024)
				w := startWith(b, o, newRows(b, db, "a"), moverFunc(func(context.Context, order.ID) error { ran <- struct{}{}; return nil }))
				names := many(b.N)
				cpu := spent()
				b.ResetTimer()
				go func() {
					for _, n := range names {
						w.Hint(context.Background(), order.Short(n))
					}
				}()
				for range names {
					<-ran
				}
				b.ReportMetric(float64((spent()-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
			})
		})
	}
}

// BenchmarkIdle is the engine at rest: share of one core, and heap. Run it with -benchtime 1x.
func BenchmarkIdle(b *testing.B) {
	const rest = 20 * time.Second
	onBothKinds(b, func(b *testing.B, d database) {
		o, db := d.open(b)
		start(b, o, newRows(b, db, "a"))
		<-time.After(2 * time.Second)
		for range b.N {
			cpu := spent()
			<-time.After(rest)
			b.ReportMetric(100*float64(spent()-cpu)/float64(rest), "%core")
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "heap-MiB")
	})
}

// spent is the processor time of this process so far.
func spent() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
