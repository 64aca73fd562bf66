package inspect

import (
	"context"
	"fmt"
	"slices"
	"time"

	"certwright/internal/evidence"
)

// maxQuestions bounds what is asked beyond the first round.
const maxQuestions = 32

// Further is how an inspection goes on after its first round.
type Further struct {
	Clock
	Began time.Time // of the inspection; the deadline counts from here
	// Open says what would tell apart the causes that remain by what has been seen: the judgement's part.
	Open func(obs []evidence.Observation) []evidence.Question
	// Ask makes one further look; nothing = it is not possible from here.
	Ask func(ctx context.Context, q evidence.Question) []evidence.Observation
}

// Settle asks what tells apart the causes that remain, the cheapest first, and has all judged anew after each answer. It ends
// when nothing is left to ask or the deadline is near; what was not asked then is an observation too, UNKNOWN, with the reason.
func Settle(ctx context.Context, obs []evidence.Observation, f Further) []evidence.Observation {
	ctx, cancel := context.WithTimeout(ctx, max(f.left(), 0))
	defer cancel()
	asked := map[string]bool{}
	for range maxQuestions {
		q, ok := cheapest(f.Open(obs), asked)
		if !ok {
			return obs
		}
		asked[q.Key()] = true
		obs = append(obs, f.answer(ctx, q)...)
	}
	return obs
}

// left is how much of the deadline is left.
func (f Further) left() time.Duration { return f.deadline() - f.Now().Sub(f.Began) }

// cheapest picks the question that costs least of those not asked yet.
func cheapest(open []evidence.Question, asked map[string]bool) (evidence.Question, bool) {
	open = slices.DeleteFunc(slices.Clone(open), func(q evidence.Question) bool { return asked[q.Key()] })
	if len(open) == 0 {
		return evidence.Question{}, false
	}
	return slices.MinFunc(open, func(a, b evidence.Question) int { return int(a.Cost - b.Cost) }), true
}

// answer asks one question, if there is time for it.
func (f Further) answer(ctx context.Context, q evidence.Question) []evidence.Observation {
	start := f.Now()
	none := func(why string) []evidence.Observation {
		o := evidence.Observation{Probe: probeOf(q), Check: evidence.CheckQuestion, Subject: q.About() + ", " + q.Why, Outcome: evidence.Unknown, Reason: why,
			From: f.From, At: start, Took: f.Now().Sub(start)}
		return []evidence.Observation{o.With(q)}
	}
	if left := f.left(); q.Cost > left || ctx.Err() != nil {
		return none(fmt.Sprintf("no time was left for that look: it takes about %s, and %s of %s were left", q.Cost.Round(time.Millisecond), max(left, 0).Round(time.Millisecond), f.deadline()))
	}
	f.tell("asking %s", q.Why)
	done := make(chan []evidence.Observation, 1)
	go func() { done <- f.Ask(ctx, q) }()
	select {
	case got := <-done:
		if len(got) > 0 {
			return got
		}
		return none("that look is not possible from here")
	case <-ctx.Done():
		return none("that look was not answered in time")
	}
}

// probeOf is the probe that answers a question.
func probeOf(q evidence.Question) string {
	switch q.What {
	case evidence.AskAgents:
		return evidence.ProbeHTTP
	case evidence.AskTest:
		return evidence.ProbeTarget
	}
	return evidence.ProbeTLS
}
