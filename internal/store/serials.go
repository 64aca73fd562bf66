package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"certwright/internal/order"
)

// RecordSerial writes a serial number into the built-in authority's book, before anything is signed with
// it. false = the serial is taken, or the attempt has one already (see IssuedByAttempt): sign nothing with it.
func (s *Store) RecordSerial(ctx context.Context, serial, orderKey, attempt string, notAfter time.Time) (bool, error) {
	var n int64
	err := s.write(ctx, func(ctx context.Context, q *session) (err error) {
		n, err = q.exec(ctx, `INSERT INTO serials (serial, order_key, attempt, not_after, cert, revoked_at, reason)
			VALUES ($1, $2, $3, $4, NULL, 0, 0) ON CONFLICT DO NOTHING`, serial, orderKey, attempt, ms(notAfter))
		return err
	})
	return n == 1, fail("record serial number "+serial, err)
}

// SetIssued keeps the certificate signed with a recorded serial. fulfill.ErrNotFound if it was not recorded.
func (s *Store) SetIssued(ctx context.Context, serial string, cert []byte) error {
	return s.updateSerial(ctx, "keep the certificate of serial number "+serial,
		`UPDATE serials SET cert = $2 WHERE serial = $1`, serial, cert)
}

// RevokeSerial withdraws a serial; one that is withdrawn keeps its first date and reason.
// fulfill.ErrNotFound if it is none of ours.
func (s *Store) RevokeSerial(ctx context.Context, serial string, reason int, when time.Time) error {
	return s.updateSerial(ctx, "revoke serial number "+serial, `UPDATE serials SET
		reason = CASE WHEN revoked_at = 0 THEN $2 ELSE reason END,
		revoked_at = CASE WHEN revoked_at = 0 THEN $3 ELSE revoked_at END WHERE serial = $1`, serial, int64(reason), ms(when))
}

func (s *Store) updateSerial(ctx context.Context, what, text string, args ...any) error {
	return fail(what, s.write(ctx, func(ctx context.Context, q *session) error {
		n, err := q.exec(ctx, text, args...)
		if err == nil && n == 0 {
			return missing{}
		}
		return err
	}))
}

// Serial reads a serial of the book. fulfill.ErrNotFound.
func (s *Store) Serial(ctx context.Context, serial string) (order.IssuedSerial, error) {
	v, found, err := s.oneSerial(ctx, `serial = $1`, serial)
	if err == nil && !found {
		err = missing{}
	}
	return v, fail("read serial number "+serial, err)
}

// IssuedByAttempt finds the serial that an attempt has recorded, with its certificate if it was signed.
func (s *Store) IssuedByAttempt(ctx context.Context, attempt string) (serial string, cert []byte, found bool, err error) {
	v, found, err := s.oneSerial(ctx, `attempt = $1 AND attempt <> ''`, attempt)
	return v.Serial, v.Cert, found, fail("read the serial number of an attempt", err)
}

func (s *Store) oneSerial(ctx context.Context, cond, arg string) (order.IssuedSerial, bool, error) {
	var v order.IssuedSerial
	var notAfter, revoked int64
	err := s.reader.one(ctx, `SELECT serial, order_key, attempt, not_after, cert, revoked_at, reason FROM serials WHERE `+cond, arg).
		Scan(&v.Serial, &v.Order, &v.Attempt, &notAfter, &v.Cert, &revoked, &v.Reason)
	if errors.Is(err, sql.ErrNoRows) {
		return v, false, nil
	}
	v.NotAfter = at(notAfter)
	if revoked != 0 {
		t := at(revoked)
		v.Revoked = &t
	}
	return v, err == nil, err
}

// keepRevoked is how long after its end a withdrawn certificate stays on the CRL: it must be on one issued
// after that (RFC 5280 section 3.3).
const keepRevoked = 7 * 24 * time.Hour

// Revocations are the entries of the CRL of now, by time.
func (s *Store) Revocations(ctx context.Context, now time.Time) ([]order.Revocation, error) {
	var out []order.Revocation
	rows, err := s.reader.query(ctx, `SELECT serial, revoked_at, reason FROM serials WHERE revoked_at > 0 AND not_after > $1
		ORDER BY revoked_at, serial`, ms(now.Add(-keepRevoked)))
	err = each(rows, err, func(r *sql.Rows) error {
		var v order.Revocation
		var when int64
		err := r.Scan(&v.Serial, &when, &v.Reason)
		v.At = at(when)
		out = append(out, v)
		return err
	})
	return out, fail("list revocations", err)
}

// NextCRLNumber gives numbers that only grow, also over replicas (RFC 5280 section 5.2.3).
func (s *Store) NextCRLNumber(ctx context.Context) (int64, error) {
	var n int64
	err := s.write(ctx, func(ctx context.Context, q *session) error {
		return q.one(ctx, `INSERT INTO counters (name, n) VALUES ('crl', 1)
			ON CONFLICT (name) DO UPDATE SET n = counters.n + 1 RETURNING n`).Scan(&n)
	})
	return n, fail("count up the CRL number", err)
}
