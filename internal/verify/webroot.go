package verify

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
)

// mark begins the names of our own marks in a webroot. Beside every file that we write and every
// directory that we make lies one, named mark + "." + its name: made before it, removed after it, a
// file's with the same content. So a later process knows, even after a crash, what is ours to remove.
const mark = ".certwright"

// Modes of what is published: a web server that runs as another user has to read it, whatever our umask.
const (
	dirMode  = 0o755
	fileMode = 0o644
)

// webroot is one configured directory that a web server serves.
type webroot struct {
	name, dir string
	mu        sync.Mutex // one change at a time: directories are made and removed
}

// errForeign: a file is in the way that Certwright did not write.
var errForeign = errors.New("another file is there already, which Certwright did not write")

func (w *webroot) where(rel string) string { return "webroot " + w.name + ": " + path.Join(w.dir, rel) }

// publish writes a file with exactly this content, readable by everyone, so that no reader ever sees a part
// of it. Symbolic links do not lead out of the webroot (os.Root).
func (w *webroot) publish(rel string, content []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		return fmt.Errorf("open the webroot: %w", err)
	}
	defer root.Close()
	if err := makeDirs(root, path.Dir(rel)); err != nil {
		return err
	}
	switch present, err := root.ReadFile(rel); {
	case err == nil && bytes.Equal(bytes.TrimSpace(present), content):
		return nil // ours of an earlier try, or put there by hand: either will do
	case err == nil && !isOurs(root, rel, present):
		return fmt.Errorf("%s: %w", rel, errForeign)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("look at what is there: %w", err)
	}
	if err := writeFile(root, markOf(rel), content); err != nil {
		return err
	}
	// A second file under another name and a rename: what appears appears whole.
	tmp := markOf(rel) + ".new"
	if err := writeFile(root, tmp, content); err != nil {
		return err
	}
	if err := root.Rename(tmp, rel); err != nil {
		return fmt.Errorf("put the file in its place: %w", err)
	}
	return nil
}

// withdraw removes a file that publish wrote, its mark, and the directories that publish made, where
// they are empty. What is not ours stays.
func (w *webroot) withdraw(rel string, content []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	root, err := os.OpenRoot(w.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the webroot: %w", err)
	}
	defer root.Close()
	present, err := root.ReadFile(rel)
	switch {
	case err == nil && isOurs(root, rel, present) && bytes.Equal(present, content):
		if err := root.Remove(rel); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the file: %w", err)
		}
	case err != nil && !missing(err):
		return fmt.Errorf("look at what is there: %w", err)
	}
	// The mark goes last: after a crash before this line the file is gone and the mark is found again.
	for _, name := range []string{markOf(rel) + ".new", markOf(rel)} {
		if err := root.Remove(name); err != nil && !missing(err) {
			return fmt.Errorf("remove the mark: %w", err)
		}
	}
	return removeDirs(root, path.Dir(rel))
}

// missing says that something is not there, because of itself or of a directory on its way.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// markOf is the name of the mark beside a file.
func markOf(rel string) string { return path.Join(path.Dir(rel), mark+"."+path.Base(rel)) }

// isOurs says whether the file was written by publish: its mark has the same content.
func isOurs(root *os.Root, rel string, present []byte) bool {
	marked, err := root.ReadFile(markOf(rel))
	return err == nil && bytes.Equal(marked, present)
}

// makeDirs makes the directories on the way, each marked before it is made.
func makeDirs(root *os.Root, rel string) error {
	dir := ""
	for part := range strings.SplitSeq(rel, "/") {
		dir = path.Join(dir, part)
		if _, err := root.Stat(dir); err == nil {
			continue // what is no directory shows in the next step
		} else if !missing(err) {
			return fmt.Errorf("look for the directory %s: %w", dir, err)
		}
		if err := writeFile(root, markOf(dir), nil); err != nil {
			return err
		}
		err := root.Mkdir(dir, dirMode)
		if err == nil {
			err = root.Chmod(dir, dirMode)
		}
		if errors.Is(err, fs.ErrExist) {
			err = root.Remove(markOf(dir)) // somebody else has made it just now
		}
		if err != nil {
			return fmt.Errorf("make the directory %s: %w", dir, err)
		}
	}
	return nil
}

// removeDirs removes the marked directories from the innermost outwards, as far as they are empty.
func removeDirs(root *os.Root, rel string) error {
	for ; rel != "."; rel = path.Dir(rel) {
		if _, err := root.Lstat(markOf(rel)); err != nil {
			if missing(err) {
				continue // not ours; but a directory around it that was removed before may be marked still
			}
			return fmt.Errorf("look for the mark: %w", err)
		}
		err := root.Remove(rel)
		if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, fs.ErrExist) {
			return nil // still in use: by another proof, or by its owner
		}
		if err != nil && !missing(err) {
			return fmt.Errorf("remove the directory %s: %w", rel, err)
		}
		if err := root.Remove(markOf(rel)); err != nil && !missing(err) {
			return fmt.Errorf("remove the mark: %w", err)
		}
	}
	return nil
}

// writeFile writes a whole file, readable by everyone. A symbolic link of its name is replaced, not followed.
func writeFile(root *os.Root, name string, content []byte) error {
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make room for a file: %w", err)
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return fmt.Errorf("create a file: %w", err)
	}
	_, err = f.Write(content)
	if chmodErr := f.Chmod(fileMode); err == nil {
		err = chmodErr
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = root.Remove(name) // the first error says it all
		return fmt.Errorf("write a file: %w", err)
	}
	return nil
}

// causeOf puts the usual errors of files into words.
func causeOf(err error) string {
	switch {
	case errors.Is(err, errForeign):
		return "someone else publishes under the same name; Certwright does not overwrite it"
	case errors.Is(err, fs.ErrPermission):
		return "the user that runs Certwright may not write there"
	case errors.Is(err, fs.ErrNotExist):
		return "the webroot's directory is not there (not mounted?)"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "the disk is full"
	case errors.Is(err, syscall.EROFS):
		return "the file system is mounted read-only"
	case strings.Contains(err.Error(), "escapes"):
		return "a symbolic link leads out of the webroot"
	}
	return "the webroot cannot be written"
}
