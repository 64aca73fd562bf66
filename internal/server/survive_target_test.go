package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/site"
	"certwright/internal/testworld"
)

// tmpfs mounts a small file system, where the test may.
func tmpfs(t *testing.T, dir, size string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a file system of a fixed size is needed (mount: %v)", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// fill takes all space, and gives the function that frees it.
func fill(t *testing.T, dir string) func() {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	_ = f.Close()
	return func() {
		// Truncated first: a child that some other test is just starting has this file open until it is another program.
		if err := errors.Join(os.Truncate(name, 0), os.Remove(name)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestVaultLosesTheSecret: deleted or switched off behind Certwright's back: the store stage says so in Key Vault's
// words, what serves goes on, and all is well again once it is back.
func TestVaultLosesTheSecret(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "vault.example.test")
	l := startLive(t, w, nil, sh)
	id := l.place(sh, order.BuiltinIssuer)
	o := l.settled(id, 1)
	ctx, off, on := t.Context(), false, true
	for _, c := range []struct {
		name       string
		lose, mend func() error
	}{
		{"deleted", func() error { _, err := l.Vault.DeleteSecret(ctx, "default", "vault"); return err }, func() error { return l.Vault.Recover(ctx, "default", "vault") }},
		{"disabled", func() error {
			_, err := l.Vault.Update(ctx, "default", "vault", o.First().SecretID, secret.Patch{Enabled: &off})
			return err
		}, func() error {
			_, err := l.Vault.Update(ctx, "default", "vault", o.First().SecretID, secret.Patch{Enabled: &on})
			return err
		}},
	} {
		if err := c.lose(); err != nil {
			t.Fatal(err)
		}
		l.move(25 * time.Hour) // the daily look finds it
		o = l.wait(id, c.name, func(o *order.Order) bool { return o.Vault.Problem != nil && o.LeaseOwner == "" })
		l.says(o, order.StageStore, order.StateFail, "vault", "vault default, secret vault")
		if st := o.Vault.Fault; st == "" || st == order.VaultSucceeded {
			t.Errorf("%s: the vault's own status is %q", c.name, st)
		}
		if serial, err := w.served("vault.example.test"); err != nil || serial != o.First().Serial {
			t.Errorf("%s: what is served suffers: %s, %v", c.name, serial, err)
		}
		if err := c.mend(); err != nil {
			t.Fatal(err)
		}
		l.byItself(id, 1, 25*time.Hour)
		if o = l.load(id); o.Vault.Problem != nil {
			t.Errorf("%s: it is back, the row says %v", c.name, o.Vault.Problem)
		}
	}
}

// TestKeyEncryptionKeyIsMissing: a start without the key, or with another, ends before anything is written.
func TestKeyEncryptionKeyIsMissing(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "kek.example.test")
	data := t.TempDir()
	conf := w.config(data, "", sh)
	start := func() (*Server, error) {
		return New(context.Background(), Options{Config: conf, Now: time.Now, Logger: silent()})
	}
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	kek, db := string(conf.KEK.File), filepath.Join(data, "certwright.db")
	right, err := os.ReadFile(kek)
	if err != nil {
		t.Fatal(err)
	}
	before := digest(t, db)
	for name, spoil := range map[string]func() error{
		"missing": func() error { return os.Remove(kek) },
		"another": func() error { return os.WriteFile(kek, bytes.Repeat([]byte{7}, 32), 0o600) },
		"short":   func() error { return os.WriteFile(kek, []byte("short"), 0o600) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		s, err := start()
		if err == nil {
			t.Errorf("%s: it started", name)
			_ = s.Close()
			continue
		}
		if !strings.Contains(err.Error(), "key-encryption key") || name != "short" && !errors.Is(err, secret.ErrWrongKey) && !strings.Contains(err.Error(), kek) {
			t.Errorf("%s: %v", name, err)
		}
		if _, statErr := os.Stat(kek); name == "missing" && statErr == nil {
			t.Error("a new key was made beside a database that needs the old one")
		}
		if digest(t, db) != before {
			t.Errorf("%s: the database was written", name)
		}
		if err := os.WriteFile(kek, right, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if s, err = start(); err != nil {
		t.Fatalf("with the right key: %v", err)
	}
	_ = s.Close()
}

func digest(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

// TestTargetDiskIsFull: the deploy stage says so, what serves goes on, and so does the order once there is space.
func TestTargetDiskIsFull(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "full.example.test")
	tmpfs(t, sh.tls(), "128k")
	l := startLive(t, w, nil, sh)
	id := l.place(sh, order.BuiltinIssuer)
	first := l.settled(id, 1).First().Serial
	free := fill(t, sh.tls())
	l.renew(id)
	o := l.wait(id, "a full disk", func(o *order.Order) bool { return o.Deployments[0].Problem != nil && o.LeaseOwner == "" })
	l.says(o, order.StageDeploy, order.StateFail, "", "sync-disk-full", "the disk is full")
	if serial, err := w.served(sh.host); err != nil || serial != first {
		t.Errorf("%s is served (%v) while the disk is full, want the former %s", serial, err, first)
	}
	if o.First().Number != 2 {
		t.Errorf("version %d is in the vault, want 2", o.First().Number)
	}
	free()
	l.byItself(id, 2, time.Hour)
}

// TestDatabaseDiskIsFull: nothing is lost and nothing is done twice; it goes on once there is space.
func TestDatabaseDiskIsFull(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "dbfull.example.test")
	data := t.TempDir()
	tmpfs(t, data, "16m")
	l := startLive(t, w, func(c *Config) {
		c.Data, c.KEK.File, c.Database.DSN = Path(data), Path(filepath.Join(data, "kek")), Hidden("sqlite:"+filepath.Join(data, "certwright.db"))
	}, sh)
	id := l.place(sh, order.BuiltinIssuer)
	l.settled(id, 1)
	free := fill(t, data)
	_, err := l.Mover.Renew(t.Context(), testBy, id)
	for n := 0; err == nil && n < 2000; n++ { // the pages that the database has free are used up first
		_, err = l.Mover.Export(t.Context(), testBy, id, "")
	}
	var p *order.Problem
	if !errors.As(err, &p) || p.ID != "sys-db-full" || p.Fix == "" {
		t.Errorf("a command is answered with %v", err)
	}
	free()
	l.move(time.Minute)
	o := l.wait(id, "the end", func(o *order.Order) bool { return settled(o, l.Now()) })
	if o.First().Number == 1 {
		l.renew(id)
		l.settled(id, 2)
	}
	if err := l.Store.VerifyChain(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// TestNginxConfigurationIsBroken: a real nginx refuses to reload for a reason of its own. The former files are
// back, it serves on, and the new version follows once the configuration is mended.
func TestNginxConfigurationIsBroken(t *testing.T) {
	t.Parallel()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx"
	}
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "nginx.example.test")
	seed, err := testworld.NewHostCert(sh.host)
	if err != nil {
		t.Fatal(err)
	}
	crt, key, extra := filepath.Join(sh.tls(), "shop.pem"), filepath.Join(sh.tls(), "shop.key"), filepath.Join(sh.dir, "extra.conf")
	for name, b := range map[string][]byte{crt: seed.CertPEM, key: seed.KeyPEM, extra: nil} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ip, err := testworld.OwnIP()
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort(ip, "8444")
	n := testworld.StartNginx(t, addr, fmt.Sprintf("server { listen %s ssl; server_name %s; ssl_certificate %s; ssl_certificate_key %s; include %s; }", addr, sh.host, crt, key, extra))
	w.https = addr // the wire is nginx's
	l := startLive(t, w, func(c *Config) {
		c.Commands["reload-nginx"] = Command{Argv: []string{nginx, "-p", n.Dir, "-c", filepath.Join(n.Dir, "nginx.conf"), "-e", filepath.Join(n.Dir, "error.log"), "-s", "reload"}, Timeout: Duration(10 * time.Second)}
	}, sh)
	id := l.place(sh, order.BuiltinIssuer)
	first := l.settled(id, 1).First().Serial
	n.AwaitOneWorker(t) // the one before would answer with what was there first
	if err := os.WriteFile(extra, []byte("this is no directive;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.renew(id)
	o := l.wait(id, "the refused reload", func(o *order.Order) bool { return o.Deployments[0].Problem != nil && o.LeaseOwner == "" })
	l.says(o, order.StageDeploy, order.StateFail, "reload reload-nginx", "extra.conf", "unknown directive")
	if serial, err := w.served(sh.host); err != nil || serial != first {
		t.Errorf("nginx serves %s (%v), want the former %s", serial, err, first)
	}
	if err := os.WriteFile(extra, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l.byItself(id, 2, time.Hour)
}

// TestOneTargetHangs: three targets, the reload of one waits for ever. The others are served, and the next
// renewal proceeds.
func TestOneTargetHangs(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "hangs.example.test")
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	l := startLive(t, w, func(c *Config) {
		c.Commands["hang"] = Command{Argv: []string{sleep, "600"}, Timeout: Duration(time.Second)}
	}, sh)
	s := w.site(sh)
	for _, name := range []string{"b", "c"} {
		f := &site.Files{Root: "hangs", Combined: name + ".pem"}
		if name == "b" {
			f.Reload = "hang"
		}
		s.Targets = append(s.Targets, site.Target{Name: name, Kind: site.KindFiles, Files: f})
	}
	s.Endpoints[0].Target = "files"
	if _, err := l.Mover.SaveSite(t.Context(), testBy, s); err != nil {
		t.Fatal(err)
	}
	id := order.Short("hangs")
	spec := order.Spec{AutoRenew: true, Issuer: order.BuiltinIssuer, Sites: []string{"hangs"}}
	if _, err := l.Mover.Create(t.Context(), testBy, id, fulfill.Wish{Words: []string{sh.host}, Spec: spec}); err != nil {
		t.Fatal(err)
	}
	for version := 1; version <= 2; version++ {
		o := l.wait(id, "the siblings", func(o *order.Order) bool {
			return o.First() != nil && o.First().Number == version && o.Deployment("hangs/files").Version == version && o.Deployment("hangs/c").Version == version && o.Deployment("hangs/b").Problem != nil
		})
		if serial, err := w.served(sh.host); err != nil || serial != o.First().Serial {
			t.Errorf("version %d: %s is served (%v), want %s", version, serial, err, o.First().Serial)
		}
		p := l.says(o, order.StageDeploy, order.StateFail, "reload hang", "renew-hook-failed")
		if !strings.Contains(p.Where, "b") || o.Deployment("hangs/b").Version == version {
			t.Errorf("version %d: %+v", version, o.Deployment("hangs/b"))
		}
		if version == 1 {
			l.renew(id)
		}
	}
	events, _, err := l.Store.Events(t.Context(), order.EventQuery{Order: &id})
	if err != nil {
		t.Fatal(err)
	}
	before := len(events)
	l.move(24 * time.Hour)
	l.passOf()
	l.wait(id, "the next try", func(o *order.Order) bool { return o.DueAt.After(l.Now()) })
	if events, _, _ = l.Store.Events(t.Context(), order.EventQuery{Order: &id}); len(events)-before > 6 {
		t.Errorf("%d events were added by a target that still hangs", len(events)-before)
	}
}

// TestLookFailsAfterThePush: the server loads the new version and breaks. What was there serves on, the row says so,
// and the new version is not tried over and over.
func TestLookFailsAfterThePush(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "breaks.example.test")
	l := startLive(t, w, nil, sh)
	id := l.place(sh, order.BuiltinIssuer)
	first := l.settled(id, 1).First().Serial
	sh.mu.Lock()
	sh.only = first // the server chokes on any other
	sh.mu.Unlock()
	l.renew(id)
	o := l.wait(id, "the take-back", func(o *order.Order) bool { return o.Deployments[0].Problem != nil && o.LeaseOwner == "" })
	l.says(o, order.StageDeploy, order.StateFail, "look on the wire after the push", w.https)
	if o.Deployments[0].Bad != 2 || o.Deployments[0].Version != 1 {
		t.Errorf("the target's row: %+v", o.Deployments[0])
	}
	if serial, err := w.served(sh.host); err != nil || serial != first {
		t.Errorf("%s is served (%v), want the former %s", serial, err, first)
	}
	if e := o.Endpoints[0]; e.Served != first {
		t.Errorf("the endpoint's row says that %q is served, it is %s", e.Served, first)
	}
	sh.mu.Lock()
	loads := sh.loads
	sh.mu.Unlock()
	l.move(time.Minute)
	l.passOf()
	sh.mu.Lock()
	if sh.loads != loads {
		t.Errorf("the server was disturbed %d times within a minute", sh.loads-loads)
	}
	sh.only = ""
	sh.mu.Unlock()
	l.byItself(id, 2, 2*time.Hour)
}

// TestDatabaseDiskFillsUnderWay: the disk fills between the authority's signature and our commit. Nothing of the
// attempt is lost, and the order is not finalised twice.
func TestDatabaseDiskFillsUnderWay(t *testing.T) {
	t.Parallel()
	w := startWorld(t, true, testworld.PebbleOptions{})
	sh := w.shop(t, "underway.example.test")
	data := t.TempDir()
	tmpfs(t, data, "16m")
	l := startLive(t, w, func(c *Config) {
		c.Data, c.KEK.File, c.Database.DSN = Path(data), Path(filepath.Join(data, "kek")), Hidden("sqlite:"+filepath.Join(data, "certwright.db"))
	}, sh)
	gate := make(chan struct{})
	w.proxy.Inject(testworld.Fault{Op: testworld.OpCertificate, Wait: gate, Times: 1})
	id := l.place(sh, "pebble")
	l.wait(id, "the download", func(*order.Order) bool { return w.proxy.Seen(testworld.OpCertificate) > 0 })
	free := fill(t, data)
	for i := range 200 { // the pages that the database has free are used up first
		if err := l.Store.SetSetting(t.Context(), fmt.Sprintf("ballast%d", i), make([]byte, 4000)); err != nil {
			break
		}
	}
	close(gate)
	before := l.load(id).Revision
	l.passOf()
	o := l.load(id)
	if o.Revision != before || o.First() != nil {
		t.Fatal("the disk was not full")
	}
	free()
	l.move(2 * time.Minute) // past the lease
	l.byItself(id, 1, time.Hour)
	for url, n := range w.proxy.PassedPaths(testworld.OpFinalize) {
		if n != 1 {
			t.Errorf("%s was finalised %d times", url, n)
		}
	}
	if err := l.Store.VerifyChain(t.Context(), id); err != nil {
		t.Error(err)
	}
}
