package scenario

import (
	"context"
)

// baselines notes what simpler methods would have said in the same situation.
func (w *world) baselines(_ context.Context, _ *Result) {}

// Baselines, by the name that the scoreboard prints.
const (
	baselineText      = "the error text as it stands"
	baselineFirstFail = "first failing check in list order"
	baselineSeverity  = "findings sorted by severity"
)

var baselineNames = []string{baselineText, baselineFirstFail, baselineSeverity}
