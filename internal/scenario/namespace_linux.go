package scenario

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// apart makes a command start in network, mount, process and host-name namespaces of its own. When it
// ends, the kernel kills all that it started.
func apart(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
}

// own makes a command the leader of a process group, so that it can be ended with its children.
func own(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
}

// private are folders that get an empty file system of their own, so that servers find their usual paths and the
// machine's own stay untouched.
var private = []string{"/etc/nginx", "/etc/bind", "/etc/unbound", "/etc/haproxy", "/etc/pki", "/var/lib/web", "/run", "/var/log", "/var/lib/nginx", "/var/cache/bind", "/srv", "/opt", "/var/www", "/var/lib/haproxy", "/var/lib/unbound"}

// furnish makes the namespaces usable: /proc, loopback, private folders and the files of /etc that name
// resolvers, hosts and trusted roots. It must only run inside namespaces that apart made.
func furnish(hosts string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	mime, _ := os.ReadFile("/etc/nginx/mime.types") // a server without it serves everything as plain bytes
	const ssl, kept = "/etc/ssl", "/run/ssl"
	if err := empty(private...); err != nil {
		return err
	}
	if err := copyTree(ssl, kept); err != nil {
		return fmt.Errorf("copy %s: %w", ssl, err)
	}
	if err := empty(ssl); err != nil {
		return err
	}
	if err := copyTree(kept, ssl); err != nil {
		return err
	}
	if len(mime) > 0 {
		if err := os.WriteFile("/etc/nginx/mime.types", mime, 0o644); err != nil {
			return err
		}
	}
	for _, d := range []string{"/run/lock", "/run/named", "/run/haproxy", "/run/nginx", "/var/log/nginx", "/etc/nginx/conf.d"} {
		if err := os.MkdirAll(d, 0o777); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"/etc/resolv.conf": "nameserver 127.0.0.1\n", "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n" + hosts} {
		file := "/run/" + filepath.Base(name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
		if err := syscall.Mount(file, name, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("give %s a private face: %w", name, err)
		}
	}
	if err := syscall.Sethostname([]byte("scenario")); err != nil {
		return fmt.Errorf("set the host's name: %w", err)
	}
	return run("ip", "link", "set", "lo", "up")
}

// empty mounts an empty file system on each folder.
func empty(dirs ...string) error {
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("mount an empty %s: %w", dir, err)
		}
	}
	return nil
}

// copyTree copies a folder with its links.
func copyTree(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	return run("cp", "-a", from+"/.", to)
}
