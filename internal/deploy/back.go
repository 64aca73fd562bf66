package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"certwright/internal/order"
)

// back makes the version before the one of that receipt the served one again, and gives paths that
// were taken over from another manager back as they were. It may be repeated.
func (w *work) back(previous string) error {
	version := path.Base(previous)
	former := w.previous(version)
	if former == "" {
		return nil // done before
	}
	if w.current() == version {
		if err := w.setPending(); err != nil {
			return err
		}
		if err := w.unflip(former); err != nil {
			return err
		}
	}
	if err := w.release(former); err != nil {
		return err
	}
	return w.flush()
}

// unflip switches back. Where there was nothing, the directory link goes: every file at once.
func (w *work) unflip(former string) error {
	if former != nothing {
		return w.flip(former)
	}
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.remove(w.at(currentLink)); err != nil {
		return err
	}
	return w.flush()
}

// release undoes adopt: what is read at each path stays what it is.
func (w *work) release(former string) error {
	c := captured{}
	if former == nothing {
		for _, n := range w.names {
			c[n.path] = adopted{Was: wasAbsent, Stored: n.stored()}
		}
	} else {
		var err error
		if c, err = w.readCaptured(former); err != nil {
			return err
		}
	}
	for _, n := range namesOf(c) {
		a := c[n.path]
		if a.Was == wasOurs || !w.isOurs(n) {
			continue
		}
		if err := w.restore(n, a, former); err != nil {
			return err
		}
	}
	return nil
}

// restore puts back what was at a path, in one rename.
func (w *work) restore(n named, a adopted, version string) error {
	switch a.Was {
	case wasAbsent:
		return w.remove(n.path)
	case wasLink:
		return w.link(a.Link, n.path)
	}
	tmp := tempName(n.path)
	if err := w.remove(tmp); err != nil {
		return err
	}
	if err := w.keep(w.at(version, a.Stored), tmp); err != nil {
		return err
	}
	return w.rename(tmp, n.path)
}

// namesOf are the paths that a captured version speaks of. The target's settings may have changed since.
func namesOf(c captured) []named {
	var l []named
	for p, a := range c {
		kind, _, _ := strings.Cut(a.Stored, ".")
		if a.Stored == "certificate.pfx" {
			kind = kindPFX
		}
		if filepath.IsLocal(p) {
			l = append(l, named{kind: kind, path: p})
		}
	}
	return l
}

// use makes w speak of the state directory that a receipt was given for: the first file's name may
// have changed since.
func (w *work) use(previous string) error {
	if !receiptForm.MatchString(previous) {
		return fmt.Errorf("the receipt's place %q is not one that this program gives", previous)
	}
	w.base = stateDir + "/" + path.Dir(previous)
	return nil
}

// takeable says whether the push of the receipt can still be taken back.
func (w *work) takeable(r order.Receipt) error {
	version, cur := path.Base(r.Previous), w.current()
	former := w.previous(version)
	switch {
	case former == "" && strings.HasPrefix(cur, "v-"+strings.ToLower(r.Serial)+"-"):
		return errors.New("nothing is kept of what was there before: the push was settled")
	case former == "", cur == version, cur == former, cur == "" && former == nothing:
		return nil // as it was put, or taken back before
	}
	return errors.New("another version was put there since: nothing was taken back")
}

// settle lets go of the version before the one of a receipt.
func (w *work) settle(previous string) error {
	version := path.Base(previous)
	if version != w.current() || w.previous(version) == "" {
		return nil // settled before, taken back, or another version was put since
	}
	if err := w.remove(w.at(version, previousLink)); err != nil {
		return err
	}
	return w.sweep()
}

// tidy sweeps after a take-back; nothing of ours is left where every path was given back.
func (w *work) tidy() {
	if err := w.sweep(); err != nil {
		return // the next Put sweeps again, and says so if it still fails
	}
	for _, n := range w.names {
		if w.isOurs(n) {
			return
		}
	}
	w.root.RemoveAll(w.base)
}

// sweep removes what a crash left: versions that nothing leads to and nothing is kept for, and half-made links.
func (w *work) sweep() error {
	for _, n := range w.names {
		if err := w.remove(tempName(n.path)); err != nil && !errors.Is(err, syscall.ENOTDIR) {
			return err
		}
	}
	dir, err := w.root.Open(w.base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	entries, err := dir.ReadDir(-1)
	dir.Close()
	if err != nil {
		return err
	}
	cur := w.current()
	keep := map[string]bool{currentLink: true, pendingFile: true, cur: true, w.previous(cur): true}
	for _, e := range entries {
		if !keep[e.Name()] {
			if err := w.removeAll(w.at(e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
