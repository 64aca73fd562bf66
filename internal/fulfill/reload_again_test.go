package fulfill

import (
	"testing"

	"certwright/internal/order"
)

// TestSyncReloadsWhatIsOld: the files hold the current version, the server an older one. A sync that somebody asks for
// reloads it; one where all is well does not disturb it.
func TestSyncReloadsWhatIsOld(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop", "files")
	l.advance(id)
	sync := func() *order.Order {
		t.Helper()
		if _, err := l.Sync(l.ctx(), by, id); err != nil {
			t.Fatal(err)
		}
		return l.advance(id)
	}
	if sync(); l.target.again != 0 {
		t.Fatalf("reloaded %d times although all was well", l.target.again)
	}
	l.target.mu.Lock()
	l.target.stale = map[string]string{"shop/files": "0A"}
	l.target.mu.Unlock()
	o := sync()
	if l.target.again != 1 || o.Endpoints[0].Served != o.First().Serial || o.Endpoints[0].State != order.Done {
		t.Fatalf("reloaded %d times, served %s (%s), want %s", l.target.again, o.Endpoints[0].Served, o.Endpoints[0].State, o.First().Serial)
	}
	if r := o.Deployments[0].Receipt; r == nil || r.Reload == nil || r.Reload.Name != "web" {
		t.Errorf("the receipt does not tell of the reload: %+v", r)
	}
}
