package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

func init() {
	bases["host"] = base{"DNS from the root, a validating resolver, an authority, and a web server with its certificate", (*world).hostUp}
}

const nginxConf = `user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log notice;
events { worker_connections 256; }
http {
  include mime.types;
  default_type application/octet-stream;
  access_log /var/log/nginx/access.log;
  server_names_hash_bucket_size 128;
  server { listen {{pki4}}:80; listen [{{pki6}}]:80; server_name pki.{{cazone}}; location ~ "\.(crt|crl)$" { root {{cadir}}; } location / { return 404; } }
  include /etc/nginx/conf.d/*.conf;
}
`

// Server blocks of the site: plain HTTP always by nginx, HTTPS by the stack.
const (
	nginxHTTP = `server {
  listen {{http_listen4}};
  listen {{http_listen6}};
  server_name {{name}};
  root {{www}};
}
`
	nginxHTTPS = `server {
  listen {{addr4}}:{{port}} ssl;
  listen [{{addr6}}]:{{port}} ssl;
  server_name {{name}};
  ssl_certificate {{cert}};
  ssl_certificate_key {{key}};
  root {{www}};
}
`
	haproxyConf = `global
  stats socket /run/haproxy/admin.sock mode 660 level admin
  log stderr format raw local0 notice
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend plain
  bind {{addr4}}:80
  bind [{{addr6}}]:80
  default_backend site
frontend secure
  bind {{addr4}}:{{port}} ssl crt {{cert}}
  bind [{{addr6}}]:{{port}} ssl crt {{cert}}
  default_backend site
backend site
  server one 127.0.0.1:8080
`
)

// hostUp brings the base "host" up.
func (w *world) hostUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	dns := make(chan error, 1)
	go func() { dns <- w.dnsUp(ctx) }()
	err := w.pkiUp()
	if err == nil {
		err = w.leaf()
	}
	if err == nil {
		err = w.webUp(ctx)
	}
	return errors.Join(err, <-dns)
}

// pkiUp makes the authority whose root clients trust.
func (w *world) pkiUp() error {
	a := authority{dir: w.vars["CADIR"], zone: w.vars["CAZONE"]}
	if err := a.create(w.vars["CAORG"]); err != nil {
		return err
	}
	root, err := os.ReadFile(filepath.Join(a.dir, "root.pem"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(w.vars["CA_FILE"], root, 0o644); err != nil {
		return err
	}
	f, err := os.OpenFile("/etc/ssl/certs/ca-certificates.crt", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(root)
	return errors.Join(err, f.Close())
}

// leaf gives the site its certificate.
func (w *world) leaf() error {
	for _, d := range []string{w.vars["TLSDIR"], w.vars["WWW"]} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if err := w.write(w.vars["WWW"]+"/index.html", "<!doctype html><title>{{name}}</title><p>Welcome to {{name}}.</p>\n"); err != nil {
		return err
	}
	f := mintFlags{ca: w.vars["CADIR"], zone: w.vars["CAZONE"], issuer: "int", out: w.vars["CERT"], keyOut: w.vars["KEY"], keyKind: w.spec.Options["key"],
		names: w.vars["NAME"], serial: w.vars["SERIAL"], eku: "server", chain: "int", notBefore: -10 * 24 * time.Hour, notAfter: 80 * 24 * time.Hour}
	return f.mint(authority{dir: f.ca, zone: f.zone})
}

// webUp starts what serves the site: nginx for plain HTTP and the authority's files, the stack for HTTPS.
func (w *world) webUp(ctx context.Context) error {
	site := nginxHTTP
	switch w.vars["STACK"] {
	case "nginx":
		site += nginxHTTPS
	case "haproxy":
		if err := w.write("/etc/haproxy/haproxy.cfg", haproxyConf); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"/etc/nginx/nginx.conf": nginxConf, "/etc/nginx/conf.d/site.conf": site} {
		if err := w.write(name, text); err != nil {
			return err
		}
	}
	if err := w.start("nginx", "nginx", "-g", "daemon off;"); err != nil {
		return err
	}
	if err := w.stackUp(); err != nil {
		return err
	}
	for _, at := range []string{net.JoinHostPort(w.vars["PKI4"], "80"), net.JoinHostPort(w.vars["ADDR4"], w.vars["PORT"]), net.JoinHostPort(w.vars["ADDR6"], w.vars["PORT"])} {
		if !until(ctx, 10*time.Second, func() bool { return dialled("tcp", at) }) {
			return fmt.Errorf("the web server (%s) does not accept at %s", w.vars["STACK"], at)
		}
	}
	return nil
}

// stackUp starts the server of HTTPS where nginx is not it.
func (w *world) stackUp() error {
	v := w.vars
	at := map[string]string{"tls4": net.JoinHostPort(v["ADDR4"], v["PORT"]), "tls6": net.JoinHostPort(v["ADDR6"], v["PORT"])}
	for name, address := range at {
		var err error
		switch v["STACK"] {
		case "openssl":
			err = w.start(name, "openssl", "s_server", "-accept", address, "-cert", v["CERT"], "-cert_chain", v["CERT"], "-key", v["KEY"], "-www", "-quiet")
		case "go":
			err = w.start(name, "certwright-scenario", "serve-tls", "-listen", address, "-cert", v["CERT"], "-key", v["KEY"], "-alpn", cmp.Or(w.spec.Options["alpn"], "http/1.1"))
		}
		if err != nil {
			return err
		}
	}
	if v["STACK"] != "haproxy" {
		return nil
	}
	return w.start("haproxy", "haproxy", "-W", "-S", "/run/haproxy/master.sock", "-f", "/etc/haproxy/haproxy.cfg")
}
