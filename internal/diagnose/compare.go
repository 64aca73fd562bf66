package diagnose

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
)

// What follows judges the same case by simpler methods. The scenarios hold the real judgement against them; nothing
// else uses them.

// FirstFailing is what a list of checks says that stops at the first that fails: the rows in the order of the
// certificate's road, each a check of its symptom alone, as checkers do. Empty if none fails.
func (c Case) FirstFailing() string { return c.first(1) }

// FirstMatching is the same with all that each row must see; still without what excludes a row and without the
// frontier.
func (c Case) FirstMatching() string { return c.first(100) }

// first is the first row on the road whose first so many conditions hold.
func (c Case) first(musts int) string {
	all := c.matching(musts)
	if len(all) == 0 {
		return ""
	}
	sort.SliceStable(all, func(a, b int) bool { return all[a].at() < all[b].at() })
	return all[0].id()
}

// BySeverity lists every row that matches, the most severe first: what excludes a row counts, but nothing is
// explained by anything else.
func (c Case) BySeverity() []string {
	j := c.judge()
	found, _ := weighAll(catalogue(), j.scopes())
	found = append(found, j.problems(found)...)
	rank := map[string]int{Critical: 0, Warning: 1, Info: 2}
	severity := func(x *candidate) int {
		if x.own != nil {
			return rank[x.own.Severity]
		}
		return rank[x.row.Severity]
	}
	sort.SliceStable(found, func(a, b int) bool { return severity(found[a]) < severity(found[b]) })
	var ids []string
	for _, x := range found {
		ids = append(ids, x.id())
	}
	return ids
}

// Shuffled judges with the ids of the rows exchanged among twins, differently for each seed: the rules are as
// strict as before, and know nothing. A test that this passes measures nothing.
func (c Case) Shuffled(seed uint64) Report {
	rows := catalogue()
	r := rand.New(rand.NewPCG(seed, uint64(len(rows))))
	for _, group := range twinGroups(rows) {
		r.Shuffle(len(group), func(a, b int) { group[a], group[b] = group[b], group[a] })
		first := rows[group[0]].ID
		for i := range group[:len(group)-1] {
			rows[group[i]].ID = rows[group[i+1]].ID // round by one: none keeps its own
		}
		rows[group[len(group)-1]].ID = first
	}
	return c.judge().judgeWith(rows)
}

// judge is the judgement's state, as Judge makes it.
func (c Case) judge() *judge {
	o := c.Options
	if o.Roots == nil {
		o.Roots = c.pool()
	}
	return newJudge(c.Target, c.Observations, c.Path, c.Now, o)
}

// matching are the rows whose first so many conditions hold somewhere, when nothing excludes them.
func (c Case) matching(musts int) []*candidate {
	rows := slices.Clone(catalogue())
	rows = slices.DeleteFunc(rows, func(r Row) bool { return r.Note })
	for i := range rows {
		rows[i].MustNot, rows[i].Must = nil, rows[i].Must[:min(musts, len(rows[i].Must))]
	}
	j := c.judge()
	found, _ := weighAll(rows, j.scopes())
	found = slices.DeleteFunc(found, func(x *candidate) bool { return x.verdict != confirmed || x.row.Severity == Info })
	return append(found, j.problems(nil)...)
}

// twinGroups are the rows that are each other's twins, by their places in the list.
func twinGroups(rows []Row) [][]int {
	at, group := map[string]int{}, map[int]int{}
	for i, r := range rows {
		at[r.ID], group[i] = i, i
	}
	for i, r := range rows {
		for _, t := range r.Twins {
			k, ok := at[t.ID]
			if !ok || group[k] == group[i] {
				continue
			}
			from, to := group[k], group[i]
			for m, g := range group {
				if g == from {
					group[m] = to
				}
			}
		}
	}
	members := map[int][]int{}
	for _, i := range slices.Sorted(maps.Keys(group)) {
		members[group[i]] = append(members[group[i]], i)
	}
	var out [][]int
	for _, g := range slices.Sorted(maps.Keys(members)) {
		if len(members[g]) > 1 {
			out = append(out, members[g])
		}
	}
	return out
}
