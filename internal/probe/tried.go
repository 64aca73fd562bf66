package probe

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"certwright/internal/evidence"
)

// This file looks again, in another way, where a handshake brought nothing: what then answers tells the causes apart
// that look alike from outside.

// CheckTried is the Check of an observation whose Data is an evidence.Tried.
const CheckTried = "tried"

// proxyHeader is a PROXY protocol header, version 1 (HAProxy, "The PROXY protocol", section 2.1), with the connection's own
// addresses: some servers (Apache) refuse one without. A server that wants a header takes it, any other takes it for noise.
func proxyHeader(conn net.Conn) string {
	from, err1 := netip.ParseAddrPort(conn.LocalAddr().String())
	to, err2 := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err1 != nil || err2 != nil {
		return "PROXY UNKNOWN\r\n"
	}
	family := "TCP4"
	if to.Addr().Unmap().Is6() {
		family = "TCP6"
	}
	return fmt.Sprintf("PROXY %s %s %s %d %d\r\n", family, from.Addr().Unmap().WithZone(""), to.Addr().Unmap().WithZone(""), from.Port(), to.Port())
}

// getRequest is the smallest request that any web server answers.
func getRequest(name string) string {
	if name == "" {
		name = "localhost"
	}
	return "GET / HTTP/1.1\r\nHost: " + name + "\r\nUser-Agent: certwright-probe\r\nConnection: close\r\n\r\n"
}

// statusOf reads the status out of the first bytes of an answer; 0 if they are none of HTTP.
func statusOf(b []byte) int {
	rest, ok := bytes.CutPrefix(b, []byte("HTTP/1."))
	if !ok || len(rest) < 5 || rest[1] != ' ' {
		return 0
	}
	n, err := strconv.Atoi(string(rest[2:5]))
	if err != nil || n < 100 {
		return 0
	}
	return n
}

// tryOn looks in the other ways that fit how the first look ended. Where one of them finds the protocol to speak before
// TLS, its name comes back, and the survey can go on with it.
func (p *Prober) tryOn(ctx context.Context, l tlsLook, s evidence.Served) (obs []evidence.Observation, start string) {
	if l.start != "" {
		return nil, ""
	}
	switch {
	case s.PlainHTTP:
		return []evidence.Observation{p.tryHTTP(ctx, l, s)}, ""
	case s.Speaks != "":
		o, ok := p.tryStart(ctx, l, s, s.Speaks)
		if ok {
			start = s.Speaks
		}
		return []evidence.Observation{o}, start
	case s.ErrorClass != ClassReset && s.ErrorClass != ClassNotTLS:
		return nil, ""
	}
	o, found := p.tryProxy(ctx, l, s)
	obs = append(obs, o)
	for _, proto := range []string{StartPostgres, StartLDAP} { // these wait for the client to speak
		if found || p.opt.StartTLS == StartNone {
			break
		}
		if o, found = p.tryStart(ctx, l, s, proto); found {
			obs, start = append(obs, o), proto
		}
	}
	return obs, start
}

// tried makes the observation.
func (p *Prober) tried(s evidence.Served, t evidence.Tried, err error, command string) evidence.Observation {
	t.Address, t.ServerName = s.Address, s.ServerName
	o := evidence.Observation{Probe: evidence.ProbeTLS, Check: CheckTried, Subject: subject(s.Address, s.ServerName) + ", tried " + t.What,
		Outcome: evidence.Pass, Seen: t.Seen, From: p.opt.From, At: p.opt.Now(), Command: command}
	if err != nil {
		t.Error = err.Error()
		o.Reason = t.Error
	}
	if !t.Worked {
		o.Outcome = evidence.Fail
	}
	return o.With(t)
}

// tryProxy shakes hands after a PROXY header.
func (p *Prober) tryProxy(ctx context.Context, l tlsLook, s evidence.Served) (evidence.Observation, bool) {
	l.proxy = true
	got, err := p.handshake(ctx, l)
	t := evidence.Tried{What: "a PROXY header", Worked: len(got.Chain) > 0}
	if t.Worked { // the header made the difference only if it is still needed
		l.proxy = false
		plain, _ := p.handshake(ctx, l)
		t.Worked = len(plain.Chain) == 0
	}
	if t.Worked {
		err = nil
		serial, _ := got.serial()
		t.Seen = "after a PROXY header it serves " + serialWord(serial)
	}
	host, port, _ := net.SplitHostPort(s.Address)
	cmd := "curl -vk --haproxy-protocol --resolve " + quote(urlName(s)+":"+port+":"+host) + " https://" + urlName(s) + ":" + port + "/ -o /dev/null"
	return p.tried(s, t, err, cmd), t.Worked
}

func urlName(s evidence.Served) string {
	if s.ServerName == "" {
		return "probe.invalid"
	}
	return s.ServerName
}

// tryStart holds another protocol's dialogue.
func (p *Prober) tryStart(ctx context.Context, l tlsLook, s evidence.Served, proto string) (evidence.Observation, bool) {
	ctx, cancel := p.limit(ctx)
	defer cancel()
	l.start = proto
	t := evidence.Tried{What: proto, Seen: "it speaks " + proto}
	conn, err := p.dialer().DialContext(ctx, "tcp", s.Address)
	if err == nil {
		defer conn.Close()
		err = p.begin(ctx, conn, l)
	}
	t.Worked = err == nil
	switch {
	case err == nil:
		t.Seen += " and turns to TLS when asked"
	case ErrorClass(err) == ClassNoStartTLS:
		t.Seen += " and does not offer TLS"
	default:
		t.Seen = ""
	}
	return p.tried(s, t, err, "openssl s_client -connect "+quote(s.Address)+" -starttls "+proto+" </dev/null"), t.Worked
}

// tryHTTP asks in plain HTTP: a web server without TLS answers it, one that answered a hello with an error of HTTP for
// another reason does not.
func (p *Prober) tryHTTP(ctx context.Context, l tlsLook, s evidence.Served) evidence.Observation {
	ctx, cancel := p.limit(ctx)
	defer cancel()
	t := evidence.Tried{What: "plain HTTP"}
	cmd := "curl -sI -H " + quote("Host: "+urlName(s)) + " http://" + s.Address + "/"
	conn, err := p.dialer().DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return p.tried(s, t, err, cmd)
	}
	defer conn.Close()
	if d, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(d); err != nil {
			return p.tried(s, t, err, cmd)
		}
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := io.WriteString(conn, getRequest(l.name)); err != nil {
		return p.tried(s, t, err, cmd)
	}
	line, err := bufio.NewReader(io.LimitReader(conn, 1<<10)).ReadSlice('\n')
	t.HTTPStatus = statusOf(line)
	if t.HTTPStatus == 0 {
		if err == nil {
			err = fmt.Errorf("the answer is not HTTP: %q", firstRunes(printable(line), 60))
		}
		return p.tried(s, t, err, cmd)
	}
	t.Worked, t.Seen = true, strings.TrimSpace(firstRunes(printable(line), 60))
	return p.tried(s, t, nil, cmd)
}
