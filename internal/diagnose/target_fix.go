package diagnose

import "strings"

// fixSigns fill the commands that heal a target's causes, with the paths and processes that were seen; where they cannot
// be filled, a sync stands for them.
func (j *judge) fixSigns(s *scope, t *target) {
	sync := "certwright order sync " + s.vars["order"]
	s.vars["reloads"], s.vars["stops"], s.vars["links"] = sync, "ss -ltnp", sync
	if r := t.reload(); r != "" {
		s.vars["reloads"] = r
	}
	if pid := t.older(); pid != 0 {
		s.vars["stops"] = "kill " + itoa(pid)
	}
	if l := t.relink(); l != "" {
		s.vars["links"] = l
		if r := t.reload(); r != "" {
			s.vars["links"] += " && " + r
		}
	}
}

// reloadSignals are the signals at which servers read their certificates again, by the kernel's name of the process.
// Servers that take no signal for that are not among them.
var reloadSignals = map[string]string{"nginx": "HUP", "apache2": "USR1", "httpd": "USR1", "postgres": "HUP", "dovecot": "HUP", "hitch": "HUP", "stunnel": "HUP", "stunnel4": "HUP", "lighttpd": "USR1"}

// reload is the command that has the target's servers read their files again; empty if that is not known of one of them.
func (t *target) reload() string {
	var out []string
	seen := map[int]bool{}
	for _, l := range t.listeners {
		for _, m := range l.Masters {
			signal := reloadSignals[m.Name]
			if m.Software == "haproxy" && m.Renews { // only its master process takes it
				signal = "USR2"
			}
			if signal == "" {
				return ""
			}
			if !seen[m.PID] {
				seen[m.PID] = true
				out = append(out, "kill -"+signal+" "+itoa(m.PID))
			}
		}
	}
	return strings.Join(out, " && ")
}

// older is the process that loaded its files before they changed, of two that share an address; 0 if it is not known
// which of them that is.
func (t *target) older() int {
	changed := t.changed()
	for _, l := range t.listeners {
		if len(l.Masters) != 2 || changed.IsZero() {
			continue
		}
		a, b := l.Masters[0], l.Masters[1]
		switch late, early := loadedAfter(a, changed), loadedAfter(b, changed); {
		case late && !early:
			return b.PID
		case early && !late:
			return a.PID
		}
	}
	return 0
}

// relink makes the paths that the server reads links to the files that the target writes, keeping what is there beside
// them (ln -b); empty where the two do not hold the same.
func (t *target) relink() string {
	own, ok := t.own()
	if !ok || own.key == nil || own.cert.Role != "fullchain" && own.cert.Role != "combined" {
		return ""
	}
	for _, p := range t.chosen() {
		both := p.use.Key == p.use.Certificate
		if t.isOurs(p.cert) || t.wanted(p.cert.leafSerial()) || both != (own.cert.Role == "combined") {
			continue
		}
		cmd := "ln -sfnb " + quote(own.cert.Path) + " " + quote(p.use.Certificate)
		if !both {
			cmd += " && ln -sfnb " + quote(own.key.Path) + " " + quote(p.use.Key)
		}
		return cmd
	}
	return ""
}
