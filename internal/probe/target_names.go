package probe

import (
	"context"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var (
	hostName  = regexp.MustCompile(`(?i)^(?:https?://)?((?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9])(?::\d+)?/?$`)
	hostWords = regexp.MustCompile(`(?i)\bhdr(?:_[a-z]+)?\(host\)|\breq\.http\.host\b|^\s*host\b`)
)

// Neighbours are a few host names, other than name, that the configuration of what serves the host on this machine names:
// asked for them, the server shows whether it has other certificates. None where it runs elsewhere.
func (p *Prober) Neighbours(ctx context.Context, host, port, name string) []string {
	addrs, err := p.LocalAddresses(ctx, net.JoinHostPort(host, port))
	if err != nil {
		return nil
	}
	var out []string
	for _, n := range configuredNames(addrs[0]) {
		if !strings.EqualFold(n, name) && len(out) < maxKin {
			out = append(out, n)
		}
	}
	return out
}

// configuredNames are the host names that the configuration of whatever listens at an address of this machine names; none
// where that cannot be seen.
func configuredNames(at netip.AddrPort) []string {
	if !ownAddress(at.Addr()) {
		return nil
	}
	socks, err := listening()
	if err != nil {
		return nil
	}
	all := processes()
	held, _ := holders(all, accepting(socks, at))
	var out []string
	for _, m := range masters(all, held) {
		s := &scanner{view: m.view(), kinds: map[string]string{}}
		s.bases = []string{s.view.cwd}
		for _, f := range s.mains(m) {
			s.bases = append(s.bases, filepath.Dir(f))
			s.file(f, 0)
		}
		for _, b := range s.blocks {
			out = append(out, b.names...)
		}
		for _, f := range s.files {
			b, err := s.view.read(f)
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(b)) {
				if openLine.MatchString(line) || hostWords.MatchString(line) { // Caddy's and H2O's addresses, HAProxy's and Varnish's conditions
					out = append(out, pathLike.FindAllString(line, -1)...)
				}
			}
		}
	}
	return onlyHosts(out)
}

// onlyHosts takes the host names out of words, each once.
func onlyHosts(words []string) []string {
	var out []string
	for _, w := range words {
		m := hostName.FindStringSubmatch(w)
		if m == nil {
			continue
		}
		if n := strings.ToLower(m[1]); !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}
