package notify

import (
	"context"
	"errors"
	"testing"

	"certwright/internal/secret"
)

// shelf keeps settings in memory.
type shelf struct {
	m      map[string][]byte
	writes int
}

func (s *shelf) Setting(_ context.Context, name string) ([]byte, error) {
	if v, ok := s.m[name]; ok {
		return v, nil
	}
	return nil, secret.ErrNotFound
}

func (s *shelf) SetSetting(_ context.Context, name string, v []byte) error {
	s.writes++
	s.m[name] = v
	return nil
}

// TestBook: two failures in a row, or one refusal, are worth knowing; one success ends it. What works costs no write.
func TestBook(t *testing.T) {
	t.Parallel()
	s := &shelf{m: map[string][]byte{}}
	b, other := &Book{Settings: s}, &Book{Settings: s} // of two replicas
	note := func(b *Book, err error, want bool) {
		t.Helper()
		if e := b.Note(t.Context(), "ops", err, t0); e != nil {
			t.Fatal(e)
		}
		if all, e := other.Broken(t.Context(), []string{"chat", "ops"}); e != nil || (len(all) == 1) != want {
			t.Errorf("broken: %+v, %v", all, e)
		}
	}
	late := &Failure{Err: errors.New("it answered 503")}
	note(b, nil, false)
	if s.writes != 0 {
		t.Error("a message that arrived was written down")
	}
	note(b, late, false)
	note(other, late, true)
	note(b, nil, false)
	note(b, &Failure{Err: errors.New("it answered 404"), Permanent: true}, true)
	all, _ := b.Broken(t.Context(), []string{"ops"})
	if len(all) != 1 || !all[0].Failing.Equal(t0) || all[0].Tries != 1 || all[0].Error != "it answered 404" {
		t.Errorf("%+v", all)
	}
	note(other, nil, false)
	if all, _ := b.Broken(t.Context(), []string{"ops"}); len(all) != 0 {
		t.Error("another replica's success is not seen")
	}
}
