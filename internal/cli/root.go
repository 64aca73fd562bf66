package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"certwright/internal/timeline"
)

// Run runs one command and returns its exit status.
func (e *Env) Run(ctx context.Context, args []string) int {
	root := e.root()
	e.commands = commandsOf(root)
	root.SetArgs(args)
	root.SetOut(hinting{e, e.Stdout})
	root.SetErr(hinting{e, e.Stderr})
	at, err := root.ExecuteContextC(ctx)
	var u Usage
	switch {
	case err == nil:
		return ExitWell
	case errors.Is(err, Unhealthy{}):
		return ExitUnhealthy
	case errors.As(err, &u):
		e.complain(err)
		if !strings.Contains(err.Error(), "→") {
			e.errorf("  → see: %s --help\n", at.CommandPath())
		}
		return ExitUsage
	case isUsage(err):
		e.complain(err)
		e.errorf("  → see: %s --help\n", at.CommandPath())
		return ExitUsage
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		e.complain(errors.New("interrupted"))
		return ExitFailed
	}
	e.complain(err)
	return ExitFailed
}

// complain prints an error, whose words may be another's: every line is cleaned, those after the first are indented.
func (e *Env) complain(err error) {
	all := strings.Split(strings.TrimSpace(err.Error()), "\n")
	for i, l := range all {
		if l = timeline.OneLine(l); i > 0 && !strings.HasPrefix(l, "  ") {
			l = "  " + l
		}
		all[i] = l
	}
	text := "certwright: " + strings.Join(all, "\n")
	if e.IsTerminal && width(all[0]) > e.pageWidth()-len("certwright: ") { // what follows are commands, to be copied whole
		text = strings.TrimRight(e.wrap("certwright: ", all[0])+strings.Join(all[1:], "\n"), "\n")
	}
	e.errorf("%s\n", text)
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
	root.CompletionOptions.DisableDefaultCmd = true
	root.SuggestionsMinimumDistance = 2
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return e.checkOutput() }
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return Usage{err} })
	f := root.PersistentFlags()
	f.StringVar(&e.context, "context", "", "file that says where the server is (default: the one that serve or login wrote)")
	f.StringVarP(&e.output, "output", "o", "table", "how to print: table, json, yaml or tsv")
	f.StringVar(&e.query, "query", "", "JMESPath expression over the JSON")
	root.AddCommand(e.serveCommand(), e.loginCommand(), e.orderCommand(), NewDiagnoseCommand(e, DiagnoseHooks{Order: e.diagnoseOrder}), e.fixCommand(), e.bundleCommand(), e.faqCommand(), e.timelineCommand(), e.siteCommand(), e.issuerCommand(), e.dnsAccountCommand(), e.vaultCommand(), e.sampleCommand(), e.versionCommand())
	root.AddCommand(e.notifyCommand(), e.tokenCommand(), e.restCommand(), e.exploreCommand(), e.subscriptionCommand())
	return root
}

func (e *Env) versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version of this program", Args: noArgs, Example: "  certwright version", RunE: func(*cobra.Command, []string) error {
		v := struct {
			Version string `json:"version"`
		}{e.Version}
		return e.show(&v, func() { e.printf("certwright %s\n", v.Version) })
	}}
}

// group is a command that only holds others: alone it prints its help; a name that is not known is refused with the
// nearest one.
func group(name, short string, aliases ...string) *cobra.Command {
	c := &cobra.Command{Use: name, Aliases: aliases, Short: short, SuggestionsMinimumDistance: 2}
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		near := ""
		if s := c.SuggestionsFor(args[0]); len(s) > 0 {
			near = "\n  → did you mean: " + c.CommandPath() + " " + strings.Join(s, ", or "+c.CommandPath()+" ")
		}
		return usage("unknown command %q for %q%s", args[0], c.CommandPath(), near)
	}
	return c
}

// oneArg wants exactly one argument and says what it is.
func oneArg(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == 0 || args[0] == "":
			return usage("give %s\n  → usage: %s", what, c.UseLine())
		case len(args) > 1:
			return usage("%q is one argument too many: give only %s\n  → usage: %s", args[1], what, c.UseLine())
		}
		return nil
	}
}

// upTo wants at most so many arguments.
func upTo(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > n {
			return usage("%q is one argument too many: give %s\n  → usage: %s", args[n], what, c.UseLine())
		}
		return nil
	}
}

// noArgs wants none.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%q is one argument too many: %s takes none", args[0], c.CommandPath())
	}
	return nil
}
