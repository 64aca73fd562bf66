package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// programs is where the program under test lies: the scripts' PATH begins with it.
var programs string

// TestMain builds the program once, as it is shipped but for its clock, which scripts can set ahead.
func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "certwright-scripts-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-tags", "grpcnotrace,testclock", "-ldflags", "-X main.version=v0.0.0-script", "-o", filepath.Join(dir, "certwright"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program under test: %v\n%s", err, out)
		return 1
	}
	programs = dir
	return m.Run()
}

// TestScripts runs every script of testdata through the real program: what a user can do, and what they see.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": start, "halt": halt, "await": await, "until": until, "exits": exits, "state": state, "expand": expand,
			"pebble": pebble, "named": namedServers, "dns": dnsRecord, "nginx": nginx, "tlsserver": tlsServer, "served": served, "keep": keep,
			"pki": pki, "webserver": webserver, "revoked": revoked, "silent": silent,
		},
	})
}

// patience is how long a script waits for something to come true. It is long because the machine may be busy;
// a script that is well never waits for it.
const patience = 30 * time.Second
