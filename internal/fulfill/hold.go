package fulfill

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"sync"
	"time"

	"certwright/internal/order"
)

// holds remember which issuers asked the whole account to stay away for a while. The issuer's row says the
// same to other replicas and after a restart; this counts at once, for the orders that are about to ask.
type holds struct {
	mu sync.Mutex
	by map[string]*order.Problem // by issuer; not before its Until
}

// holdSpread is the part of a hold over which its orders come back: all in one instant would meet the
// same limit again.
const holdSpread = 10

// wide says whether a problem with a time holds for every order of the account and not for this one alone: a
// limit on new orders, or the front of an authority that turns requests away.
func wide(p *order.Problem) bool {
	if p == nil || p.Until.IsZero() {
		return false
	}
	return p.ID == "ca-rate-limit-new-orders" || p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests && p.Type == ""
}

// newOrdersOnly says whether a hold concerns new orders alone: those under way go on.
func newOrdersOnly(p *order.Problem) bool { return p.ID == "ca-rate-limit-new-orders" }

// heed remembers a problem that holds for the whole account.
func (m *Mover) heed(ctx context.Context, issuer string, p *order.Problem) {
	if !wide(p) || !p.Until.After(m.Now()) {
		return
	}
	m.holds.mu.Lock()
	old := m.holds.by[issuer]
	news := old == nil || p.Until.After(old.Until)
	if news {
		m.holds.by[issuer] = p
	}
	m.holds.mu.Unlock()
	if !news {
		return
	}
	if err := m.Authorities.Hold(context.WithoutCancel(ctx), issuer, p); err != nil {
		m.Logger.Warn("other replicas do not know yet that an issuer asked for rest", "issuer", issuer, "until", p.Until, "error", err)
	}
}

// onHold is why an issuer is not asked now, as what an order waits for; nil = it may be.
func (m *Mover) onHold(o *order.Order, issuer string, traits Traits, begin bool) *order.Problem {
	m.holds.mu.Lock()
	p := m.holds.by[issuer]
	if p != nil && !p.Until.After(m.Now()) {
		delete(m.holds.by, issuer)
		p = nil
	}
	m.holds.mu.Unlock()
	if h := traits.Hold; h != nil && h.Until.After(m.Now()) && (p == nil || h.Until.After(p.Until)) {
		p = h
	}
	if p == nil || newOrdersOnly(p) && !begin {
		return nil
	}
	q := *p
	q.Class, q.Owner, q.At, q.Sub = order.Waiting, order.OwnerIssuer, m.Now(), nil
	q.Detail = fmt.Sprintf("issuer %s is asked for no order before %s: %s", issuer, p.Until.UTC().Format("2006-01-02 15:04:05 UTC"), p.Detail)
	h := fnv.New32a()
	_, _ = h.Write([]byte(o.ID.Key())) // it never fails
	q.Until = p.Until.Add(time.Duration(float64(p.Until.Sub(p.At)) / holdSpread * float64(h.Sum32()) / (1 << 32)))
	return &q
}

// relieve clears a hold that is over, once the issuer has answered well again.
func (m *Mover) relieve(ctx context.Context, issuer string, traits Traits) {
	if traits.Hold == nil || traits.Hold.Until.After(m.Now()) {
		return
	}
	if err := m.Authorities.Hold(ctx, issuer, nil); err != nil {
		m.Logger.Info("an issuer's row still names a hold that is over", "issuer", issuer, "error", err)
	}
}
