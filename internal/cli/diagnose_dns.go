package cli

import (
	"io"
	"os"
	"slices"
	"strings"

	"certwright/internal/probe"
)

// methods are the validation methods that --method takes (RFC 8555 section 8, RFC 8737).
var methods = []string{"http-01", "dns-01", "tls-alpn-01"}

// ownGuard lets everything private be dialled: the person at the keyboard names the host.
var ownGuard = probe.Guard{AllowPrivate: true, AllowLoopback: true}

// hostProber is what a host is looked at with, from the flags.
func (e *Env) hostProber(f diagnoseFlags) (*probe.Prober, error) {
	resolver, err := resolverAddress(f.resolver)
	if err != nil {
		return nil, err
	}
	o := probe.Options{Now: e.Now, From: "cli", Guard: ownGuard, Resolver: resolver, Timeout: f.timeout * 3 / 5}
	if f.startTLS != "" && f.startTLS != probe.StartNone && !slices.Contains(probe.StartProtocols(), f.startTLS) {
		return nil, usage("--starttls %q is none of %s, %s", f.startTLS, strings.Join(probe.StartProtocols(), ", "), probe.StartNone)
	}
	o.StartTLS = f.startTLS
	if o.Roots, err = readFile("--root-hints", f.rootHints, probe.ReadRoots); err != nil {
		return nil, err
	}
	if o.Anchors, err = readFile("--trust-anchor", f.trustAnchor, probe.ReadAnchors); err != nil {
		return nil, err
	}
	return probe.New(o), nil
}

// intent checks what the flags say of the certificate to be issued, and gives the authority's domain.
func intent(f diagnoseFlags) (issuer string, err error) {
	if f.method != "" && !slices.Contains(methods, f.method) {
		return "", usage("--method %q is none of %s", f.method, strings.Join(methods, ", "))
	}
	if f.expectIssuer == "" {
		return "", nil
	}
	issuer, err = hostName(f.expectIssuer)
	if err != nil || !strings.Contains(issuer, ".") {
		return "", usage("--expect-issuer %q is not an authority's domain as CAA records name it, such as letsencrypt.org", f.expectIssuer)
	}
	return issuer, nil
}

// readFile reads the file of a flag; none is no error.
func readFile[T any](flag, file string, read func(io.Reader, string) ([]T, error)) ([]T, error) {
	if file == "" {
		return nil, nil
	}
	r, err := os.Open(file)
	if err != nil {
		return nil, usage("%s: %v", flag, err)
	}
	defer r.Close()
	out, err := read(r, file)
	if err != nil {
		return nil, usage("%s: %v", flag, err)
	}
	return out, nil
}

// resolverAddress checks --resolver.
func resolverAddress(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	host, port, err := splitTarget(s)
	if err == nil {
		if _, err = parseTarget(host); err == nil && port == "443" && s != host+":443" {
			return s, nil // no port: the prober adds the DNS's own
		}
	}
	if err != nil {
		return "", usage("--resolver %q is not ADDR or ADDR:PORT", s)
	}
	return s, nil
}
