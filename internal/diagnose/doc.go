// Package diagnose judges evidence: it names the root cause of a certificate that is not where it
// should be, shows what it rests on, rules out the causes it is easily mistaken for, and gives the
// fix. It is pure: no I/O and no clock; the same observations always give the same report.
//
// The work has three layers, each a table or close to one:
//
//	signs      one small function per fact: true, false or not known, with its evidence (wire_*.go, host_*.go, path_*.go)
//	catalogue  rows of data: which signs a cause needs, which exclude it, what it explains, its twins (rows_*.go)
//	frontier   keep the failures that no confirmed cause upstream explains; order them (frontier.go)
//
// A new cause is a row; a new way of looking is a sign.
package diagnose
