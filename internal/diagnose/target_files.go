package diagnose

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// Signs of the files that a server reads (perTarget), as they are, whoever wrote them.
const (
	fMissing    sign = "a-file-that-the-server-reads-is-not-there"
	fEmpty      sign = "a-file-that-the-server-reads-is-empty"
	fCut        sign = "a-file-that-the-server-reads-is-cut"
	fFormat     sign = "a-file-that-the-server-reads-is-not-PEM"
	fLocked     sign = "the-private-key-is-encrypted"
	fUnreadable sign = "the-server's-user-may-not-read-a-file"
	fPairWrong  sign = "the-key-fits-no-certificate-in-the-file"
	fHalf       sign = "one-of-the-two-is-of-another-version"
	fOrder      sign = "the-key-fits-a-later-certificate-of-the-file"
	fShort      sign = "the-file-lacks-the-intermediates-that-the-vault-holds"
	fVaultShort sign = "the-vault's-version-lacks-its-intermediates"
	fMarks      sign = "the-file-has-a-byte-order-mark-or-CRLF"
	fAccepted   sign = "the-server's-own-test-accepts-the-files"
	fPostgres   sign = "PostgreSQL-refuses-the-mode-of-its-key-file"
)

// faults gathers what one file or pair is wrong in.
type faults map[sign][]EvidenceRef

func (f faults) add(name sign, ref EvidenceRef, expected string) {
	ref.Expected = expected
	if !slices.Contains(f[name], ref) {
		f[name] = append(f[name], ref)
	}
}

// contentSigns are what the files that the server reads are in themselves.
func (j *judge) contentSigns(s *scope, t *target) {
	all := []sign{fMissing, fEmpty, fCut, fFormat, fLocked, fUnreadable, fPairWrong, fHalf, fOrder, fShort, fMarks, fPostgres}
	passed := slices.ContainsFunc(t.tests, func(x seenTest) bool { return x.Exit == 0 && readsFiles(x.Software) })
	if s.set(fAccepted, passed); t.untested() {
		s.unknown(fAccepted, untested)
	}
	pairs := t.pairs()
	if len(pairs) == 0 {
		for _, x := range all {
			s.unknown(x, "the files that the server reads were not looked at")
		}
		return
	}
	found, names := faults{}, map[sign]string{}
	for _, p := range pairs {
		for _, f := range []*readFile{p.cert, p.key} {
			if f != nil && (f != p.key || p.key != p.cert) {
				t.oneFile(found, names, f, f == p.key)
			}
		}
		j.pairFaults(found, names, s, t, p)
	}
	for _, x := range all {
		s.set(x, len(found[x]) > 0, found[x]...)
		if names[x] != "" {
			s.vars["file"] = names[x]
		}
	}
}

// readsFiles says whether a server's test of its configuration reads the certificates and keys that it names.
func readsFiles(software string) bool { return software == "nginx" || software == "haproxy" }

// oneFile looks at one file by itself.
func (t *target) oneFile(found faults, names map[sign]string, f *readFile, asKey bool) {
	add := func(x sign, expected string) {
		found.add(x, f.ref, expected)
		names[x] = f.Path
	}
	if f.Error != "" && len(f.Certs) == 0 && f.KeyHash == "" {
		return
	}
	switch {
	case !f.Exists:
		add(fMissing, "a file")
		return
	case f.Form == "empty":
		add(fEmpty, "a certificate or key")
	case f.Damage != "":
		add(fCut, "whole PEM blocks")
	case f.Form != "pem" && f.Role != "pfx" && f.Form != "":
		add(fFormat, "PEM")
	case f.Locked:
		add(fLocked, "a key that needs no pass phrase")
	}
	if len(f.Marks) > 0 {
		add(fMarks, "")
	}
	for _, r := range f.Readers {
		if r.May == "no" || r.Again && t.toldInVain() {
			add(fUnreadable, "readable by "+r.User)
		}
	}
	if asKey && t.software("postgresql") && postgresRefuses(f) {
		add(fPostgres, "no access for group and others (0600; 0640 if root owns it)")
	}
}

// toldInVain says whether the target's server was told to reload, reported no failure, and does not serve what it should.
func (t *target) toldInVain() bool {
	if t.dep == nil {
		return false
	}
	if t.pushedInVain() {
		return t.dep.Tried != nil
	}
	old := slices.ContainsFunc(t.looks, func(l *look) bool { return !t.wanted(serialOf(l.leaf())) })
	return old && t.dep.Receipt != nil && t.dep.Receipt.Reload != nil
}

func (t *target) software(name string) bool {
	return slices.ContainsFunc(t.configs, func(c seenConfig) bool { return c.Software == name })
}

// postgresRefuses is PostgreSQL's rule for key files: none of group's and others' rights, but root's file may be
// read by the group (https://www.postgresql.org/docs/current/ssl-tcp.html).
func postgresRefuses(f *readFile) bool {
	m, err := strconv.ParseUint(f.Mode, 8, 32)
	if err != nil {
		return false
	}
	if f.Owner == "root" {
		return m&0o037 != 0
	}
	return m&0o077 != 0
}

// pairFaults hold a key against the certificates that it is to fit.
func (j *judge) pairFaults(found faults, names map[sign]string, s *scope, t *target, p pair) {
	if len(p.cert.Certs) == 0 || p.cert.Form != "pem" && p.cert.Role != "pfx" || p.cert.Damage != "" {
		return // nothing that a server could take apart: that is fault enough
	}
	leaf := p.cert.Certs[0]
	if v := j.versionOf(leaf.Serial); v != nil {
		if whole := intermediates(v); len(p.cert.Certs) == 1 && whole > 0 {
			found.add(fShort, p.cert.ref, fmt.Sprintf("the leaf and %d more", whole))
			names[fShort] = p.cert.Path
		}
	}
	if p.key == nil || p.key.KeyHash == "" || leaf.KeyHash == "" {
		return
	}
	at := slices.IndexFunc(p.cert.Certs, func(c evidence.FileCert) bool { return c.KeyHash == p.key.KeyHash })
	s.vars["key"] = p.key.Path
	switch {
	case at == 0:
		return
	case at > 0:
		found.add(fOrder, p.cert.ref, "the leaf first")
		names[fOrder] = p.cert.Path
		return
	}
	found.add(fPairWrong, p.cert.ref, "a certificate of the key in "+p.key.Path)
	found.add(fPairWrong, p.key.ref, "the key of serial "+leaf.Serial)
	names[fPairWrong] = p.cert.Path
	if whose := j.keyOfOther(t, p.key.KeyHash, leaf.Serial); whose != "" {
		found.add(fHalf, p.key.ref, "the key of serial "+leaf.Serial+", not of "+whose)
		s.vars["half"] = whose
	}
}

// keyOfOther says which other version of the same certificate a key belongs to: one of the order, or the one that is served.
func (j *judge) keyOfOther(t *target, hash, but string) string {
	if o := j.opts.Order; o != nil {
		for i := range o.Versions {
			if v := &o.Versions[i]; strings.EqualFold(v.KeyHash, hash) && v.Serial != but {
				return "serial " + v.Serial
			}
		}
	}
	for _, l := range t.looks {
		if c := l.leaf(); serialOf(c) != but && publicHash(c) == hash {
			return "serial " + serialOf(c)
		}
	}
	return ""
}

// publicHash names a certificate's key as probes do.
func publicHash(c *x509.Certificate) string {
	der, err := x509.MarshalPKIXPublicKey(c.PublicKey)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%X", sha256.Sum256(der))
}

// intermediates counts the certificates of a version's chain that a server has to send besides the leaf.
func intermediates(v *order.Version) int {
	n := 0
	for i, der := range order.DecodeChain(v.Chain) {
		c, err := x509.ParseCertificate(der)
		if i > 0 && err == nil && string(c.RawSubject) != string(c.RawIssuer) {
			n++
		}
	}
	return n
}
