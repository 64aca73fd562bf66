package inspect_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/inspect"
)

// asker answers questions and keeps count; each answer takes its question's cost on the clock.
type asker struct {
	now   time.Time
	asked []string
	gives func(q evidence.Question) []evidence.Observation
}

func (a *asker) ask(_ context.Context, q evidence.Question) []evidence.Observation {
	a.asked = append(a.asked, q.Address)
	a.now = a.now.Add(q.Cost)
	return a.gives(q)
}

func question(at string, cost time.Duration) evidence.Question {
	return evidence.Question{What: evidence.AskAgain, Address: at, Cost: cost, Why: "which it is"}
}

func answerTo(q evidence.Question) []evidence.Observation {
	return []evidence.Observation{{Probe: evidence.ProbeTLS, Check: q.What, Subject: q.Address, Outcome: evidence.Pass}}
}

func TestSettle(t *testing.T) {
	dear, cheap, middle := question("dear", 6*time.Second), question("cheap", time.Second), question("middle", 3*time.Second)
	for _, tt := range []struct {
		title   string
		spent   time.Duration // by the first round
		open    func(obs []evidence.Observation) []evidence.Question
		gives   func(evidence.Question) []evidence.Observation
		asked   []string
		reasons []string // of what was not answered
	}{
		{title: "nothing is open", open: func([]evidence.Observation) []evidence.Question { return nil }},
		{title: "the cheapest first, each once", open: func([]evidence.Observation) []evidence.Question { return []evidence.Question{dear, cheap, middle} },
			asked: []string{"cheap", "middle", "dear"}},
		{title: "judged anew after each answer: what is decided is asked no more", open: func(obs []evidence.Observation) []evidence.Question {
			if len(obs) > 1 {
				return nil
			}
			return []evidence.Question{middle, cheap}
		}, asked: []string{"cheap"}},
		{title: "an answer opens another question", open: func(obs []evidence.Observation) []evidence.Question {
			if len(obs) > 1 {
				return []evidence.Question{cheap, middle}
			}
			return []evidence.Question{cheap}
		}, asked: []string{"cheap", "middle"}},
		{title: "what does not fit is not begun", spent: 5 * time.Second, open: func([]evidence.Observation) []evidence.Question { return []evidence.Question{dear, cheap} },
			asked: []string{"cheap"}, reasons: []string{"no time was left for that look: it takes about 6s, and 4s of 10s were left"}},
		{title: "nothing is left", spent: 11 * time.Second, open: func([]evidence.Observation) []evidence.Question { return []evidence.Question{cheap} },
			reasons: []string{"and 0s of 10s were left"}},
		{title: "not possible from here", open: func([]evidence.Observation) []evidence.Question { return []evidence.Question{cheap} },
			gives: func(evidence.Question) []evidence.Observation { return nil }, asked: []string{"cheap"}, reasons: []string{"not possible from here"}},
	} {
		t.Run(tt.title, func(t *testing.T) {
			began := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
			a := &asker{now: began.Add(tt.spent), gives: answerTo}
			if tt.gives != nil {
				a.gives = tt.gives
			}
			first := []evidence.Observation{{Probe: evidence.ProbeTLS, Check: "handshake"}}
			got := inspect.Settle(t.Context(), first, inspect.Further{Clock: inspect.Clock{Now: func() time.Time { return a.now }, From: "test"}, Began: began, Open: tt.open, Ask: a.ask})
			if !slices.Equal(a.asked, tt.asked) {
				t.Errorf("asked %v, want %v", a.asked, tt.asked)
			}
			var open []evidence.Observation
			for _, o := range got {
				if o.Check == evidence.CheckQuestion {
					open = append(open, o)
				}
			}
			if len(open) != len(tt.reasons) || len(got) != 1+len(a.asked)+len(open) && tt.gives == nil {
				t.Fatalf("%v", got)
			}
			for i, o := range open {
				if q, ok := evidence.Decode[evidence.Question](o); !ok || q.Why == "" || o.Outcome != evidence.Unknown || !strings.Contains(o.Reason, tt.reasons[i]) {
					t.Errorf("%s", o)
				}
			}
		})
	}
}

// A look that hangs holds up nobody.
func TestSettleLeavesWhatHangs(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	q := question("hangs", time.Millisecond)
	got := inspect.Settle(t.Context(), nil, inspect.Further{Clock: inspect.Clock{Now: time.Now, From: "test", Deadline: 100 * time.Millisecond}, Began: time.Now(),
		Open: func([]evidence.Observation) []evidence.Question { return []evidence.Question{q} },
		Ask:  func(context.Context, evidence.Question) []evidence.Observation { <-release; return nil }})
	if len(got) != 1 || !strings.Contains(got[0].Reason, "not answered in time") {
		t.Errorf("%v", got)
	}
}
