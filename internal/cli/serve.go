package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"certwright/internal/secret"
	"certwright/internal/server"
)

func (e *Env) serveCommand() *cobra.Command {
	var file string
	var print, sample bool
	c := &cobra.Command{Use: "serve", Short: "Run Certwright: API, pages, vault, authority, workers", Args: noArgs,
		Long: `Run Certwright: API, pages, vault, authority and workers in one process, on one address (HTTPS).

It writes a context file by which this user's other commands find it. Stop it with Ctrl-C or SIGTERM: running steps
end at their next safe point, and go on at the next start.`,
		Example: "  certwright serve\n  certwright serve --sample\n  certwright serve --print-config > certwright.yaml\n  certwright serve -c certwright.yaml"}
	c.Flags().StringVarP(&file, "config", "c", "", "configuration file (default: none, everything embedded)")
	c.Flags().BoolVar(&print, "print-config", false, "print a configuration file with every key, its default and what it means")
	c.Flags().BoolVar(&sample, "sample", false, "bring a sample shop along on loopback, and take it down the whole path")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if print {
			e.printf("%s", server.ExampleConfig())
			return nil
		}
		cfg, err := server.LoadConfig(file, e.Environ)
		if err != nil {
			return Usage{err}
		}
		if sample {
			return e.runSample(c.Context(), cfg, false)
		}
		return e.serve(c.Context(), cfg)
	}
	return c
}

// logger writes the log as the configuration says.
func logger(w io.Writer, l server.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.Level)) // the configuration was checked
	o := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// gcPercent lets the server's small heap grow to three times what lives in it before garbage is looked for: 5 % more requests a
// second for some 8 MiB. The variable GOGC is stronger.
const gcPercent = 200

// start builds and starts a server and writes the context by which the command line finds it.
func (e *Env) start(ctx context.Context, cfg server.Config) (*server.Server, error) {
	if e.getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	s, err := server.New(ctx, server.Options{Config: cfg, Environ: e.Environ, Now: e.Now, Logger: logger(e.Stderr, cfg.Log), Version: e.Version})
	if err != nil {
		return nil, err
	}
	if err := s.Start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := e.writeContext(ctx, s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// writeContext keeps the context that leads to this server, or makes one with a token of its own.
func (e *Env) writeContext(ctx context.Context, s *server.Server) error {
	if old, err := e.loadContext(); err == nil && old.URL == s.Config.URL && old.CA == string(s.Builtin.RootsPEM()) {
		if _, err := s.Auth.Authenticate(ctx, old.Token); err == nil {
			return nil
		}
	}
	token, err := s.LocalToken(ctx)
	if err != nil {
		return fmt.Errorf("make the command line's token: %w", err)
	}
	ca := string(s.Builtin.RootsPEM())
	if s.Config.TLS.Certificate != "" {
		ca = ""
	}
	file, err := e.SaveContext(Context{URL: s.Config.URL, CA: ca, Token: token})
	if err != nil {
		e.errorf("The command line will not find this server by itself: %v\n", err)
		return nil
	}
	e.printf("Context:  %s (certwright commands of this user find the server by it)\n", file)
	return nil
}

// greet says where the pages are and, at the first start, the first token.
func (e *Env) greet(s *server.Server) {
	e.printf("Pages:    %s/\n", s.Config.URL)
	e.printf("Vault:    %s (for clients of Key Vault)\n", s.VaultURL(secret.DefaultVault))
	e.printf("Data:     %s\n", s.Config.Data)
	if s.HTTP01 != "" {
		e.printf("http-01:  %s\n", s.HTTP01)
	}
	if s.FirstRun != "" {
		e.printf("Token:    %s   (the owner's; it is shown this once, keep it)\n", s.FirstRun)
	}
}

func (e *Env) serve(ctx context.Context, cfg server.Config) error {
	began := e.Now()
	s, err := e.start(ctx, cfg)
	if err != nil {
		return err
	}
	e.greet(s)
	e.printf("Certwright %s serves since %d ms after its start. Stop it with Ctrl-C.\n", e.Version, e.Now().Sub(began).Milliseconds())
	<-ctx.Done()
	e.printf("Stopping: running steps end at their next safe point.\n")
	return s.Close()
}

// sampleConfig makes a configuration for the sample: a folder of its own, a free port if the usual one is taken.
func (e *Env) sampleConfig(cfg *server.Config) error {
	if e.getenv("CERTWRIGHT_DATA") == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("find a place for the sample: %w", err)
		}
		cfg.Data = server.Path(filepath.Join(cache, "certwright", "sample"))
		cfg.Database.DSN = server.Hidden("sqlite:" + string(cfg.Data.Join("certwright.db")))
		cfg.KEK.File = cfg.Data.Join("kek")
	}
	if e.getenv("CERTWRIGHT_LOG_LEVEL") == "" {
		cfg.Log.Level = "warn"
	}
	ln, err := net.Listen("tcp", cfg.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		cfg.Listen = "127.0.0.1:0"
		return nil
	}
	if err != nil {
		return fmt.Errorf("listen on %s: %w", cfg.Listen, err)
	}
	return ln.Close()
}
