package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"certwright/internal/order"
)

// chainHead is where a chain of events ends.
type chainHead struct {
	seq  int64
	hash []byte
}

func headAfter(h chainHead, written []order.Event) chainHead {
	if n := len(written); n > 0 {
		return chainHead{written[n-1].Seq, written[n-1].Hash}
	}
	return h
}

// chain gives copies of the events, linked behind the head. An event without order or time gets them.
func (s *Store) chain(id order.ID, head chainHead, events []order.Event) []order.Event {
	out := make([]order.Event, len(events))
	for i, e := range events {
		if e.Order == (order.ID{}) {
			e.Order = id
		}
		if e.At.IsZero() {
			e.At = s.now()
		}
		scrub(&e)
		e.Chain(head.seq+1, head.hash)
		head = chainHead{e.Seq, e.Hash}
		out[i] = e
	}
	return out
}

// scrub makes the texts valid UTF-8: encoding/json writes a broken byte otherwise than the character that it
// becomes, and the hash would not be found again.
func scrub(e *order.Event) {
	for _, p := range []*string{&e.Caller, &e.Correlation, &e.Operation, &e.Name, &e.SubStatus, &e.Text} {
		*p = strings.ToValidUTF8(*p, "\uFFFD")
	}
	var clean map[string]string
	for k, v := range e.Properties {
		if clean == nil {
			clean = make(map[string]string, len(e.Properties))
		}
		clean[strings.ToValidUTF8(k, "\uFFFD")] = strings.ToValidUTF8(v, "\uFFFD")
	}
	e.Properties = clean
}

// eventsAtOnce go into one statement.
const eventsAtOnce = 16

func (q *session) insertEvents(ctx context.Context, events []order.Event) error {
	for len(events) > 0 {
		n := min(len(events), eventsAtOnce)
		args := make([]any, 0, n*8)
		for _, e := range events[:n] {
			doc, err := json.Marshal(e)
			if err != nil {
				return err
			}
			args = append(args, e.Order.Key(), lower(e.Order.Subscription), lower(e.Order.Group), e.Seq, ms(e.At), e.Correlation, providerOf(e.Order), string(doc))
		}
		if _, err := q.exec(ctx, `INSERT INTO events (order_key, subscription, resource_group, seq, at, correlation, provider, doc) VALUES `+
			values(n, 8), args...); err != nil {
			return err
		}
		q.events = true
		for i := range events[:n] {
			if err := q.post(ctx, &events[i]); err != nil {
				return err
			}
		}
		events = events[n:]
	}
	return nil
}

// providerOf is the provider of a resource as rows have it: empty for an order's.
func providerOf(id order.ID) string {
	if id.Type == "" {
		return ""
	}
	provider, _, _ := strings.Cut(lower(id.Type), "/")
	return provider
}

// tell records what was done to resources that are no orders, behind what was done to them before. The caller holds each one's row. Where their
// chains end is kept as that of a deleted order is.
func (q *session) tell(ctx context.Context, s *Store, told []order.Event) error {
	for _, e := range told {
		key := e.Order.Key()
		head, err := q.endOfChain(ctx, key)
		if err != nil {
			return err
		}
		chained := s.chain(e.Order, head, []order.Event{e})
		if err := q.insertEvents(ctx, chained); err != nil {
			return err
		}
		if err := q.endChain(ctx, key, headAfter(head, chained)); err != nil {
			return err
		}
	}
	return nil
}

// endOfChain is where the chain of a deleted order, or of what is no order, ended; zero when there was none.
func (q *session) endOfChain(ctx context.Context, key string) (chainHead, error) {
	var h chainHead
	err := q.one(ctx, `SELECT end_seq, end_hash FROM chains WHERE order_key = $1`, key).Scan(&h.seq, &h.hash)
	if errors.Is(err, sql.ErrNoRows) {
		return h, nil
	}
	return h, err
}

// endChain records where the chain of an order that is being deleted ends.
func (q *session) endChain(ctx context.Context, key string, h chainHead) error {
	_, err := q.exec(ctx, `INSERT INTO chains (order_key, base_seq, base_hash, end_seq, end_hash) VALUES ($1, 0, NULL, $2, $3)
		ON CONFLICT (order_key) DO UPDATE SET end_seq = excluded.end_seq, end_hash = excluded.end_hash`, key, h.seq, h.hash)
	return err
}

// Events lists events as the query says, with the cursor of the next page (empty at the end). Of one
// order they are sorted by number, of many by time.
func (s *Store) Events(ctx context.Context, eq order.EventQuery) ([]order.Event, string, error) {
	var w where
	if eq.Order != nil {
		w.add("order_key = ?", eq.Order.Key())
	}
	w.eq("subscription", lower(eq.Subscription))
	w.eq("resource_group", lower(eq.Group))
	if eq.Correlation != "" {
		w.add("correlation = ? AND correlation <> ''", eq.Correlation) // the second half is the index's own condition
	}
	switch provider := lower(eq.Provider); provider {
	case "":
	case lower(order.Provider):
		w.add("provider = ''")
	default:
		w.add("provider = ? AND provider <> ''", provider) // the second half is the index's own condition
	}
	if !eq.From.IsZero() {
		w.add("at >= ?", dueMS(eq.From))
	}
	if !eq.To.IsZero() {
		w.add("at < ?", dueMS(eq.To))
	}
	if eq.Order != nil && eq.After > 0 {
		w.add("seq > ?", eq.After)
	}
	if eq.Order != nil && eq.Before > 0 {
		w.add("seq < ?", eq.Before)
	}
	// One order is sorted by its own numbers; a clock set back does not disorder it.
	sortBy := "at"
	if eq.Order != nil {
		sortBy = "seq"
	}
	compare, dir := "<", " DESC"
	if eq.Ascending {
		compare, dir = ">", ""
	}
	if eq.Cursor != "" {
		a, id, err := cursorPair(eq.Cursor)
		if err != nil {
			return nil, "", err
		}
		w.add("("+sortBy+", id) "+compare+" (?, ?)", a, id)
	}
	limit := bounded(eq.Limit)
	text := `SELECT ` + sortBy + `, id, doc FROM events` + w.text() + ` ORDER BY ` + sortBy + dir + `, id` + dir +
		` LIMIT ` + strconv.Itoa(limit+1)
	rows, err := s.reader.query(ctx, text, w.args...)
	events, cursors, err := readEvents(rows, err)
	if err != nil {
		return nil, "", fail("list events", err)
	}
	if len(events) > limit {
		return events[:limit], cursors[limit-1], nil
	}
	return events, "", nil
}

// FollowOrder gives an order's events after a number, oldest first.
func (s *Store) FollowOrder(ctx context.Context, id order.ID, afterSeq int64, limit int) ([]order.Event, error) {
	rows, err := s.reader.query(ctx, `SELECT seq, id, doc FROM events WHERE order_key = $1 AND seq > $2
		ORDER BY seq LIMIT $3`, id.Key(), afterSeq, bounded(limit))
	events, _, err := readEvents(rows, err)
	return events, fail("read events of order "+id.Name, err)
}

// readEvents reads rows of (sort value, id, doc); a cursor is "sort value.id".
func readEvents(rows *sql.Rows, err error) ([]order.Event, []string, error) {
	var events []order.Event
	var cursors []string
	err = each(rows, err, func(r *sql.Rows) error {
		var a, id int64
		var doc string
		if err := r.Scan(&a, &id, &doc); err != nil {
			return err
		}
		var e order.Event
		if err := json.Unmarshal([]byte(doc), &e); err != nil {
			return fmt.Errorf("stored event %d cannot be read: %w", id, err)
		}
		events, cursors = append(events, e), append(cursors, pair(a, id))
		return nil
	})
	return events, cursors, err
}

func pair(a, b int64) string { return strconv.FormatInt(a, 10) + "." + strconv.FormatInt(b, 10) }

// ErrCursor is the error of a cursor that this store did not give.
var ErrCursor error = &order.Refusal{Kind: order.BadInput, Code: "InvalidCursor", Message: "the cursor is not one that was given out", Fix: "Begin again without one"}

func cursorPair(c string) (int64, int64, error) {
	x, y, _ := strings.Cut(c, ".")
	a, err1 := strconv.ParseInt(x, 10, 64)
	b, err2 := strconv.ParseInt(y, 10, 64)
	if err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("%q: %w", c, ErrCursor)
	}
	return a, b, nil
}
