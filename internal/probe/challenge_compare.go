package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"certwright/internal/evidence"
)

// compare makes the requests beside the tries that tell causes apart. They go at once: unlike the tries,
// their order does not matter. partly: some tries were well, so that only the nodes behind an address differ.
func (l *challengeLook) compare(ctx context.Context, partly bool) {
	if partly {
		return
	}
	word := "certwright-" + random()
	type look struct {
		into *evidence.Fetched
		v    visit
	}
	var looks []look
	add := func(v visit) *evidence.Fetched {
		looks = append(looks, look{new(evidence.Fetched), v})
		return looks[len(looks)-1].into
	}
	path := func(p string) visit { return l.visit(l.u.ResolveReference(&url.URL{Path: p})) }
	l.out.Outside, l.out.Dot, l.out.Beside = add(path("/"+word)), add(path("/."+word)), add(path("/.well-known/"+word))
	l.out.Root, l.out.Nobody = add(l.home(l.q.Name, "/")), add(l.home(nobody, "/"))
	if l.q.Kind != evidence.KindAbsent {
		l.out.Absent = add(path(l.q.Path[:strings.LastIndexByte(l.q.Path, '/')+1] + word))
		busted := *l.u
		busted.RawQuery = "certwright=" + word
		l.out.Busted = add(l.visit(&busted))
	}
	var kin, kinPath []*evidence.Fetched
	for _, n := range l.kin() {
		kin, kinPath = append(kin, add(l.home(n, "/"))), append(kinPath, add(l.home(n, l.q.Path)))
	}
	each(len(looks), func(i int) { *looks[i].into, _ = l.fetch(ctx, looks[i].v) })
	for i := range kin {
		l.out.Kin, l.out.KinPath = append(l.out.Kin, *kin[i]), append(l.out.KinPath, *kinPath[i])
	}
	if f := l.out.Tries[0]; len(f.Hops) > 0 && f.Hops[len(f.Hops)-1].Status == 400 {
		l.out.Speaks = l.p.speaks(ctx, l.q.Name, l.out.Address, f) // nginx says so of plain HTTP on a TLS port
	}
}

// homes compares the home pages of the name and of one that nobody has.
func (l *challengeLook) homes(ctx context.Context) {
	l.out.Root, l.out.Nobody = new(evidence.Fetched), new(evidence.Fetched)
	each(2, func(i int) {
		if i == 0 {
			*l.out.Root, _ = l.fetch(ctx, l.home(l.q.Name, "/"))
		} else {
			*l.out.Nobody, _ = l.fetch(ctx, l.home(nobody, "/"))
		}
	})
}

// maxKin bounds the neighbouring names asked for.
const maxKin = 3

// kin are names that the same server may know: those given, those that its configuration names where that can be read, and
// the name with www before or without.
func (l *challengeLook) kin() []string {
	var out []string
	for _, n := range append(slices.Clone(l.q.Kin), configuredNames(netip.AddrPortFrom(l.addr, uint16(l.q.Port)))...) {
		if !strings.EqualFold(n, l.q.Name) && len(out) < maxKin && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	if rest, ok := strings.CutPrefix(l.q.Name, "www."); ok {
		return append(out, rest)
	}
	if net.ParseIP(l.q.Name) != nil {
		return out
	}
	return append(out, "www."+l.q.Name)
}

// errStay keeps a look at its first hop.
var errStay = errors.New("not followed: only the first answer is compared")

// home is a page of whichever name at the address that is looked at; its redirects are not followed.
func (l *challengeLook) home(name, path string) visit {
	v := l.visit(&url.URL{Scheme: "http", Host: hostPort(name, l.q.Port), Path: path})
	v.follow = func(*url.URL) error { return errStay }
	return v
}

// speakTime is given to each try to find out what a port speaks.
const speakTime = time.Second

// speaks finds out what a port speaks that did not answer an HTTP/1 request: "tls", "h2c", or empty for
// neither. It is asked only where a connection came about.
func (p *Prober) speaks(ctx context.Context, name, address string, f evidence.Fetched) string {
	if len(f.Hops) != 1 || f.Phase == evidence.PhaseConnect || f.ErrorClass == ClassForbidden {
		return ""
	}
	var found [2]bool
	each(2, func(i int) {
		if i == 0 {
			found[0] = p.speaksTLS(ctx, name, address)
		} else {
			found[1] = p.speaksH2(ctx, address)
		}
	})
	switch {
	case found[0]:
		return "tls"
	case found[1]:
		return "h2c"
	}
	return ""
}

// speaksTLS says whether a ClientHello is answered in TLS, be it by an alert.
func (p *Prober) speaksTLS(ctx context.Context, name, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, speakTime)
	defer cancel()
	conn, err := p.dialer().DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer conn.Close()
	c := tls.Client(conn, &tls.Config{ServerName: sni(name), InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, Time: p.opt.Now})
	err = c.HandshakeContext(ctx)
	return err == nil || ErrorClass(err) == ClassAlert
}

// h2Preface is the connection preface of HTTP/2 with empty SETTINGS (RFC 9113 section 3.4).
const h2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"

// speaksH2 says whether HTTP/2 with prior knowledge is answered by SETTINGS.
func (p *Prober) speaksH2(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, speakTime)
	defer cancel()
	conn, err := p.dialer().DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline) // a connection that takes none is not dialled here
	if _, err := io.WriteString(conn, h2Preface); err != nil {
		return false
	}
	var head [9]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return false
	}
	return isSettings(head)
}

// isSettings says whether a frame header is that of a server's first SETTINGS (RFC 9113 sections 4.1, 6.5).
func isSettings(head [9]byte) bool {
	length := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
	return head[3] == 4 && head[4]&1 == 0 && length%6 == 0 && length <= 16384 && head[5]|head[6]|head[7]|head[8] == 0
}
