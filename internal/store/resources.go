package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/site"
)

// resource is a noun kept as JSON under a revision.
type resource struct{ kind, subscription, group, name string }

func siteAt(subscription, group, name string) resource {
	return resource{"site", lower(subscription), lower(group), lower(name)}
}

func issuerAt(name string) resource { return resource{kind: "issuer", name: lower(name)} }

func dnsAccountAt(name string) resource { return resource{kind: "dns-account", name: lower(name)} }

func (r resource) String() string { return r.kind + " " + r.name }

// loadResource reads a noun; its revision is the column's.
func loadResource(ctx context.Context, q source, r resource, into any) (int64, error) {
	var doc string
	var revision int64
	err := q.one(ctx, `SELECT doc, revision FROM resources WHERE kind = $1 AND subscription = $2 AND resource_group = $3
		AND name = $4`, r.kind, r.subscription, r.group, r.name).Scan(&doc, &revision)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, notFound(r.String())
	} else if err != nil {
		return 0, fail("read "+r.String(), err)
	}
	return revision, fail("read "+r.String(), json.Unmarshal([]byte(doc), into))
}

// saveResource writes a noun if its stored revision is still the one given; 0 = it must be new
// (fulfill.ErrExists).
func (s *Store) saveResource(ctx context.Context, r resource, revision int64, v any) error {
	doc, err := json.Marshal(v)
	if err != nil {
		return fail("save "+r.String(), err)
	}
	return fail("save "+r.String(), s.write(ctx, func(ctx context.Context, q *session) error {
		if revision == 0 {
			n, err := q.exec(ctx, `INSERT INTO resources (kind, subscription, resource_group, name, revision, doc)
				VALUES ($1, $2, $3, $4, 1, $5) ON CONFLICT (kind, subscription, resource_group, name) DO NOTHING`,
				r.kind, r.subscription, r.group, r.name, string(doc))
			if err == nil && n == 0 {
				return fulfill.ErrExists
			}
			return err
		}
		n, err := q.exec(ctx, `UPDATE resources SET revision = revision + 1, doc = $6 WHERE kind = $1 AND subscription = $2
			AND resource_group = $3 AND name = $4 AND revision = $5`, r.kind, r.subscription, r.group, r.name, revision, string(doc))
		if err == nil && n == 0 {
			return q.resourceGone(ctx, r)
		}
		return err
	}))
}

func (s *Store) deleteResource(ctx context.Context, r resource, revision int64) error {
	return fail("delete "+r.String(), s.write(ctx, func(ctx context.Context, q *session) error {
		n, err := q.exec(ctx, `DELETE FROM resources WHERE kind = $1 AND subscription = $2 AND resource_group = $3
			AND name = $4 AND revision = $5`, r.kind, r.subscription, r.group, r.name, revision)
		if err == nil && n == 0 {
			return q.resourceGone(ctx, r)
		}
		return err
	}))
}

// resourceGone tells a moved revision from a deleted row.
func (q *session) resourceGone(ctx context.Context, r resource) error {
	var n int
	if err := q.one(ctx, `SELECT COUNT(*) FROM resources WHERE kind = $1 AND subscription = $2 AND resource_group = $3
		AND name = $4`, r.kind, r.subscription, r.group, r.name).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return missing{}
	}
	return fulfill.ErrConflict
}

// Where each noun keeps its revision, which is the column's.
func siteRevision(v *site.Site) *int64              { return &v.Revision }
func issuerRevision(v *order.Issuer) *int64         { return &v.Revision }
func dnsAccountRevision(v *order.DNSAccount) *int64 { return &v.Revision }
func importRevision(v *site.Import) *int64          { return &v.Revision }

// loadNoun reads a noun with its revision. fulfill.ErrNotFound.
func loadNoun[T any](ctx context.Context, s *Store, r resource, of func(*T) *int64) (*T, error) {
	v := new(T)
	revision, err := loadResource(ctx, s.reader, r, v)
	if err != nil {
		return nil, err
	}
	*of(v) = revision
	return v, nil
}

// saveNoun writes a noun under its revision (0 = it must be new) and counts it up.
func saveNoun[T any](ctx context.Context, s *Store, r resource, v *T, of func(*T) *int64) error {
	if err := s.saveResource(ctx, r, *of(v), v); err != nil {
		return err
	}
	*of(v)++
	return nil
}

// listNouns reads all of a kind in a scope, empty parts of it not bounding, by scope and name.
func listNouns[T any](ctx context.Context, s *Store, r resource, of func(*T) *int64) ([]T, error) {
	var w where
	w.eq("kind", r.kind)
	w.eq("subscription", r.subscription)
	w.eq("resource_group", r.group)
	rows, err := s.reader.query(ctx, `SELECT doc, revision FROM resources`+w.text()+` ORDER BY subscription, resource_group, name`, w.args...)
	var out []T
	err = each(rows, err, func(rows *sql.Rows) error {
		var doc string
		var v T
		var revision int64
		if err := rows.Scan(&doc, &revision); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(doc), &v); err != nil {
			return err
		}
		*of(&v) = revision
		out = append(out, v)
		return nil
	})
	return out, fail(fmt.Sprintf("list %ss", r.kind), err)
}

// LoadSite reads a site. fulfill.ErrNotFound.
func (s *Store) LoadSite(ctx context.Context, subscription, group, name string) (*site.Site, error) {
	return loadNoun(ctx, s, siteAt(subscription, group, name), siteRevision)
}

// SaveSite writes a site under its revision (0 = it must be new) and counts it up.
func (s *Store) SaveSite(ctx context.Context, v *site.Site) error {
	return saveNoun(ctx, s, siteAt(v.Subscription, v.Group, v.Name), v, siteRevision)
}

// ListSites lists the sites of a subscription and group, empty = of all.
func (s *Store) ListSites(ctx context.Context, subscription, group string) ([]site.Site, error) {
	return listNouns(ctx, s, siteAt(subscription, group, ""), siteRevision)
}

// DeleteSite removes a site under its revision.
func (s *Store) DeleteSite(ctx context.Context, v *site.Site) error {
	return s.deleteResource(ctx, siteAt(v.Subscription, v.Group, v.Name), v.Revision)
}

// LoadIssuer reads an issuer. fulfill.ErrNotFound.
func (s *Store) LoadIssuer(ctx context.Context, name string) (*order.Issuer, error) {
	return loadNoun(ctx, s, issuerAt(name), issuerRevision)
}

// SaveIssuer writes an issuer under its revision (0 = it must be new) and counts it up.
func (s *Store) SaveIssuer(ctx context.Context, v *order.Issuer) error {
	return saveNoun(ctx, s, issuerAt(v.Name), v, issuerRevision)
}

// ListIssuers lists all issuers by name.
func (s *Store) ListIssuers(ctx context.Context) ([]order.Issuer, error) {
	return listNouns(ctx, s, issuerAt(""), issuerRevision)
}

// DeleteIssuer removes an issuer under its revision.
func (s *Store) DeleteIssuer(ctx context.Context, v *order.Issuer) error {
	return s.deleteResource(ctx, issuerAt(v.Name), v.Revision)
}

// LoadDNSAccount reads a DNS account. fulfill.ErrNotFound.
func (s *Store) LoadDNSAccount(ctx context.Context, name string) (*order.DNSAccount, error) {
	return loadNoun(ctx, s, dnsAccountAt(name), dnsAccountRevision)
}

// SaveDNSAccount writes a DNS account under its revision (0 = it must be new) and counts it up.
func (s *Store) SaveDNSAccount(ctx context.Context, v *order.DNSAccount) error {
	return saveNoun(ctx, s, dnsAccountAt(v.Name), v, dnsAccountRevision)
}

// ListDNSAccounts lists all DNS accounts by name.
func (s *Store) ListDNSAccounts(ctx context.Context) ([]order.DNSAccount, error) {
	return listNouns(ctx, s, dnsAccountAt(""), dnsAccountRevision)
}

// DeleteDNSAccount removes a DNS account under its revision.
func (s *Store) DeleteDNSAccount(ctx context.Context, v *order.DNSAccount) error {
	return s.deleteResource(ctx, dnsAccountAt(v.Name), v.Revision)
}
