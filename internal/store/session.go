package store

import (
	"context"
	"database/sql"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// source runs statements: a pool for reads, or a transaction.
type source interface {
	exec(ctx context.Context, text string, args ...any) (int64, error) // rows affected
	query(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	one(ctx context.Context, text string, args ...any) row
}

// row is the first row of an answer.
type row interface{ Scan(dest ...any) error }

// session is a transaction as write gives it to a function.
type session struct {
	source
	deltas map[bucket]int64 // what the rollup has to be changed by
	events bool             // events were written
}

// sqlHandle is what *sql.DB, *sql.Conn and *sql.Tx have in common.
type sqlHandle interface {
	ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row
}

// plain runs statements as they are: pgx keeps its own prepared ones.
type plain struct{ h sqlHandle }

func (p plain) exec(ctx context.Context, text string, args ...any) (int64, error) {
	return affected(p.h.ExecContext(ctx, text, storable(args)...))
}
func (p plain) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return p.h.QueryContext(ctx, text, storable(args)...)
}
func (p plain) one(ctx context.Context, text string, args ...any) row {
	return p.h.QueryRowContext(ctx, text, storable(args)...)
}

// preparer is a *sql.DB or *sql.Conn.
type preparer interface {
	sqlHandle
	PrepareContext(ctx context.Context, text string) (*sql.Stmt, error)
}

// prepared keeps statements compiled: on SQLite compiling costs as much as running.
type prepared struct {
	h  preparer
	mu sync.Mutex
	m  map[string]*sql.Stmt
}

// maxPrepared bounds the kept statements; lists with filters make many texts. Those past it are
// compiled each time.
const maxPrepared = 300

// stmt gives the kept statement, nil when no more are kept.
func (p *prepared) stmt(ctx context.Context, text string) (*sql.Stmt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if st := p.m[text]; st != nil || len(p.m) >= maxPrepared {
		return st, nil
	}
	st, err := p.h.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if p.m == nil {
		p.m = map[string]*sql.Stmt{}
	}
	p.m[text] = st
	return st, nil
}

func (p *prepared) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, st := range p.m {
		st.Close()
	}
	p.m = nil
}

func (p *prepared) exec(ctx context.Context, text string, args ...any) (int64, error) {
	st, err := p.stmt(ctx, text)
	if err != nil {
		return 0, err
	} else if st == nil {
		return plain{p.h}.exec(ctx, text, args...)
	}
	return affected(st.ExecContext(ctx, storable(args)...))
}

func (p *prepared) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	st, err := p.stmt(ctx, text)
	if err != nil {
		return nil, err
	} else if st == nil {
		return plain{p.h}.query(ctx, text, args...)
	}
	return st.QueryContext(ctx, storable(args)...)
}

func (p *prepared) one(ctx context.Context, text string, args ...any) row {
	st, err := p.stmt(ctx, text)
	if err != nil {
		return failed{err}
	} else if st == nil {
		return plain{p.h}.one(ctx, text, args...)
	}
	return st.QueryRowContext(ctx, storable(args)...)
}

// failed is a row that could not be asked for.
type failed struct{ err error }

func (f failed) Scan(...any) error { return f.err }

func affected(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// each calls scan for every row of an answer and closes it.
func each(rows *sql.Rows, err error, scan func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// column reads an answer of one text column.
func column(rows *sql.Rows, err error) ([]string, error) {
	var out []string
	err = each(rows, err, func(r *sql.Rows) error {
		var v string
		err := r.Scan(&v)
		out = append(out, v)
		return err
	})
	return out, err
}

// where collects the conditions of a list; every '?' of a condition is its next argument.
type where struct {
	conds []string
	args  []any
}

func (w *where) add(cond string, args ...any) {
	for _, a := range args {
		w.args = append(w.args, a)
		cond = strings.Replace(cond, "?", "$"+strconv.Itoa(len(w.args)), 1)
	}
	w.conds = append(w.conds, cond)
}

// eq adds an equality unless the value is empty.
func (w *where) eq(col, value string) {
	if value != "" {
		w.add(col+" = ?", value)
	}
}

func (w *where) text() string {
	if len(w.conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conds, " AND ")
}

// values is "($1, $2), ($3, $4)" for rows of cols columns.
func values(rows, cols int) string {
	var b strings.Builder
	for i := range rows * cols {
		switch {
		case i == 0:
			b.WriteString("(")
		case i%cols == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(i+1))
	}
	return b.String() + ")"
}

// ms is a time as it is stored: Unix milliseconds, 0 = none.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// dueMS is ms rounded up: what is due at a time must be due when the stored one is reached.
func dueMS(t time.Time) int64 {
	v := ms(t)
	if t.Nanosecond()%int(time.Millisecond) != 0 {
		v++
	}
	return v
}

// at is a stored time.
func at(v int64) time.Time {
	if v == 0 {
		return time.Time{}
	}
	return time.UnixMilli(v).UTC()
}

// nullMS and atNull are for times whose absence is not a zero time.
func nullMS(t *time.Time) sql.NullInt64 {
	if t == nil {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: true}
}

func atNull(v sql.NullInt64) *time.Time {
	if !v.Valid {
		return nil
	}
	t := time.UnixMilli(v.Int64).UTC()
	return &t
}

// clean makes a text storable in both databases: valid UTF-8 without NUL.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// storable cleans the texts among arguments: words of authorities and targets end up in them. Documents
// are JSON, which escapes what is not storable, and lose nothing.
func storable(args []any) []any {
	for i, a := range args {
		if t, ok := a.(string); ok && (strings.IndexByte(t, 0) >= 0 || !utf8.ValidString(t)) {
			args[i] = clean(t)
		}
	}
	return args
}

// bounded is a limit of a list: 0 means 100, more than 1000 means 1000.
func bounded(limit int) int {
	switch {
	case limit <= 0:
		return 100
	case limit > 1000:
		return 1000
	}
	return limit
}

// capped is a limit of a sweep, 0 = all.
func capped(limit int) int64 {
	if limit <= 0 {
		return math.MaxInt32
	}
	return int64(limit)
}

func lower(s string) string { return strings.ToLower(s) }
