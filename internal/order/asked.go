package order

import "time"

// Who asks for something while it is being done asks for it once more: what they have just mended or spoilt, the work
// under way may have seen before.

// timed is a result that tells when the work that it is of began, where that decides whose wish it answers.
type timed interface{ begun(at time.Time) Result }

func (r Deployed) begun(at time.Time) Result     { r.Began = at; return r }
func (r DeployFailed) begun(at time.Time) Result { r.Began = at; return r }
func (r Looked) begun(at time.Time) Result       { r.Began = at; return r }
func (r VaultSeen) begun(at time.Time) Result    { r.Began = at; return r }
func (r AttemptWaits) begun(at time.Time) Result { r.Began = at; return r }

// WorkBegan notes in each result of a step when the step began.
func WorkBegan(at time.Time, results []Result) []Result {
	for i, r := range results {
		if r, ok := r.(timed); ok {
			results[i] = r.begun(at)
		}
	}
	return results
}

// answers says whether work that began then answers what was asked for; a zero time is none.
func answers(began, asked time.Time) bool { return began.IsZero() || !asked.After(began) }

// ask makes a look due as soon as the other side allows, also where one is under way.
func (e *EndpointRow) ask(now time.Time) {
	e.hurry()
	e.AskedAt = now
}

func (v *VaultRow) ask(now time.Time) {
	v.hurry()
	v.CheckAt, v.AskedAt = time.Time{}, now
}

// ask has the issuer asked, also where we do not see the proof.
func (a *Attempt) ask(now time.Time) {
	a.hurry()
	a.Ask, a.AskedAt = true, now
}
