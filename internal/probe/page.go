package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"

	"certwright/internal/evidence"
)

// CheckPage is the Check of an observation whose Data is an evidence.Page.
const CheckPage = "page"

const maxPageHead = 32 << 10 // bytes read of an answer's head

// LookPage asks one address (ip:port) for its first page over TLS, whatever certificate it shows, and keeps of the answer
// what bears on the certificate: the server's clock and its Strict-Transport-Security header. A server that speaks no HTTP is
// UNKNOWN, which is no fault.
func (p *Prober) LookPage(ctx context.Context, address, serverName string) evidence.Observation {
	ctx, cancel := p.limit(ctx)
	defer cancel()
	start := p.opt.Now()
	g := evidence.Page{Address: address, ServerName: serverName}
	err := p.readPage(ctx, &g)
	g.At = p.opt.Now()
	host, port, _ := net.SplitHostPort(address)
	name := serverName
	if name == "" {
		name = host
	}
	o := evidence.Observation{Probe: evidence.ProbeTLS, Check: CheckPage, Subject: subject(address, serverName), Outcome: evidence.Pass, From: p.opt.From, At: start,
		Took: g.At.Sub(start), Command: "curl -skI --resolve " + quote(name+":"+port+":"+host) + " https://" + name + ":" + port + "/"}
	if err != nil {
		g.Error = err.Error()
		o.Outcome, o.Reason = evidence.Unknown, g.Error
		return o.With(g)
	}
	o.Seen = fmt.Sprintf("HTTP %d", g.Status)
	if g.Date != nil {
		o.Seen += ", its clock says " + g.Date.UTC().Format("2006-01-02 15:04:05") + " UTC"
	}
	if g.HSTS != "" {
		o.Seen += ", Strict-Transport-Security: " + firstRunes(printable([]byte(g.HSTS)), 80)
	}
	return o.With(g)
}

func (p *Prober) readPage(ctx context.Context, g *evidence.Page) error {
	conn, err := p.dialer().DialContext(ctx, "tcp", g.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := tls.Client(conn, &tls.Config{ServerName: g.ServerName, InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, Time: p.opt.Now, NextProtos: []string{"http/1.1"}})
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	if t, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(t); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := io.WriteString(c, getRequest(g.ServerName)); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(c, maxPageHead)), nil)
	if err != nil {
		return fmt.Errorf("the answer is not HTTP: %w", err)
	}
	defer resp.Body.Close()
	g.Status, g.HSTS = resp.StatusCode, firstRunes(resp.Header.Get("Strict-Transport-Security"), 200)
	if t, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		g.Date = &t
	}
	return nil
}
