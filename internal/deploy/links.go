package deploy

import (
	"path"
	"path/filepath"
)

// allOurs says whether every named path is our link.
func (w *work) allOurs() bool {
	for _, n := range w.names {
		if !w.isOurs(n) {
			return false
		}
	}
	return true
}

// isOurs says whether a path is the link that linkPath makes.
func (w *work) isOurs(n named) bool {
	have, err := w.root.Readlink(n.path)
	if err != nil {
		return false
	}
	want, err := w.linkTo(n)
	return err == nil && have == want
}

// linkPath makes a named path our link, in one rename.
func (w *work) linkPath(n named) error {
	if w.isOurs(n) {
		return nil
	}
	target, err := w.linkTo(n)
	if err != nil {
		return err
	}
	return w.link(target, n.path)
}

// linkTo is where a named path leads: relative, so that it holds wherever the root is mounted.
func (w *work) linkTo(n named) (string, error) {
	root, dir, err := w.realDirs(n)
	if err != nil {
		return "", err
	}
	return filepath.Rel(dir, filepath.Join(root, w.at(currentLink, n.stored())))
}

// relink is a link's target as it must read in a version directory to lead to the same place.
func (w *work) relink(n named, version, target string) (string, error) {
	if filepath.IsAbs(target) {
		return target, nil
	}
	root, dir, err := w.realDirs(n)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(filepath.Join(root, w.at(version)), dir)
	return rel + "/" + target, err
}

// realDirs are the root and a path's directory with every link followed: a relative link is read from there.
// They only go into the text of links; every change is made through os.Root.
func (w *work) realDirs(n named) (root, dir string, err error) {
	key := path.Dir(n.path)
	if known, ok := w.real[key]; ok {
		return known[0], known[1], nil
	}
	if root, err = filepath.EvalSymlinks(w.dir); err != nil {
		return "", "", err
	}
	if root, err = filepath.Abs(root); err != nil {
		return "", "", err
	}
	if dir, err = filepath.EvalSymlinks(filepath.Join(root, filepath.FromSlash(key))); err != nil {
		return "", "", err
	}
	w.real[key] = [2]string{root, dir}
	return root, dir, nil
}
