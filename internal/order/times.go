package order

import (
	"hash/fnv"
	"time"
)

// The times of the service. Where App Service Certificates state a number it is theirs.
const (
	VerifyWithin  = 15 * 24 * time.Hour // an unverified new order is Denied after this (Azure: 15 days)
	RenewWithin   = 45 * 24 * time.Hour // an attempt at a renewal that waits for its owner is given up after this
	SyncEvery     = 24 * time.Hour      // a target is compared with the vault (Azure: daily)
	CheckEvery    = 24 * time.Hour      // the vault's secret is looked at
	AskAgain      = 6 * time.Hour       // renewal information that could not be had is asked for again
	LookEvery     = time.Hour           // an endpoint that is well is looked at
	DefaultRenew  = 2.0 / 3             // fraction of life after which a version is renewed
	DeployGrace   = time.Minute         // a look that fails this soon after a push is not yet a failure
	guardLongest  = time.Hour           // circuit breaker: no two automatic issues of a key type within this ...
	guardFraction = 6                   // ... or this part of a short life ...
	guardShortest = 30 * time.Second    // ... but never less than this ...
	guardGrowth   = 4                   // ... and this much longer after each version that was replaced early
	latestRenew   = 0.9                 // fraction of life after which no suggested window is waited for
	calmAfter     = 4                   // attempts given up in a row after which a person's hurry is slowed down ...
	calm          = 12 * time.Minute    // ... to this: Let's Encrypt refills one failed authorization in this time
	windowSoonest = time.Minute         // limits of the interval at which renewal information is asked for
	windowLatest  = 24 * time.Hour      // (RFC 9773 section 4.3.2)
	keepAttempts  = 12                  // ended attempts kept
	keepVersions  = 24                  // versions kept; the current and unrevoked ones always are
)

// The tables of intervals: how long after the n-th failure in a row the next try follows. They are
// tuned to people and DNS; the last entry repeats.
var (
	// tryAttempt spaces whole attempts at an issuer. Let's Encrypt allows 5 failed authorizations for a
	// name per hour, then one each 12 minutes: the sixth try here comes after more than an hour.
	tryAttempt = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour}
	// tryIssuer spaces requests that did not reach the authority or met its trouble.
	tryIssuer = []time.Duration{5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour}
	// tryOwner spaces looks for a record that a person has to publish: quick while they may be at it.
	tryOwner = []time.Duration{5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute}
	// tryDNS spaces looks whether what was written into a zone has reached its other servers: most do in seconds.
	tryDNS = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second}
	// tryFinal spaces looks whether a person has mended what only a person can mend.
	tryFinal = []time.Duration{24 * time.Hour}
	// tryLocal spaces what is ours or near: vault, target, endpoint.
	tryLocal = []time.Duration{2 * time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour}
)

// after gives the time of the next try: the table's, but never before what the other side asked for.
func after(table []time.Duration, tries int, now, until time.Time) time.Time {
	if tries < 1 {
		tries = 1
	}
	return later(now.Add(table[min(tries, len(table))-1]), until)
}

// spread gives a fraction in [0,1) that is always the same for the same words: due times of many
// orders fall apart, those of one order stay put.
func spread(words ...string) float64 {
	h := fnv.New64a()
	for _, w := range words {
		h.Write([]byte(w))
		h.Write([]byte{0})
	}
	return float64(h.Sum64()>>11) / (1 << 53)
}

// RenewTime is when a version is due for renewal: a point of the issuer's suggested window (RFC 9773
// section 4.2) where there is one, but no later than a tenth of its life before its end; else the
// order's fraction of its life, spread by a sixtieth. The circuit breaker may hold it up.
func (o *Order) RenewTime(v *Version) time.Time { return later(o.wishedRenewal(v), o.guard(v)) }

// wishedRenewal is when a renewal would come without the circuit breaker.
func (o *Order) wishedRenewal(v *Version) time.Time {
	s := spread(o.ID.Key(), v.Serial)
	start, life := o.life(v)
	if w := v.Window; w != nil && w.End.After(w.Start) {
		at := w.Start.Add(time.Duration(s * float64(w.End.Sub(w.Start))))
		if latest := start.Add(part(life, latestRenew)); at.After(latest) {
			return latest
		}
		return at
	}
	return start.Add(part(life, o.renewAt()-s/60))
}

func part(d time.Duration, f float64) time.Duration { return time.Duration(f * float64(d)) }

// renewAt is the fraction of life after which the order renews.
func (o *Order) renewAt() float64 {
	if f := o.Spec.RenewAt; f > 0 && f < 1 {
		return f
	}
	return DefaultRenew
}

// life is from when and for how long a version can serve: authorities date NotBefore back, which a
// version of minutes must not be charged for.
func (o *Order) life(v *Version) (start time.Time, life time.Duration) {
	start = v.NotBefore
	if o.Kind == Ordered && v.Issued.After(start) && v.Issued.Before(v.NotAfter) {
		start = v.Issued
	}
	return start, v.NotAfter.Sub(start)
}

// guard is the circuit breaker: before this no version of v's key type is begun by itself. An issuer that
// asks for a renewal as soon as it has issued is followed less and less eagerly.
func (o *Order) guard(v *Version) time.Time {
	_, life := o.life(v)
	g := min(guardLongest, life/guardFraction)
	longest := max(g, part(life, o.renewAt()))
	for range o.hasty(v) {
		g = min(g*guardGrowth, longest)
	}
	return v.Issued.Add(max(g, guardShortest))
}

// hasty counts the renewals in a row up to v that the issuer asked for before half the time of the version
// they replaced.
func (o *Order) hasty(v *Version) int {
	n := 0
	for v.Reason == Renewal {
		old := o.preceding(v)
		if old == nil {
			break
		}
		if start, life := o.life(old); o.wishedRenewal(old).Sub(start) >= part(life, o.renewAt()/2) {
			break
		}
		n, v = n+1, old
	}
	return n
}

// preceding is the version of the same key type issued before v, whatever its state.
func (o *Order) preceding(v *Version) *Version {
	var old *Version
	for i := range o.Versions {
		if w := &o.Versions[i]; w.KeyType == v.KeyType && w.Number < v.Number {
			old = w
		}
	}
	return old
}

// syncTime is when a target is next compared: about a day on, spread over the last tenth of it.
func (o *Order) syncTime(d *Deployment, now time.Time) time.Time {
	return now.Add(SyncEvery - time.Duration(spread(o.ID.Key(), d.Key())*float64(SyncEvery)/10))
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// earliest is the earlier of two times, zero meaning never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
