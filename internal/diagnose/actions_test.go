package diagnose

import (
	"strings"
	"testing"

	"certwright/internal/order"
)

// Every action that a row or a recorded problem names is one that can be done.
func TestActionsAreKnown(t *testing.T) {
	for _, r := range catalogue() {
		if _, ok := ActionOf(r.Fix.Action); r.Fix.Action != "" && !ok {
			t.Errorf("%s: its fix names %q, which is no action (see actions.go)", r.ID, r.Fix.Action)
		}
	}
	for id, a := range healers {
		if _, ok := ActionOf(a); !ok || legOf(id) == "" {
			t.Errorf("%s: id or action %q is not known", id, a)
		}
	}
	for _, st := range order.Stages {
		if a := actionOf(st); a != "" {
			if _, ok := ActionOf(a); !ok {
				t.Errorf("stage %s: %q is no action", st, a)
			}
		}
	}
}

// An action is whole: it says what it changes, how a person does the same, and which right it needs.
func TestActionsAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range Actions() {
		if seen[a.Name] {
			t.Errorf("%s stands twice", a.Name)
		}
		seen[a.Name] = true
		if !strings.HasPrefix(a.Command, "certwright order ") || !strings.Contains(a.Command, "{order}") || len(a.Changes) < 40 || a.Right == "" {
			t.Errorf("%s is not whole: %+v", a.Name, a)
		}
		if a.Final && a.Repeat {
			t.Errorf("%s cannot be both undone never and repeated safely", a.Name)
		}
		if got := a.CommandFor("it's"); strings.Contains(got, "{order}") || !strings.Contains(got, `'it'\''s'`) {
			t.Errorf("%s: the name is not made safe for a shell: %s", a.Name, got)
		}
	}
}
