package deploy

import (
	"os"
	"path/filepath"
	"slices"

	"certwright/internal/site"
)

// Place is where a target's files lie on this machine.
type Place struct {
	Files  []PlacedFile
	Dirs   []string // directories that a push writes in and that are there
	Reload []string // program and arguments of its reload command; empty = none
}

// PlacedFile is one named file of a target.
type PlacedFile struct {
	Path string // absolute, as the configuration's root has it
	Kind string // certificate, chain, fullchain, key, pfx, combined
}

// Place says where a target's files lie. Errors are *order.Refusal.
func (d *Deployer) Place(t site.Target) (Place, error) {
	w, err := d.resolve(t)
	if err != nil {
		return Place{}, err
	}
	defer w.close()
	p := Place{Reload: slices.Clone(d.commands[w.reload].Argv)}
	dirs := []string{existing(filepath.Join(w.dir, filepath.FromSlash(w.base)))}
	for _, n := range w.names {
		p.Files = append(p.Files, PlacedFile{w.abs(n.path), n.kind})
		dirs = append(dirs, existing(filepath.Dir(w.abs(n.path))))
	}
	for _, dir := range dirs {
		if !slices.Contains(p.Dirs, dir) {
			p.Dirs = append(p.Dirs, dir)
		}
	}
	return p, nil
}

// existing is the directory, or the nearest one above it that is there: the one in which it would be made.
func existing(dir string) string {
	for dir != filepath.Dir(dir) {
		if st, err := os.Stat(dir); err == nil && st.IsDir() {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return dir
}
