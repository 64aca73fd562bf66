package cli

import (
	"context"

	"certwright/internal/client"
)

// login tries a context out and keeps it.
func (e *Env) login(ctx context.Context, c Context) error {
	cl, err := client.New(client.Config{URL: c.URL, CA: []byte(c.CA), Token: c.Token})
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
