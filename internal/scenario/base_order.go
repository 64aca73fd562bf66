package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func init() {
	bases["order"] = base{"the base host, a certwright server, an issuer, and one order issued and deployed", (*world).orderUp}
	bases["server"] = base{"the base order without an order: the scenario makes its own", (*world).serverUp}
}

const serverConf = `data: {{state}}/data
node: one
listen: 127.0.0.1:{{api_port}}
resolver: {{resolver}}
root-hints: {{root_hints}}
trust-anchor: {{trust_anchor}}
network: {private: true, loopback: true}
roots: {tls: {{tlsdir}}}
webroots: {web: {{www}}}
commands:
  reload-web: {argv: {{reload_argv}}}
acme: {poll: 20ms}
sweep: {due: 1s}
log: {level: info}
{{more_config}}
`

// orderUp brings the base "order" up: the server, and an order that is issued, stored, deployed and seen.
func (w *world) orderUp() error {
	if err := w.serverUp(); err != nil {
		return err
	}
	defer w.time.step(stepServer)()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	return w.script(ctx, "order", `site_create
order_create`)
}

// serverUp brings the base "host" up with a certwright server and its issuer beside it.
func (w *world) serverUp() error {
	v := w.vars
	v["ISSUER"] = w.option("issuer", "pebble")
	v["API_PORT"] = w.option("api_port", "8444")
	v["DIRECTORY"] = "https://acme." + v["CAZONE"] + ":14000/dir"
	v["MORE_CONFIG"], v["RELOAD_ARGV"] = w.spec.Options["config"], w.option("reload", reloads[v["STACK"]])
	v["VALIDITY"], v["AUTHZ_REUSE"] = w.spec.Options["validity"], w.option("authz_reuse", "0")
	if v["RELOAD_ARGV"] == "" {
		return fmt.Errorf("the base order knows no reload for the stack %q: options: {reload: '[argv, ...]'}", v["STACK"])
	}
	if err := w.hostUp(); err != nil {
		return err
	}
	defer w.time.step(stepServer)()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if v["ISSUER"] == "pebble" {
		if err := w.pebbleUp(ctx); err != nil {
			return err
		}
	}
	var env strings.Builder // for reload commands, whose environment is the server's choice
	for _, kv := range w.environment() {
		name, value, _ := strings.Cut(kv, "=")
		fmt.Fprintf(&env, "export %s=%s\n", name, quote(value))
	}
	for file, text := range map[string]string{"/certwright.yaml": serverConf, "/env": env.String()} {
		if err := w.write(stateDir+file, text); err != nil {
			return err
		}
	}
	if err := w.start("certwright", "certwright", "serve", "-c", stateDir+"/certwright.yaml"); err != nil {
		return err
	}
	return w.script(ctx, "server", `server_wait
[ "$ISSUER" = builtin ] || issuer_add "$ISSUER"`)
}

// reloads are the commands by which each stack takes new files, as an administrator would give them.
var reloads = map[string]string{
	"nginx":   "[/usr/sbin/nginx, -s, reload]",
	"haproxy": "[/bin/sh, -c, 'haproxy -c -q -f /etc/haproxy/haproxy.cfg && kill -USR2 $(cat /run/scenario/haproxy.pid)']",
	"openssl": "[/bin/bash, -c, '. /run/scenario/env; . $LIB; svc_restart tls4; svc_restart tls6']",
	"go":      "[/bin/bash, -c, '. /run/scenario/env; . $LIB; svc_restart tls4; svc_restart tls6']",
}

func (w *world) option(name, otherwise string) string {
	if s := w.spec.Options[name]; s != "" {
		return s
	}
	return otherwise
}

// pebbleUp starts Pebble and the proxy before it.
func (w *world) pebbleUp(ctx context.Context) error {
	v := w.vars
	a := authority{dir: v["CADIR"], zone: v["CAZONE"]}
	f := mintFlags{issuer: "int", chain: "int", out: stateDir + "/acme.pem", keyOut: stateDir + "/acme.key", eku: "server",
		names: "acme." + v["CAZONE"] + ",127.0.0.1", notBefore: -24 * time.Hour, notAfter: 60 * 24 * time.Hour}
	if err := f.mint(a); err != nil {
		return err
	}
	seconds := int64(0)
	if v["VALIDITY"] != "" {
		d, err := time.ParseDuration(v["VALIDITY"])
		if err != nil {
			return fmt.Errorf("options.validity: %w", err)
		}
		seconds = int64(d / time.Second)
	}
	port := 443
	if _, err := fmt.Sscan(v["PORT"], &port); err != nil {
		return err
	}
	conf := map[string]any{
		"listenAddress": "127.0.0.1:14001", "managementListenAddress": "127.0.0.1:15001", "certificate": f.out, "privateKey": f.keyOut,
		"httpPort": 80, "tlsPort": port, "keyAlgorithm": "ecdsa", "profiles": map[string]any{"default": map[string]any{"description": "the default profile", "validityPeriod": seconds}},
		"retryAfter": map[string]int{"authz": 0, "order": 0},
	}
	if eab := w.spec.Options["eab"]; eab != "" { // kid=key
		kid, key, _ := strings.Cut(eab, "=")
		conf["externalAccountMACKeys"] = map[string]string{kid: key}
		conf["externalAccountBindingRequired"] = w.spec.Options["eab_required"] != ""
	}
	if list := split(w.spec.Options["blocklist"]); list != nil {
		conf["domainBlocklist"] = list
	}
	text, err := json.Marshal(map[string]any{"pebble": conf})
	if err != nil {
		return err
	}
	file := filepath.Join(stateDir, "pebble.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return err
	}
	env := []string{"env", "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=" + v["AUTHZ_REUSE"]}
	if err := w.start("pebble", append(env, "pebble", "-config", file, "-dnsserver", net.JoinHostPort(v["RESOLVER"], "53"))...); err != nil {
		return err
	}
	at := net.JoinHostPort(v["PKI4"], "14000") + "," + net.JoinHostPort(v["PKI6"], "14000")
	if err := w.start("acme-proxy", "certwright-scenario", "acme-proxy", "-listen", at, "-upstream", "https://127.0.0.1:14001/dir", "-cert", f.out, "-key", f.keyOut, "-roots", v["CA_FILE"]); err != nil {
		return err
	}
	for _, a := range []string{"127.0.0.1:14001", net.JoinHostPort(v["PKI4"], "14000"), net.JoinHostPort(v["PKI6"], "14000")} {
		if !until(ctx, 15*time.Second, func() bool { return dialled("tcp", a) }) {
			return fmt.Errorf("the ACME authority does not answer at %s", a)
		}
	}
	return nil
}
