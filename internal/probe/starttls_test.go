package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"certwright/internal/evidence"
)

// script is a server's side of a dialogue before TLS: what it says first, then answers to what it reads.
type script struct {
	greets string
	wants  [][2]string // a prefix of what the client sends, the answer
}

// most is how much is read at once: a MySQL client sends its hello right behind its request.
func (s script) most() int {
	if strings.Contains(s.greets, "8.0.0") {
		return 36
	}
	return 4096
}

const mysqlHead = "\x0a8.0.0\x00\x01\x00\x00\x00abcdefgh\x00"

func mysqlGreeting(flags string) string {
	body := mysqlHead + flags + "\x21\x02\x00\x00\x00\x15" + strings.Repeat("\x00", 10) + "abcdefghijkl\x00"
	return string([]byte{byte(len(body)), 0, 0, 0}) + body
}

const xmppOpen = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1' version='1.0'>"

var scripts = map[string]script{
	StartSMTP: {"220-mail.example ESMTP\r\n220 ready\r\n", [][2]string{{"EHLO ", "250-mail.example\r\n250-SIZE 1\r\n250-STARTTLS\r\n250 HELP\r\n"}, {"STARTTLS", "220 go\r\n"}}},
	// openssl asks for the capabilities first.
	StartIMAP:  {"* OK ready\r\n", [][2]string{{". CAPABILITY", "* CAPABILITY IMAP4rev1 STARTTLS\r\n. OK done\r\n"}, {". STARTTLS", ". OK go\r\n"}, {"a1 STARTTLS", "* an untagged line\r\na1 OK go\r\n"}}},
	StartPOP3:  {"+OK ready\r\n", [][2]string{{"STLS", "+OK go\r\n"}}},
	StartFTP:   {"220-Welcome\r\n what a host\r\n220 FTP ready\r\n", [][2]string{{"FEAT", "211-Features\r\n AUTH TLS\r\n211 End\r\n"}, {"AUTH TLS", "234 go\r\n"}}},
	StartLDAP:  {"", [][2]string{{"\x30\x1d\x02\x01\x01", "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"}}},
	StartMySQL: {mysqlGreeting("\xff\xff"), [][2]string{{"\x20\x00\x00\x01", ""}}},
	StartXMPP: {"", [][2]string{{"<?xml", xmppOpen + "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"},
		{"<stream:stream", xmppOpen + "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"},
		{"<starttls", "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"}}},
	StartPostgres: {"", [][2]string{{"\x00\x00\x00\x08", "S"}}},
}

// serveStart plays a script and then, if cfg is given, shakes hands.
func serveStart(t *testing.T, s script, cfg *tls.Config) string {
	t.Helper()
	host, port := serve(t, func(c net.Conn) {
		io.WriteString(c, s.greets)
		buf := make([]byte, 4096)
		for answered := 0; answered < 8; answered++ {
			n, err := c.Read(buf[:s.most()])
			if err != nil {
				return
			}
			answer, last := "?", false
			for i, w := range s.wants {
				if strings.HasPrefix(string(buf[:n]), w[0]) {
					answer, last = w[1], i == len(s.wants)-1 || strings.HasPrefix(w[0], ". START")
					break
				}
			}
			if answer == "?" {
				return // as real servers do with what they do not know
			}
			io.WriteString(c, answer)
			if last && cfg != nil {
				tls.Server(c, cfg).Handshake()
				return
			}
		}
	})
	return host + ":" + port
}

func lookStart(t *testing.T, addr, proto string, o Options) (evidence.Served, error) {
	t.Helper()
	o.StartTLS = proto
	if o.Timeout == 0 {
		o.Timeout = patient
	}
	obs := newProber(o).SurveyTLS(t.Context(), "127.0.0.1", addr[strings.LastIndex(addr, ":")+1:], []string{"www.example.test"})
	s, _ := evidence.Decode[evidence.Served](obs[0])
	if s.Error != "" {
		return s, errors.New(s.Error)
	}
	return s, nil
}

// Every dialogue, against a server that openssl too finds to speak the protocol.
func TestStartTLS(t *testing.T) {
	t.Parallel()
	openssl := need(t, "openssl")
	ec, _ := pair(t)
	for proto, s := range scripts {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			addr := serveStart(t, s, &tls.Config{Certificates: []tls.Certificate{ec}})
			got, err := lookStart(t, addr, proto, Options{})
			if err != nil || len(got.Chain) != 1 || got.StartTLS != proto {
				t.Fatalf("%v: %+v", err, got)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			cmd := opensslCommand(got)
			out, err := exec.CommandContext(ctx, "sh", "-c", strings.ReplaceAll(cmd, "openssl ", openssl+" ")).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "serial=EC01") {
				t.Errorf("%s\n%v %s", cmd, err, out)
			}
		})
	}
}

// Servers that do not offer TLS, or speak another protocol than the one expected.
func TestStartTLSRefused(t *testing.T) {
	t.Parallel()
	none := map[string]script{
		StartSMTP:     {"220 mail ESMTP\r\n", [][2]string{{"EHLO ", "250-mail\r\n250 SIZE 1\r\n"}}},
		StartIMAP:     {"* OK ready\r\n", [][2]string{{"a1 STARTTLS", "a1 BAD unknown command\r\n"}}},
		StartPOP3:     {"+OK ready\r\n", [][2]string{{"STLS", "-ERR no\r\n"}}},
		StartFTP:      {"220 FTP\r\n", [][2]string{{"AUTH TLS", "500 no\r\n"}}},
		StartLDAP:     {"", [][2]string{{"\x30\x1d", "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x35\x04\x00\x04\x00"}}},
		StartMySQL:    {mysqlGreeting("\xff\xf7"), nil},
		StartXMPP:     {"", [][2]string{{"<?xml", xmppOpen + "<stream:features/>"}}},
		StartPostgres: {"", [][2]string{{"\x00\x00\x00\x08", "N"}}},
	}
	for proto, s := range none {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			got, err := lookStart(t, serveStart(t, s, nil), proto, Options{})
			if err == nil || got.ErrorClass != ClassNoStartTLS {
				t.Errorf("%v, %+v", err, got)
			}
			other := scripts[StartSMTP]
			if proto == StartSMTP {
				other = scripts[StartIMAP]
			}
			got, err = lookStart(t, serveStart(t, other, nil), proto, Options{Timeout: 700 * time.Millisecond})
			if proto != StartFTP && (err == nil || got.ErrorClass != ClassNotTLS && got.ErrorClass != ClassTimeout) {
				t.Errorf("another protocol: %v, %+v", err, got)
			}
		})
	}
}

// A server at an odd port is found to speak another protocol, and looked at with it.
func TestSurveyFindsStartTLS(t *testing.T) {
	t.Parallel()
	ec, _ := pair(t)
	for _, proto := range []string{StartSMTP, StartIMAP, StartPOP3, StartMySQL, StartPostgres, StartLDAP} {
		s := scripts[proto]
		addr := serveStart(t, s, &tls.Config{Certificates: []tls.Certificate{ec}})
		_, port, _ := net.SplitHostPort(addr)
		obs := newProber(Options{Timeout: patient}).SurveyTLS(t.Context(), "127.0.0.1", port, nil)
		found, served := false, false
		for _, o := range obs {
			if tr, ok := evidence.Decode[evidence.Tried](o); o.Check == CheckTried && ok && tr.What == proto && tr.Worked {
				found = true
			}
			if sv, ok := evidence.Decode[evidence.Served](o); ok && sv.StartTLS == proto && len(sv.Chain) == 1 {
				served = true
			}
		}
		if !found || !served {
			t.Errorf("%s: found %v, served %v: %v", proto, found, served, obs)
		}
	}
}

// A real PostgreSQL, with and without TLS.
func TestStartTLSPostgres(t *testing.T) {
	t.Parallel()
	bin := need(t, "postgres")
	if os.Getuid() == 0 {
		need(t, "setpriv")
	}
	ec, _ := pair(t)
	for _, ssl := range []string{"on", "off"} {
		dir := t.TempDir()
		file := writePEM(t, dir, "pair.pem", ec)
		port := freePort(t)
		startPostgres(t, bin, dir, port, "ssl="+ssl, "ssl_cert_file="+file, "ssl_key_file="+file)
		got, err := lookStart(t, "127.0.0.1:"+port, StartPostgres, Options{})
		if ssl == "on" && (err != nil || len(got.Chain) != 1) || ssl == "off" && got.ErrorClass != ClassNoStartTLS {
			t.Errorf("ssl=%s: %v %+v", ssl, err, got)
		}
	}
}

// startPostgres makes a cluster and runs it; PostgreSQL does not run as root.
func startPostgres(t *testing.T, bin, dir, port string, settings ...string) {
	t.Helper()
	bin, err := filepath.EvalSymlinks(bin)
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	run := func(name string, args ...string) *exec.Cmd {
		if os.Getuid() == 0 {
			return exec.Command("setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", name}, args...)...)
		}
		return exec.Command(name, args...)
	}
	if os.Getuid() == 0 {
		if out, err := exec.Command("sh", "-c", "chmod 755 "+filepath.Dir(dir)+" && chown -R 65534:65534 "+dir).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	if out, err := run(filepath.Join(filepath.Dir(bin), "initdb"), "-A", "trust", "-U", "t", "--no-sync", "-D", data).CombinedOutput(); err != nil {
		t.Skipf("no cluster can be made here: %v %s", err, out)
	}
	args := []string{"-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	cmd := run(bin, args...)
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("PostgreSQL does not start: %v", err)
		}
		pause(ctx)
	}
}

// pipe is a connection whose other side has said everything already.
type pipe struct {
	io.Reader
	io.Writer
}

func FuzzStartTLS(f *testing.F) {
	for proto, s := range scripts {
		all := s.greets
		for _, w := range s.wants {
			all += w[1]
		}
		f.Add(proto, []byte(all))
	}
	f.Add(StartSMTP, []byte("220"))
	f.Add(StartMySQL, []byte("\x00\x00\x00\x00"))
	f.Add(StartLDAP, []byte("\x30\x84\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, proto string, b []byte) {
		if err := startTLS(pipe{bytes.NewReader(b), io.Discard}, proto, "a.test"); err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
		greetingOf(b)
		statusOf(b)
	})
}

func FuzzHello12(f *testing.F) {
	f.Add([]byte("\x16\x03\x01\x00\x2d\x02\x00\x00\x29\x03\x01" + strings.Repeat("r", 32) + "\x00\x00\x05\x00\x16\x03\x01\x00\x0d\x0b\x00\x00\x09\x00\x00\x06\x00\x00\x03abc"))
	f.Add([]byte("\x15\x03\x00\x00\x02\x02\x28"))
	f.Fuzz(func(t *testing.T, b []byte) {
		client, server := net.Pipe()
		go func() { io.Copy(io.Discard, bufio.NewReader(server)) }()
		defer client.Close()
		defer server.Close()
		var s evidence.Served
		r := &reader13{conn: readOnly{client, bytes.NewReader(b)}}
		if err := readHello12(r, &s); err == nil && (len(s.Chain) == 0 || s.Version == "") {
			t.Errorf("no error and no chain: %+v", s)
		}
	})
}

type readOnly struct {
	net.Conn
	r io.Reader
}

func (r readOnly) Read(b []byte) (int, error) { return r.r.Read(b) }
