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
