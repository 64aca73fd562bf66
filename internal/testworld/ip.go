package testworld

import (
	"crypto/rand"
	"errors"
	"net"
)

// OwnIP is an address of 127.0.0.0/8, all of which is loopback, that nobody else uses: fixed ports on it meet nobody else's. A
// port that the kernel picks and that is given up again, for a program that is to listen there, may be taken in between; here
// nobody takes one, not even an outgoing connection, whose address is 127.0.0.1.
func OwnIP() (string, error) {
	for range 100 {
		var b [3]byte
		_, _ = rand.Read(b[:]) // never fails
		ip := net.IPv4(127, 1+b[0]%250, b[1], 1+b[2]%250).String()
		l, err := net.Listen("tcp", ip+":8443")
		if err == nil {
			return ip, l.Close()
		}
	}
	return "", errors.New("no address of 127.0.0.0/8 can be listened on")
}
