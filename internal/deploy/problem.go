package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"syscall"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/site"
)

// Finding ids that this room can be certain of.
const (
	idDenied    = "sync-write-denied"
	idReadOnly  = "sync-readonly-fs"
	idFull      = "sync-disk-full"
	idOwn       = "sync-reload-failed-own"
	idUnrelated = "sync-reload-failed-unrelated"
	idForbidden = "sync-reload-not-permitted"
	idHook      = "renew-hook-failed"
)

// cause is how one sort of write failure is told.
type cause struct {
	err            error
	id, cause, fix string
}

var causes = []cause{
	{syscall.EROFS, idReadOnly, "the file system is mounted read-only", "mount it writable, or move the root"},
	{syscall.ENOSPC, idFull, "the disk is full", "make space; it goes on by itself"},
	{syscall.EDQUOT, idFull, "the quota of the server's user is used up", "make space; it goes on by itself"},
	{fs.ErrPermission, idDenied, "the user that the server runs as may not write there, or may not give files to that owner", "give that user write access to the root, or run the server as one who has it"},
	{syscall.EXDEV, "", "the path is on another file system than its root", "make it a root of its own"},
}

// problem tells a failed change on disk. Nil stays nil.
func (d *Deployer) problem(what, where string, err error) error {
	if err == nil {
		return nil
	}
	p := &order.Problem{Class: order.Retry, What: what, Where: where, Detail: strings.ReplaceAll(err.Error(), "\n", "; "), Owner: order.OwnerAdmin, At: d.now(),
		Fix: "see the server's log; it is tried again by itself"}
	if escapes(err) {
		p.Class, p.Cause, p.Fix = order.Final, "a symbolic link in the path leads out of the root", "remove the link, or name a path that stays inside"
		return p
	}
	for _, c := range causes {
		if errors.Is(err, c.err) {
			p.ID, p.Cause, p.Fix = c.id, c.cause, c.fix
			break
		}
	}
	return p
}

// final tells what no further try can change.
func (d *Deployer) final(what, where string, err error) error {
	return &order.Problem{Class: order.Final, What: what, Where: where, Detail: err.Error(), Owner: order.OwnerAdmin, At: d.now(),
		Fix: "look at what the target serves, then sync"}
}

// unusable tells settings that were good once and are no longer: a root or command that left the
// configuration.
func (d *Deployer) unusable(t site.Target, err error) error {
	p := &order.Problem{Class: order.Retry, What: "use the target", Where: t.Name, Detail: err.Error(), Owner: order.OwnerAdmin, At: d.now(),
		Cause: "the target's settings do not fit the server's configuration"}
	if r, ok := order.AsRefusal(err); ok {
		p.Fix = r.Fix
	}
	return p
}

// notPermitted are the words of sudo, doas, polkit and systemctl for a command that its user may not run.
var notPermitted = regexp.MustCompile(`(?i)not allowed|permission denied|operation not permitted|access denied|a password is required|authentication (is )?required|must be root`)

// ownPath finds the deployed files in the words of a server that could not load them.
func ownPath(w *work, output string) bool {
	for _, p := range w.paths() {
		if strings.Contains(output, p) {
			return true
		}
	}
	return false
}

// reloadProblem tells a failed reload. What the command printed decides where it can; whether the
// former files load decides the rest (undo).
func (d *Deployer) reloadProblem(w *work, r *evidence.Reload, err error) *order.Problem {
	p := &order.Problem{Class: order.Retry, What: "reload " + w.reload, Where: w.describe(), Owner: order.OwnerAdmin, At: d.now(),
		ID: idOwn, Cause: "the server refuses the new files, or its configuration does not fit them", Fix: "run the command by hand and mend what its output names, then sync"}
	p.Detail = fmt.Sprintf("exit status %d", r.Exit)
	if r.Exit < 0 {
		p.Detail = err.Error()
	}
	if r.Output != "" {
		p.Detail += ", output: " + r.Output
	}
	switch {
	case errors.Is(err, fs.ErrPermission), r.Exit > 0 && notPermitted.MatchString(r.Output) && !ownPath(w, r.Output):
		p.ID, p.Cause, p.Fix = idForbidden, "the user that the command runs as may not do that", "allow it (sudoers, polkit), or configure a user who may"
	case errors.Is(err, errHung):
		p.ID, p.Cause, p.Fix = idHook, "the command waits for something: a prompt, a lock, a server that does not answer", "run it by hand; give it a longer timeout if it is merely slow"
	case r.Exit < 0:
		p.ID, p.Cause, p.Fix = idHook, "the command is missing, or was killed", "mend the command in the server's configuration"
	}
	return p
}
