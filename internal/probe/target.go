package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"certwright/internal/evidence"
)

// TargetAsk says which target is looked at. Any part may be missing.
type TargetAsk struct {
	Target     string           // name of the deployment, as it is to stand in the evidence
	Addresses  []netip.AddrPort // where its endpoints are
	ServerName string           // the name that clients ask for there
	Paths      []TargetPath     // files that the target's settings name
	Dirs       []string         // directories that are written in
	Test       bool             // have the servers test their configuration, which takes a moment and writes to their logs
	Program    []string         // the configured reload command: where nothing listens, it tells which server is meant
}

// TargetPath is a file of a target's settings.
type TargetPath struct {
	Path string // absolute
	Role string // certificate, chain, fullchain, key, pfx, combined
}

// targetLook is one look at a target.
type targetLook struct {
	p     *Prober
	ask   TargetAsk
	at    time.Time
	out   []evidence.Observation
	files map[string]bool // paths looked at
	procs map[int]process
}

// LookTarget looks at what serves on this machine at the addresses: which processes, which files their own
// configuration names for the name, what is in these files and in the target's, what their runtime socket says and, where
// it is asked for, their own configuration test, and whether the target's directories can be written. An address that is not of this
// machine is passed over. Nothing is changed; keys are opened only to name their public halves.
func (p *Prober) LookTarget(ctx context.Context, ask TargetAsk) []evidence.Observation {
	l := &targetLook{p: p, ask: ask, at: p.opt.Now(), files: map[string]bool{}, procs: processes()}
	var all []master
	for _, a := range ask.Addresses {
		all = append(all, l.address(ctx, a)...)
	}
	for _, f := range ask.Paths {
		l.file(view{cwd: "/"}, evidence.TargetFile{Path: filepath.Clean(f.Path), Role: f.Role, Ours: true}, all)
	}
	for _, d := range ask.Dirs {
		l.directory(d)
	}
	return l.out
}

// LookTest has the servers at the addresses test their configuration, and gives what they say of it (evidence.ConfigTest).
func (p *Prober) LookTest(ctx context.Context, ask TargetAsk) []evidence.Observation {
	ask.Test, ask.Paths, ask.Dirs = true, nil, nil
	return slices.DeleteFunc(p.LookTarget(ctx, ask), func(o evidence.Observation) bool { return o.Check != evidence.CheckTest })
}

// add keeps an observation.
func (l *targetLook) add(check, subject string, outcome evidence.Outcome, seen, reason, command string, data any) {
	o := evidence.Observation{Probe: evidence.ProbeTarget, Check: check, Subject: subject, Outcome: outcome, Seen: seen, Reason: reason,
		From: l.p.opt.From, At: l.at, Command: command}
	if data != nil {
		o = o.With(data)
	}
	l.out = append(l.out, o)
}

// address looks at who listens at an address, and at what that server reads.
func (l *targetLook) address(ctx context.Context, to netip.AddrPort) []master {
	if !ownAddress(to.Addr()) {
		return nil
	}
	subject, command := to.String(), fmt.Sprintf("ss -ltnp 'sport = :%d'", to.Port())
	socks, err := listening()
	if err != nil {
		l.add(evidence.CheckListener, subject, evidence.Unknown, "", "which sockets listen cannot be seen: "+err.Error(), command, nil)
		return nil
	}
	socks = accepting(socks, to)
	held, denied := holders(l.procs, socks)
	found := masters(l.procs, held)
	if len(found) == 0 && len(socks) > 0 {
		why := "a process of user " + userName(socks[0].uid) + " listens there, which this user may not look into"
		if !denied {
			why = "what listens there runs in another process namespace"
		}
		l.add(evidence.CheckListener, subject, evidence.Unknown, "", why, command, nil)
		return nil
	}
	e := evidence.Listener{Target: l.ask.Target, Address: subject, ServerName: l.ask.ServerName, Masters: []evidence.Master{}}
	var words []string
	for _, m := range found {
		e.Masters, words = append(e.Masters, m.payload()), append(words, m.describe())
	}
	if len(found) == 0 {
		words = []string{"nothing listens"}
	}
	l.add(evidence.CheckListener, subject, evidence.Pass, strings.Join(words, "; "), "", command, e)
	if len(found) == 0 {
		found = l.stopped()
	}
	for _, m := range found {
		l.server(ctx, m, to)
	}
	return found
}

// stopped makes a server of the reload command's program, where nothing listens: it shows what would be read at its start.
func (l *targetLook) stopped() []master {
	if len(l.ask.Program) == 0 || !filepath.IsAbs(l.ask.Program[0]) {
		return nil
	}
	m := master{process: process{name: filepath.Base(l.ask.Program[0]), exe: l.ask.Program[0], argv: l.ask.Program, uid: -1, reads: true}}
	if m.software, _ = software(m.process); m.software == "" {
		return nil
	}
	return []master{m}
}

// server looks at what one server reads for the address.
func (l *targetLook) server(ctx context.Context, m master, to netip.AddrPort) {
	c, test := readConfig(m, to, l.ask.ServerName)
	c.Target, c.Address, c.ServerName = l.ask.Target, to.String(), l.ask.ServerName
	barred := m.mayAsk() != nil
	if len(test) > 0 && !barred {
		c.Test = append([]string{m.exe}, test...)
	}
	outcome, reason := evidence.Pass, ""
	if len(c.Uses) == 0 && (c.Error != "" || len(c.Files) == 0) {
		outcome, reason = evidence.Unknown, "which files "+m.name+" (pid "+strconv.Itoa(m.pid)+") reads is not known: "+orWords(c.Error, "its kind of configuration cannot be read")
	}
	l.add(evidence.CheckConfig, m.name+" at "+c.Address, outcome, usesWords(c), reason, configCommand(m, test), c)
	for _, u := range c.Uses {
		if u.Chosen {
			l.file(m.view(), evidence.TargetFile{Path: u.Certificate, Role: roleOf(u), Read: true}, []master{m})
			if u.Key != u.Certificate {
				l.file(m.view(), evidence.TargetFile{Path: u.Key, Role: "key", Read: true}, []master{m})
			}
		}
	}
	if len(test) > 0 && (l.ask.Test || barred) {
		l.test(m, to, test)
	}
	if m.software == haproxyName && m.pid > 0 {
		l.memory(ctx, m, to)
	}
}

func orWords(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func roleOf(u evidence.Use) string {
	if u.Key == u.Certificate {
		return "combined"
	}
	return "certificate"
}

// readConfig reads the configuration of a server, and gives the arguments with which its own program tests it.
func readConfig(m master, to netip.AddrPort, name string) (evidence.ServerConfig, []string) {
	switch m.software {
	case nginxName:
		main, args := nginxMain(m)
		return nginxConfig(m.view(), main, to, name), append([]string{"-t"}, args...)
	case haproxyName:
		files, dir, args := haproxyArgs(m)
		return haproxyConfig(readHAProxy(m.view(), files, dir, environ(m.pid)), to, name), args
	case postgresName:
		return postgresConfig(m), nil
	}
	return scanConfig(m, name), testArgs(m)
}

// usesWords lists what a configuration names for the name.
func usesWords(c evidence.ServerConfig) string {
	var w []string
	for _, u := range c.Uses {
		if !u.Chosen {
			continue
		}
		s := u.Certificate
		if u.Key != u.Certificate {
			s += " with key " + u.Key
		}
		if !u.Named {
			s += " (the default: nothing is configured for the name)"
		}
		w = append(w, s+" ("+u.From+")")
	}
	if len(w) == 0 {
		return "no certificate"
	}
	return strings.Join(w, ", ")
}

// configCommand shows the same in a shell.
func configCommand(m master, test []string) string {
	switch m.software {
	case nginxName:
		return shellLine(m.exe, append([]string{"-T"}, test[1:]...)) + " | grep -nE 'listen|server_name|ssl_certificate'"
	case haproxyName:
		files, dir, _ := haproxyArgs(m)
		for i := range files {
			files[i] = quote(under(files[i], "", dir))
		}
		return "grep -nE 'bind|crt' " + strings.Join(files, " ")
	case postgresName:
		return "psql -c 'SHOW ssl_cert_file' -c 'SHOW ssl_key_file'"
	}
	return "tr '\\0' ' ' < /proc/" + strconv.Itoa(m.pid) + "/cmdline"
}

func shellLine(exe string, args []string) string {
	words := []string{quote(exe)}
	for _, a := range args {
		words = append(words, quote(a))
	}
	return strings.Join(words, " ")
}

// file looks at one file, once for each part that it plays.
func (l *targetLook) file(v view, f evidence.TargetFile, readers []master) {
	key := v.root + " " + f.Path + strconv.FormatBool(f.Ours)
	if l.files[key] {
		return
	}
	l.files[key] = true
	f.Target = l.ask.Target
	f = inspectFile(v, f, readers)
	outcome, reason := evidence.Pass, f.Damage
	switch {
	case f.Error != "" && len(f.Certs) == 0:
		outcome, reason = evidence.Unknown, f.Error
	case !f.Exists:
		outcome, reason = evidence.Fail, "it is not there"
	case f.Form == "empty" || f.Damage != "":
		outcome = evidence.Fail
	}
	l.add(evidence.CheckRead, f.Path, outcome, fileWords(f), reason, fileCommand(f), f)
}

// fileWords says in short what a file is.
func fileWords(f evidence.TargetFile) string {
	if !f.Exists {
		return ""
	}
	var w []string
	for _, c := range f.Certs {
		w = append(w, "serial "+c.Serial)
	}
	switch {
	case f.Locked:
		w = append(w, "a key locked by a pass phrase")
	case f.KeyHash != "":
		w = append(w, "a key whose public half has SHA-256 "+f.KeyHash[:16]+"...")
	}
	if len(w) == 0 {
		w = append(w, f.Form+", no certificate and no key")
	}
	s := fmt.Sprintf("%s; %s %s:%s, %d bytes, changed %s", strings.Join(w, ", "), f.Mode, f.Owner, f.Group, f.Size, f.Changed.Format(time.RFC3339))
	if len(f.Links) > 0 {
		s += "; by the link " + strings.Join(f.Links, ", ")
	}
	return s
}

// fileCommand shows the same in a shell, and prints no key.
func fileCommand(f evidence.TargetFile) string {
	p := quote(f.Path)
	show := "openssl x509 -in " + p + " -noout -serial -enddate"
	if f.Role == "key" {
		show = "openssl pkey -in " + p + " -pubout -outform DER | sha256sum"
	}
	return "namei -l " + p + "; stat " + p + "; " + show
}

// test has the server test its configuration.
func (l *targetLook) test(m master, to netip.AddrPort, args []string) {
	t, err := testConfig(m, args)
	t.Target, t.Address = l.ask.Target, to.String()
	command := shellLine(m.exe, args)
	subject := m.name + " at " + to.String()
	switch {
	case err != nil:
		l.add(evidence.CheckTest, subject, evidence.Unknown, "", err.Error(), command, nil)
	case t.Exit != 0:
		var said []string
		for _, f := range t.Faults {
			said = append(said, f.Text)
		}
		l.add(evidence.CheckTest, subject, evidence.Fail, "exit status "+strconv.Itoa(t.Exit)+": "+orWords(strings.Join(said, "; "), t.Output), "", command, t)
	default:
		l.add(evidence.CheckTest, subject, evidence.Pass, "exit status 0", "", command, t)
	}
}

// memory asks HAProxy what it holds.
func (l *targetLook) memory(ctx context.Context, m master, to netip.AddrPort) {
	files, dir, _ := haproxyArgs(m)
	c := readHAProxy(m.view(), files, dir, environ(m.pid))
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	for _, s := range c.sockets {
		if !strings.HasPrefix(s, "/") {
			continue
		}
		held, err := haproxyMemory(ctx, m.view(), s)
		if err != nil {
			l.add(evidence.CheckMemory, s, evidence.Unknown, "", "the runtime socket does not tell: "+err.Error(), "", nil)
			continue
		}
		held.Target, held.Address = l.ask.Target, to.String()
		var words []string
		for _, h := range held.Certs {
			if h.Open {
				words = append(words, h.File+" serial "+h.Serial+" in a transaction that is not committed")
			} else {
				words = append(words, h.File+" serial "+h.Serial)
			}
		}
		l.add(evidence.CheckMemory, s, evidence.Pass, strings.Join(words, ", "), "", "echo 'show ssl cert' | socat - "+quote(s), held)
		return
	}
}

// directory looks at a directory that is written in.
func (l *targetLook) directory(dir string) {
	d := inspectDirectory(l.ask.Target, dir)
	outcome, reason := evidence.Pass, d.Error
	switch {
	case d.Error != "":
		outcome = evidence.Unknown
	case d.ReadOnly || !d.Writable:
		outcome = evidence.Fail
	}
	seen := fmt.Sprintf("%s %s, writable by %s: %t, file system read-only: %t, %d bytes free", d.Mode, d.Owner, d.User, d.Writable, d.ReadOnly, d.Free)
	l.add(evidence.CheckPlace, dir, outcome, seen, reason, "ls -ld "+quote(dir)+"; findmnt -T "+quote(dir)+"; df "+quote(dir), d)
}

// ownAddress says whether an address is one of this machine's.
func ownAddress(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if a.IsLoopback() || a.IsUnspecified() {
		return true
	}
	list, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(list, func(x net.Addr) bool {
		n, ok := x.(*net.IPNet)
		if !ok {
			return false
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		return ok && ip.Unmap() == a
	})
}

// LocalAddresses resolves endpoints ("host:port") to the addresses that are this machine's own.
func (p *Prober) LocalAddresses(ctx context.Context, endpoint string) ([]netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(endpoint)
	if err != nil {
		host, port = strings.Trim(endpoint, "[]"), "443"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("endpoint %s: its port is no number", endpoint)
	}
	var addrs []netip.Addr
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = []netip.Addr{a}
	} else if addrs, err = p.addresses(ctx, host); err != nil {
		return nil, err
	}
	var out []netip.AddrPort
	for _, a := range addrs {
		if ownAddress(a) {
			out = append(out, netip.AddrPortFrom(a.Unmap(), uint16(n)))
		}
	}
	if len(out) == 0 {
		return nil, errNotHere
	}
	return out, nil
}

// LookLocal is LookTarget for a host that no target is known of: at those of its addresses that are this machine's. What
// serves them in a way that cannot be read is passed over: there is no target that ought to be readable.
func (p *Prober) LookLocal(ctx context.Context, host, port, name string) []evidence.Observation {
	addrs, err := p.LocalAddresses(ctx, net.JoinHostPort(host, port))
	if err != nil {
		return nil
	}
	all := p.LookTarget(ctx, TargetAsk{Addresses: addrs, ServerName: name})
	return slices.DeleteFunc(all, func(o evidence.Observation) bool {
		return o.Outcome == evidence.Unknown && (o.Check == evidence.CheckConfig || o.Check == evidence.CheckMemory)
	})
}

// LookLocalTest is LookTest for a host that no target is known of.
func (p *Prober) LookLocalTest(ctx context.Context, host, port, name string) []evidence.Observation {
	addrs, err := p.LocalAddresses(ctx, net.JoinHostPort(host, port))
	if err != nil {
		return nil
	}
	return p.LookTest(ctx, TargetAsk{Addresses: addrs, ServerName: name})
}

// errNotHere is why an endpoint's processes cannot be seen.
var errNotHere = errors.New("it is not an address of this machine")
