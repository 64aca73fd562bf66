package diagnose

import (
	"cmp"
	"slices"
	"time"

	"certwright/internal/evidence"
)

// furtherLooks say which further look tells of a sign that is dark, and what it costs about as much as: the first round leaves these
// out. A look that costs more at a certain place says so there (scope.questions).
var furtherLooks = []struct {
	sign sign
	what string
	cost time.Duration
	why  string
}{
	{hAgent, evidence.AskAgents, 100 * time.Millisecond, "whether the answer depends on the User-Agent, or on which node is hit"},
	{sSteady, evidence.AskAgain, 200 * time.Millisecond, "whether what is served depends on the client, or on which node is hit"},
	{tTestElse, evidence.AskTest, 300 * time.Millisecond, "whether the server itself accepts its configuration"},
	{tReloadBad, evidence.AskTest, 300 * time.Millisecond, "whether the server itself accepts its configuration"},
	{fAccepted, evidence.AskTest, 300 * time.Millisecond, "whether the server itself accepts the files"},
	{sByNode, evidence.AskAgain, 200 * time.Millisecond, "whether what is served depends on the client, or on which node is hit"},
}

// Open judges the case with these observations in place of its own, and gives the further looks that would tell apart causes
// of which they cannot say which one it is, the cheapest first. None where all is decided, or where no look is known that
// would decide it.
func (c Case) Open(obs []evidence.Observation) []evidence.Question {
	c.Observations = obs
	return c.judge().questions(catalogue())
}

func (j *judge) questions(rows []Row) []evidence.Question {
	found, _ := weighAll(rows, j.scopes())
	found = append(found, j.problems(found)...)
	var out []evidence.Question
	add := func(q evidence.Question) {
		if !slices.ContainsFunc(out, func(o evidence.Question) bool { return o.Key() == q.Key() }) {
			out = append(out, q)
		}
	}
	for _, root := range frontier(found) {
		if root.own != nil || root.verdict != possible {
			continue
		}
		group := append([]*candidate{root}, root.orElse...)
		for _, c := range group {
			c.ask(group, add)
		}
	}
	slices.SortStableFunc(out, func(a, b evidence.Question) int { return cmp.Compare(a.Cost, b.Cost) })
	return out
}

// ask asks for the dark signs of a candidate that tell it from the rest of its group.
func (c *candidate) ask(group []*candidate, add func(evidence.Question)) {
	for _, s := range c.scopes {
		for _, a := range furtherLooks {
			if s.signs[a.sign].state != dark || c.row.side(a.sign) == 0 || !splits(group, a.sign) {
				continue
			}
			for _, q := range s.questions {
				q.What, q.Why, q.Cost = a.what, a.why, max(q.Cost, a.cost)
				add(q)
			}
		}
	}
}

// side is how a row takes a sign: 1 needs it, -1 is excluded by it, 0 does not look at it.
func (r *Row) side(name sign) int {
	switch {
	case slices.Contains(r.Must, name):
		return 1
	case slices.Contains(r.MustNot, name):
		return -1
	}
	return 0
}

// splits says whether an answer about the sign would leave fewer of the group: not if all of them take it in the same way, for
// then all of them stand or fall with it. A group of one is told from "nothing of the kind".
func splits(group []*candidate, name sign) bool {
	for _, c := range group[1:] {
		if c.row.side(name) != group[0].row.side(name) {
			return true
		}
	}
	return len(group) == 1
}

// unanswered notes on the dark signs why the look that would tell of them was not made.
func (j *judge) unanswered(scopes []*scope) {
	for _, o := range j.obs {
		q, ok := evidence.Decode[evidence.Question](o)
		if o.Check != evidence.CheckQuestion || !ok {
			continue
		}
		for _, s := range scopes {
			for _, a := range furtherLooks {
				m := s.signs[a.sign]
				if a.what == q.What && m.state == dark && m.why != "" && s.mayAsk(q) {
					m.why += " (" + o.Reason + ")"
					s.signs[a.sign] = m
				}
			}
		}
	}
}

// mayAsk says whether the question is one of the scope's.
func (s *scope) mayAsk(q evidence.Question) bool {
	return slices.ContainsFunc(s.questions, func(o evidence.Question) bool {
		o.What = q.What
		return o.Key() == q.Key()
	})
}
