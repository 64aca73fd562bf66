package store

import (
	"context"
	"database/sql"
	"fmt"
)

// LimitPages bounds the size of the SQLite file to a number of pages, 0 = as it is now: SQLite says of it
// what it says of a full disk. The bound is the writing connection's own.
func (s *Store) LimitPages(ctx context.Context, pages int) error {
	return s.writes.write(ctx, func(ctx context.Context, q *session) error {
		if pages == 0 {
			if err := q.one(ctx, `PRAGMA page_count`).Scan(&pages); err != nil {
				return err
			}
		}
		var n int
		return q.one(ctx, fmt.Sprintf(`PRAGMA max_page_count(%d)`, pages)).Scan(&n)
	})
}

// Plans makes the store note how SQLite goes about each of its reads from now on.
func (s *Store) Plans() *Plans {
	p := &Plans{source: s.reader}
	s.reader = p
	return p
}

// Plans are the noted ones.
type Plans struct {
	source
	Noted []string // statement and plan
}

func (p *Plans) note(ctx context.Context, text string, args []any) {
	plan := ""
	rows, err := p.source.query(ctx, "EXPLAIN QUERY PLAN "+text, args...)
	err = each(rows, err, func(r *sql.Rows) error {
		var id, parent, unused int
		var detail string
		err := r.Scan(&id, &parent, &unused, &detail)
		plan += "\n" + detail
		return err
	})
	p.Noted = append(p.Noted, fmt.Sprint(text, plan, err))
}

func (p *Plans) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	p.note(ctx, text, args)
	return p.source.query(ctx, text, args...)
}

func (p *Plans) one(ctx context.Context, text string, args ...any) row {
	p.note(ctx, text, args)
	return p.source.one(ctx, text, args...)
}
