package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"certwright/internal/evidence"
)

// Error classes, as evidence.Served.ErrorClass names them.
const (
	ClassRefused      = "refused"      // the host answered that nothing listens (RST at connect)
	ClassTimeout      = "timeout"      // silence: a firewall that drops, or a host that hangs
	ClassReset        = "reset"        // connected, then cut off
	ClassAlert        = "alert"        // a TLS alert: the server speaks TLS and refused
	ClassNotTLS       = "not-tls"      // what came back was not TLS
	ClassNoStartTLS   = "no-starttls"  // it speaks the protocol that should turn to TLS, and does not offer that
	ClassUnreachable  = "unreachable"  // no route from here, such as IPv6 on a host without it
	ClassUnresolvable = "unresolvable" // the host has no address, or the resolver did not say
	ClassForbidden    = "forbidden"    // the guard's refusal: it was not dialled
	ClassOther        = "other"
)

// ErrorClass names the kind of a dial or handshake error; "" for nil.
func ErrorClass(err error) string {
	var (
		dnsErr  *net.DNSError
		lookErr *lookupError
		header  tls.RecordHeaderError
		alert   tlsAlert
		op      *net.OpError
		timeout interface{ Timeout() bool }
	)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrForbidden):
		return ClassForbidden
	case errors.As(err, &lookErr), errors.As(err, &dnsErr):
		return ClassUnresolvable
	case errors.Is(err, syscall.ECONNREFUSED):
		return ClassRefused
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH),
		errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
		return ClassUnreachable
	case errors.Is(err, errNoStartTLS):
		return ClassNoStartTLS
	case errors.As(err, &header), errors.Is(err, errNotTLS), errors.Is(err, errOtherProtocol):
		return ClassNotTLS
	case errors.As(err, &alert), errors.As(err, &op) && op.Op == "remote error":
		return ClassAlert
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return ClassTimeout
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ClassReset
	}
	return ClassOther
}

// outcomeOf says how a failed look counts: what could not be looked at from here is a blind spot, the
// rest a failure that any client would meet.
func outcomeOf(ctx context.Context, err error) evidence.Outcome {
	var l *lookupError
	switch class := ErrorClass(err); {
	case ctx.Err() != nil: // the caller's time ran out, not the look's
		return evidence.Unknown
	case class == ClassForbidden, class == ClassUnreachable:
		return evidence.Unknown
	case class == ClassUnresolvable && errors.As(err, &l) && !l.definite:
		return evidence.Unknown
	}
	return evidence.Fail
}
