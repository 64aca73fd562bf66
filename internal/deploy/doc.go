// Package deploy puts a certificate where something serves it, has that reloaded, and takes it back.
// It never decides whether to take back after a look on the wire: that is fulfill's.
//
// # Files
//
// A files target names files under a configured root. All of them change in the same instant, because
// each named path is a symbolic link through one directory link:
//
//	www.crt -> .certwright/<target>/current/fullchain.pem
//	www.key -> .certwright/<target>/current/key.pem
//	.certwright/<target>/current -> v-04af-5b1c...      (the one rename that switches them all)
//	.certwright/<target>/v-04af-5b1c.../{fullchain.pem,key.pem}
//
// What a server sees that is configured with the plain paths www.crt and www.key: it opens them as ever.
// At any moment both lead to the same version: there is no moment with a new certificate and an old
// key on disk. A program that opens the first before the switch and the second after it holds one of
// each, as with any two files; so the reload command runs after the switch, never before, and one that read
// in between is put right by it. A program that opens the directory .certwright/<target>/current once and
// both files in it cannot even do that. The links are relative: they hold in a container or chroot that
// mounts the whole root (mounting single files would pin the old ones, as with every tool that renames).
//
// Files that another manager left at the named paths are taken over without a gap: what is there is linked
// into a version directory of its own, each path becomes a link to the same content, and only then the
// switch is made. Until Settle they are kept, and TakeBack puts them back as they were, plain files
// as plain files.
//
// A crash between any two lines leaves the old files or the new ones, never a mix: the switch is one
// rename, everything before it is invisible, and a marker made before it says that the reload is still
// to be run. What a crash leaves over is swept by the next Put.
//
// A root, and everything that writes into it, belongs to Certwright and the administrator: no
// path of a target and no symbolic link inside the root leads out of it (os.Root).
package deploy
