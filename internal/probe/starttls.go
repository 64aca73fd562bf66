package probe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Protocols that begin in the clear and turn to TLS when asked: values of Options.StartTLS, site.Endpoint's
// port decides where it is empty. StartNone looks for TLS from the first byte at every port.
const (
	StartSMTP     = "smtp"     // RFC 3207
	StartIMAP     = "imap"     // RFC 3501 section 6.2.1
	StartPOP3     = "pop3"     // RFC 2595
	StartFTP      = "ftp"      // RFC 4217
	StartLDAP     = "ldap"     // RFC 4511 section 4.14
	StartPostgres = "postgres" // PostgreSQL, "Message Formats": SSLRequest
	StartMySQL    = "mysql"    // MySQL, "Protocol::SSLRequest"
	StartXMPP     = "xmpp"     // RFC 6120 section 5, client to server
	StartXMPPS2S  = "xmpp-server"
	StartNone     = "none"
)

// startPorts are the ports at which a protocol begins in the clear.
var startPorts = map[string]string{
	"21": StartFTP, "25": StartSMTP, "587": StartSMTP, "110": StartPOP3, "143": StartIMAP, "389": StartLDAP,
	"3306": StartMySQL, "5432": StartPostgres, "5222": StartXMPP, "5269": StartXMPPS2S,
}

// StartProtocols are the values that Options.StartTLS may have, besides StartNone and "".
func StartProtocols() []string {
	return []string{StartSMTP, StartIMAP, StartPOP3, StartLDAP, StartPostgres, StartMySQL, StartFTP, StartXMPP, StartXMPPS2S}
}

// startProtocol is the protocol to speak before TLS at a port; "" = TLS from the first byte.
func (p *Prober) startProtocol(port string) string {
	switch p.opt.StartTLS {
	case "":
		return startPorts[port]
	case StartNone:
		return ""
	}
	return p.opt.StartTLS
}

var (
	errNoStartTLS    = errors.New("the server does not offer TLS")
	errOtherProtocol = errors.New("the server speaks another protocol")
)

const (
	maxStartLine  = 2 << 10  // bytes of one line of a dialogue
	maxStartLines = 100      // lines of one answer
	maxStartBytes = 64 << 10 // of a whole dialogue
)

// startTLS holds the dialogue after which the connection takes a ClientHello. The errors wrap errNoStartTLS,
// errOtherProtocol or the connection's own.
func startTLS(conn io.ReadWriter, protocol, name string) error {
	d := &dialogue{r: bufio.NewReaderSize(io.LimitReader(conn, maxStartBytes), maxStartLine), w: conn}
	var err error
	switch protocol {
	case StartSMTP:
		err = d.smtp()
	case StartIMAP:
		err = d.imap()
	case StartPOP3:
		err = d.pop3()
	case StartFTP:
		err = d.ftp()
	case StartLDAP:
		err = d.ldap()
	case StartPostgres:
		err = d.postgres()
	case StartMySQL:
		err = d.mysql()
	case StartXMPP, StartXMPPS2S:
		err = d.xmpp(protocol, name)
	default:
		return fmt.Errorf("STARTTLS for %q is not known", protocol)
	}
	if err == nil && d.r.Buffered() > 0 {
		err = errors.New("bytes came after the agreement to begin TLS, before TLS began")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", protocol, err)
	}
	return nil
}

// dialogue is the talk in the clear. It reads no byte beyond the answer it waits for.
type dialogue struct {
	r *bufio.Reader
	w io.Writer
}

func (d *dialogue) say(line string) error {
	_, err := io.WriteString(d.w, line+"\r\n")
	return err
}

func (d *dialogue) line() (string, error) {
	b, err := d.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", fmt.Errorf("a line is too long: %w", errOtherProtocol)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return strings.TrimRight(string(b), "\r\n"), err
}

// reply reads an answer of SMTP's and FTP's shape: lines of a code, "-" while more follow.
func (d *dialogue) reply() (code string, lines []string, err error) {
	for range maxStartLines {
		l, err := d.line()
		if err != nil {
			return "", nil, err
		}
		lines = append(lines, l)
		if code == "" && len(l) >= 3 && strings.Trim(l[:3], "0123456789") == "" {
			code = l[:3]
		}
		if code == "" {
			return "", nil, said(errOtherProtocol, l)
		}
		if strings.HasPrefix(l, code) && (len(l) == 3 || l[3] != '-') {
			return code, lines, nil
		}
	}
	return "", nil, fmt.Errorf("an answer has more than %d lines: %w", maxStartLines, errOtherProtocol)
}

// said quotes what the server answered.
func said(err error, line string) error {
	return fmt.Errorf("%w (it said %q)", err, firstRunes(line, 80))
}

func firstRunes(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

func (d *dialogue) smtp() error {
	code, lines, err := d.reply()
	if err != nil {
		return err
	}
	if code != "220" {
		return said(errOtherProtocol, lines[0])
	}
	if err := d.say("EHLO probe.invalid"); err != nil {
		return err
	}
	code, lines, err = d.reply()
	if err != nil {
		return err
	}
	offered := false
	for _, l := range lines {
		offered = offered || len(l) > 4 && strings.EqualFold(strings.TrimSpace(l[4:]), "STARTTLS")
	}
	if code != "250" || !offered {
		return said(errNoStartTLS, strings.Join(lines, " / "))
	}
	return d.agree("STARTTLS", "220")
}

func (d *dialogue) ftp() error {
	code, lines, err := d.reply()
	if err != nil {
		return err
	}
	if code != "220" {
		return said(errOtherProtocol, lines[0])
	}
	return d.agree("AUTH TLS", "234")
}

// agree sends the command and wants the code.
func (d *dialogue) agree(command, want string) error {
	if err := d.say(command); err != nil {
		return err
	}
	code, lines, err := d.reply()
	if err != nil {
		return err
	}
	if code != want {
		return said(errNoStartTLS, lines[0])
	}
	return nil
}

func (d *dialogue) imap() error {
	l, err := d.line()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(l, "* ") {
		return said(errOtherProtocol, l)
	}
	if err := d.say("a1 STARTTLS"); err != nil {
		return err
	}
	for range maxStartLines {
		if l, err = d.line(); err != nil {
			return err
		}
		if rest, ok := strings.CutPrefix(l, "a1 "); ok {
			if len(rest) >= 2 && strings.EqualFold(rest[:2], "OK") {
				return nil
			}
			return said(errNoStartTLS, l)
		}
		if !strings.HasPrefix(l, "* ") {
			return said(errOtherProtocol, l)
		}
	}
	return errOtherProtocol
}

func (d *dialogue) pop3() error {
	for i, command := range []string{"", "STLS"} {
		if command != "" {
			if err := d.say(command); err != nil {
				return err
			}
		}
		l, err := d.line()
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(l, "+OK"):
		case i == 0:
			return said(errOtherProtocol, l)
		default:
			return said(errNoStartTLS, l)
		}
	}
	return nil
}

// ldapStart is an ExtendedRequest of the StartTLS operation, 1.3.6.1.4.1.1466.20037, as message 1.
var ldapStart = append([]byte{0x30, 0x1d, 0x02, 0x01, 0x01, 0x77, 0x18, 0x80, 0x16}, "1.3.6.1.4.1.1466.20037"...)

func (d *dialogue) ldap() error {
	if _, err := d.w.Write(ldapStart); err != nil {
		return err
	}
	msg, err := d.berElement(0x30)
	if err != nil {
		return err
	}
	// LDAPMessage: messageID INTEGER, extendedResp [APPLICATION 24] { resultCode ENUMERATED ... }
	inner := &dialogue{r: bufio.NewReader(bytes.NewReader(msg))}
	if _, err := inner.berElement(0x02); err != nil {
		return err
	}
	resp, err := inner.berElement(0x78)
	if err != nil {
		return err
	}
	result, err := (&dialogue{r: bufio.NewReader(bytes.NewReader(resp))}).berElement(0x0a)
	if err != nil {
		return err
	}
	if len(result) != 1 || result[0] != 0 {
		return fmt.Errorf("%w (result code %x)", errNoStartTLS, result)
	}
	return nil
}

// berElement reads one element of the tag, of up to 4 KiB.
func (d *dialogue) berElement(tag byte) ([]byte, error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(d.r, head); err != nil {
		return nil, err
	}
	n := int(head[1])
	if n > 0x80 && n <= 0x84 {
		long := make([]byte, n-0x80)
		if _, err := io.ReadFull(d.r, long); err != nil {
			return nil, err
		}
		n = 0
		for _, b := range long {
			n = n<<8 | int(b)
		}
	}
	if head[0] != tag || n < 0 || n > 4<<10 {
		return nil, fmt.Errorf("%w (no LDAP answer: %x)", errOtherProtocol, head)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(d.r, body)
	return body, err
}

func (d *dialogue) postgres() error {
	if _, err := d.w.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err != nil { // 80877103
		return err
	}
	b, err := d.r.ReadByte()
	switch {
	case err != nil:
		return noEOF(err)
	case b == 'S':
		return nil
	case b == 'N':
		return fmt.Errorf("%w (ssl is off)", errNoStartTLS)
	case b == 'E': // an ErrorResponse of a server that is older or not ready
		return errNoStartTLS
	}
	return fmt.Errorf("%w (it answered with the byte %q)", errOtherProtocol, b)
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Capability flags of MySQL.
const (
	mysqlProtocol41 = 0x0200
	mysqlSSL        = 0x0800
	mysqlSecure     = 0x8000
)

func (d *dialogue) mysql() error {
	head := make([]byte, 4)
	if _, err := io.ReadFull(d.r, head); err != nil {
		return noEOF(err)
	}
	n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	if head[3] != 0 || n < 1 || n > 1<<10 {
		return fmt.Errorf("%w (no greeting of MySQL: %q)", errOtherProtocol, head)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(d.r, body); err != nil {
		return noEOF(err)
	}
	if body[0] == 0xff {
		return fmt.Errorf("the server turns this client away before TLS could begin: %q", firstRunes(printable(body[1:]), 80)) // an ERR packet
	}
	end := bytes.IndexByte(body, 0) // version, thread id (4), scramble (8), filler (1), capabilities (2)
	if body[0] != 10 || end < 0 || len(body) < end+16 {
		return fmt.Errorf("%w (no greeting of MySQL 4.1 or newer)", errOtherProtocol)
	}
	if binary.LittleEndian.Uint16(body[end+14:])&mysqlSSL == 0 {
		return errNoStartTLS
	}
	req := make([]byte, 36)
	req[0], req[3] = 32, 1
	binary.LittleEndian.PutUint32(req[4:], mysqlProtocol41|mysqlSSL|mysqlSecure)
	binary.LittleEndian.PutUint32(req[8:], 1<<24)
	req[12] = 33 // utf8
	_, err := d.w.Write(req)
	return err
}

func (d *dialogue) xmpp(protocol, name string) error {
	ns := "jabber:client"
	if protocol == StartXMPPS2S {
		ns = "jabber:server"
	}
	if err := d.say("<?xml version='1.0'?><stream:stream xmlns='" + ns + "' xmlns:stream='http://etherx.jabber.org/streams' to='" + xmlAttr(name) + "' version='1.0'>"); err != nil {
		return err
	}
	got, err := d.until("</stream:features>", "<stream:features/>", "</stream:stream>")
	if err != nil {
		return err
	}
	if !strings.Contains(got, "<stream:stream") {
		return said(errOtherProtocol, got)
	}
	if !strings.Contains(got, "urn:ietf:params:xml:ns:xmpp-tls") {
		return said(errNoStartTLS, got[max(0, len(got)-80):])
	}
	if err := d.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"); err != nil {
		return err
	}
	if got, err = d.until(">"); err != nil {
		return err
	}
	if !strings.Contains(got, "<proceed") {
		return said(errNoStartTLS, got)
	}
	return nil
}

// xmlAttr leaves a host's name only what an attribute can hold.
func xmlAttr(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("'\"<>&", r) || r < ' ' {
			return -1
		}
		return r
	}, name)
}

// until reads up to and with the first of the endings.
func (d *dialogue) until(endings ...string) (string, error) {
	var b strings.Builder
	for b.Len() < maxStartBytes {
		c, err := d.r.ReadByte()
		if err != nil {
			if b.Len() > 0 && !strings.Contains(b.String(), "<") {
				return "", said(errOtherProtocol, printable([]byte(b.String())))
			}
			return "", noEOF(err)
		}
		b.WriteByte(c)
		for _, e := range endings {
			if c == e[len(e)-1] && strings.HasSuffix(b.String(), e) {
				return b.String(), nil
			}
		}
	}
	return "", errOtherProtocol
}

// printable keeps what a person can read of bytes.
func printable(b []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(b), " ")))
}

// greetingOf names the protocol whose greeting the bytes are; "" for none that is known.
func greetingOf(b []byte) string {
	s := string(b)
	switch {
	case strings.HasPrefix(s, "220") && len(s) > 3 && (s[3] == ' ' || s[3] == '-'):
		if strings.Contains(strings.ToUpper(s), "FTP") && !strings.Contains(strings.ToUpper(s), "SMTP") {
			return StartFTP
		}
		return StartSMTP
	case strings.HasPrefix(s, "* OK"), strings.HasPrefix(s, "* PREAUTH"), strings.HasPrefix(s, "* BYE"):
		return StartIMAP
	case strings.HasPrefix(s, "+OK"):
		return StartPOP3
	case strings.HasPrefix(s, "<?xml") && strings.Contains(s, "stream"), strings.HasPrefix(s, "<stream:"):
		return StartXMPP
	case len(b) > 5 && b[3] == 0 && (b[4] == 10 || b[4] == 0xff) && int(b[0])|int(b[1])<<8|int(b[2])<<16 < 1<<10:
		return StartMySQL
	}
	return ""
}

// begin holds the dialogue on a fresh connection within the context.
func (p *Prober) begin(ctx context.Context, conn net.Conn, l tlsLook) error {
	if l.start == "" {
		return nil
	}
	if t, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(t); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := startTLS(conn, l.start, l.name); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return err
	}
	return conn.SetDeadline(time.Time{})
}
