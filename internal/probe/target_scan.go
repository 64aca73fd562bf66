package probe

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"certwright/internal/evidence"
)

// This file reads the configuration of servers whose language is not known here: whatever the language, it names files, and
// those among them that hold a certificate or a key are what the server reads. Blocks and the names in them are
// recognised in the two usual forms, <VirtualHost ...> and { }.

// Bounds of a scan.
const (
	maxScanned  = 300       // files
	maxScanSize = 512 << 10 // bytes of one
	maxScanDeep = 8
)

var (
	pathLike    = regexp.MustCompile(`[^\s"'<>=,;(){}\[\]]+`)
	includeLine = regexp.MustCompile(`(?i)^\s*[!.%]?(include|includeoptional|include_try|include_shell|import)\b[\s=]*(.*)$`)
	nameLine    = regexp.MustCompile(`(?i)^\s*(servername|serveralias|server_name|server_names|host_name|sni|\$http\["host"\]|\$server\["name"\])\b?\s*[=~]*\s*(.*?)\s*\{?\s*$`)
	openLine    = regexp.MustCompile(`(?i)^\s*<(virtualhost|host)\b|\{\s*$`)
	closeLine   = regexp.MustCompile(`(?i)^\s*</(virtualhost|host)>|^\s*\}`)
)

// scanned is a block of a configuration: what it names.
type scanned struct {
	certs, keys []string
	from        []string // of each certificate: file:line
	names       []string
}

// scanner goes over a server's configuration files.
type scanner struct {
	view   view
	bases  []string // that relative names may be of
	files  []string
	blocks []scanned
	kinds  map[string]string // what a file holds: certificate, key, both, or nothing
}

// scanConfig finds which certificates a server of any kind reads: those named on its command line, else those named in its
// configuration files, for the name where one is bound to a certificate.
func scanConfig(m master, name string) evidence.ServerConfig {
	if c := lineConfig(m); len(c.Uses) > 0 {
		return c
	}
	s := &scanner{view: m.view(), kinds: map[string]string{}}
	s.bases = []string{s.view.cwd}
	c := evidence.ServerConfig{Software: m.name, Files: []string{}, Uses: []evidence.Use{}}
	for _, f := range s.mains(m) {
		s.bases = append(s.bases, filepath.Dir(f))
		s.file(f, 0)
	}
	c.Files = append(c.Files, s.files...)
	for _, f := range s.files {
		if t := inspectTimes(s.view, f); t.After(c.Changed) {
			c.Changed = t
		}
	}
	c.Uses = append(c.Uses, s.uses()...)
	c.TLS = len(c.Uses) > 0
	s.choose(c.Uses, name)
	return c
}

// mains are the files that the configuration begins with: those named by the arguments, else the usual places of the program.
func (s *scanner) mains(m master) []string {
	var out []string
	add := func(p string) {
		if p = under(p, "", s.view.cwd); s.text(p) && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	for _, a := range configArgs(m.argv) {
		add(a)
	}
	if len(out) > 0 {
		return out
	}
	base := filepath.Base(m.exe)
	if m.exe == "" {
		base = m.name
	}
	places := map[string][]string{"httpd": {"/etc/httpd/conf/httpd.conf"}, "master": {"/etc/postfix/main.cf"}, "slapd": {"/etc/ldap/slapd.conf", "/etc/openldap/slapd.conf"}, "caddy": {"/etc/caddy/Caddyfile"}}[base]
	for _, n := range []string{base, strings.TrimRight(base, "0123456789")} {
		places = append(places, "/etc/"+n+"/"+n+".conf", "/etc/"+n+".conf")
	}
	for _, p := range places {
		add(p)
	}
	if len(out) == 0 {
		for _, p := range s.view.glob("/etc/" + strings.TrimRight(base, "0123456789") + "/*.conf") {
			add(p)
		}
	}
	return out
}

// configFlag is an option whose value is a configuration: other options name logs, sockets and data.
var configFlag = regexp.MustCompile(`(?i)^-{1,2}(c|f|[a-z.]*conf[a-z.-]*)$`)

// configArgs are the arguments that may name a configuration: values of options for it, and words that belong to no option.
func configArgs(argv []string) []string {
	var out []string
	for i := 1; i < len(argv); i++ {
		a := argv[i]
		flag, value, joined := strings.Cut(a, "=")
		switch {
		case a == "" || len(a) > 4096:
		case a[0] != '-':
			if i == 1 || !strings.HasPrefix(argv[i-1], "-") || strings.Contains(argv[i-1], "=") {
				out = append(out, a)
			}
		case joined && configFlag.MatchString(flag):
			out = append(out, value)
		case configFlag.MatchString(a) && i+1 < len(argv) && !strings.HasPrefix(argv[i+1], "-"): // -F alone means "in the foreground"
			i++
			out = append(out, argv[i])
		case len(a) > 2 && (strings.HasPrefix(a, "-f") || strings.HasPrefix(a, "-c")) && !joined:
			out = append(out, a[2:]) // -f/path
		}
	}
	return out
}

// text says whether a path is a text file that may be a configuration.
func (s *scanner) text(name string) bool {
	_, outer, _, err := s.view.follow(name)
	if err != nil {
		return false
	}
	st, err := os.Stat(outer)
	if err != nil || !st.Mode().IsRegular() || st.Size() > maxScanSize {
		return false
	}
	b, err := s.view.read(name)
	return err == nil && !strings.ContainsRune(string(b[:min(len(b), 512)]), 0) && !strings.Contains(string(b), "-----BEGIN ")
}

// file reads one file and those that it includes.
func (s *scanner) file(name string, depth int) {
	if depth > maxScanDeep || len(s.files) >= maxScanned || slices.Contains(s.files, name) || !s.text(name) {
		return
	}
	b, err := s.view.read(name)
	if err != nil {
		return
	}
	s.files = append(s.files, name)
	outer := len(s.blocks)
	s.blocks = append(s.blocks, scanned{})
	open := []int{outer}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if t := strings.TrimSpace(line); t == "" || t[0] == '#' || t[0] == ';' || strings.HasPrefix(t, "//") {
			continue
		}
		if closeLine.MatchString(line) && len(open) > 1 {
			open = open[:len(open)-1]
		}
		if openLine.MatchString(line) {
			s.blocks = append(s.blocks, scanned{names: s.blocks[open[len(open)-1]].names})
			open = append(open, len(s.blocks)-1)
		}
		if m := includeLine.FindStringSubmatch(line); m != nil {
			s.include(m[2], depth)
			continue
		}
		s.line(&s.blocks[open[len(open)-1]], line, name+":"+strconv.Itoa(n))
	}
}

// include follows an include to the files that it names.
func (s *scanner) include(what string, depth int) {
	for _, w := range pathLike.FindAllString(what, -1) {
		for _, base := range append([]string{"/"}, s.bases...) {
			if filepath.IsAbs(w) && base != "/" || !filepath.IsAbs(w) && base == "/" {
				continue
			}
			pattern := filepath.Join(base, w)
			if s.view.isDir(pattern) {
				pattern = filepath.Join(pattern, "*")
			}
			for _, f := range s.view.glob(pattern) {
				s.file(f, depth+1)
			}
		}
	}
}

// line takes what one line names.
func (s *scanner) line(b *scanned, line, from string) {
	if m := nameLine.FindStringSubmatch(line); m != nil {
		for _, w := range pathLike.FindAllString(m[2], -1) {
			b.names = append(slices.Clone(b.names), strings.ToLower(w))
		}
	}
	words := pathLike.FindAllString(line, -1)
	if len(words) == 2 && strings.EqualFold(words[0], "serverroot") {
		s.bases = append(s.bases, words[1])
	}
	for _, w := range words {
		if !strings.ContainsAny(w, "/.") || len(w) > 1024 {
			continue
		}
		for _, base := range s.bases {
			path := under(w, "", base)
			switch s.holds(path) {
			case "certificate":
				b.certs, b.from = append(b.certs, path), append(b.from, from)
			case "key":
				b.keys = append(b.keys, path)
			case "both":
				b.certs, b.from, b.keys = append(b.certs, path), append(b.from, from), append(b.keys, path)
			default:
				continue
			}
			break
		}
	}
}

// holds says what a file holds: a server's certificate, a key, both, or nothing of interest.
func (s *scanner) holds(path string) string {
	if kind, ok := s.kinds[path]; ok {
		return kind
	}
	kind := ""
	if _, outer, _, err := s.view.follow(path); err == nil {
		if st, err := os.Stat(outer); err == nil && st.Mode().IsRegular() && st.Size() <= maxScanSize {
			f := inspectFile(s.view, evidence.TargetFile{Path: path}, nil)
			leaf := slices.ContainsFunc(f.Certs, func(c evidence.FileCert) bool { return !c.CA })
			key := f.KeyHash != "" || f.Locked
			switch {
			case leaf && key:
				kind = "both"
			case leaf:
				kind = "certificate"
			case key:
				kind = "key"
			}
		}
	}
	s.kinds[path] = kind
	return kind
}

// uses are the pairs of all blocks. What goes with what is certain where a block names one of each, or where they fit; all
// else is left out, for a wrong pair would be taken for a fault.
func (s *scanner) uses() []evidence.Use {
	var out []evidence.Use
	for _, b := range s.blocks {
		keys := distinct(b.keys)
		for i, c := range b.certs {
			u := evidence.Use{Certificate: c, From: b.from[i], Names: b.names}
			switch {
			case s.kinds[c] == "both":
				u.Key = c
			case len(keys) == 1 && len(distinct(b.certs)) == 1:
				u.Key = keys[0]
			default:
				u.Key = s.keyOf(c, keys)
			}
			if u.Key != "" && !slices.ContainsFunc(out, func(o evidence.Use) bool {
				return o.Certificate == u.Certificate && o.Key == u.Key && slices.Equal(o.Names, u.Names)
			}) {
				out = append(out, u)
			}
		}
	}
	return out
}

func distinct(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return slices.Compact(out)
}

// keyOf finds the key that fits a file's certificate; empty if none does.
func (s *scanner) keyOf(cert string, keys []string) string {
	c := inspectFile(s.view, evidence.TargetFile{Path: cert}, nil)
	for _, k := range keys {
		f := inspectFile(s.view, evidence.TargetFile{Path: k}, nil)
		if f.KeyHash != "" && slices.ContainsFunc(c.Certs, func(x evidence.FileCert) bool { return x.KeyHash == f.KeyHash }) {
			return k
		}
	}
	return ""
}

// choose marks what a client that asks for the name gets: the block bound to the name, else, among blocks bound to no name, the
// certificate for it, else the first, as the server's default.
func (s *scanner) choose(uses []evidence.Use, name string) {
	mark := func(named bool, fits func(u *evidence.Use) bool) bool {
		found := false
		for i := range uses {
			if fits(&uses[i]) {
				uses[i].Chosen, uses[i].Named, found = true, named, true
			}
		}
		return found
	}
	bound := func(u *evidence.Use) bool {
		return slices.ContainsFunc(u.Names, func(n string) bool { return nameFits(n, name) })
	}
	if name == "" || len(uses) == 0 {
		return
	}
	if mark(true, bound) || mark(true, func(u *evidence.Use) bool { return len(u.Names) == 0 && s.covers(u.Certificate, name) }) {
		return
	}
	uses[0].Chosen = true
}

// covers says whether the first certificate in a file is for the name.
func (s *scanner) covers(path, name string) bool {
	f := inspectFile(s.view, evidence.TargetFile{Path: path}, nil)
	for _, c := range f.Certs {
		if !c.CA {
			return slices.ContainsFunc(c.Names, func(n string) bool { return nameFits(n, name) })
		}
	}
	return false
}

// nameFits matches a configured name, perhaps with a wildcard as its first label, with a host's.
func nameFits(pattern, name string) bool {
	if rest, ok := strings.CutPrefix(pattern, "*."); ok {
		_, up, _ := strings.Cut(name, ".")
		return strings.EqualFold(rest, up)
	}
	return strings.EqualFold(strings.TrimSuffix(pattern, "."), strings.TrimSuffix(name, "."))
}
