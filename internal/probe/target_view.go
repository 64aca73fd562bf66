package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"certwright/internal/evidence"
)

// view is the file system as a process sees it: a container or a chroot has one of its own.
type view struct {
	root  string // "" = as we see it, else /proc/PID/root
	cwd   string // the process's working directory, for relative paths
	apart bool
}

// view is the file system as the server sees it.
func (m master) view() view {
	dir := "/proc/" + strconv.Itoa(m.pid)
	v := view{cwd: "/"}
	if cwd, err := os.Readlink(dir + "/cwd"); err == nil {
		v.cwd = cwd
	}
	mine, err1 := os.Readlink("/proc/self/ns/mnt")
	its, err2 := os.Readlink(dir + "/ns/mnt")
	root, err3 := os.Readlink(dir + "/root")
	if err1 == nil && err2 == nil && mine != its || err3 == nil && root != "/" && root != ownRoot() {
		v.root, v.apart = dir+"/root", true
	}
	return v
}

func ownRoot() string {
	r, err := os.Readlink("/proc/self/root")
	if err != nil {
		return "/"
	}
	return r
}

// maxLinks is where the kernel gives up too (path_resolution(7)).
const maxLinks = 40

// follow resolves a path link by link inside the view and tells every link on the way. The real path is of the
// view; outer is the same place for us.
func (v view) follow(name string) (real, outer string, links []string, err error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(v.cwd, name)
	}
	rest, done := strings.Split(filepath.Clean(name), "/")[1:], "/"
	for len(rest) > 0 {
		next := filepath.Join(done, rest[0])
		st, err := os.Lstat(v.root + next)
		if err != nil {
			return filepath.Join(append([]string{next}, rest[1:]...)...), "", links, err
		}
		if st.Mode()&fs.ModeSymlink == 0 {
			done, rest = next, rest[1:]
			continue
		}
		if len(links) == maxLinks {
			return next, "", links, syscall.ELOOP
		}
		to, err := os.Readlink(v.root + next)
		if err != nil {
			return next, "", links, err
		}
		links = append(links, next+" -> "+to)
		if !filepath.IsAbs(to) {
			to = filepath.Join(done, to)
		}
		rest, done = append(strings.Split(filepath.Clean(to), "/")[1:], rest[1:]...), "/"
		if rest[0] == "" {
			rest = rest[1:]
		}
	}
	return done, v.root + done, links, nil
}

// maxTargetFile is the most that is read of one certificate, key or configuration file.
const maxTargetFile = 4 << 20

// read reads a file of the view.
func (v view) read(name string) ([]byte, error) {
	_, outer, _, err := v.follow(name)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(outer, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not hold the look up
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	if st.Size() > maxTargetFile {
		return nil, fmt.Errorf("%s has %d bytes, more than is read of one file", name, st.Size())
	}
	b := make([]byte, st.Size())
	n, err := f.ReadAt(b, 0)
	if n == len(b) {
		err = nil
	}
	return b[:n], err
}

// isDir says whether a path of the view is a directory.
func (v view) isDir(name string) bool {
	_, outer, _, err := v.follow(name)
	if err != nil {
		return false
	}
	st, err := os.Stat(outer)
	return err == nil && st.IsDir()
}

// list gives the names in a directory of the view, sorted.
func (v view) list(name string) []string {
	_, outer, _, err := v.follow(name)
	if err != nil {
		return nil
	}
	entries, _ := os.ReadDir(outer)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// glob expands a pattern whose wildcards may stand in any part of the path.
func (v view) glob(pattern string) []string {
	if !strings.ContainsAny(pattern, "*?[") {
		return []string{pattern}
	}
	dir, last := filepath.Split(pattern)
	var out []string
	for _, d := range v.glob(filepath.Clean(dir)) {
		for _, n := range v.list(d) {
			if ok, err := filepath.Match(last, n); err == nil && ok && (!strings.HasPrefix(n, ".") || strings.HasPrefix(last, ".")) {
				out = append(out, filepath.Join(d, n))
			}
		}
	}
	return out
}

// mayRead says whether a process may read a file of the view, by owners and modes along the way (path_resolution(7)).
// Access control lists and mandatory access control are not looked at.
func (p process) mayRead(v view, name string) (bool, string, error) {
	if p.reads || p.uid == 0 && p.exe == "" {
		return true, "", nil
	}
	real, _, _, err := v.follow(name)
	if errors.Is(err, fs.ErrPermission) {
		return false, "", err
	}
	if err != nil {
		return false, "", err
	}
	for dir := filepath.Dir(real); ; dir = filepath.Dir(dir) {
		if ok, why, err := p.allowed(v, dir, 1); !ok || err != nil {
			return false, why, err
		}
		if dir == "/" {
			break
		}
	}
	return p.allowed(v, real, 4)
}

// allowed checks one permission bit (4 read, 1 search) of a file or directory.
func (p process) allowed(v view, name string, bit uint32) (bool, string, error) {
	st, err := os.Stat(v.root + name)
	if err != nil {
		return false, "", err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return false, "", errors.New("its owner is not known")
	}
	mode := uint32(st.Mode().Perm())
	switch {
	case int(sys.Uid) == p.uid:
		mode >>= 6
	case inGroup(p.groups, int(sys.Gid)):
		mode >>= 3
	}
	if mode&bit != 0 {
		return true, "", nil
	}
	if hasACL(v.root + name) {
		return false, "", errors.New("an access control list decides, which is not read")
	}
	return false, fmt.Sprintf("%s is %04o %s:%s", name, st.Mode().Perm(), userName(int(sys.Uid)), groupName(int(sys.Gid))), nil
}

// hasACL says whether a POSIX access control list is set (acl(5)).
func hasACL(name string) bool {
	n, err := syscall.Getxattr(name, "system.posix_acl_access", nil)
	return err == nil && n > 0
}

func inGroup(groups []int, g int) bool {
	for _, x := range groups {
		if x == g {
			return true
		}
	}
	return false
}

func userName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func groupName(gid int) string {
	id := strconv.Itoa(gid)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}

// inspectTimes is when a file of the view last changed, as the kernel saw it; zero if that cannot be seen.
func inspectTimes(v view, name string) time.Time {
	var f evidence.TargetFile
	if _, outer, _, err := v.follow(name); err != nil || statFile(&f, outer) != nil {
		return time.Time{}
	}
	return f.Changed
}
