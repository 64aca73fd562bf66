package verify

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/site"
)

// canaryPrefix begins the tokens that we publish to see whether they are found. Certwright's listener, any
// replica's, answers them out of nothing; no authority gives tokens that begin so.
const canaryPrefix = "certwright-canary-"

// canaryValue is the content of a canary. It has the form of a key authorization, and is none: its thumbprint
// is no account's.
func canaryValue(token string) string {
	sum := sha256.Sum256([]byte("certwright canary " + token))
	return token + "." + base64.RawURLEncoding.EncodeToString(sum[:])
}

// newCanary is a token that nobody has had.
func newCanary() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return canaryPrefix + strings.NewReplacer("-", "x", "_", "y").Replace(base64.RawURLEncoding.EncodeToString(b[:]))
}

// Canary publishes a file as a proof of the method would be published, so that a look tells whether a proof
// would be found. It gives what to ask for, and done to take the file away again. Where nothing can be
// published for the method from here (an owner does it by hand), it asks for a name that nobody has.
func (v *Verifier) Canary(_ context.Context, sites []site.Site, name string, m order.Method) (ask evidence.ChallengeAsk, done func()) {
	token := newCanary()
	p := order.Proof{Name: order.Name{Value: name}, Method: m, Token: token, Value: canaryValue(token)}
	ask, done = evidence.ChallengeAsk{Name: name, Method: string(m), Port: v.o.HTTPPort, Kind: evidence.KindAbsent, Token: token}, func() {}
	at, err := pathOf(p)
	if err != nil {
		return ask, done
	}
	ask.Path = "/" + at
	written, err := v.write(sites, p, at)
	done = func() {
		if err := v.remove(sites, at, p.Value); err != nil {
			v.o.Logger.Warn("a canary could not be withdrawn", "name", name, "error", err)
		}
	}
	if err == nil && (written > 0 || v.o.Responder != nil && m == order.MethodHTTP01) {
		ask.Kind, ask.Body = evidence.KindCanary, p.Value
	}
	return ask, done
}

// Ask is what to look for of a proof that is published now.
func (v *Verifier) Ask(p order.Proof) (evidence.ChallengeAsk, bool) {
	at, err := pathOf(p)
	if err != nil {
		return evidence.ChallengeAsk{}, false
	}
	return evidence.ChallengeAsk{Name: p.Name.Value, Method: string(p.Method), Port: v.o.HTTPPort, Kind: evidence.KindProof, Token: p.Token, Path: "/" + at, Body: p.Value}, true
}

// Modes looks at the directories and the file of a URL path in the sites' webroots: one observation of
// Check "webroot" each, its Data an evidence.File with the mode (Kind "directory" or "file"). Subjects begin
// with the name. What is not there is left out.
func (v *Verifier) Modes(sites []site.Site, name, urlPath string) []evidence.Observation {
	var out []evidence.Observation
	for _, w := range webrootsOf(sites) {
		root, ok := v.webroots[w]
		if !ok {
			continue
		}
		full, err := filepath.Abs(path.Join(root.dir, urlPath))
		if err != nil {
			continue
		}
		for at := full; ; at = filepath.Dir(at) {
			if o, ok := v.modeOf(name, at); ok {
				out = append(out, o)
			}
			if at == filepath.Dir(at) {
				break
			}
		}
	}
	return out
}

func (v *Verifier) modeOf(name, at string) (evidence.Observation, bool) {
	info, err := os.Stat(at)
	if err != nil {
		return evidence.Observation{}, false
	}
	f := evidence.File{Path: at, Kind: "file", Exists: true, Mode: fmt.Sprintf("%04o", info.Mode().Perm()), Size: info.Size(), Modified: info.ModTime(), KeyMatch: -2}
	want := fs.FileMode(0o004)
	if info.IsDir() {
		f.Kind, want = "directory", 0o001
	}
	o := evidence.Observation{Probe: evidence.ProbeFiles, Check: "webroot", Subject: name + " " + at, Outcome: evidence.Pass, Expected: "open to everybody",
		Seen: f.Kind + " of mode " + f.Mode, From: v.o.From, At: v.o.Now(), Command: "stat -c '%A %U %G %n' '" + at + "'"}
	if info.Mode().Perm()&want == 0 {
		o.Outcome = evidence.Fail
	}
	return o.With(f), true
}
