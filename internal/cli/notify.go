package cli

import (
	"github.com/spf13/cobra"

	"certwright/internal/server"
)

func (e *Env) notifyCommand() *cobra.Command {
	c := group("notify", "Notifications: who is told when an order is not well")
	c.AddCommand(e.notifyTest())
	return c
}

func (e *Env) notifyTest() *cobra.Command {
	var file string
	c := &cobra.Command{Use: "test NAME", Short: "Send a test over a notification of the configuration, and say what happened", Args: oneArg("the notification's name in the configuration"),
		Long: `Send a test over a notification of the configuration, and say what happened. It is sent from here, with the
configuration as it stands in the file: no server has to run, and one that runs is not asked.

Exit status: 0 the other side took it, 1 it did not, 2 wrong usage.`,
		Example: "  certwright notify test ops -c certwright.yaml"}
	c.Flags().StringVarP(&file, "config", "c", "", "configuration file")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := server.LoadConfig(file, e.Environ)
		if err != nil {
			return Usage{err}
		}
		said, err := server.TestNotify(c.Context(), cfg, args[0], "a person at "+cfg.Node, e.Version, e.Now)
		if err != nil {
			return err
		}
		e.printf("%s\n", said)
		return nil
	}
	return c
}
