package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"certwright/internal/order"
)

// Finding ids of trouble with the database itself.
const (
	IDLocked   = "sys-db-locked"
	IDFull     = "sys-db-full"
	IDReadonly = "sys-db-readonly"
	IDDown     = "sys-db-down"
)

// fail says what was being done when err came, and adds the Problem where the database is the cause.
func fail(what string, err error) error {
	if err == nil {
		return nil
	}
	if p := Explain(err); p != nil {
		var has *order.Problem
		if !errors.As(err, &has) {
			p.What = what
			return &explained{p, err}
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// explained is a database error with its explanation; errors.As finds both.
type explained struct {
	problem *order.Problem
	err     error
}

func (e *explained) Error() string   { return e.problem.Error() + ". " + e.problem.Fix }
func (e *explained) Unwrap() []error { return []error{e.problem, e.err} }

// Explain says what an error of the database means and what to do, nil if it is none that is known.
// All of them are retried: the orders go on by themselves once the cause is gone.
func Explain(err error) *order.Problem {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	p := &order.Problem{Class: order.Retry, What: "use the database", Detail: err.Error(), Owner: order.OwnerAdmin}
	switch p.ID = classify(err); p.ID {
	case IDLocked:
		p.Cause = "another transaction has held the database's lock for longer than ten seconds"
		p.Fix = "Look for another program or a shell that has the database open in a transaction, and end it"
	case IDFull:
		p.Cause = "no space is left where the database lies"
		p.Fix = "Free space on the database's file system; Certwright goes on by itself then"
	case IDReadonly:
		p.Cause = "the database, or the file system that it lies on, may only be read"
		p.Fix = "Check the mount, the owner and mode of the database's file and folder (SQLite), or whether the server is a standby or default_transaction_read_only is on (PostgreSQL)"
	case IDDown:
		p.Cause = "the database cannot be reached or opened"
		p.Fix = "Check that the server runs and the DSN names it rightly (PostgreSQL), or that the file and its folder can be opened (SQLite)"
	default:
		return nil
	}
	return p
}

// classify maps the codes of both databases to a finding id.
func classify(err error) string {
	var lite *sqlite.Error
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.As(err, &lite):
		return classifySQLite(lite.Code())
	case errors.As(err, &pg):
		return classifyPostgres(pg.Code)
	case errors.As(err, &connect), errors.Is(err, sql.ErrConnDone):
		return IDDown
	// A context's own deadline is a net.Error too; that one is the caller's.
	case errors.As(err, &network) && !errors.Is(err, context.DeadlineExceeded):
		return IDDown
	}
	return ""
}

// classifySQLite reads an extended result code; its low byte is the primary one
// (https://www.sqlite.org/rescode.html).
func classifySQLite(code int) string {
	switch code & 0xff {
	case 5, 6: // SQLITE_BUSY, SQLITE_LOCKED
		return IDLocked
	case 13: // SQLITE_FULL
		return IDFull
	case 8: // SQLITE_READONLY
		return IDReadonly
	case 10, 11, 14, 26: // SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_CANTOPEN, SQLITE_NOTADB
		return IDDown
	}
	return ""
}

// classifyPostgres reads an SQLSTATE (PostgreSQL manual, appendix A).
func classifyPostgres(code string) string {
	switch {
	case code == "55P03" || code == "40P01": // lock_not_available, deadlock_detected
		return IDLocked
	case code == "53100": // disk_full
		return IDFull
	case code == "25006": // read_only_sql_transaction
		return IDReadonly
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "57P0"), // connection lost; shutting down, starting up
		code == "53300", strings.HasPrefix(code, "28"), code == "3D000": // too many connections, refused log-in, no such database
		return IDDown
	}
	return ""
}
