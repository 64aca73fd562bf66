package probe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"certwright/internal/evidence"
)

// haproxyConf is what of a HAProxy configuration concerns certificates.
type haproxyConf struct {
	view    view
	dir     string // its working directory
	files   []string
	changed time.Time
	crtBase string
	keyBase string
	sockets []string // stats sockets
	binds   []haproxyBind
	env     map[string]string
	err     string
}

// haproxyBind is one bind line that speaks TLS.
type haproxyBind struct {
	addrs []listen
	crts  []string
	lists []string
	from  string
	ssl   bool
}

// haproxyArgs are the configuration files, the working directory and the arguments that test the same configuration.
func haproxyArgs(m master) (files []string, dir string, args []string) {
	dir = m.view().cwd
	a := m.argv
	for i := 1; i < len(a); i++ {
		switch {
		case a[i] == "-f" && i+1 < len(a):
			files = append(files, a[i+1])
			args = append(args, "-f", a[i+1])
			i++
		case a[i] == "-C" && i+1 < len(a):
			dir = a[i+1]
			args = append(args, "-C", a[i+1])
			i++
		case a[i] == "--":
			for _, f := range a[i+1:] {
				files = append(files, f)
				args = append(args, "-f", f)
			}
			i = len(a)
		}
	}
	return files, dir, append([]string{"-c"}, args...)
}

// readHAProxy reads configuration files, or the *.cfg of directories, in order. env are the variables that
// they may name.
func readHAProxy(v view, files []string, dir string, env map[string]string) *haproxyConf {
	c := &haproxyConf{view: v, dir: dir, env: env}
	for _, f := range files {
		if !filepath.IsAbs(f) {
			f = filepath.Join(dir, f)
		}
		if !v.isDir(f) {
			c.file(f)
			continue
		}
		for _, n := range v.list(f) {
			if strings.HasSuffix(n, ".cfg") && !strings.HasPrefix(n, ".") {
				c.file(filepath.Join(f, n))
			}
		}
	}
	for i := range c.binds { // bases may stand after a bind line
		c.binds[i].resolve(c, dir)
	}
	return c
}

func (c *haproxyConf) file(name string) {
	b, err := c.view.read(name)
	if err != nil {
		c.err = err.Error()
		return
	}
	c.files = append(c.files, name)
	if t := inspectTimes(c.view, name); t.After(c.changed) {
		c.changed = t
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		c.line(haproxyWords(line, c.env), name+":"+strconv.Itoa(n))
	}
}

// line takes one line.
func (c *haproxyConf) line(w []string, from string) {
	if len(w) < 2 {
		return
	}
	switch {
	case w[0] == "crt-base":
		c.crtBase = w[1]
	case w[0] == "key-base":
		c.keyBase = w[1]
	case (w[0] == "setenv" || w[0] == "presetenv") && len(w) > 2:
		c.env[w[1]] = w[2]
	case w[0] == "stats" && w[1] == "socket" && len(w) > 2:
		c.sockets = append(c.sockets, strings.TrimPrefix(w[2], "unix@"))
	case w[0] == "bind":
		c.binds = append(c.binds, readBind(w[1:], from))
	}
}

// readBind reads "addr[,addr] ssl crt F crt-list L ...".
func readBind(w []string, from string) haproxyBind {
	b := haproxyBind{from: from}
	for a := range strings.SplitSeq(w[0], ",") {
		if l, ok := haproxyAddr(a); ok {
			b.addrs = append(b.addrs, l)
		}
	}
	for i := 1; i < len(w); i++ {
		switch {
		case w[i] == "ssl":
			b.ssl = true
		case w[i] == "crt" && i+1 < len(w):
			i++
			b.crts = append(b.crts, w[i])
		case w[i] == "crt-list" && i+1 < len(w):
			i++
			b.lists = append(b.lists, w[i])
		}
	}
	return b
}

// haproxyAddr reads the address of a bind line: "*:443", ":443", "192.0.2.1:443", ":::443", "[::]:443", "ipv6@:443".
func haproxyAddr(s string) (listen, bool) {
	var l listen
	if rest, ok := strings.CutPrefix(s, "ipv6@"); ok {
		s, l.six = rest, true
	}
	s = strings.TrimPrefix(s, "ipv4@")
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.Contains(s, "@") {
		return l, false
	}
	host := strings.Trim(s[:i], "[]")
	port, _, _ := strings.Cut(s[i+1:], "-")
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return l, false
	}
	l.port = uint16(n)
	a, err := netip.ParseAddr(host)
	switch {
	case host == "" || host == "*" || err == nil && a.IsUnspecified() && a.Is4():
	case err == nil && a.IsUnspecified():
		l.six = true
	case err == nil:
		l.addr = a.Unmap()
	default:
		return l, false
	}
	return l, true
}

// resolve makes the paths of a bind line absolute.
func (b *haproxyBind) resolve(c *haproxyConf, dir string) {
	for i, p := range b.crts {
		b.crts[i] = under(p, c.crtBase, dir)
	}
	for i, p := range b.lists {
		b.lists[i] = under(p, "", dir)
	}
}

// under joins a relative path with the first base that is set.
func under(p, base, dir string) string {
	switch {
	case filepath.IsAbs(p):
		return filepath.Clean(p)
	case base != "":
		return under(filepath.Join(base, p), "", dir)
	}
	return filepath.Join(dir, p)
}

// at gives the bind lines that take connections to an address.
func (c *haproxyConf) at(to netip.AddrPort) []haproxyBind {
	var exact, every []haproxyBind
	for _, b := range c.binds {
		for _, l := range b.addrs {
			switch {
			case l.port != to.Port():
			case l.addr == to.Addr():
				exact = append(exact, b)
			case !l.addr.IsValid() && (l.six || to.Addr().Is4()):
				every = append(every, b)
			}
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return every
}

// entry is one certificate of a bind line, with the names that a list gives it.
type entry struct {
	path, key string
	filters   []string
	from      string
}

// entries lists the certificates of a bind line in HAProxy's order: lists first, then crt, a directory's by name.
func (c *haproxyConf) entries(b haproxyBind) []entry {
	var out []entry
	for _, p := range b.crts {
		if !c.view.isDir(p) {
			out = append(out, entry{path: p, from: b.from})
			continue
		}
		for _, n := range c.view.list(p) {
			ext := filepath.Ext(n)
			if strings.HasPrefix(n, ".") || slices.Contains([]string{".key", ".ocsp", ".issuer", ".sctl", ".dh"}, ext) {
				continue
			}
			out = append(out, entry{path: filepath.Join(p, n), from: b.from})
		}
	}
	for _, l := range b.lists {
		out = append(out, c.list(l)...)
	}
	for i := range out {
		out[i].key = c.keyOf(out[i].path)
	}
	return out
}

// list reads a certificate list: "FILE [options] filter ...".
func (c *haproxyConf) list(name string) []entry {
	b, err := c.view.read(name)
	if err != nil {
		c.err = err.Error()
		return nil
	}
	var out []entry
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if i := strings.IndexByte(line, '['); i >= 0 {
			if j := strings.IndexByte(line[i:], ']'); j > 0 {
				line = line[:i] + " " + line[i+j+1:]
			}
		}
		w := strings.Fields(line)
		out = append(out, entry{path: under(w[0], c.crtBase, c.dir), filters: w[1:], from: name + ":" + strconv.Itoa(n)})
	}
	return out
}

// keyOf is where the key of a certificate file lies: in a file beside it, else in the same.
func (c *haproxyConf) keyOf(crt string) string {
	if b, err := c.view.read(crt); err == nil {
		has := strings.Contains(string(b), "PRIVATE KEY-----")
		clear(b)
		if has {
			return crt
		}
	}
	beside := crt + ".key"
	if c.keyBase != "" {
		beside = filepath.Join(c.keyBase, filepath.Base(beside))
	}
	if _, _, _, err := c.view.follow(beside); err == nil {
		return beside
	}
	return crt
}

// haproxyConfig reads what HAProxy has configured for an address and a name. A client gets the certificate whose
// filter, or else whose own names, fit; exactly before by wildcard; else the first of all.
func haproxyConfig(c *haproxyConf, to netip.AddrPort, name string) evidence.ServerConfig {
	out := evidence.ServerConfig{Software: haproxyName, Files: c.files, Changed: c.changed, Uses: []evidence.Use{}}
	var scores []int
	for _, b := range c.at(to) {
		out.TLS = out.TLS || b.ssl
		if !b.ssl {
			continue
		}
		for _, l := range b.lists {
			if !slices.Contains(out.Lists, l) {
				out.Lists = append(out.Lists, l)
				if t := inspectTimes(c.view, l); t.After(out.Changed) {
					out.Changed = t
				}
			}
		}
		for _, e := range c.entries(b) {
			names := e.filters
			if len(names) == 0 {
				for _, x := range inspectFile(c.view, evidence.TargetFile{Path: e.path}, nil).Certs {
					names = x.Names
					break
				}
			}
			out.Uses = append(out.Uses, evidence.Use{Certificate: e.path, Key: e.key, From: e.from, Names: names})
			scores = append(scores, haproxyMatch(names, name))
		}
	}
	out.Error = c.err
	if len(out.Uses) == 0 {
		return out
	}
	best := slices.Max(scores)
	for i := range out.Uses {
		out.Uses[i].Named = best > 0 && scores[i] == best
		out.Uses[i].Chosen = out.Uses[i].Named || best == 0 && i == 0
	}
	slices.SortStableFunc(out.Uses, func(a, b evidence.Use) int { return boolInt(b.Chosen) - boolInt(a.Chosen) })
	return out
}

// haproxyMatch scores names against the one asked for: 2 exact, 1 by wildcard, 0 none.
func haproxyMatch(names []string, name string) int {
	name = strings.ToLower(name)
	best := 0
	for _, n := range names {
		n = strings.ToLower(n)
		if not, ok := strings.CutPrefix(n, "!"); ok {
			if nginxMatch(not, name) > 0 {
				return 0
			}
			continue
		}
		switch {
		case name == "":
		case n == name:
			best = 2
		case strings.HasPrefix(n, "*.") && strings.HasSuffix(name, n[1:]) && !strings.Contains(strings.TrimSuffix(name, n[1:]), "."):
			best = max(best, 1)
		}
	}
	return best
}

// haproxyWords splits a line of a configuration: quotes, escapes, ${variables} in double quotes or bare (2.x).
func haproxyWords(line string, env map[string]string) []string {
	var out []string
	var b strings.Builder
	open := false
	var quote byte
	flush := func() {
		if open {
			out = append(out, b.String())
			b.Reset()
			open = false
		}
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == 0 && c == '#':
			flush()
			return out
		case c == '\\' && quote != '\'' && i+1 < len(line):
			i++
			b.WriteByte(line[i])
			open = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, open = c, true
		case quote == '"' && c == '$':
			name, n := variable(line[i+1:])
			b.WriteString(env[name])
			i += n
		case quote == 0 && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			flush()
		default:
			b.WriteByte(c)
			open = true
		}
	}
	flush()
	return out
}

// variable reads NAME or {NAME} and says how many bytes it took.
func variable(s string) (string, int) {
	if strings.HasPrefix(s, "{") {
		if i := strings.IndexByte(s, '}'); i > 0 {
			return s[1:i], i + 1
		}
		return "", 0
	}
	n := 0
	for n < len(s) && (s[n] == '_' || s[n] >= '0' && s[n] <= '9' || s[n] >= 'A' && s[n] <= 'Z' || s[n] >= 'a' && s[n] <= 'z') {
		n++
	}
	return s[:n], n
}

// haproxyMemory asks HAProxy's runtime socket which certificates it holds (management guide, "show ssl cert").
func haproxyMemory(ctx context.Context, v view, path string) (evidence.Memory, error) {
	m := evidence.Memory{Socket: path, Certs: []evidence.HeldCert{}}
	_, outer, _, err := v.follow(path)
	if err != nil {
		return m, err
	}
	list, err := haproxyAsk(ctx, outer, "show ssl cert")
	if err != nil {
		return m, err
	}
	for line := range strings.Lines(list) {
		line = strings.TrimSpace(line)
		name, open := strings.CutPrefix(line, "*")
		if !strings.HasPrefix(name, "/") && !strings.Contains(name, ".") || strings.HasPrefix(line, "#") || len(m.Certs) >= maxHeld {
			continue
		}
		answer, err := haproxyAsk(ctx, outer, "show ssl cert "+line)
		if err != nil {
			return m, err
		}
		c := readHeld(answer)
		c.File, c.Open = name, open
		m.Certs = append(m.Certs, c)
	}
	return m, nil
}

// maxHeld bounds how many certificates are asked for one by one.
const maxHeld = 200

// readHeld reads the answer about one certificate.
func readHeld(answer string) evidence.HeldCert {
	var c evidence.HeldCert
	for line := range strings.Lines(answer) {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		switch value = strings.TrimSpace(value); strings.TrimSpace(name) {
		case "Serial":
			c.Serial = strings.ToUpper(value)
		case "Status":
			c.Status = strings.ToLower(value)
		}
	}
	return c
}

// haproxyAsk sends one command that only reads.
func haproxyAsk(ctx context.Context, socket, command string) (string, error) {
	if strings.ContainsAny(command, ";\n\\<") {
		return "", fmt.Errorf("%q cannot be asked about", command)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if t, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(t); err != nil {
			return "", err
		}
	}
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(bufio.NewReader(conn), 1<<20))
	return string(b), err
}
