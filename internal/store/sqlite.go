package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// readers is how many reads run at once on SQLite.
const readers = 4

// openSQLite opens the file with three pools: one connection that writes, some that read, and one
// connection for River. WAL lets readers go on beside a writer; synchronous=FULL makes a commit survive a loss of power.
func (s *Store) openSQLite(ctx context.Context, path string) error {
	if err := makeFile(path); err != nil {
		return err
	}
	write, err := s.pool(path, 1, url.Values{"_txlock": {"immediate"}})
	if err != nil {
		return err
	}
	if err := migrate(ctx, goose.DialectSQLite3, write); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	read, err := s.pool(path, readers, url.Values{"mode": {"ro"}})
	if err != nil {
		return err
	}
	s.reader = &prepared{h: read}
	if s.river, err = s.pool(path, 1, url.Values{"_txlock": {"immediate"}}); err != nil {
		return err
	}
	conn, err := write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open %s for writing: %w", path, err)
	}
	s.writes = newGroupWriter(conn, &s.commits)
	return nil
}

// pool opens one pool on the file and remembers it for closing.
func (s *Store) pool(path string, conns int, q url.Values) (*sql.DB, error) {
	q["_pragma"] = []string{
		"busy_timeout(10000)", "synchronous(FULL)", "foreign_keys(1)", "temp_store(MEMORY)",
		"journal_size_limit(67108864)", // a burst does not leave a large WAL behind
	}
	if q.Get("mode") == "" {
		q["_pragma"] = append(q["_pragma"], "journal_mode(WAL)")
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	s.pools = append(s.pools, db)
	return db, nil
}

// makeFile makes the file readable by its owner alone before SQLite does; the files that SQLite adds beside
// it take its mode.
func makeFile(path string) error {
	if path == "" {
		return fmt.Errorf("sqlite: the DSN names no file; write sqlite:/path/to/certwright.db")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the database's folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the database file: %w", err)
	}
	return f.Close()
}
