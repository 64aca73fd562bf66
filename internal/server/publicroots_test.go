package server

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"certwright/internal/testworld"
)

// A root that an administrator added to the system's is told from those that browsers come with.
func TestAddedRootsAreNotPublic(t *testing.T) {
	own, err := testworld.NewHostCert("root.example.test")
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	for r := range bundle.Roots() {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate})...)
	}
	file := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(file, append(text, own.CertPEM...), 0o600); err != nil {
		t.Fatal(err)
	}
	b, _ := pem.Decode(own.CertPEM)
	got, want := addedRoots([]string{filepath.Join(t.TempDir(), "none"), file}), fmt.Sprintf("%X", sha256.Sum256(b.Bytes))
	if len(got) != 1 || got[0] != want {
		t.Errorf("the added roots are %v, want %s alone", got, want)
	}
	if got := addedRoots(nil); got != nil {
		t.Errorf("without a file: %v", got)
	}
}
