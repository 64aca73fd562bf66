// Command certwright-scenario runs scenarios: broken surroundings whose cause is known, against which the
// diagnosis is scored. It needs root. See docs/scenarios.md.
package main

import (
	"os"

	"certwright/internal/scenario"
)

func main() { os.Exit(scenario.Main(os.Args[1:])) }
