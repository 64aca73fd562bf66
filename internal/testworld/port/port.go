// Package port keeps TCP ports for tests. A port that was free a moment ago may be another program's when it is needed:
// tests run beside each other, and the kernel gives ports away at random. A held one is given to nobody else.
package port

// TB is the part of testing.TB that Hold needs.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}
