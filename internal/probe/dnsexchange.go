package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	// nsTry is how long one try of a name server may take; there are two, and nsGrace after them.
	nsTry   = time.Second
	nsGrace = 400 * time.Millisecond
	// nsLong is how long servers are listened to when no server of a zone answered in the tries: it tells slow
	// from dead.
	nsLong = 6500 * time.Millisecond
)

// reply is what one name server said to one question.
type reply struct {
	msg       *dns.Msg // nil if there was none
	err       error
	took      time.Duration
	truncated bool  // over UDP; msg is then what came over TCP
	tcpErr    error // why TCP brought nothing after a truncated answer
	plain     bool  // it came only to the question without EDNS
	formerr   bool  // EDNS was answered with FORMERR or NOTIMP
}

// question is what is asked of a server.
type question struct {
	name      string // with its last dot
	qtype     uint16
	recursive bool // of a resolver, without its validation
}

// message makes the question as a message; EDNS asks for signatures too (RFC 4035 section 4.9.1).
func (q question) message(edns bool) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(q.name, q.qtype)
	m.Id = uint16(rand.Uint32())
	m.RecursionDesired, m.CheckingDisabled = q.recursive, q.recursive
	if edns {
		m.SetEdns0(ednsSize, true)
	}
	return m
}

// askServer asks one server over UDP, again after a second together with a question without EDNS, and over
// TCP where the answer was truncated.
func (p *Prober) askServer(ctx context.Context, addr netip.AddrPort, q question) reply {
	start := p.opt.Now()
	r := p.askUDP(ctx, addr, q, nsTry)
	if r.msg != nil && r.msg.Truncated {
		r.truncated = true
		m, err := p.askTCP(ctx, addr, q, true)
		if err != nil {
			r.tcpErr = err
		} else {
			r.msg = m
		}
	}
	r.took = p.opt.Now().Sub(start)
	return r
}

// askTCP asks over TCP.
func (p *Prober) askTCP(ctx context.Context, addr netip.AddrPort, q question, edns bool) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*nsTry)
	defer cancel()
	raw, err := p.dialer().DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	if d, ok := ctx.Deadline(); ok {
		_ = raw.SetDeadline(d)
	}
	c := &dns.Conn{Conn: raw}
	m := q.message(edns)
	if err := c.WriteMsg(m); err != nil {
		return nil, err
	}
	got, err := c.ReadMsg()
	if err == nil && !answers(got, m) {
		err = errors.New("the answer is to another question")
	}
	if err != nil {
		return nil, err
	}
	return got, nil
}

// askUDP sends the question, and once more after the try's time, and takes the first answer that is one.
// An answer without EDNS stands only if none with it comes.
func (p *Prober) askUDP(ctx context.Context, addr netip.AddrPort, q question, try time.Duration) reply {
	conn, err := p.dialer().DialContext(ctx, "udp", addr.String())
	if err != nil {
		return reply{err: err}
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	full, plain := q.message(true), q.message(false)
	if err := send(conn, full); err != nil {
		return reply{err: err}
	}
	var bare *dns.Msg
	var last error
	for round := range 3 {
		for {
			m, err := receive(ctx, conn, try, full, plain)
			if err != nil {
				if !errors.As(last, new(strayError)) || ErrorClass(err) != ClassTimeout {
					last = err
				}
				break
			}
			if m.Id == full.Id && (m.Rcode == dns.RcodeFormatError || m.Rcode == dns.RcodeNotImplemented) && m.IsEdns0() == nil {
				return p.withoutEDNS(ctx, conn, plain, try, m)
			}
			if m.Id == full.Id {
				return reply{msg: m}
			}
			bare = m
			try = nsGrace // an answer with EDNS may still be on its way
		}
		switch {
		case bare != nil:
			return reply{msg: bare, plain: true}
		case ErrorClass(last) != ClassTimeout || ctx.Err() != nil || round == 2:
			return reply{err: last}
		case round == 1:
			try = nsGrace
		default:
			_, _ = send(conn, full), send(conn, plain) // an error shows at the next read
		}
	}
	return reply{err: last}
}

// withoutEDNS asks a server from before EDNS (RFC 6891 section 7) again; refused is its first answer.
func (p *Prober) withoutEDNS(ctx context.Context, conn net.Conn, plain *dns.Msg, try time.Duration, refused *dns.Msg) reply {
	if err := send(conn, plain); err == nil {
		if m, err := receive(ctx, conn, try, plain, plain); err == nil {
			return reply{msg: m, formerr: true}
		}
	}
	return reply{msg: refused, formerr: true}
}

func send(conn net.Conn, m *dns.Msg) error {
	b, err := m.Pack()
	if err != nil {
		return fmt.Errorf("write the question: %w", err)
	}
	_, err = conn.Write(b)
	return err
}

// strayError is a wait without an answer in which something else came from the server's address.
type strayError struct {
	error        // why the wait ended
	what  string // what came instead
}

func (e strayError) Unwrap() error { return e.error }

// receive reads until an answer to one of the questions comes or the time is over. What is not one is
// passed over, as anybody can send it; but if nothing better comes, it is told.
func receive(ctx context.Context, conn net.Conn, wait time.Duration, asked ...*dns.Msg) (*dns.Msg, error) {
	limit, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if d, ok := limit.Deadline(); ok {
		_ = conn.SetReadDeadline(d)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	buf, stray := make([]byte, 4096), ""
	for {
		n, err := conn.Read(buf)
		switch {
		case err != nil && stray != "":
			return nil, strayError{err, stray}
		case err != nil:
			return nil, err
		}
		m := new(dns.Msg)
		if m.Unpack(buf[:n]) != nil {
			stray = "what comes back is no DNS message"
			continue
		}
		for _, q := range asked {
			if answers(m, q) {
				return m, nil
			}
		}
		stray = strayText(m, asked)
	}
}

// strayText says in words why a message is no answer to what was asked.
func strayText(m *dns.Msg, asked []*dns.Msg) string {
	switch {
	case !m.Response:
		return "what comes back is no answer: the question itself, or another one"
	case !slices.ContainsFunc(asked, func(q *dns.Msg) bool { return q.Id == m.Id }):
		return "the answer has another number than the question"
	}
	return "the answer is to another question"
}

// answers says whether m answers q, whatever the case of its letters.
func answers(m, q *dns.Msg) bool {
	if !m.Response || m.Id != q.Id {
		return false
	}
	if len(m.Question) == 0 { // some error answers repeat no question
		return m.Rcode != dns.RcodeSuccess
	}
	return m.Question[0].Qtype == q.Question[0].Qtype && strings.EqualFold(m.Question[0].Name, q.Question[0].Name)
}

// mixCase turns every second letter of a name into a capital: a server that keeps the case answers with
// the very same letters (draft-vixie-dnsext-dns0x20).
func mixCase(name string) string {
	b, odd := []byte(strings.ToLower(name)), false
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			if odd = !odd; odd {
				b[i] = c - 'a' + 'A'
			}
		}
	}
	return string(b)
}
