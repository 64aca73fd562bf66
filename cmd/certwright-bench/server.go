package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"certwright/internal/api"
	"certwright/internal/arm"
	"certwright/internal/client"
	"certwright/internal/order"
	"certwright/internal/site"
)

// process is a running certwright serve.
type process struct {
	cmd    *exec.Cmd
	client *client.Client
	dir    string
	url    string
	token  string
	start  time.Duration // from its start to its first answer
}

// startServer starts the program in a folder of its own, with an issuer for the world's Pebble.
func (w *world) startServer(ctx context.Context, o options, dsn string) (*process, error) {
	dir, err := os.MkdirTemp(w.dir, "server-")
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("http01: {listen: %q}\nroots: {bench: %s}\nnetwork: {loopback: true}\nacme: {poll: %s}\nworkers: 32\n", w.http01, w.files, o.poll)
	if dsn != "" {
		text += fmt.Sprintf("database: {dsn: %q}\n", dsn)
	}
	p, err := launch(ctx, o, dir, text)
	if err != nil {
		return nil, err
	}
	return p, p.client.Call(ctx, "PUT", "/v1/issuers/pebble", nil, api.IssuerBody{Directory: w.pebble.Directory, CAFile: string(w.pebble.RootsPEM), InFlight: o.inFlight}, nil)
}

// launch starts the program on a folder, with further lines of configuration, and waits until it answers.
func launch(ctx context.Context, o options, dir, more string) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "certwright.yaml")
	text := fmt.Sprintf("data: %s\nlisten: 127.0.0.1:%d\nlog: {level: error}\nlimits: {requests: 0}\n%s", filepath.Join(dir, "data"), port, more)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p := &process{dir: dir, cmd: exec.CommandContext(ctx, o.program, "serve", "--config", config)}
	file := filepath.Join(dir, "context.json")
	p.cmd.Env = append(os.Environ(), "CERTWRIGHT_CONTEXT="+file)
	p.cmd.Stderr = os.Stderr
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	_ = os.Remove(file) // of a start before this one
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if err := p.wait(ctx, file); err != nil {
		p.stop()
		return nil, err
	}
	p.start = time.Since(began)
	return p, nil
}

// wait polls until the server answers.
func (p *process) wait(ctx context.Context, file string) error {
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		time.Sleep(2 * time.Millisecond)
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var c struct{ URL, CA, Token string }
		if json.Unmarshal(b, &c) != nil {
			continue
		}
		if p.client, err = client.New(client.Config{URL: c.URL, CA: []byte(c.CA), Token: c.Token}); err != nil {
			return err
		}
		p.url, p.token = c.URL, c.Token
		return p.client.Call(ctx, "GET", "/v1/version", nil, nil, nil)
	}
	return fmt.Errorf("the server did not come up within 20 s")
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

// cpu is the processor time that the server has used so far (proc(5), utime and stime in ticks of 10 ms).
func (p *process) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// rss is the server's resident memory in KiB.
func (p *process) rss() int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for _, line := range strings.Split(string(b), "\n") {
		if s, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.Atoi(strings.Fields(s)[0])
			return n
		}
	}
	return 0
}

// commits is how often the server's database has committed.
func (p *process) commits(ctx context.Context) int64 {
	var m struct{ Commits int64 }
	_ = p.client.Call(ctx, "GET", "/v1/version", nil, nil, &m)
	return m.Commits
}

// create orders one certificate to a site of its own.
func (p *process) create(ctx context.Context, name string) error {
	issuer, sites := "pebble", []string{name}
	names := []string{name + ".example.test"}
	_, err := p.client.CreateOrder(ctx, name, arm.Wish{Properties: arm.WishProperties{Names: &names, Issuer: &issuer, Sites: &sites}})
	return err
}

func (p *process) site(ctx context.Context, w *world, name string) error {
	host := name + ".example.test"
	_, err := p.client.SaveSite(ctx, name, site.Site{HostNames: []string{host},
		Targets:   []site.Target{{Name: "files", Kind: site.KindFiles, Files: &site.Files{Root: "bench", Fullchain: host + ".pem", Key: host + ".key"}}},
		Endpoints: []site.Endpoint{{Address: w.tls, ServerName: host}}}, true)
	return err
}

// served counts the orders whose every stage is done.
func (p *process) served(ctx context.Context) (int, error) {
	var counts arm.List[order.Count]
	if err := p.client.Call(ctx, "GET", "/v1/counts", nil, nil, &counts); err != nil {
		return 0, err
	}
	n := 0
	for _, c := range counts.Value {
		if c.Status == order.Issued && c.State == order.Done {
			n += int(c.N)
		}
	}
	return n, nil
}
