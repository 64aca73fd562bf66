package deploy

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/site"
)

// counter is a reload command that leaves a line in a file at each run.
func counter(t testing.TB) (map[string]Command, func() int) {
	file := filepath.Join(t.TempDir(), "runs")
	return map[string]Command{"count": {Argv: []string{"/bin/sh", "-c", "echo run >>" + file}}}, func() int {
		b, _ := os.ReadFile(file)
		return strings.Count(string(b), "run")
	}
}

func TestPutWritesEveryKind(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	tg := site.Target{Name: "all", Kind: site.KindFiles, Files: &site.Files{Root: "web", Certificate: "a/cert.pem", Chain: "a/chain.pem", Fullchain: "a/full.pem",
		Key: "b/c/key.pem", PFX: "site.pfx", Combined: "haproxy.pem", Mode: "0640"}}
	c := s.ca.issueRSA(t, 0x04AF)
	r := s.put(tg, c)
	if !r.Changed || r.Serial != "04AF" || len(r.Files) != 6 || r.Previous == "" {
		t.Errorf("receipt %+v", r)
	}
	for name, want := range map[string]struct {
		mode  string
		certs int
		key   bool
	}{"a/cert.pem": {"0644", 1, false}, "a/chain.pem": {"0644", 1, false}, "a/full.pem": {"0644", 2, false}, "b/c/key.pem": {"0640", 0, true},
		"haproxy.pem": {"0640", 2, true}, "site.pfx": {"0640", -1, false}} {
		b, err := os.ReadFile(s.path(name))
		if err != nil {
			t.Fatal(err)
		}
		st, _ := os.Stat(s.path(name))
		if got := "0" + strconv.FormatUint(uint64(st.Mode().Perm()), 8); got != want.mode {
			t.Errorf("%s: mode %s, want %s", name, got, want.mode)
		}
		if n := strings.Count(string(b), "BEGIN CERTIFICATE"); want.certs >= 0 && n != want.certs {
			t.Errorf("%s: %d certificates, want %d", name, n, want.certs)
		}
		if strings.Contains(string(b), "BEGIN PRIVATE KEY") != want.key {
			t.Errorf("%s: has a key: %t", name, !want.key)
		}
	}
	if got := pairAt(s.path("a/full.pem"), s.path("b/c/key.pem")); got != "04AF" {
		t.Error(got)
	}
	if out, err := exec.Command("openssl", "pkcs12", "-in", s.path("site.pfx"), "-passin", "pass:", "-nodes").CombinedOutput(); err != nil ||
		strings.Count(string(out), "BEGIN CERTIFICATE") != 2 {
		t.Errorf("openssl reads the PKCS#12: %v\n%s", err, out)
	}
	if again := s.settled(tg, c); !again.Changed || again.Previous != r.Previous || !strings.Contains(again.Detail, "interrupted") {
		t.Errorf("the same again before it was settled: %+v", again)
	}
	if again := s.put(tg, c); again.Changed || again.Detail == "" || again.Previous != "" {
		t.Errorf("the same again: %+v", again)
	}
	for _, o := range s.d.Observe(context.Background(), tg, c) {
		if o.Outcome != evidence.Pass {
			t.Errorf("%s", o)
		}
	}
}

// TestKeyIsNeverWider looks at each file in the moment between its creation and its content: it has its
// final mode and owner already, whatever the umask.
func TestKeyIsNeverWider(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	tg := site.Target{Name: "all", Kind: site.KindFiles, Files: &site.Files{Root: "web", Key: "k", PFX: "p", Combined: "c", Mode: "0440"}}
	if os.Geteuid() == 0 {
		tg.Files.Owner = "nobody"
	}
	looked := 0
	s.d.step = func(op string) {
		name, ok := strings.CutPrefix(op, "write ")
		if !ok || strings.HasSuffix(name, adoptedFile) {
			return
		}
		st, err := os.Stat(s.path(name))
		if err != nil || st.Mode().Perm() != 0o440 || st.Size() != 0 {
			t.Errorf("%s before its content: %v %v", name, st, err)
		}
		if os.Geteuid() == 0 && st.Sys().(*syscall.Stat_t).Uid != 65534 {
			t.Errorf("%s before its content belongs to %d", name, st.Sys().(*syscall.Stat_t).Uid)
		}
		looked++
	}
	s.put(tg, s.ca.issue(t, 1))
	if looked != 3 {
		t.Errorf("%d files looked at, want 3", looked)
	}
}

func TestSkipIsDecidedByWhatIsThere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil   func(s *shop)
		changed bool
	}{
		"nothing happened": {func(*shop) {}, false},
		"mode changed":     {func(s *shop) { os.Chmod(s.path("www.key"), 0o640) }, true},
		"file removed":     {func(s *shop) { os.Remove(s.path("www.crt")) }, true},
		"other content":    {func(s *shop) { os.WriteFile(s.path("www.crt"), []byte("x"), 0o644) }, true},
		"replaced by a plain file with the same content": {func(s *shop) {
			b, _ := os.ReadFile(s.path("www.crt"))
			os.Remove(s.path("www.crt"))
			os.WriteFile(s.path("www.crt"), b, 0o644)
		}, false},
		"state removed": {func(s *shop) { os.RemoveAll(s.path(stateDir)) }, true},
		"last reload did not succeed": {func(s *shop) {
			m, _ := filepath.Glob(s.path(stateDir + "/*/" + currentLink))
			os.WriteFile(filepath.Join(filepath.Dir(m[0]), pendingFile), nil, 0o644)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			commands, runs := counter(t)
			s := newShop(t, commands)
			tg, crt := pairTarget("count"), s.ca.issue(t, 7)
			s.settled(tg, crt)
			c.spoil(s)
			r := s.settled(tg, crt)
			if r.Changed != c.changed || (runs() == 2) != c.changed {
				t.Errorf("changed %t, want %t; %d reloads (%s)", r.Changed, c.changed, runs(), r.Detail)
			}
			if s.serves() != "07" {
				t.Error(s.serves())
			}
			if again := s.put(tg, crt); again.Changed {
				t.Errorf("and once more: %s", again.Detail)
			}
		})
	}
}

func TestOwnerAndGroup(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to another user")
	}
	s := newShop(t, nil)
	tg := pairTarget("")
	tg.Files.Owner, tg.Files.Group, tg.Files.Mode = "nobody", "nogroup", "0400"
	c := s.ca.issue(t, 7)
	s.put(tg, c)
	st, err := os.Stat(s.path("www.key"))
	if err != nil || st.Sys().(*syscall.Stat_t).Uid != 65534 || st.Mode().Perm() != 0o400 {
		t.Errorf("%+v %v", st, err)
	}
	os.Chown(s.path("www.key"), 0, 0)
	if obs := s.d.Observe(context.Background(), tg, c); check(obs, CheckFile) != "PASS" || check(obs, CheckSerial) != "PASS" {
		t.Errorf("%v", obs)
	}
	if r := s.put(tg, c); !r.Changed {
		t.Error("another owner was not noticed")
	}
}

// TestTakeOver: plain files of another manager are taken over, and come back as plain files.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(s *shop, crt, key []byte){
		"plain files": func(s *shop, crt, key []byte) { s.write("www.crt", string(crt)); s.write("www.key", string(key)) },
		"links, as certbot makes them": func(s *shop, crt, key []byte) {
			s.write("archive/www1.crt", string(crt))
			s.write("archive/www1.key", string(key))
			os.Symlink("archive/www1.crt", s.path("www.crt"))
			os.Symlink(s.path("archive/www1.key"), s.path("www.key"))
		},
		"links out of the root": func(s *shop, crt, key []byte) {
			out := s.t.TempDir()
			os.WriteFile(out+"/k", key, 0o600)
			os.Symlink(out+"/k", s.path("www.key"))
			s.write("www.crt", string(crt))
		},
		"a link to a directory in between": func(s *shop, crt, key []byte) {
			s.write("www.crt", string(crt))
			s.write("www.key", string(key))
			os.MkdirAll(s.path("deep/er"), 0o755)
			os.Symlink("../..", s.path("deep/er/up"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, nil)
			old := s.ca.issue(t, 1)
			chain, _ := parseChain(old.Chain)
			key, _ := pemKey(old.Key)
			prepare(s, pemCerts(chain), key)
			before := s.tree()
			if s.serves() != "01" {
				t.Fatal(s.serves())
			}
			tg := pairTarget("")
			r := s.put(tg, s.ca.issue(t, 2))
			if s.serves() != "02" {
				t.Fatal(s.serves())
			}
			for range 2 {
				if err := s.d.TakeBack(context.Background(), tg, r); err != nil {
					t.Fatal(err)
				}
				if s.serves() != "01" {
					t.Fatal("after TakeBack: ", s.serves())
				}
			}
			after := strings.TrimSpace(strings.Replace("\n"+s.tree(), "\ndrwxr-xr-x "+stateDir, "", 1))
			if after != before {
				t.Errorf("not as it was:\n%s\n--- before:\n%s", after, before)
			}
		})
	}
}

func TestTakeBackThenSettle(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	commands, runs := counter(t)
	s := newShop(t, commands)
	tg := pairTarget("count")
	one, two := s.ca.issue(t, 1), s.ca.issue(t, 2)
	first := s.put(tg, one)
	for range 2 {
		if err := s.d.Settle(ctx, tg, first); err != nil {
			t.Fatal(err)
		}
	}
	if p := problemOf(t, s.d.TakeBack(ctx, tg, first)); !strings.Contains(p.Detail, "settled") {
		t.Errorf("TakeBack after Settle: %+v", p)
	}
	second := s.put(tg, two)
	if err := s.d.TakeBack(ctx, tg, second); err != nil || s.serves() != "01" || runs() != 3 {
		t.Fatalf("%v; serves %s; %d reloads", err, s.serves(), runs())
	}
	if err := s.d.TakeBack(ctx, tg, second); err != nil || runs() != 3 {
		t.Errorf("repeated: %v, %d reloads", err, runs())
	}
	third := s.put(tg, two)
	s.put(tg, s.ca.issue(t, 3))
	problemOf(t, s.d.TakeBack(ctx, tg, third))
	if s.serves() != "03" {
		t.Errorf("a newer version was taken away: %s", s.serves())
	}
	if err := s.d.Settle(ctx, tg, third); err != nil || s.serves() != "03" {
		t.Errorf("Settle of an older receipt: %v %s", err, s.serves())
	}
	if keys, _ := filepath.Glob(s.path(stateDir + "/*/[cv]-*/key.pem")); len(keys) > 2 {
		t.Errorf("keys are left behind: %v", keys)
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	s := newShop(t, map[string]Command{"ok": {Argv: []string{"/bin/true"}}})
	os.Symlink(outside, s.path("out"))
	os.Symlink("/etc", s.path("etc"))
	os.Mkdir(s.path("dir"), 0o755)
	for name, f := range map[string]site.Files{
		"root not configured":    {Root: "other", Key: "k"},
		"command not configured": {Root: "web", Key: "k", Reload: "rm"},
		"no file":                {Root: "web"},
		"absolute":               {Root: "web", Key: "/etc/passwd"},
		"upwards":                {Root: "web", Key: "../k"},
		"upwards inside":         {Root: "web", Key: "a/../../k"},
		"through a link":         {Root: "web", Key: "out/k"},
		"through a deeper link":  {Root: "web", Key: "etc/ssl/k"},
		"our own state":          {Root: "web", Key: ".certwright/x"},
		"twice":                  {Root: "web", Key: "k", Fullchain: "./k"},
		"a directory":            {Root: "web", Key: "dir"},
		"directory by its slash": {Root: "web", Key: "k/"},
		"the root itself":        {Root: "web", Key: "."},
		"world-readable key":     {Root: "web", Key: "k", Mode: "0644"},
		"mode with words":        {Root: "web", Key: "k", Mode: "rw"},
		"mode with set-uid":      {Root: "web", Key: "k", Mode: "4600"},
		"unknown user":           {Root: "web", Key: "k", Owner: "no-such-user"},
		"unknown group":          {Root: "web", Key: "k", Group: "no-such-group"},
	} {
		tg := site.Target{Name: "x", Kind: site.KindFiles, Files: &f}
		err := s.d.Check(tg)
		r, ok := order.AsRefusal(err)
		if !ok || r.Property == "" || r.Fix == "" {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.d.Put(context.Background(), site.Site{}, tg, s.ca.issue(t, 1)); err == nil {
			t.Errorf("%s: put all the same", name)
		}
	}
	if l, _ := os.ReadDir(outside); len(l) > 0 {
		t.Errorf("written outside of the root: %v", l)
	}
	if err := s.d.Check(pairTarget("ok")); err != nil {
		t.Errorf("good settings: %v", err)
	}
	if err := s.d.Check(site.Target{Name: "x", Kind: "haproxy"}); err == nil {
		t.Error("an unknown kind was taken")
	}
}

// TestLinkIsReplacedNotFollowed: a link at a named path that leads out of the root is replaced; what
// it leads to is left alone.
func TestLinkIsReplacedNotFollowed(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	victim := filepath.Join(t.TempDir(), "victim")
	os.WriteFile(victim, []byte("precious"), 0o644)
	os.Symlink(victim, s.path("www.key"))
	os.Symlink("/nonexistent/../etc/passwd", s.path("www.crt"))
	s.put(pairTarget(""), s.ca.issue(t, 1))
	if b, _ := os.ReadFile(victim); string(b) != "precious" {
		t.Errorf("written through the link: %.20q", b)
	}
	if s.serves() != "01" {
		t.Error(s.serves())
	}
}

func TestWriteFailures(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	tg := pairTarget("")
	c := s.ca.issue(t, 1)
	c2 := s.ca.issue(t, 2)
	c2.Key = c.Key
	if _, err := s.d.Put(context.Background(), site.Site{}, tg, c2); err == nil || s.tree() != "" {
		t.Errorf("a key of another certificate: %v; %s", err, s.tree())
	}
	os.WriteFile(s.path("file"), nil, 0o644)
	tg.Files.Key = "file/www.key"
	problemOf(t, func() error { _, err := s.d.Put(context.Background(), site.Site{}, tg, c); return err }())
}

// TestDiskFull: a full disk is told as that, leaves what was there, and goes on once there is space.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("mounting a tmpfs needs root")
		}
		t.Skip("mounting a tmpfs needs root")
	}
	s := newShop(t, nil)
	if err := syscall.Mount("tmpfs", s.dir, "tmpfs", 0, "size=256k,mode=0755"); err != nil {
		t.Skip("no tmpfs can be mounted here: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(s.dir, syscall.MNT_DETACH) })
	tg := pairTarget("")
	s.put(tg, s.ca.issue(t, 1))
	before := s.tree()
	fill, err := os.Create(s.path("fill"))
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := fill.Write(make([]byte, 512)); err != nil {
			break
		}
	}
	fill.Close()
	next := s.ca.issue(t, 2)
	_, err = s.d.Put(context.Background(), site.Site{}, tg, next)
	if p := problemOf(t, err); p.ID != "sync-disk-full" || p.Class != order.Retry {
		t.Errorf("%+v", p)
	}
	os.Remove(s.path("fill"))
	if s.serves() != "01" || s.tree() != before {
		t.Errorf("serves %s\n%s", s.serves(), s.tree())
	}
	s.put(tg, next)
	if s.serves() != "02" {
		t.Error(s.serves())
	}
	if err := syscall.Mount("", s.dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, err = s.d.Put(context.Background(), site.Site{}, tg, s.ca.issue(t, 3))
	if p := problemOf(t, err); p.ID != "sync-readonly-fs" {
		t.Errorf("%+v", p)
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newShop(t, map[string]Command{"ok": {Argv: []string{"/bin/true"}}})
	tg := pairTarget("ok")
	one, two := s.ca.issue(t, 1), s.ca.issue(t, 2)
	if obs := s.d.Observe(ctx, tg, one); check(obs, CheckSerial) != "FAIL" || check(obs, CheckFile) != "FAIL" || check(obs, CheckPair) != "none" {
		t.Errorf("before: %v", obs)
	}
	s.put(tg, one)
	obs := s.d.Observe(ctx, tg, one)
	if check(obs, CheckSerial) != "PASS" || check(obs, CheckPair) != "PASS" || check(obs, CheckReload) != "none" {
		t.Errorf("well: %v", obs)
	}
	f, ok := evidence.Decode[evidence.File](obs[0])
	if !ok || f.Path != s.path("www.crt") || f.Kind != "fullchain" || !f.Exists || f.Mode != "0644" || f.Owner == "" || f.KeyMatch != 0 ||
		strings.Join(f.Serials, ",") != "01,CA" || time.Since(f.Modified) > time.Hour {
		t.Errorf("%+v", f)
	}
	if obs := s.d.Observe(ctx, tg, two); check(obs, CheckSerial) != "FAIL" || check(obs, CheckPair) != "PASS" {
		t.Errorf("an older version: %v", obs)
	}
	public := one
	public.Key = nil
	if obs := s.d.Observe(ctx, tg, public); check(obs, CheckSerial) != "PASS" {
		t.Errorf("without the key: %v", obs)
	}
	key, _ := pemKey(two.Key)
	os.WriteFile(s.path("www.key"), key, 0o600)
	if obs := s.d.Observe(ctx, tg, one); check(obs, CheckSerial) != "FAIL" || check(obs, CheckPair) != "FAIL" {
		t.Errorf("another key: %v", obs)
	}
	for _, o := range s.d.Observe(ctx, tg, one) {
		if strings.Contains(string(o.Data)+o.String(), "PRIVATE KEY") || o.From == "" || o.Subject == "" {
			t.Errorf("%+v", o)
		}
	}
	tg.Files.Root = "gone"
	if obs := s.d.Observe(ctx, tg, one); check(obs, CheckSerial) != "UNKNOWN" {
		t.Errorf("no such root: %v", obs)
	}
}
