package scenario

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// Init is process 1 of a scenario's namespaces: it runs `inside`, takes in orphans so that none stays as a zombie,
// and ends with it; the kernel then kills the rest. It gives the exit status.
func Init() int {
	self, err := os.Executable()
	if err != nil {
		return 1
	}
	c := exec.Command(self, "inside")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := c.Start(); err != nil {
		return 1
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 1
		case pid == c.Process.Pid && status.Exited():
			return status.ExitStatus()
		case pid == c.Process.Pid && status.Signaled():
			return 128 + int(status.Signal())
		}
	}
}
