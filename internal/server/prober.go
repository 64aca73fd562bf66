package server

import (
	"fmt"
	"io"
	"os"

	"certwright/internal/probe"
)

// newProber makes what the server looks at the world with.
func (s *Server) newProber() (*probe.Prober, error) {
	c := s.Config
	o := probe.Options{Now: s.Now, From: "server", Guard: s.guard(), Resolver: c.Resolver, HTTPPorts: []int{c.Authority.HTTPPort}}
	var err error
	if o.Roots, err = readZone("root-hints", c.RootHints, probe.ReadRoots); err != nil {
		return nil, err
	}
	if o.Anchors, err = readZone("trust-anchor", c.Anchor, probe.ReadAnchors); err != nil {
		return nil, err
	}
	return probe.New(o), nil
}

// readZone reads a file that a setting names; none is no error.
func readZone[T any](setting string, file Path, read func(io.Reader, string) ([]T, error)) ([]T, error) {
	if file == "" {
		return nil, nil
	}
	r, err := os.Open(string(file))
	if err != nil {
		return nil, fmt.Errorf("%s in the configuration: %w", setting, err)
	}
	defer r.Close()
	out, err := read(r, string(file))
	if err != nil {
		return nil, fmt.Errorf("%s in the configuration: %w", setting, err)
	}
	return out, nil
}
