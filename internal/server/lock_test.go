package server

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"certwright/internal/testworld"
)

// lockEnv names a directory that a child process is to lock and to hold.
const lockEnv = "CERTWRIGHT_TEST_LOCK"

// TestHoldLock is no test but the child of the next one: it holds a lock until it is killed.
func TestHoldLock(t *testing.T) {
	dir := os.Getenv(lockEnv)
	if dir == "" {
		t.Skip("this is the child of TestKilledHolderLeavesNoLock")
	}
	if _, err := takeLock(dir); err != nil {
		t.Fatal(err)
	}
	fmt.Println("held")
	_, _ = os.Stdin.Read(make([]byte, 1)) // the parent never writes: it kills
}

// TestKilledHolderLeavesNoLock: another process holds the directory and is named; once killed it holds nothing.
func TestKilledHolderLeavesNoLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHoldLock$")
	child.Env = append(os.Environ(), lockEnv+"="+dir)
	in, err := child.StdinPipe() // open, so that the child waits
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	for said.Scan() && said.Text() != "held" {
	}
	if said.Text() != "held" {
		t.Fatalf("the child does not hold the lock: %q", said.Text())
	}
	_, err = takeLock(dir)
	if err == nil {
		t.Fatal("two processes hold one directory")
	}
	for _, part := range []string{dir, fmt.Sprintf("process %d\n", child.Process.Pid), "stop that one first"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error lacks %q: %v", part, err)
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	l, err := takeLock(dir)
	if err != nil {
		t.Fatalf("after the holder was killed: %v", err)
	}
	if err := l.release(); err != nil {
		t.Error(err)
	}
}

// TestOneServerADirectory: a second server is refused before it opens anything, and may follow when the first has stopped.
func TestOneServerADirectory(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	o := Options{Config: w.config(t.TempDir(), ""), Now: time.Now, Logger: silent()}
	first, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), o); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d\n", os.Getpid())) {
		t.Errorf("a second server: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	o.Config.Database.DSN = Hidden("sqlite:" + string(o.Config.Data.Join("lock", "x.db"))) // the lock is no directory: a start that fails lets go of the directory, too
	if _, err := New(t.Context(), o); err == nil {
		t.Fatal("opened a database that cannot be")
	}
	o.Config = w.config(string(o.Config.Data), "")
	again, err := New(t.Context(), o)
	if err != nil {
		t.Fatalf("after the first has stopped: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
