package diagnose

import (
	"slices"
	"strings"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// readFile is a file as it was looked at.
type readFile struct {
	evidence.TargetFile
	ref EvidenceRef
}

// leaf is the first certificate in it that is no authority's, or the first; nil if there is none. In a file in the
// wrong order it is not the one that a server takes.
func (f *readFile) leaf() *evidence.FileCert {
	if f == nil || len(f.Certs) == 0 {
		return nil
	}
	if i := slices.IndexFunc(f.Certs, func(c evidence.FileCert) bool { return !c.CA }); i > 0 {
		return &f.Certs[i]
	}
	return &f.Certs[0]
}

// leafSerial is the leaf's serial, empty if there is none.
func (f *readFile) leafSerial() string {
	if c := f.leaf(); c != nil {
		return c.Serial
	}
	return ""
}

// seenConfig, seenTest, seenMemory and seenListener are payloads with what quotes them.
type seenConfig struct {
	evidence.ServerConfig
	ref EvidenceRef
}

type seenTest struct {
	evidence.ConfigTest
	ref EvidenceRef
}

type seenMemory struct {
	evidence.Memory
	ref EvidenceRef
}

type seenListener struct {
	evidence.Listener
	ref EvidenceRef
}

type seenDirectory struct {
	evidence.Directory
	ref EvidenceRef
}

// pair is a certificate that a server reads, with the file of its key.
type pair struct {
	use       evidence.Use
	cert, key *readFile
}

// target is everything seen of one deployment, or, without an order, of what serves at this machine's addresses.
type target struct {
	key       string
	dep       *order.Deployment // nil without an order
	row       *order.Row        // of the order's path; nil without
	ours      []*readFile       // files that the target's settings name
	read      []*readFile       // files that the server's configuration names
	listeners []seenListener
	configs   []seenConfig
	tests     []seenTest
	memories  []seenMemory
	dirs      []seenDirectory
	looks     []*look  // fresh handshakes at its endpoints with the name
	want      []string // serials that should be served
	number    int      // of the version that should be served; 0 without an order
}

// readTarget gathers the observations of one target.
func (j *judge) readTarget(key string) *target {
	t := &target{key: key}
	files, from := payloads[evidence.TargetFile](j.obs, evidence.ProbeTarget)
	for i, f := range files {
		if from[i].Check != evidence.CheckRead || f.Target != key {
			continue
		}
		x := &readFile{f, refOf(from[i])}
		if f.Ours {
			t.ours = append(t.ours, x)
		} else {
			t.read = append(t.read, x)
		}
	}
	for _, o := range j.obs {
		if o.Probe == evidence.ProbeTarget {
			t.take(key, o)
		}
	}
	return t
}

// take sorts one observation in.
func (t *target) take(key string, o evidence.Observation) {
	ref := refOf(o)
	switch o.Check {
	case evidence.CheckListener:
		if l, ok := evidence.Decode[evidence.Listener](o); ok && l.Target == key {
			t.listeners = append(t.listeners, seenListener{l, ref})
		}
	case evidence.CheckConfig:
		if c, ok := evidence.Decode[evidence.ServerConfig](o); ok && c.Target == key {
			t.configs = append(t.configs, seenConfig{c, ref})
		}
	case evidence.CheckTest:
		if c, ok := evidence.Decode[evidence.ConfigTest](o); ok && c.Target == key {
			t.tests = append(t.tests, seenTest{c, ref})
		}
	case evidence.CheckMemory:
		if m, ok := evidence.Decode[evidence.Memory](o); ok && m.Target == key {
			t.memories = append(t.memories, seenMemory{m, ref})
		}
	case evidence.CheckPlace:
		if d, ok := evidence.Decode[evidence.Directory](o); ok && d.Target == key && d.Error == "" {
			t.dirs = append(t.dirs, seenDirectory{d, ref})
		}
	}
}

// fileAt finds a file that was looked at, by its path.
func (t *target) fileAt(path string) *readFile {
	for _, list := range [][]*readFile{t.read, t.ours} {
		for _, f := range list {
			if f.Path == path {
				return f
			}
		}
	}
	return nil
}

// chosen are the pairs that clients of the name get, as the servers' configurations say.
func (t *target) chosen() []pair {
	var out []pair
	for _, c := range t.configs {
		for _, u := range c.Uses {
			if !u.Chosen || slices.ContainsFunc(out, func(p pair) bool { return p.use.Certificate == u.Certificate && p.use.Key == u.Key }) {
				continue
			}
			if f := t.fileAt(u.Certificate); f != nil {
				out = append(out, pair{u, f, t.fileAt(u.Key)})
			}
		}
	}
	return out
}

// own is the pair of the target's own settings.
func (t *target) own() (pair, bool) {
	var p pair
	for _, f := range t.ours {
		switch f.Role {
		case "key":
			p.key = f
		case "fullchain", "combined", "pfx":
			p.cert = f
		case "certificate":
			if p.cert == nil {
				p.cert = f
			}
		}
	}
	if p.cert == nil {
		return p, false
	}
	if p.key == nil && (p.cert.Role == "combined" || p.cert.Role == "pfx") {
		p.key = p.cert
	}
	p.use = evidence.Use{Certificate: p.cert.Path, Chosen: true, Named: true, From: "the settings of the target"}
	if p.key != nil {
		p.use.Key = p.key.Path
	}
	return p, true
}

// isOurs says whether a file is one that the target's settings name, by whatever path.
func (t *target) isOurs(f *readFile) bool {
	return slices.ContainsFunc(t.ours, func(o *readFile) bool {
		return o.Path == f.Path || o.Exists && f.Exists && o.Real == f.Real
	})
}

func (t *target) wanted(serial string) bool {
	return serial != "" && slices.ContainsFunc(t.want, func(w string) bool { return strings.EqualFold(w, serial) })
}

// versionOf finds the order's version with a serial.
func (j *judge) versionOf(serial string) *order.Version {
	if j.opts.Order == nil || serial == "" {
		return nil
	}
	for i := range j.opts.Order.Versions {
		if v := &j.opts.Order.Versions[i]; strings.EqualFold(v.Serial, serial) {
			return v
		}
	}
	return nil
}

// targets are all scopes to be: each deployment of the order, or, without one, what serves on this machine.
func (j *judge) targets() []*target {
	if len(j.path) == 0 {
		return j.localTargets()
	}
	var out []*target
	for _, r := range j.stage(order.StageDeploy).Rows {
		if r.State == order.Disabled {
			continue // nobody wants it to be current
		}
		t := j.readTarget(r.Name)
		t.row, t.want = &r, j.current()
		if o := j.opts.Order; o != nil {
			for i := range o.Deployments {
				if d := &o.Deployments[i]; d.Key() == r.Name && !d.Gone {
					t.dep = d
					if v := o.Current(d.KeyType); v != nil {
						t.number = v.Number
					}
				}
			}
		}
		t.looks = j.looksOf(t)
		out = append(out, t)
	}
	return out
}

// looksAt are the handshakes with the name at one address.
func (j *judge) looksAt(address string) []*look {
	var out []*look
	for _, l := range j.survey.looks {
		if l.Address == address && l.name != "" && l.leaf() != nil {
			out = append(out, l)
		}
	}
	return out
}

// looksOf are the handshakes at a target's endpoints: those that its probe looked at; else all of the order's, if
// no other target could be behind them.
func (j *judge) looksOf(t *target) []*look {
	var out []*look
	for _, l := range t.listeners {
		out = append(out, j.looksAt(l.Address)...)
	}
	if len(out) > 0 || len(j.stage(order.StageDeploy).Rows) > 1 && t.dep == nil {
		return out
	}
	for _, l := range j.survey.looks {
		if l.name != "" && l.leaf() != nil && j.endpointOf(t, l.Address) {
			out = append(out, l)
		}
	}
	return out
}

// endpointOf says whether an address belongs to a target: by the order's endpoint rows; with one target, always.
func (j *judge) endpointOf(t *target, address string) bool {
	rows := j.stage(order.StageDeploy).Rows
	if len(rows) <= 1 {
		return true
	}
	o := j.opts.Order
	if o == nil || t.dep == nil {
		return false
	}
	for i := range o.Endpoints {
		e := &o.Endpoints[i]
		if strings.EqualFold(e.Site, t.dep.Site) && strings.EqualFold(e.Target, t.dep.Target) && e.Address == address {
			return true
		}
	}
	return false
}

// localTargets are the addresses of this machine where no order says what should be served: one each.
func (j *judge) localTargets() []*target {
	all := j.readTarget("")
	var out []*target
	for _, l := range all.listeners {
		t := &target{read: all.read, listeners: []seenListener{l}, looks: j.looksAt(l.Address)}
		for _, c := range all.configs {
			if c.Address == l.Address {
				t.configs = append(t.configs, c)
			}
		}
		for _, x := range all.tests {
			if x.Address == l.Address {
				t.tests = append(t.tests, x)
			}
		}
		for _, m := range all.memories {
			if m.Address == l.Address {
				t.memories = append(t.memories, m)
			}
		}
		t.want = j.newest(t)
		out = append(out, t)
	}
	return out
}

// newest is what should be served where no order says so: what files and wire agree on, and the certificate that begins
// last among those that they hold for the name. Of two that begin in the same second the file's is taken: files come first.
func (j *judge) newest(t *target) []string {
	best, at := "", time.Time{}
	var out []string
	served := map[string]bool{}
	take := func(serial string, from time.Time) {
		if serial != "" && from.After(at) {
			best, at = serial, from
		}
	}
	for _, l := range t.looks {
		served[serialOf(l.leaf())] = true
	}
	for _, p := range t.chosen() {
		if p.cert.leaf() == nil || !p.use.Named {
			continue
		}
		take(p.cert.leaf().Serial, p.cert.leaf().NotBefore)
		if served[p.cert.leaf().Serial] {
			out = append(out, p.cert.leaf().Serial)
		}
	}
	for _, l := range t.looks {
		if coversName(l.leaf(), l.name) {
			take(serialOf(l.leaf()), l.leaf().NotBefore)
		}
	}
	if best != "" && !slices.Contains(out, best) {
		out = append(out, best)
	}
	return out
}
