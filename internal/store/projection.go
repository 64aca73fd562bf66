package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"sort"
	"strings"
	"time"

	"certwright/internal/order"
)

// shards of each bucket of the rollup.
const shards = 16

// bucket is a row of the rollup.
type bucket struct {
	subscription, group    string
	status, stage, state   string
	finding, leg, severity string
	shard                  int64
}

func bucketOf(id order.ID, standing string) bucket {
	h := fnv.New32a()
	h.Write([]byte(id.Key()))
	f := strings.SplitN(standing+"/////", "/", 7) // a mark of a former program ends after the state
	return bucket{lower(id.Subscription), lower(id.Group), f[0], f[1], f[2], f[3], f[4], f[5], int64(h.Sum32() % shards)}
}

// count notes a change of the rollup, written at the end of the transaction.
func (q *session) count(id order.ID, standing string, n int64) {
	if q.deltas == nil {
		q.deltas = map[bucket]int64{}
	}
	q.deltas[bucketOf(id, standing)] += n
}

// flushRollup writes the noted changes, always in the same order: two transactions never hold a row
// that the other waits for.
func (q *session) flushRollup(ctx context.Context) error {
	var all []bucket
	for b, n := range q.deltas {
		if n != 0 {
			all = append(all, b)
		}
	}
	sort.Slice(all, func(i, j int) bool { return fmt.Sprint(all[i]) < fmt.Sprint(all[j]) })
	for _, b := range all {
		if _, err := q.exec(ctx, `INSERT INTO rollup (subscription, resource_group, status, stage, state, finding, leg, severity, shard, n)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (subscription, resource_group, status, stage, state, finding, leg, severity, shard) DO UPDATE SET n = rollup.n + excluded.n`,
			b.subscription, b.group, b.status, b.stage, b.state, b.finding, b.leg, b.severity, b.shard, q.deltas[b]); err != nil {
			return err
		}
	}
	return nil
}

// face are the columns of an order that lists filter by and that change seldom: they are written
// only when their mark has changed, which spares the indexes.
type face struct {
	status, vault, stage, state, owner, serial  string
	expires                                     int64
	issuer, commonName, names, search, kindName string
	finding, leg, severity, title               string // of the top finding
	since, examine                              int64
}

func faceOf(o *order.Order, p order.Projection) face {
	f := face{
		status: string(p.Status), vault: string(p.Vault), stage: string(p.Stage), state: string(p.State),
		owner: p.Owner, serial: p.Serial, expires: dueMS(p.Expires),
		issuer: o.Spec.Issuer, kindName: string(o.Kind),
		finding: p.Finding, leg: p.FindingLeg, severity: p.FindingSeverity, title: p.FindingTitle, since: ms(p.FindingSince), examine: dueMS(p.Examine),
	}
	search := []string{o.ID.Name}
	var names []string
	for i, n := range o.Spec.Names {
		if i == 0 {
			f.commonName = n.Value
		}
		names = append(names, n.Value)
		search = append(search, n.Value)
	}
	f.names, f.search = namesDigest(names), lower(strings.Join(search, "\n"))
	return f
}

// standing is what the rollup counts by.
func (f face) standing() string {
	s := f.status + "/" + f.stage + "/" + f.state
	if f.finding != "" {
		s += "/" + f.finding + "/" + f.leg + "/" + f.severity
	}
	return s
}

// mark is the standing and a digest of the rest.
func (f face) mark() string {
	h := sha256.Sum256([]byte(fmt.Sprintf("%#v", f)))
	return f.standing() + "#" + hex.EncodeToString(h[:8])
}

// standingOf reads the standing out of a mark.
func standingOf(mark string) string {
	s, _, _ := strings.Cut(mark, "#")
	return s
}

// namesDigest names a set of identifiers.
func namesDigest(names []string) string {
	names = unique(names)
	sort.Strings(names)
	h := sha256.Sum256([]byte(strings.Join(names, "\n")))
	return hex.EncodeToString(h[:16])
}

// writeFace follows an UPDATE of the order that returned its mark before: it writes the face and the
// rollup if they differ.
func (q *session) writeFace(ctx context.Context, id order.ID, f face, was string) error {
	if f.mark() == was {
		return nil
	}
	if f.standing() != standingOf(was) {
		q.count(id, standingOf(was), -1)
		q.count(id, f.standing(), 1)
	}
	_, err := q.exec(ctx, `UPDATE orders SET status = $2, vault_status = $3, stage = $4, state = $5, owner = $6,
		serial = $7, expires_at = $8, issuer = $9, common_name = $10, names_digest = $11, search = $12, kind = $13,
		finding = $14, finding_leg = $15, finding_severity = $16, finding_title = $17, finding_since = $18, examine_at = $19
		WHERE key = $1`, id.Key(), f.status, f.vault, f.stage, f.state, f.owner, f.serial, f.expires,
		f.issuer, f.commonName, f.names, f.search, f.kindName, f.finding, f.leg, f.severity, f.title, f.since, f.examine)
	return err
}

// refreshAtOnce orders are refreshed in one transaction.
const refreshAtOnce = 50

// RefreshProjections computes anew the projection of up to limit orders (0 = all) whose own next change
// is due at now, and says how many were written. Revision, generation and events stay as they are: an order that
// is saved meanwhile is left to that save.
func (s *Store) RefreshProjections(ctx context.Context, now time.Time, limit int, project func(*order.Order) order.Projection) (int, error) {
	keys, err := column(s.reader.query(ctx, `SELECT key FROM orders WHERE changes_at > 0 AND changes_at <= $1
		ORDER BY changes_at LIMIT $2`, ms(now), capped(limit)))
	if err != nil {
		return 0, fail("find projections that are due", err)
	}
	total := 0
	for len(keys) > 0 {
		n := min(len(keys), refreshAtOnce)
		// By key, so that two sweeps take the rows in the same order.
		sort.Strings(keys[:n])
		done, err := s.refresh(ctx, keys[:n], project)
		if err != nil {
			return total, fail("refresh projections", err)
		}
		total, keys = total+done, keys[n:]
	}
	return total, nil
}

func (s *Store) refresh(ctx context.Context, keys []string, project func(*order.Order) order.Projection) (int, error) {
	var orders []*order.Order
	var projections []order.Projection
	for _, key := range keys {
		o, err := load(ctx, s.reader, key)
		if errors.Is(err, missing{}) {
			continue // deleted meanwhile
		} else if err != nil {
			return 0, err
		}
		orders, projections = append(orders, o), append(projections, project(o))
	}
	var done int
	err := s.write(ctx, func(ctx context.Context, q *session) error {
		done = 0
		for i, o := range orders {
			f := faceOf(o, projections[i])
			var was string
			err := q.one(ctx, `UPDATE orders SET text = $3, changes_at = $4, was = mark, mark = $5
				WHERE key = $1 AND revision = $2 RETURNING was`,
				o.ID.Key(), o.Revision, projections[i].Text, dueMS(projections[i].Changes), f.mark()).Scan(&was)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			} else if err != nil {
				return err
			}
			if err := q.writeFace(ctx, o.ID, f, was); err != nil {
				return err
			}
			done++
		}
		return nil
	})
	return done, err
}
