package server

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"certwright/internal/fulfill"
)

// load writes a file and loads it.
func load(t *testing.T, text string, env ...string) (Config, string, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "certwright.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig(path, append(env, "HOME="+dir))
	left, _ := os.ReadDir(dir)
	if len(left) != 1 {
		t.Errorf("loading left %d files beside the configuration", len(left)-1)
	}
	return c, dir, err
}

func TestConfigIsRead(t *testing.T) {
	t.Parallel()
	c, dir, err := load(t, `
data: state
node: a1
listen: ":9443"
database: {dsn: "postgres://u:pw@db/certwright"}
tls: {certificate: own.pem, key: /etc/own.key}
http01: {listen: ":80"}
webroots: {shop: www, other: /srv/other/}
roots: {nginx: tls}
commands:
  reload-nginx: {argv: [nginx, -s, reload], dir: etc, env: {A: b}}
kek:
  passphrase-file: pass
  older: [{file: old.kek}]
authority:
  organization: "Example Ltd"
  caa: ca.example.test
  validity: {default: 36h, max: 15d}
  crl-url: http://crl.example.test/
resolver: 127.0.0.1:5353
network: {private: true}
limits: {body: 2MiB}
retention: {events: 1.5d}
sweep: {due: 2s}
workers: 3
log: {level: debug}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.Vault.Suffix = "vault.a1"
	want.Data, want.Node, want.Listen, want.URL = Path(dir+"/state"), "a1", ":9443", "https://a1:9443"
	want.Database.DSN = "postgres://u:pw@db/certwright"
	want.TLS = TLS{Certificate: Path(dir + "/own.pem"), Key: "/etc/own.key"}
	want.HTTP01.Listen = ":80"
	want.Webroots = map[string]Path{"shop": Path(dir + "/www"), "other": "/srv/other"}
	want.Roots = map[string]Path{"nginx": Path(dir + "/tls")}
	want.Commands = map[string]Command{"reload-nginx": {
		Argv: []string{"nginx", "-s", "reload"}, Dir: Path(dir + "/etc"), Env: map[string]string{"A": "b"}, Timeout: Duration(30 * time.Second),
	}}
	want.KEK = KEK{PassphraseFile: Path(dir + "/pass"), Older: []KEKSource{{File: Path(dir + "/old.kek")}}}
	want.Authority.Organization, want.Authority.CAA = "Example Ltd", "ca.example.test"
	want.Authority.Validity = Validity{Duration(36 * time.Hour), Duration(360 * time.Hour)}
	want.Authority.CRLURL, want.Resolver = "http://crl.example.test/", "127.0.0.1:5353"
	want.Network.Private, want.Limits.Body = true, 2<<20
	want.Retention.Events, want.Sweep.Due = Duration(36*time.Hour), Duration(2*time.Second)
	want.Workers, want.Log.Level = 3, "debug"
	if !reflect.DeepEqual(c, want) {
		t.Errorf("read\n%+v\nexpected\n%+v", c, want)
	}
	if s := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(s, "pw@") {
		t.Error("printing the configuration shows the database's password")
	}
}

// TestTakenOverWithinAMinute: the lease of a killed replica and the sweep that finds it ended fit into a minute.
func TestTakenOverWithinAMinute(t *testing.T) {
	t.Parallel()
	c, _, err := load(t, "")
	if err != nil {
		t.Fatal(err)
	}
	if longest := fulfill.LeaseFor + time.Duration(c.Sweep.Due); longest > 57*time.Second {
		t.Errorf("an order of a killed replica is taken up after %s", longest)
	}
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"empty": "", "comments": "# nothing\n", "empty sections": "database:\nlog:\n  level:\n"} {
		c, _, err := load(t, text, "XDG_DATA_HOME=/data")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		data := "/data/certwright"
		if os.Geteuid() == 0 {
			data = "/var/lib/certwright"
		}
		if string(c.Data) != data || string(c.Database.DSN) != "sqlite:"+data+"/certwright.db" || string(c.KEK.File) != data+"/kek" {
			t.Errorf("%s: data %s, database %s, key %s", name, c.Data, string(c.Database.DSN), c.KEK.File)
		}
		if c.Listen != "127.0.0.1:8443" || c.URL != "https://127.0.0.1:8443" || c.Node == "" {
			t.Errorf("%s: listen %s, url %s, node %q", name, c.Listen, c.URL, c.Node)
		}
	}
}

func TestEnvironmentOverrides(t *testing.T) {
	t.Parallel()
	c, dir, err := load(t, "log: {level: warn}\nlisten: \":1\"\nresolver: 1.1.1.1",
		"CERTWRIGHT_LOG_LEVEL=debug", "CERTWRIGHT_LISTEN=127.0.0.1:0", "CERTWRIGHT_RESOLVER=", "CERTWRIGHT_DATA=d",
		"CERTWRIGHT_KEK_PASSPHRASE_FILE=p", "CERTWRIGHT_NETWORK_LOOPBACK=true", "CERTWRIGHT_WORKERS=2", "CERTWRIGHT_SWEEP_DUE=1s",
		"CERTWRIGHT_WEBROOTS={shop: /srv/shop}", "CERTWRIGHT_CLOCK_OFFSET=960h", "CERTWRIGHT_TOKEN=cw_x", "OTHER=1")
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.Log.Level, c.Listen, c.Resolver, c.Data, c.KEK.PassphraseFile, c.Network.Loopback, c.Workers, c.Sweep.Due, c.Webroots["shop"]}
	want := []any{"debug", "127.0.0.1:0", "", Path(dir + "/d"), Path(dir + "/p"), true, 2, Duration(time.Second), Path("/srv/shop")}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %v, expected %v", got, want)
	}
}

// TestConfigErrors: each mistake, and what its message must say.
func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, env, want string }{
		"misspelt key":        {"data: x\n\nlissten: :1", "", "unknown key 'lissten' at line 3: did you mean 'listen'?"},
		"misspelt below":      {"log:\n  levl: info", "", "unknown key 'log.levl' at line 2: did you mean 'level'?"},
		"wrong case":          {"Listen: ':1'", "", "did you mean 'listen'?"},
		"in the wrong place":  {"passphrase-file: x", "", "did you mean 'kek.passphrase-file'?"},
		"nothing like it":     {"log: {zzzzzzzz: 1}", "", "known here are level, format"},
		"command's key":       {"commands: {r: {argv: [x], shell: yes}}", "", "unknown key 'commands.r.shell' at line 1: known here are argv, user, dir, env, timeout"},
		"twice":               {"node: a\nlisten: ':1'\nnode: b", "", "key 'node' at line 3 was given before, at line 1"},
		"not YAML":            {"listen: [", "", "this is not YAML"},
		"two documents":       {"node: a\n---\nnode: b", "", "second document"},
		"a list":              {"- a", "", "the file at line 1 must be a section"},
		"text for number":     {"workers: many", "", "'workers' at line 1 must be a whole number, not 'many'"},
		"text for bool":       {"network: {private: maybe}", "", "'network.private' at line 1 must be true or false, not 'maybe'"},
		"bad duration":        {"sweep:\n  due: soon", "", "'sweep.due' at line 2 must be a time span such as 90s, 36h or 15d, not 'soon'"},
		"negative duration":   {"sweep: {due: -1s}", "", "must be a time span"},
		"number for duration": {"sweep: {due: 5}", "", "must be a time span"},
		"bad size":            {"limits: {body: 1MB}", "", "'limits.body' at line 1 must be a size such as 512KiB or 1MiB, not '1MB'"},
		"value for section":   {"log: info", "", "'log' at line 1 must be a section with the keys level, format, not a single value"},
		"section for value":   {"node: {a: b}", "", "'node' at line 1 must be text, not a section"},
		"text for list":       {"commands: {r: {argv: nginx -s reload}}", "", "'commands.r.argv' at line 1 must be a list such as [a, b]"},
		"no port":             {"listen: localhost", "", "'listen' at line 1 is 'localhost': must be HOST:PORT"},
		"port too high":       {"listen: ':70000'", "", "must be HOST:PORT"},
		"same address":        {"listen: ':80'\nhttp01: {listen: ':80'}", "", "same address as 'listen'"},
		"plain URL":           {"url: http://x", "", "must be https://HOST"},
		"half a certificate":  {"tls: {key: x}", "", "'tls' at line 1 needs both 'certificate' and 'key'"},
		"unknown database":    {"database: {dsn: 'mysql://u:hunter2@h/d'}", "", "'database.dsn' at line 1 must start with sqlite: or postgres://"},
		"resolver by name":    {"resolver: dns.example", "", "must be the IP address of a DNS server"},
		"bad node":            {"node: a b", "", "without blanks"},
		"root of all":         {"roots: {all: /}", "", "'roots.all' at line 1 is the whole file system"},
		"root of keys":        {"data: /d\nroots: {k: /d/x}", "", "is the data directory or below it"},
		"root above keys":     {"data: /d/x\nwebroots: {k: /d}", "", "holds the data directory"},
		"empty root":          {"roots: {k: }", "", "'roots.k' is empty"},
		"bad root name":       {"roots: {'a b': /x}", "", "is no name"},
		"percent in name":     {"roots: {'a%d': /x}", "", "'roots.a%d'"},
		"no argv":             {"commands: {r: {user: x}}", "", "'commands.r' at line 1 has no 'argv'"},
		"shell line":          {"commands: {r: {argv: ['nginx -s reload']}}", "", "there is no shell"},
		"relative program":    {"commands: {r: {argv: [./x]}}", "", "must be an absolute path"},
		"long timeout":        {"commands: {r: {argv: [x], timeout: 1h}}", "", "at most 10m"},
		"bad variable":        {"commands: {r: {argv: [x], env: {'a=b': c}}}", "", "which no environment variable can have"},
		"two keys":            {"kek: {file: a, env: B}", "", "has more than one of"},
		"older without one":   {"kek: {older: [{}]}", "", "'kek.older[0]' at line 1 needs exactly one"},
		"CAA no domain":       {"authority: {caa: 'a b'}", "", "must be a domain name"},
		"CAA with dash":       {"authority: {caa: '-a.test'}", "", "must be a domain name"},
		"default above max":   {"authority: {validity: {max: 1h}}", "", "shorter than the default of 90d"},
		"no validity":         {"authority: {validity: {default: 0s}}", "", "at least 1m"},
		"list behind TLS":     {"authority: {crl-url: 'https://x/'}", "", "must be http://HOST/PATH"},
		"port 0":              {"authority: {http-port: 0}", "", "must be 1 to 65535"},
		"no organization":     {"authority: {organization: ''}", "", "1 to 64 characters"},
		"no workers":          {"workers: 0", "", "must be 1 to 1000"},
		"tiny body":           {"limits: {body: 1KiB}", "", "at least 64KiB"},
		"rare sweep":          {"sweep: {due: 1h}", "", "100ms to 30s"},
		"short keeping":       {"retention: {secrets: 1d}", "", "7d to 90d"},
		"unknown kind":        {"notify: {a: {kind: hook}}", "", "'notify.a.kind' at line 1 is 'hook', which is none of"},
		"webhook unsigned":    {"notify: {a: {kind: webhook, url: 'https://x/'}}", "", "'notify.a' at line 1 has no 'secret-file'"},
		"nowhere":             {"notify: {a: {kind: slack}}", "", "needs one of 'url' and 'url-file'"},
		"no scheme":           {"notify: {a: {kind: json, url: 'ftp://hunter2/'}}", "", "'notify.a.url' at line 1 must be https://"},
		"mail to nobody":      {"notify: {a: {kind: smtp, server: m.test, from: a@b.test}}", "", "'notify.a' at line 1 has no 'to'"},
		"no address":          {"notify: {a: {kind: smtp, server: m.test, from: a@b.test, to: [me]}}", "", "is no mail address"},
		"password in clear":   {"notify: {a: {kind: smtp, server: m.test, tls: none, user: u, password-file: p, from: a@b.test, to: [a@b.test]}}", "", "a password is sent only behind TLS"},
		"mail with a URL":     {"notify: {a: {kind: smtp, url: 'https://x/', server: m.test, from: a@b.test, to: [a@b.test]}}", "", "'notify.a.url' at line 1 means nothing to kind smtp"},
		"unknown severity":    {"notify: {a: {kind: json, url: 'https://x/', severity: info}}", "", "none of warning, critical"},
		"metrics address":     {"metrics: {listen: here}", "", "'metrics.listen' at line 1 is 'here': must be HOST:PORT"},
		"rare examination":    {"watch: {every: 60d}", "", "must be 10m to 30d"},
		"log level":           {"log: {level: warning}", "", "none of debug, info, warn, error: did you mean 'warn'?"},
		"log format":          {"log: {format: xml}", "", "none of text, json"},
		"variable misspelt":   {"", "CERTWRIGHT_LOG_LEVELL=info", "unknown environment variable CERTWRIGHT_LOG_LEVELL: did you mean CERTWRIGHT_LOG_LEVEL?"},
		"variable's form":     {"", "CERTWRIGHT_WORKERS=many", "'workers' at environment variable CERTWRIGHT_WORKERS must be a whole number, not 'many'"},
		"variable's table":    {"", "CERTWRIGHT_ROOTS=x", "'roots' at environment variable CERTWRIGHT_ROOTS must be a section"},
		"variable's value":    {"", "CERTWRIGHT_LOG_LEVEL=loud", "'log.level' at environment variable CERTWRIGHT_LOG_LEVEL is 'loud'"},
	} {
		var env []string
		if tc.env != "" {
			env = append(env, tc.env)
		}
		_, _, err := load(t, tc.text, env...)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "certwright.yaml: ") {
			t.Errorf("%s: %q does not say %q", name, err, tc.want)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %q shows a password", name, err)
		}
	}
}

// TestEveryMistakeIsNamed: mistakes of form and of value in one run, each once, and none that only follows from another.
func TestEveryMistakeIsNamed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"lissten: x\nworkers: many\nlog: {level: 3, fromat: json}": {"'lissten'", "'workers'", "'log.fromat'", "'log.level'"},
		"lissten: x\nworkers: 0\nlimits: {names: 5000}":            {"'lissten'", "'workers'", "'limits.names'"},
		"workers: 2\nworkers: 5000\nresolver: here":                {"'workers' at line 2 was given before", "'resolver'"},
		"commands: {a: {agrv: [x]}, b: {timeout: 5s}}":             {"'commands.a.agrv'", "'commands.b'"},
		"kek: {older: [{file: [x]}, {}]}\nroots: {x: [y], z: ''}":  {"'kek.older[0].file'", "'kek.older[1]'", "'roots.x'", "'roots.z'"},
		"authority: {validity: {defualt: 1d, max: 5d}, caa: '-'}":  {"'authority.validity.defualt'", "'authority.caa'"},
		"[]": {"the file"},
	} {
		_, _, err := load(t, text)
		if err == nil || len(strings.Split(err.Error(), "\n")) != len(want) {
			t.Errorf("%q: want one line each for %q: %v", text, want, err)
			continue
		}
		for _, key := range want {
			if !strings.Contains(err.Error(), key) {
				t.Errorf("%q: %s is not named: %v", text, key, err)
			}
		}
	}
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	_, err := LoadConfig(filepath.Join(t.TempDir(), "none.yaml"), nil)
	if err == nil || !strings.Contains(err.Error(), "does not exist") || !strings.Contains(err.Error(), "--print-config") {
		t.Errorf("%v: expected what is missing and how to make one", err)
	}
}

// TestExampleIsTheDefault: the printed file is what an empty one means, names every key, and explains it.
func TestExampleIsTheDefault(t *testing.T) {
	t.Parallel()
	text := ExampleConfig()
	c := DefaultConfig()
	l := &loader{lines: map[string]string{}}
	l.file([]byte(text), &c)
	if len(l.errs) > 0 {
		t.Fatal(l.errs)
	}
	want := DefaultConfig()
	want.Notify = map[string]Notify{}
	want.Webroots, want.Roots, want.Commands, want.KEK.Older = map[string]Path{}, map[string]Path{}, map[string]Command{}, []KEKSource{}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("the example reads as\n%+v\nexpected\n%+v", c, want)
	}
	for _, leaf := range leaves(reflect.TypeFor[Config](), "") {
		if l.lines[leaf] == "" {
			t.Errorf("the example does not name %s", leaf)
		}
	}
	for i, line := range strings.Split(text, "\n") {
		if len(line) > 180 || strings.TrimRight(line, " ") != line {
			t.Errorf("line %d is badly laid out: %q", i+1, line)
		}
	}
}

// TestEveryKeyIsExplained, and the examples of tables are themselves good.
func TestEveryKeyIsExplained(t *testing.T) {
	t.Parallel()
	var walk func(reflect.Type, string)
	walk = func(typ reflect.Type, path string) {
		for _, f := range reflect.VisibleFields(typ) {
			p := join(path, f.Tag.Get("yaml"))
			if f.Tag.Get("yaml") == "" || !strings.HasSuffix(f.Tag.Get("help"), ".") {
				t.Errorf("%s.%s has no key, or no help that is a sentence", typ.Name(), f.Name)
			}
			if f.Type.Kind() == reflect.Struct {
				walk(f.Type, p)
			}
			if ex := f.Tag.Get("example"); ex != "" {
				if _, _, err := load(t, f.Tag.Get("yaml")+":\n  "+ex); err != nil {
					t.Errorf("the example of %s: %v", p, err)
				}
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
}

func TestDurationAndSizeRoundTrip(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"90s": 90 * time.Second, "36h": 36 * time.Hour, "15d": 360 * time.Hour, "1h30m": 90 * time.Minute, "0.5d": 12 * time.Hour, "250ms": 250 * time.Millisecond} {
		var d, again Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%s: %s, %v", text, d, err)
		}
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d {
			t.Errorf("%s is written as %s, which reads as %s", text, d, again)
		}
	}
	for text, want := range map[string]Size{"4096": 4096, "512KiB": 512 << 10, "1 MiB": 1 << 20, "2GiB": 2 << 30, "7B": 7, "0": 0} {
		var s, again Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: %s, %v", text, s, err)
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%s is written as %s, which reads as %s", text, s, again)
		}
	}
}

func TestPassphrase(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pass")
	if err := os.WriteFile(file, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := Passphrase(Path(file), "", nil); err != nil || string(p.Reveal()) != "correct horse" {
		t.Errorf("from a file: %q, %v", p.Reveal(), err)
	}
	if p, err := Passphrase("", "K", []string{"K=old", "K=new"}); err != nil || string(p.Reveal()) != "new" {
		t.Errorf("from a variable: %q, %v", p.Reveal(), err)
	}
	if _, err := Passphrase("", "K", nil); err == nil || !strings.Contains(err.Error(), "K") {
		t.Errorf("variable not set: %v", err)
	}
	if p, err := Passphrase("", "", nil); err != nil || p != nil {
		t.Errorf("neither: %v, %v", p, err)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("log: {level: info}")
	f.Add(ExampleConfig())
	f.Fuzz(func(t *testing.T, text string) {
		c := DefaultConfig()
		l := &loader{lines: map[string]string{}}
		l.file([]byte(text), &c)
		var any yaml.Node
		if len(l.errs) == 0 && yaml.Unmarshal([]byte(text), &any) != nil {
			t.Error("accepted what is not YAML")
		}
		l.check(&c)
	})
}
