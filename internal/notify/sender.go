package notify

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"certwright/internal/secret"
)

// Channel is somebody to be told, as it is configured. Secrets are read from their files at each message, so that
// they can be replaced while the server runs.
type Channel struct {
	Name          string
	Kind          string
	URL           string // or URLFile
	URLFile       string
	SecretFile    string
	CAFile        string
	Server        string // mail: HOST or HOST:PORT
	TLS           string
	User          string
	PasswordFile  string
	From          string
	To            []string
	Severity      string // from which on; empty = Warning
	Groups        []string
	Subscriptions []string
}

// Wants says whether the channel is told of a message: it begins at the severity of the finding, or of the one that
// is over or was replaced.
func (c *Channel) Wants(m *Message) bool {
	if m.Type == TypeTest {
		return true
	}
	in := func(list []string, v string) bool {
		return len(list) == 0 || slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, v) })
	}
	return (c.Severity != Critical || m.worst == Critical) && in(c.Groups, m.Group) && in(c.Subscriptions, m.Scope)
}

// Where is who gets the messages, in words without a secret.
func (c *Channel) Where() string {
	if c.Kind == SMTP {
		return c.Server + " for " + strings.Join(c.To, ", ")
	}
	if u, err := url.Parse(c.URL); err == nil && u.Host != "" {
		return u.Host
	}
	return "the receiver"
}

// Failure is a message that did not arrive. It names neither secrets nor the URL's path, which may be one.
type Failure struct {
	Where     string        // host that was asked
	Permanent bool          // the other side refuses it for good: a person has to act. It is tried again all the same
	After     time.Duration // not to be tried again before that (Retry-After); 0 = as usual
	Err       error
}

// Error says where and why.
func (f *Failure) Error() string {
	if f.Where == "" {
		return f.Err.Error()
	}
	return f.Where + ": " + f.Err.Error()
}

// Unwrap is the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Sender sends messages.
type Sender struct {
	// Dial connects to HOST:PORT, and only where the server may; literal says that the operator's configuration names
	// this very address, and no name that somebody else resolves.
	Dial func(ctx context.Context, address string, literal bool) (net.Conn, error)
	Now  func() time.Time
	Host string // what this server calls itself to mail servers, and in message ids
	// Version is told to receivers.
	Version string
}

// sendLimit is how long one message may take.
const sendLimit = 20 * time.Second

// Send sends a message over a channel, once. Nil: the other side has taken it.
func (s *Sender) Send(ctx context.Context, c *Channel, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	var err error
	switch c.Kind {
	case SMTP:
		err = s.mail(ctx, c, &m)
	case Webhook, JSON, Slack, Teams:
		err = s.post(ctx, c, &m)
	default:
		err = fmt.Errorf("notification %s: kind %q is not known", c.Name, c.Kind)
	}
	var f *Failure
	if err != nil && !errors.As(err, &f) {
		return &Failure{Err: err}
	}
	return err
}

// readSecret reads a file whose first line is a secret.
func readSecret(file, what string) (secret.Bytes, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	line = strings.TrimSpace(line)
	if line == "" {
		return nil, fmt.Errorf("read %s: the first line of %s is empty", what, file)
	}
	return secret.Bytes(line), nil
}

// roots are those that a channel trusts; nil = the system's.
func (c *Channel) roots() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	b, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the trusted roots: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("read the trusted roots: %s holds no certificate in PEM", c.CAFile)
	}
	return pool, nil
}

// literal says whether a host is an address, or this machine by its own name: nobody else decides where that leads.
func literal(host string) bool {
	return net.ParseIP(strings.Trim(host, "[]")) != nil || strings.EqualFold(host, "localhost")
}

// RetryAfter is how long the other side asked not to be asked again; 0 = it did not.
func (f *Failure) RetryAfter() time.Duration { return f.After }
