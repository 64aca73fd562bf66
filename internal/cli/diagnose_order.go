package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"certwright/internal/client"
	"certwright/internal/diagnose"
)

// diagnoseOrder asks the server that is known why an order is as it is.
func (e *Env) diagnoseOrder(ctx context.Context, name string) (r diagnose.Report, found bool, err error) {
	cl, err := e.client()
	if err != nil {
		return r, false, nil // no server is known: the target can only be a host
	}
	raw, err := cl.Diagnose(ctx, name)
	if client.NotFound(err) {
		return r, false, nil
	}
	if err != nil {
		return r, false, err
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, false, fmt.Errorf("read the server's diagnosis: %w", err)
	}
	return r, true, nil
}
