// Package cli is the command line: one file a subcommand. It talks to a server through client only; diagnose
// alone needs none.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"golang.org/x/term"

	"certwright/internal/client"
)

// Exit statuses of the command.
const (
	ExitWell      = 0 // done, and well
	ExitFailed    = 1 // the command failed
	ExitUsage     = 2 // wrong usage
	ExitUnhealthy = 3 // the thing asked about is not healthy
)

// Env is the world that a command runs in.
type Env struct {
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Environ []string // as os.Environ
	Now     func() time.Time
	Version string
	Name    string // how the program is called here: see Named; empty = certwright
	// IsTerminal says whether Stdout is a terminal: colour and live lines only then.
	IsTerminal bool

	context string // --context: file that says where the server is
	output  string // -o
	query   string // --query
	columns int    // how wide the pane is that the text is for; 0 = as wide as the page

	commands *regexp.Regexp // finds the commands in hints
}

// getenv reads a variable of the environment that the command was given.
func (e *Env) getenv(name string) string {
	for i := len(e.Environ) - 1; i >= 0; i-- {
		if v := e.Environ[i]; len(v) > len(name) && v[len(name)] == '=' && v[:len(name)] == name {
			return v[len(name)+1:]
		}
	}
	return ""
}

// Unhealthy is an error that ends the command with ExitUnhealthy; everything was said already.
type Unhealthy struct{}

func (Unhealthy) Error() string { return "not healthy" }

// Usage is an error of how the command was called.
type Usage struct{ Err error }

func (u Usage) Error() string { return u.Err.Error() }
func (u Usage) Unwrap() error { return u.Err }

func usage(format string, args ...any) error { return Usage{fmt.Errorf(format, args...)} }

// Main runs the command with the process's own world and returns its exit status.
func Main(version string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := &Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(), Now: Clock(os.Environ()), Version: version, Name: Named(os.Args[0]), IsTerminal: term.IsTerminal(int(os.Stdout.Fd()))}
	return env.Run(ctx, os.Args[1:])
}

// client finds the server: the context file of serve or login.
func (e *Env) client() (*client.Client, error) {
	c, err := e.loadContext()
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{URL: c.URL, CA: []byte(c.CA), Token: c.Token, Now: e.Now})
}

// printf prints on standard output: for a person with commands as they can be copied, for a program as it is.
func (e *Env) printf(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if e.plain() {
		s = e.hint(s)
	}
	_, _ = io.WriteString(e.Stdout, s) // whoever reads is gone if this fails
}

func (e *Env) errorf(format string, args ...any) {
	_, _ = io.WriteString(e.Stderr, e.hint(fmt.Sprintf(format, args...)))
}
