package cli

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"certwright/internal/diagnose"
	"certwright/internal/order"
)

// TestByWhen: clients are said to be refused only where they are.
func TestByWhen(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	end, past := now.AddDate(0, 0, 20), now.AddDate(0, 0, -1)
	path := func(issued, served string, deadline *time.Time) []order.Stage {
		return []order.Stage{{Stage: order.StageOrder, State: order.Done}, {Stage: order.StageVerify, State: order.StateFail, Deadline: deadline},
			{Stage: order.StageIssue, State: order.Blocked, Serial: issued}, {Stage: order.StageServe, State: order.Blocked, Rows: []order.Row{{Name: "a:443", Serial: served}}}}
	}
	well := []diagnose.ServedLine{{Fits: true, NotAfter: end}}
	for _, tt := range []struct {
		name, leg, severity string
		path                []order.Stage
		lines               []diagnose.ServedLine
		want                string
	}{
		{"wrong certificate on a host", diagnose.LegEndpoint, diagnose.Critical, nil, nil, "now: clients are refused"},
		{"wrong certificate of an order", diagnose.LegEndpoint, diagnose.Critical, path("AA", "BB", nil), nil, "now: clients are refused"},
		{"host not in the DNS", diagnose.LegDNS, diagnose.Critical, nil, nil, "now: clients do not find it"},
		{"first proof fails", diagnose.LegHTTP, diagnose.Critical, path("", "", &end), nil, "now: there is no certificate yet"},
		{"first order limited", diagnose.LegOrder, diagnose.Warning, path("", "", nil), nil, "now: there is no certificate yet"},
		{"not deployed, nothing served", diagnose.LegDeploy, diagnose.Critical, path("AA", "", nil), nil, "now: clients are refused"},
		{"not deployed, the old one served", diagnose.LegDeploy, diagnose.Critical, path("AA", "BB", &end), nil, "before 2026-12-13 12:00 UTC"},
		{"renewal's proof fails", diagnose.LegHTTP, diagnose.Critical, path("AA", "AA", &end), nil, "before 2026-12-13 12:00 UTC"},
		{"renewal fails, too late", diagnose.LegHTTP, diagnose.Critical, path("AA", "AA", &past), nil, "now: its time ended at 2026-11-22 12:00 UTC"},
		{"renewal fails, no deadline", diagnose.LegCAA, diagnose.Critical, path("AA", "AA", nil), nil, "before clients notice"},
		{"host's certificate is old", diagnose.LegEndpoint, diagnose.Warning, nil, well, "before 2026-12-13 12:00 UTC, when what is served ends"},
		{"host, nothing known", diagnose.LegEndpoint, diagnose.Warning, nil, nil, "before clients notice"},
	} {
		f := diagnose.Finding{Leg: tt.leg, Severity: tt.severity}
		if got := byWhen(f, diagnose.Report{Path: tt.path, Findings: []diagnose.Finding{f}}, tt.lines, now); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestHeadFinding: what harms nobody is never the headline while something else harms.
func TestHeadFinding(t *testing.T) {
	t.Parallel()
	info, warning := diagnose.Finding{ID: "a", Severity: diagnose.Info}, diagnose.Finding{ID: "b", Severity: diagnose.Warning}
	for _, tt := range []struct {
		findings []diagnose.Finding
		want     string
	}{{[]diagnose.Finding{info, warning}, "b"}, {[]diagnose.Finding{warning, info}, "b"}, {[]diagnose.Finding{info}, "a"}} {
		if got := headFinding(diagnose.Report{Findings: tt.findings}); got.ID != tt.want {
			t.Errorf("%v: %s", tt.findings, got.ID)
		}
	}
}

// TestBundleName: a file's extension says of which kind it is; a folder has none.
func TestBundleName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, sub := range []string{"old.example.test", "shop.cer", "shop.pem"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, slash := range []string{"", "/"} {
			if got := bundleName(filepath.Join(dir, sub) + slash); got != sub {
				t.Errorf("folder %s%s: %q", sub, slash, got)
			}
		}
	}
	for file, want := range map[string]string{"x/shop.pem": "shop", "shop.example.test.PFX": "shop.example.test", "old.example.test": "old.example.test"} {
		if got := bundleName(filepath.Join(dir, file)); got != want {
			t.Errorf("file %s: %q, want %q", file, got, want)
		}
	}
}
