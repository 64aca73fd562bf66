// Package testworld is a small world with real protocols and switches for faults: a name server
// (dns.go), a Pebble authority (pebble.go) and a reverse proxy before it that injects faults
// (acmeproxy.go). It is imported by tests, the benchmark and the sample. Every part listens on
// loopback, on ports that the kernel picks, and ends with its context or its test.
package testworld
