package testworld

import (
	"io"
	"net"
	"time"
)

// relay passes what comes to one address on to another, over UDP a question with its answer at a time.
type relay struct {
	tcp net.Listener
	udp net.PacketConn
}

func listenRelay(address string) (*relay, error) {
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	udp, err := net.ListenPacket("udp", address)
	if err != nil {
		_ = tcp.Close()
		return nil, err
	}
	return &relay{tcp, udp}, nil
}

// serve passes on until close.
func (r *relay) serve(to string) {
	go func() {
		for {
			in, err := r.tcp.Accept()
			if err != nil {
				return
			}
			go passTCP(in, to)
		}
	}()
	go func() {
		for {
			buf := make([]byte, 4096)
			n, from, err := r.udp.ReadFrom(buf)
			if err != nil {
				return
			}
			go r.passUDP(buf[:n], from, to)
		}
	}()
}

func passTCP(in net.Conn, to string) {
	defer in.Close()
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	go func() { _, _ = io.Copy(out, in); _ = out.(*net.TCPConn).CloseWrite() }()
	_, _ = io.Copy(in, out) // whoever goes away first is its own affair
}

func (r *relay) passUDP(question []byte, from net.Addr, to string) {
	out, err := net.Dial("udp", to)
	if err != nil {
		return
	}
	defer out.Close()
	_ = out.SetDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 4096)
	if _, err := out.Write(question); err != nil {
		return
	}
	if n, err := out.Read(buf); err == nil {
		_, _ = r.udp.WriteTo(buf[:n], from)
	}
}

func (r *relay) close() {
	_ = r.tcp.Close()
	_ = r.udp.Close()
}
