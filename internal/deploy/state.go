package deploy

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"syscall"
)

// Names inside a target's state directory.
const (
	currentLink = "current"        // symbolic link to the version directory that is served
	pendingFile = "reload-pending" // there while what is on disk was not loaded successfully
	metaFile    = "version.json"   // in each version directory
)

// meta is what a version directory says of itself. It holds no secret.
type meta struct {
	Serial   string             `json:"serial,omitempty"`
	Previous string             `json:"previous,omitempty"` // version directory that was current before
	Adopted  map[string]adopted `json:"adopted,omitempty"`  // of a capture: what was at each path, by path
}

// adopted is what was at a named path before Certwright made it a link.
type adopted struct {
	Was    string `json:"was"`              // one of the words below
	Stored string `json:"stored,omitempty"` // its name in the version directory
	Link   string `json:"link,omitempty"`   // where a link led
}

// What was at a path.
const (
	wasOurs   = "ours"
	wasFile   = "file"
	wasLink   = "link"
	wasAbsent = "absent"
)

// receiptForm is the form of a receipt's Previous: state directory and version directory.
var receiptForm = regexp.MustCompile(`^[0-9a-f]{16}/[vc]-[0-9a-f-]+$`)

// at is a path in the state directory.
func (w *work) at(elem ...string) string { return path.Join(append([]string{w.base}, elem...)...) }

// current is the version directory that is served; empty when there is none yet.
func (w *work) current() string {
	v, err := w.root.Readlink(w.at(currentLink))
	if err != nil {
		return ""
	}
	if st, err := w.root.Lstat(w.at(v)); err != nil || !st.IsDir() {
		return ""
	}
	return v
}

func (w *work) readMeta(version string) (meta, error) {
	var m meta
	b, err := w.root.ReadFile(w.at(version, metaFile))
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	return m, err
}

func (w *work) writeMeta(version string, m meta) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	name := w.at(version, metaFile)
	if err := w.remove(name + ".new"); err != nil {
		return err
	}
	if err := w.write(name+".new", b, publicMode, -1, -1); err != nil {
		return err
	}
	return w.rename(name+".new", name)
}

// pending says whether what is on disk still has to be loaded. Without a reload command nothing has to.
func (w *work) pending() bool {
	if w.reload == "" {
		return false
	}
	_, err := w.root.Lstat(w.at(pendingFile))
	return err == nil
}

// setPending records, before the switch, that a reload must follow it.
func (w *work) setPending() error {
	if w.reload == "" || w.pending() {
		return nil
	}
	if err := w.write(w.at(pendingFile), nil, publicMode, -1, -1); err != nil {
		return err
	}
	return w.sync(w.base)
}

// loaded records that what is on disk was loaded.
func (w *work) loaded() error {
	if !w.pending() {
		return nil
	}
	return errors.Join(w.remove(w.at(pendingFile)), w.sync(w.base))
}

// unsettled is the receipt's Previous for what is served now: empty when nothing is kept for it.
func (w *work) unsettled() string {
	cur := w.current()
	m, err := w.readMeta(cur)
	if cur == "" || err != nil || m.Previous == "" {
		return ""
	}
	if _, err := w.root.Lstat(w.at(m.Previous)); err != nil {
		return ""
	}
	return path.Base(w.base) + "/" + cur
}

// holds says whether every named file has the content, mode and owner that it is to have.
func (w *work) holds(files []file) bool {
	for _, f := range files {
		st, err := w.root.Stat(f.path)
		if err != nil || !st.Mode().IsRegular() || st.Mode().Perm() != w.modeOf(f.kind) || !w.owned(st) {
			return false
		}
		if b, err := w.root.ReadFile(f.path); err != nil || !f.same(b) {
			return false
		}
	}
	return true
}

// owned says whether a file has the owner and group that were asked for.
func (w *work) owned(st fs.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return !ok || (w.uid < 0 || int(sys.Uid) == w.uid) && (w.gid < 0 || int(sys.Gid) == w.gid)
}

// replace writes the files beside those that are served and switches to them. Whatever fails before the switch leaves
// everything as it was.
func (w *work) replace(files []file, serial string) (err error) {
	if err := w.sweep(); err != nil {
		return err
	}
	version, err := w.stage(files, serial)
	defer func() {
		if err != nil && version != w.current() {
			// Best effort: a full disk needs its space back. The next Put sweeps what is left.
			w.root.RemoveAll(w.at(version))
		}
	}()
	if err != nil {
		return err
	}
	if err := w.adopt(); err != nil {
		return err
	}
	if err := w.writeMeta(version, meta{Serial: serial, Previous: w.current()}); err != nil {
		return err
	}
	if err := w.setPending(); err != nil {
		return err
	}
	return w.flip(version)
}

// stage writes the files into a new version directory that nothing leads to yet.
func (w *work) stage(files []file, serial string) (string, error) {
	version := "v-" + strings.ToLower(serial) + "-" + random()
	if err := w.mkdir(w.at(version)); err != nil {
		return version, err
	}
	for _, f := range files {
		uid, gid := w.uid, w.gid
		if err := w.write(w.at(version, f.stored()), f.content, w.modeOf(f.kind), uid, gid); err != nil {
			return version, err
		}
	}
	return version, w.sync(w.at(version))
}

// flip makes a version the one that is served: one rename, for all files.
func (w *work) flip(version string) error { return w.link(version, w.at(currentLink)) }

// adopt makes sure that every named path is a link of ours, without a change of what is read there:
// what is there now becomes a version of its own first.
func (w *work) adopt() error {
	if w.current() != "" && w.allOurs() {
		return nil
	}
	for _, n := range w.names {
		if dir := path.Dir(n.path); dir != "." {
			if err := w.mkdir(dir); err != nil {
				return err
			}
		}
	}
	version, err := w.capture()
	if err != nil {
		w.root.RemoveAll(w.at(version))
		return err
	}
	if err := w.flip(version); err != nil {
		return err
	}
	for _, n := range w.names {
		if err := w.linkPath(n); err != nil {
			return err
		}
	}
	return nil
}

// capture gathers what is at the named paths in a version directory: the same files by a second
// name, links by a link to the same place. Nothing leads to it yet.
func (w *work) capture() (string, error) {
	version := "c-" + random()
	if err := w.mkdir(w.at(version)); err != nil {
		return version, err
	}
	before := map[string]adopted{}
	cur := w.current()
	if m, err := w.readMeta(cur); cur != "" && err == nil {
		before = m.Adopted // an adoption that a crash cut short
	}
	m := meta{Adopted: map[string]adopted{}}
	for _, n := range w.names {
		a, err := w.captureOne(n, version, cur)
		if err != nil {
			return version, err
		}
		if known, ok := before[n.path]; ok && a.Was == wasOurs {
			a = known
		}
		m.Adopted[n.path] = a
	}
	return version, errors.Join(w.writeMeta(version, m), w.sync(w.at(version)))
}

// captureOne gathers one path.
func (w *work) captureOne(n named, version, cur string) (adopted, error) {
	a := adopted{Stored: n.stored()}
	to := w.at(version, a.Stored)
	st, err := w.root.Lstat(n.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		a.Was = wasAbsent
		return a, nil
	case err != nil:
		return a, err
	case w.isOurs(n):
		a.Was = wasOurs
		if cur == "" {
			return a, nil
		}
		return a, w.keepStored(w.at(cur, n.stored()), to)
	case st.Mode().IsRegular():
		a.Was = wasFile
		return a, w.keep(n.path, to)
	case st.Mode()&fs.ModeSymlink != 0:
		a.Was = wasLink
		if a.Link, err = w.root.Readlink(n.path); err != nil {
			return a, err
		}
		target, err := w.relink(n, version, a.Link)
		if err != nil {
			return a, err
		}
		return a, w.link(target, to)
	}
	return a, fmt.Errorf("%s is neither a file nor a link (%s): it is not replaced", n.path, st.Mode().Type())
}

// keepStored keeps an entry of a version directory: a file, a link to what another manager left, or nothing.
func (w *work) keepStored(from, to string) error {
	st, err := w.root.Lstat(from)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case st.Mode()&fs.ModeSymlink != 0:
		target, err := w.root.Readlink(from)
		if err != nil {
			return err
		}
		return w.link(target, to)
	}
	return w.keep(from, to)
}

// random is a part of a name that no other version has.
func random() string {
	var b [6]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
