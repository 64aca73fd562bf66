package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"

	"certwright/internal/order"
)

// Kinds of part. The last three have no document: they are what an order can be found by.
const (
	partIdentifier = "identifier"
	partVersion    = "version"
	partAttempt    = "attempt"
	partDeployment = "deployment"
	partEndpoint   = "endpoint"
	partName       = "name"
	partSite       = "site"
	partDNSAccount = "dns-account"
)

// part is a row of an order.
type part struct {
	kind, key       string
	ord             int64
	lookup, lookup2 string
	due             int64
	state           string
	doc             string
	digest          int64
}

// partsOf gives an order's rows. It fails on two rows of the same key: one would be lost.
func partsOf(o *order.Order) ([]part, error) {
	var out []part
	named := map[string]bool{}
	add := func(p part, v any) error {
		if v != nil {
			b, err := json.Marshal(v)
			if err != nil {
				return fmt.Errorf("%s %s cannot be stored: %w", p.kind, p.key, err)
			}
			p.doc = string(b)
		}
		p.key, p.lookup, p.lookup2 = clean(p.key), clean(p.lookup), clean(p.lookup2)
		p.digest = digest(p)
		out = append(out, p)
		return nil
	}
	var err error
	do := func(p part, v any) {
		if err == nil {
			err = add(p, v)
		}
	}
	for i := range o.Identifiers {
		r := &o.Identifiers[i]
		named[clean(r.Value)] = true
		do(part{kind: partIdentifier, key: string(r.Kind) + ":" + r.Value, ord: int64(i), lookup: lower(r.Value), due: dueMS(r.DueAt)}, r)
	}
	for i := range o.Versions {
		r := &o.Versions[i]
		do(part{kind: partVersion, key: strconv.Itoa(r.Number), ord: int64(i), lookup: r.Serial, lookup2: r.Thumbprint, due: dueMS(r.Revoke.DueAt), state: string(r.State)}, r)
	}
	for i := range o.Attempts {
		r := &o.Attempts[i]
		do(part{kind: partAttempt, key: r.ID, ord: int64(i), due: dueMS(r.DueAt), state: string(r.Phase)}, r)
	}
	for i := range o.Deployments {
		r := &o.Deployments[i]
		do(part{kind: partDeployment, key: r.Key(), ord: int64(i), lookup: lower(r.Site), lookup2: lower(r.Target), due: dueMS(r.DueAt)}, r)
	}
	for i := range o.Endpoints {
		r := &o.Endpoints[i]
		do(part{kind: partEndpoint, key: r.Key(), ord: int64(i), lookup: lower(r.Address), lookup2: lower(r.Site), due: dueMS(r.DueAt), state: string(r.State)}, r)
	}
	for _, n := range o.Spec.Names {
		if v := clean(n.Value); !named[v] {
			named[v] = true
			do(part{kind: partName, key: v, lookup: lower(v)}, nil)
		}
	}
	for _, s := range unique(o.Spec.Sites) {
		do(part{kind: partSite, key: s, lookup: s}, nil)
	}
	if a := clean(lower(o.Spec.DNSAccount)); a != "" {
		do(part{kind: partDNSAccount, key: a, lookup: a}, nil)
	}
	if err != nil {
		return nil, err
	}
	return out, onlyOnce(out)
}

// unique lowers names and drops repeats: a site named twice is used once.
func unique(names []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, n := range names {
		if n = clean(lower(n)); !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}

func onlyOnce(parts []part) error {
	seen := make(map[string]bool, len(parts))
	for _, p := range parts {
		if k := p.kind + " " + p.key; seen[k] {
			return fmt.Errorf("the order has two rows %q: one of them would be lost", k)
		} else {
			seen[k] = true
		}
	}
	return nil
}

// digest tells a changed row from an unchanged one.
func digest(p part) int64 {
	h := sha256.New()
	fmt.Fprintf(h, "%d\x00%s\x00%s\x00%d\x00%s\x00", p.ord, p.lookup, p.lookup2, p.due, p.state)
	h.Write([]byte(p.doc))
	return int64(binary.BigEndian.Uint64(h.Sum(nil)))
}

// writeParts makes the stored rows equal to parts, writing only what differs. The caller holds the
// order's row, so nobody else changes them meanwhile.
func (q *session) writeParts(ctx context.Context, key string, parts []part, fresh bool) error {
	stored := map[string]int64{}
	if !fresh {
		rows, err := q.query(ctx, `SELECT kind, key, digest FROM parts WHERE order_key = $1`, key)
		if err := each(rows, err, func(r *sql.Rows) error {
			var kind, k string
			var d int64
			err := r.Scan(&kind, &k, &d)
			stored[kind+" "+k] = d
			return err
		}); err != nil {
			return err
		}
	}
	var changed []part
	for _, p := range parts {
		k := p.kind + " " + p.key
		if d, ok := stored[k]; !ok || d != p.digest {
			changed = append(changed, p)
		}
		delete(stored, k)
	}
	for k := range stored {
		if _, err := q.exec(ctx, `DELETE FROM parts WHERE order_key = $1 AND kind || ' ' || key = $2`, key, k); err != nil {
			return err
		}
	}
	return q.upsertParts(ctx, key, changed)
}

// partsAtOnce rows go into one statement.
const partsAtOnce = 16

func (q *session) upsertParts(ctx context.Context, key string, parts []part) error {
	for len(parts) > 0 {
		n := min(len(parts), partsAtOnce)
		args := make([]any, 0, n*10)
		for _, p := range parts[:n] {
			args = append(args, key, p.kind, p.key, p.ord, p.lookup, p.lookup2, p.due, p.state, p.digest, p.doc)
		}
		if _, err := q.exec(ctx, `INSERT INTO parts
			(order_key, kind, key, ord, lookup, lookup2, due_at, state, digest, doc) VALUES `+values(n, 10)+`
			ON CONFLICT (order_key, kind, key) DO UPDATE SET ord = excluded.ord, lookup = excluded.lookup,
			lookup2 = excluded.lookup2, due_at = excluded.due_at, state = excluded.state,
			digest = excluded.digest, doc = excluded.doc`, args...); err != nil {
			return err
		}
		parts = parts[n:]
	}
	return nil
}

// attach puts loaded rows into their slices.
func attach(o *order.Order, parts []part) error {
	sort.SliceStable(parts, func(i, j int) bool { return parts[i].ord < parts[j].ord })
	var err error
	for _, p := range parts {
		switch p.kind {
		case partIdentifier:
			o.Identifiers, err = appendJSON(o.Identifiers, p.doc)
		case partVersion:
			o.Versions, err = appendJSON(o.Versions, p.doc)
		case partAttempt:
			o.Attempts, err = appendJSON(o.Attempts, p.doc)
		case partDeployment:
			o.Deployments, err = appendJSON(o.Deployments, p.doc)
		case partEndpoint:
			o.Endpoints, err = appendJSON(o.Endpoints, p.doc)
		}
		if err != nil {
			return fmt.Errorf("stored %s of %s cannot be read: %w", p.kind, o.ID.Name, err)
		}
	}
	return nil
}

func appendJSON[T any](to []T, doc string) ([]T, error) {
	var v T
	err := json.Unmarshal([]byte(doc), &v)
	return append(to, v), err
}
