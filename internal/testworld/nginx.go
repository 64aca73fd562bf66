package testworld

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Nginx is a running nginx.
type Nginx struct {
	Dir string // its prefix: configuration, logs, pid file

	path   string
	cmd    *exec.Cmd
	exited chan struct{}
	out    *tail
}

// StartNginx runs nginx in the foreground with these server blocks (what stands inside http {}) and
// waits until it accepts connections at address (ip:port). Where nginx is missing the test is skipped,
// or fails if the environment says CI=true. It is stopped at the test's end.
func StartNginx(t TB, address, servers string) *Nginx {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		if path = "/usr/sbin/nginx"; !isFile(path) {
			if os.Getenv("CI") == "true" {
				t.Fatalf("nginx is needed: %v", err)
			}
			t.Skipf("nginx is needed: %v", err)
		}
	}
	n := &Nginx{Dir: t.TempDir(), path: path, out: &tail{}, exited: make(chan struct{})}
	conf := fmt.Sprintf("daemon off;\nworker_processes 1;\npid %[1]s/nginx.pid;\nerror_log %[1]s/error.log;\nevents { worker_connections 64; }\nhttp {\n access_log %[1]s/access.log;\n"+
		" client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3; uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;\n%[2]s\n}\n", n.Dir, servers)
	if err := os.WriteFile(filepath.Join(n.Dir, "nginx.conf"), []byte(conf), 0o644); err != nil {
		t.Fatalf("nginx: write its configuration: %v", err)
	}
	n.cmd = exec.Command(path, "-p", n.Dir, "-c", filepath.Join(n.Dir, "nginx.conf"), "-e", filepath.Join(n.Dir, "error.log"))
	n.cmd.Stdout, n.cmd.Stderr = n.out, n.out
	if err := n.cmd.Start(); err != nil {
		t.Fatalf("nginx: start: %v", err)
	}
	go func() { _ = n.cmd.Wait(); close(n.exited) }() // how it ended is in its output
	t.Cleanup(n.Stop)
	if err := n.wait(address); err != nil {
		t.Fatalf("nginx: %v", err)
	}
	return n
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// wait connects until it works, nginx ends or ten seconds have gone.
func (n *Nginx) wait(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address); err == nil {
			return c.Close()
		}
		select {
		case <-n.exited:
			return fmt.Errorf("ended at its start: %s", n.Output())
		case <-ctx.Done():
			return fmt.Errorf("does not accept connections at %s: %s", address, n.Output())
		case <-tick.C:
		}
	}
}

// AwaitOneWorker waits until the workers of former configurations have ended. They go on answering until then: that the newest
// was seen to answer does not mean that they do not. Call it when the newest was seen: right after a reload was asked for, the
// only worker may be the former one.
func (n *Nginx) AwaitOneWorker(t TB) {
	t.Helper()
	end := time.After(40 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		workers, err := childrenOf(n.cmd.Process.Pid)
		if err != nil {
			t.Fatalf("nginx: its workers: %v", err)
		}
		if len(workers) == 1 {
			return
		}
		select {
		case <-end:
			t.Fatalf("nginx: the workers %v do not become one: %s", workers, n.Output())
		case <-tick.C:
		}
	}
}

// childrenOf are the processes that a process has started and that have not ended.
func childrenOf(parent int) ([]string, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var list []string
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// "pid (name) state parent ...": the name may hold anything.
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(f) > 1 && f[1] == strconv.Itoa(parent) && f[0] != "Z" {
			list = append(list, filepath.Base(filepath.Dir(file)))
		}
	}
	return list, nil
}

// Output is what nginx printed, then its error log.
func (n *Nginx) Output() string {
	b, err := os.ReadFile(filepath.Join(n.Dir, "error.log"))
	if err != nil {
		return n.out.String()
	}
	return n.out.String() + string(b)
}

// Stop ends nginx with its workers. It may be called again.
func (n *Nginx) Stop() {
	_ = n.cmd.Process.Signal(os.Interrupt) // SIGINT: quick shutdown; it may have ended already
	<-n.exited
}
