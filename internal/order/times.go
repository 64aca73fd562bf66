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
	LookEvery     = time.Hour           // an endpoint that is well is looked at
	DefaultRenew  = 2.0 / 3             // fraction of life after which a version is renewed
	DeployGrace   = time.Minute         // a look that fails this soon after a push is not yet a failure
	guardLongest  = time.Hour           // circuit breaker: no two automatic issues of a key type within this ...
	guardFraction = 6                   // ... or this part of a short life
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
	// tryLocal spaces what is ours or near: vault, target, endpoint.
	tryLocal = []time.Duration{2 * time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour}
)

// after gives the time of the next try: the table's, but never before what the other side asked for.
func after(table []time.Duration, tries int, now, until time.Time) time.Time {
	if tries < 1 {
		tries = 1
	}
	t := now.Add(table[min(tries, len(table))-1])
	if until.After(t) {
		return until
	}
	return t
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
// section 4.2) where there is one, else the order's fraction of its life, spread by a sixtieth.
func (o *Order) RenewTime(v *Version) time.Time {
	s := spread(o.ID.Key(), v.Serial)
	if w := v.Window; w != nil && w.End.After(w.Start) {
		return w.Start.Add(time.Duration(s * float64(w.End.Sub(w.Start))))
	}
	f := o.Spec.RenewAt
	if f <= 0 || f >= 1 {
		f = DefaultRenew
	}
	life := float64(v.NotAfter.Sub(v.NotBefore))
	return v.NotBefore.Add(time.Duration(life*f - s*life/60))
}

// guard is the circuit breaker: before this no version of v's key type is begun by itself.
func (v *Version) guard() time.Time {
	return v.Issued.Add(min(guardLongest, v.NotAfter.Sub(v.NotBefore)/guardFraction))
}

// syncTime is when a target is next compared: about a day on, spread over the last tenth of it.
func (o *Order) syncTime(d *Deployment, now time.Time) time.Time {
	return now.Add(SyncEvery - time.Duration(spread(o.ID.Key(), d.Key())*float64(SyncEvery)/10))
}

// earliest is the earlier of two times, zero meaning never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
