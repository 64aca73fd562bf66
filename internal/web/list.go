package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"certwright/internal/order"
	"certwright/internal/timeline"
)

// perPage is how many orders a page lists. Their paths are computed from the whole orders, which a
// list of hundreds would make slow.
const perPage = 25

// filter is what a list is narrowed down to; it is the page's address.
type filter struct {
	Text, After, Owner  string
	Status              order.Status
	Stage               order.StageName
	State               order.StageState
	Finding             string
	Subscription, Group string
}

func readFilter(q url.Values) filter {
	return filter{Text: clip(q.Get("q"), 255), After: q.Get("after"), Owner: q.Get("owner"), Status: order.Status(q.Get("status")),
		Stage: order.StageName(q.Get("stage")), State: order.StageState(q.Get("state")), Finding: q.Get("finding"),
		Subscription: q.Get("subscription"), Group: q.Get("group")}
}

// clip bounds what goes into a search.
func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// fields are the filter's settings, named as in the address, the empty ones left out.
func (f filter) fields() url.Values {
	v := url.Values{}
	for k, s := range map[string]string{"q": f.Text, "after": f.After, "owner": f.Owner, "status": string(f.Status), "stage": string(f.Stage),
		"state": string(f.State), "finding": f.Finding, "subscription": f.Subscription, "group": f.Group} {
		if s != "" {
			v.Set(k, s)
		}
	}
	return v
}

// url is the list's address under this filter.
func (f filter) url() string {
	if q := f.fields().Encode(); q != "" {
		return "/?" + q
	}
	return "/"
}

func (f filter) query() order.Query {
	return order.Query{Subscription: f.Subscription, Group: f.Group, Status: f.Status, Stage: f.Stage, State: f.State,
		Owner: f.Owner, Finding: f.Finding, Text: f.Text, After: f.After, Limit: perPage}
}

// narrowed says whether anything but the place in the list is set.
func (f filter) narrowed() bool {
	f.After, f.Subscription, f.Group = "", "", ""
	return f != filter{}
}

// countTile is one of the tiles over the list: a number that is a filter.
type countTile struct {
	Word   string
	State  order.StageState
	N      int64
	URL    string
	Chosen bool
}

// line is one order of the list.
type line struct {
	order.Summary
	Path    []order.Stage
	State   order.StageState
	Word    string // its status
	Text    string // what is wrong or comes next
	Expiry  string
	ExpTone string
}

// listView is all that the list page shows.
type listView struct {
	visit
	Filter filter
	Tiles  []countTile
	Lines  []line
	Next   string // address of the next page, empty at the end
	Total  int64  // orders there are, whatever the filter
	Now    time.Time
	Seen   string // digest of what is shown: see live.go
}

func (p *pages) list(w http.ResponseWriter, r *http.Request, v visit) {
	view, err := p.listView(r.Context(), readFilter(r.URL.Query()))
	if err != nil {
		p.fail(w, r, v, http.StatusInternalServerError, "The orders cannot be read", sentence(err.Error()))
		return
	}
	view.visit = v
	if partial(r) {
		p.render(w, r, http.StatusOK, listLive(view))
		return
	}
	p.render(w, r, http.StatusOK, listPage(view))
}

func (p *pages) listView(ctx context.Context, f filter) (listView, error) {
	view := listView{Filter: f, Now: p.Now()}
	counts, err := p.Reader.CountOrders(ctx, f.Subscription, f.Group)
	if err != nil {
		return view, fmt.Errorf("count the orders: %w", err)
	}
	page, err := p.Reader.ListOrders(ctx, f.query())
	if err != nil {
		return view, fmt.Errorf("list the orders: %w", err)
	}
	view.Tiles = countTiles(counts, f)
	for _, c := range counts {
		view.Total += c.N
	}
	for _, s := range page.Orders {
		view.Lines = append(view.Lines, p.line(ctx, s, view.Now))
	}
	if page.Next != "" {
		next := f
		next.After = page.Next
		view.Next = next.url()
	}
	view.Seen = digest(counts, page)
	return view, nil
}

// line reads one order's path. An order that cannot be read (deleted meanwhile) keeps its line: its
// summary says enough, and its worst stage is known.
func (p *pages) line(ctx context.Context, s order.Summary, now time.Time) line {
	l := line{Summary: s, State: s.Projection.State, Word: statusTitle(s.Projection.Status), Text: s.Projection.Text}
	if o, err := p.Reader.LoadOrder(ctx, s.ID); err == nil {
		l.Path = p.Path(o, now)
		t := tileOf(o, p.Project(o, now), l.Path, now)
		l.Word, l.State = t.Title, t.State
		l.Text = firstOf(l.Text, t.Todo)
	} else {
		l.Path = []order.Stage{{Stage: s.Projection.Stage, State: s.Projection.State}}
	}
	if pr := s.Projection; pr.Finding != "" {
		l.Text = pr.FindingTitle + ", for " + timeline.Lasting(coarse(now.Sub(pr.FindingSince)))
	}
	l.Expiry, l.ExpTone = expiryWords(s.Projection.Expires, now, l.State)
	return l
}

// countTiles are the numbers over the list. Those that mean trouble come first, and only they and the
// main ones are there when they are zero.
func countTiles(counts []order.Count, f filter) []countTile {
	sum := func(match func(order.Count) bool) (n int64) {
		for _, c := range counts {
			if match(c) {
				n += c.N
			}
		}
		return n
	}
	base := filter{Text: f.Text, Subscription: f.Subscription, Group: f.Group}
	var out []countTile
	add := func(word string, icon order.StageState, g filter, always bool, match func(order.Count) bool) {
		n := sum(match)
		chosen := f.Status == g.Status && f.Stage == g.Stage && f.State == g.State && f.Owner == g.Owner
		if n > 0 || always || chosen {
			out = append(out, countTile{Word: word, State: icon, N: n, URL: g.url(), Chosen: chosen})
		}
	}
	add("All orders", "", base, true, func(order.Count) bool { return true })
	with := func(set func(*filter)) filter { g := base; set(&g); return g }
	add("Something failed", order.StateFail, with(func(g *filter) { g.State = order.StateFail }), true,
		func(c order.Count) bool { return c.State == order.StateFail })
	add("Key Vault out of sync", order.StateFail, with(func(g *filter) { g.Stage, g.State = order.StageStore, order.StateFail }), false,
		func(c order.Count) bool { return c.Stage == order.StageStore && c.State == order.StateFail })
	for _, s := range []order.Status{order.StatusExpired, order.Denied, order.Pendingissuance, order.PendingRekey, order.Pendingrevocation,
		order.StatusRevoked, order.StatusCanceled, order.Issued} {
		always := s == order.Issued || s == order.Pendingissuance
		add(statusTitle(s), statusWords[s].State, with(func(g *filter) { g.Status = s }), always, func(c order.Count) bool { return c.Status == s })
	}
	return out
}

// digest says in short what a list shows: it changes when any order of it, or any count, does.
func digest(counts []order.Count, page order.Page) string {
	h := sha256.New()
	for _, c := range counts {
		fmt.Fprintln(h, c)
	}
	for _, s := range page.Orders {
		fmt.Fprintln(h, s.ID.Key(), s.Revision)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
