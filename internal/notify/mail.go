package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"

	gomail "github.com/wneessen/go-mail"
)

// ports are those of mail submission by the way it is protected (RFC 8314 section 3.3, RFC 6409), and of relaying.
var ports = map[string]int{StartTLS: 587, Implicit: 465, Plain: 25}

// mail sends a message by SMTP. Its Message-ID is made of the event's id, so that a repetition can be told.
func (s *Sender) mail(ctx context.Context, c *Channel, m *Message) error {
	host, port, err := c.mailServer()
	if err != nil {
		return err
	}
	letter, err := s.letter(c, m)
	if err != nil {
		return err
	}
	roots, err := c.roots()
	if err != nil {
		return err
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: roots, Time: s.Now}
	password := ""
	if c.User != "" {
		text, err := readSecret(c.PasswordFile, "the password at the mail server")
		if err != nil {
			return err
		}
		password = string(text)
	}
	for _, way := range c.logins() {
		if err = s.deliver(ctx, c, conf, host, port, way, password, letter); !errors.Is(err, gomail.ErrPlainAuthNotSupported) {
			break
		}
	}
	if err == nil {
		return nil
	}
	f := &Failure{Where: net.JoinHostPort(host, strconv.Itoa(port)), Err: err}
	var refused *gomail.SendError
	if errors.As(err, &refused) {
		f.Permanent = !refused.IsTemp() && refused.ErrorCode() >= 500
	}
	return f
}

func (s *Sender) deliver(ctx context.Context, c *Channel, conf *tls.Config, host string, port int, way gomail.SMTPAuthType, password string, letter *gomail.Msg) error {
	opts := []gomail.Option{gomail.WithPort(port), gomail.WithTimeout(sendLimit), gomail.WithHELO(s.Host), gomail.WithTLSConfig(conf), gomail.WithoutNoop(),
		gomail.WithDialContextFunc(func(ctx context.Context, _, address string) (net.Conn, error) {
			conn, err := s.Dial(ctx, address, literal(host))
			if err != nil || c.TLS != Implicit {
				return conn, err
			}
			t := tls.Client(conn, conf)
			if err := t.HandshakeContext(ctx); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
			return t, nil
		})}
	switch c.TLS {
	case Plain, Implicit: // of the latter the dialled connection is TLS already
		opts = append(opts, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if c.User != "" {
		opts = append(opts, gomail.WithSMTPAuth(way), gomail.WithUsername(c.User), gomail.WithPassword(password))
	}
	client, err := gomail.NewClient(host, opts...)
	if err != nil {
		return fmt.Errorf("prepare the mail: %w", err)
	}
	return client.DialAndSendWithContext(ctx, letter)
}

// logins are the ways to log in, tried in turn. Over implicit TLS the library does not see that the connection is
// protected, and would not choose by itself.
func (c *Channel) logins() []gomail.SMTPAuthType {
	switch {
	case c.User == "":
		return []gomail.SMTPAuthType{gomail.SMTPAuthNoAuth}
	case c.TLS == Implicit:
		return []gomail.SMTPAuthType{gomail.SMTPAuthPlain, gomail.SMTPAuthLogin}
	}
	return []gomail.SMTPAuthType{gomail.SMTPAuthAutoDiscover}
}

// letter is the message as a mail of plain text.
func (s *Sender) letter(c *Channel, m *Message) (*gomail.Msg, error) {
	l := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := l.From(c.From); err != nil {
		return nil, fmt.Errorf("the sender %q: %w", c.From, err)
	}
	if err := l.To(c.To...); err != nil {
		return nil, fmt.Errorf("the receivers: %w", err)
	}
	l.Subject(clip(m.Subject(), 200))
	l.SetDateWithValue(s.Now())
	l.SetMessageIDWithValue(m.ID + "@" + s.Host)
	l.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no holiday replies
	l.SetGenHeader("X-Certwright-Order", m.Order)
	l.SetGenHeader("X-Certwright-Type", m.Type)
	if m.Severity == Critical && m.Type != TypeWell {
		l.SetImportance(gomail.ImportanceHigh)
	}
	l.SetBodyString(gomail.TypeTextPlain, m.Text+"\n")
	return l, nil
}

// mailServer is where the mail is handed in.
func (c *Channel) mailServer() (string, int, error) {
	way := c.TLS
	if way == "" {
		way = StartTLS
	}
	host, port, err := net.SplitHostPort(c.Server)
	if err != nil {
		return c.Server, ports[way], nil
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 {
		return "", 0, fmt.Errorf("the mail server %q has no good port", c.Server)
	}
	return host, n, nil
}
