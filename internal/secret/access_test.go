package secret

import (
	"reflect"
	"testing"
)

// TestPermissions: what a policy gives, word by word.
func TestPermissions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		policy AccessPolicy
		right  Permission
		want   bool
	}{
		{AccessPolicy{Secrets: []string{"get"}}, MayGet, true},
		{AccessPolicy{Secrets: []string{"get"}}, MayList, false},
		{AccessPolicy{Secrets: []string{"all"}}, MaySet, true},
		{AccessPolicy{Secrets: []string{"all"}}, MayPurge, false},
		{AccessPolicy{Secrets: []string{"all", "purge"}}, MayPurge, true},
		{AccessPolicy{Secrets: []string{"all"}}, "certificates/get", false},
		{AccessPolicy{Keys: []string{"all"}}, MayGet, false},
		{AccessPolicy{Certificates: []string{"manageissuers"}}, "certificates/setissuers", true},
		{AccessPolicy{Certificates: []string{"manageissuers"}}, "certificates/get", false},
		{AccessPolicy{}, "", false},
	} {
		if got := c.policy.Allows(c.right); got != c.want {
			t.Errorf("%+v allows %s: %v", c.policy, c.right, got)
		}
	}
	if p, err := (AccessPolicy{Secrets: []string{"GET", "get", "List"}}).Normal(); err != nil || !reflect.DeepEqual(p.Secrets, []string{"get", "list"}) {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := (AccessPolicy{Certificates: []string{"set"}}).Normal(); err == nil {
		t.Error("a permission of another kind of object is taken")
	}
}

// TestOwnRights: what Certwright's own principals may do follows the model that the vault has, and a switch is told from a right that was taken.
func TestOwnRights(t *testing.T) {
	t.Parallel()
	var v VaultSettings
	want := func(what string, store, read, switched bool) {
		t.Helper()
		if v.Admits(Storer, MaySet) != store || v.Admits(Fetcher, MayGet) != read || v.Switched(Storer, MaySet) != switched {
			t.Errorf("%s: store %v, read %v, switched %v", what, v.Admits(Storer, MaySet), v.Admits(Fetcher, MayGet), v.Switched(Storer, MaySet))
		}
	}
	want("a fresh one", true, true, false)
	before := v
	v.Withdraw(Storer.ID)
	want("the storer's role gone", false, true, false)
	if len(before.NoRole) != 0 {
		t.Error("the row that was read before changed with it")
	}
	v.Grant()
	v.ByPolicy = true
	want("switched", false, false, true)
	v.Grant(Fetcher.ID)
	want("one of them let in", false, true, false)
	v.Grant()
	want("both", true, true, false)
	v.Remove([]AccessPolicy{{Principal: Storer.ID, Secrets: []string{"set"}}})
	want("without set", false, true, false)
	v.Withdraw()
	if len(v.Policies) != 0 {
		t.Errorf("policies: %+v", v.Policies)
	}
}
