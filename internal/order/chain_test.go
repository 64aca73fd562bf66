package order

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// told is an order with a life behind it.
func told(t *testing.T) *world {
	w := newWorld(t)
	w.on("deploy", w.deployFails())
	w.run()
	w.well("deploy")
	w.wait(time.Hour)
	w.command(CmdRekey)
	w.run()
	if len(w.events) < 8 {
		t.Fatalf("only %d events", len(w.events))
	}
	return w
}

func TestChainHolds(t *testing.T) {
	t.Parallel()
	w := told(t)
	if err := VerifyChain(nil, w.events); err != nil {
		t.Fatal(err)
	}
	for i, e := range w.events {
		equal(t, "number", e.Seq, int64(i+1))
	}
	equal(t, "head", bytes.Equal(w.o.Hash, w.events[len(w.events)-1].Hash), true)
	middle := len(w.events) / 2
	if err := VerifyChain(w.events[middle-1].Hash, w.events[middle:]); err != nil {
		t.Errorf("from a checkpoint in the middle: %v", err)
	}
}

func TestChainDetectsEveryTampering(t *testing.T) {
	t.Parallel()
	w := told(t)
	n := len(w.events) / 2
	for name, tamper := range map[string]func([]Event) []Event{
		"text":         func(e []Event) []Event { e[n].Text += "!"; return e },
		"caller":       func(e []Event) []Event { e[n].Caller = "eve"; return e },
		"time":         func(e []Event) []Event { e[n].At = e[n].At.Add(time.Millisecond); return e },
		"status":       func(e []Event) []Event { e[n].Status = Info; return e },
		"order":        func(e []Event) []Event { e[n].Order.Name = "other"; return e },
		"property":     func(e []Event) []Event { e[n] = e[n].with("added", "x"); return e },
		"number":       func(e []Event) []Event { e[n].Seq++; return e },
		"hash":         func(e []Event) []Event { e[n].Hash = e[n-1].Hash; return e },
		"rehashed":     func(e []Event) []Event { e[n].Text += "!"; e[n].Chain(e[n].Seq, e[n].Prev); return e },
		"dropped":      func(e []Event) []Event { return slices.Delete(e, n, n+1) },
		"first gone":   func(e []Event) []Event { return e[1:] },
		"reordered":    func(e []Event) []Event { e[n], e[n+1] = e[n+1], e[n]; return e },
		"repeated":     func(e []Event) []Event { return slices.Insert(e, n, e[n]) },
		"other's":      func(e []Event) []Event { x := e[n]; x.Order.Name = "other"; x.Chain(x.Seq, nil); e[n] = x; return e },
		"from nothing": func(e []Event) []Event { x := e[0]; x.Chain(1, []byte("before")); return append([]Event{x}, e[1:]...) },
	} {
		events := tamper(append([]Event(nil), w.events...))
		err := VerifyChain(nil, events)
		if err == nil {
			t.Errorf("%s: not detected", name)
		} else if !strings.Contains(err.Error(), "event ") {
			t.Errorf("%s: the error names no event: %v", name, err)
		}
	}
}

func TestChainSurvivesJSON(t *testing.T) {
	t.Parallel()
	w := told(t)
	odd := w.o.event(w.now.In(time.FixedZone("x", 3600)).Add(123456), StageDeploy, "odd", "%s", "<b>& \u2028 \xff\xfe \x00 end")
	w.record(odd.with("output", "bad \xc3 byte", "k\xff", "v"))
	b, err := json.Marshal(w.events)
	if err != nil {
		t.Fatal(err)
	}
	var back []Event
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if err := VerifyChain(nil, back); err != nil {
		t.Error(err)
	}
	if strings.ContainsRune(back[len(back)-1].Text, 0) {
		t.Error("a NUL, which no database keeps in text, came through")
	}
}

func TestEventIDsAreStable(t *testing.T) {
	t.Parallel()
	a, b, c := Event{Order: Short("www")}, Event{Order: Short("WWW")}, Event{Order: Short("www")}
	a.Chain(7, nil)
	b.Chain(7, []byte("x"))
	c.Chain(8, nil)
	equal(t, "the same event", a.ID, b.ID)
	equal(t, "another event", a.ID == c.ID, false)
	equal(t, "length", len(a.ID), 36)
	equal(t, "version", a.ID[14:15], "8")
}
