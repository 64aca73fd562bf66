package cli

import (
	"encoding/json"
	"fmt"

	"certwright/internal/diagnose"
)

// writeCase writes what a judgement rested on to a file, for who judges the judgement; "" = nowhere.
func writeCase(file string, c diagnose.Case) error {
	if file == "" {
		return nil
	}
	b, err := json.Marshal(c.Portable())
	if err != nil {
		return fmt.Errorf("write the evidence down: %w", err)
	}
	return writePrivate(file, b)
}
