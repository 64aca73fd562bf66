package notify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// post is a real mail server that keeps what it is handed.
type postOffice struct {
	from    string
	to      []string
	mail    string
	user    string
	refuse  error // of RCPT
	address string
	roots   string // file
}

func (p *postOffice) NewSession(*smtp.Conn) (smtp.Session, error) { return &counter{p: p}, nil }

// counter is one connection.
type counter struct{ p *postOffice }

func (c *counter) AuthMechanisms() []string { return []string{sasl.Plain} }
func (c *counter) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "certwright" || password != "pa55" {
			return smtp.ErrAuthFailed
		}
		c.p.user = user
		return nil
	}), nil
}
func (c *counter) Mail(from string, _ *smtp.MailOptions) error { c.p.from = from; return nil }
func (c *counter) Rcpt(to string, _ *smtp.RcptOptions) error {
	if c.p.refuse != nil {
		return c.p.refuse
	}
	c.p.to = append(c.p.to, to)
	return nil
}
func (c *counter) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	c.p.mail = string(b)
	return err
}
func (c *counter) Reset()        {}
func (c *counter) Logout() error { return nil }

// openOffice starts a mail server; way is how it protects the connection.
func openOffice(t *testing.T, way string) *postOffice {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, NotBefore: t0.Add(-time.Hour), NotAfter: t0.Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	p := &postOffice{roots: file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))}
	s := smtp.NewServer(p)
	s.Domain, s.ErrorLog = "mail.test", nil
	conf := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = ln.Addr().String()
	switch way {
	case StartTLS:
		s.TLSConfig = conf
	case Implicit:
		ln = tls.NewListener(ln, conf)
	}
	s.ErrorLog = quietLog{}
	go func() { _ = s.Serve(ln) }() // ends with Close
	t.Cleanup(func() { _ = s.Close() })
	return p
}

type quietLog struct{}

func (quietLog) Printf(string, ...any) {}
func (quietLog) Println(...any)        {}

func (p *postOffice) channel(t *testing.T, way string) *Channel {
	return &Channel{Name: "mail", Kind: SMTP, Server: p.address, TLS: way, CAFile: p.roots, From: "Certwright <cw@cw.test>", To: []string{"ops@ops.test", "b@ops.test"},
		User: "certwright", PasswordFile: file(t, "pa55\n")}
}

func TestMailArrives(t *testing.T) {
	t.Parallel()
	for _, way := range []string{StartTLS, Implicit, Plain} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			p := openOffice(t, way)
			c := p.channel(t, way)
			if way == Plain {
				c.User = ""
			}
			if err := sender().Send(t.Context(), c, message(t)); err != nil {
				t.Fatal(err)
			}
			if p.from != "cw@cw.test" || strings.Join(p.to, " ") != "ops@ops.test b@ops.test" || (p.user == "certwright") != (way != Plain) {
				t.Errorf("from %s to %v, as %s", p.from, p.to, p.user)
			}
			for _, want := range []string{"Subject: [Certwright] www: Nothing listens at <shop>", "Message-ID: <5b5d4082-22d9-892b-8dd9-6757b112322e@cw.test>",
				"Auto-Submitted: auto-generated", "Order www is not well: Nothing listens at <shop>.", "https://cw.test/orders/www", "Date: Sun, 01 Nov 2026 10:00:00 +0000"} {
				if !strings.Contains(p.mail, want) {
					t.Errorf("the mail lacks %q:\n%s", want, p.mail)
				}
			}
		})
	}
}

func TestMailRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		way       string
		spoil     func(p *postOffice, c *Channel)
		permanent bool
		says      string
	}{
		"550":           {StartTLS, func(p *postOffice, _ *Channel) { p.refuse = &smtp.SMTPError{Code: 550, Message: "no such user"} }, true, "no such user"},
		"greylisted":    {StartTLS, func(p *postOffice, _ *Channel) { p.refuse = &smtp.SMTPError{Code: 451, Message: "come again"} }, false, "come again"},
		"bad password":  {StartTLS, func(_ *postOffice, c *Channel) { c.PasswordFile = c.CAFile }, false, ""},
		"no STARTTLS":   {Plain, func(_ *postOffice, c *Channel) { c.TLS = StartTLS }, false, "STARTTLS"},
		"not trusted":   {StartTLS, func(_ *postOffice, c *Channel) { c.CAFile = "" }, false, "certificate"},
		"nobody there":  {StartTLS, func(_ *postOffice, c *Channel) { c.Server = "127.0.0.1:1" }, false, "refused"},
		"password bare": {Plain, func(_ *postOffice, c *Channel) { c.TLS = Plain }, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := openOffice(t, tc.way)
			c := p.channel(t, tc.way)
			tc.spoil(p, c)
			err := sender().Send(t.Context(), c, message(t))
			var f *Failure
			if !errors.As(err, &f) || f.Permanent != tc.permanent || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v", err)
			}
			if err != nil && strings.Contains(err.Error(), "pa55") {
				t.Errorf("the password shows: %v", err)
			}
			if p.mail != "" {
				t.Error("it was taken all the same")
			}
		})
	}
}
