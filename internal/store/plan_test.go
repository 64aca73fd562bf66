package store_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"certwright/internal/order"
	"certwright/internal/store/storetest"
)

// With a million orders nothing that is asked often may read through them all, nor sort them.
func TestSweepsAndListsGoByAnIndex(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, "sqlite")
	o := create(t, s, sample("www"), waiting())
	plans := s.Plans()
	ctx := t.Context()
	asks := []func() error{
		func() error { _, err := s.DueOrders(ctx, t0, 10); return err },
		func() error { _, _, err := s.OldestDue(ctx, t0); return err },
		func() error {
			_, err := s.RefreshProjections(ctx, t0, 10, func(*order.Order) order.Projection { return issued() })
			return err
		},
		func() error { _, err := s.LoadOrder(ctx, o.ID); return err },
		func() error { _, err := s.OrdersBySite(ctx, order.DefaultSubscription, "default", "shop"); return err },
		func() error { _, err := s.OrdersByDNSAccount(ctx, "bind", 5); return err },
		func() error { _, err := s.OrdersByNames(ctx, []string{"a"}); return err },
		func() error { _, err := s.OrdersBySerial(ctx, "0A"); return err },
		func() error { _, err := s.FollowOrder(ctx, o.ID, 0, 10); return err },
		func() error { _, _, err := s.Follow(ctx, "0", 10); return err },
		func() error { _, _, err := s.Follow(ctx, "", 10); return err },
		func() error { _, err := s.LatestSecret(ctx, "default", "www"); return orNil(err) },
		func() error { _, err := s.ListSecrets(ctx, "default", "", 10); return err },
		func() error { _, err := s.TokenByHash(ctx, []byte{1}); return orNil(err) },
		func() error { _, _, _, err := s.IssuedByAttempt(ctx, "a"); return err },
		func() error { _, err := s.ProofByToken(ctx, "none"); return orNil(err) },
		func() error { _, err := s.Revocations(ctx, t0); return err },
		func() error { _, err := s.DueExaminations(ctx, t0, 10); return err },
		func() error { _, _, err := s.OldestExamination(ctx, t0); return err },
		func() error { _, _, err := s.Expiring(ctx, t0, []time.Time{t0}); return err },
		func() error { _, err := s.Leased(ctx, t0); return err },
		func() error { _, err := s.Outbox(ctx, 10); return err },
		func() error { _, err := s.EventOf(ctx, o.ID, 1); return err },
	}
	for _, q := range []order.Query{{}, {After: "L3N1YnNjcmlwdGlvbnMvYQ"}, {Subscription: "s", Group: "g"}, {Status: order.Issued}, {State: order.StateFail, After: "L3N1YnNjcmlwdGlvbnMvYQ"},
		{Issuer: "le"}, {Finding: "tls-expired"}, {Finding: "any", After: "L3N1YnNjcmlwdGlvbnMvYQ"}, {Site: "shop"}, {Name: "a.test"}} {
		asks = append(asks, func() error { _, err := s.ListOrders(ctx, q); return err })
	}
	for _, q := range []order.EventQuery{{}, {Order: &o.ID}, {From: t0, To: t0.Add(time.Hour)}, {Correlation: "c"}, {From: t0, Provider: order.Provider}, {From: t0, Provider: "Microsoft.KeyVault"}} {
		asks = append(asks, func() error { _, _, err := s.Events(ctx, q); return err })
	}
	for _, ask := range asks {
		must(t, ask())
	}
	for _, p := range plans.Noted {
		// A list without a condition walks along the index that it is sorted by, as far as its limit.
		if strings.Contains(p, "<nil>") && strings.Contains(p, " WHERE ") && scans.MatchString(p) || unsorted.MatchString(p) {
			t.Errorf("reads through a whole table:\n%s", p)
		}
	}
	if len(plans.Noted) < len(asks) {
		t.Errorf("%d plans of %d questions were seen", len(plans.Noted), len(asks))
	}
}

// scans finds a walk through a table or all of an index; that of the attempts that have begun is short.
var (
	scans    = regexp.MustCompile(`(?m)^SCAN \S+( USING (COVERING )?INDEX [^p]\S*)?(<nil>)?$`)
	unsorted = regexp.MustCompile(`(?m)^SCAN \S+(<nil>)?$`)
)

func orNil(err error) error {
	if err != nil && strings.Contains(err.Error(), "not found") {
		return nil
	}
	return err
}
