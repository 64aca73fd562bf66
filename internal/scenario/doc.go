// Package scenario proves the diagnosis: it brings a small internet up (root, TLD and zone on BIND, a
// validating Unbound, a certificate authority, web servers, and for orders a Certwright server), breaks one
// thing, asks `certwright diagnose`, and scores the answer against what was broken. Every scenario has
// network, mount and process namespaces of its own, so that ports 53, 80 and 443 are free, any address can
// be used, and nothing outside is touched. The contract of a scenario directory is docs/scenarios.md.
//
// It is a test tool: the product never imports it.
package scenario
