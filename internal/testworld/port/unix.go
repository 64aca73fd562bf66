//go:build unix

package port

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// Hold takes one TCP port at each of these addresses (none = 127.0.0.1) until the test ends. Connections are refused
// there until a server listens at it, and any may that sets SO_REUSEADDR, as Go and nearly all others do: the port is
// bound and not listened at. The kernel gives it neither to who asks for any port nor to a connection that goes out.
func Hold(t TB, addresses ...string) string {
	t.Helper()
	if len(addresses) == 0 {
		addresses = []string{"127.0.0.1"}
	}
	var err error
	for range 50 { // what is free at one address may be taken at the next
		var port int
		var held []int
		for _, a := range addresses {
			var fd int
			if fd, port, err = bind(a, port); err != nil {
				break
			}
			held = append(held, fd)
		}
		let := func() {
			for _, fd := range held {
				_ = syscall.Close(fd)
			}
		}
		if err == nil {
			t.Cleanup(let)
			return strconv.Itoa(port)
		}
		if let(); !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	t.Fatalf("no TCP port can be held at %v: %v", addresses, err)
	return ""
}

// bind binds a socket; port 0 = any.
func bind(address string, port int) (fd, got int, err error) {
	ip := net.ParseIP(address)
	if ip == nil {
		return 0, 0, fmt.Errorf("%q is no IP address", address)
	}
	family, at := syscall.AF_INET6, syscall.Sockaddr(&syscall.SockaddrInet6{Port: port, Addr: [16]byte(ip.To16())})
	if v4 := ip.To4(); v4 != nil {
		family, at = syscall.AF_INET, &syscall.SockaddrInet4{Port: port, Addr: [4]byte(v4)}
	}
	syscall.ForkLock.RLock() // no child is to keep it
	fd, err = syscall.Socket(family, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return 0, 0, fmt.Errorf("socket: %w", err)
	}
	if err = errors.Join(syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1), syscall.Bind(fd, at)); err == nil {
		at, err = syscall.Getsockname(fd)
	}
	if err != nil {
		_ = syscall.Close(fd)
		return 0, 0, fmt.Errorf("bind %s: %w", net.JoinHostPort(address, strconv.Itoa(port)), err)
	}
	switch at := at.(type) {
	case *syscall.SockaddrInet4:
		got = at.Port
	case *syscall.SockaddrInet6:
		got = at.Port
	}
	return fd, got, nil
}
