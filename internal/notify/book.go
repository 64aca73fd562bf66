package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	"certwright/internal/secret"
)

// State is how a channel does.
type State struct {
	Channel string     `json:"channel"`
	Failing *time.Time `json:"failing,omitempty"` // since when messages do not arrive; nil = the last one did
	Tries   int        `json:"tries,omitempty"`   // failed ones in a row
	Error   string     `json:"error,omitempty"`
	Refused bool       `json:"refused,omitempty"` // the other side will not take them until a person acts
}

// Broken says whether a person should know: it was refused, or failed twice in a row. A mail server that asks to come
// again is no fault.
func (s State) Broken() bool { return s.Failing != nil && (s.Refused || s.Tries >= 2) }

// Settings keep small values by name; store is one. A value that was never set is secret.ErrNotFound.
type Settings interface {
	Setting(ctx context.Context, name string) ([]byte, error)
	SetSetting(ctx context.Context, name string, value []byte) error
}

// Book keeps how each channel does where every replica can read it. A channel that works is only read of.
type Book struct {
	Settings Settings
	mu       sync.Mutex // one note at a time
}

func settingOf(channel string) string { return "notify/" + channel }

// Note records what came of sending.
func (b *Book) Note(ctx context.Context, channel string, failed error, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	old, err := b.read(ctx, channel)
	if err != nil {
		return err
	}
	s := State{Channel: channel}
	if failed != nil {
		s.Failing, s.Tries, s.Error = old.Failing, min(old.Tries+1, 1000), clip(failed.Error(), 500)
		if s.Failing == nil {
			s.Failing = &now
		}
		var f *Failure
		s.Refused = errors.As(failed, &f) && f.Permanent
	} else if old.Failing == nil {
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("note how notification %s did: %w", channel, err)
	}
	return b.Settings.SetSetting(ctx, settingOf(channel), text)
}

func (b *Book) read(ctx context.Context, channel string) (State, error) {
	s := State{Channel: channel}
	text, err := b.Settings.Setting(ctx, settingOf(channel))
	if errors.Is(err, secret.ErrNotFound) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return s, fmt.Errorf("read how notification %s does: %w", channel, err)
	}
	s.Channel = channel
	return s, nil
}

// Broken are the channels among these over which a person should know that nothing arrives, by name.
func (b *Book) Broken(ctx context.Context, channels []string) ([]State, error) {
	var out []State
	for _, name := range channels {
		s, err := b.read(ctx, name)
		if err != nil {
			return out, err
		}
		if s.Broken() {
			out = append(out, s)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Channel < out[j].Channel })
	return out, nil
}
