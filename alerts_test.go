package certwright

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestAlertRules has Prometheus' own tool read the rules, and fire and hold back each of them.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is missing: scripts/deps.sh installs it (Debian: prometheus)")
		}
		t.Skip("promtool is missing: scripts/deps.sh installs it")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		c := exec.Command(promtool, args...)
		c.Dir = "docs"
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestEveryAlertIsTried: each rule has a test in which it fires and one in which it does not.
func TestEveryAlertIsTried(t *testing.T) {
	t.Parallel()
	read := func(file string) string {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	tests := read("docs/alerts_test.yml")
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(read("docs/alerts.yml"), -1) {
		fires := regexp.MustCompile(`alertname: ` + m[1] + `\n\s+exp_alerts:`).MatchString(tests)
		quiet := regexp.MustCompile(`alertname: ` + m[1] + `\}`).MatchString(tests)
		if !fires || !quiet {
			t.Errorf("%s: fires in a test: %v; stays quiet in one: %v", m[1], fires, quiet)
		}
	}
}

// TestFiguresOfAlertsAreDocumented: a rule over a figure that is called otherwise never fires.
func TestFiguresOfAlertsAreDocumented(t *testing.T) {
	t.Parallel()
	page := pagesOf(t)["docs/monitoring.md"]
	var known []string
	for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(page, -1) {
		known = append(known, "certwright_"+m[1])
	}
	b, err := os.ReadFile("docs/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`certwright_[a-z_]+`).FindAllString(string(b), -1) {
		if !slices.Contains(known, name) {
			t.Errorf("docs/monitoring.md does not name %s", name)
		}
	}
}
