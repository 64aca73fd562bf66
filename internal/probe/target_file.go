package probe

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// inspectFile looks at one file of the view. Keys are opened to name their public half, and wiped.
func inspectFile(v view, f evidence.TargetFile, readers []master) evidence.TargetFile {
	real, outer, links, err := v.follow(f.Path)
	f.Real, f.Links = real, links
	if err == nil {
		err = statFile(&f, outer)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f
	case err != nil:
		f.Error = err.Error()
		return f
	}
	f.Exists = true
	f.Readers = fileReaders(v, f.Path, readers)
	b, err := v.read(f.Path)
	if err != nil {
		f.Error = err.Error()
		return f
	}
	defer clear(b)
	readContent(&f, b)
	return f
}

// statFile takes what the file system knows.
func statFile(f *evidence.TargetFile, outer string) error {
	st, err := os.Stat(outer)
	if err != nil {
		return err
	}
	f.Mode, f.Size, f.Modified = fmt.Sprintf("%04o", st.Mode().Perm()), st.Size(), st.ModTime().UTC()
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		f.Owner, f.Group = userName(int(sys.Uid)), groupName(int(sys.Gid))
		f.Changed = time.Unix(int64(sys.Ctim.Sec), int64(sys.Ctim.Nsec)).UTC()
	}
	return nil
}

// rereaders are programs that change their user after their start and read their files again as that user when they are told to
// reload (stunnel(8), setuid). Others that change it, such as lighttpd, read at their start alone.
var rereaders = []string{"stunnel", "stunnel3", "stunnel4"}

func fileReaders(v view, name string, readers []master) []evidence.FileReader {
	var out []evidence.FileReader
	for _, m := range readers {
		r := evidence.FileReader{User: userName(m.uid), May: "yes"}
		ok, why, err := m.mayRead(v, name)
		switch {
		case err != nil || m.uid < 0 || !m.readsItself():
			r.May = "unknown"
			if err != nil {
				r.Why = err.Error()
			}
		case !ok && m.shed:
			r.May, r.Why = "unknown", why+"; the program changed its user after its start, and may have read it before"
			r.Again = slices.Contains(rereaders, m.name)
		case !ok:
			r.May, r.Why = "no", why
		}
		out = append(out, r)
	}
	return out
}

var (
	bom      = []byte("\xef\xbb\xbf")
	pemBegin = []byte("-----BEGIN ")
)

// readContent says what a file's bytes are.
func readContent(f *evidence.TargetFile, b []byte) {
	switch {
	case len(b) == 0:
		f.Form = "empty"
		return
	case bytes.Contains(b, pemBegin):
		f.Form = "pem"
		readPEM(f, b)
		return
	}
	f.Form = "other"
	var outer asn1.RawValue
	rest, err := asn1.Unmarshal(b, &outer)
	if err != nil || outer.Tag != asn1.TagSequence || outer.Class != asn1.ClassUniversal || len(rest) > 0 {
		return
	}
	f.Form = "der"
	var version int
	if _, err := asn1.Unmarshal(outer.Bytes, &version); err == nil && version == 3 { // RFC 7292 section 4: PFX ::= SEQUENCE { version INTEGER {v3(3)} ...
		f.Form = "pfx"
		return
	}
	if c, err := x509.ParseCertificate(b); err == nil {
		f.Certs = append(f.Certs, fileCert(c))
	}
	f.KeyHash = keyHashOf(b)
}

// readPEM reads a PEM file as OpenSSL does: text around the blocks, a byte order mark and CRLF do no harm.
func readPEM(f *evidence.TargetFile, b []byte) {
	if bytes.HasPrefix(b, bom) {
		f.Marks, b = append(f.Marks, "bom"), b[len(bom):]
	}
	if bytes.Contains(b, []byte("\r\n")) {
		f.Marks = append(f.Marks, "crlf")
	}
	total := b
	for n := 1; ; n++ {
		at := bytes.Index(b, pemBegin)
		if at < 0 {
			return
		}
		b = b[at:]
		line := 1 + bytes.Count(total[:len(total)-len(b)], []byte("\n"))
		// A block must end before the next begins: pem.Decode would silently skip a cut one.
		end := len(b)
		if next := bytes.Index(b[len(pemBegin):], pemBegin); next >= 0 {
			end = next + len(pemBegin)
		}
		block, _ := pem.Decode(b[:end])
		if block == nil {
			f.Damage = firstOf(f.Damage, fmt.Sprintf("the block that begins at line %d has no end, or cannot be decoded", line))
			b = b[end:]
			continue
		}
		readBlock(f, block, line)
		clear(block.Bytes)
		b = b[end:]
	}
}

func firstOf(have, more string) string {
	if have != "" {
		return have
	}
	return more
}

// readBlock takes one PEM block.
func readBlock(f *evidence.TargetFile, block *pem.Block, line int) {
	switch block.Type {
	case "CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err == nil {
			f.Certs = append(f.Certs, fileCert(c))
			return
		}
		var outer asn1.RawValue
		if rest, bad := asn1.Unmarshal(block.Bytes, &outer); bad != nil || len(rest) > 0 && block.Type == "CERTIFICATE" {
			f.Damage = firstOf(f.Damage, fmt.Sprintf("the certificate that begins at line %d is cut or changed", line))
			return
		}
		f.Error = fmt.Sprintf("the certificate that begins at line %d cannot be read here: %v", line, err)
	case "ENCRYPTED PRIVATE KEY":
		f.Locked = true
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
		if strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") { // RFC 1421 section 4.6.1.1
			f.Locked = true
			return
		}
		if f.KeyHash = keyHashOf(block.Bytes); f.KeyHash != "" {
			return
		}
		var outer asn1.RawValue
		if _, err := asn1.Unmarshal(block.Bytes, &outer); err != nil {
			f.Damage = firstOf(f.Damage, fmt.Sprintf("the private key that begins at line %d is cut or changed", line))
		}
	}
}

func fileCert(c *x509.Certificate) evidence.FileCert {
	e := evidence.FileCert{Serial: order.SerialOf(c), KeyHash: hashKey(c.PublicKey), Subject: c.Subject.String(), Names: append([]string{}, c.DNSNames...),
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, CA: c.IsCA, OwnIssuer: bytes.Equal(c.RawIssuer, c.RawSubject)}
	if e.KeyHash == "" {
		e.KeyHash = fmt.Sprintf("%X", sha256.Sum256(c.RawSubjectPublicKeyInfo))
	}
	for _, ip := range c.IPAddresses {
		e.Names = append(e.Names, ip.String())
	}
	return e
}

// keyHashOf names a private key by its public half; empty if it cannot be read.
func keyHashOf(der []byte) string {
	for _, read := range []func([]byte) (any, error){
		x509.ParsePKCS8PrivateKey,
		func(b []byte) (any, error) { return x509.ParseECPrivateKey(b) },
		func(b []byte) (any, error) { return x509.ParsePKCS1PrivateKey(b) },
	} {
		k, err := read(der)
		if s, ok := k.(crypto.Signer); err == nil && ok {
			return hashKey(s.Public())
		}
	}
	return ""
}

func hashKey(key crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%X", sha256.Sum256(der))
}

// inspectDirectory says whether files can be written in a directory, by the user that looks.
func inspectDirectory(target, dir string) evidence.Directory {
	d := evidence.Directory{Target: target, Path: dir, User: userName(os.Geteuid()), Free: -1, FreeNode: -1}
	st, err := os.Stat(dir)
	if err != nil {
		d.Error = err.Error()
		return d
	}
	d.Mode = fmt.Sprintf("%04o", st.Mode().Perm())
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		d.Owner = userName(int(sys.Uid))
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		d.Error = err.Error()
		return d
	}
	const readOnly, write = 0x1, 0x2 // ST_RDONLY of statfs(2), W_OK of access(2)
	d.ReadOnly = s.Flags&readOnly != 0
	free := s.Bavail
	if os.Geteuid() == 0 {
		free = s.Bfree
	}
	d.Free = int64(free) * s.Bsize
	if s.Files > 0 {
		d.FreeNode = int64(s.Ffree)
	}
	err = syscall.Access(dir, write)
	d.Writable = err == nil
	if errors.Is(err, syscall.EROFS) {
		d.ReadOnly = true
	}
	return d
}
