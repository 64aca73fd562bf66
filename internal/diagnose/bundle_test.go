package diagnose

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"reflect"
	"strings"
	"testing"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// allCases are the cases of the other tests: every fault and every healthy decoy that they judge.
func allCases(t *testing.T) map[string]Case {
	p := newPKI(t)
	all := map[string]Case{}
	for _, c := range endpointCases {
		name := host
		if c.host != "" {
			name = c.host
		}
		all["endpoint "+c.want+" "+c.title] = Case{Target: name, Now: noon, Observations: c.obs(world{p, t}), Options: Options{Roots: p.roots, ServerName: name}}
	}
	for _, c := range pathCases {
		all["path "+c.title] = Case{Target: "www", Now: noon, Path: c.path, Options: Options{Order: c.order}}
	}
	for _, c := range reachCases {
		path, o := asked(order.Problem{})
		if c.said != "" {
			path, o = asked(order.Problem{Class: order.Retry, What: "read the directory", Where: "https://ca.test/dir", Detail: "dial tcp: it failed", ID: c.said, Owner: order.OwnerAdmin})
		}
		all["authority "+c.title] = Case{Target: "www", Now: noon, Observations: c.obs, Path: path, Options: Options{Order: o}}
	}
	for _, c := range systemCases {
		all["system "+c.title] = Case{Target: "www", Now: noon, Observations: c.obs, Path: road(newFiles, newWire), Options: Options{Order: ordered(nil), Moved: c.moved}}
	}
	return all
}

// A bundle that went through a file is judged as the case was where it was gathered: the same findings
// in the same order, to the word.
func TestBundleGivesTheSameReport(t *testing.T) {
	for title, c := range allCases(t) {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			live := c.Judge()
			b, err := NewBundle(c, "test", secret.Scrubber{})
			if err != nil {
				t.Fatal(err)
			}
			file, err := b.Encode(secret.Scrubber{})
			if err != nil {
				t.Fatal(err)
			}
			read, err := DecodeBundle(file)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := json.Marshal(live)
			for what, r := range map[string]Report{"judged again": read.Case.Judge(), "as written": read.Report} {
				if got, _ := json.Marshal(r); !bytes.Equal(got, want) {
					t.Errorf("%s:\n got %s\nwant %s", what, got, want)
				}
			}
		})
	}
}

// Every option but the pool of roots, which the anchors stand for, survives being written down.
func TestOptionsSurvive(t *testing.T) {
	v := reflect.TypeFor[Options]()
	for i := range v.NumField() {
		f := v.Field(i)
		if tag := strings.Split(f.Tag.Get("json"), ",")[0]; tag == "-" && f.Name != "Roots" {
			t.Errorf("Options.%s is not written down: a bundle would lose it", f.Name)
		}
	}
}

// Secrets that are planted wherever a field can hold text are in the file neither packed nor unpacked.
func TestBundleHoldsNoSecret(t *testing.T) {
	k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, _ := x509.MarshalPKCS8PrivateKey(k)
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	known := "kNoWn-t0p-sEcReT-value"
	plants := []string{key, "Authorization: Bearer bearerPlanted123", "cw_PlantedToken0123456789", "https://hooks.slack.com/services/T0/B0/slackPlanted",
		"postgres://app:dsnPlanted@db.test/x", "https://x.test/?token=queryPlanted", "password: wordPlanted", known, base64.StdEncoding.EncodeToString(der)}
	needles := []string{strings.Split(key, "\n")[1][:40], "bearerPlanted", "PlantedToken", "slackPlanted", "dsnPlanted", "queryPlanted", "wordPlanted", known,
		base64.StdEncoding.EncodeToString(der)[:40], base64.StdEncoding.EncodeToString([]byte(key))[:40], base64.StdEncoding.EncodeToString([]byte("sealed-key-bytes"))}
	for i, plant := range plants {
		o := ordered(func(o *order.Order) {
			o.Attempts = []order.Attempt{{ID: "a", Phase: order.Signed, Sealed: []byte("sealed-key-bytes"), Instruct: plant, Caller: plant}}
			o.Spec.Tags = map[string]string{"note": plant, plant: "x"}
			o.Versions[0].Chain = []byte(key)
			o.Vault.Problem = &order.Problem{What: "x", Detail: plant, Sub: []order.Sub{{Detail: plant}}}
			o.Deployments[0].Receipt = &order.Receipt{Reload: &evidence.Reload{Name: "r", Argv: []string{"curl", plant}, Output: plant}}
		})
		ob := evidence.Observation{Probe: evidence.ProbeReload, Check: plant, Subject: plant, Seen: plant, Reason: plant, Command: "curl " + plant, At: noon}.
			With(map[string]any{"output": plant, "raw": []byte(plant), "eabKey": "hmac-" + known, "headers": map[string][]string{"Cookie": {plant}}})
		path := road(newFiles, oldWire)
		path[4].Problem = &order.Problem{What: "push", Detail: plant, Cause: plant, Fix: plant}
		s := secret.Scrubber{Known: []secret.Bytes{[]byte(known)}}
		b, err := NewBundle(Case{Target: "www", Now: noon, Observations: []evidence.Observation{ob}, Path: path, Options: Options{Order: o}}, "test", s)
		if err != nil {
			t.Fatal(err)
		}
		b.Timeline = []order.Event{{Text: plant, Properties: map[string]string{"detail": plant}}}
		b.Configuration = map[string]any{"smtp": map[string]any{"password": "x" + known}, "listen": plant}
		file, err := b.Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range needles {
			if bytes.Contains(file, []byte(n)) || bytes.Contains(doc, []byte(n)) {
				at := bytes.Index(doc, []byte(n))
				t.Errorf("plant %d: %q is in the file: ...%s", i, n, doc[max(0, at-80):at+20])
			}
		}
		if !bytes.Contains(doc, []byte(secret.Redacted)) && !bytes.Contains(doc, []byte(secret.RedactedBytes)) {
			t.Errorf("plant %d: nothing says that something was taken out", i)
		}
	}
}

// A file that is none of ours, or not whole, is refused in words.
func TestDecodeBundleRefuses(t *testing.T) {
	pack := func(text string) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		io.WriteString(w, text)
		w.Close()
		return b.Bytes()
	}
	b, err := NewBundle(Case{Target: "www", Now: noon}, "test", secret.Scrubber{})
	if err != nil {
		t.Fatal(err)
	}
	whole, _ := b.Encode(secret.Scrubber{})
	for _, c := range []struct {
		data []byte
		want string
	}{
		{nil, "is no bundle"}, {[]byte("-----BEGIN CERTIFICATE-----"), "not compressed with gzip"}, {whole[:len(whole)-20], "damaged"}, {pack("hello"), "is no bundle"},
		{pack(`{"format":"other"}`), "is no bundle"}, {pack(`{"format":"certwright-bundle","version":99,"program":"v9"}`), "newer Certwright (v9"},
		{pack(`{"format":"certwright-bundle","version":1,"case":[]}`), "damaged"},
	} {
		if _, err := DecodeBundle(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.30q: %v, want %q", c.data, err, c.want)
		}
	}
}

// Whatever a file holds, reading and judging it ends, and never in a panic.
func FuzzDecodeBundle(f *testing.F) {
	c := Case{Target: "www", Now: noon, Path: road(newFiles, oldWire), Options: Options{Order: ordered(nil)}}
	b, err := NewBundle(c, "test", secret.Scrubber{})
	if err != nil {
		f.Fatal(err)
	}
	doc, _ := json.Marshal(b)
	f.Add(doc)
	f.Add([]byte(`{"format":"certwright-bundle","version":1,"case":{"path":[{}],"options":{"order":{}}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		w.Write(doc)
		w.Close()
		if b, err := DecodeBundle(packed.Bytes()); err == nil && len(b.Case.Observations) < 50 {
			b.Case.Judge()
		}
	})
}
