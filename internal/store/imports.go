package store

import (
	"context"
	"encoding/json"

	"certwright/internal/site"
)

func importAt(subscription, group, name string) resource {
	return resource{"import", lower(subscription), lower(group), lower(name)}
}

// LoadImport reads an import. fulfill.ErrNotFound.
func (s *Store) LoadImport(ctx context.Context, subscription, group, name string) (*site.Import, error) {
	v := new(site.Import)
	revision, err := loadResource(ctx, s.reader, importAt(subscription, group, name), v)
	if err != nil {
		return nil, err
	}
	v.Revision = revision
	return v, nil
}

// SaveImport writes an import under its revision (0 = it must be new) and counts it up.
func (s *Store) SaveImport(ctx context.Context, v *site.Import) error {
	if err := s.saveResource(ctx, importAt(v.Subscription, v.Group, v.Name), v.Revision, v); err != nil {
		return err
	}
	v.Revision++
	return nil
}

// ListImports lists the imports of a subscription and group, empty = of all.
func (s *Store) ListImports(ctx context.Context, subscription, group string) ([]site.Import, error) {
	var out []site.Import
	err := s.eachResource(ctx, importAt(subscription, group, ""), func(doc []byte, revision int64) error {
		var v site.Import
		err := json.Unmarshal(doc, &v)
		v.Revision = revision
		out = append(out, v)
		return err
	})
	return out, err
}

// DeleteImport removes an import under its revision.
func (s *Store) DeleteImport(ctx context.Context, v *site.Import) error {
	return s.deleteResource(ctx, importAt(v.Subscription, v.Group, v.Name), v.Revision)
}
