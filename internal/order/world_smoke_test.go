package order

import "testing"

func TestAnOrderRunsToTheWireAndRenews(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	equal(t, "due", w.o.DueAt, noon)
	w.run()
	equal(t, "status", w.o.StatusOf(w.now), Issued)
	for _, s := range w.o.Path(w.now) {
		equal(t, string(s.Stage), s.State, Done)
	}
	w.to(noon.Add(365 * day))
	if w.issues < 5 || w.issues > 8 {
		t.Errorf("%d issues of a 90-day certificate in a year", w.issues)
	}
	equal(t, "status", w.o.StatusOf(w.now), Issued)
	equal(t, "expired", w.said("expired"), 0)
}
