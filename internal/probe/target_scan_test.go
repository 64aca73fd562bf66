package probe

import (
	"slices"
	"strings"
	"testing"
)

// Only what names a configuration is read as one: a log that lists files is none.
func TestConfigArgs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ argv, want []string }{
		{[]string{"apache2", "-f", "/etc/a.conf", "-k", "start"}, []string{"/etc/a.conf"}},
		{[]string{"lighttpd", "-D", "-f", "l.conf"}, []string{"l.conf"}},
		{[]string{"stunnel4", "/etc/s.conf"}, []string{"/etc/s.conf"}},
		{[]string{"dovecot", "-F", "-c", "/run/d.conf"}, []string{"/run/d.conf"}}, // -F takes no value
		{[]string{"x", "--config=/etc/x.yaml", "--log=/var/log/x"}, []string{"/etc/x.yaml"}},
		{[]string{"x.test", "-test.testlogfile=/tmp/testlog.txt", "-test.timeout=1m"}, nil},
		{[]string{"caddy", "run", "--config", "/etc/Caddyfile"}, []string{"run", "/etc/Caddyfile"}},
		{[]string{"d", "-c/etc/d.conf", "--pidfile", "/run/d.pid"}, []string{"/etc/d.conf"}},
	} {
		if got := configArgs(tt.argv); !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.argv, got, tt.want)
		}
	}
}

func TestNameFits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{{"a.test", "A.test", true}, {"*.test", "a.test", true}, {"*.test", "b.a.test", false}, {"a.test.", "a.test", true}, {"b.test", "a.test", false}} {
		if nameFits(tt.pattern, tt.name) != tt.want {
			t.Errorf("%s for %s is not %v", tt.pattern, tt.name, tt.want)
		}
	}
}

func TestOnlyHosts(t *testing.T) {
	t.Parallel()
	got := onlyHosts([]string{"https://Shop.example:8443", "a.example.org", "*.example.org", "~^www\\.", "127.0.0.1", "file", "a.example.org"})
	if strings.Join(got, " ") != "shop.example a.example.org" {
		t.Error(got)
	}
}
