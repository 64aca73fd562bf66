//go:build !linux

package scenario

import (
	"errors"
	"os/exec"
)

func apart(*exec.Cmd) {}

func own(*exec.Cmd) {}

func furnish(string) error { return errors.New("scenarios need Linux: namespaces keep them apart") }
