package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Context says where a server is and who we are there. It holds a token: its file is readable by its
// owner alone.
type Context struct {
	URL   string `json:"url"`
	CA    string `json:"ca,omitempty"` // PEM; empty = the system's trusted authorities
	Token string `json:"token"`
}

// ContextFile is where the context lies: --context, CERTWRIGHT_CONTEXT, or the user's configuration folder.
func (e *Env) ContextFile() (string, error) {
	if e.context != "" {
		return e.context, nil
	}
	if f := e.getenv("CERTWRIGHT_CONTEXT"); f != "" {
		return f, nil
	}
	dir := e.getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := e.getenv("HOME")
		if home == "" {
			return "", errors.New("neither HOME nor CERTWRIGHT_CONTEXT is set: there is no place for the context file")
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "certwright", "context.json"), nil
}

func (e *Env) loadContext() (Context, error) {
	var c Context
	file, err := e.ContextFile()
	if err != nil {
		return c, err
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("no server is known yet (there is no %s)\n  → start one here with: certwright serve\n  → or sign in to one with: certwright login URL", file)
	}
	if err != nil {
		return c, fmt.Errorf("read the context: %w", err)
	}
	if err := json.Unmarshal(b, &c); err != nil || c.URL == "" {
		return c, fmt.Errorf("the context file %s cannot be read: it is not what serve or login wrote\n  → remove it and sign in again with: certwright login URL", file)
	}
	return c, nil
}

// SaveContext writes the context file in one move, for its owner alone.
func (e *Env) SaveContext(c Context) (string, error) {
	file, err := e.ContextFile()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", fmt.Errorf("make the folder of the context file: %w", err)
	}
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return "", err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".context-*")
	if err != nil {
		return "", fmt.Errorf("write the context: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(b, '\n')) // CreateTemp gives mode 0600
	if err = errors.Join(err, tmp.Close()); err != nil {
		return "", fmt.Errorf("write the context: %w", err)
	}
	if err := os.Rename(tmp.Name(), file); err != nil {
		return "", fmt.Errorf("write the context: %w", err)
	}
	return file, nil
}
