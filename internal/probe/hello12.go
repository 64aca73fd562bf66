package probe

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/cryptobyte"

	"certwright/internal/evidence"
)

// This file is as much of a client of SSL 3.0 to TLS 1.2 (RFC 6101, RFC 5246) as it takes to read the server's
// Certificate message, which those versions send in the clear. It offers what current clients have given up, so that the
// certificate of a server that they cannot talk to is seen all the same. It proves nothing about the server.

// oldSuites are cipher suites with a certificate that crypto/tls does not know, by their IANA numbers.
var oldSuites = map[uint16]string{
	0x0001: "TLS_RSA_WITH_NULL_MD5", 0x0002: "TLS_RSA_WITH_NULL_SHA", 0x0003: "TLS_RSA_EXPORT_WITH_RC4_40_MD5", 0x0004: "TLS_RSA_WITH_RC4_128_MD5",
	0x0006: "TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5", 0x0007: "TLS_RSA_WITH_IDEA_CBC_SHA", 0x0008: "TLS_RSA_EXPORT_WITH_DES40_CBC_SHA", 0x0009: "TLS_RSA_WITH_DES_CBC_SHA",
	0x0012: "TLS_DHE_DSS_WITH_DES_CBC_SHA", 0x0013: "TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA", 0x0014: "TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA",
	0x0015: "TLS_DHE_RSA_WITH_DES_CBC_SHA", 0x0016: "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA", 0x0032: "TLS_DHE_DSS_WITH_AES_128_CBC_SHA", 0x0033: "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
	0x0038: "TLS_DHE_DSS_WITH_AES_256_CBC_SHA", 0x0039: "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", 0x003b: "TLS_RSA_WITH_NULL_SHA256", 0x003d: "TLS_RSA_WITH_AES_256_CBC_SHA256",
	0x0040: "TLS_DHE_DSS_WITH_AES_128_CBC_SHA256", 0x0041: "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA", 0x0045: "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA",
	0x0067: "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", 0x006a: "TLS_DHE_DSS_WITH_AES_256_CBC_SHA256", 0x006b: "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256",
	0x0084: "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA", 0x0088: "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA", 0x0096: "TLS_RSA_WITH_SEED_CBC_SHA", 0x009a: "TLS_DHE_RSA_WITH_SEED_CBC_SHA",
	0x009e: "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", 0x009f: "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", 0xc006: "TLS_ECDHE_ECDSA_WITH_NULL_SHA",
	0xc008: "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA", 0xc010: "TLS_ECDHE_RSA_WITH_NULL_SHA", 0xc024: "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
	0xc028: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", 0xc09c: "TLS_RSA_WITH_AES_128_CCM", 0xc09d: "TLS_RSA_WITH_AES_256_CCM", 0xc09e: "TLS_DHE_RSA_WITH_AES_128_CCM",
	0xc0ac: "TLS_ECDHE_ECDSA_WITH_AES_128_CCM", 0xc0ad: "TLS_ECDHE_ECDSA_WITH_AES_256_CCM", 0xccaa: "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
}

// suiteName names a cipher suite, also one that crypto/tls does not know.
func suiteName(id uint16) string {
	if n, ok := oldSuites[id]; ok {
		return n
	}
	if n, ok := knownSuites()[id]; ok {
		return n
	}
	return tls.CipherSuiteName(id)
}

// knownSuites are those of crypto/tls, which makes its list anew whenever it is asked for a name.
var knownSuites = sync.OnceValue(func() map[uint16]string {
	names := map[uint16]string{}
	for _, c := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		names[c.ID] = c.Name
	}
	return names
})

// handshake12 reads the certificate that the address sends to a client of the past: first by a hello as such clients
// sent it last, then by a bare one, which servers want that take no extension.
func (p *Prober) handshake12(ctx context.Context, l tlsLook, s *evidence.Served) error {
	err := p.hello12(ctx, l, s, 0x0303)
	if err != nil && errorsWorthARetry(err) {
		if p.hello12(ctx, l, s, 0x0300) == nil {
			return nil
		}
	}
	return err
}

func errorsWorthARetry(err error) bool {
	switch ErrorClass(err) {
	case ClassAlert, ClassReset:
		return true
	}
	return false
}

func (p *Prober) hello12(ctx context.Context, l tlsLook, s *evidence.Served, version uint16) error {
	conn, err := p.dialer().DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := p.begin(ctx, conn, l); err != nil {
		return err
	}
	if t, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(t); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	hello, err := newHello12(l.name, version)
	if err != nil {
		return err
	}
	head := record(recordHello, hello)
	if version == 0x0300 {
		head[2] = 0
	}
	if _, err := conn.Write(head); err != nil {
		return err
	}
	return readHello12(&reader13{conn: conn}, s)
}

// readHello12 reads the server's flight up to its certificate.
func readHello12(r *reader13, s *evidence.Served) error {
	sh, err := r.message(2)
	if err != nil {
		return fmt.Errorf("the server's hello: %w", err)
	}
	version, suite, err := parseServerHello12(sh[4:])
	if err != nil {
		return err
	}
	m, err := r.message(11)
	if err != nil {
		return fmt.Errorf("the server's certificate: %w", err)
	}
	chain, err := parseCertificate12(m[4:])
	if err != nil {
		return err
	}
	s.Version, s.Cipher, s.Chain = versionName(version), suiteName(suite), chain
	var exchange []byte
	if strings.Contains(s.Cipher, "_ECDHE_") {
		if m, err := r.message(12); err == nil {
			exchange = m[4:]
		}
	}
	s.Group = oddGroup(*s, exchange)
	return nil
}

func versionName(v uint16) string {
	if v == 0x0300 {
		return "SSL 3.0"
	}
	return tls.VersionName(v)
}

// newHello12 makes a ClientHello; one of SSL 3.0 has no extensions.
func newHello12(name string, version uint16) ([]byte, error) {
	random := make([]byte, 32)
	if _, err := io.ReadFull(rand.Reader, random); err != nil {
		return nil, err
	}
	var suites []uint16
	for _, c := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if c.SupportedVersions[0] != tls.VersionTLS13 {
			suites = append(suites, c.ID)
		}
	}
	for id := range 0x10000 {
		if _, ok := oldSuites[uint16(id)]; ok {
			suites = append(suites, uint16(id))
		}
	}
	var b cryptobyte.Builder
	b.AddUint8(1) // client_hello
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(version)
		b.AddBytes(random)
		b.AddUint8(0) // no session
		u16list(b, suites)
		b.AddBytes([]byte{1, 0}) // no compression
		if version > 0x0300 {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { extensions12(b, name) })
		}
	})
	return b.Bytes()
}

func extensions12(b *cryptobyte.Builder, name string) {
	ext := func(id uint16, f func(b *cryptobyte.Builder)) {
		b.AddUint16(id)
		b.AddUint16LengthPrefixed(f)
	}
	if name != "" {
		ext(0, func(b *cryptobyte.Builder) { // server_name
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint8(0)
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(name)) })
			})
		})
	}
	ext(10, func(b *cryptobyte.Builder) { u16list(b, []uint16{29, 23, 24, 25, 30, 26, 27, 28, 22, 19, 21}) }) // the small and the strange curves too
	ext(11, func(b *cryptobyte.Builder) { b.AddBytes([]byte{1, 0}) })
	ext(13, func(b *cryptobyte.Builder) {
		u16list(b, append(append([]uint16{0x0201, 0x0203, 0x0202, 0x0402, 0x0301, 0x0303}, schemes[OfferECDSA]...), schemes[OfferRSA]...))
	})
	ext(0xff01, func(b *cryptobyte.Builder) { b.AddUint8(0) }) // renegotiation_info
}

// parseServerHello12 reads the version and the suite that the server chose.
func parseServerHello12(body []byte) (version, suite uint16, err error) {
	s := cryptobyte.String(body)
	var random []byte
	var session cryptobyte.String
	if !s.ReadUint16(&version) || !s.ReadBytes(&random, 32) || !s.ReadUint8LengthPrefixed(&session) || !s.ReadUint16(&suite) {
		return 0, 0, errNotTLS
	}
	if version < 0x0300 || version > 0x0303 {
		return 0, 0, fmt.Errorf("the server chose the version %#04x, which was not offered", version)
	}
	return version, suite, nil
}

// parseCertificate12 reads a Certificate message's chain (RFC 5246 section 7.4.2).
func parseCertificate12(body []byte) (chain [][]byte, err error) {
	s := cryptobyte.String(body)
	var list cryptobyte.String
	if !s.ReadUint24LengthPrefixed(&list) {
		return nil, errNotTLS
	}
	for !list.Empty() {
		var der cryptobyte.String
		if !list.ReadUint24LengthPrefixed(&der) {
			return nil, errNotTLS
		}
		chain = append(chain, append([]byte(nil), der...))
	}
	if len(chain) == 0 {
		return nil, errors.New("the server sent an empty certificate list")
	}
	return chain, nil
}
