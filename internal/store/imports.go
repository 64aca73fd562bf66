package store

import (
	"context"

	"certwright/internal/site"
)

func importAt(subscription, group, name string) resource {
	return resource{"import", lower(subscription), lower(group), lower(name)}
}

// LoadImport reads an import. fulfill.ErrNotFound.
func (s *Store) LoadImport(ctx context.Context, subscription, group, name string) (*site.Import, error) {
	return loadNoun(ctx, s, importAt(subscription, group, name), importRevision)
}

// SaveImport writes an import under its revision (0 = it must be new) and counts it up.
func (s *Store) SaveImport(ctx context.Context, v *site.Import) error {
	return saveNoun(ctx, s, importAt(v.Subscription, v.Group, v.Name), v, importRevision)
}

// ListImports lists the imports of a subscription and group, empty = of all.
func (s *Store) ListImports(ctx context.Context, subscription, group string) ([]site.Import, error) {
	return listNouns(ctx, s, importAt(subscription, group, ""), importRevision)
}

// DeleteImport removes an import under its revision.
func (s *Store) DeleteImport(ctx context.Context, v *site.Import) error {
	return s.deleteResource(ctx, importAt(v.Subscription, v.Group, v.Name), v.Revision)
}
