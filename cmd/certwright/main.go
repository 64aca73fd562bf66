// Command certwright is a self-hosted certificate service that explains itself.
package main

import (
	"os"

	"certwright/internal/cli"
)

// version is stamped by the build.
var version = "dev"

func main() { os.Exit(cli.Main(version)) }
