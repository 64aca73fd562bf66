//go:build !testclock

package cli

import "time"

// Clock is the clock of the process. Only a binary built with the tag testclock has another.
func Clock(_ []string) func() time.Time { return time.Now }
