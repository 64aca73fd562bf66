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
	currentLink  = "current"        // symbolic link to the version directory that is served
	pendingFile  = "reload-pending" // there while what is on disk was not loaded successfully
	previousLink = "previous"       // in a version directory: which one was current before; gone once settled
	nothing      = "nothing"        // where previousLink leads when there was none and no file either
	adoptedFile  = "adopted.json"   // in a captured version directory: what was at each path
)

// captured is what a captured version says of the paths, by path. It holds no secret.
type captured map[string]adopted

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

// previous is the version that was current before a version: empty once settled, or when the version is gone.
func (w *work) previous(version string) string {
	if version == "" {
		return ""
	}
	v, err := w.root.Readlink(w.at(version, previousLink))
	if err != nil {
		return ""
	}
	return path.Base(v)
}

// there says whether a version directory exists.
func (w *work) there(version string) bool {
	_, err := w.root.Lstat(w.at(version))
	return err == nil
}

func (w *work) readCaptured(version string) (captured, error) {
	var c captured
	b, err := w.root.ReadFile(w.at(version, adoptedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a version of our own
	}
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	return c, err
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
	return w.write(w.at(pendingFile), nil, publicMode, -1, -1)
}

// loaded records that what is on disk was loaded. Should a power cut bring the marker back, the next
// Put reloads once more, which harms nobody.
func (w *work) loaded() error { return w.remove(w.at(pendingFile)) }

// unsettled is the receipt's Previous for what is served now: empty when nothing is kept for it.
func (w *work) unsettled() string {
	cur := w.current()
	if p := w.previous(cur); p == "" || p != nothing && !w.there(p) {
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
	former := w.current()
	if former == "" {
		former = nothing
	}
	if err := w.link(former, w.at(version, previousLink)); err != nil {
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
	return version, nil
}

// flip makes a version the one that is served: one rename, for all files. The files are on disk first;
// the version's own entry lies in the same directory as the link that leads to it, so the sync after the switch
// makes both survive, or neither. The switch is on disk when flip returns.
func (w *work) flip(version string) error {
	if err := w.flushBelow(w.base); err != nil {
		return err
	}
	if err := w.link(version, w.at(currentLink)); err != nil {
		return err
	}
	return w.flush()
}

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
	if !w.untouched() {
		version, err := w.capture()
		if err == nil {
			err = w.flip(version)
		}
		if err != nil {
			return err // the next sweep takes what was captured
		}
	}
	for _, n := range w.names {
		if err := w.linkPath(n); err != nil {
			return err
		}
	}
	return nil
}

// untouched says whether nothing at all is served: no file, and at most links of ours that a crash left.
func (w *work) untouched() bool {
	if w.current() != "" {
		return false
	}
	for _, n := range w.names {
		if _, err := w.root.Lstat(n.path); !errors.Is(err, fs.ErrNotExist) && !w.isOurs(n) {
			return false
		}
	}
	return true
}

// capture gathers what is at the named paths in a version directory: the same files by a second
// name, links by a link to the same place. Nothing leads to it yet.
func (w *work) capture() (string, error) {
	version := "c-" + random()
	if err := w.mkdir(w.at(version)); err != nil {
		return version, err
	}
	cur := w.current()
	before, err := w.readCaptured(cur) // an adoption that a crash cut short
	if err != nil {
		return version, err
	}
	c := captured{}
	for _, n := range w.names {
		a, err := w.captureOne(n, version, cur)
		if err != nil {
			return version, err
		}
		if known, ok := before[n.path]; ok && a.Was == wasOurs {
			a = known
		}
		c[n.path] = a
	}
	b, err := json.Marshal(c)
	if err != nil {
		return version, err
	}
	return version, w.write(w.at(version, adoptedFile), b, publicMode, -1, -1)
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
