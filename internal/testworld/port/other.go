//go:build !unix

package port

import "net"

// Hold gives a port that was free a moment ago: more is not to be had here.
func Hold(t TB, addresses ...string) string {
	t.Helper()
	at := "127.0.0.1"
	if len(addresses) > 0 {
		at = addresses[0]
	}
	l, err := net.Listen("tcp", net.JoinHostPort(at, "0"))
	if err != nil {
		t.Fatalf("no TCP port is free at %s: %v", at, err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
