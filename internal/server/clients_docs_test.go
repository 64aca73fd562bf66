package server

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestExamplesOfTheDocumentation runs the examples of docs/keyvault.md as they stand there, but for the port.
func TestExamplesOfTheDocumentation(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "keyvault.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)```(sh|js|go)\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		blocks[m[1]] = strings.NewReplacer("127.0.0.1:8443", c.Address, "localhost:8443", "localhost:"+c.port).Replace(m[2])
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), c.Builtin.RootsPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "main.go")
	source := "package main\n\nimport (\n\"context\"\n\"fmt\"\n\"os\"\n\n\"github.com/Azure/azure-sdk-for-go/sdk/azcore\"\n\"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud\"\n" +
		"\"github.com/Azure/azure-sdk-for-go/sdk/azidentity\"\n\"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets\"\n)\n\nfunc main() {\n" + blocks["go"] + "}\n"
	if err := os.WriteFile(program, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	needNpmClients(t)
	needGoClients(t)
	clients := filepath.Join("..", "..", "test", "clients")
	env := append(c.env, "SSL_CERT_FILE="+filepath.Join(dir, "ca.pem"))
	for _, x := range []struct {
		lang, dir string
		env       []string
		argv      []string
	}{
		{"sh", dir, env, []string{"sh", "-c", blocks["sh"]}},
		{"js", filepath.Join(clients, "npm"), env, []string{"node", "--require", "./lookup.cjs", "--input-type=module", "--eval", blocks["js"]}},
		{"go", filepath.Join(clients, "go"), append(env, "HTTPS_PROXY=http://"+tunnel(t, c.Address)), []string{"go", "run", program}},
	} {
		if blocks[x.lang] == "" || strings.Count(blocks[x.lang], "\n") > 5 {
			t.Errorf("there is no example of at most five lines for %s", x.lang)
			continue
		}
		need(t, x.argv[0])
		cmd := exec.CommandContext(t.Context(), x.argv[0], x.argv[1:]...)
		cmd.Dir, cmd.Env = x.dir, x.env
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "application/x-pkcs12") {
			t.Errorf("the example for %s: %v\n%s", x.lang, err, out)
		}
	}
}

// tunnel is a proxy that leads every tunnel to one address: clients that look names up by themselves reach *.localhost by it.
func tunnel(t *testing.T, address string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		there, err := net.Dial("tcp", address)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(there, here); _ = there.Close() }() // ends with either side
		_, _ = io.Copy(here, there)
	})}
	go func() { _ = srv.Serve(ln) }() // ends with Close
	t.Cleanup(func() { _ = srv.Close() })
	return ln.Addr().String()
}
