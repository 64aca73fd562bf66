package store_test

import (
	"testing"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/store"
)

func TestProofByToken(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		o := sample("www")
		o.Attempts[0].Proofs = []order.Proof{{Token: "to_ken-1", Value: "to_ken-1.abc"}, {Token: "t2", Value: "t2.abc"}}
		create(t, s, o, waiting())
		if v := get[string](t)(s.ProofByToken(t.Context(), "to_ken-1")); v != "to_ken-1.abc" {
			t.Errorf("value %q", v)
		}
		for _, token := range []string{"", "toXken-1", "to_ken", "%", "abc"} {
			_, err := s.ProofByToken(t.Context(), token)
			wantErr(t, err, fulfill.ErrNotFound)
		}
		o.Attempts[0].Phase = order.Ended
		must(t, s.SaveOrder(t.Context(), o, issued(), nil))
		_, err := s.ProofByToken(t.Context(), "t2")
		wantErr(t, err, fulfill.ErrNotFound)
	})
}
