package server

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"certwright/internal/order"
)

// details is a certificate as a client shows it (CertificateDetails).
type details struct {
	Version                                                                int
	SerialNumber, Thumbprint, Subject, Issuer, SignatureAlgorithm, RawData string
	NotBefore, NotAfter                                                    time.Time
}

// is compares what a client shows of a version's chain with what the certificate at that place says.
func (d *details) is(t *testing.T, v *order.Version, place int) {
	t.Helper()
	chain := order.DecodeChain(v.Chain)
	if d == nil || len(chain) <= place {
		t.Fatalf("certificate %d is shown as %v, the chain has %d", place, d, len(chain))
	}
	c, err := x509.ParseCertificate(chain[place])
	if err != nil {
		t.Fatal(err)
	}
	if want := (details{c.Version, order.SerialOf(c), order.ThumbprintOf(c.Raw), c.Subject.String(), c.Issuer.String(), c.SignatureAlgorithm.String(), base64.StdEncoding.EncodeToString(c.Raw), c.NotBefore, c.NotAfter}); d.SerialNumber == "" || *d != want {
		t.Errorf("certificate %d is shown as %+v, and is %+v", place, d, want)
	}
}

// near says whether two times are the same to the millisecond, which is what JavaScript's have.
func near(a, b time.Time) bool { return a.Sub(b).Abs() < time.Millisecond }

// acted is something that happened to an order, in Azure's words.
type acted struct {
	ActionType string
	CreatedAt  time.Time
}

// checkActions compares what happened to the shop in Azure's words with its events, newest first.
func (c *clients) checkActions(got []acted) {
	c.t.Helper()
	events, err := c.Store.FollowOrder(c.t.Context(), c.id, 0, 1000)
	if err != nil {
		c.t.Fatal(err)
	}
	words := map[string]string{"created": "CertificateOrderCreated", "name-verified": "DomainValidationComplete", "issued": "CertificateIssued"}
	var want []acted
	for _, e := range events {
		if w := words[e.Name]; w != "" {
			want = append(want, acted{w, e.At})
		}
	}
	slices.Reverse(want)
	if len(got) < 4 || len(got) > len(want) {
		c.t.Fatalf("the actions are %v, the events say %v", got, want)
	}
	want = want[len(want)-len(got):] // some happened after the client had asked
	for i := range got {
		if got[i].ActionType != want[i].ActionType || !near(got[i].CreatedAt, want[i].CreatedAt) {
			c.t.Errorf("action %d is %v, want %v", i, got[i], want[i])
		}
	}
}

// notOurs are operations of Azure's platform alone.
var notOurs = []string{order.Provider + "/provisionGlobalAppServicePrincipalInUserTenant/Action", order.Provider + "/register/action"}

// checkOperations sees that every operation that Azure lists as an example is listed.
func checkOperations(t *testing.T, got []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "arm", "testdata", "azure", "examples", "ListOperations.json"))
	if err != nil {
		t.Fatal(err)
	}
	var listed struct {
		Responses map[string]struct {
			Body struct{ Value []struct{ Name string } }
		}
	}
	if err := json.Unmarshal(text, &listed); err != nil {
		t.Fatal(err)
	}
	all := listed.Responses["200"].Body.Value
	if len(all) < 17 {
		t.Fatalf("the example lists %v", all)
	}
	for _, o := range all {
		if !slices.Contains(notOurs, o.Name) && !slices.ContainsFunc(got, func(s string) bool { return strings.EqualFold(s, o.Name) }) {
			t.Errorf("the operation %s is not listed: %v", o.Name, got)
		}
	}
}
