package scenario

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"certwright/internal/diagnose"
)

// Baselines, by the name that the scoreboard prints.
const (
	baselineText      = "error text of the authority or client"
	baselineFirstFail = "first failing check in list order"
	baselineFirstRow  = "first matching rule, nothing ruled out"
	baselineSeverity  = "all findings sorted by severity"
)

var baselineNames = []string{baselineText, baselineFirstFail, baselineFirstRow, baselineSeverity}

// evidenceFile is where the product leaves what its judgement rested on.
const evidenceFile = stateDir + "/evidence.json"

// baselines notes what simpler methods would have said in the same situation, and what the same method says with the
// rows' ids exchanged among twins.
func (w *world) baselines(ctx context.Context, r *Result) {
	if r.Kind == KindHealthy {
		return
	}
	right := func(id string) bool { return is(id, w.spec.Expected) }
	text := w.errorText(ctx)
	r.Baselines, r.Said = map[string]bool{baselineText: false}, map[string]string{baselineText: text}
	for _, id := range w.spec.Expected {
		r.Baselines[baselineText] = r.Baselines[baselineText] || says(text, id)
	}
	c, ok := w.evidence(ctx)
	if !ok {
		return
	}
	for name, id := range map[string]string{baselineFirstFail: c.FirstFailing(), baselineFirstRow: c.FirstMatching(), baselineSeverity: append(c.BySeverity(), "")[0]} {
		r.Said[name], r.Baselines[name] = id, right(id)
	}
	shuffled := c.Shuffled(w.job.Seed)
	hit := len(shuffled.Findings) > 0 && right(shuffled.Findings[0].ID)
	r.Control = &hit
}

// evidence is the case behind the judgement: written by diagnose for a host, out of a bundle for an order.
func (w *world) evidence(ctx context.Context) (diagnose.Case, bool) {
	if o := w.spec.Goal.Order; o != "" {
		out, err := w.output(ctx, 30*time.Second, w.vars["CERTWRIGHT"], "bundle", o, "-f", "-")
		if err != nil {
			return diagnose.Case{}, false
		}
		b, err := diagnose.DecodeBundle(out)
		return b.Case, err == nil
	}
	var c diagnose.Case
	text, err := os.ReadFile(evidenceFile)
	return c, err == nil && json.Unmarshal(text, &c) == nil
}

// errorText is what the client that meets the fault prints, or what the authority said, as it stands.
func (w *world) errorText(ctx context.Context) string {
	if o := w.spec.Goal.Order; o != "" {
		out, _ := w.output(ctx, 10*time.Second, w.vars["CERTWRIGHT"], "order", "show", o, "-o", "json") // "not healthy" is an exit status, too
		var words []string
		for _, m := range detail.FindAllStringSubmatch(string(out), -1) {
			words = append(words, m[1])
		}
		slices.Sort(words)
		return strings.Join(slices.Compact(words), " | ")
	}
	var said []string
	for _, url := range []string{"https://" + w.vars["TARGET"] + "/", "http://" + w.vars["NAME"] + "/.well-known/acme-challenge/x"} {
		c, cancel := context.WithTimeout(ctx, 8*time.Second)
		curl := exec.CommandContext(c, "curl", "-sS", "-o", "/dev/null", "--max-time", "6", "--cacert", w.vars["CA_FILE"], url)
		curl.Env = w.environment()
		out, err := curl.CombinedOutput()
		cancel()
		if err != nil {
			said = append(said, strings.TrimSpace(string(out)))
		}
		if w.spec.Goal.Method == "" {
			break
		}
	}
	return strings.Join(said, " | ")
}

var detail = regexp.MustCompile(`"(?:detail|message)":\s*"((?:[^"\\]|\\.)*)"`)

// output runs a program of the kit and gives what it printed.
func (w *world) output(ctx context.Context, limit time.Duration, argv ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	own(c)
	c.Env, c.WaitDelay = w.environment(), time.Second
	return c.Output()
}

// says counts a text as right if every word of the id stands in it, but for the id's first, its leg: nobody would map
// the text to a cause otherwise than by its words.
func says(text, id string) bool {
	_, rest, _ := strings.Cut(id, "-")
	text = strings.ToLower(text)
	for _, word := range strings.Split(rest, "-") {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return rest != "" && text != ""
}
