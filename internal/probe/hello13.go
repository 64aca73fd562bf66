package probe

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/cryptobyte"

	"certwright/internal/evidence"
)

// This file is as much of a TLS 1.3 client (RFC 8446) as it takes to read the server's Certificate
// message, because crypto/tls has no way to offer only one family of signature algorithms and a server of TLS 1.3
// chooses its certificate by them. It proves nothing about the server and sends nothing after its hello.

const (
	maxFlight    = 256 << 10 // bytes read of a server before giving up
	recordAlert  = 21
	recordHello  = 22
	recordData   = 23
	recordChange = 20
)

var errNotTLS = errors.New("what came back is not TLS")

// tlsAlert is an alert of the server (RFC 8446 section 6).
type tlsAlert uint8

func (a tlsAlert) Error() string {
	names := map[tlsAlert]string{40: "handshake failure", 47: "illegal parameter", 70: "protocol version not supported",
		71: "insufficient security", 80: "internal error", 109: "missing extension", 112: "unrecognized name", 116: "certificate required"}
	if n, ok := names[a]; ok {
		return "remote error: tls: " + n
	}
	return fmt.Sprintf("remote error: tls: alert %d", uint8(a))
}

// Signature schemes of each family (RFC 8446 section 4.2.3).
var schemes = map[string][]uint16{
	OfferECDSA: {0x0403, 0x0503, 0x0603},
	OfferRSA:   {0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601},
	OfferAny:   {0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601},
}

// handshake13 reads the certificate that the address sends for one family in TLS 1.3.
func (p *Prober) handshake13(ctx context.Context, l tlsLook, s *evidence.Served) error {
	return p.exchange13(ctx, l, s, groups13, curves13, func(h *hello13, r *reader13) error {
		sh, err := r.message(2)
		if err != nil {
			return fmt.Errorf("TLS 1.3 hello of %s: %w", s.Address, err)
		}
		h.transcript = append(h.transcript, sh...)
		if err := h.keys(sh[4:], r); err != nil {
			return fmt.Errorf("TLS 1.3 hello of %s: %w", s.Address, err)
		}
		cert, err := r.message(11)
		if err != nil {
			return fmt.Errorf("TLS 1.3 certificate of %s: %w", s.Address, err)
		}
		s.Version, s.Cipher = "TLS 1.3", h.suite
		s.Chain, s.Stapled, err = parseCertificate13(cert[4:])
		return err
	})
}

// exchange13 sends one hello and hands what comes back to read.
func (p *Prober) exchange13(ctx context.Context, l tlsLook, s *evidence.Served, groups []uint16, shares []ecdh.Curve, read func(*hello13, *reader13) error) error {
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
	h, hello, err := newHello13(l, groups, shares)
	if err != nil {
		return err
	}
	if _, err := conn.Write(record(recordHello, hello)); err != nil {
		return err
	}
	h.transcript = append(h.transcript, hello...)
	return read(h, &reader13{conn: conn})
}

// The common groups, each with its curve.
var (
	groups13 = []uint16{29, 23, 24}
	curves13 = []ecdh.Curve{ecdh.X25519(), ecdh.P256(), ecdh.P384()}
)

// hello13 is the client's side of one hello.
type hello13 struct {
	shares     map[uint16]*ecdh.PrivateKey
	transcript []byte
	suite      string
}

// newHello13 makes a ClientHello with key shares for the first of the groups, those that have a curve: a server that
// will have none of them asks for another.
func newHello13(l tlsLook, groups []uint16, curves []ecdh.Curve) (*hello13, []byte, error) {
	h := &hello13{shares: map[uint16]*ecdh.PrivateKey{}}
	for i, c := range curves {
		k, err := c.GenerateKey(rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		h.shares[groups[i]] = k
	}
	random := make([]byte, 64)
	if _, err := io.ReadFull(rand.Reader, random); err != nil {
		return nil, nil, err
	}
	var b cryptobyte.Builder
	b.AddUint8(1) // client_hello
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(0x0303)
		b.AddBytes(random[:32])
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(random[32:]) })
		u16list(b, []uint16{0x1301, 0x1302, 0x1303})
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(0) })
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { h.extensions(b, l, groups) })
	})
	out, err := b.Bytes()
	return h, out, err
}

func (h *hello13) extensions(b *cryptobyte.Builder, l tlsLook, groups []uint16) {
	ext := func(id uint16, f func(b *cryptobyte.Builder)) {
		b.AddUint16(id)
		b.AddUint16LengthPrefixed(f)
	}
	if l.name != "" {
		ext(0, func(b *cryptobyte.Builder) { // server_name
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint8(0)
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(l.name)) })
			})
		})
	}
	ext(5, func(b *cryptobyte.Builder) { b.AddBytes([]byte{1, 0, 0, 0, 0}) }) // status_request: OCSP
	ext(10, func(b *cryptobyte.Builder) { u16list(b, groups) })
	ext(13, func(b *cryptobyte.Builder) { u16list(b, schemes[l.offered]) })
	// signature_algorithms_cert: any algorithm may sign the certificates themselves; only the leaf's own key is asked for.
	ext(50, func(b *cryptobyte.Builder) {
		u16list(b, append(append([]uint16{0x0201, 0x0203}, schemes[OfferECDSA]...), schemes[OfferRSA]...))
	})
	ext(43, func(b *cryptobyte.Builder) { b.AddBytes([]byte{2, 3, 4}) })
	ext(51, func(b *cryptobyte.Builder) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, g := range groups[:len(h.shares)] {
				b.AddUint16(g)
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(h.shares[g].PublicKey().Bytes()) })
			}
		})
	})
}

func u16list(b *cryptobyte.Builder, v []uint16) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, x := range v {
			b.AddUint16(x)
		}
	})
}

func record(kind byte, body []byte) []byte {
	return append([]byte{kind, 3, 1, byte(len(body) >> 8), byte(len(body))}, body...)
}

// retryRandom marks a HelloRetryRequest (RFC 8446 section 4.1.3).
var retryRandom = sha256.Sum256([]byte("HelloRetryRequest"))

// answer13 is what a ServerHello says.
type answer13 struct {
	chosen, suite, group uint16
	retry                bool   // a HelloRetryRequest: group is the one wanted
	share                []byte // the server's key for group
}

// parseServerHello13 reads a ServerHello or HelloRetryRequest (RFC 8446 sections 4.1.3, 4.1.4).
func parseServerHello13(body []byte) (a answer13, err error) {
	s := cryptobyte.String(body)
	var version uint16
	var random []byte
	var session, exts cryptobyte.String
	var compression uint8
	if !s.ReadUint16(&version) || !s.ReadBytes(&random, 32) || !s.ReadUint8LengthPrefixed(&session) ||
		!s.ReadUint16(&a.suite) || !s.ReadUint8(&compression) {
		return a, errNotTLS
	}
	a.retry = bytes.Equal(random, retryRandom[:])
	if !s.ReadUint16LengthPrefixed(&exts) {
		return a, nil
	}
	for !exts.Empty() {
		var id uint16
		var data, key cryptobyte.String
		if !exts.ReadUint16(&id) || !exts.ReadUint16LengthPrefixed(&data) {
			return a, errNotTLS
		}
		switch id {
		case 43:
			data.ReadUint16(&a.chosen)
		case 51:
			if data.ReadUint16(&a.group) && data.ReadUint16LengthPrefixed(&key) {
				a.share = key
			}
		}
	}
	return a, nil
}

// keys reads the ServerHello and gives the reader the server's handshake keys (RFC 8446 section 7.1).
func (h *hello13) keys(body []byte, r *reader13) error {
	a, err := parseServerHello13(body)
	if err != nil {
		return err
	}
	if a.retry {
		return errors.New("the server asks for a key share that this probe does not have")
	}
	own := h.shares[a.group]
	if a.chosen != 0x0304 || own == nil {
		return tlsAlert(70) // it did not choose TLS 1.3: as good as its refusal
	}
	peer, err := own.Curve().NewPublicKey(a.share)
	if err != nil {
		return fmt.Errorf("key share: %w", err)
	}
	secret, err := own.ECDH(peer)
	if err != nil {
		return fmt.Errorf("key share: %w", err)
	}
	return h.schedule(a.suite, secret, r)
}

// schedule derives the server's handshake traffic key.
func (h *hello13) schedule(suite uint16, shared []byte, r *reader13) error {
	newHash, keyLen := sha256.New, 16
	h.suite = map[uint16]string{0x1301: "TLS_AES_128_GCM_SHA256", 0x1302: "TLS_AES_256_GCM_SHA384", 0x1303: "TLS_CHACHA20_POLY1305_SHA256"}[suite]
	switch suite {
	case 0x1301:
	case 0x1302:
		newHash, keyLen = sha512.New384, 32
	case 0x1303:
		keyLen = 32
	default:
		return fmt.Errorf("the server chose the cipher suite %#04x, which was not offered", suite)
	}
	n := newHash().Size()
	early, err := hkdf.Extract(newHash, make([]byte, n), nil)
	if err != nil {
		return err
	}
	derived, err := expandLabel(newHash, early, "derived", sum(newHash, nil), n)
	if err != nil {
		return err
	}
	master, err := hkdf.Extract(newHash, shared, derived)
	if err != nil {
		return err
	}
	traffic, err := expandLabel(newHash, master, "s hs traffic", sum(newHash, h.transcript), n)
	if err != nil {
		return err
	}
	key, err := expandLabel(newHash, traffic, "key", nil, keyLen)
	if err != nil {
		return err
	}
	if r.iv, err = expandLabel(newHash, traffic, "iv", nil, 12); err != nil {
		return err
	}
	if suite == 0x1303 {
		r.aead, err = chacha20poly1305.New(key)
		return err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	r.aead, err = cipher.NewGCM(block)
	return err
}

func sum(newHash func() hash.Hash, b []byte) []byte {
	h := newHash()
	h.Write(b)
	return h.Sum(nil)
}

func expandLabel(newHash func() hash.Hash, secret []byte, label string, context []byte, n int) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint16(uint16(n))
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte("tls13 " + label)) })
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(context) })
	info, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	return hkdf.Expand(newHash, secret, string(info), n)
}

// reader13 reads handshake messages out of records, decrypting once it has keys.
type reader13 struct {
	conn net.Conn
	aead cipher.AEAD
	iv   []byte
	seq  uint64
	buf  []byte // handshake bytes not yet taken
	read int
}

// message is the next handshake message of the type; others before it are passed over.
func (r *reader13) message(kind byte) ([]byte, error) {
	for {
		for len(r.buf) >= 4 {
			n := 4 + int(r.buf[1])<<16 + int(r.buf[2])<<8 + int(r.buf[3])
			if len(r.buf) < n {
				break
			}
			m := r.buf[:n:n]
			r.buf = r.buf[n:]
			if m[0] == kind {
				return m, nil
			}
		}
		if err := r.more(); err != nil {
			return nil, err
		}
	}
}

// more reads one record.
func (r *reader13) more() error {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r.conn, head); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint16(head[3:]))
	if head[1] != 3 || head[0] < recordChange || head[0] > recordData || n > 16640 {
		return errNotTLS
	}
	if r.read += n; r.read > maxFlight {
		return errors.New("the server's flight is too large")
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r.conn, body); err != nil {
		return err
	}
	kind := head[0]
	if kind == recordData && r.aead != nil {
		var err error
		if kind, body, err = r.open(head, body); err != nil {
			return err
		}
	}
	switch {
	case kind == recordAlert && len(body) == 2 && body[1] != 112: // unrecognized_name may be a mere warning
		return tlsAlert(body[1])
	case kind == recordHello:
		r.buf = append(r.buf, body...)
	}
	return nil
}

// open decrypts a record and takes off its padding (RFC 8446 section 5.2).
func (r *reader13) open(head, body []byte) (byte, []byte, error) {
	nonce := bytes.Clone(r.iv)
	for i := range 8 {
		nonce[4+i] ^= byte(r.seq >> (56 - 8*i))
	}
	r.seq++
	plain, err := r.aead.Open(body[:0], nonce, body, head)
	if err != nil {
		return 0, nil, fmt.Errorf("decrypt the server's flight: %w", err)
	}
	plain = bytes.TrimRight(plain, "\x00")
	if len(plain) == 0 {
		return 0, nil, errNotTLS
	}
	return plain[len(plain)-1], plain[:len(plain)-1], nil
}

// parseCertificate13 reads a Certificate message's chain and the leaf's stapled OCSP answer.
func parseCertificate13(body []byte) (chain [][]byte, stapled []byte, err error) {
	s := cryptobyte.String(body)
	var context, list cryptobyte.String
	if !s.ReadUint8LengthPrefixed(&context) || !s.ReadUint24LengthPrefixed(&list) {
		return nil, nil, errNotTLS
	}
	for !list.Empty() {
		var der, exts cryptobyte.String
		if !list.ReadUint24LengthPrefixed(&der) || !list.ReadUint16LengthPrefixed(&exts) {
			return nil, nil, errNotTLS
		}
		for len(chain) == 0 && !exts.Empty() {
			var id uint16
			var data, ocsp cryptobyte.String
			if !exts.ReadUint16(&id) || !exts.ReadUint16LengthPrefixed(&data) {
				return nil, nil, errNotTLS
			}
			if id == 5 && data.Skip(1) && data.ReadUint24LengthPrefixed(&ocsp) {
				stapled = bytes.Clone(ocsp)
			}
		}
		chain = append(chain, bytes.Clone(der))
	}
	if len(chain) == 0 {
		return nil, nil, errors.New("the server sent an empty certificate list")
	}
	return chain, stapled, nil
}
