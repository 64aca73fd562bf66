package cli

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"context"

	"github.com/spf13/cobra"

	"certwright/internal/diagnose"
)

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]string{
		"shop.example.com": "shop.example.com", "shop.example.com:8443": "shop.example.com:8443", "Shop.Example.COM.": "shop.example.com",
		"https://shop.example.com/path?q=1": "shop.example.com", "https://shop.example.com:8443/": "shop.example.com:8443", "https://[2001:db8::1]:8443/": "[2001:db8::1]:8443",
		"192.0.2.1": "192.0.2.1", "192.0.2.1:25": "192.0.2.1:25", "2001:db8::1": "2001:db8::1", "[2001:db8::1]": "2001:db8::1", "[2001:db8::1]:8443": "[2001:db8::1]:8443",
		"bücher.example": "xn--bcher-kva.example", "localhost:1": "localhost:1", "a_b.example.com": "a_b.example.com", "localhost": "localhost",
	} {
		got, err := parseTarget(text)
		if err != nil || got.String() != want {
			t.Errorf("%s: %v, %v; want %s", text, got, err, want)
		}
	}
	for text, word := range map[string]string{
		"": "empty", "http://shop.example.com": "no certificate", "a b": "cannot stand", "shop.example.com:0": "port", "shop.example.com:99999": "port", "shop.example.com:x": "port",
		"a..b": "1 to 63", "-a.example": "hyphen", "2001:db8::1:zz": "HOST:PORT", "https://": "can be read", strings.Repeat("a.", 130) + "b": "253", "host:": "port",
	} {
		_, err := parseTarget(text)
		var u Usage
		if !errors.As(err, &u) || !strings.Contains(err.Error(), word) {
			t.Errorf("%q: error %v, want one of usage with %q", text, err, word)
		}
	}
}

// tlsServer serves a certificate for localhost and 127.0.0.1 that ends after a while, and writes its root.
func tlsServer(t *testing.T, left time.Duration) (addr, caFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(0x1234567890ab), DNSNames: []string{"localhost"}, NotBefore: time.Now().AddDate(0, 0, -60), NotAfter: time.Now().Add(left),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _ = c.(*tls.Conn).Handshake() }()
		}
	}()
	caFile = filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String(), caFile
}

// diagnoseRun runs the command alone and gives its error, output and environment.
func diagnoseRun(t *testing.T, hooks DiagnoseHooks, terminal bool, environ []string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	e := &Env{Stdout: &out, Stderr: &out, Environ: environ, Now: time.Now, IsTerminal: terminal}
	root := &cobra.Command{Use: "certwright", SilenceErrors: true, SilenceUsage: true}
	root.PersistentFlags().StringVarP(&e.output, "output", "o", "table", "")
	root.AddCommand(NewDiagnoseCommand(e, hooks))
	root.SetArgs(append([]string{"diagnose"}, args...))
	root.SetOut(&out)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

// at puts the server's port behind the name localhost.
func at(addr string) string { return "localhost:" + addr[strings.LastIndex(addr, ":")+1:] }

func TestDiagnoseHost(t *testing.T) {
	t.Parallel()
	addr, ca := tlsServer(t, 90*24*time.Hour)
	out, err := diagnoseRun(t, DiagnoseHooks{}, false, nil, at(addr), "--ca-file", ca)
	if err != nil || !strings.HasPrefix(out, "HEALTHY") || !strings.Contains(out, "567890AB") {
		t.Errorf("well: %v\n%s", err, out)
	}
	out, err = diagnoseRun(t, DiagnoseHooks{}, false, nil, at(addr), "-o", "json") // the built-in roots do not know it
	var r diagnose.Report
	if !errors.Is(err, Unhealthy{}) || json.Unmarshal([]byte(out), &r) != nil || r.Healthy || len(r.Findings) != 1 || r.Findings[0].ID != "tls-self-signed-default" {
		t.Errorf("self-signed: %v\n%s", err, out)
	}
	for _, key := range []string{"target", "healthy", "durationMs", "path", "findings", "blindSpots"} {
		if !strings.Contains(out, `"`+key+`"`) {
			t.Errorf("the JSON lacks %s:\n%s", key, out)
		}
	}
	out, err = diagnoseRun(t, DiagnoseHooks{}, false, nil, at(addr), "--ca-file", ca, "--sni", "other.example")
	if !errors.Is(err, Unhealthy{}) || !strings.Contains(out, "tls-name-mismatch") || !strings.Contains(out, "$ openssl s_client") {
		t.Errorf("another name: %v\n%s", err, out)
	}
}

func TestDiagnoseColour(t *testing.T) {
	t.Parallel()
	addr, ca := tlsServer(t, 90*24*time.Hour)
	for _, c := range []struct {
		terminal bool
		environ  []string
		flag     string
		want     bool
	}{{false, nil, "auto", false}, {true, nil, "auto", true}, {true, []string{"NO_COLOR=1"}, "auto", false}, {false, nil, "always", true}, {true, nil, "never", false}} {
		out, err := diagnoseRun(t, DiagnoseHooks{}, c.terminal, c.environ, at(addr), "--ca-file", ca, "--color", c.flag)
		if err != nil || strings.Contains(out, "\x1b[") != c.want {
			t.Errorf("%+v: %v, %q", c, err, out)
		}
	}
}

func TestDiagnoseUsage(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{}, {"a", "b"}, {"a b.c"}, {"a.test", "--color", "red"}, {"a.test", "--timeout", "0s"}, {"a.test", "--resolver", "::x"}, {"a.test", "--sni", "b.test:1"},
		{"a.test", "--method", "http"}, {"a.test", "--expect-issuer", "a b"}, {"a.test", "--expect-issuer", "letsencrypt"}, {"a.test", "--root-hints", empty}, {"a.test", "--root-hints", empty + ".gone"},
		{"a.test", "--trust-anchor", empty}} {
		var u Usage
		if _, err := diagnoseRun(t, DiagnoseHooks{}, false, nil, args...); !errors.As(err, &u) {
			t.Errorf("%q: %v is not an error of usage", args, err)
		}
	}
	if _, err := diagnoseRun(t, DiagnoseHooks{}, false, nil, "a.test", "--ca-file", empty); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("a file without roots: %v", err)
	}
}

// A name without a dot is an order's if the server has such a one, and a host's otherwise.
func TestDiagnoseOrderHook(t *testing.T) {
	t.Parallel()
	var asked []string
	hooks := DiagnoseHooks{Order: func(_ context.Context, name string) (diagnose.Report, bool, error) {
		asked = append(asked, name)
		return diagnose.Report{Target: name, Healthy: true}, name == "www", nil
	}}
	if out, err := diagnoseRun(t, hooks, false, nil, "www"); err != nil || !strings.Contains(out, "HEALTHY  www") {
		t.Errorf("%v\n%s", err, out)
	}
	addr, ca := tlsServer(t, 90*24*time.Hour)
	if out, err := diagnoseRun(t, hooks, false, nil, at(addr), "--ca-file", ca); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if len(asked) != 1 {
		t.Errorf("asked for %v: a target with a colon is never an order", asked)
	}
}

func TestResolver(t *testing.T) {
	for in, ok := range map[string]bool{"": true, "192.0.2.1": true, "192.0.2.1:5353": true, "[2001:db8::1]:53": true, "2001:db8::1": true, "a b": false, "1:2:3": false} {
		if _, err := resolverAddress(in); (err == nil) != ok {
			t.Errorf("%q: %v", in, err)
		}
	}
}
