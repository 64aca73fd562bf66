package vault

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"slices"
	"sync"
	"testing"

	"certwright/internal/order"
	"certwright/internal/secret"
)

func TestSystemKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	ctx, m := context.Background(), newMemory()
	s := NewSystemKeys(m, testKeyring(t, 1))
	if _, err := s.Signer(ctx, "issuer/le"); !errors.Is(err, secret.ErrNotFound) {
		t.Errorf("before: %v, want ErrNotFound", err)
	}
	var wg sync.WaitGroup
	keys := make([]crypto.Signer, 8)
	for i := range keys {
		wg.Go(func() {
			k, err := s.CreateSigner(ctx, "issuer/le", order.P256)
			if err != nil {
				t.Error(err)
			}
			keys[i] = k
		})
	}
	wg.Wait()
	stored, err := s.Signer(ctx, "issuer/le")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if !sameKey(k, stored.Public()) {
			t.Error("two replicas hold different keys")
		}
	}
	if _, err := s.GetSecret(ctx, "issuer/le"); err == nil {
		t.Error("a private key was given out as bytes")
	}
	m.keys["issuer/other"] = m.keys["issuer/le"]
	if _, err := s.Signer(ctx, "issuer/other"); !errors.Is(err, secret.ErrUnsealed) {
		t.Errorf("a row copied to another name: %v, want ErrUnsealed", err)
	}
}

func TestSystemSecret(t *testing.T) {
	t.Parallel()
	ctx, m := context.Background(), newMemory()
	s := NewSystemKeys(m, testKeyring(t, 1))
	for _, v := range []string{"first hmac", "second hmac"} {
		if err := s.PutSecret(ctx, "eab/le", secret.Bytes(v)); err != nil {
			t.Fatal(err)
		}
		got, err := s.GetSecret(ctx, "eab/le")
		if err != nil || string(got) != v {
			t.Errorf("got %q, %v", got.Reveal(), err)
		}
		if bytes.Contains(m.keys["eab/le"], []byte(v)) {
			t.Error("stored in the clear")
		}
	}
	if _, err := s.CreateSigner(ctx, "tls", order.P256); err != nil {
		t.Fatal(err)
	}
	if err := s.PutSecret(ctx, "tls", secret.Bytes("x")); !errors.Is(err, secret.ErrConflict) {
		t.Errorf("over a private key: %v, want ErrConflict", err)
	}
}

func TestSealApart(t *testing.T) {
	t.Parallel()
	ctx, m := context.Background(), newMemory()
	s := NewSystemKeys(m, testKeyring(t, 1))
	root, err := s.CreateSigner(ctx, "root", order.P384)
	if err != nil {
		t.Fatal(err)
	}
	row := bytes.Clone(m.keys["root"])
	if err := s.SealApart(ctx, "root"); err != nil {
		t.Fatal(err)
	}
	m.keys["root"] = row // as after a crash between the two writes
	for range 2 {
		if err := s.SealApart(ctx, "root"); err != nil {
			t.Fatal("repeated: ", err)
		}
	}
	if _, err := s.Signer(ctx, "root"); !errors.Is(err, ErrApart) {
		t.Errorf("Signer: %v, want ErrApart", err)
	}
	if _, err := s.CreateSigner(ctx, "root", order.P384); !errors.Is(err, ErrApart) {
		t.Errorf("CreateSigner: %v, want ErrApart, not a second root", err)
	}
	if _, err := s.Signer(ctx, "apart/root"); err != nil {
		t.Errorf("by its full name: %v", err)
	}
	k, err := s.Apart(ctx, "root")
	if err != nil || !sameKey(k, root.Public()) {
		t.Errorf("Apart: %v", err)
	}
	if names, _ := s.List(ctx); !slices.Equal(names, []string{"apart/root", "root"}) {
		t.Errorf("names: %v", names)
	}
	if _, err := s.CreateSigner(ctx, "apart/x", order.P256); err == nil {
		t.Error("a key was made straight among those sealed apart")
	}
}
