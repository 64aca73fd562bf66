package faq_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"certwright/internal/diagnose"
	"certwright/internal/faq"
	"certwright/internal/order"
	"certwright/internal/scenario"
)

// statuses are the words that Certwright shows beside the findings.
func statuses() []string {
	var out []string
	for _, s := range []order.Status{order.Pendingissuance, order.Issued, order.StatusRevoked, order.StatusCanceled, order.Denied, order.Pendingrevocation,
		order.PendingRekey, order.Unused, order.StatusExpired, order.NotSubmitted} {
		out = append(out, "status-"+strings.ToLower(string(s)))
	}
	for _, s := range []order.VaultStatus{order.VaultInitialized, order.VaultWaiting, order.VaultSucceeded, order.VaultOrderFailed, order.VaultNotPermitted,
		order.VaultUnauthorized, order.VaultNotExist, order.VaultSecretNotExist, order.VaultUnknownError, order.VaultExternalKey, order.VaultUnknown} {
		out = append(out, "vault-"+strings.ToLower(string(s)))
	}
	for _, s := range []order.StageState{order.Done, order.StateWait, order.Blocked, order.StateFail, order.Disabled, order.StateUnkno, order.Absent} {
		out = append(out, "stage-"+string(s))
	}
	return out
}

// ids are all findings that the catalogue can give, by a row or by what an order records.
func ids() []string {
	var out []string
	for _, k := range append(diagnose.KnownIDs(), diagnose.Additions()...) {
		out = append(out, k.ID)
	}
	return out
}

func TestArticlesCanBeRead(t *testing.T) {
	if err := faq.Check(); err != nil {
		t.Fatal(err)
	}
	if n := len(faq.All()); n < 350 {
		t.Errorf("%d articles only", n)
	}
}

// Every finding and every status has an article, and every article is of something that exists.
func TestArticlesAndIDsAgree(t *testing.T) {
	known := append(ids(), statuses()...)
	have := map[string]bool{}
	for _, a := range faq.All() {
		if have[a.ID] {
			t.Errorf("%s has two articles", a.ID)
		}
		have[a.ID] = true
		if !slices.Contains(known, a.ID) && !strings.HasPrefix(a.ID, "task-") {
			t.Errorf("the article %s is of nothing that is known", a.ID)
		}
	}
	for _, id := range known {
		if !have[id] {
			t.Errorf("%s has no article: add it to internal/faq/articles", id)
		}
	}
	for _, s := range statuses() {
		if a, ok := faq.Get(s); ok && strings.HasPrefix(s, "status-") && len(a.Aliases) == 0 {
			t.Errorf("%s cannot be found by the word that is shown", s)
		}
	}
	for _, task := range strings.Fields("configuration verification store sync rekey renew export import limits replicas backup") {
		if !have["task-"+task] {
			t.Errorf("the task %s has no article", task)
		}
	}
}

var link = regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`)

// Every article has all five sections, in order, with something in them; links lead somewhere.
func TestArticlesAreWhole(t *testing.T) {
	for _, a := range faq.All() {
		var labels []string
		for _, s := range a.Sections {
			labels = append(labels, s.Label)
			if len(s.Text) < 8 || strings.HasPrefix(s.Text, "-") {
				t.Errorf("%s, %s: says nothing: %q", a.ID, s.Label, s.Text)
			}
			if strings.Count(s.Text, "`")%2 != 0 {
				t.Errorf("%s, %s: a backquote is left open: %q", a.ID, s.Label, s.Text)
			}
			for _, m := range link.FindAllStringSubmatch(s.Text, -1) {
				if _, ok := faq.Get(m[2]); !ok || m[1] != m[2] {
					t.Errorf("%s: the link %s leads nowhere", a.ID, m[0])
				}
				if m[2] == a.ID {
					t.Errorf("%s links to itself", a.ID)
				}
			}
			if plain := s.Plain(); strings.Contains(plain, "](") {
				t.Errorf("%s: a link is left in plain text: %q", a.ID, plain)
			}
		}
		if got := strings.Join(labels, " "); got != "Means Comes Apart Fix Prevent" {
			t.Errorf("%s: sections %q", a.ID, got)
		}
		if a.Title == "" || a.Topic == "" || strings.HasSuffix(a.Title, ".") {
			t.Errorf("%s: title %q of topic %q", a.ID, a.Title, a.Topic)
		}
	}
}

// A row names its twins; the article tells it from at least one thing that looks alike.
func TestRowsAreToldApart(t *testing.T) {
	for _, id := range ids() {
		row, ok := diagnose.Explain(id)
		if !ok || row.Note {
			continue
		}
		a, _ := faq.Get(id)
		if len(a.Sections) == 5 && len(a.Sections[2].Text) < 20 {
			t.Errorf("%s has a row with twins, and its article tells it from nothing", id)
		}
	}
}

func TestSearch(t *testing.T) {
	for _, c := range []struct{ words, first string }{
		{"sync-reload-not-run", "sync-reload-not-run"}, {"port 80 firewall", "http-timeout-drop"}, {"reload not run", "sync-reload-not-run"},
		{"dnssec signatures expired", "dnssec-rrsig-expired"}, {"backup restore", "task-backup"}, {"renewal switched off", "renew-auto-off"},
		{"wildcard bare domain", "tls-apex-missing"}, {"secret deleted recover", "vault-secret-soft-deleted"}, {"rate limit exact", "ca-rate-limit-exact-set"},
		{"KeyVaultDoesNotExist", "vault-keyvaultdoesnotexist"},
	} {
		hits := faq.Search(c.words)
		at := slices.IndexFunc(hits, func(a faq.Article) bool { return a.ID == c.first })
		if at < 0 || at > 2 {
			t.Errorf("%q finds %s at place %d of %d", c.words, c.first, at, len(hits))
		}
	}
	if hits := faq.Search("xyzzy"); len(hits) != 0 {
		t.Errorf("nonsense finds %d articles", len(hits))
	}
	if hits := faq.Search("the of and"); len(hits) != 0 {
		t.Errorf("words that say nothing find %d articles", len(hits))
	}
}

func TestNearest(t *testing.T) {
	for typo, want := range map[string]string{"sync-reload-notrun": "sync-reload-not-run", "Pendingisuance": "status-pendingissuance", "dnsec-rrsig-expired": "dnssec-rrsig-expired", "tls-name-missmatch": "tls-name-mismatch"} {
		if near := faq.Nearest(typo); len(near) == 0 || near[0] != want {
			t.Errorf("%s: %v, want %s first", typo, near, want)
		}
	}
	if near := faq.Nearest("something else entirely"); len(near) != 0 {
		t.Errorf("nothing is near: %v", near)
	}
}

// Every command of Certwright that an article names is one that the program knows.
func TestCommandsOfArticlesExist(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "certwright")
	if out, err := exec.Command("go", "build", "-tags", "grpcnotrace", "-o", bin, "certwright/cmd/certwright").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	seen := map[string][]string{}
	named := regexp.MustCompile("certwright ((?:order|site|issuer|vault|dns-account) [a-z]+|[a-z]+)([^`;|]*)")
	for _, a := range faq.All() {
		for _, s := range a.Sections {
			for _, code := range regexp.MustCompile("`certwright [^`]*`").FindAllString(s.Text, -1) {
				for _, m := range named.FindAllStringSubmatch(code, -1) {
					flags := regexp.MustCompile(`(?:^| )(--?[a-z][a-z-]*)`).FindAllStringSubmatch(m[2], -1)
					for _, f := range flags {
						seen[m[1]] = append(seen[m[1]], f[1])
					}
					if len(flags) == 0 && seen[m[1]] == nil {
						seen[m[1]] = []string{}
					}
				}
			}
		}
	}
	if len(seen) < 15 {
		t.Fatalf("only %d commands are named: the test looks in the wrong place", len(seen))
	}
	for cmd, flags := range seen {
		help := exec.Command(bin, append(strings.Fields(cmd), "--help")...)
		help.Env = append(os.Environ(), "HOME="+t.TempDir())
		out, err := help.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "certwright "+cmd) {
			t.Errorf("an article names `certwright %s`, which the program does not know: %v", cmd, err)
			continue
		}
		for _, f := range flags {
			if !regexp.MustCompile(`(?m)(^|[ ,])` + f + `\b`).Match(out) {
				t.Errorf("an article gives %s to `certwright %s`, which does not know it", f, cmd)
			}
		}
	}
}

// Every row is shown by a scenario to name what was really broken; where none can be (yet), a test of the judgement
// shows it on real or hand-built evidence.
func TestRowsAreProven(t *testing.T) {
	specs, err := scenario.Load([]string{"../../scenarios"})
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, s := range specs {
		for _, id := range s.Expected {
			shown[id] = true
		}
		for id := range strings.FieldsSeq(strings.Join(s.AlsoTrue, " ")) {
			if _, ok := faq.Get(id); !ok && !strings.ContainsAny(id, "*") {
				t.Errorf("%s: also_true names %s, which nobody knows", s.ID, id)
			}
		}
	}
	tests := testsOf(t, "../diagnose", "../probe", "../inspect", "../server", "../issue")
	rows, byScenario := 0, 0
	for _, id := range ids() {
		row, ok := diagnose.Explain(id)
		if !ok {
			continue
		}
		rows++
		switch {
		case shown[id], row.Note:
			byScenario++
			if unproven[id] != "" {
				t.Logf("%s has a scenario by now: take it out of unproven", id)
			}
		case strings.Contains(tests, `"`+id+`"`), strings.Contains(tests, id+" "), unproven[id] != "":
		default:
			t.Errorf("%s has a row, and neither a scenario nor a test expects it: add one, or a reason to unproven", id)
		}
	}
	for id := range unproven {
		if !slices.Contains(ids(), id) {
			t.Errorf("unproven names %s, which nobody knows", id)
		}
	}
	t.Logf("%d of %d rows have a scenario or are notes", byScenario, rows)
}

// testsOf is the text of all tests of some rooms.
func testsOf(t *testing.T, dirs ...string) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range dirs {
		names, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil || len(names) == 0 {
			t.Fatalf("no tests in %s: %v", dir, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
	}
	return all.String()
}
