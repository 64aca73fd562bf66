package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/site"
)

// massOf are as many endpoints at one port of 127.10.0.0/16.
func massOf(n int, port string) []site.Endpoint {
	out := make([]site.Endpoint, n)
	for i := range out {
		a := netip.AddrFrom4([4]byte{127, 10, byte(i / 250), byte(1 + i%250)})
		out[i] = site.Endpoint{Address: net.JoinHostPort(a.String(), port), ServerName: "www.example.test"}
	}
	return out
}

func TestLookTLSMany(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127.0.0.0/8 on loopback")
	}
	ec, _ := pair(t)
	l, err := tls.Listen("tcp", "0.0.0.0:0", &tls.Config{Certificates: []tls.Certificate{ec}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go acceptAll(l)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	list := massOf(300, port)
	list[7].Address = "127.10.9.9:" + freePort(t)
	seen := map[int]evidence.Outcome{}
	newProber(Options{}).LookTLSMany(t.Context(), list, []string{"EC01", "EC02"}, 16, func(i int, obs []evidence.Observation) {
		if _, twice := seen[i]; twice || len(obs) != 1 {
			t.Errorf("%d: %v", i, obs)
		}
		seen[i] = obs[0].Outcome
	})
	if len(seen) != len(list) || seen[0] != evidence.Pass || seen[1] != evidence.Fail || seen[7] != evidence.Fail || seen[299] != evidence.Pass {
		t.Errorf("%d seen; %v %v %v", len(seen), seen[0], seen[1], seen[7])
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	newProber(Options{}).LookTLSMany(ctx, list, nil, 2, func(int, []evidence.Observation) { n++ })
	if n > 10 {
		t.Errorf("%d looks after the end", n)
	}
}

func acceptAll(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() { defer c.Close(); c.(*tls.Conn).Handshake(); c.Read(make([]byte, 1)) }()
	}
}

// BenchmarkMass compares, on 5,000 endpoints that a server in another process serves, the looks with a bare loop of crypto/tls
// that keeps the chain and nothing else. Each side is a process of its own, so that its memory is its own; they take turns.
func BenchmarkMass(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("only Linux has all of 127.0.0.0/8 on loopback")
	}
	const n, rounds = 5000, 5
	server := part(b, "serve")
	port, err := bufio.NewReader(server).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	port = strings.TrimSpace(port)
	best := map[string]float64{}
	memory := map[string]float64{}
	for range b.N {
		for range rounds {
			for _, who := range []string{"bare", "look"} {
				var rate, rss float64
				if _, err := fmt.Fscan(part(b, who+" "+port+" "+strconv.Itoa(n)), &rate, &rss); err != nil {
					b.Fatal(err)
				}
				best[who], memory[who] = max(best[who], rate), max(memory[who], rss)
			}
		}
	}
	b.ReportMetric(best["look"], "looks/s")
	b.ReportMetric(best["bare"], "bare/s")
	b.ReportMetric(best["look"]/best["bare"], "of-bare")
	b.ReportMetric(memory["look"], "MiB-RSS")
	b.ReportMetric(memory["bare"], "MiB-RSS-bare")
}

// part runs this test program as one side of the benchmark and gives its output.
func part(b *testing.B, words string) *os.File {
	b.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], append([]string{"-test.run=^TestMassPart$", "-test.v=false", "--"}, strings.Fields(words)...)...)
	cmd.ExtraFiles = []*os.File{w}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	w.Close()
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); r.Close() })
	return r
}

// TestMassPart is one side of BenchmarkMass, in a process of its own; by itself it is nothing.
func TestMassPart(t *testing.T) {
	args := flag.Args()
	if len(args) == 0 {
		t.Skip("a part of BenchmarkMass")
	}
	out := os.NewFile(3, "out")
	if args[0] == "serve" {
		ec, _ := pair(t)
		l, err := tls.Listen("tcp", "0.0.0.0:0", &tls.Config{Certificates: []tls.Certificate{ec}, SessionTicketsDisabled: true})
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		fmt.Fprintln(out, port)
		acceptAll(l)
		return
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		t.Fatal(err)
	}
	list := massOf(n, args[1])
	start := time.Now()
	var got int
	if args[0] == "bare" {
		got = bareLoop(list, 64)
	} else {
		newProber(Options{}).LookTLSMany(t.Context(), list, nil, 64, func(_ int, obs []evidence.Observation) {
			if obs[0].Outcome == evidence.Pass {
				got++
			}
		})
	}
	took := time.Since(start)
	if got != n {
		t.Fatalf("%d of %d", got, n)
	}
	fmt.Fprintf(out, "%.1f %.1f\n", float64(n)/took.Seconds(), peakMiB(t))
}

// bareLoop shakes hands and keeps the chain.
func bareLoop(list []site.Endpoint, workers int) (got int) {
	next := make(chan int)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				var chain [][]byte
				c, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", list[i].Address, &tls.Config{ServerName: list[i].ServerName, InsecureSkipVerify: true,
					CurvePreferences: curves, VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error { chain = raw; return nil }})
				if err == nil {
					c.Close()
				}
				mu.Lock()
				if len(chain) == 1 {
					got++
				}
				mu.Unlock()
			}
		})
	}
	for i := range list {
		next <- i
	}
	close(next)
	wg.Wait()
	return got
}

// peakMiB is the most memory that this process has held.
func peakMiB(t *testing.T) float64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range strings.Split(string(b), "\n") {
		if rest, ok := strings.CutPrefix(l, "VmHWM:"); ok {
			kb, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return float64(kb) / 1024
		}
	}
	t.Fatal("the kernel does not tell")
	return 0
}
