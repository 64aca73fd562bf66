package store

import (
	"context"
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
