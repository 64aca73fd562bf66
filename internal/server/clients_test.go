package server

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/testworld"
)

// clients is a running server with one stored order, and the surroundings in which the clients of others run.
type clients struct {
	*live
	id   order.ID
	o    *order.Order
	env  []string
	port string
}

// startClients starts a server on which the order "shop" is served. tune may change its configuration first.
func startClients(t *testing.T, tune ...func(*Config)) *clients {
	t.Helper()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "shop.example.com")
	c := &clients{live: startLive(t, w, func(conf *Config) {
		for _, f := range tune {
			f(conf)
		}
	}, sh)}
	c.id = c.place(sh, order.BuiltinIssuer)
	c.o = c.settled(c.id, 1)
	_, c.port, _ = net.SplitHostPort(c.Address)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, c.Builtin.RootsPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	c.env = append(os.Environ(), "VAULT="+c.vault("default"), "ADDRESS="+c.Address, "CA="+ca, "NODE_EXTRA_CA_CERTS="+ca, "TOKEN="+c.FirstRun, "ORDER=shop")
	return c
}

func (c *clients) vault(name string) string { return "https://" + name + ".vault.localhost:" + c.port }

// missing ends a test for want of a part: it skips, and fails with CI=true.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// need ends a test where a program is not installed.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		missing(t, "%s is not installed: scripts/deps.sh does it", program)
	}
}

// run runs a client in its folder and reads the JSON that it prints.
func (c *clients) run(into any, dir, program string, args ...string) {
	c.t.Helper()
	need(c.t, program)
	cmd := exec.CommandContext(c.t.Context(), program, args...)
	cmd.Dir, cmd.Env = filepath.Join("..", "..", "test", "clients", dir), c.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, out, stderr.Bytes())
	}
	if err := json.Unmarshal(out, into); err != nil {
		c.t.Fatalf("%s printed no JSON: %v\n%s", program, err, out)
	}
}

// goClients fetches the modules of Azure's clients for Go, once: the examples that use them run where nothing can be fetched,
// with our roots alone.
var goClients = sync.OnceValues(func() ([]byte, error) {
	cmd := exec.Command("go", "mod", "download")
	cmd.Dir = filepath.Join("..", "..", "test", "clients", "go")
	return cmd.CombinedOutput()
})

func needGoClients(t *testing.T) {
	t.Helper()
	if out, err := goClients(); err != nil {
		missing(t, "Azure's clients for Go are not here: go mod download: %v\n%s", err, out)
	}
}

// TestGoClientOfSecrets: azsecrets does everything it can with the built-in vault, and sees an order as it is.
func TestGoClientOfSecrets(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	var got struct {
		Order, Again struct {
			ID, Value, ContentType string
			Tags                   map[string]string
			Attributes             struct {
				Enabled         bool
				NBF, Exp        int64
				RecoveryLevel   string
				RecoverableDays int
			}
		}
		Listed, Steps []string
		Pages         int
		Refused       map[string]struct {
			Status int
			Code   string
		}
	}
	c.run(&got, "go", "go", "run", ".")
	c.wire.used(t, "azsdk-go-azsecrets", vaultOperations(t, "secrets"))
	c.wire.used(t, "azsdk-go-azidentity", signsIn)
	v, err := c.Vault.GetSecret(t.Context(), "default", "shop", "")
	if err != nil {
		t.Fatal(err)
	}
	o := got.Order
	if o.Value != string(v.Value.Reveal()) || o.Value != got.Again.Value || o.ContentType != secret.ContentPFX || !o.Attributes.Enabled {
		t.Errorf("the order's secret is %+v", o)
	}
	first := c.o.First()
	if o.Tags["Thumbprint"] != first.Thumbprint || o.Tags["SerialNumber"] != first.Serial || o.Tags["CertificateState"] != "Ready" || o.Tags["CertificateId"] != c.id.String() {
		t.Errorf("the tags are %v", o.Tags)
	}
	if o.ID != c.vault("default")+"/secrets/shop/"+first.SecretID || o.Attributes.Exp != first.NotAfter.Unix() || o.Attributes.NBF != first.NotBefore.Unix() ||
		o.Attributes.RecoveryLevel != "Recoverable+Purgeable" || o.Attributes.RecoverableDays != 90 {
		t.Errorf("the order's secret is %+v, the version %+v", o, first)
	}
	if got.Pages < 2 || !slices.Contains(got.Listed, "shop") || !slices.Contains(got.Listed, "go-many-29") || len(got.Listed) != 32 {
		t.Errorf("%d pages list %v", got.Pages, got.Listed)
	}
	want := map[string]int{"a foreign token": 401, "a wrong client secret": 401, "a disabled version": 403, "restore over a live secret": 409, "a deleted secret": 404, "set while deleted": 409,
		"a purged secret": 404, "a changed backup": 400}
	codes := map[string]string{"a foreign token": "Unauthorized", "a wrong client secret": "AuthenticationFailed", "a disabled version": "Forbidden", "restore over a live secret": "Conflict", "a deleted secret": "SecretNotFound",
		"set while deleted": "Conflict", "a purged secret": "SecretNotFound", "a changed backup": "BadParameter"}
	for what, status := range want {
		if r := got.Refused[what]; r.Status != status || r.Code != codes[what] {
			t.Errorf("%s is answered with %+v, want %d %s", what, r, status, codes[what])
		}
	}
	if steps := strings.Join(got.Steps, ", "); steps != "set, set again, get the latest, update, list versions, backup, delete, get deleted, recover, list deleted, purge, restore, get a restored version" {
		t.Errorf("the client did: %s", steps)
	}
}

// TestNodeClientOfSecrets: @azure/keyvault-secrets with @azure/identity, every operation.
func TestNodeClientOfSecrets(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	var got struct{ Value, Version string }
	c.script(&got, "secrets.mjs")
	c.wire.used(t, "azsdk-js-keyvault-secrets", vaultOperations(t, "secrets"))
	v, err := c.Vault.GetSecret(t.Context(), "default", "shop", "")
	if err != nil || got.Value != string(v.Value.Reveal()) || got.Version != c.o.First().SecretID {
		t.Errorf("the client saw version %s of the order's secret, the vault has %s (%v)", got.Version, v.ID, err)
	}
}

// TestNodeClientOfCertificates: @azure/keyvault-certificates, every operation. What it creates under the order's name is
// a version of the order, which goes its way to the wire.
func TestNodeClientOfCertificates(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	var got struct{ Thumbprint, Version string }
	need(t, "openssl")
	c.script(&got, "certificates.mjs")
	c.wire.used(t, "azsdk-js-keyvault-certificates", vaultOperations(t, "certificates"))
	o := c.settled(c.id, 2)
	if v := o.First(); !strings.EqualFold(v.Thumbprint, got.Thumbprint) || v.SecretID != got.Version {
		t.Errorf("the client saw %+v, the order's version is %s %s", got, v.Thumbprint, v.SecretID)
	}
	if o.Spec.RenewAt != 0.8 {
		t.Errorf("the order renews at %v of its life, the policy's default is 80 %%", o.Spec.RenewAt)
	}
}
