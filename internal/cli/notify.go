package cli

import (
	"context"
	"net/url"

	"github.com/spf13/cobra"

	"certwright/internal/api"
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
		Long: `Send a test over a notification of the configuration, and say what happened. The server sends it, and knows from then
on whether the notification works. With --config it is sent from here, with the configuration as it stands in the file; no server is asked.

Exit status: 0 the other side took it, 1 it did not, 2 wrong usage.`,
		Example: "  certwright notify test ops\n  certwright notify test ops -c certwright.yaml"}
	c.Flags().StringVarP(&file, "config", "c", "", "configuration file to try from here")
	c.RunE = func(c *cobra.Command, args []string) error {
		said, err := e.tryNotification(c.Context(), args[0], file)
		if err != nil {
			return err
		}
		e.printf("%s\n", said)
		return nil
	}
	return c
}

func (e *Env) tryNotification(ctx context.Context, name, file string) (string, error) {
	if file == "" {
		cl, err := e.client()
		if err != nil {
			return "", err
		}
		var told api.Told
		err = cl.Call(ctx, "POST", "/v1/notifications/"+url.PathEscape(name)+"/test", nil, nil, &told)
		return told.Said, err
	}
	cfg, err := server.LoadConfig(file, e.Environ)
	if err != nil {
		return "", Usage{err}
	}
	return server.TestNotify(ctx, cfg, name, "a person at "+cfg.Node, e.Version, e.Now)
}
