//go:build testclock

package cli

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// Clock is the process's clock plus the length of time in CERTWRIGHT_CLOCK_OFFSET (such as 960h): for tests
// of what happens later. Third-party servers stay on real time.
func Clock(environ []string) func() time.Time {
	var offset time.Duration
	for _, v := range environ {
		s, ok := strings.CutPrefix(v, "CERTWRIGHT_CLOCK_OFFSET=")
		if !ok {
			continue
		}
		d, err := time.ParseDuration(s)
		if err != nil {
			fmt.Fprintf(os.Stderr, "CERTWRIGHT_CLOCK_OFFSET=%s is no length of time: %v\n", s, err)
			os.Exit(ExitUsage)
		}
		offset = d
	}
	return func() time.Time { return time.Now().Add(offset) }
}
