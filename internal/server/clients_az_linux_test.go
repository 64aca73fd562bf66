package server

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"certwright/internal/auth"
	"certwright/internal/order"
)

// azInside is set in the process that has namespaces of its own.
const azInside = "CERTWRIGHT_TEST_AZ"

// azNames are the server's names there, at port 443 as az likes them best, and a vault's at the port that is the default.
const azNames = "127.0.0.1 localhost certwright.test default.vault.certwright.test kv-az.vault.certwright.test default.vault.localhost\n"

// TestAz: Debian's az does what an operator does with it, at port 443 and at the default port, in a network of its own.
func TestAz(t *testing.T) {
	if os.Getenv("CERTWRIGHT_SLOW") == "" {
		t.Skip("az takes half a minute, and has to be unpacked first: CERTWRIGHT_SLOW=1 (make test-all)")
	}
	out, err := exec.Command(filepath.Join("..", "..", "scripts", "az.sh"), "path").Output()
	root := strings.TrimSpace(string(out))
	if err != nil || root == "" {
		missing(t, "az is not here: scripts/deps.sh all unpacks it")
	}
	if os.Getenv(azInside) == "" {
		apart(t)
		return
	}
	z := startAz(t, root)
	t.Run("sign in", z.signIn)
	t.Run("rest", z.rest)
	t.Run("resource", z.resources)
	t.Run("secret", z.secrets)
	t.Run("certificate", z.certificates)
	t.Run("vault", z.vaults)
	t.Run("tags", z.tags)
	t.Run("certificate life", z.certificateLife)
	t.Run("web", z.web)
	t.Run("more", z.more)
	t.Run("documentation", z.documentation)
	t.Run("default port", func(t *testing.T) {
		d := &cli{clients: startClients(t, func(conf *Config) { conf.Listen, conf.URL = "127.0.0.1:8443", "https://localhost:8443" }), root: root, work: z.work, config: "default-port"}
		d.trust(t)
		d.signIn(t)
		var value string
		d.az(t, &value, "keyvault", "secret", "show", "--vault-name", "default", "--name", "shop", "--query", "value")
		d.same(t, value)
	})
}

// apart runs the test again in a network and mounts of its own; without root, as the root of a user namespace.
func apart(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAz$", "-test.v")
	cmd.Env = append(os.Environ(), azInside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	t.Logf("in namespaces of its own:\n%s", out)
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestAz/default_port")) {
		t.Errorf("az: %v", err)
	}
}

// cli is az with a server.
type cli struct {
	*clients
	root   string // the file system that az lives in
	work   string // its /tmp
	config string // folder of its settings, in work
}

// startAz starts the server and furnishes az's file system with the server's names.
func startAz(t *testing.T, root string) *cli {
	t.Helper()
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("loopback: %v %s", err, out)
	}
	z := &cli{root: root, work: t.TempDir(), config: "config"}
	hosts := filepath.Join(z.work, "hosts")
	if err := os.WriteFile(hosts, []byte(azNames), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	for _, m := range [][2]string{{"/proc", "proc"}, {"/dev", "dev"}, {z.work, "tmp"}, {hosts, "etc/hosts"}} {
		if err := syscall.Mount(m[0], filepath.Join(root, m[1]), "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
			t.Fatalf("%s in %s: %v", m[0], root, err)
		}
	}
	z.clients = startClients(t, func(conf *Config) {
		conf.Listen, conf.URL, conf.Vault.Suffix = "127.0.0.1:443", "https://certwright.test", "vault.certwright.test"
	})
	z.trust(t)
	return z
}

// trust lays the authority's root where az looks for it.
func (z *cli) trust(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(z.work, "ca.pem"), z.Builtin.RootsPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (z *cli) env() []string {
	return []string{"HOME=/tmp", "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "PYTHONWARNINGS=ignore", "AZURE_CORE_COLLECT_TELEMETRY=false", "AZURE_CONFIG_DIR=/tmp/" + z.config, "REQUESTS_CA_BUNDLE=/tmp/ca.pem"}
}

// run runs az and says what it printed.
func (z *cli) run(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/az", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: z.root}
	cmd.Dir, cmd.Env = "/tmp", z.env()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// az runs az and reads the JSON that it prints; into may be nil for commands that print nothing.
func (z *cli) az(t *testing.T, into any, args ...string) {
	t.Helper()
	out, errs, err := z.run(t, args...)
	if err != nil {
		t.Fatalf("az %s: %v\n%s%s", strings.Join(args, " "), err, out, errs)
	}
	if into == nil {
		if strings.TrimSpace(out) != "" {
			t.Errorf("az %s prints %s", strings.Join(args, " "), out)
		}
		return
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("az %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// refused sees that az fails and gives on what the server said.
func (z *cli) refused(t *testing.T, want []string, args ...string) {
	t.Helper()
	out, errs, err := z.run(t, args...)
	if err == nil {
		t.Fatalf("az %s is not refused: %s", strings.Join(args, " "), out)
	}
	for _, w := range want {
		if !strings.Contains(errs, w) {
			t.Errorf("az %s does not say %q: %s", strings.Join(args, " "), w, errs)
		}
	}
}

// signIn makes the server a cloud of az's, by its address alone, and signs in with a client id and its secret.
func (z *cli) signIn(t *testing.T) {
	if out, errs, err := z.run(t, "cloud", "register", "--name", "ours", "--endpoint-resource-manager", strings.TrimRight(z.Config.URL, "/")); err != nil {
		t.Fatalf("az cloud register: %v\n%s%s", err, out, errs)
	}
	z.az(t, nil, "cloud", "set", "--name", "ours")
	z.az(t, nil, "config", "set", "core.instance_discovery=false", "--only-show-errors")
	z.refused(t, []string{"the secret is not this client's"}, "login", "--service-principal", "--username", "owner", "--password", "wrong", "--tenant", auth.Tenant)
	var list []struct{ ID, Name, State, TenantID, CloudName string }
	z.az(t, &list, "login", "--service-principal", "--username", "owner", "--password", z.FirstRun, "--tenant", auth.Tenant)
	if len(list) != 1 || list[0].ID != order.DefaultSubscription || list[0].State != "Enabled" || list[0].TenantID != auth.Tenant || list[0].CloudName != "ours" {
		t.Errorf("signed in to %+v", list)
	}
}

// shown is a resource as az shows it.
type shown struct {
	ID, Name, Type, Location, ResourceGroup string
	Tags                                    map[string]string
	Properties                              struct {
		Status, ProvisioningState, DistinguishedName, SerialNumber string
		AutoRenew                                                  bool
		SignedCertificate                                          struct{ Thumbprint string }
	}
}

func (z *cli) rest(t *testing.T) {
	url := func(name, action string) string {
		return order.Short(name).String() + action + "?api-version=2024-11-01"
	}
	var got shown
	z.az(t, &got, "rest", "--method", "get", "--url", url("shop", ""))
	if v := z.load(z.id).First(); got.ID != z.id.String() || got.Properties.Status != "Issued" || got.Properties.SerialNumber != v.Serial || got.Properties.SignedCertificate.Thumbprint != v.Thumbprint {
		t.Errorf("shop: %+v, want version %+v", got, v)
	}
	got = shown{}
	z.az(t, &got, "rest", "--method", "put", "--url", url("by-az", ""), "--body", `{"location":"Global","tags":{"team":"web"},"properties":{"distinguishedName":"CN=by-az.example.com","productType":"StandardDomainValidatedSsl"}}`)
	if o := z.load(order.Short("by-az")); got.Properties.Status != "Pendingissuance" || got.Properties.ProvisioningState != "Succeeded" || got.Tags["team"] != "web" || o.Spec.Names[0].Value != "by-az.example.com" || o.Spec.Tags["team"] != "web" {
		t.Errorf("put %+v, stored %+v", got, o.Spec)
	}
	got = shown{}
	z.az(t, &got, "rest", "--method", "patch", "--url", url("by-az", ""), "--body", `{"properties":{"productType":"StandardDomainValidatedSsl","autoRenew":false}}`)
	if got.Properties.AutoRenew || z.load(order.Short("by-az")).Spec.AutoRenew {
		t.Errorf("patched: %+v", got)
	}
	var actions []struct{ ActionType string }
	z.az(t, &actions, "rest", "--method", "post", "--url", url("by-az", "/retrieveCertificateActions"))
	if len(actions) == 0 || actions[0].ActionType != "CertificateOrderCreated" {
		t.Errorf("actions: %+v", actions)
	}
	z.az(t, nil, "rest", "--method", "post", "--url", url("by-az", "/verifyDomainOwnership"))
	z.az(t, nil, "rest", "--method", "delete", "--url", url("by-az", ""))
	z.az(t, nil, "rest", "--method", "delete", "--url", url("by-az", "")) // 204: it is gone already
	z.refused(t, []string{"Not Found", "OrderNotFound", "there is no order by-az"}, "rest", "--method", "get", "--url", url("by-az", ""))
}

func (z *cli) resources(t *testing.T) {
	for _, more := range [][]string{nil, {"--resource-group", "default"}, {"--resource-type", order.Type}, {"--name", "shop", "--resource-type", order.Type}} {
		var list []shown
		z.az(t, &list, append([]string{"resource", "list"}, more...)...)
		found := 0
		for _, r := range list {
			if r.ID == z.id.String() && r.Name == "shop" && r.ResourceGroup == "default" {
				found++
			} else if strings.Join(more, "") == "" {
				continue
			} else if strings.Contains(strings.Join(more, ""), order.Type) {
				t.Errorf("az resource list %v has %+v", more, r)
			}
		}
		if found != 1 {
			t.Errorf("az resource list %v: %+v", more, list)
		}
	}
	v := z.load(z.id).First()
	for _, by := range [][]string{{"--resource-group", "default", "--name", "shop", "--resource-type", order.Type}, {"--ids", z.id.String(), "--api-version", "2021-02-01"}} {
		var got shown
		z.az(t, &got, append([]string{"resource", "show"}, by...)...)
		if got.ID != z.id.String() || got.Type != order.Type || got.Location != "Global" || got.Properties.SerialNumber != v.Serial || got.Properties.SignedCertificate.Thumbprint != v.Thumbprint {
			t.Errorf("az resource show %v: %+v, want version %+v", by, got, v)
		}
	}
	z.refused(t, []string{"OrderNotFound"}, "resource", "show", "--ids", order.Short("nobody").String())
	var yes bool
	z.az(t, &yes, "group", "exists", "--name", "DEFAULT")
	var groups, vaults []shown
	z.az(t, &groups, "group", "list")
	z.az(t, &vaults, "keyvault", "list")
	if !yes || len(groups) != 1 || groups[0].Name != "default" || len(vaults) != 1 || vaults[0].Name != "default" {
		t.Errorf("the group is there: %v, groups %+v, vaults %+v", yes, groups, vaults)
	}
	var vault struct{ Properties struct{ VaultURI string } }
	z.az(t, &vault, "keyvault", "show", "--name", "default")
	if vault.Properties.VaultURI != "https://default.vault.certwright.test/" {
		t.Errorf("the vault is at %s", vault.Properties.VaultURI)
	}
}

// same says whether a value is what the vault has for the order.
func (z *cli) same(t *testing.T, value string) {
	t.Helper()
	s, err := z.Vault.GetSecret(t.Context(), "default", "shop", "")
	if err != nil || string(s.Value.Reveal()) != value {
		t.Errorf("az has %d bytes that the vault does not (%v)", len(value), err)
	}
}

func (z *cli) secrets(t *testing.T) {
	var got struct {
		ID, Name, Value, ContentType string
		Tags                         map[string]string
		Attributes                   map[string]any
	}
	z.az(t, &got, "keyvault", "secret", "show", "--vault-name", "default", "--name", "shop")
	z.same(t, got.Value)
	v := z.load(z.id).First()
	if got.ID != "https://default.vault.certwright.test/secrets/shop/"+v.SecretID || got.ContentType != "application/x-pkcs12" || got.Attributes["enabled"] != true || got.Attributes["exp"] != float64(v.NotAfter.Unix()) ||
		got.Tags["Thumbprint"] != v.Thumbprint || got.Tags["CertificateState"] != "Ready" {
		got.Value = ""
		t.Errorf("secret show: %+v", got)
	}
	first, value := got.ID, got.Value
	z.az(t, nil, "keyvault", "secret", "download", "--vault-name", "default", "--name", "shop", "--encoding", "base64", "--file", "shop.pfx")
	pfx, err := os.ReadFile(filepath.Join(z.work, "shop.pfx"))
	if err != nil {
		t.Fatal(err)
	}
	z.same(t, base64.StdEncoding.EncodeToString(pfx))
	z.az(t, nil, "keyvault", "secret", "download", "--id", first, "--file", "shop.txt", "--encoding", "utf-8")
	if text, err := os.ReadFile(filepath.Join(z.work, "shop.txt")); err != nil || string(text) != value {
		t.Errorf("downloaded by its id: %d bytes, %v", len(text), err)
	}
	z.az(t, &got, "keyvault", "secret", "set", "--vault-name", "default", "--name", "by-az", "--value", "sesame", "--tags", "team=web")
	if s, err := z.Vault.GetSecret(t.Context(), "default", "by-az", ""); err != nil || string(s.Value.Reveal()) != "sesame" || s.Tags["team"] != "web" || !strings.HasSuffix(got.ID, s.ID) {
		t.Errorf("set %+v, the vault has %+v, %v", got, s, err)
	}
	var list []struct{ Name string }
	z.az(t, &list, "keyvault", "secret", "list", "--vault-name", "default")
	if fmt.Sprint(list) != "[{by-az} {shop}]" {
		t.Errorf("secret list: %v", list)
	}
	z.refused(t, []string{"SecretNotFound", "nobody"}, "keyvault", "secret", "show", "--vault-name", "default", "--name", "nobody")
}

func (z *cli) certificates(t *testing.T) {
	v := z.load(z.id).First()
	var list []struct{ ID, Name, X509ThumbprintHex string }
	z.az(t, &list, "keyvault", "certificate", "list", "--vault-name", "default")
	if len(list) != 1 || list[0].Name != "shop" || list[0].ID != "https://default.vault.certwright.test/certificates/shop" || list[0].X509ThumbprintHex != v.Thumbprint {
		t.Errorf("certificate list: %+v, want %s", list, v.Thumbprint)
	}
	var got struct {
		SID, X509ThumbprintHex string
		Policy                 struct{ IssuerParameters struct{ Name string } }
	}
	z.az(t, &got, "keyvault", "certificate", "show", "--vault-name", "default", "--name", "shop")
	if got.X509ThumbprintHex != v.Thumbprint || !strings.HasSuffix(got.SID, "/secrets/shop/"+v.SecretID) || got.Policy.IssuerParameters.Name != order.BuiltinIssuer {
		t.Errorf("certificate show: %+v", got)
	}
	z.az(t, nil, "keyvault", "certificate", "download", "--vault-name", "default", "--name", "shop", "--file", "shop.pem")
	text, err := os.ReadFile(filepath.Join(z.work, "shop.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("certificate download: %s", text)
	}
	if leaf, err := order.ParseChain([][]byte{block.Bytes}); err != nil || leaf.Thumbprint != v.Thumbprint {
		t.Errorf("the downloaded certificate is %s (%v), want %s", leaf.Thumbprint, err, v.Thumbprint)
	}
}

// vaults makes a vault of its own, and a secret's life in it.
func (z *cli) vaults(t *testing.T) {
	var vault struct {
		Properties struct {
			VaultURI                  string
			SoftDeleteRetentionInDays int
		}
	}
	z.az(t, &vault, "keyvault", "create", "--name", "kv-az", "--resource-group", "default", "--location", "global", "--retention-days", "7")
	if vault.Properties.VaultURI != "https://kv-az.vault.certwright.test/" || vault.Properties.SoftDeleteRetentionInDays != 7 {
		t.Errorf("made: %+v", vault)
	}
	type item struct{ ID, Name, RecoveryID, Value string }
	var set, gone, back item
	in := []string{"--vault-name", "kv-az", "--name", "life"}
	z.az(t, &set, append([]string{"keyvault", "secret", "set", "--value", "sesame"}, in...)...)
	z.az(t, &gone, append([]string{"keyvault", "secret", "delete"}, in...)...)
	var deleted []item
	z.az(t, &deleted, "keyvault", "secret", "list-deleted", "--vault-name", "kv-az")
	if set.Value != "sesame" || gone.RecoveryID != "https://kv-az.vault.certwright.test/deletedsecrets/life" || len(deleted) != 1 || deleted[0].Name != "life" {
		t.Errorf("set %+v, deleted %+v, listed %+v", set, gone, deleted)
	}
	z.az(t, &back, append([]string{"keyvault", "secret", "recover"}, in...)...)
	z.az(t, nil, append([]string{"keyvault", "secret", "backup", "--file", "life.backup"}, in...)...)
	z.az(t, &gone, append([]string{"keyvault", "secret", "delete"}, in...)...)
	z.az(t, nil, append([]string{"keyvault", "secret", "purge"}, in...)...)
	z.az(t, &back, "keyvault", "secret", "restore", "--vault-name", "kv-az", "--file", "life.backup")
	if s, err := z.Vault.GetSecret(t.Context(), "kv-az", "life", ""); err != nil || string(s.Value.Reveal()) != "sesame" || !strings.Contains(back.ID, "/secrets/life") {
		t.Errorf("recovered %+v, the vault has %v, %v", back, s, err)
	}
}

// more is what else an operator does with az: change an order, act on it, see the sites.
func (z *cli) more(t *testing.T) {
	var renews bool
	z.az(t, &renews, "resource", "update", "--ids", z.id.String(), "--set", "properties.autoRenew=false", "--query", "properties.autoRenew")
	if renews || z.load(z.id).Spec.AutoRenew {
		t.Error("az resource update did not switch autoRenew off")
	}
	var nothing any
	z.az(t, &nothing, "resource", "invoke-action", "--action", "renew", "--ids", z.id.String())
	z.settled(z.id, 2)
	var state string
	z.az(t, &state, "provider", "show", "--namespace", "Microsoft.CertificateRegistration", "--query", "registrationState")
	var sites []string
	z.az(t, &sites, "webapp", "list", "--query", "[].name")
	if state != "Registered" || strings.Join(sites, " ") != "shop" {
		t.Errorf("the provider is %s, the sites are %v", state, sites)
	}
}

// documentation runs az's lines of docs/api.md as they stand there.
func (z *cli) documentation(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```bash\n(.*?)```").FindStringSubmatch(string(page))
	if block == nil || !strings.Contains(block[1], "az ") || strings.Count(block[1], "\n") > 5 {
		t.Fatal("docs/api.md has no five lines for az")
	}
	token, _, err := z.Auth.Issue(t.Context(), "ci", auth.Reader, "/", 0)
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	wrapper := fmt.Sprintf("#!/bin/sh\nexec chroot %s /usr/bin/python3 -c 'import os, runpy; os.chdir(\"/tmp\"); runpy.run_path(\"/usr/bin/az\", run_name=\"__main__\")' \"$@\"\n", z.root)
	if err := os.WriteFile(filepath.Join(bin, "az"), []byte(wrapper), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-e", "-c", block[1])
	cmd.Dir = z.work
	cmd.Env = []string{"HOME=/tmp", "PATH=" + bin + ":" + os.Getenv("PATH"), "LANG=C.UTF-8", "PYTHONWARNINGS=ignore", "AZURE_CONFIG_DIR=/tmp/documented", "URL=" + z.Config.URL, "TOKEN=" + token}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if lines := strings.Fields(string(out)); err != nil || len(lines) == 0 || lines[len(lines)-1] != "Issued" {
		t.Errorf("%s\nsays %s%s, %v", block[1], out, errs.Bytes(), err)
	}
}
