package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"certwright/internal/order"
)

const listText = `SELECT key, subscription, resource_group, name, kind, generation, revision, common_name,
	issuer, created, updated, due_at, status, vault_status, stage, state, owner, text, expires_at, serial, changes_at,
	finding, finding_leg, finding_severity, finding_title, finding_since, examine_at
	FROM orders o`

// ListOrders gives one page of the orders that the query asks for, sorted by subscription, group and
// name. The cursor names the last order given, so a page is stable while orders come and go.
func (s *Store) ListOrders(ctx context.Context, oq order.Query) (order.Page, error) {
	w, err := conditions(oq)
	if err != nil {
		return order.Page{}, err
	}
	limit := bounded(oq.Limit)
	rows, err := s.reader.query(ctx, listText+w.text()+` ORDER BY key LIMIT `+strconv.Itoa(limit+1), w.args...)
	var page order.Page
	var keys []string
	err = each(rows, err, func(r *sql.Rows) error {
		key, line, err := scanSummary(r)
		keys, page.Orders = append(keys, key), append(page.Orders, line)
		return err
	})
	if err != nil {
		return order.Page{}, fail("list orders", err)
	}
	if len(keys) > limit {
		page.Orders = page.Orders[:limit]
		page.Next = base64.RawURLEncoding.EncodeToString([]byte(keys[limit-1]))
	}
	return page, nil
}

func scanSummary(r *sql.Rows) (string, order.Summary, error) {
	var l order.Summary
	var key string
	var created, updated, due, expires, changes, since, examine int64
	p := &l.Projection
	err := r.Scan(&key, &l.ID.Subscription, &l.ID.Group, &l.ID.Name, &l.Kind, &l.Generation, &l.Revision, &l.CommonName,
		&l.Issuer, &created, &updated, &due, &p.Status, &p.Vault, &p.Stage, &p.State, &p.Owner, &p.Text, &expires, &p.Serial, &changes,
		&p.Finding, &p.FindingLeg, &p.FindingSeverity, &p.FindingTitle, &since, &examine)
	p.FindingSince, p.Examine = at(since), at(examine)
	l.Created, l.Updated, l.DueAt, p.Expires, p.Changes = at(created), at(updated), at(due), at(expires), at(changes)
	return key, l, err
}

// conditions turn a query into SQL.
func conditions(oq order.Query) (where, error) {
	var w where
	scope(&w, oq.Subscription, oq.Group)
	w.eq("status", string(oq.Status))
	w.eq("vault_status", string(oq.Vault))
	w.eq("stage", string(oq.Stage))
	w.eq("state", string(oq.State))
	w.eq("owner", oq.Owner)
	w.eq("issuer", oq.Issuer)
	w.eq("kind", string(oq.Kind))
	if oq.Finding == "any" {
		w.add("finding <> ''")
	} else if oq.Finding != "" {
		w.add("finding = ? AND finding <> ''", oq.Finding) // the second half is the index's own condition
	}
	w.eq("finding_leg", oq.Leg)
	if oq.Site != "" {
		w.add(`key IN (SELECT order_key FROM parts WHERE lookup = ? AND kind = 'site' AND lookup <> '')`, lower(oq.Site))
	}
	if oq.Name != "" {
		w.add(`key IN (SELECT order_key FROM parts WHERE lookup = ? AND kind IN ('identifier', 'name') AND lookup <> '')`, lower(oq.Name))
	}
	if oq.Text != "" {
		w.add(`search LIKE ? ESCAPE '\'`, "%"+likeEscape.Replace(lower(oq.Text))+"%")
	}
	if !oq.ExpiresBefore.IsZero() {
		w.add("expires_at > 0 AND expires_at < ?", ms(oq.ExpiresBefore))
	}
	if oq.After != "" {
		key, err := base64.RawURLEncoding.DecodeString(oq.After)
		if err != nil || !strings.HasPrefix(string(key), "/subscriptions/") {
			return w, fmt.Errorf("list orders: %q: %w", oq.After, ErrCursor)
		}
		w.add("key > ?", string(key))
	}
	return w, nil
}

var likeEscape = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// scope bounds a list to a subscription or a group by the key, which begins with them.
func scope(w *where, subscription, group string) {
	switch {
	case subscription != "" && group != "":
		prefix := strings.TrimSuffix(order.ID{Subscription: subscription, Group: group}.Key(), lower(order.Type)+"/")
		w.add("key > ? AND key < ?", prefix, prefix+"\x7f")
	case subscription != "":
		prefix := "/subscriptions/" + lower(subscription) + "/"
		w.add("key > ? AND key < ?", prefix, prefix+"\x7f")
	case group != "":
		w.add("LOWER(resource_group) = ?", lower(group))
	}
}

// CountOrders counts orders by status, stage and state, in one subscription and group or (where they are empty)
// in all. It reads the rollup, not the orders.
func (s *Store) CountOrders(ctx context.Context, subscription, group string) ([]order.Count, error) {
	var w where
	w.eq("r.subscription", lower(subscription))
	w.eq("r.resource_group", lower(group))
	rows, err := s.reader.query(ctx, `SELECT r.subscription, COALESCE(g.shown, r.resource_group), r.status, r.stage, r.state,
		CAST(SUM(r.n) AS BIGINT) FROM rollup r
		LEFT JOIN resource_groups g ON g.subscription = r.subscription AND g.name = r.resource_group`+w.text()+`
		GROUP BY 1, 2, 3, 4, 5 HAVING SUM(r.n) <> 0 ORDER BY 1, 2, 3, 4, 5`, w.args...)
	var out []order.Count
	err = each(rows, err, func(r *sql.Rows) error {
		var c order.Count
		err := r.Scan(&c.Subscription, &c.Group, &c.Status, &c.Stage, &c.State, &c.N)
		out = append(out, c)
		return err
	})
	return out, fail("count orders", err)
}

// idsWhere reads ids of orders.
func (s *Store) idsWhere(ctx context.Context, text string, args ...any) ([]order.ID, error) {
	var out []order.ID
	rows, err := s.reader.query(ctx, `SELECT subscription, resource_group, name FROM orders o WHERE `+text, args...)
	err = each(rows, err, func(r *sql.Rows) error {
		var id order.ID
		err := r.Scan(&id.Subscription, &id.Group, &id.Name)
		out = append(out, id)
		return err
	})
	return out, err
}

// OrdersBySite lists the orders of a group that name the site.
func (s *Store) OrdersBySite(ctx context.Context, subscription, group, site string) ([]order.ID, error) {
	var w where
	scope(&w, subscription, group)
	w.add(`key IN (SELECT order_key FROM parts WHERE lookup = ? AND kind = 'site' AND lookup <> '')`, lower(site))
	ids, err := s.idsWhere(ctx, strings.TrimPrefix(w.text(), " WHERE ")+` ORDER BY key`, w.args...)
	return ids, fail("list orders of site "+site, err)
}

// OrdersByDNSAccount lists up to limit orders, of all groups, that name the DNS account and can still get a version.
func (s *Store) OrdersByDNSAccount(ctx context.Context, account string, limit int) ([]order.ID, error) {
	ids, err := s.idsWhere(ctx, `key IN (SELECT order_key FROM parts WHERE lookup = $1 AND kind = 'dns-account' AND lookup <> '')
		AND status NOT IN ('Denied', 'Revoked', 'Canceled', 'Pendingrevocation') ORDER BY key LIMIT `+strconv.Itoa(limit), lower(account))
	return ids, fail("list orders of DNS account "+account, err)
}

// OrdersByNames lists the orders, of all groups, that cover exactly these names in whatever order.
func (s *Store) OrdersByNames(ctx context.Context, names []string) ([]order.ID, error) {
	ids, err := s.idsWhere(ctx, `names_digest = $1 ORDER BY key`, namesDigest(names))
	return ids, fail("list orders by names", err)
}

// OrdersBySerial lists the orders that have a version of this serial number or thumbprint, in upper-case hexadecimal.
func (s *Store) OrdersBySerial(ctx context.Context, serialOrThumbprint string) ([]order.ID, error) {
	v := strings.ToUpper(serialOrThumbprint)
	ids, err := s.idsWhere(ctx, `key IN (
		SELECT order_key FROM parts WHERE lookup = $1 AND kind = 'version' AND lookup <> '' UNION
		SELECT order_key FROM parts WHERE lookup2 = $2 AND kind = 'version' AND lookup2 <> '') ORDER BY key`, v, v)
	return ids, fail("list orders by serial number", err)
}

// DueOrders lists up to limit orders (0 = all) that are due at now and that nobody holds, the longest due first.
func (s *Store) DueOrders(ctx context.Context, now time.Time, limit int) ([]order.ID, error) {
	ids, err := s.idsWhere(ctx, `due_at > 0 AND due_at <= $1 AND (lease_owner = '' OR lease_until <= $2)
		ORDER BY due_at LIMIT $3`, ms(now), ms(now), capped(limit))
	return ids, fail("find orders that are due", err)
}

// OldestDue is since when the order has been waiting that has waited longest of those due at now; false when none is.
func (s *Store) OldestDue(ctx context.Context, now time.Time) (time.Time, bool, error) {
	var due sql.NullInt64
	err := s.reader.one(ctx, `SELECT MIN(due_at) FROM (SELECT due_at FROM orders WHERE due_at > 0 AND due_at <= $1
		AND (lease_owner = '' OR lease_until <= $2) ORDER BY due_at LIMIT 1) first`, ms(now), ms(now)).Scan(&due)
	return at(due.Int64), due.Valid, fail("find the oldest order that is due", err)
}

// ReleaseNode ends all leases of a node and makes their orders due now: for the node's own start, when
// none of its former workers can be alive. Should one be, its next save is a conflict.
func (s *Store) ReleaseNode(ctx context.Context, node string) (int, error) {
	var n int64
	now := ms(s.now())
	err := s.write(ctx, func(ctx context.Context, q *session) (err error) {
		n, err = q.exec(ctx, `UPDATE orders SET lease_owner = '', lease_until = 0, due_at = $2, revision = revision + 1
			WHERE lease_owner = $1 AND lease_owner <> ''`, node, now)
		return err
	})
	return int(n), fail("release the leases of node "+node, err)
}
