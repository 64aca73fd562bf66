//go:build !linux

package scenario

// Init is for Linux.
func Init() int { return 1 }
