package probe

import (
	"context"
	"net"

	"certwright/internal/evidence"
)

// CheckPassing is the Check of a handshake that failed and, made again at once, did not.
const CheckPassing = "passing"

// maxSurveyNames bounds the server names of one survey.
const maxSurveyNames = 10

// SurveyTLS looks at all that a port serves: every address; the first of the names and no name at all offering
// any, only ECDSA and only RSA certificates, the first name also without TLS 1.3; the other names once. Where the port, or
// Options.StartTLS, says so, another protocol is spoken first (starttls.go). No names = the host itself. Each handshake
// is one observation of Check "handshake", its Data an evidence.Served:
//
//	PASS     a chain came (Seen is the leaf's serial)
//	FAIL     the port refused, timed out, reset, does not speak TLS, or sent an alert although any family was offered
//	UNKNOWN  not possible from here; or, offering one family, an alert: the server has no certificate of
//	         that family, which is normal (Reason says it)
//
// An address where nothing answers at all is tried once, not once a combination; what was then tried in other
// ways comes as observations of Check "tried", their Data an evidence.Tried.
func (p *Prober) SurveyTLS(ctx context.Context, host, port string, names []string) []evidence.Observation {
	lctx, cancel := p.limit(ctx)
	addrs, err := p.addresses(lctx, host)
	cancel()
	if err != nil {
		at := net.JoinHostPort(host, port)
		o := evidence.Observation{Probe: evidence.ProbeTLS, Check: "handshake", Subject: subject(at, sni(host)),
			Outcome: outcomeOf(ctx, err), Reason: err.Error(), From: p.opt.From, At: p.opt.Now(), Command: "getent ahosts " + quote(host)}
		return []evidence.Observation{o.With(evidence.Served{Address: at, ServerName: sni(host), Offered: OfferAny,
			Error: err.Error(), ErrorClass: ErrorClass(err)})}
	}
	names = surveyNames(host, names)
	perAddr := make([][]evidence.Observation, len(addrs))
	each(len(addrs), func(i int) {
		var looks []tlsLook
		for k, n := range names {
			for _, f := range offers(k, n) {
				looks = append(looks, tlsLook{addr: addrs[i], port: port, name: n, offered: f, start: p.startProtocol(port)})
			}
		}
		perAddr[i] = p.surveyAddress(ctx, looks)
	})
	var out []evidence.Observation
	for _, o := range perAddr {
		out = append(out, o...)
	}
	return out
}

// offers are what is offered with the k-th name.
func offers(k int, name string) []string {
	switch {
	case k == 0 && name != "":
		return []string{OfferAny, OfferECDSA, OfferRSA, OfferTLS12}
	case name == "":
		return []string{OfferAny, OfferECDSA, OfferRSA}
	}
	return []string{OfferAny}
}

// surveyAddress makes the first look and, if a TLS server answered it, the others.
func (p *Prober) surveyAddress(ctx context.Context, looks []tlsLook) []evidence.Observation {
	out, served := p.firstLook(ctx, looks[0])
	if len(served.Chain) == 0 && served.ErrorClass != ClassAlert {
		tried, start := p.tryOn(ctx, looks[0], served)
		out = append(out, tried...)
		if start == "" {
			return out
		}
		for i := range looks {
			looks[i].start = start
		}
	} else {
		looks = looks[1:]
	}
	rest := make([]evidence.Observation, len(looks))
	each(len(looks), func(i int) { rest[i], _ = p.handshakeObservation(ctx, looks[i]) })
	return append(out, rest...)
}

// firstLook makes the first look at an address, and where that was refused or cut short the same once more: what was a moment's
// failure, such as of a server that is being restarted, is no state of it, nor is it a server for clients of the past where one of
// them was served next. The failure is kept, as Check "passing".
func (p *Prober) firstLook(ctx context.Context, l tlsLook) ([]evidence.Observation, evidence.Served) {
	first, served := p.handshakeObservation(ctx, l)
	if len(served.Chain) > 0 && !served.Legacy || served.ErrorClass != ClassRefused && served.ErrorClass != ClassReset {
		return []evidence.Observation{first}, served
	}
	second, again := p.handshakeObservation(ctx, l)
	if len(again.Chain) == 0 || again.Legacy {
		return []evidence.Observation{first}, served
	}
	first.Check, first.Outcome = CheckPassing, evidence.Unknown
	first.Reason = "the first look failed (" + served.Error + "), the same look a moment later did not"
	return []evidence.Observation{first, second}, again
}

func (p *Prober) handshakeObservation(ctx context.Context, l tlsLook) (evidence.Observation, evidence.Served) {
	start := p.opt.Now()
	s, err := p.handshake(ctx, l)
	o := evidence.Observation{Probe: evidence.ProbeTLS, Check: "handshake", Subject: subject(s.Address, s.ServerName) + offering(l.offered),
		Outcome: evidence.Pass, From: p.opt.From, At: start, Took: s.Took, Command: opensslCommand(s.Served)}
	switch {
	case len(s.Chain) > 0:
		serial, perr := s.serial()
		if o.Seen = serialWord(serial); perr != nil {
			o.Outcome, o.Reason = evidence.Fail, perr.Error()
		}
	case l.offered == OfferTLS12 && s.ErrorClass == ClassAlert:
		o.Outcome, o.Reason = evidence.Unknown, "the server does not speak TLS 1.2: "+s.Error
	case l.offered != OfferAny && s.ErrorClass == ClassAlert:
		o.Outcome, o.Reason = evidence.Unknown, "the server has no "+l.offered+" certificate for this: "+s.Error
	default:
		o.Outcome, o.Reason = outcomeOf(ctx, err), s.Error
	}
	return o.With(s.Served), s.Served
}

func offering(what string) string {
	if what == OfferAny {
		return ""
	}
	return " offering " + what
}

// surveyNames are the server names to send, each once, ending with none at all.
func surveyNames(host string, names []string) []string {
	if len(names) == 0 {
		names = []string{host}
	}
	var out []string
	seen := map[string]bool{"": true}
	for _, n := range names {
		if n = sni(n); !seen[n] && len(out) < maxSurveyNames {
			seen[n] = true
			out = append(out, n)
		}
	}
	return append(out, "")
}
