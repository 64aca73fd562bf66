package scenario

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
)

// tlsFlags are the ways in which serve-tls can be odd.
type tlsFlags struct {
	listen, cert, key, versions, groups, clientCA, alpn, sni, body, acme string
	clientCert, proxy, noDefault                                         bool
}

// serveTLS is a web server on TLS: certwright-scenario serve-tls -h.
func serveTLS(args []string) error {
	var f tlsFlags
	s := flag.NewFlagSet("serve-tls", flag.ContinueOnError)
	s.StringVar(&f.listen, "listen", "", "ADDRESS:PORT, several with commas")
	s.StringVar(&f.cert, "cert", os.Getenv("CERT"), "chain, PEM; several with commas (RSA and ECDSA)")
	s.StringVar(&f.key, "key", os.Getenv("KEY"), "their keys")
	s.StringVar(&f.versions, "versions", "1.2-1.3", "lowest-highest")
	s.StringVar(&f.groups, "groups", "", "key exchange: X25519, P256, P384, P521, X25519MLKEM768, with commas; all without it")
	s.StringVar(&f.sni, "sni", "", "further certificates: NAME=CERT:KEY, with commas")
	s.StringVar(&f.alpn, "alpn", "http/1.1", "protocols, with commas")
	s.StringVar(&f.acme, "acme", "", "CERT:KEY for clients that offer acme-tls/1; they get an alert without it, where -alpn has it")
	s.StringVar(&f.body, "body", "Welcome.\n", "what is answered")
	s.StringVar(&f.clientCA, "client-ca", "", "accept only clients with a certificate of these roots")
	s.BoolVar(&f.clientCert, "client-cert", false, "ask for a client certificate and refuse without one")
	s.BoolVar(&f.proxy, "proxy-protocol", false, "expect a PROXY header before the handshake")
	s.BoolVar(&f.noDefault, "strict-sni", false, "refuse names that no certificate covers (unrecognized_name)")
	if err := s.Parse(args); err != nil {
		return err
	}
	c, err := f.config()
	if err != nil {
		return err
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, f.body) })
	return each(f.listen, func(l net.Listener) error {
		if f.proxy {
			l = proxied{l}
		}
		srv := &http.Server{Handler: h, TLSConfig: c}
		return srv.ServeTLS(l, "", "")
	})
}

func (f tlsFlags) config() (*tls.Config, error) {
	number := map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
	low, high, _ := strings.Cut(f.versions, "-")
	if high == "" {
		high = low
	}
	exchange, err := f.exchange()
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: number[low], MaxVersion: number[high], NextProtos: split(f.alpn), CurvePreferences: exchange}
	for _, suite := range tls.CipherSuites() {
		c.CipherSuites = append(c.CipherSuites, suite.ID)
	}
	keys := split(f.key)
	for i, cert := range split(f.cert) {
		pair, err := tls.LoadX509KeyPair(cert, keys[min(i, len(keys)-1)])
		if err != nil {
			return nil, err
		}
		c.Certificates = append(c.Certificates, pair)
	}
	for _, more := range split(f.sni) {
		_, files, _ := strings.Cut(more, "=")
		cert, key, _ := strings.Cut(files, ":")
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		c.Certificates = append(c.Certificates, pair) // Go chooses by the names of the certificate
	}
	if f.clientCert || f.clientCA != "" {
		c.ClientAuth = tls.RequireAnyClientCert
	}
	if f.clientCA != "" {
		text, err := os.ReadFile(f.clientCA)
		if err != nil {
			return nil, err
		}
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		c.ClientCAs.AppendCertsFromPEM(text)
	}
	if strings.Contains(f.alpn, "acme-tls/1") {
		if err := f.validation(c); err != nil {
			return nil, err
		}
	}
	if f.noDefault {
		refuseOthers(c)
	}
	return c, nil
}

// refuseOthers leaves a server no certificate for names that none of its certificates covers.
func refuseOthers(c *tls.Config) {
	all := c.Certificates
	c.Certificates = nil
	c.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		for i := range all {
			if h.SupportsCertificate(&all[i]) == nil {
				return &all[i], nil
			}
		}
		return nil, fmt.Errorf("no certificate for %q", h.ServerName)
	}
}

// exchange are the groups to allow, none for all.
func (f tlsFlags) exchange() (out []tls.CurveID, err error) {
	for _, g := range split(f.groups) {
		id, ok := groups[g]
		if !ok {
			return nil, fmt.Errorf("-groups: %q is none that this server knows", g)
		}
		out = append(out, id)
	}
	return out, nil
}

var groups = map[string]tls.CurveID{"X25519": tls.X25519, "P256": tls.CurveP256, "P384": tls.CurveP384, "P521": tls.CurveP521, "X25519MLKEM768": tls.X25519MLKEM768}

// validation answers clients that offer acme-tls/1, as a server does that can validate (RFC 8737).
func (f tlsFlags) validation(c *tls.Config) error {
	var own *tls.Certificate
	if cert, key, ok := strings.Cut(f.acme, ":"); ok {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return err
		}
		own = &pair
	}
	c.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		switch {
		case !slices.Contains(h.SupportedProtos, "acme-tls/1"):
			return nil, nil // the usual one
		case own == nil:
			return nil, errors.New("no validation is under way")
		}
		return own, nil
	}
	return nil
}

// each listens on every address and serves until one fails.
func each(addresses string, serve func(net.Listener) error) error {
	errs := make(chan error)
	list := split(addresses)
	if len(list) == 0 {
		return fmt.Errorf("-listen is empty")
	}
	for _, a := range list {
		l, err := net.Listen("tcp", a)
		if err != nil {
			return err
		}
		go func() { errs <- serve(l) }()
	}
	return <-errs
}

// proxied expects a PROXY header (version 1) on every connection and closes those without one.
type proxied struct{ net.Listener }

func (p proxied) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &afterHeader{Conn: c}, nil
}

type afterHeader struct {
	net.Conn
	once sync.Once
	err  error
}

// Read takes the header off first; without one the connection is closed.
func (c *afterHeader) Read(b []byte) (int, error) {
	c.once.Do(func() {
		line := make([]byte, 0, 108)
		one := make([]byte, 1)
		for len(line) < 107 && !strings.HasSuffix(string(line), "\r\n") {
			if _, c.err = c.Conn.Read(one); c.err != nil {
				return
			}
			line = append(line, one[0])
			if len(line) <= 6 && !strings.HasPrefix("PROXY ", string(line)) {
				c.err = fmt.Errorf("no PROXY header")
				_ = c.Conn.Close()
				return
			}
		}
	})
	if c.err != nil {
		return 0, c.err
	}
	return c.Conn.Read(b)
}
