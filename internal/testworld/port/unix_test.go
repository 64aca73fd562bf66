//go:build unix

package port

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// TestHold: nothing answers at a held port, a server may listen at it, more than once, and nobody else is given it.
func TestHold(t *testing.T) {
	t.Parallel()
	port := Hold(t)
	at := net.JoinHostPort("127.0.0.1", port)
	for range 2 {
		if _, err := net.Dial("tcp", at); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("nothing listens yet: %v", err)
		}
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := net.Dial("tcp", at); err != nil {
			t.Error(err)
		} else {
			c.Close()
		}
		l.Close()
	}
	if other := Hold(t); other == port {
		t.Errorf("port %s was held twice", port)
	}
	fd, got, err := bind("127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if _, again, err := bind("127.0.0.1", got); err != nil || again != got {
		t.Errorf("port %d: %d, %v", got, again, err)
	}
}

// TestHoldBoth: one port of two addresses.
func TestHoldBoth(t *testing.T) {
	t.Parallel()
	port := Hold(t, "127.0.0.1", "127.0.0.9")
	for _, host := range []string{"127.0.0.1", "127.0.0.9"} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
}
