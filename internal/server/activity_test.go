package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/order"
	"certwright/internal/testworld"
)

// TestActivityOfWhatIsNoOrder: what is done to a vault that keeps no order, to a group and to a subscription is in the activity log, with
// who did it; the same again is nothing; whoever may not see the resource sees nothing of it.
func TestActivityOfWhatIsNoOrder(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	log := func(by *caller, filter string) string {
		t.Helper()
		var page arm.List[arm.EventData]
		by.get(subID+"/providers/Microsoft.Insights/eventtypes/management/values"+logV+filtered("eventTimestamp ge '2020-01-01T00:00:00Z'"+filter), &page)
		var names []string
		for _, e := range page.Value {
			names = append(names, e.EventName.Value)
		}
		return strings.Join(names, " ")
	}
	group := subID + "/resourceGroups/Keys"
	vault := group + "/providers/Microsoft.KeyVault/vaults/kv-one"
	for range 2 { // the second changes nothing
		code, _, data := c.call("PUT", group+resV, `{"location":"x","tags":{"a":"b"}}`)
		if code >= 300 {
			t.Fatalf("%d %s", code, data)
		}
		c.well("PUT", vault+vaultV, vaultB, http.StatusOK, nil)
	}
	c.well("PATCH", vault+vaultV, `{"tags":{"env":null},"properties":{"softDeleteRetentionInDays":7}}`, http.StatusOK, nil)
	c.well("PUT", vault+"/accessPolicies/add"+vaultV, `{"properties":{"accessPolicies":[{"tenantId":"`+auth.Tenant+`","objectId":"ci","permissions":{"secrets":["get"]}}]}}`, http.StatusOK, nil)
	c.well("PATCH", vault+vaultV, `{"properties":{"enableRbacAuthorization":false}}`, http.StatusOK, nil)
	c.well("DELETE", vault+vaultV, "", http.StatusOK, nil)
	c.well("PUT", vault+vaultV, `{"location":"x","properties":{"createMode":"recover"}}`, http.StatusOK, nil)
	want := "vault-recovered vault-deleted vault-updated vault-updated vault-updated vault-created"
	for _, filter := range []string{" and resourceUri eq '" + strings.ToUpper(vault) + "'", " and resourceProvider eq 'microsoft.keyvault'"} {
		if got := log(c, filter); got != want {
			t.Errorf("%s: %s, want %s", filter, got, want)
		}
	}
	if got := log(c, " and resourceUri eq '"+strings.ToLower(group)+"'"); got != "group-created" {
		t.Errorf("the group's: %s", got)
	}
	if got := log(c, " and resourceGroupName eq 'keys'"); got != want+" group-created" {
		t.Errorf("of all in the group: %s", got)
	}
	if got := log(c, " and resourceProvider eq 'Microsoft.CertificateRegistration'"); got != "" {
		t.Errorf("of orders: %s", got)
	}
	two := "/subscriptions/two"
	c.well("PUT", two+resV, `{"state":"Enabled"}`, http.StatusCreated, nil)
	c.well("PUT", two+resV, `{"state":"Disabled"}`, http.StatusOK, nil)
	c.well("PUT", two+resV, `{"state":"Disabled"}`, http.StatusOK, nil)
	c.well("POST", group+"/moveResources"+resV, `{"resources":["`+vault+`"],"targetResourceGroup":"`+subID+`/resourceGroups/default"}`, http.StatusNoContent, nil)
	moved := subID + "/resourceGroups/default/providers/Microsoft.KeyVault/vaults/kv-one"
	c.well("DELETE", moved+vaultV, "", http.StatusOK, nil)
	c.well("DELETE", group+resV, "", http.StatusOK, nil)
	l.move(8 * 24 * time.Hour)
	if n, err := l.Store.PurgeDue(t.Context(), l.Now()); err != nil || n != 1 {
		t.Fatalf("%d were purged: %v", n, err)
	}

	var all arm.List[order.Event]
	c.get("/v1/timeline", &all)
	var told []string
	for _, e := range all.Value {
		told = append(told, e.Order.Name+": "+e.Text)
		if e.Operation == "" || e.Properties["request"] == "" && e.Caller != order.OwnerUs {
			t.Errorf("%s: operation %q, by %q with %v", e.Name, e.Operation, e.Caller, e.Properties)
		}
		if err := l.Store.VerifyChain(t.Context(), e.Order); err != nil {
			t.Errorf("the chain of %s: %v", e.Order, err)
		}
	}
	text := strings.Join(told, "\n")
	for _, s := range []string{"kv-one: Purged with all that it held: its time to be recovered was over.", "Keys: Resource group Keys removed by owner.", "kv-one: Moved here by owner from resource group Keys of",
		"two: Subscription two is Disabled now, by owner; it was Enabled.", "kv-one: Changed by owner: softDeleteRetentionInDays from 90 to 7, tags.", "kv-one: Changed by owner: it was switched from roles to access policies."} {
		if strings.Count(text, s) != 1 {
			t.Errorf("the timeline lacks %q, or has it twice:\n%s", s, text)
		}
	}
	// A token sees what lies in its scope.
	for scope, want := range map[string]string{group: "vault-moved-away " + want + " group-deleted group-created", moved: "vault-purged vault-deleted vault-moved", two: "", vault: "vault-moved-away " + want} {
		plain, _, err := l.Auth.Issue(t.Context(), fmt.Sprintf("t%d", len(scope)), auth.Reader, scope, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		sorted := func(s string) []string { return slices.Sorted(slices.Values(strings.Fields(s))) } // several may be of one instant
		if got := log(l.caller(plain), ""); !slices.Equal(sorted(got), sorted(want)) {
			t.Errorf("as a reader of %s: %s, want %s", scope, got, want)
		}
	}
}
