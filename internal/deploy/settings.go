package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"certwright/internal/order"
	"certwright/internal/site"
)

// Kinds of file, as evidence.File names them.
const (
	kindCertificate = "certificate"
	kindChain       = "chain"
	kindFullchain   = "fullchain"
	kindKey         = "key"
	kindPFX         = "pfx"
	kindCombined    = "combined"
)

// stateDir is where Certwright keeps its versions inside a root.
const stateDir = ".certwright"

// Modes of files: those with a key unless the target says otherwise, and those without.
const (
	keyMode    fs.FileMode = 0o600
	publicMode fs.FileMode = 0o644
	dirMode    fs.FileMode = 0o755
)

// work is one target's settings, resolved against the configuration, with its root open.
type work struct {
	disk
	target string
	dir    string // the root directory as configured
	base   string // .certwright/<id>, relative to the root
	names  []named
	uid    int // -1 = as the server runs
	gid    int
	owner  string
	group  string
	mode   fs.FileMode // of files with a key
	reload string
	real   map[string][2]string // realDirs by directory
}

// named is one file of the target.
type named struct {
	kind string
	path string // relative to the root, slashes
}

// secretKind says whether files of that kind hold the private key.
func secretKind(kind string) bool { return kind == kindKey || kind == kindPFX || kind == kindCombined }

// stored is the file's name in a version directory.
func (n named) stored() string {
	if n.kind == kindPFX {
		return "certificate.pfx"
	}
	return n.kind + ".pem"
}

func refusal(property, fix, format string, args ...any) *order.Refusal {
	return &order.Refusal{Kind: order.BadInput, Code: "InvalidTarget", Property: property, Message: fmt.Sprintf(format, args...), Fix: fix}
}

// resolve checks a target's settings and opens its root. Errors are *order.Refusal.
func (d *Deployer) resolve(t site.Target) (*work, error) {
	if t.Kind != site.KindFiles || t.Files == nil {
		return nil, refusal("kind", "use kind files with its settings", "target %s: kind %q cannot be deployed to", t.Name, t.Kind)
	}
	f := *t.Files
	w := &work{real: map[string][2]string{}, target: t.Name, reload: f.Reload, uid: -1, gid: -1, owner: f.Owner, group: f.Group}
	dir, ok := d.roots[f.Root]
	if !ok {
		return nil, refusal("files.root", "name a file root of the server's configuration: "+those(d.roots), "file root %q is not configured", f.Root)
	}
	if _, ok := d.commands[f.Reload]; f.Reload != "" && !ok {
		return nil, refusal("files.reload", "name a command of the server's configuration: "+those(d.commands), "reload command %q is not configured", f.Reload)
	}
	w.dir = dir
	if err := w.setNames(f); err != nil {
		return nil, err
	}
	if err := w.setRights(f); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, refusal("files.root", "make the directory, or give the server access to it", "file root %s: %v", f.Root, err)
	}
	w.disk = disk{root: root, step: d.step, dirty: map[string]bool{}}
	return w, nil
}

// setNames checks the file names and derives the state directory from the first of them.
func (w *work) setNames(f site.Files) error {
	seen := map[string]string{}
	for _, n := range []struct{ kind, path string }{{kindCertificate, f.Certificate}, {kindChain, f.Chain}, {kindFullchain, f.Fullchain},
		{kindKey, f.Key}, {kindPFX, f.PFX}, {kindCombined, f.Combined}} {
		if n.path == "" {
			continue
		}
		p := path.Clean(n.path)
		if !filepath.IsLocal(p) || p == "." || strings.HasSuffix(n.path, "/") || strings.ContainsAny(p, "\\\x00\n") {
			return refusal("files."+n.kind, "give a file name relative to the root", "%q does not name a file inside the root", n.path)
		}
		if p == stateDir || strings.HasPrefix(p, stateDir+"/") {
			return refusal("files."+n.kind, "choose another name", "%q lies in %s, where Certwright keeps its versions", n.path, stateDir)
		}
		if other, ok := seen[p]; ok {
			return refusal("files."+n.kind, "give each file a name of its own", "%q is named twice: as %s and as %s", n.path, other, n.kind)
		}
		seen[p] = n.kind
		w.names = append(w.names, named{n.kind, p})
	}
	if len(w.names) == 0 {
		return refusal("files", "name a fullchain and a key, or a combined file", "target %s names no file", w.target)
	}
	// Two targets with the same first file write the same place; they had better share its state.
	sum := sha256.Sum256([]byte(w.names[0].path))
	w.base = stateDir + "/" + hex.EncodeToString(sum[:8])
	return nil
}

// setRights resolves owner, group and mode.
func (w *work) setRights(f site.Files) error {
	w.mode = keyMode
	if f.Mode != "" {
		m, err := strconv.ParseUint(f.Mode, 8, 32)
		if err != nil || m&^0o660 != 0 || m&0o400 == 0 {
			return refusal("files.mode", "such as 0600, 0640 or 0400", "%q is no mode for a private key: owner and group may read or write, others may not", f.Mode)
		}
		w.mode = fs.FileMode(m)
	}
	if f.Owner != "" {
		u, err := user.Lookup(f.Owner)
		if err != nil {
			return refusal("files.owner", "name a user of this machine", "user %q is not known: %v", f.Owner, err)
		}
		w.uid, _ = strconv.Atoi(u.Uid)
	}
	if f.Group != "" {
		g, err := user.LookupGroup(f.Group)
		if err != nil {
			return refusal("files.group", "name a group of this machine", "group %q is not known: %v", f.Group, err)
		}
		w.gid, _ = strconv.Atoi(g.Gid)
	}
	return nil
}

// checkPaths refuses names whose directories lead out of the root through a symbolic link, or that
// are directories themselves.
func (w *work) checkPaths() error {
	for _, n := range w.names {
		for dir := path.Dir(n.path); dir != "."; dir = path.Dir(dir) {
			st, err := w.root.Stat(dir)
			switch {
			case escapes(err):
				return refusal("files."+n.kind, "name a path that stays inside", "%q leads out of the root through a symbolic link", n.path)
			case err == nil && !st.IsDir():
				return refusal("files."+n.kind, "name another path", "%q: %s is no directory", n.path, dir)
			}
		}
		if st, err := w.root.Lstat(n.path); err == nil && st.IsDir() {
			return refusal("files."+n.kind, "name a file", "%q is a directory", n.path)
		}
	}
	return nil
}

// modeOf is the mode that a file of the kind is to have.
func (w *work) modeOf(kind string) fs.FileMode {
	if secretKind(kind) {
		return w.mode
	}
	return publicMode
}

func (w *work) close() { w.root.Close() }

// abs is a named path as the administrator knows it.
func (w *work) abs(p string) string { return filepath.Join(w.dir, filepath.FromSlash(p)) }

func (w *work) paths() []string {
	var l []string
	for _, n := range w.names {
		l = append(l, w.abs(n.path))
	}
	return l
}

// describe names the target in problems.
func (w *work) describe() string { return "target " + w.target + ": " + strings.Join(w.paths(), ", ") }

// those are the names that a configuration has, for whoever gave another.
func those[T any](configured map[string]T) string {
	if len(configured) == 0 {
		return "it has none yet"
	}
	return strings.Join(slices.Sorted(maps.Keys(configured)), ", ")
}
