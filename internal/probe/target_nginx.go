package probe

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"certwright/internal/evidence"
)

// directive is one statement of an nginx configuration, with its block where it has one.
type directive struct {
	words []string
	block []directive
	from  string // file:line
}

// nginxReader reads a configuration with its includes (https://nginx.org/en/docs/ngx_core_module.html#include).
type nginxReader struct {
	view    view
	base    string // directory of the main file: relative names are of it
	files   []string
	changed time.Time
	depth   int
	err     string
}

// Bounds of a configuration, against files that include themselves.
const (
	maxIncludes = 2000
	maxDepth    = 32
)

func (r *nginxReader) failed(format string, args ...any) {
	if r.err == "" {
		r.err = fmt.Sprintf(format, args...)
	}
}

// file reads one file's directives.
func (r *nginxReader) file(name string) []directive {
	if len(r.files) >= maxIncludes || r.depth >= maxDepth {
		r.failed("%s: too many includes", name)
		return nil
	}
	b, err := r.view.read(name)
	if err != nil {
		r.failed("%v", err)
		return nil
	}
	r.files = append(r.files, name)
	if f := inspectTimes(r.view, name); f.After(r.changed) {
		r.changed = f
	}
	r.depth++
	defer func() { r.depth-- }()
	l := lexer{text: string(b), line: 1}
	out, _ := r.block(&l, name, 0)
	return out
}

// block reads directives until the block ends.
func (r *nginxReader) block(l *lexer, name string, depth int) ([]directive, bool) {
	var out []directive
	d := directive{}
	for {
		w, line, kind := l.next()
		switch kind {
		case lexEnd, lexClose:
			return out, kind == lexClose
		case lexWord:
			if len(d.words) == 0 {
				d.from = name + ":" + strconv.Itoa(line)
			}
			d.words = append(d.words, w)
			continue
		case lexOpen:
			if len(d.words) > 0 && strings.HasSuffix(d.words[0], "_by_lua_block") || depth >= maxDepth {
				l.skip()
				break
			}
			d.block, _ = r.block(l, name, depth+1)
		}
		if len(d.words) == 2 && d.words[0] == "include" {
			for _, f := range r.view.glob(r.abs(d.words[1])) {
				out = append(out, r.file(f)...)
			}
		} else if len(d.words) > 0 {
			out = append(out, d)
		}
		d = directive{}
	}
}

func (r *nginxReader) abs(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(r.base, p)
}

// Kinds of token.
type lexKind int

const (
	lexEnd lexKind = iota
	lexWord
	lexOpen
	lexClose
	lexStop
)

// lexer splits an nginx configuration into words, braces and semicolons.
type lexer struct {
	text string
	pos  int
	line int
}

func (l *lexer) next() (string, int, lexKind) {
	for l.pos < len(l.text) {
		switch c := l.text[l.pos]; c {
		case '\n':
			l.line++
			l.pos++
		case ' ', '\t', '\r':
			l.pos++
		case '#':
			for l.pos < len(l.text) && l.text[l.pos] != '\n' {
				l.pos++
			}
		case ';':
			l.pos++
			return "", l.line, lexStop
		case '{':
			l.pos++
			return "", l.line, lexOpen
		case '}':
			l.pos++
			return "", l.line, lexClose
		default:
			line := l.line
			return l.word(c), line, lexWord
		}
	}
	return "", l.line, lexEnd
}

// word reads a word, quoted or plain. "${" begins a variable and no block.
func (l *lexer) word(first byte) string {
	var b strings.Builder
	quoted := first == '"' || first == '\''
	if quoted {
		l.pos++
	}
	for ; l.pos < len(l.text); l.pos++ {
		c := l.text[l.pos]
		switch {
		case c == '\n':
			l.line++
		case c == '\\' && l.pos+1 < len(l.text):
			l.pos++
			if n := l.text[l.pos]; n != '"' && n != '\'' && n != '\\' && n != ' ' && n != ';' {
				b.WriteByte('\\')
			}
			b.WriteByte(l.text[l.pos])
			continue
		}
		if quoted && c == first {
			l.pos++
			return b.String()
		}
		if !quoted && strings.IndexByte(" \t\r\n;{", c) >= 0 && !(c == '{' && strings.HasSuffix(b.String(), "$")) {
			if c == '\n' {
				l.line--
			}
			return b.String()
		}
		b.WriteByte(c)
	}
	return b.String()
}

// skip passes over a block in another language.
func (l *lexer) skip() {
	for open := 1; open > 0 && l.pos < len(l.text); l.pos++ {
		switch l.text[l.pos] {
		case '\n':
			l.line++
		case '{':
			open++
		case '}':
			open--
		}
	}
}

// listen is one listen directive.
type listen struct {
	addr       netip.Addr // invalid = every address
	six        bool       // every address of IPv6
	port       uint16
	isDefault  bool
	ssl, other bool // other: a unix socket, or a name
}

// server is one server block.
type server struct {
	listens     []listen
	names       []string
	certs, keys []directive
	ssl         bool
	order       int
}

// nginxServers gives the server blocks of http, stream and mail, with the certificates that they inherit.
func nginxServers(conf []directive) []server {
	var out []server
	for _, top := range conf {
		if top.words[0] != "http" && top.words[0] != "stream" && top.words[0] != "mail" {
			continue
		}
		certs, keys := find(top.block, "ssl_certificate"), find(top.block, "ssl_certificate_key")
		for _, d := range top.block {
			if d.words[0] == "server" && d.block != nil {
				out = append(out, readServer(d, certs, keys, len(out)))
			}
		}
	}
	return out
}

func find(block []directive, name string) []directive {
	var out []directive
	for _, d := range block {
		if d.words[0] == name && len(d.words) > 1 {
			out = append(out, d)
		}
	}
	return out
}

func readServer(d directive, certs, keys []directive, order int) server {
	s := server{certs: find(d.block, "ssl_certificate"), keys: find(d.block, "ssl_certificate_key"), order: order}
	if len(s.certs) == 0 {
		s.certs = certs
	}
	if len(s.keys) == 0 {
		s.keys = keys
	}
	for _, n := range find(d.block, "server_name") {
		s.names = append(s.names, n.words[1:]...)
	}
	for _, on := range find(d.block, "ssl") {
		s.ssl = s.ssl || on.words[1] == "on"
	}
	for _, l := range find(d.block, "listen") {
		s.listens = append(s.listens, readListen(l.words[1:]))
	}
	if len(s.listens) == 0 {
		s.listens = []listen{{port: 80}}
	}
	return s
}

// readListen reads a listen directive: an address, a port, or both.
func readListen(w []string) listen {
	l := listen{port: 80}
	for _, o := range w[1:] {
		l.ssl = l.ssl || o == "ssl" || o == "quic"
		l.isDefault = l.isDefault || o == "default_server" || o == "default"
	}
	if strings.HasPrefix(w[0], "unix:") {
		l.other = true
		return l
	}
	if n, err := strconv.ParseUint(w[0], 10, 16); err == nil {
		l.port = uint16(n)
		return l
	}
	host, port, err := net.SplitHostPort(w[0])
	if err != nil {
		host = strings.Trim(w[0], "[]")
	} else if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		l.port = uint16(n)
	}
	a, err := netip.ParseAddr(host)
	switch {
	case host == "*" || err == nil && a.IsUnspecified() && a.Is4():
	case err == nil && a.IsUnspecified():
		l.six = true
	case err == nil:
		l.addr = a.Unmap()
	case host == "localhost":
		l.addr = netip.MustParseAddr("127.0.0.1")
	default:
		l.other = true // a name: which address it had when nginx started is not known
	}
	return l
}

// nginxAt gives the blocks that share the address: those that name it, else those for every address, the
// default one first (https://nginx.org/en/docs/http/request_processing.html).
func nginxAt(all []server, to netip.AddrPort) (group []server, tls bool) {
	best := 0
	for _, s := range all {
		rank, isDefault, ssl := 0, false, false
		for _, l := range s.listens {
			n := 0
			switch {
			case l.other || l.port != to.Port():
			case l.addr == to.Addr():
				n = 2
			case !l.addr.IsValid() && l.six == to.Addr().Is6():
				n = 1
			}
			if n > 0 && n >= rank {
				rank, isDefault, ssl = n, l.isDefault, l.ssl || s.ssl
			}
		}
		if rank == 0 || rank < best {
			continue
		}
		if rank > best {
			group, best, tls = nil, rank, false
		}
		tls = tls || ssl
		if isDefault {
			group = append([]server{s}, group...)
		} else {
			group = append(group, s)
		}
	}
	return group, tls
}

// nginxPick chooses the block for a name: exact, the longest wildcard before, the longest wildcard after, the
// first regular expression, else the default. named is false for the default.
func nginxPick(group []server, name string) (at int, named bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	best, score := 0, -1
	for i, s := range group {
		for _, n := range s.names {
			if sc := nginxMatch(strings.ToLower(n), name); sc > score {
				best, score = i, sc
			}
		}
	}
	return best, score > 0
}

// nginxMatch scores how closely a server_name fits; 0 = it does not.
func nginxMatch(pattern, name string) int {
	const exact, before, after = 3000, 2000, 1000
	switch {
	case name == "":
		return 0
	case pattern == name:
		return exact
	case strings.HasPrefix(pattern, "*.") && strings.HasSuffix(name, pattern[1:]) && len(name) > len(pattern)-1:
		return before + len(pattern)
	case strings.HasPrefix(pattern, ".") && (strings.HasSuffix(name, pattern) || name == pattern[1:]):
		return before + len(pattern)
	case strings.HasSuffix(pattern, ".*") && strings.HasPrefix(name, pattern[:len(pattern)-1]):
		return after + len(pattern)
	case strings.HasPrefix(pattern, "~"):
		if re, err := regexp.Compile("(?i)" + strings.TrimPrefix(pattern[1:], "*")); err == nil && re.MatchString(name) {
			return 1
		}
	}
	return 0
}

// nginxConfig reads what nginx has configured for an address and a name.
func nginxConfig(v view, main string, to netip.AddrPort, name string) evidence.ServerConfig {
	r := &nginxReader{view: v, base: filepath.Dir(main)}
	all := nginxServers(r.file(main))
	c := evidence.ServerConfig{Software: nginxName, Files: r.files, Changed: r.changed, Error: r.err, Uses: []evidence.Use{}}
	group, tls := nginxAt(all, to)
	c.TLS = tls
	if len(group) == 0 {
		return c
	}
	pick, named := nginxPick(group, name)
	for i, s := range group {
		for k, d := range s.certs {
			u := evidence.Use{Certificate: r.value(d, name), From: d.from, Names: s.names, Chosen: i == pick, Named: i == pick && named}
			u.Key = u.Certificate
			if k < len(s.keys) {
				u.Key = r.value(s.keys[k], name)
			}
			if u.Certificate != "" && !slices.ContainsFunc(c.Uses, func(o evidence.Use) bool {
				return o.Certificate == u.Certificate && o.Key == u.Key && (o.Chosen || !u.Chosen)
			}) {
				c.Uses = append(c.Uses, u)
			}
		}
	}
	slices.SortStableFunc(c.Uses, func(a, b evidence.Use) int { return boolInt(b.Chosen) - boolInt(a.Chosen) })
	return c
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// value is the path that a directive names; of variables only the server name is known.
func (r *nginxReader) value(d directive, name string) string {
	p := strings.NewReplacer("${ssl_server_name}", name, "$ssl_server_name", name).Replace(d.words[1])
	if strings.Contains(p, "$") || strings.HasPrefix(p, "data:") || strings.HasPrefix(p, "engine:") || strings.HasPrefix(p, "store:") {
		r.failed("%s: %q depends on a variable or is no file", d.from, d.words[1])
		return ""
	}
	return r.abs(p)
}

// nginxMain finds the main configuration file and the arguments with which the server's own program reads the same.
func nginxMain(m master) (main string, args []string) {
	words := strings.Fields(m.title)
	if m.title == "" {
		words = m.argv
	}
	conf, prefix := option(words, "-c"), option(words, "-p")
	// -g reaches to the next option, with spaces; it names no certificate and is left out.
	if prefix != "" {
		args = append(args, "-p", prefix)
	}
	if conf != "" {
		args = append(args, "-c", conf)
	}
	return nginxPath(m, conf, prefix), args
}

// option finds the value of a one-letter option: "-c file" or "-cfile".
func option(words []string, name string) string {
	for i, w := range words[min(1, len(words)):] {
		if w == name && i+2 < len(words) {
			return words[i+2]
		}
		if rest, ok := strings.CutPrefix(w, name); ok && strings.HasPrefix(rest, "/") {
			return rest
		}
	}
	return ""
}

// nginxPath is the main file as nginx finds it: a relative one is of the prefix, which the program has built in.
func nginxPath(m master, conf, prefix string) string {
	if filepath.IsAbs(conf) {
		return conf
	}
	built, builtConf := "/etc/nginx", "/etc/nginx/nginx.conf"
	if out, err := runOwn(m, "-V"); err == nil {
		for _, w := range strings.Fields(out) {
			if v, ok := strings.CutPrefix(w, "--prefix="); ok {
				built = strings.Trim(v, "'")
			} else if v, ok := strings.CutPrefix(w, "--conf-path="); ok {
				builtConf = strings.Trim(v, "'")
			}
		}
	}
	switch {
	case prefix == "":
		prefix = built
	case !filepath.IsAbs(prefix):
		prefix = filepath.Join(m.view().cwd, prefix)
	}
	if conf == "" {
		conf = builtConf
	}
	if filepath.IsAbs(conf) {
		return conf
	}
	return filepath.Join(prefix, conf)
}
