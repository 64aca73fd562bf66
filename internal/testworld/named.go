package testworld

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/miekg/dns"

	"certwright/internal/testworld/port"
)

// NamedKey is the name of the TSIG key that Named's zones let write TXT records.
const NamedKey = "certwright"

// NamedZone is a zone of Named.
type NamedZone struct {
	Records string // after its SOA and NS records, in zone-file form
	Policy  string // of updates; empty = the key may write TXT records anywhere in it; "none" = nobody writes
	Lagging bool   // the second server has a copy of its own, which never changes
}

// Named is a real BIND with two servers, a primary and its secondary, at two loopback addresses and the port 53, so
// that NS records lead to them. They serve the same zones and answer as a resolver would for these, CNAMEs from one to another followed, and for nothing else. BIND itself listens only at
// addresses that an interface has, so that it stands at a port of 127.0.0.1, and a relay passes all that comes on.
type Named struct {
	Primary, Secondary string // ip:53
	Secret             string // of NamedKey (hmac-sha256), base64
	Dir                string // of the primary: zone files and journals

	zones map[string]NamedZone
	first string // the primary's own port
	procs []*namedProc
}

type namedProc struct {
	cmd    *exec.Cmd
	relay  *relay
	out    *tail
	exited chan struct{}
}

// StartNamed starts both and waits until they answer for every zone. Where named is missing, or the port 53 is not
// for us, the test is skipped, or fails if the environment says CI=true.
func StartNamed(t TB, zones map[string]NamedZone) *Named {
	t.Helper()
	need := func(err error) {
		if os.Getenv("CI") == "true" {
			t.Fatalf("named is needed: %v", err)
		}
		t.Skipf("named is needed: %v", err)
	}
	path, err := exec.LookPath("named")
	if err != nil {
		if path = "/usr/sbin/named"; !isFile(path) {
			need(err)
		}
	}
	relays, err := port53()
	if err != nil {
		need(err)
	}
	one, two := host(relays[0].tcp.Addr().String()), host(relays[1].tcp.Addr().String())
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	n := &Named{Primary: one + ":53", Secondary: two + ":53", Secret: base64.StdEncoding.EncodeToString(raw[:]), Dir: t.TempDir(), zones: zones}
	dirs := []string{n.Dir, t.TempDir()}
	t.Cleanup(n.Stop)
	for i, r := range relays { // the secondary comes when the primary answers: BIND tries a zone that it was refused minutes later only
		if err := n.start(path, dirs[i], r, port.Hold(t), i == 0); err != nil {
			r.close()
			t.Fatalf("named: %v", err)
		}
		for zone := range zones {
			if err := n.procs[i].wait([]string{n.Primary, n.Secondary}[i], zone); err != nil {
				t.Fatalf("named: %v", err)
			}
		}
	}
	return n
}

// port53 listens on the port 53 of two loopback addresses, for UDP and TCP.
func port53() (relays []*relay, err error) {
	for range 50 {
		var b [3]byte
		_, _ = rand.Read(b[:]) // never fails
		var r *relay
		if r, err = listenRelay(fmt.Sprintf("127.53.%d.%d:53", b[0], b[1]|1)); err == nil {
			relays = append(relays, r)
		}
		if len(relays) == 2 {
			return relays, nil
		}
	}
	return nil, err
}

func host(address string) string {
	h, _, _ := net.SplitHostPort(address)
	return h
}

// zoneText is a zone's file. Negative answers are kept for an hour: who asks too early shows it.
func (n *Named) zoneText(zone string) string {
	return fmt.Sprintf("$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 3600\n@ NS ns1\n@ NS ns2\nns1 A %s\nns2 A %s\n%s\n", host(n.Primary), host(n.Secondary), n.zones[zone].Records)
}

func (n *Named) start(path, dir string, r *relay, port string, primary bool) error {
	if primary {
		n.first = port
	}
	var conf strings.Builder
	fmt.Fprintf(&conf, "options { directory %q; listen-on port %s { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; session-keyfile none; recursion yes; allow-recursion { any; }; forward only; forwarders { 127.0.0.1 port 1; }; allow-query { any; }; notify yes; notify-delay 0;  dnssec-validation no; };\ncontrols { };\nkey %q { algorithm hmac-sha256; secret %q; };\n",
		dir, port, NamedKey, n.Secret)
	for zone, z := range n.zones {
		file := filepath.Join(dir, zone+".zone")
		policy := z.Policy
		if policy == "" {
			policy = "grant " + NamedKey + " zonesub TXT;"
		}
		switch {
		case !primary && !z.Lagging:
			fmt.Fprintf(&conf, "zone %q { type secondary; primaries { 127.0.0.1 port %s; }; file %q; };\n", zone, n.first, file)
			continue
		case policy == "none" || !primary:
			fmt.Fprintf(&conf, "zone %q { type primary; file %q; };\n", zone, file)
		default:
			fmt.Fprintf(&conf, "zone %q { type primary; file %q; update-policy { %s }; };\n", zone, file, policy)
		}
		if err := os.WriteFile(file, []byte(n.zoneText(zone)), 0o644); err != nil {
			return err
		}
	}
	file := filepath.Join(dir, "named.conf")
	if err := os.WriteFile(file, []byte(conf.String()), 0o600); err != nil {
		return err
	}
	p := &namedProc{relay: r, cmd: exec.Command(path, "-g", "-c", file, "-n", "1"), out: &tail{}, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() { _ = p.cmd.Wait(); close(p.exited) }()
	r.serve("127.0.0.1:" + port)
	n.procs = append(n.procs, p)
	return nil
}

// wait asks until the server has the zone.
func (p *namedProc) wait(address, zone string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		m, _, err := (&dns.Client{Timeout: 200 * time.Millisecond}).ExchangeContext(ctx, new(dns.Msg).SetQuestion(dns.Fqdn(zone), dns.TypeSOA), address)
		if err == nil && m.Rcode == dns.RcodeSuccess && m.Authoritative {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("ended at its start: %s", p.out)
		case <-ctx.Done():
			return fmt.Errorf("does not answer for %s at %s: %s", zone, address, p.out)
		case <-tick.C:
		}
	}
}

// TXT are the values at a name as one of the servers has them.
func (n *Named) TXT(server, name string) (values []string, err error) {
	m, _, err := (&dns.Client{Net: "tcp", Timeout: 5 * time.Second}).Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeTXT), server)
	if err != nil {
		return nil, err
	}
	for _, rr := range m.Answer {
		if t, ok := rr.(*dns.TXT); ok {
			values = append(values, strings.Join(t.Txt, ""))
		}
	}
	return values, nil
}

// Log is what the primary has logged.
func (n *Named) Log() string { return n.procs[0].out.String() }

// StopPrimary and StopSecondary end one of the servers.
func (n *Named) StopPrimary() { n.procs[0].stop() }

// StopSecondary ends the second server.
func (n *Named) StopSecondary() { n.procs[1].stop() }

func (p *namedProc) stop() {
	p.relay.close()
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// Stop ends both. It may be called again.
func (n *Named) Stop() {
	for _, p := range n.procs {
		p.stop()
	}
}
