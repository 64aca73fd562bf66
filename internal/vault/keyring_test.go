package vault

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"certwright/internal/fulfill"
	"certwright/internal/secret"
)

var _ fulfill.Sealer = (*Keyring)(nil)

func TestSealOpensOnlyAtItsPlace(t *testing.T) {
	t.Parallel()
	kr := testKeyring(t, 1)
	plain := secret.Bytes("the private key")
	sealed, err := kr.Seal(plain, "attempt/7")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, plain) {
		t.Error("the sealed value shows its content")
	}
	again, _ := kr.Seal(plain, "attempt/7")
	if bytes.Equal(sealed, again) {
		t.Error("sealing twice gave the same bytes: data key or nonce are not random")
	}
	got, err := kr.Open(sealed, "attempt/7")
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("Open: %v", err)
	}
	if _, err := kr.Open(sealed, "attempt/8"); !errors.Is(err, secret.ErrUnsealed) {
		t.Errorf("at another place: %v, want ErrUnsealed", err)
	}
	if _, err := testKeyring(t, 2).Open(sealed, "attempt/7"); !errors.Is(err, secret.ErrWrongKey) {
		t.Errorf("with another key: %v, want ErrWrongKey", err)
	}
	empty, err := kr.Seal(nil, "x")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := kr.Open(empty, "x"); err != nil || len(got) != 0 {
		t.Errorf("an empty value: %q, %v", got, err)
	}
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	t.Parallel()
	kr := testKeyring(t, 1)
	sealed, err := kr.Seal(secret.Bytes("content"), "place")
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := kr.Open(bad, "place"); err == nil {
			t.Errorf("byte %d changed: it still opens", i)
		}
	}
	for n := range len(sealed) {
		if _, err := kr.Open(sealed[:n], "place"); !errors.Is(err, secret.ErrUnsealed) {
			t.Errorf("cut to %d bytes: %v, want ErrUnsealed", n, err)
		}
	}
	if _, err := kr.Open(append(bytes.Clone(sealed), 0), "place"); err == nil {
		t.Error("a byte appended: it still opens")
	}
}

func TestRewrapAfterKeyChange(t *testing.T) {
	t.Parallel()
	ctx, m := context.Background(), newMemory()
	dir := t.TempDir()
	one, two := Source{File: filepath.Join(dir, "one")}, Source{File: filepath.Join(dir, "two")}
	kr, err := OpenKeyring(ctx, KeyringOptions{Current: one, Create: true}, m)
	if err != nil {
		t.Fatal(err)
	}
	sealed, _ := kr.Seal(secret.Bytes("x"), "p")
	if same, changed, err := kr.Rewrap(sealed); err != nil || changed || !bytes.Equal(same, sealed) {
		t.Errorf("rewrap under the same key: changed %t, %v", changed, err)
	}
	if err := os.WriteFile(two.File, bytes.Repeat([]byte{9}, keySize), 0o600); err != nil {
		t.Fatal(err)
	}
	both, err := OpenKeyring(ctx, KeyringOptions{Current: two, Older: []Source{one}}, m)
	if err != nil {
		t.Fatal("change of key: ", err)
	}
	moved, changed, err := both.Rewrap(sealed)
	if err != nil || !changed {
		t.Fatalf("rewrap: changed %t, %v", changed, err)
	}
	onlyNew, err := OpenKeyring(ctx, KeyringOptions{Current: two}, m)
	if err != nil {
		t.Fatal("the new key alone: ", err)
	}
	if got, err := onlyNew.Open(moved, "p"); err != nil || string(got) != "x" {
		t.Errorf("rewrapped value: %v", err)
	}
	if _, err := onlyNew.Open(moved, "q"); err == nil {
		t.Error("rewrapping lost the binding to the place")
	}
	if _, err := OpenKeyring(ctx, KeyringOptions{Current: one}, m); !errors.Is(err, secret.ErrWrongKey) {
		t.Errorf("back to the old key: %v, want ErrWrongKey", err)
	}
}

// TestWrongKeyWritesNothing: a start with a key that does not open the store changes neither the
// settings nor the disk.
func TestWrongKeyWritesNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, wrong := range map[string]func(dir string) KeyringOptions{
		"another file": func(dir string) KeyringOptions {
			f := filepath.Join(dir, "other")
			os.WriteFile(f, bytes.Repeat([]byte{7}, keySize), 0o600)
			return KeyringOptions{Current: Source{File: f}, Create: true}
		},
		"file gone, may be made": func(dir string) KeyringOptions {
			return KeyringOptions{Current: Source{File: filepath.Join(dir, "gone")}, Create: true}
		},
		"a passphrase": func(string) KeyringOptions {
			return KeyringOptions{Current: Source{Passphrase: secret.Bytes("correct horse battery")}, Create: true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, m := t.TempDir(), newMemory()
			if _, err := OpenKeyring(ctx, KeyringOptions{Current: Source{File: filepath.Join(dir, "kek")}, Create: true}, m); err != nil {
				t.Fatal(err)
			}
			o := wrong(dir)
			before, writes := maps.Clone(m.settings), m.writes
			files, _ := os.ReadDir(dir)
			_, err := OpenKeyring(ctx, o, m)
			if !errors.Is(err, secret.ErrWrongKey) || !strings.Contains(err.Error(), "Nothing was written") {
				t.Errorf("got %v, want ErrWrongKey with a clear sentence", err)
			}
			after, _ := os.ReadDir(dir)
			if !reflect.DeepEqual(before, m.settings) || writes != m.writes {
				t.Error("the settings were written")
			}
			if len(files) != len(after) {
				t.Errorf("the disk was written: %v", after)
			}
		})
	}
}

func TestPassphrase(t *testing.T) {
	t.Parallel()
	ctx, m := context.Background(), newMemory()
	good := KeyringOptions{Current: Source{Passphrase: secret.Bytes("correct horse battery")}}
	kr, err := OpenKeyring(ctx, good, m)
	if err != nil {
		t.Fatal(err)
	}
	sealed, _ := kr.Seal(secret.Bytes("x"), "p")
	again, err := OpenKeyring(ctx, good, m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Open(sealed, "p"); err != nil {
		t.Error("after a restart: ", err)
	}
	bad := KeyringOptions{Current: Source{Passphrase: secret.Bytes("correct horse batterie")}}
	_, err = OpenKeyring(ctx, bad, m)
	if !errors.Is(err, secret.ErrWrongKey) {
		t.Errorf("another passphrase: %v, want ErrWrongKey", err)
	}
	if strings.Contains(err.Error(), "horse") {
		t.Errorf("the error shows the passphrase: %v", err)
	}
	m.settings[settingSalt] = []byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	if _, err := OpenKeyring(ctx, good, m); err == nil {
		t.Error("a salt with impossible parameters was taken")
	}
}

// creating is a store that can create only, on which another replica is always a moment earlier.
type creating struct {
	*memory
	rival func()
}

func (c *creating) CreateSetting(ctx context.Context, name string, value []byte) error {
	if rival := c.rival; rival != nil {
		c.rival = nil
		rival()
	}
	if _, err := c.Setting(ctx, name); err == nil {
		return secret.ErrConflict
	}
	return c.SetSetting(ctx, name, value)
}

// TestTwoReplicasAtFirstStart: with one passphrase they come to the same key; with files of their own
// the later one is refused.
func TestTwoReplicasAtFirstStart(t *testing.T) {
	t.Parallel()
	ctx, dir := context.Background(), t.TempDir()
	same := func(int) KeyringOptions {
		return KeyringOptions{Current: Source{Passphrase: secret.Bytes("correct horse battery")}}
	}
	own := func(i int) KeyringOptions {
		return KeyringOptions{Current: Source{File: filepath.Join(dir, string(rune('a'+i)))}, Create: true}
	}
	for name, options := range map[string]func(int) KeyringOptions{"one passphrase": same, "files of their own": own} {
		m := newMemory()
		var first *Keyring
		second, err := OpenKeyring(ctx, options(1), &creating{m, func() {
			kr, err := OpenKeyring(ctx, options(0), &creating{memory: m})
			if err != nil {
				t.Fatal(err)
			}
			first = kr
		}})
		if name != "one passphrase" {
			if !errors.Is(err, secret.ErrWrongKey) || second != nil {
				t.Errorf("%s: %v, want ErrWrongKey", name, err)
			}
			continue
		}
		if err != nil || first.KeyID() != second.KeyID() {
			t.Errorf("%s: they seal under different keys (%v)", name, err)
		}
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	ctx, dir := context.Background(), t.TempDir()
	path := filepath.Join(dir, "sub", "kek")
	if _, err := OpenKeyring(ctx, KeyringOptions{Current: Source{File: path}}, newMemory()); err == nil {
		t.Error("a missing file was made though the configuration does not say so")
	}
	if _, err := OpenKeyring(ctx, KeyringOptions{Current: Source{File: path}, Create: true}, newMemory()); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 || st.Size() != keySize {
		t.Errorf("key file: %v %v", st, err)
	}
	if l, _ := os.ReadDir(filepath.Dir(path)); len(l) != 1 {
		t.Errorf("left behind: %v", l)
	}
	for name, bad := range map[string]struct {
		size int
		mode os.FileMode
	}{"short": {31, 0o600}, "long": {33, 0o600}, "empty": {0, 0o600}, "readable by all": {32, 0o644}} {
		f := filepath.Join(dir, name)
		os.WriteFile(f, make([]byte, bad.size), 0o600)
		os.Chmod(f, bad.mode)
		m := newMemory()
		if _, err := OpenKeyring(ctx, KeyringOptions{Current: Source{File: f}, Create: true}, m); err == nil {
			t.Errorf("%s: taken", name)
		}
		if m.writes > 0 {
			t.Errorf("%s: the settings were written", name)
		}
	}
}

func FuzzOpen(f *testing.F) {
	kr := testKeyring(f, 1)
	good, _ := kr.Seal(secret.Bytes("seed"), "p")
	for _, s := range [][]byte{nil, {}, good, good[:len(good)-1], good[:contentAt], []byte("CW\x01"), []byte("CW\x02rest")} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := kr.Open(b, "p")
		if err == nil && !bytes.Equal(b, good) && string(got) != "seed" {
			t.Fatalf("bytes that were never sealed open as %q", got.Reveal())
		}
		if out, _, err := kr.Rewrap(b); err == nil {
			if _, err := kr.Open(out, "p"); err != nil && len(b) == len(good) && bytes.Equal(b[contentAt:], good[contentAt:]) {
				t.Fatalf("rewrapped, then lost: %v", err)
			}
		}
	})
}
