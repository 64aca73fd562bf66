package deploy

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"certwright/internal/evidence"
	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// Checks of a files observation.
const (
	CheckFile   = "file"   // one named file: there, with the right content, mode and owner
	CheckPair   = "pair"   // the key on disk belongs to the leaf on disk
	CheckReload = "reload" // only where one is outstanding: what is on disk was not loaded
	CheckSerial = "serial" // every file holds the certificate's serial, and the key is its
)

// look is one file as it was seen.
type look struct {
	evidence.File
	parsed parsed
	right  bool // mode and owner are as asked for
}

// observe looks at all files. It opens keys only to compare their public halves.
func (d *Deployer) observe(w *work, c fulfill.Certificate) []evidence.Observation {
	chain, err := parseChain(c.Chain)
	serial := ""
	if err == nil {
		serial = order.SerialOf(chain[0])
	}
	at := d.now()
	looks := make([]look, len(w.names))
	for i, n := range w.names {
		looks[i] = w.look(n)
	}
	matchKeys(looks)
	var out []evidence.Observation
	for i := range looks {
		o := fileObservation(w, &looks[i], chain)
		o.Probe, o.From, o.At = evidence.ProbeFiles, "server", at
		out = append(out, o.With(looks[i].File))
	}
	base := evidence.Observation{Probe: evidence.ProbeFiles, Subject: w.describe(), From: "server", At: at}
	if p, ok := pairObservation(base, looks); ok {
		out = append(out, p)
	}
	if w.pending() {
		p := base
		p.Check, p.Outcome, p.Expected, p.Seen = CheckReload, evidence.Fail, "loaded", "not loaded"
		p.Reason = "the files were switched, and the reload command " + w.reload + " has not succeeded since"
		out = append(out, p)
	}
	return append(out, serialObservation(base, looks, chain, serial))
}

// look reads one named file.
func (w *work) look(n named) look {
	l := look{File: evidence.File{Path: w.abs(n.path), Kind: n.kind, KeyMatch: -2}}
	st, err := w.root.Stat(n.path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			l.Error = err.Error()
		}
		return l
	}
	l.Exists, l.Mode, l.Size, l.Modified = true, fmt.Sprintf("%04o", st.Mode().Perm()), st.Size(), st.ModTime().UTC()
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		l.Owner, l.Group = userName(sys.Uid), groupName(sys.Gid)
	}
	l.right = st.Mode().Perm() == w.modeOf(n.kind) && w.owned(st)
	b, err := w.root.ReadFile(n.path)
	if err != nil {
		l.Error = err.Error()
		return l
	}
	defer clear(b)
	l.parsed = parse(n.kind, b)
	for _, c := range l.parsed.certs {
		l.Serials = append(l.Serials, order.SerialOf(c))
	}
	if len(l.parsed.certs) == 0 && l.parsed.key == nil && n.kind != kindChain {
		l.Error = fmt.Sprintf("%d bytes that hold neither a certificate nor a private key that can be read", len(b))
	}
	return l
}

// matchKeys says of each file with certificates which of them the key beside it fits.
func matchKeys(looks []look) {
	var beside crypto.PublicKey
	for _, l := range looks {
		if l.Kind == kindKey {
			beside = l.parsed.key
		}
	}
	for i := range looks {
		key := looks[i].parsed.key
		if key == nil {
			key = beside
		}
		if key == nil || len(looks[i].parsed.certs) == 0 {
			continue
		}
		looks[i].KeyMatch = slices.IndexFunc(looks[i].parsed.certs, func(c *x509.Certificate) bool { return samePublic(key, c.PublicKey) })
	}
}

// fileObservation compares one file with what it is to hold.
func fileObservation(w *work, l *look, chain []*x509.Certificate) evidence.Observation {
	o := evidence.Observation{Check: CheckFile, Subject: l.Path, Outcome: evidence.Pass, Expected: expectedOf(l.Kind, chain), Seen: seenOf(l),
		Command: commandFor(l)}
	switch {
	case l.Error != "" && !l.Exists, l.Error != "" && strings.Contains(l.Error, "permission denied"):
		o.Outcome, o.Reason = evidence.Unknown, l.Error
	case !l.Exists:
		o.Outcome, o.Reason = evidence.Fail, "it is not there"
	case l.Error != "":
		o.Outcome, o.Reason = evidence.Fail, l.Error
	case len(chain) > 0 && !holdsChain(l, chain):
		o.Outcome = evidence.Fail
	case !l.right:
		o.Outcome, o.Reason = evidence.Fail, fmt.Sprintf("mode and owner are %s %s:%s, wanted %s %s:%s", l.Mode, l.Owner, l.Group,
			fmt.Sprintf("%04o", w.modeOf(l.Kind)), orSame(w.owner), orSame(w.group))
	}
	return o
}

// expectedOf is what a file is to hold, in the words of seenOf.
func expectedOf(kind string, chain []*x509.Certificate) string {
	if len(chain) == 0 {
		return ""
	}
	leaf := order.SerialOf(chain[0])
	switch kind {
	case kindKey:
		return "key of " + leaf
	case kindCertificate:
		return "serials " + leaf
	case kindChain:
		chain = chain[1:]
	}
	var s []string
	for _, c := range chain {
		s = append(s, order.SerialOf(c))
	}
	return "serials " + strings.Join(s, ",")
}

func seenOf(l *look) string {
	switch {
	case !l.Exists:
		return ""
	case l.Kind == kindKey && l.parsed.key != nil:
		return "key, SHA-256 of its public half " + keyHash(l.parsed.key)
	case l.Kind == kindKey:
		return "no key"
	}
	return "serials " + strings.Join(l.Serials, ",")
}

// holdsChain says whether a file holds its part of the chain, and the leaf's key where it is to hold a key.
func holdsChain(l *look, chain []*x509.Certificate) bool {
	want := chain
	switch l.Kind {
	case kindCertificate:
		want = chain[:1]
	case kindChain:
		want = chain[1:]
	case kindKey:
		want = nil
	}
	if !slices.EqualFunc(l.parsed.certs, want, func(a, b *x509.Certificate) bool { return a.Equal(b) }) {
		return false
	}
	return !secretKind(l.Kind) || l.parsed.key != nil && samePublic(l.parsed.key, chain[0].PublicKey)
}

// pairObservation says whether key and leaf on disk belong together, whichever version they are.
func pairObservation(o evidence.Observation, looks []look) (evidence.Observation, bool) {
	o.Check, o.Outcome, o.Expected, o.Seen = CheckPair, evidence.Pass, "key of the leaf", "key of the leaf"
	known := false
	for _, l := range looks {
		if l.Kind == kindChain || l.KeyMatch == -2 {
			continue
		}
		known = true
		if l.KeyMatch != 0 {
			o.Outcome, o.Seen = evidence.Fail, "another key"
			o.Reason = fmt.Sprintf("in %s the key fits certificate %d of %d (0 = none)", l.Path, l.KeyMatch+1, len(l.Serials))
		}
	}
	return o, known
}

// serialObservation is the target as a whole.
func serialObservation(o evidence.Observation, looks []look, chain []*x509.Certificate, serial string) evidence.Observation {
	o.Check, o.Outcome, o.Expected = CheckSerial, evidence.Pass, serial
	var seen []string
	for i := range looks {
		l := &looks[i]
		if len(l.Serials) > 0 && l.Kind != kindChain && !slices.Contains(seen, l.Serials[0]) {
			seen = append(seen, l.Serials[0])
		}
		switch {
		case l.Error != "" && (!l.Exists || strings.Contains(l.Error, "permission denied")):
			if o.Outcome == evidence.Pass {
				o.Outcome, o.Reason = evidence.Unknown, l.Error
			}
		case !l.Exists:
			o.Outcome, o.Reason = evidence.Fail, l.Path+" is not there"
		case l.Error != "":
			o.Outcome, o.Reason = evidence.Fail, l.Path+": "+l.Error
		case len(chain) > 0 && !holdsChain(l, chain):
			o.Outcome, o.Reason = evidence.Fail, l.Path+" holds something else"
		}
	}
	o.Seen = strings.Join(seen, ",")
	if len(chain) == 0 && o.Outcome == evidence.Pass {
		o.Expected = "any"
	}
	return o
}

// commandFor is what shows the same in a shell. It prints no key.
func commandFor(l *look) string {
	p := "'" + strings.ReplaceAll(l.Path, "'", `'\''`) + "'"
	switch l.Kind {
	case kindKey:
		return "openssl pkey -in " + p + " -pubout -outform DER | sha256sum"
	case kindPFX:
		return "openssl pkcs12 -in " + p + " -passin pass: -nokeys | openssl x509 -noout -serial -enddate"
	}
	return "openssl x509 -in " + p + " -noout -serial -enddate"
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func groupName(gid uint32) string {
	id := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}

func orSame(name string) string {
	if name == "" {
		return "(any)"
	}
	return name
}
