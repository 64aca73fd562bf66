package server

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span in the configuration: "90s", "36h", "15d".
type Duration time.Duration

// UnmarshalText reads "36h", "1h30m", "15d".
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if n, ok := strings.CutSuffix(s, "d"); ok {
		days, err := strconv.ParseFloat(n, 64)
		if err != nil || days < 0 || days > 36500 {
			return fmt.Errorf("%q is no time span", s)
		}
		*d = Duration(days * 24 * float64(time.Hour))
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no time span", s)
	}
	*d = Duration(v)
	return nil
}

// String is the form that UnmarshalText reads, days for what is whole days.
func (d Duration) String() string {
	v := time.Duration(d)
	if day := 24 * time.Hour; v >= day && v%day == 0 {
		return fmt.Sprintf("%dd", v/day)
	}
	s := v.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func (Duration) form() string { return "a time span such as 90s, 36h or 15d" }

// Size is a number of bytes in the configuration: "512KiB", "1MiB", "4096".
type Size int64

var units = []struct {
	name string
	size Size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

// UnmarshalText reads "1MiB".
func (s *Size) UnmarshalText(text []byte) error {
	for _, u := range units {
		n, ok := strings.CutSuffix(string(text), u.name)
		if !ok {
			continue
		}
		v, err := strconv.ParseInt(strings.TrimSpace(n), 10, 64)
		if err != nil || v < 0 || v > int64(1<<50)/int64(u.size) {
			break
		}
		*s = Size(v) * u.size
		return nil
	}
	return fmt.Errorf("%q is no size", text)
}

// String is the form that UnmarshalText reads.
func (s Size) String() string {
	for _, u := range units {
		if s >= u.size && s%u.size == 0 {
			return fmt.Sprintf("%d%s", s/u.size, u.name)
		}
	}
	return "0"
}

func (Size) form() string { return "a size such as 512KiB or 1MiB" }

// Path is a file or directory; LoadConfig makes it absolute.
type Path string

// under makes the path absolute, taking it as relative to base. An empty one stays empty.
func (p Path) under(base string) Path {
	switch {
	case p == "":
		return ""
	case filepath.IsAbs(string(p)):
		return Path(filepath.Clean(string(p)))
	}
	return Path(filepath.Join(base, string(p)))
}

// Join is a path below p.
func (p Path) Join(elem ...string) Path {
	return Path(filepath.Join(append([]string{string(p)}, elem...)...))
}

// Hidden is text that may hold a password: it is not printed.
type Hidden string

// String hides it.
func (h Hidden) String() string {
	if h == "" {
		return ""
	}
	return "[redacted]"
}

// GoString hides it (the %#v verb).
func (h Hidden) GoString() string { return h.String() }

// MarshalText hides it in JSON and logs.
func (h Hidden) MarshalText() ([]byte, error) { return []byte(h.String()), nil }
