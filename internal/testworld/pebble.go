package testworld

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// PebbleOptions say how a Pebble behaves. The zero value is quick and well-behaved: no random sleeps,
// no refused nonces, no re-used authorizations, no Retry-After.
type PebbleOptions struct {
	Address     string            // IP to listen on; empty = 127.0.0.1
	HTTPPort    int               // where it looks for http-01; needed for validations
	TLSPort     int               // where it looks for tls-alpn-01
	DNS         string            // ip:port of its resolver; empty = a DNS of its own (Pebble.DNS) that answers 127.0.0.1 for every name
	RetryAuthz  int               // Retry-After in seconds of pending authorizations
	RetryOrder  int               // Retry-After in seconds of unfinished orders
	EAB         map[string]string // external account keys, kid to base64url HMAC key
	EABRequired bool
	Blocklist   []string                 // DNS names that are refused
	Validity    time.Duration            // of certificates; 0 = Pebble's own
	Profiles    map[string]time.Duration // profile name to validity; nil = one named default
	AuthzReuse  int                      // percent of valid authorizations that are re-used
	NonceReject int                      // percent of good nonces that are refused
	Alternates  int                      // alternate roots
	Sleep       bool                     // random sleeps before validating, as Pebble does by itself
	Dir         string                   // for its files; empty = a temporary one
}

// Pebble is a running Pebble, the small ACME authority of Let's Encrypt's makers. At more than four
// orders in flight it can deadlock: use several, and give every order a time limit.
type Pebble struct {
	Directory string    // its directory's URL
	RootsPEM  []byte    // what its HTTPS certificate chains to
	Cert      *HostCert // its HTTPS certificate
	DNS       *DNS      // its own name server, nil when PebbleOptions.DNS was given

	opts       PebbleOptions
	binary     string
	management string
	ownDir     bool
	mu         sync.Mutex
	cmd        *exec.Cmd
	exited     chan struct{}
	log        *tail
}

// StartPebble is RunPebble for a test. Where Pebble cannot be built the test is skipped, or fails if
// the environment says CI=true.
func StartPebble(t TB, o PebbleOptions) *Pebble {
	t.Helper()
	if _, err := pebbleBinary(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("Pebble is needed: %v", err)
		}
		t.Skipf("Pebble is needed: %v", err)
	}
	p, err := RunPebble(context.Background(), o)
	if err != nil {
		t.Fatalf("start Pebble: %v", err)
	}
	t.Cleanup(p.Stop)
	return p
}

// RunPebble starts a Pebble and waits until its directory answers. It stops when ctx ends or Stop is
// called; its state is in memory only.
func RunPebble(ctx context.Context, o PebbleOptions) (*Pebble, error) {
	binary, err := pebbleBinary()
	if err != nil {
		return nil, err
	}
	if o.Address == "" {
		o.Address = "127.0.0.1"
	}
	p := &Pebble{opts: o, binary: binary, log: &tail{}}
	if p.Cert, err = NewHostCert(o.Address, "localhost"); err != nil {
		return nil, err
	}
	p.RootsPEM = p.Cert.CertPEM
	if o.DNS == "" {
		if p.DNS, err = RunDNS(ctx); err != nil {
			return nil, err
		}
		p.DNS.Default("127.0.0.1")
		p.opts.DNS = p.DNS.Addr
	}
	if o.Dir == "" {
		if p.opts.Dir, err = os.MkdirTemp("", "pebble-"); err != nil {
			return nil, fmt.Errorf("pebble: directory for its files: %w", err)
		}
		p.ownDir = true
	}
	// A port that the kernel gave may be taken before Pebble listens on it: other ports, then.
	for try := 0; ; try++ {
		if err = p.pickPorts(); err == nil {
			err = p.start(ctx)
		}
		if err == nil || try == 4 || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		p.Stop()
		return nil, err
	}
	context.AfterFunc(ctx, p.Stop)
	return p, nil
}

// pickPorts chooses free ports and writes the configuration for them.
func (p *Pebble) pickPorts() error {
	main, err := freePort(p.opts.Address)
	if err != nil {
		return err
	}
	if p.management, err = freePort(p.opts.Address); err != nil {
		return err
	}
	p.Directory = "https://" + main + "/dir"
	files := map[string][]byte{"cert.pem": p.Cert.CertPEM, "key.pem": p.Cert.KeyPEM, "pebble.json": p.config(main)}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(p.opts.Dir, name), content, 0o600); err != nil {
			return fmt.Errorf("pebble: write its configuration: %w", err)
		}
	}
	return nil
}

// config is Pebble's own configuration file.
func (p *Pebble) config(main string) []byte {
	o := p.opts
	type profile struct {
		Description    string `json:"description"`
		ValidityPeriod uint64 `json:"validityPeriod"`
	}
	profiles := map[string]profile{}
	for name, validity := range o.Profiles {
		profiles[name] = profile{"profile " + name, uint64(validity / time.Second)}
	}
	if len(profiles) == 0 {
		profiles["default"] = profile{"the default profile", uint64(o.Validity / time.Second)}
	}
	b, err := json.MarshalIndent(map[string]any{"pebble": map[string]any{
		"listenAddress": main, "managementListenAddress": p.management,
		"certificate": filepath.Join(o.Dir, "cert.pem"), "privateKey": filepath.Join(o.Dir, "key.pem"),
		"httpPort": o.HTTPPort, "tlsPort": o.TLSPort, "keyAlgorithm": "ecdsa", "profiles": profiles,
		"externalAccountBindingRequired": o.EABRequired, "externalAccountMACKeys": o.EAB,
		"domainBlocklist": o.Blocklist,
		"retryAfter":      map[string]int{"authz": o.RetryAuthz, "order": o.RetryOrder},
	}}, "", " ")
	if err != nil {
		panic("testworld: Pebble's configuration must be JSON: " + err.Error())
	}
	return b
}

// start runs the process and waits until the directory answers.
func (p *Pebble) start(ctx context.Context) error {
	cmd := exec.Command(p.binary, "-config", filepath.Join(p.opts.Dir, "pebble.json"), "-dnsserver", p.opts.DNS)
	nosleep := "1"
	if p.opts.Sleep {
		nosleep = "0"
	}
	cmd.Env = []string{
		"PEBBLE_VA_NOSLEEP=" + nosleep,
		fmt.Sprintf("PEBBLE_WFE_NONCEREJECT=%d", p.opts.NonceReject),
		fmt.Sprintf("PEBBLE_AUTHZREUSE=%d", p.opts.AuthzReuse),
		fmt.Sprintf("PEBBLE_ALTERNATE_ROOTS=%d", p.opts.Alternates),
	}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("pebble: start %s: %w", p.binary, err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }() // how it ended is in its log
	p.mu.Lock()
	p.cmd, p.exited = cmd, exited
	p.mu.Unlock()
	for _, url := range []string{p.Directory, "https://" + p.management + "/roots/0"} {
		if err := p.waitFor(ctx, url, exited); err != nil {
			p.kill()
			return err
		}
	}
	return nil
}

// waitFor asks until url answers, Pebble ends or ten seconds have gone.
func (p *Pebble) waitFor(ctx context.Context, url string, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := p.get(ctx, url); err == nil {
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("pebble: ended at its start: %s", p.Log())
		case <-ctx.Done():
			return fmt.Errorf("pebble: does not answer at %s: %s", url, p.Log())
		case <-tick.C:
		}
	}
}

// Stop ends Pebble and removes its files. It may be called again.
func (p *Pebble) Stop() {
	p.kill()
	if p.DNS != nil {
		p.DNS.Stop()
	}
	if p.ownDir {
		_ = os.RemoveAll(p.opts.Dir) // a temporary directory: what stays behind does no harm
	}
}

// Kill ends Pebble alone, so that Restart can bring it back.
func (p *Pebble) Kill() { p.kill() }

func (p *Pebble) kill() {
	p.mu.Lock()
	cmd, exited := p.cmd, p.exited
	p.cmd = nil
	p.mu.Unlock()
	if cmd != nil {
		_ = cmd.Process.Kill() // it may have ended already
		<-exited
	}
}

// Restart ends Pebble and starts it on the same addresses with nothing remembered: accounts, orders
// and its own roots are new.
func (p *Pebble) Restart(ctx context.Context) error {
	p.kill()
	return p.start(ctx)
}

// Log is the end of what Pebble wrote.
func (p *Pebble) Log() string { return p.log.String() }

// Client is an HTTP client that trusts Pebble's HTTPS.
func (p *Pebble) Client() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool(p.RootsPEM)}}}
}

// IssuerRootsPEM are the roots of the certificates that it issues, read from its management address.
func (p *Pebble) IssuerRootsPEM(ctx context.Context) ([]byte, error) {
	var all []byte
	for i := range p.opts.Alternates + 1 {
		b, err := p.get(ctx, fmt.Sprintf("https://%s/roots/%d", p.management, i))
		if err != nil {
			return nil, err
		}
		all = append(all, b...)
	}
	return all, nil
}

// CertStatus is what Pebble says of a certificate by serial (hexadecimal): Valid or Revoked, as JSON.
func (p *Pebble) CertStatus(ctx context.Context, serial string) (string, error) {
	b, err := p.get(ctx, "https://"+p.management+"/cert-status-by-serial/"+serial)
	return string(b), err
}

func (p *Pebble) get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "testworld") // Pebble refuses a request without one
	c := p.Client()
	defer c.CloseIdleConnections()
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: HTTP %d: %s", url, resp.StatusCode, b)
	}
	return b, err
}

// freePort asks the kernel for a port that is free now.
func freePort(ip string) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		return "", fmt.Errorf("no free port on %s: %w", ip, err)
	}
	return l.Addr().String(), l.Close()
}

// pebbleBinary builds Pebble once and keeps the program in the user's cache, by version.
var pebbleBinary = sync.OnceValues(func() (string, error) {
	const module = "github.com/letsencrypt/pebble/v2"
	version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", module).Output()
	if err != nil { // no Go, or not inside the module: an installed one will do
		if path, lookErr := exec.LookPath("pebble"); lookErr == nil {
			return path, nil
		}
		return "", fmt.Errorf("neither the go command (inside the module) nor an installed pebble is there: %w", err)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	dir = filepath.Join(dir, "certwright", "pebble-"+strings.TrimSpace(string(version))+"-"+runtime.Version())
	path := filepath.Join(dir, "pebble")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("cache for Pebble: %w", err)
	}
	// Built beside and renamed: several test programs may do this at once.
	tmp := fmt.Sprintf("%s.%d", path, os.Getpid())
	if out, err := exec.Command("go", "build", "-o", tmp, module+"/cmd/pebble").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build Pebble: %w: %s", err, out)
	}
	if err := os.Rename(tmp, path); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("keep Pebble: %w", err)
	}
	return path, nil
})

// tail keeps the last 64 KiB written to it.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b.Write(p)
	if over := t.b.Len() - 64<<10; over > 0 {
		t.b.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}
