// Package order holds the nouns of an order for a certificate: what its owner asked for, the
// versions issued, the attempts at an issuer, the proofs, deployments and looks, each a row of its
// own; and the pure rules over them: which commands are allowed (command.go), which steps are due
// (next.go), what a result changes (apply*.go), the status and the path (status.go, path.go).
// Nothing here does I/O, reads a clock or imports anything of ours but site, evidence and secret.
package order
