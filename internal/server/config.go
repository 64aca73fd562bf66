package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"certwright/internal/secret"
)

// Config is the whole configuration: one YAML file, every key of which an environment variable may override
// (CERTWRIGHT_LOG_LEVEL is log.level). The help tags are the file's comments: ExampleConfig prints them.
type Config struct {
	Data      Path               `yaml:"data" help:"Directory of all that Certwright keeps: database, keys, own certificate. Empty = /var/lib/certwright for root, else certwright in the user's data directory (~/.local/share). Made at the first start, readable by its owner alone."`
	Node      string             `yaml:"node" help:"Name of this process among its replicas; two that run at once must not share it. Empty = the host's name."`
	Listen    string             `yaml:"listen" help:"Address of API, pages and vault (HTTPS)."`
	URL       string             `yaml:"url" help:"How others reach it, such as https://certs.example.test. Empty = https:// and the address above."`
	Database  Database           `yaml:"database" help:"Where orders and secrets are kept."`
	TLS       TLS                `yaml:"tls" help:"The server's own certificate. Both empty = one of the built-in authority, renewed by itself."`
	HTTP01    HTTP01             `yaml:"http01" help:"Own listener for proofs over HTTP (http-01, HTML page)."`
	Webroots  map[string]Path    `yaml:"webroots" help:"Directories in which web servers serve /.well-known/, by the name that sites use." example:"shop: /var/www/shop"`
	Roots     map[string]Path    `yaml:"roots" help:"Directories below which certificate files may be written, by the name that targets use. Nothing is written elsewhere." example:"nginx: /etc/nginx/tls"`
	Commands  map[string]Command `yaml:"commands" help:"Reload commands, by the name that targets use. They run without a shell, in a clean environment. No other command is ever run." example:"reload-nginx: {argv: [/usr/sbin/nginx, -s, reload], user: '', dir: /, env: {}, timeout: 30s}"`
	Vault     VaultNames         `yaml:"vault" help:"Names of the vaults, for clients of Key Vault."`
	KEK       KEK                `yaml:"kek" help:"The key-encryption key, which opens everything secret in the database. At most one of the first three; none = a file named kek in the data directory, made at the first start. Keep a copy of it elsewhere: without it every key is lost."`
	Authority Authority          `yaml:"authority" help:"The built-in authority."`
	ACME      ACME               `yaml:"acme" help:"How ACME authorities are asked."`
	Resolver  string             `yaml:"resolver" help:"DNS server to ask, ADDRESS or ADDRESS:PORT. Empty = the system's."`
	RootHints Path               `yaml:"root-hints" help:"Zone file that names the root name servers at which a diagnosis begins to ask. Empty = the public ones."`
	Anchor    Path               `yaml:"trust-anchor" help:"File of DS records against which a diagnosis holds DNSSEC. Empty = the public root zone's."`
	Network   Network            `yaml:"network" help:"Addresses that users or other servers name are dialled only when they are public ones, or allowed here. Link-local and metadata addresses never are."`
	Limits    Limits             `yaml:"limits" help:"What is refused as too much."`
	Retention Retention          `yaml:"retention" help:"How long what is over is kept."`
	Watch     Watch              `yaml:"watch" help:"How orders are watched: each is examined as diagnose does it, after failures and from time to time."`
	Notify    map[string]Notify  `yaml:"notify" help:"Who is told when an order is not well, and when it is well again, by the name that 'certwright notify test' uses. docs/monitoring.md has an example of each kind." example:"ops: {kind: webhook, url: 'https://alerts.example.test/in', secret-file: ops.secret, severity: warning}"`
	Metrics   Metrics            `yaml:"metrics" help:"Figures for Prometheus. At the address above, /metrics answers whoever may read orders."`
	Sweep     Sweep              `yaml:"sweep" help:"How often to look for what has come due."`
	Workers   int                `yaml:"workers" help:"Orders that are worked on at a time."`
	Log       Log                `yaml:"log" help:"The log, on standard error."`
}

// Database says where the state is.
type Database struct {
	DSN Hidden `yaml:"dsn" help:"sqlite:PATH, or postgres://USER@HOST/NAME for several replicas. Empty = sqlite:certwright.db in the data directory."`
}

// TLS is the server's own certificate.
type TLS struct {
	Certificate Path `yaml:"certificate" help:"PEM file: certificate and intermediates. Read again when it changes."`
	Key         Path `yaml:"key" help:"PEM file: its private key."`
}

// HTTP01 is the own listener for proofs.
type HTTP01 struct {
	Listen string `yaml:"listen" help:"Its address, such as :80 or [::]:80. Empty = none: proofs are put into webroots."`
}

// Command is a reload command.
type Command struct {
	Argv    []string          `yaml:"argv" help:"Program and arguments. The program is an absolute path, or a name found in PATH."`
	User    string            `yaml:"user" help:"Runs as this user; needs a server that runs as root. Empty = as the server."`
	Dir     Path              `yaml:"dir" help:"Working directory. Empty = /."`
	Env     map[string]string `yaml:"env" help:"Its environment, besides PATH and LANG."`
	Timeout Duration          `yaml:"timeout" help:"It is killed after this. Empty = 30s."`
}

// VaultNames says by which host names vaults are reached.
type VaultNames struct {
	Suffix string `yaml:"suffix" help:"A vault is reached as https://VAULT.SUFFIX, at the port of 'listen': *.SUFFIX must lead here. Empty = vault. and the host of 'url' where that is a name, else vault.localhost."`
}

// KEK is where the key-encryption key comes from.
type KEK struct {
	File           Path        `yaml:"file" help:"File of 32 random bytes."`
	PassphraseFile Path        `yaml:"passphrase-file" help:"File with a passphrase of 12 characters or more."`
	Env            string      `yaml:"env" help:"Name of an environment variable with a passphrase."`
	Older          []KEKSource `yaml:"older" help:"Keys that were in use before, to open what they sealed until all is sealed anew: a list of {file: ...}, {passphrase-file: ...} or {env: ...}."`
}

// KEKSource is one older key.
type KEKSource struct {
	File           Path   `yaml:"file"`
	PassphraseFile Path   `yaml:"passphrase-file"`
	Env            string `yaml:"env"`
}

// Authority is the built-in authority.
type Authority struct {
	Organization string   `yaml:"organization" help:"Named in its root and issuing certificates. It counts at the first start only."`
	CAA          string   `yaml:"caa" help:"The domain that stands for it in CAA records."`
	Validity     Validity `yaml:"validity" help:"How long its certificates hold."`
	HTTPPort     int      `yaml:"http-port" help:"Port at which it looks for HTML pages that prove control of a name."`
	CRLURL       string   `yaml:"crl-url" help:"URL below which others fetch its revocation lists; it is written into certificates. Empty = none is."`
}

// ACME is how ACME authorities are asked.
type ACME struct {
	Poll Duration `yaml:"poll" help:"First wait between two looks at something pending; it grows. An authority's Retry-After counts for more."`
}

// Validity is how long certificates hold.
type Validity struct {
	Default Duration `yaml:"default" help:"Unless the order says otherwise."`
	Max     Duration `yaml:"max" help:"The longest that an order may ask for."`
}

// Network says which addresses may be dialled.
type Network struct {
	Private  bool `yaml:"private" help:"Private addresses: RFC 1918, RFC 4193, RFC 6598."`
	Loopback bool `yaml:"loopback" help:"This machine: 127.0.0.0/8 and ::1."`
}

// Limits are what is refused as too much.
type Limits struct {
	Body  Size `yaml:"body" help:"Size of a request."`
	Names int  `yaml:"names" help:"Names in one order."`

	Requests int `yaml:"requests" help:"Requests of one token in a minute, to the API and the vaults. Beyond them it is told to wait. 0 = as many as it likes."`
}

// Retention is how long what is over is kept.
type Retention struct {
	Events  Duration `yaml:"events" help:"Events of the timeline; what remains still proves that nothing was changed."`
	Secrets Duration `yaml:"secrets" help:"Deleted secrets, until they are purged."`
}

// Watch is how orders are watched.
type Watch struct {
	Every  Duration `yaml:"every" help:"An order that is well is examined this often; one that is not, every minute at first and every half hour later."`
	Hold   Duration `yaml:"hold" help:"A change is told once two examinations saw it, or once it has held for this long. 0s = at the first."`
	AtOnce int      `yaml:"at-once" help:"Examinations at a time."`
}

// Notify is somebody to be told.
type Notify struct {
	Kind          string   `yaml:"kind" help:"webhook (signed), json, slack, teams or smtp."`
	URL           Hidden   `yaml:"url" help:"Where to post to."`
	URLFile       Path     `yaml:"url-file" help:"File that holds the URL, where it is itself a secret."`
	SecretFile    Path     `yaml:"secret-file" help:"File with the secret that a webhook is signed with: whsec_ and base64 of 24 to 64 bytes."`
	CAFile        Path     `yaml:"ca-file" help:"PEM file of the roots that are trusted there. Empty = the system's."`
	Server        string   `yaml:"server" help:"Mail server, HOST or HOST:PORT."`
	TLS           string   `yaml:"tls" help:"For mail: starttls (default), implicit or none."`
	User          string   `yaml:"user" help:"Name at the mail server. Empty = without."`
	PasswordFile  Path     `yaml:"password-file" help:"File with its password."`
	From          string   `yaml:"from" help:"Sender of the mail."`
	To            []string `yaml:"to" help:"Its receivers."`
	Severity      string   `yaml:"severity" help:"Told from this severity on: warning (default) or critical."`
	Groups        []string `yaml:"groups" help:"Resource groups whose orders are told of. Empty = all."`
	Subscriptions []string `yaml:"subscriptions" help:"Subscriptions whose orders are told of. Empty = all."`
}

// Metrics are the figures for Prometheus.
type Metrics struct {
	Listen string `yaml:"listen" help:"An address of their own, such as 127.0.0.1:9465: plain HTTP, open to whoever reaches it. Empty = none."`
}

// Sweep is how often to look.
type Sweep struct {
	Due         Duration `yaml:"due" help:"For due orders: the longest that one waits for its turn."`
	Projections Duration `yaml:"projections" help:"For orders whose status changes by time alone."`
	Prune       Duration `yaml:"prune" help:"For what is past its retention."`
}

// Log is the log.
type Log struct {
	Level  string `yaml:"level" help:"debug, info, warn or error."`
	Format string `yaml:"format" help:"text or json."`
}

// DefaultConfig is the configuration of an empty file, before paths and names that depend on the machine.
func DefaultConfig() Config {
	day := Duration(24 * time.Hour)
	return Config{
		Listen: "127.0.0.1:8443",
		Authority: Authority{
			Organization: "Certwright", CAA: "certwright.internal",
			Validity: Validity{Default: 90 * day, Max: 398 * day}, HTTPPort: 80,
		},
		ACME:      ACME{Poll: Duration(50 * time.Millisecond)},
		Limits:    Limits{Body: 1 << 20, Names: 100, Requests: 60000},
		Watch:     Watch{Every: day, Hold: Duration(10 * time.Minute), AtOnce: 2},
		Retention: Retention{Events: 400 * day, Secrets: 90 * day},
		Sweep:     Sweep{Due: Duration(5 * time.Second), Projections: Duration(time.Minute), Prune: Duration(time.Hour)},
		Workers:   16,
		Log:       Log{Level: "info", Format: "text"},
	}
}

// LoadConfig reads the file (path empty = none) and the CERTWRIGHT_ variables of env, as os.Environ gives
// them, checks everything, and fills in what depends on the machine. It creates nothing. Its error names
// every mistake, one a line, with the line in the file. Relative paths, in variables too, are relative to
// the file's directory, without a file to the working directory.
func LoadConfig(path string, env []string) (Config, error) {
	c := DefaultConfig()
	name, base := "configuration", "."
	l := &loader{lines: map[string]string{}}
	if path != "" {
		name, base = path, filepath.Dir(path)
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return c, fmt.Errorf("configuration file %s does not exist: certwright serve --print-config > %s makes one", path, path)
		}
		if err != nil {
			return c, fmt.Errorf("read the configuration: %w", err)
		}
		l.file(text, &c)
	}
	l.environment(env, &c)
	if err := c.complete(base, env); err == nil {
		l.check(&c)
	} else if len(l.errs) == 0 { // else it may follow from a mistake above
		l.errs = append(l.errs, err)
	}
	if len(l.errs) > 0 {
		return c, fmt.Errorf("%s: %w", name, errors.Join(l.errs...))
	}
	return c, nil
}

// complete fills in what depends on the machine, and makes paths absolute.
func (c *Config) complete(base string, env []string) error {
	base, err := filepath.Abs(base)
	if err != nil {
		return fmt.Errorf("find the working directory: %w", err)
	}
	if c.Data == "" {
		dir, err := dataDir(env)
		if err != nil {
			return err
		}
		c.Data = Path(dir)
	}
	c.absolute(base)
	if c.Node == "" {
		if c.Node, err = os.Hostname(); err != nil {
			return fmt.Errorf("'node' is empty and the host's name cannot be read: %w", err)
		}
	}
	if c.Database.DSN == "" {
		c.Database.DSN = Hidden("sqlite:" + filepath.Join(string(c.Data), "certwright.db"))
	} else if file, ok := strings.CutPrefix(string(c.Database.DSN), "sqlite:"); ok {
		c.Database.DSN = Hidden("sqlite:" + string(Path(file).under(base)))
	}
	if k := &c.KEK; k.File == "" && k.PassphraseFile == "" && k.Env == "" {
		k.File = c.Data.Join("kek")
	}
	if c.URL == "" {
		c.URL = "https://" + c.reachable()
	}
	if c.Vault.Suffix == "" {
		c.Vault.Suffix = vaultSuffix(c.URL)
	}
	return nil
}

// vaultSuffix is what the names of vaults end with: below the server's own name, where it has one.
func vaultSuffix(server string) string {
	u, err := url.Parse(server)
	if err != nil || !domain(u.Hostname()) || net.ParseIP(u.Hostname()) != nil {
		return "vault.localhost"
	}
	return "vault." + strings.ToLower(u.Hostname())
}

// absolute makes every path absolute.
func (c *Config) absolute(base string) {
	for _, p := range []*Path{&c.Data, &c.RootHints, &c.Anchor, &c.TLS.Certificate, &c.TLS.Key, &c.KEK.File, &c.KEK.PassphraseFile} {
		*p = p.under(base)
	}
	for i := range c.KEK.Older {
		o := &c.KEK.Older[i]
		o.File, o.PassphraseFile = o.File.under(base), o.PassphraseFile.under(base)
	}
	for _, dirs := range []map[string]Path{c.Webroots, c.Roots} {
		for name, dir := range dirs {
			dirs[name] = dir.under(base)
		}
	}
	for name, n := range c.Notify {
		for _, p := range []*Path{&n.URLFile, &n.SecretFile, &n.CAFile, &n.PasswordFile} {
			*p = p.under(base)
		}
		c.Notify[name] = n
	}
	for name, cmd := range c.Commands {
		cmd.Dir = cmd.Dir.under(base)
		if cmd.Timeout == 0 {
			cmd.Timeout = Duration(30 * time.Second)
		}
		c.Commands[name] = cmd
	}
}

// reachable is the listen address as a client may dial it: the host's name where it listens on all.
func (c *Config) reachable() string {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return c.Listen // check refuses it
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = c.Node
	}
	return net.JoinHostPort(host, port)
}

// dataDir is where an ordinary user's or the system's data belongs (XDG Base Directory, FHS section 5.8).
func dataDir(env []string) (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/certwright", nil
	}
	if d := lookup(env, "XDG_DATA_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "certwright"), nil
	}
	home := lookup(env, "HOME")
	if home == "" {
		return "", errors.New("'data' is empty, and there is no HOME to put a data directory in: set 'data'")
	}
	return filepath.Join(home, ".local", "share", "certwright"), nil
}

// Passphrase is the passphrase that a KEK source names, nil where it names a file of random bytes. file and
// variable are PassphraseFile and Env of KEK or of one of Older.
func Passphrase(file Path, variable string, env []string) (secret.Bytes, error) {
	switch {
	case file != "":
		text, err := os.ReadFile(string(file))
		if err != nil {
			return nil, fmt.Errorf("read the passphrase of the key-encryption key: %w", err)
		}
		return secret.Bytes(strings.TrimRight(string(text), "\r\n")), nil
	case variable != "":
		v := lookup(env, variable)
		if v == "" {
			return nil, fmt.Errorf("the passphrase of the key-encryption key should be in the environment variable %s, which is not set", variable)
		}
		return secret.Bytes(v), nil
	}
	return nil, nil
}
