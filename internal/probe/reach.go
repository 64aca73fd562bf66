package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"certwright/internal/evidence"
)

// reachTimeout bounds the connection of Reach: a comparison must not hold up what it is compared with.
const reachTimeout = 3 * time.Second

// Reach connects to a host to see what can be reached from here. With https it also makes a handshake, which
// believes any certificate, and asks for the Date that the server gives; it asks for nothing else.
func (p *Prober) Reach(ctx context.Context, name, host, port string, https bool) evidence.Observation {
	start := p.opt.Now()
	ctx, cancel := context.WithTimeout(ctx, min(reachTimeout, p.opt.Timeout))
	defer cancel()
	seen := evidence.Reached{Name: name, Address: net.JoinHostPort(host, port)}
	o := evidence.Observation{Probe: evidence.ProbeHost, Check: evidence.CheckReach, Expected: "an answer", From: p.opt.From, At: start,
		Command: fmt.Sprintf("timeout 5 bash -c '</dev/tcp/%s/%s' && echo open", host, port)}
	if https {
		o.Command = fmt.Sprintf("curl -sSkI -m 5 https://%s/", quote(net.JoinHostPort(host, port)))
	}
	err := p.reach(ctx, &seen, host, port, https)
	o.Subject, o.Took = name+" at "+seen.Address, p.opt.Now().Sub(start)
	seen.Answered, o.Outcome, o.Seen = err == nil, evidence.Pass, "it answers"
	if err != nil {
		seen.Error, seen.ErrorClass = err.Error(), ErrorClass(err)
		o.Outcome, o.Reason = evidence.Fail, err.Error()
		o.Seen = seen.ErrorClass
		if seen.ErrorClass == ClassForbidden || ctx.Err() != nil && ctx.Err() != context.DeadlineExceeded {
			o.Outcome = evidence.Unknown
		}
	}
	return o.With(seen)
}

func (p *Prober) reach(ctx context.Context, seen *evidence.Reached, host, port string, https bool) error {
	addrs := []netip.Addr{}
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, a)
	} else if addrs, err = p.addresses(ctx, host); err != nil {
		return err
	}
	var conn net.Conn
	err := fmt.Errorf("%s has no address", host)
	for _, a := range addrs {
		seen.Address = net.JoinHostPort(a.Unmap().String(), port)
		if conn, err = p.dialer().DialContext(ctx, "tcp", seen.Address); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	if https {
		p.askDate(ctx, conn, host, seen)
	}
	return nil
}

// askDate makes a handshake and asks for the Date. Whatever fails here fails silently: the host has answered.
func (p *Prober) askDate(ctx context.Context, conn net.Conn, host string, seen *evidence.Reached) {
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end) // a connection that takes no deadline ends with ctx
	}
	c := tls.Client(conn, &tls.Config{ServerName: host, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}, Time: p.opt.Now}) // only looked at
	if c.HandshakeContext(ctx) != nil {
		return
	}
	if certs := c.ConnectionState().PeerCertificates; len(certs) > 0 {
		seen.Issuer = certs[0].Issuer.String()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, "https://"+host+"/", nil)
	if err != nil {
		return
	}
	req.Header.Set("User-Agent", p.opt.UserAgent)
	req.Close = true
	if req.Write(c) != nil {
		return
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 16<<10), req)
	if err != nil {
		return
	}
	_ = resp.Body.Close() // HEAD has none
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		skew := date.Sub(p.opt.Now().Truncate(time.Second)) // the header has no fractions
		seen.Date, seen.Skew = &date, skew
	}
}
