package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// zones of the base, by the label that the library uses.
var zones = []struct{ label, origin, records string }{
	{"root", ".", `. 300 IN SOA ns.root-servers.test. hostmaster.root-servers.test. 2026010100 1800 900 604800 300
. 300 IN NS a.root-servers.test.
a.root-servers.test. 300 IN A {{root4}}
a.root-servers.test. 300 IN AAAA {{root6}}
{{tld}}. 300 IN NS ns.nic.{{tld}}.
ns.nic.{{tld}}. 300 IN A {{tldns4}}
ns.nic.{{tld}}. 300 IN AAAA {{tldns6}}
`},
	{"tld", "{{tld}}.", `{{tld}}. 300 IN SOA ns.nic.{{tld}}. hostmaster.nic.{{tld}}. 2026010100 1800 900 604800 300
{{tld}}. 300 IN NS ns.nic.{{tld}}.
ns.nic.{{tld}}. 300 IN A {{tldns4}}
ns.nic.{{tld}}. 300 IN AAAA {{tldns6}}
{{zone}}. 300 IN NS ns1.{{zone}}.
{{zone}}. 300 IN NS ns2.{{zone}}.
ns1.{{zone}}. 300 IN A {{ns1_4}}
ns1.{{zone}}. 300 IN AAAA {{ns1_6}}
ns2.{{zone}}. 300 IN A {{ns2_4}}
ns2.{{zone}}. 300 IN AAAA {{ns2_6}}
{{cazone}}. 300 IN NS ns.{{cazone}}.
ns.{{cazone}}. 300 IN A {{pki4}}
ns.{{cazone}}. 300 IN AAAA {{pki6}}
`},
	{"zone", "{{zone}}.", `{{zone}}. 300 IN SOA ns1.{{zone}}. hostmaster.{{zone}}. 2026010100 1800 900 604800 300
{{zone}}. 300 IN NS ns1.{{zone}}.
{{zone}}. 300 IN NS ns2.{{zone}}.
{{zone}}. 300 IN MX 10 {{name}}.
{{zone}}. 300 IN TXT "v=spf1 -all"
ns1.{{zone}}. 300 IN A {{ns1_4}}
ns1.{{zone}}. 300 IN AAAA {{ns1_6}}
ns2.{{zone}}. 300 IN A {{ns2_4}}
ns2.{{zone}}. 300 IN AAAA {{ns2_6}}
{{name}}. 300 IN A {{addr4}}
{{name}}. 300 IN AAAA {{addr6}}
`},
	{"ca", "{{cazone}}.", `{{cazone}}. 300 IN SOA ns.{{cazone}}. hostmaster.{{cazone}}. 2026010100 1800 900 604800 300
{{cazone}}. 300 IN NS ns.{{cazone}}.
ns.{{cazone}}. 300 IN A {{pki4}}
ns.{{cazone}}. 300 IN AAAA {{pki6}}
pki.{{cazone}}. 300 IN A {{pki4}}
pki.{{cazone}}. 300 IN AAAA {{pki6}}
acme.{{cazone}}. 300 IN A {{pki4}}
acme.{{cazone}}. 300 IN AAAA {{pki6}}
`},
}

const namedConf = `include "/etc/bind/rndc.key";
controls { inet 127.0.0.1 port 953 allow { 127.0.0.1; } keys { rndc-key; }; };
options {
  directory "/var/cache/bind"; pid-file "/run/named/named.pid"; session-keyfile "/run/named/session.key";
  listen-on port 53 { {{root4}}; {{tldns4}}; {{ns1_4}}; {{ns2_4}}; {{pki4}}; };
  listen-on-v6 port 53 { {{root6}}; {{tldns6}}; {{ns1_6}}; {{ns2_6}}; {{pki6}}; };
  recursion no; allow-query { any; }; allow-transfer { any; }; notify no; dnssec-validation no; minimal-responses no;
  tcp-clients 50; interface-interval 0; check-names primary ignore;
};
view "root" { match-destinations { {{root4}}; {{root6}}; }; zone "." { type primary; file "/etc/bind/zones/root.signed"; }; };
view "tld" { match-destinations { {{tldns4}}; {{tldns6}}; }; zone "{{tld}}" { type primary; file "/etc/bind/zones/tld.signed"; }; };
view "ns1" { match-destinations { {{ns1_4}}; {{ns1_6}}; }; include "/etc/bind/ns1.conf"; };
view "ns2" { match-destinations { {{ns2_4}}; {{ns2_6}}; }; include "/etc/bind/ns2.conf"; };
view "ca" { match-destinations { {{pki4}}; {{pki6}}; }; zone "{{cazone}}" { type primary; file "/etc/bind/zones/ca.signed"; }; };
`

const unboundConf = `server:
  interface: 127.0.0.1
  interface: {{resolver}}
  interface: ::1
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "/etc/unbound"
  pidfile: "/run/unbound.pid"
  use-syslog: no
  verbosity: 1
  val-log-level: 2
  root-hints: "{{root_hints}}"
  trust-anchor-file: "{{trust_anchor}}"
  module-config: "validator iterator"
  do-not-query-localhost: no
  ede: yes
  num-threads: 1
  msg-cache-size: 1m
  rrset-cache-size: 1m
  infra-host-ttl: 60
  target-fetch-policy: "0 0 0 0 0"
  include: "/etc/unbound/extra*.conf"
remote-control:
  control-enable: yes
  control-interface: "/run/unbound.ctl"
  control-use-cert: no
`

// dnsUp starts the name servers of root, TLD, zone and authority, and a resolver that validates.
func (w *world) dnsUp(ctx context.Context) error {
	if err := w.zonesUp(ctx); err != nil {
		return err
	}
	if err := w.start("unbound", "unbound", "-d", "-c", "/etc/unbound/unbound.conf"); err != nil {
		return err
	}
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, "127.0.0.1:53")
	}}
	var last error
	if !until(ctx, 10*time.Second, func() bool {
		c, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, last = r.LookupHost(c, w.vars["NAME"])
		return last == nil
	}) {
		return fmt.Errorf("the resolver does not find %s: %w", w.vars["NAME"], last)
	}
	return nil
}

// zonesUp makes keys, signs from the leaves to the root, and starts named.
func (w *world) zonesUp(ctx context.Context) error {
	for name, text := range map[string]string{
		"/etc/bind/named.conf":      namedConf,
		"/etc/bind/rndc.key":        "key \"rndc-key\" { algorithm hmac-sha256; secret \"c2NlbmFyaW9zIGFyZSBubyBzZWNyZXQgYXQgYWxsLi4=\"; };\n",
		"/etc/bind/rndc.conf":       "include \"/etc/bind/rndc.key\";\noptions { default-key \"rndc-key\"; default-server 127.0.0.1; default-port 953; };\n",
		"/etc/bind/ns1.conf":        "zone \"{{zone}}\" { type primary; file \"/etc/bind/zones/zone.signed\"; };\n",
		"/etc/bind/ns2.conf":        "zone \"{{zone}}\" { type primary; file \"/etc/bind/zones/zone2.signed\"; };\n",
		"/etc/unbound/unbound.conf": unboundConf,
		"/etc/unbound/extra.conf":   "",
		w.vars["ROOT_HINTS"]:        ". 3600000 IN NS a.root-servers.test.\na.root-servers.test. 3600000 IN A {{root4}}\na.root-servers.test. 3600000 IN AAAA {{root6}}\n",
		"/run/resolv.conf":          "nameserver {{resolver}}\noptions timeout:2 attempts:2\n",
	} {
		if err := w.write(name, text); err != nil {
			return err
		}
	}
	if err := w.keys(); err != nil {
		return err
	}
	for _, label := range []string{"zone", "ca", "tld", "root"} { // children first: parents need their DS
		for _, z := range zones {
			if z.label == label {
				if err := w.zoneFile(ctx, label, fill(z.origin, w.vars), z.records); err != nil {
					return err
				}
			}
		}
	}
	if err := run("cp", "/etc/bind/zones/zone.signed", "/etc/bind/zones/zone2.signed"); err != nil {
		return err
	}
	if err := w.start("named", "named", "-g", "-c", "/etc/bind/named.conf"); err != nil {
		return err
	}
	if !until(ctx, 10*time.Second, func() bool { return dialled("tcp", net.JoinHostPort(w.vars["NS2_6"], "53")) }) {
		return errors.New("the name server does not start")
	}
	return nil
}

func dialled(network, address string) bool {
	c, err := net.DialTimeout(network, address, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// keys makes the key-signing and the zone-signing key of every signed zone.
func (w *world) keys() error {
	var wg sync.WaitGroup
	errs := make([]error, 2*len(zones))
	for i, z := range zones {
		dir := "/etc/bind/keys/" + z.label
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if z.label == "zone" && w.spec.Options["dnssec"] == "off" {
			continue
		}
		for j, more := range [][]string{{"-f", "KSK"}, nil} {
			wg.Go(func() {
				args := append([]string{"-q", "-K", dir, "-a", "ECDSAP256SHA256"}, more...)
				errs[2*i+j] = run("dnssec-keygen", append(args, fill(z.origin, w.vars))...)
			})
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// zoneFile writes a zone with the DS records of its children, signs it, and for the root writes the trust anchor.
func (w *world) zoneFile(ctx context.Context, label, origin, records string) error {
	if err := os.MkdirAll("/etc/bind/zones", 0o755); err != nil {
		return err
	}
	if err := w.write("/etc/bind/zones/"+label+".zone", records); err != nil {
		return err
	}
	ds := ""
	for _, child := range map[string][]string{"tld": {"ZONE", "CAZONE"}, "root": {"TLD"}}[label] {
		ds += fmt.Sprintf("add_ds %s %s.\n", label, w.vars[child])
	}
	text := `add_ds() { [ ! -e /etc/bind/zones/dsset-$2 ] || awk '{ $1 = $1 " 300"; print }' /etc/bind/zones/dsset-$2 >>/etc/bind/zones/$1.zone; }
` + ds + "dns_sign " + label
	if err := w.script(ctx, "sign "+label, text); err != nil {
		return err
	}
	if label != "root" {
		return nil
	}
	out, err := exec.Command("dnssec-dsfromkey", "-2", "-f", "/etc/bind/zones/root.signed", ".").Output()
	if err != nil {
		return fmt.Errorf("the root's trust anchor: %w", err)
	}
	return os.WriteFile(w.vars["TRUST_ANCHOR"], out, 0o644)
}

// addresses puts all addresses of the run on loopback.
func (w *world) addresses() error {
	var b strings.Builder
	for k, v := range w.vars {
		ip := net.ParseIP(v)
		switch {
		case ip == nil || ip.IsLoopback() || k == "RESOLVER":
		case ip.To4() != nil:
			fmt.Fprintf(&b, "address add %s/32 dev lo\n", v)
		default:
			fmt.Fprintf(&b, "address add %s/128 dev lo nodad\n", v)
		}
	}
	file := filepath.Join(stateDir, "addresses")
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return err
	}
	return run("ip", "-batch", file)
}
