package order

import (
	"slices"
	"time"
)

// Placed records where the proofs of an attempt are about to be published, before they are.
type Placed struct {
	ID     string
	Proofs []Proof
}

func (r Placed) apply(o *Order, now time.Time) []Event {
	a := o.Attempt(r.ID)
	if a == nil || a.Phase != Begun {
		return nil
	}
	for _, p := range r.Proofs {
		for i := range a.Proofs {
			if q := &a.Proofs[i]; q.Name == p.Name && q.Value == p.Value {
				q.Place, q.Account = p.Place, p.Account
			}
		}
	}
	a.Visible, a.Written, a.Tries, a.DueAt = true, nil, 0, now
	return nil
}

// Clone copies the attempt so that its proofs can be changed without the original's.
func (a *Attempt) Clone() *Attempt {
	c := *a
	c.Proofs = slices.Clone(a.Proofs)
	return &c
}
