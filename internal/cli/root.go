package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"certwright/internal/client"
)

// Run runs one command and returns its exit status.
func (e *Env) Run(ctx context.Context, args []string) int {
	root := e.root()
	root.SetArgs(args)
	root.SetOut(e.Stdout)
	root.SetErr(e.Stderr)
	err := root.ExecuteContext(ctx)
	var u Usage
	var api *client.Error
	switch {
	case err == nil:
		return ExitWell
	case errors.Is(err, Unhealthy{}):
		return ExitUnhealthy
	case errors.As(err, &u):
		e.errorf("certwright: %s\n", err)
		return ExitUsage
	case errors.As(err, &api):
		e.errorf("certwright: %s\n", api.Error())
		return ExitFailed
	case isUsage(err):
		e.errorf("certwright: %s\n  → see: certwright --help\n", err)
		return ExitUsage
	}
	e.errorf("certwright: %s\n", err)
	return ExitFailed
}

// isUsage knows cobra's own errors of wrong usage.
func isUsage(err error) bool {
	s := err.Error()
	for _, p := range []string{"unknown command", "unknown flag", "unknown shorthand", "flag needs an argument", "invalid argument", "accepts ", "requires at least", "required flag", "if any flags in the group", "at least one of the flags"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

func (e *Env) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "certwright",
		Short: "A self-hosted certificate service that explains itself",
		Long: `Certwright takes an order for a certificate down one path: verify the domain, issue, store in a
vault, deploy to what serves it, look on the wire at what is really served, renew in time. Whenever a
certificate is not where it should be, it names the cause with evidence and offers the fix.

Start:  certwright serve --sample        (a server with a sample shop, everything embedded)
Look:   certwright diagnose HOST[:PORT]  (needs no server)`,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return Usage{err} })
	f := root.PersistentFlags()
	f.StringVar(&e.context, "context", "", "file that says where the server is (default: the one that serve or login wrote)")
	f.StringVarP(&e.output, "output", "o", "table", "how to print: table, json, yaml or tsv")
	f.StringVar(&e.query, "query", "", "JMESPath expression over the JSON")
	root.AddCommand(e.serveCommand(), e.loginCommand(), e.orderCommand(), NewDiagnoseCommand(e, DiagnoseHooks{Order: e.diagnoseOrder}), e.timelineCommand(), e.siteCommand(), e.issuerCommand(), e.vaultCommand(), e.sampleCommand(), e.versionCommand())
	return root
}

func (e *Env) versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version of this program", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		e.printf("certwright %s\n", e.Version)
		return nil
	}}
}

// oneArg wants exactly one argument and says what it is.
func oneArg(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return Usage{fmt.Errorf("give %s", what)}
		}
		return nil
	}
}
