package faq

import (
	"slices"
	"sort"
	"strings"
	"unicode"
)

// Weights of where a word is found: an id says most, a title nearly as much.
const (
	inID      = 12
	inTitle   = 8
	inMeaning = 3
	inText    = 1
)

// small are words that say nothing.
var small = strings.Fields("a an and are as at be by can do does for from how i in is it its me my no not of on or our the this to was what when where which why will with you your")

// Search finds the articles that the words fit, the best first. An article counts if it has at least one of the
// words; one that has them all stands before those that have not.
func Search(words string) []Article {
	terms := terms(words)
	type hit struct {
		a     Article
		found int
		score int
	}
	var hits []hit
	for _, a := range All() {
		h := hit{a: a}
		for _, t := range terms {
			if s := a.score(t); s > 0 {
				h.found++
				h.score += s
			}
		}
		if h.found > 0 {
			hits = append(hits, h)
		}
	}
	sort.SliceStable(hits, func(i, j int) bool {
		if hits[i].found != hits[j].found {
			return hits[i].found > hits[j].found
		}
		return hits[i].score > hits[j].score
	})
	var out []Article
	for _, h := range hits {
		if h.found == hits[0].found || h.found*2 >= len(terms) {
			out = append(out, h.a)
		}
	}
	return out
}

func terms(words string) []string {
	var out []string
	for _, w := range split(words) {
		if !slices.Contains(small, w) && !slices.Contains(out, stem(w)) {
			out = append(out, stem(w))
		}
	}
	return out
}

func split(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// stem takes the commonest endings off, so that "expired" finds "expires".
func stem(w string) string {
	for _, end := range []string{"ing", "ed", "es", "s", "d", "e"} {
		if cut, ok := strings.CutSuffix(w, end); ok && len(cut) >= 4 {
			return cut
		}
	}
	return w
}

// score is how well a term fits an article.
func (a Article) score(term string) int {
	score := 0
	count := func(text string, weight int) {
		for _, w := range split(text) {
			if w == term || stem(w) == term || len(term) >= 4 && strings.HasPrefix(w, term) {
				score += weight
				return
			}
		}
	}
	count(a.ID+" "+strings.Join(a.Aliases, " "), inID)
	count(a.Title, inTitle)
	for i, s := range a.Sections {
		weight := inText
		if i == 0 {
			weight = inMeaning
		}
		count(s.Text, weight)
	}
	return score
}

// Nearest are up to three ids that look like a mistyped one, the nearest first.
func Nearest(id string) []string {
	type near struct {
		id   string
		dist int
	}
	id = strings.ToLower(id)
	var list []near
	for _, a := range All() {
		for _, w := range append([]string{a.ID}, a.Aliases...) {
			if d := distance(id, strings.ToLower(w)); d <= max(2, len(id)/3) {
				list = append(list, near{a.ID, d})
				break
			}
		}
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].dist < list[j].dist })
	var out []string
	for _, n := range list[:min(3, len(list))] {
		out = append(out, n.id)
	}
	return out
}

// distance is how many letters have to be added, removed or changed (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		last := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			last, row[j] = row[j], min(row[j]+1, row[j-1]+1, last+cost)
		}
	}
	return row[len(b)]
}
