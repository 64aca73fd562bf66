package cli

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// Named is how this program is called from where it was called: hints name it so, that they can be copied as they stand. It is
// "certwright" wherever that finds it; where only a path does, such as bin/certwright, that path.
func Named(arg0 string) string {
	const name = "certwright"
	if filepath.Base(arg0) != name || arg0 == name || strings.ContainsAny(arg0, " \t\n'\"$`\\") {
		return name
	}
	if found, err := exec.LookPath(name); err == nil && sameFile(found, arg0) {
		return name
	}
	return arg0
}

func sameFile(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(x, y)
}

// hint puts the way the program was called in the place of its name in the commands of a text for a person.
func (e *Env) hint(s string) string {
	if e.Name == "" || e.Name == "certwright" || e.commands == nil {
		return s
	}
	return e.commands.ReplaceAllString(s, "${1}"+strings.ReplaceAll(e.Name, "$", "$$")+"${2}")
}

// commandsOf matches the program's name where one of its commands follows.
func commandsOf(root *cobra.Command) *regexp.Regexp {
	words := []string{`\[command\]`, "--help"}
	for _, c := range root.Commands() {
		words = append(words, regexp.QuoteMeta(c.Name()))
	}
	return regexp.MustCompile(`(^|[\s("'` + "`" + `])certwright( (?:` + strings.Join(words, "|") + `))`)
}

// hinting writes texts for a person with the program's name as it was called.
type hinting struct {
	*Env
	to io.Writer
}

// Write says that all of p was written when its longer or shorter form was.
func (h hinting) Write(p []byte) (int, error) {
	_, err := io.WriteString(h.to, h.hint(string(p)))
	return len(p), err
}
