package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lock is the exclusive hold of one process on a data directory: two on the same files would each believe itself alone.
type lock struct{ f *os.File }

// takeLock locks the file named lock in the directory (flock(2)). The kernel lets go of it when the process ends,
// however it ends, so a killed server leaves nothing that must be cleaned up; the file stays, and means nothing by
// itself. It holds the process id of the last holder, for the error.
func takeLock(dir string) (*lock, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the data directory: %w\n  → let the user that Certwright runs as write to %s", err, dir)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("the data directory %s is in use by another Certwright, %s\n"+
			"  → stop that one first, or name another directory with 'data' in the configuration; replicas share a PostgreSQL database, each with a data directory of its own", dir, holder(f)), f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the data directory with %s: %w\n  → keep 'data' on a file system that knows file locks", path, err), f.Close())
	}
	if err := errors.Join(f.Truncate(0), write(f, fmt.Sprintln(os.Getpid()))); err != nil {
		return nil, errors.Join(fmt.Errorf("write the process id into %s: %w\n  → see whether the disk is full", path, err), f.Close())
	}
	return &lock{f}, nil
}

func write(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

// holder is the process that the lock file names.
func holder(f *os.File) string {
	text, err := io.ReadAll(io.LimitReader(f, 32))
	pid := strings.TrimSpace(string(text))
	if err != nil || pid == "" {
		return "a process that is just starting"
	}
	return "process " + pid
}

// release lets go of the directory; nil holds nothing.
func (l *lock) release() error {
	if l == nil {
		return nil
	}
	return l.f.Close() // which ends the flock: nobody else has this open file
}
