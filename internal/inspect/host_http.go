package inspect

import (
	"context"
	"net/netip"
	"strconv"

	"certwright/internal/evidence"
)

// ChallengeProber looks at what an authority looks at; package probe has one.
type ChallengeProber interface {
	// LookChallenge looks at a challenge path at every address of a name; Data is an evidence.Challenge.
	LookChallenge(ctx context.Context, q evidence.ChallengeAsk, pin ...netip.Addr) []evidence.Observation
	// LookALPN offers acme-tls/1 to every address of a name; Data is an evidence.ALPN.
	LookALPN(ctx context.Context, name, port string, digest []byte, pin ...netip.Addr) []evidence.Observation
}

// lookChallenge is the leg of the intended method: would an authority reach the challenge path, would it be
// answered by acme-tls/1? Nothing is published at a bare host: a random name that nobody has tells how the
// path is answered (404 is well). Where no method is intended, a closed port 80 is nobody's fault and nothing is asked.
func (o HostOptions) lookChallenge(ctx context.Context) []evidence.Observation {
	if o.HTTP == nil {
		return nil
	}
	var pin []netip.Addr
	if a, err := netip.ParseAddr(o.Host); err == nil {
		pin = append(pin, a) // the name is looked at here, wherever the DNS leads
	}
	switch o.Method {
	case "http-01":
		o.tell("asking for a challenge path of %s as an authority does", o.Host)
		return o.HTTP.LookChallenge(ctx, evidence.ChallengeAsk{Name: o.ServerName, Method: o.Method, Port: o.HTTPPort}, pin...)
	case "tls-alpn-01":
		o.tell("offering acme-tls/1 to %s as an authority does", o.Host)
		port := "443"
		if o.ALPNPort != 0 {
			port = strconv.Itoa(o.ALPNPort)
		}
		return o.HTTP.LookALPN(ctx, o.ServerName, port, nil, pin...)
	}
	return nil
}
