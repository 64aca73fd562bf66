package order

import (
	"slices"
	"time"
)

// Switch is a key type that its owner wants in another's place: until a version of it is there, the other's serves on.
type Switch struct {
	To   KeyType `json:"to"`
	From KeyType `json:"from"`
}

// serving is the key type whose versions stand for k now: k itself, but for one that is only to come.
func (o *Order) serving(k KeyType) KeyType {
	for _, s := range o.Switches {
		if s.To == k {
			return s.From
		}
	}
	return k
}

// switchTypes notes, before the wish's key types become others, which one each new type takes the place of.
func (o *Order) switchTypes(types []KeyType) {
	var dropped []KeyType
	for _, k := range o.Spec.KeyTypes {
		if !slices.Contains(types, k) {
			dropped = append(dropped, k)
		}
	}
	var kept []Switch
	for _, s := range o.Switches {
		if slices.Contains(types, s.To) {
			kept = append(kept, s)
		}
	}
	for _, k := range types {
		if slices.Contains(o.Spec.KeyTypes, k) || len(dropped) == 0 {
			continue
		}
		from := dropped[0]
		dropped = dropped[1:]
		if o.Current(from) != nil && o.serving(from) != k {
			kept = append(kept, Switch{To: k, From: o.serving(from)})
		}
	}
	o.Switches = kept
}

// wantSwitched asks for the versions of key types that are to take others' places.
func (o *Order) wantSwitched(caller string, now time.Time) {
	for _, s := range o.Switches {
		if o.need(s.To) == nil && o.Running(s.To) == nil {
			o.Needs = append(o.Needs, Need{KeyType: s.To, Reason: Rekey, Asked: now, Delay: -1, Caller: caller, Progress: Progress{DueAt: o.AskAfter}})
		}
	}
}

// switched ends a switch: a version of the new type is there.
func (o *Order) switched(k KeyType) {
	o.Switches = slices.DeleteFunc(o.Switches, func(s Switch) bool { return s.To == k })
}

// orders says whether versions of a key type are ordered.
func (o *Order) orders(k KeyType) bool { return slices.Contains(o.Spec.KeyTypes, k) }

// dropForeignAttempts gives up what is under way of a key type that is ordered no more. What is signed is stored first.
func (o *Order) dropForeignAttempts(now time.Time) {
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.Phase == Begun && !o.orders(a.KeyType) {
			o.AskAfter = later(o.AskAfter, a.notBefore())
			a.end(now, o.stopped(now, a, "another key type is ordered instead"))
		}
	}
}
