package server

import (
	"bytes"
	"fmt"
	"net"
)

// spoken answers who speaks plain HTTP to the HTTPS port as the API answers: in JSON, with what to do. net/http writes
// a line of text of its own to such a connection, before any handler is asked; this stands in for it.
type spoken struct{ net.Listener }

// Accept waits for the next connection.
func (l spoken) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &plainConn{Conn: c}, nil
}

// plainAnswer begins what net/http writes where TLS was expected: no record of TLS begins so.
var plainAnswer = []byte("HTTP/1.0 400 Bad Request\r\n")

type plainConn struct {
	net.Conn
	begun bool
}

// Write sends what TLS makes of an answer, or the answer to who does not speak it.
func (c *plainConn) Write(b []byte) (int, error) {
	if c.begun || !bytes.HasPrefix(b, plainAnswer) {
		c.begun = true
		return c.Conn.Write(b)
	}
	body := `{"error":{"code":"HttpsRequired","message":"this port speaks HTTPS, and the request was plain HTTP","fix":"Write https:// instead of http://"}}` + "\n"
	_, err := fmt.Fprintf(c.Conn, "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
	return len(b), err
}
