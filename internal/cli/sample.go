package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"certwright/internal/api"
	"certwright/internal/client"
	"certwright/internal/server"
)

func (e *Env) sampleCommand() *cobra.Command {
	var once bool
	c := &cobra.Command{Use: "sample", Short: "Take a sample shop on loopback down the whole path", Args: noArgs,
		Example: "  certwright sample            (the same as serve --sample: it stays up)\n  certwright sample --once     (exit status 0 only if openssl saw the vault's serial both times)"}
	c.Flags().BoolVar(&once, "once", false, "do it once in a folder that is thrown away, renew once, and look from outside with openssl both times")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := server.LoadConfig("", e.Environ)
		if err != nil {
			return Usage{err}
		}
		return e.runSample(c.Context(), cfg, once)
	}
	c.AddCommand(&cobra.Command{Use: "reload ADDRESS", Short: "What the sample's reload command runs", Hidden: true, Args: oneArg("the shop's control address"), RunE: func(c *cobra.Command, args []string) error {
		req, err := http.NewRequestWithContext(c.Context(), "POST", "http://"+args[0]+"/reload", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return fmt.Errorf("ask the shop to reload: %w", err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("the shop did not reload: %s", resp.Status)
		}
		return nil
	}})
	return c
}

// runSample starts the shop and a server that knows it, and follows the shop's order.
func (e *Env) runSample(ctx context.Context, cfg server.Config, once bool) error {
	began := e.Now()
	if once {
		dir, err := os.MkdirTemp("", "certwright-once-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		e.apart(dir)
		if cfg, err = server.LoadConfig("", e.Environ); err != nil {
			return err
		}
		cfg.Listen = "127.0.0.1:0"
	}
	if err := e.sampleConfig(&cfg); err != nil {
		return err
	}
	shop, err := server.StartSample(ctx, filepath.Join(string(cfg.Data), "shop"))
	if err != nil {
		return err
	}
	defer shop.Close()
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program for the shop's reload command: %w", err)
	}
	shop.Configure(&cfg, program)
	s, err := e.start(ctx, cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	e.printf("Certwright %s serves, %d ms after its start: SQLite, built-in vault, built-in authority, a sample shop at https://%s\n\n", e.Version, e.Now().Sub(began).Milliseconds(), shop.HTTPS)
	err = e.walkSample(ctx, s, shop, once)
	if once || ctx.Err() != nil {
		return err
	}
	if err != nil && !errors.Is(err, Unhealthy{}) { // the server stays all the same: without it nothing could be mended
		e.complain(err)
	}
	e.printf("\n")
	e.greet(s)
	_, port, _ := net.SplitHostPort(shop.HTTPS)
	e.printf("Shop:     curl --resolve %s:%s:127.0.0.1 --cacert <(curl -sk %s/ca.pem) https://%s:%s/\n", server.SampleHost, port, s.Config.URL, server.SampleHost, port)
	e.nextSteps(program)
	<-ctx.Done()
	e.printf("Stopping: running steps end at their next safe point.\n")
	return nil
}

// nextSteps says what to try in a second shell, as it can be copied there.
func (e *Env) nextSteps(program string) {
	e.printf("\nIn a second shell:\n")
	for _, c := range []string{"order show shop", "order renew shop --wait", "timeline shop", "explore"} {
		e.printf("  certwright %s\n", c)
	}
	if e.hint("certwright explore") != "certwright explore" { // the pages cannot know how it is called
		e.printf("What the pages say can be copied, too, after:  export PATH=%q:\"$PATH\"\n", filepath.Dir(program))
	}
	e.printf("Stop with Ctrl-C.\n")
}

// apart sets everything that the environment may say of another server aside: what is thrown away must not be done
// to a database or a folder that is in use.
func (e *Env) apart(dir string) {
	e.Environ = slices.DeleteFunc(slices.Clone(e.Environ), func(v string) bool {
		return strings.HasPrefix(v, server.EnvPrefix) && !strings.HasPrefix(v, server.EnvPrefix+"LOG_") && !strings.HasPrefix(v, server.EnvPrefix+"CLOCK_")
	})
	e.Environ = append(e.Environ, "CERTWRIGHT_DATA="+dir)
	e.context = filepath.Join(dir, "context.json")
}

// walkSample orders the shop's certificate, or syncs the one of an earlier start, and looks from outside.
func (e *Env) walkSample(ctx context.Context, s *server.Server, shop *server.Sample, once bool) error {
	o, err := shop.Order(ctx, s.Mover)
	if err != nil {
		return err
	}
	cl, err := e.client()
	if err != nil {
		return err
	}
	if err := e.followSample(ctx, cl, o.Seq); err != nil {
		return err
	}
	if !once {
		return nil
	}
	first, err := e.outside(ctx, cl, shop)
	if err != nil {
		return err
	}
	e.printf("\nRenewing once.\n\n")
	r, err := cl.Command(ctx, server.SampleName, "renew", api.CommandBody{})
	if err != nil {
		return err
	}
	if err := e.followSample(ctx, cl, r.Properties.LastEvent); err != nil {
		return err
	}
	second, err := e.outside(ctx, cl, shop)
	if err != nil {
		return err
	}
	if first == second {
		return fmt.Errorf("the renewal changed nothing: serial %s is still served", first)
	}
	e.printf("\nWell: issued, stored, deployed and served, twice.\n")
	return nil
}

func (e *Env) followSample(ctx context.Context, cl *client.Client, seq int64) error {
	o, err := cl.Order(ctx, server.SampleName)
	if err != nil {
		return err
	}
	o.Properties.LastEvent = seq
	return e.follow(ctx, cl, o, waitFlags{wait: true, timeout: 2 * time.Minute})
}

// outside asks openssl, which is nobody's friend here, what the shop serves, and holds it against the vault.
func (e *Env) outside(ctx context.Context, cl *client.Client, shop *server.Sample) (string, error) {
	o, err := cl.Order(ctx, server.SampleName)
	if err != nil {
		return "", err
	}
	want := o.Properties.SerialNumber
	c := exec.CommandContext(ctx, "openssl", "s_client", "-connect", shop.HTTPS, "-servername", server.SampleHost)
	c.Stdin = strings.NewReader("")
	pem, err := c.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", fmt.Errorf("openssl cannot be run to look from outside: %w", err)
	}
	x := exec.CommandContext(ctx, "openssl", "x509", "-noout", "-serial")
	x.Stdin = strings.NewReader(string(pem))
	out, err := x.Output()
	if err != nil {
		return "", fmt.Errorf("openssl s_client saw no certificate at %s", shop.HTTPS)
	}
	seen := strings.TrimPrefix(strings.TrimSpace(string(out)), "serial=")
	if seen != want {
		return "", fmt.Errorf("openssl s_client sees serial %s at %s, the vault's current one is %s", seen, shop.HTTPS, want)
	}
	e.printf("\nFrom outside: openssl s_client sees serial %s, the vault's current one.\n", seen)
	return seen, nil
}
