package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"

	"certwright/internal/order"
)

// ProofByToken finds the value to answer with for a token that some attempt that has begun has to prove, of any
// order: so that whichever replica is asked by an authority can answer. fulfill.ErrNotFound.
func (s *Store) ProofByToken(ctx context.Context, token string) (string, error) {
	// Tokens are base64url (RFC 8555 section 8.3): what else is asked for is nobody's.
	if token == "" || strings.ContainsAny(token, `%"\`) {
		return "", notFound("proof")
	}
	value, found := "", false
	// Few attempts have begun at any time, and an index of their own finds them (00002).
	rows, err := s.reader.query(ctx, `SELECT doc FROM parts WHERE kind = 'attempt' AND state = 'begun' AND doc LIKE $1`, "%"+token+"%")
	err = each(rows, err, func(r *sql.Rows) error {
		var doc string
		if err := r.Scan(&doc); err != nil {
			return err
		}
		var a order.Attempt
		if err := json.Unmarshal([]byte(doc), &a); err != nil {
			return err
		}
		for _, p := range a.Proofs {
			if p.Token == token {
				value, found = p.Value, true
			}
		}
		return nil
	})
	if err == nil && !found {
		return "", notFound("proof")
	}
	return value, fail("look for a proof", err)
}

// OrderPublishing finds an order with an attempt under way whose proofs a DNS account has published, or may have.
func (s *Store) OrderPublishing(ctx context.Context, account string) (id order.ID, found bool, err error) {
	rows, err := s.reader.query(ctx, `SELECT order_key, doc FROM parts WHERE kind = 'attempt' AND state = 'begun' AND doc LIKE '%"dns-01"%'`)
	var key string
	err = each(rows, err, func(r *sql.Rows) error {
		var k, doc string
		if err := r.Scan(&k, &doc); err != nil {
			return err
		}
		var a order.Attempt
		if err := json.Unmarshal([]byte(doc), &a); err != nil {
			return err
		}
		for _, p := range a.Proofs {
			if strings.EqualFold(p.Account, account) {
				key = k
			}
		}
		return nil
	})
	if err != nil || key == "" {
		return id, false, fail("look for records of a DNS account", err)
	}
	var doc string
	if err := s.reader.one(ctx, `SELECT doc FROM orders WHERE key = $1`, key).Scan(&doc); err != nil {
		return id, false, fail("read the order of a record", err)
	}
	var o order.Order
	err = json.Unmarshal([]byte(doc), &o)
	return o.ID, err == nil, fail("read the order of a record", err)
}
