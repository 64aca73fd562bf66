package server

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"certwright/internal/auth"
)

// fenced is a block of code in a page of the documentation.
var fenced = regexp.MustCompile("(?s)```(sh|js|go)\n(.*?)```")

// goProgram is what stands around the lines of Go in docs/api.md.
const goProgram = `package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

func main() {
LINES
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		panic(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if strings.Contains(string(body), "\"status\": \"Issued\"") {
		fmt.Println("Issued")
	}
}
`

// TestExamplesOfTheAPI runs every example of docs/api.md as it stands there: each prints the order's status.
func TestExamplesOfTheAPI(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	token, _, err := c.Auth.Issue(t.Context(), "ci", auth.Reader, "/", 0)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	ca := filepath.Join(work, "ca.pem")
	if err := os.WriteFile(ca, c.Builtin.RootsPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	blocks := fenced.FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 4 {
		t.Fatalf("docs/api.md has %d examples", len(blocks))
	}
	for _, b := range blocks {
		t.Run(b[1], func(t *testing.T) {
			cmd := commandOf(t, work, b[1], b[2])
			cmd.Env = append(os.Environ(), "URL=https://"+c.Address, "TOKEN="+token, "NODE_EXTRA_CA_CERTS="+ca, "SSL_CERT_FILE="+ca)
			if b[1] == "go" { // with our roots alone it could not fetch modules: they are here already
				cmd.Env = append(cmd.Env, "GOFLAGS=-mod=mod", "GOPROXY=off")
			}
			out, err := cmd.CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != "Issued" {
				t.Errorf("%s\nsays %q, %v", b[2], out, err)
			}
		})
	}
}

// commandOf is the command that runs an example.
func commandOf(t *testing.T, work, language, text string) *exec.Cmd {
	t.Helper()
	program := map[string]string{"sh": "jq", "js": "node", "go": "go"}[language]
	need(t, program)
	clients := filepath.Join("..", "..", "test", "clients")
	switch language {
	case "js":
		needNpmClients(t)
		cmd := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", text)
		cmd.Dir = filepath.Join(clients, "npm")
		return cmd
	case "go":
		needGoClients(t)
		dir, err := os.MkdirTemp(filepath.Join(clients, "go"), "example-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(strings.Replace(goProgram, "LINES", text, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "go", "run", "./"+filepath.Base(dir))
		cmd.Dir = filepath.Join(clients, "go")
		return cmd
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", text)
	cmd.Dir = work
	return cmd
}
