package web

import (
	"encoding/hex"
	"hash/fnv"
	"net/url"
	"strconv"
	"strings"
	"time"

	"certwright/internal/order"
	"certwright/internal/timeline"
)

// toneFor is the tone of a state; unknown states are quiet.
func toneFor(s order.StageState) string { return firstOf(stateTone[s], toneOff) }

// noteState is the icon of a message.
func noteState(tone string) order.StageState {
	switch tone {
	case toneOK:
		return order.Done
	case toneBad:
		return order.StateFail
	}
	return order.StateWait
}

// number groups thousands: 12 345.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// domID is a short id for an element that stands for a thing: morphing finds it again by it.
func domID(key string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key)) // a hash never fails
	return hex.EncodeToString(h.Sum(nil))
}

// without is a copy of fields that lacks some.
func without(v url.Values, names ...string) url.Values {
	for _, n := range names {
		v.Del(n)
	}
	return v
}

// first is the filter at its first page.
func first(f filter) filter {
	f.After = ""
	return f
}

// fits says what the list is narrowed down to.
func fits(f filter) string {
	s := "Shown are only orders"
	if f.Status != "" {
		s += " with status " + statusTitle(f.Status)
	}
	if f.Stage != "" {
		s += " at stage " + firstOf(stageWord[f.Stage], string(f.Stage))
	}
	if f.State != "" {
		s += " that are " + wordOf(f.State)
	}
	if f.Finding != "" {
		s += " with the finding " + f.Finding
	}
	if f.Owner != "" {
		s += " that wait for " + ownerOf(f.Owner)
	}
	if f.Text != "" {
		s += " with " + strconv.Quote(f.Text) + " in a name"
	}
	if s == "Shown are only orders" {
		return "The list ends here."
	}
	return s + "."
}

// follows is the stream of a page, empty when nothing is live.
func follows(v visit, stream string) string {
	if !v.Live {
		return ""
	}
	return stream
}

func severityTone(s string) string {
	switch s {
	case "critical":
		return toneBad
	case "info":
		return toneOff
	}
	return toneWait
}

// actionWord is an action as a button says it.
func actionWord(a string) string {
	return upperFirst(strings.ReplaceAll(a, "-", " "))
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// rowsSummary says how a stage's rows stand without opening them: "3 targets: 2 done, 1 failed".
func rowsSummary(s order.Stage) string {
	n := map[order.StageState]int{}
	for _, r := range s.Rows {
		n[r.State]++
	}
	out := strconv.Itoa(len(s.Rows)) + " " + rowsWord[s.Stage]
	if len(s.Rows) == 1 {
		out = "1 " + strings.TrimSuffix(rowsWord[s.Stage], "s")
	}
	sep := ": "
	for _, st := range []order.StageState{order.StateFail, order.Blocked, order.StateWait, order.StateUnkno, order.Disabled, order.Done} {
		if n[st] > 0 {
			out += sep + strconv.Itoa(n[st]) + " " + wordOf(st)
			sep = ", "
		}
	}
	return out
}

// versionState and versionWord tell a version's place: the current one of its key type, an older one, one
// that was withdrawn. That an older one has expired is no news; that the current one has is the worst there is.
func versionState(x order.Version, v orderView) order.StageState {
	switch versionWord(x, v) {
	case "revoked":
		return order.Disabled
	case "expired":
		return order.StateFail
	case "not stored yet":
		return order.StateWait
	case "current":
		return order.Done
	}
	return order.Absent
}

func versionWord(x order.Version, v orderView) string {
	switch {
	case x.State == order.VersionRevoked || x.RevokedAt != nil:
		return "revoked"
	case x.State == order.VersionIssued:
		return "not stored yet"
	case !isCurrent(x, v):
		return "replaced"
	case !x.NotAfter.After(v.Now):
		return "expired"
	}
	return "current"
}

// isCurrent: the newest stored one of its key type.
func isCurrent(x order.Version, v orderView) bool {
	for _, y := range v.Order.Versions {
		if y.KeyType == x.KeyType && y.Number > x.Number && y.State == order.VersionStored {
			return false
		}
	}
	return x.State == order.VersionStored
}

func reasonWord(x order.Version) string {
	switch x.Reason {
	case order.First:
		return "first issue"
	case order.Renewal:
		return "renewal"
	case order.Manual:
		return "renewed by hand"
	case order.Rekey:
		return "rekey"
	}
	return firstOf(string(x.Reason), "brought")
}

func outcomeWord(e timeline.Entry) string {
	if e.Outcome == timeline.Noted {
		return "noted"
	}
	return string(e.Outcome)
}

func steps(e timeline.Entry) string {
	n := 0
	for _, l := range e.Lines {
		n += l.Count
	}
	if n == len(e.Lines) {
		return strconv.Itoa(n) + " steps"
	}
	return strconv.Itoa(n) + " events in " + strconv.Itoa(len(e.Lines)) + " lines"
}

// lineState is the icon of an event. A step that was begun is no state: what came of it is told by the
// events after it.
func lineState(l timeline.Line) order.StageState {
	switch {
	case l.Waits():
		return order.StateWait
	case l.Status == order.Failed:
		return order.StateFail
	case l.Begun():
		return order.Absent
	case l.Status == order.Succeeded:
		return order.Done
	}
	return stateNote
}

func lineWord(l timeline.Line) string {
	switch s := lineState(l); s {
	case order.Absent:
		return "begun"
	case stateNote:
		return "noted"
	default:
		return wordOf(s)
	}
}

// took says how long an operation lasted, or has lasted so far.
func took(e timeline.Entry) string {
	if e.Outcome == timeline.Succeeded || e.Outcome == timeline.Noted {
		return "took " + timeline.Lasting(e.Duration())
	}
	return "for " + timeline.Lasting(e.Duration()) + " so far"
}

// dueWord begins a deadline: one that has passed is said to be so.
func dueWord(deadline, now time.Time) string {
	if deadline.Before(now) {
		return "Overdue since"
	}
	return "By"
}

// nextOf is what happens next at a stage, unless one of its rows says the same or nothing happens at all.
func nextOf(s order.Stage) string {
	if s.State == order.Disabled {
		return ""
	}
	for _, r := range s.Rows {
		if r.Text == s.Next {
			return ""
		}
	}
	return s.Next
}
