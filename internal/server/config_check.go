package server

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"certwright/internal/order"
)

// wrongIf refuses the value of a key, saying where it was given. What a mistake of form spoilt is not refused again.
func (l *loader) wrongIf(bad bool, key, format string, args ...any) {
	if !bad || l.spoilt(key) {
		return
	}
	where := ""
	if line := l.lines[key]; line != "" {
		where = " at " + line
	}
	l.fail("'%s'%s %s", key, where, fmt.Sprintf(format, args...))
}

// check refuses values that have the right form and cannot work.
func (l *loader) check(c *Config) {
	l.checkServer(c)
	l.checkFiles(c)
	l.checkCommands(c.Commands)
	l.checkKEK(c.KEK)
	l.checkAuthority(c.Authority)
	l.checkNumbers(c)
	l.checkWatch(c)
	l.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	l.oneOf("log.format", c.Log.Format, "text", "json")
}

func (l *loader) checkServer(c *Config) {
	l.wrongIf(!address(c.Listen), "listen", "is '%s': must be HOST:PORT, such as 127.0.0.1:8443 or :8443", c.Listen)
	l.wrongIf(c.HTTP01.Listen != "" && !address(c.HTTP01.Listen), "http01.listen", "is '%s': must be HOST:PORT, such as :80", c.HTTP01.Listen)
	l.wrongIf(c.HTTP01.Listen != "" && c.HTTP01.Listen == c.Listen && !strings.HasSuffix(c.Listen, ":0"),
		"http01.listen", "is the same address as 'listen': proofs are asked for without TLS, on a port of their own")
	u, err := url.Parse(c.URL)
	l.wrongIf(err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "",
		"url", "is '%s': must be https://HOST or https://HOST:PORT, without a path", c.URL)
	l.wrongIf(!domain(c.Vault.Suffix) || c.Vault.Suffix != strings.ToLower(c.Vault.Suffix), "vault.suffix", "is '%s': must be a domain name in lower case, such as vault.example.test", c.Vault.Suffix)
	l.wrongIf((c.TLS.Certificate == "") != (c.TLS.Key == ""), "tls", "needs both 'certificate' and 'key', or neither")
	l.wrongIf(strings.ContainsAny(c.Node, " \t\r\n/") || len(c.Node) > 128, "node", "is '%s': must be at most 128 characters without blanks and '/'", c.Node)
	scheme, _, _ := strings.Cut(string(c.Database.DSN), ":")
	// The DSN itself is not shown: it may hold a password.
	l.wrongIf(!slices.Contains([]string{"sqlite", "postgres", "postgresql"}, scheme), "database.dsn", "must start with sqlite: or postgres://")
	l.wrongIf(c.Resolver != "" && !resolver(c.Resolver), "resolver", "is '%s': must be the IP address of a DNS server, with or without :PORT", c.Resolver)
}

// checkFiles checks webroots and roots. Whether the directories are there is seen when they are used.
func (l *loader) checkFiles(c *Config) {
	for section, dirs := range map[string]map[string]Path{"webroots": c.Webroots, "roots": c.Roots} {
		for _, name := range slices.Sorted(maps.Keys(dirs)) {
			key := section + "." + name
			if err := order.ValidName(name); err != nil {
				l.wrongIf(true, key, "is no name: %v", err)
			}
			l.wrongIf(dirs[name] == "", key, "is empty: it must be a directory")
			l.wrongIf(dirs[name] == "/", key, "is the whole file system: name a directory below it")
			l.wrongIf(dirs[name] == c.Data || within(string(c.Data), string(dirs[name])), key, "is the data directory or below it, where keys are kept: name another")
			l.wrongIf(within(string(dirs[name]), string(c.Data)), key, "holds the data directory, where keys are kept: name another")
		}
	}
}

// within says whether path lies below dir.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != "." && rel != ".." && !strings.HasPrefix(rel, "../")
}

func (l *loader) checkCommands(commands map[string]Command) {
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		key, c := "commands."+name, commands[name]
		if err := order.ValidName(name); err != nil {
			l.wrongIf(true, key, "is no name: %v", err)
		}
		if len(c.Argv) == 0 || c.Argv[0] == "" {
			l.wrongIf(true, key, "has no 'argv': the program and its arguments, such as [/usr/sbin/nginx, -s, reload]")
			continue
		}
		program := c.Argv[0]
		l.wrongIf(strings.Contains(program, "/") && !filepath.IsAbs(program), key+".argv", "begins with '%s': the program must be an absolute path, or a name found in PATH", program)
		l.wrongIf(len(c.Argv) == 1 && strings.ContainsAny(program, " |&;<>$"), key+".argv", "is '%s': there is no shell; write each argument as an item of the list", program)
		l.wrongIf(c.Timeout > Duration(10*time.Minute), key+".timeout", "is %s: at most 10m", c.Timeout)
		for _, v := range slices.Sorted(maps.Keys(c.Env)) {
			l.wrongIf(v == "" || strings.ContainsAny(v, "= \x00"), key+".env", "has the name '%s', which no environment variable can have", v)
		}
	}
}

func (l *loader) checkKEK(k KEK) {
	l.wrongIf(given(k.File, k.PassphraseFile, Path(k.Env)) > 1, "kek", "has more than one of 'file', 'passphrase-file' and 'env': one key opens the database; former ones belong below 'older'")
	for i, o := range k.Older {
		l.wrongIf(given(o.File, o.PassphraseFile, Path(o.Env)) != 1, "kek.older["+strconv.Itoa(i)+"]", "needs exactly one of 'file', 'passphrase-file' and 'env'")
	}
}

func given(values ...Path) (n int) {
	for _, v := range values {
		if v != "" {
			n++
		}
	}
	return n
}

func (l *loader) checkAuthority(a Authority) {
	l.wrongIf(a.Organization == "" || len(a.Organization) > 64, "authority.organization", "must be 1 to 64 characters long (RFC 5280, ub-organization-name)")
	l.wrongIf(!domain(a.CAA), "authority.caa", "is '%s': must be a domain name such as ca.example.test", a.CAA)
	l.wrongIf(a.Validity.Default < Duration(time.Minute), "authority.validity.default", "is %s: at least 1m", a.Validity.Default)
	l.wrongIf(a.Validity.Max < a.Validity.Default && !l.spoilt("authority.validity"), "authority.validity.max", "is %s, shorter than the default of %s", a.Validity.Max, a.Validity.Default)
	l.wrongIf(a.HTTPPort < 1 || a.HTTPPort > 65535, "authority.http-port", "is %d: must be 1 to 65535", a.HTTPPort)
	if a.CRLURL != "" {
		u, err := url.Parse(a.CRLURL)
		// RFC 5280 section 8: a list behind TLS may need the very list to be checked.
		l.wrongIf(err != nil || u.Scheme != "http" || u.Host == "", "authority.crl-url", "is '%s': must be http://HOST/PATH (not https: fetching it must not need a certificate)", a.CRLURL)
	}
}

func (l *loader) checkNumbers(c *Config) {
	l.wrongIf(c.Workers < 1 || c.Workers > 1000, "workers", "is %d: must be 1 to 1000", c.Workers)
	l.wrongIf(c.Limits.Body < 64<<10, "limits.body", "is %s: at least 64KiB, an import of a certificate needs that", c.Limits.Body)
	l.wrongIf(c.Limits.Requests < 0, "limits.requests", "is %d: must be 0 or more", c.Limits.Requests)
	l.wrongIf(c.Limits.Names < 1 || c.Limits.Names > 1000, "limits.names", "is %d: must be 1 to 1000", c.Limits.Names)
	l.wrongIf(c.Sweep.Due < Duration(100*time.Millisecond) || c.Sweep.Due > Duration(30*time.Second), "sweep.due", "is %s: must be 100ms to 30s, so that what a dead process left is taken up within a minute or so", c.Sweep.Due)
	l.wrongIf(c.Sweep.Projections < Duration(time.Second), "sweep.projections", "is %s: at least 1s", c.Sweep.Projections)
	l.wrongIf(c.Sweep.Prune < Duration(time.Minute), "sweep.prune", "is %s: at least 1m", c.Sweep.Prune)
	day := Duration(24 * time.Hour)
	l.wrongIf(c.Retention.Events < day, "retention.events", "is %s: at least 1d", c.Retention.Events)
	l.wrongIf(c.Retention.Secrets < 7*day || c.Retention.Secrets > 90*day, "retention.secrets", "is %s: must be 7d to 90d, as in Key Vault", c.Retention.Secrets)
}

func (l *loader) oneOf(key, value string, known ...string) {
	if slices.Contains(known, value) {
		return
	}
	hint := ""
	if near := nearest(value, known); near != "" {
		hint = ": did you mean '" + near + "'?"
	}
	l.wrongIf(true, key, "is '%s', which is none of %s%s", value, strings.Join(known, ", "), hint)
}

// address says whether s is HOST:PORT to listen on; port 0 lets the system choose.
func address(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsAny(host, " /") {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// resolver says whether s is IP or IP:PORT.
func resolver(s string) bool {
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return true
	}
	_, err := netip.ParseAddrPort(s)
	return err == nil
}

// domain says whether s is a domain name of letters, digits and '-' (RFC 1123 section 2.1).
func domain(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for _, label := range strings.Split(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "-") != label {
			return false
		}
		if strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}
