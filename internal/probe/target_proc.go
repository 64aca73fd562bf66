package probe

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"certwright/internal/evidence"
)

// process is what /proc tells of one process.
type process struct {
	pid, parent int
	name        string // the kernel's short name
	exe         string // path of the program; empty = may not be seen
	argv        []string
	uid         int // effective
	groups      []int
	reads       bool // it may read every file whatever its mode (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH)
	shed        bool // it was another user at its start (lighttpd, vsftpd), and may have read its files as that one
	started     time.Time
}

// machineTime is the time by the machine's clock. File times and process starts are told by it, whatever
// clock the product is given, so they can be compared with nothing else.
func machineTime() time.Time {
	var tv syscall.Timeval
	if err := syscall.Gettimeofday(&tv); err != nil {
		return time.Time{}
	}
	return time.Unix(tv.Unix()).UTC()
}

// booted is when the machine started, to a hundredth of a second (proc(5), /proc/uptime).
func booted() time.Time {
	b, err := os.ReadFile("/proc/uptime")
	now := machineTime()
	if err != nil || len(bytes.Fields(b)) == 0 {
		return time.Time{}
	}
	s, err := strconv.ParseFloat(string(bytes.Fields(b)[0]), 64)
	if err != nil {
		return time.Time{}
	}
	return now.Add(-time.Duration(s * float64(time.Second)))
}

// clockTicks is USER_HZ, which Linux fixes at 100 for what /proc shows (proc(5)).
const clockTicks = 100

// readProcess reads one process; an error if it has ended.
func readProcess(pid int, boot time.Time) (process, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return process{}, err
	}
	p, err := parseStat(stat, boot)
	if err != nil {
		return process{}, err
	}
	if exe, err := os.Readlink(dir + "/exe"); err == nil {
		p.exe = strings.TrimSuffix(exe, " (deleted)")
	}
	if cmd, err := os.ReadFile(dir + "/cmdline"); err == nil {
		p.argv = strings.Split(strings.TrimRight(string(cmd), "\x00"), "\x00")
	}
	status, err := os.ReadFile(dir + "/status")
	if err == nil {
		p.readStatus(string(status))
	}
	if st, err := os.Stat(dir + "/stat"); err == nil {
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			p.shed = int(sys.Uid) != p.uid // of who changed its user, all but /proc/PID itself belongs to root (proc(5), PR_SET_DUMPABLE)
		}
	}
	return p, nil
}

// parseStat reads /proc/PID/stat: the name stands in brackets and may hold anything.
func parseStat(b []byte, boot time.Time) (process, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 2 || end < open {
		return process{}, errors.New("the kernel's line of the process cannot be read")
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(b[:open])))
	f := bytes.Fields(b[end+1:])
	if err != nil || len(f) < 20 {
		return process{}, errors.New("the kernel's line of the process cannot be read")
	}
	parent, err1 := strconv.Atoi(string(f[1]))
	ticks, err2 := strconv.ParseInt(string(f[19]), 10, 64)
	started := boot.Add(time.Duration(ticks) * (time.Second / clockTicks))
	return process{pid: pid, parent: parent, name: string(b[open+1 : end]), uid: -1, started: started}, errors.Join(err1, err2)
}

// readStatus takes the ids and the right to read anything out of /proc/PID/status.
func (p *process) readStatus(text string) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		f := strings.Fields(value)
		switch {
		case name == "Uid" && len(f) > 1:
			p.uid, _ = strconv.Atoi(f[1])
		case name == "Gid" && len(f) > 1:
			if g, err := strconv.Atoi(f[1]); err == nil {
				p.groups = append(p.groups, g)
			}
		case name == "Groups":
			for _, x := range f {
				if g, err := strconv.Atoi(x); err == nil {
					p.groups = append(p.groups, g)
				}
			}
		case name == "CapEff" && len(f) == 1:
			caps, err := strconv.ParseUint(f[0], 16, 64)
			p.reads = err == nil && caps&(1<<1|1<<2) != 0
		}
	}
}

// socket is a listening TCP socket of this network namespace.
type socket struct {
	addr  netip.AddrPort
	inode string
	uid   int
}

// listening lists the TCP sockets that accept connections.
func listening() ([]socket, error) {
	var out []socket
	var failed error
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(name)
		if err != nil {
			failed = err
			continue
		}
		out = append(out, parseSockets(string(b))...)
	}
	if len(out) > 0 {
		return out, nil
	}
	return nil, failed
}

// parseSockets reads /proc/net/tcp or tcp6 and keeps those in state LISTEN (0A).
func parseSockets(text string) []socket {
	var out []socket
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 10 || f[3] != "0A" {
			continue
		}
		a, ok := parseHexAddr(f[1])
		uid, err := strconv.Atoi(f[7])
		if ok && err == nil {
			out = append(out, socket{a, f[9], uid})
		}
	}
	return out
}

// parseHexAddr reads "0100007F:1F90": groups of four bytes in the machine's order (little endian), then the port.
func parseHexAddr(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a, uint16(n)), true
}

// accepting are the sockets that get the connections to an address: those bound to it, else those bound to all.
func accepting(all []socket, to netip.AddrPort) []socket {
	to = netip.AddrPortFrom(to.Addr().Unmap().WithZone(""), to.Port())
	var exact, family, both []socket
	for _, s := range all {
		if s.addr.Port() != to.Port() {
			continue
		}
		a := s.addr.Addr()
		switch {
		case a.Unmap() == to.Addr():
			exact = append(exact, s)
		case a.IsUnspecified() && a.Is4() == to.Addr().Is4():
			family = append(family, s)
		case a.IsUnspecified() && a.Is6():
			both = append(both, s) // an IPv6 socket that takes IPv4 too, unless it is told not to
		}
	}
	switch {
	case len(exact) > 0:
		return exact
	case len(family) > 0:
		return family
	}
	return both
}

// processes lists all processes that can be seen.
func processes() map[int]process {
	out := map[int]process{}
	boot := booted()
	dirs, _ := os.ReadDir("/proc")
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		if p, err := readProcess(pid, boot); err == nil {
			out[pid] = p
		}
	}
	return out
}

// holders are the processes that have one of the sockets open. denied says that some may not be looked into.
func holders(all map[int]process, socks []socket) (pids map[int]bool, denied bool) {
	want := map[string]bool{}
	for _, s := range socks {
		want["socket:["+s.inode+"]"] = true
	}
	pids = map[int]bool{}
	for pid := range all {
		dir := "/proc/" + strconv.Itoa(pid) + "/fd"
		fds, err := os.ReadDir(dir)
		if errors.Is(err, os.ErrPermission) {
			denied = true
			continue
		}
		for _, fd := range fds {
			if to, err := os.Readlink(dir + "/" + fd.Name()); err == nil && want[to] {
				pids[pid] = true
				break
			}
		}
	}
	if len(pids) > 1 {
		delete(pids, 1) // a supervisor that opened the socket for its service
	}
	return pids, denied
}

// master is a server with its processes.
type master struct {
	process
	workers  []process
	leaving  map[int]bool
	software string
	title    string // of nginx: its command line as its title has it
}

// masters groups the processes that hold a socket by the server they belong to.
func masters(all map[int]process, held map[int]bool) []master {
	tops := map[int]bool{}
	for pid := range held {
		tops[top(all, pid)] = true
	}
	var out []master
	for pid := range tops {
		m := master{process: all[pid], leaving: map[int]bool{}}
		m.software, m.title = software(m.process)
		for _, p := range all {
			if p.parent == pid && (sameProgram(p, m.process) || sameSuite(p, m.process)) {
				m.workers = append(m.workers, p)
				m.leaving[p.pid] = leaves(m, p, held)
			}
		}
		slices.SortFunc(m.workers, func(a, b process) int { return a.pid - b.pid })
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b master) int { return a.pid - b.pid })
	return out
}

// top climbs to the first process of the same program.
func top(all map[int]process, pid int) int {
	for {
		p := all[pid]
		up, ok := all[p.parent]
		if !ok || up.pid <= 1 || !sameProgram(p, up) && !sameSuite(p, up) {
			return pid
		}
		pid = up.pid
	}
}

func sameProgram(a, b process) bool {
	if a.exe != "" && b.exe != "" {
		return a.exe == b.exe
	}
	return a.name == b.name
}

// sameSuite says whether a process is a helper of its parent's server: another program, which lies in a folder of the
// server's name (/usr/lib/dovecot/imap-login of dovecot) or beside it (/usr/lib/postfix/sbin/smtpd of master). The
// parent is the one that reads the configuration and starts the helpers anew at a reload.
func sameSuite(p, parent process) bool {
	if p.exe == "" || parent.exe == "" {
		return false
	}
	server, dir := filepath.Base(parent.exe), filepath.Dir(p.exe)
	return slices.Contains(strings.Split(dir, "/"), server) || server == "master" && dir == filepath.Dir(parent.exe)
}

// leaves says whether a worker takes no new connections any more.
func leaves(m master, p process, held map[int]bool) bool {
	switch m.software {
	case nginxName:
		return strings.Contains(strings.Join(p.argv, " "), "is shutting down")
	case haproxyName:
		return !held[p.pid]
	}
	return false
}

// Programs whose configuration can be read.
const (
	nginxName    = "nginx"
	haproxyName  = "haproxy"
	postgresName = "postgresql"
	apacheName   = "apache"
)

// software names a server by its program; title is what nginx and its kin write over their arguments.
func software(p process) (name, title string) {
	line := strings.Join(p.argv, " ")
	if _, rest, ok := strings.Cut(line, ": master process "); ok {
		return nginxName, rest
	}
	base := filepath.Base(p.exe)
	if p.exe == "" {
		base = p.name
	}
	switch {
	case base == "nginx":
		return nginxName, ""
	case base == "haproxy":
		return haproxyName, ""
	case base == "apache2", base == "httpd":
		return apacheName, ""
	case base == "postgres", base == "postmaster":
		return postgresName, ""
	}
	return "", ""
}

// renews says whether a successful reload of the server starts new workers.
func (m master) renews() bool {
	return len(m.workers) > 0 && (m.software == nginxName || m.software == haproxyName || m.software == apacheName)
}

// loaded is when the server last read its files, as its processes show it.
func (m master) loaded() time.Time {
	at := m.started
	if !m.renews() {
		return at
	}
	if m.software == apacheName { // it adds workers under load, too: all were started by the last reload or after it
		at = m.workers[0].started
		for _, w := range m.workers {
			if w.started.Before(at) {
				at = w.started
			}
		}
		return at
	}
	for _, w := range m.workers {
		if !m.leaving[w.pid] && w.started.After(at) {
			at = w.started
		}
	}
	return at
}

// payload is the server as evidence.
func (m master) payload() evidence.Master {
	e := evidence.Master{PID: m.pid, Name: m.name, Exe: m.exe, Software: m.software, User: userName(m.uid), Started: m.started, Loaded: m.loaded(),
		Renews: m.renews(), Apart: m.view().apart}
	for _, w := range m.workers {
		e.Workers = append(e.Workers, evidence.Worker{PID: w.pid, Started: w.started, Leaving: m.leaving[w.pid]})
	}
	return e
}

// describe names the server in one line.
func (m master) describe() string {
	return fmt.Sprintf("%s (pid %d, %s, started %s, loaded %s)", m.name, m.pid, userName(m.uid), m.started.Format(time.RFC3339), m.loaded().Format(time.RFC3339))
}
