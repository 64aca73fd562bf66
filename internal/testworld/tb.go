package testworld

// TB is the part of testing.TB that the starters need. It is an interface of its own so that a
// program which uses this package without tests (the benchmark, the sample) does not link testing.
type TB interface {
	Helper()
	Name() string
	TempDir() string
	Cleanup(func())
	Logf(format string, args ...any)
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}
