package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"certwright/internal/client"
)

// loginCommand makes a context for a server elsewhere.
func (e *Env) loginCommand() *cobra.Command {
	var caFile, tokenFile string
	c := &cobra.Command{Use: "login URL", Short: "Sign in to a server: write the context by which commands find it", Args: oneArg("the server's URL, such as https://certs.example.com:8443"),
		Long:    "Sign in to a server: try its URL and a token, and write the context by which commands find it. The token is read from standard input,\nnever from the command line, where others could see it.",
		Example: "  certwright login https://certs.example.com:8443 --token-file token\n  pass certs | certwright login https://certs.example.com:8443 --ca-file ca.pem"}
	c.Flags().StringVar(&caFile, "ca-file", "", "PEM file of the roots that the server's certificate chains to (default: the system's)")
	c.Flags().StringVar(&tokenFile, "token-file", "", "file whose first line is the token (default: standard input)")
	c.RunE = func(c *cobra.Command, args []string) error {
		ctx := Context{URL: strings.TrimRight(args[0], "/")}
		if caFile != "" {
			pem, err := os.ReadFile(caFile)
			if err != nil {
				return fmt.Errorf("read the server's roots: %w", err)
			}
			ctx.CA = string(pem)
		}
		var err error
		if ctx.Token, err = e.readToken(tokenFile); err != nil {
			return err
		}
		return e.login(c.Context(), ctx)
	}
	return c
}

func (e *Env) readToken(file string) (string, error) {
	if file != "" {
		return firstLine(file, "the token")
	}
	if in, ok := e.Stdin.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		return e.askToken(in)
	}
	e.errorf("Token: ")
	b, err := io.ReadAll(io.LimitReader(e.Stdin, 4096))
	line, _, _ := strings.Cut(string(b), "\n")
	if line = strings.TrimSpace(line); line == "" && err == nil {
		err = usage("no token was given: pipe it in, or name a file with --token-file")
	}
	return line, err
}

// askToken reads a token that is typed or pasted: over with Enter, and not seen, from before the question on.
func (e *Env) askToken(in *os.File) (string, error) {
	as, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return "", fmt.Errorf("read the token from the terminal: %w", err)
	}
	defer func() { _ = term.Restore(int(in.Fd()), as) }() // the terminal is gone if this fails
	line, err := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, e.Stderr}, "").ReadPassword("Token: ")
	if line = strings.TrimSpace(line); line != "" && err == nil {
		return line, nil
	}
	return "", usage("no token was given: paste it, pipe it in, or name a file with --token-file")
}

// login tries a context out and keeps it.
func (e *Env) login(ctx context.Context, c Context) error {
	cl, err := client.New(client.Config{URL: c.URL, CA: []byte(c.CA), Token: c.Token, Now: e.Now})
	if err != nil {
		return Usage{err}
	}
	var v struct{ Version string }
	if err := cl.Call(ctx, "GET", "/v1/version", nil, nil, &v); err != nil {
		return err
	}
	file, err := e.SaveContext(c)
	if err != nil {
		return err
	}
	e.printf("Signed in to %s (Certwright %s). Written to %s.\n", c.URL, v.Version, file)
	return nil
}
