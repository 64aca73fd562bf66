package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Hints name the program so that they can be copied where it was called.
func TestNamed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "bin", "certwright")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for arg0, want := range map[string]string{"certwright": "certwright", file: file, "bin/certwright": "bin/certwright", "/tmp/cli.test": "certwright", "/a b/certwright": "certwright", "": "certwright"} {
		if got := Named(arg0); got != want {
			t.Errorf("called as %q: %q, want %q", arg0, got, want)
		}
	}
	t.Setenv("PATH", filepath.Dir(file))
	if got := Named(file); got != "certwright" {
		t.Errorf("it is found as certwright, and called %q", got)
	}
}

func TestHintsCanBeCopied(t *testing.T) {
	t.Parallel()
	none := "CERTWRIGHT_CONTEXT=" + filepath.Join(t.TempDir(), "none.json")
	for args, want := range map[string]string{
		"order list":         "→ start one here with: bin/certwright serve\n",
		"order sho":          "did you mean: bin/certwright order show",
		"order show":         "usage: bin/certwright order show NAME",
		"frobnicate":         "see: bin/certwright --help",
		"order renew --help": "\n  bin/certwright order renew www --wait\n",
		"--help":             "Use \"bin/certwright [command] --help\"",
	} {
		e, out, errs := testEnv(none)
		e.Name = "bin/certwright"
		e.Run(context.Background(), strings.Fields(args))
		if said := out.String() + errs.String(); !strings.Contains(said, want) || strings.Contains(said, "bin/bin/") {
			t.Errorf("%s does not say %q:\n%s", args, want, said)
		}
	}
	e, out, _ := testEnv()
	e.Name, e.output, e.commands = "bin/certwright", "tsv", commandsOf(e.root())
	e.tsv([]any{"certwright order show www"})
	e.output = "table"
	e.printf("%s", e.wrap("→ ", "certwright order show www, of Certwright, by certwright: certwrights"))
	if want := "certwright order show www\n→ bin/certwright order show www, of Certwright, by certwright: certwrights\n"; out.String() != want {
		t.Errorf("%q, want %q: what a program reads stays as it is, and so does what is no command", out, want)
	}
}
