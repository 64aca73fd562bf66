package probe

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"certwright/internal/evidence"
)

// postgresConfig reads which files PostgreSQL serves: its configuration, ALTER SYSTEM's file after it, and the command line last
// (https://www.postgresql.org/docs/current/config-setting.html).
func postgresConfig(m master) evidence.ServerConfig {
	v := m.view()
	p := &postgres{view: v, set: map[string]setting{}}
	data := v.cwd // the server's working directory is its data directory
	line := postgresLine(m.argv)
	if d := line["D"]; d != "" {
		data = under(d, "", v.cwd)
	}
	main := filepath.Join(data, "postgresql.conf")
	if f := line["config_file"]; f != "" {
		main = under(f, "", data)
	}
	p.file(main, 0)
	if _, _, _, err := v.follow(filepath.Join(data, "postgresql.auto.conf")); err == nil {
		p.file(filepath.Join(data, "postgresql.auto.conf"), 0)
	}
	for name, value := range line {
		p.set[name] = setting{value, "the command line"}
	}
	c := evidence.ServerConfig{Software: postgresName, Files: p.files, Error: p.err, Uses: []evidence.Use{}}
	for _, f := range p.files {
		if t := inspectTimes(v, f); t.After(c.Changed) {
			c.Changed = t
		}
	}
	on := strings.ToLower(p.set["ssl"].value)
	c.TLS = on == "on" || on == "true" || on == "yes" || on == "1"
	cert, key := p.path("ssl_cert_file", "server.crt", data), p.path("ssl_key_file", "server.key", data)
	if c.TLS {
		c.Uses = append(c.Uses, evidence.Use{Certificate: cert.value, Key: key.value, From: cert.from, Chosen: true, Named: true})
	}
	return c
}

// setting is a value and where it stands.
type setting struct{ value, from string }

type postgres struct {
	view  view
	files []string
	set   map[string]setting
	err   string
}

func (p *postgres) path(name, fallback, data string) setting {
	s, ok := p.set[name]
	if !ok || s.value == "" {
		s = setting{fallback, "PostgreSQL's default"}
	}
	s.value = under(s.value, "", data)
	return s
}

// file reads one configuration file with its includes.
func (p *postgres) file(name string, depth int) {
	b, err := p.view.read(name)
	if err != nil {
		p.err = err.Error()
		return
	}
	p.files = append(p.files, name)
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		key, value := postgresSetting(line)
		switch {
		case key == "":
		case strings.HasPrefix(key, "include") && depth < maxDepth:
			p.include(key, under(value, "", filepath.Dir(name)), depth)
		default:
			p.set[key] = setting{value, name + ":" + strconv.Itoa(n)}
		}
	}
}

func (p *postgres) include(how, name string, depth int) {
	switch how {
	case "include_dir":
		for _, n := range p.view.list(name) {
			if strings.HasSuffix(n, ".conf") && !strings.HasPrefix(n, ".") {
				p.file(filepath.Join(name, n), depth+1)
			}
		}
	case "include_if_exists":
		if _, _, _, err := p.view.follow(name); err == nil {
			p.file(name, depth+1)
		}
	case "include":
		p.file(name, depth+1)
	}
}

// postgresSetting reads "name = 'value' # comment"; the equals sign may be missing.
func postgresSetting(line string) (name, value string) {
	line = strings.TrimSpace(line)
	i := strings.IndexAny(line, " \t=")
	if i <= 0 || line[0] == '#' {
		return "", ""
	}
	name = strings.ToLower(line[:i])
	value = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line[i:]), "="))
	if rest, ok := strings.CutPrefix(value, "'"); ok {
		var b strings.Builder
		for k := 0; k < len(rest); k++ {
			if rest[k] == '\'' {
				if k+1 >= len(rest) || rest[k+1] != '\'' {
					break
				}
				k++
			}
			b.WriteByte(rest[k])
		}
		return name, b.String()
	}
	value, _, _ = strings.Cut(value, "#")
	return name, strings.TrimSpace(value)
}

// postgresLine reads the settings on the command line: -D DIR, -c name=value, --name=value.
func postgresLine(argv []string) map[string]string {
	out := map[string]string{}
	for i := 1; i < len(argv); i++ {
		a := argv[i]
		switch {
		case a == "-D" && i+1 < len(argv):
			i++
			out["D"] = argv[i]
		case strings.HasPrefix(a, "-D"):
			out["D"] = a[2:]
		case a == "-c" && i+1 < len(argv):
			i++
			if k, v, ok := strings.Cut(argv[i], "="); ok {
				out[strings.ToLower(strings.ReplaceAll(k, "-", "_"))] = v
			}
		case strings.HasPrefix(a, "--"):
			if k, v, ok := strings.Cut(a[2:], "="); ok {
				out[strings.ToLower(strings.ReplaceAll(k, "-", "_"))] = v
			}
		}
	}
	return out
}

// lineConfig finds certificates among the arguments of a server whose configuration is not known: a path, or the
// value of an option, of a file that holds one.
func lineConfig(m master) evidence.ServerConfig {
	v := m.view()
	c := evidence.ServerConfig{Software: m.name, Files: []string{}, Uses: []evidence.Use{}}
	var certs, keys []string
	for _, a := range m.argv[min(1, len(m.argv)):] {
		if _, value, ok := strings.Cut(a, "="); ok {
			a = value
		}
		if a == "" || strings.HasPrefix(a, "-") || len(a) > 4096 {
			continue
		}
		if _, outer, _, err := v.follow(a); err != nil {
			continue
		} else if st, err := os.Stat(outer); err != nil || !st.Mode().IsRegular() || st.Size() > 256<<10 {
			continue
		}
		f := inspectFile(v, evidence.TargetFile{Path: under(a, "", v.cwd)}, nil)
		switch {
		case len(f.Certs) > 0 && !f.Certs[0].CA:
			certs = append(certs, f.Path)
		case f.KeyHash != "" || f.Locked:
			keys = append(keys, f.Path)
		}
	}
	for i, p := range certs {
		u := evidence.Use{Certificate: p, Key: p, From: "the command line of process " + strconv.Itoa(m.pid), Chosen: true, Named: true}
		if i < len(keys) {
			u.Key = keys[i]
		}
		c.Uses, c.TLS = append(c.Uses, u), true
	}
	return c
}

// environ are the variables that a process was started with. They are used to read its configuration and kept nowhere.
func environ(pid int) map[string]string {
	out := map[string]string{}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return out
	}
	for kv := range strings.SplitSeq(string(b), "\x00") {
		if k, v, ok := strings.Cut(kv, "="); ok {
			out[k] = v
		}
	}
	return out
}
