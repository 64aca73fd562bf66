package server

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/order"
)

// TestMove: an order goes to another subscription with all that has come of it; it goes on there, its rights follow its
// new id, and what it left is told in both places.
func TestMove(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	ask := c.caller(c.FirstRun)
	two := "/subscriptions/22222222-2222-2222-2222-222222222222"
	for path, body := range map[string]string{two: `{"state":"Enabled"}`} {
		if code, _, data := ask.call("PUT", path+resV, body); code != http.StatusCreated {
			t.Fatalf("%d %s", code, data)
		}
	}
	if code, _, data := ask.call("PUT", two+"/resourceGroups/Other"+resV, `{"location":"x"}`); code != http.StatusCreated {
		t.Fatalf("%d %s", code, data)
	}
	from := subID + "/resourceGroups/default"
	body := `{"resources":["` + c.id.String() + `"],"targetResourceGroup":"` + two + `/resourceGroups/other"}`
	for _, what := range []string{"/validateMoveResources", "/moveResources"} {
		ask.refused("POST", from+what+resV, body, 409, "SiteNotInTarget")
	}
	if code, _, data := ask.call("PATCH", c.id.String()+orderV, `{"properties":{"productType":"StandardDomainValidatedSsl","sites":[]}}`); code != http.StatusOK {
		t.Fatalf("%d %s", code, data)
	}
	for _, bad := range []struct {
		body, code string
		status     int
	}{
		{`{"resources":[],"targetResourceGroup":"` + two + `/resourceGroups/other"}`, "PropertyMissing", 400},
		{`{"resources":["` + c.id.String() + `"],"targetResourceGroup":"other"}`, "InvalidTarget", 400},
		{`{"resources":["` + c.id.String() + `"],"targetResourceGroup":"` + two + `/resourceGroups/nowhere"}`, "ResourceGroupNotFound", 404},
		{`{"resources":["` + c.id.String() + `x"],"targetResourceGroup":"` + two + `/resourceGroups/other"}`, "OrderNotFound", 404},
		{`{"resources":["` + from + `/providers/Microsoft.Web/sites/shop"],"targetResourceGroup":"` + two + `/resourceGroups/other"}`, "ResourceMoveNotSupported", 409},
		{`{"resources":["` + from + `/providers/Microsoft.KeyVault/vaults/default"],"targetResourceGroup":"` + two + `/resourceGroups/other"}`, "ResourceMoveNotSupported", 409},
		{strings.ReplaceAll(body, two+"/resourceGroups/other", from), "ResourceMoveNotNeeded", 409},
	} {
		ask.refused("POST", from+"/moveResources"+resV, bad.body, bad.status, bad.code)
	}
	narrow, _, err := c.Auth.Issue(t.Context(), "narrow", auth.Owner, from, 0)
	if err != nil {
		t.Fatal(err)
	}
	c.caller(narrow).refused("POST", from+"/moveResources"+resV, body, 403, "AuthorizationFailed")
	c.wait(c.id, "at rest", func(o *order.Order) bool { return o.LeaseOwner == "" && len(o.Next(c.Now())) == 0 })
	before := c.load(c.id)
	for _, what := range []string{"/validateMoveResources", "/moveResources"} {
		if code, _, data := ask.call("POST", from+what+resV, body); code != http.StatusNoContent {
			t.Fatalf("%s: %d %s", what, code, data)
		}
	}
	ask.refused("GET", c.id.String()+orderV, "", 404, "OrderNotFound")
	id := order.ID{Subscription: "22222222-2222-2222-2222-222222222222", Group: "Other", Name: "shop"}
	c.caller(narrow).refused("GET", id.String()+orderV, "", 403, "AuthorizationFailed")
	after := c.load(id)
	if after.First().Serial != before.First().Serial || after.Generation != before.Generation || after.StatusOf(c.Now()) != order.Issued {
		t.Errorf("moved: serial %s, generation %d, %s", after.First().Serial, after.Generation, after.StatusOf(c.Now()))
	}
	old, _, err := c.Store.Events(t.Context(), order.EventQuery{Order: &c.id, Limit: 1})
	if err != nil || old[0].Name != "moved-away" || old[0].Properties["to"] != id.String() {
		t.Errorf("the last event of the former id is %+v, %v", old, err)
	}
	events, err := c.Store.FollowOrder(t.Context(), id, 0, 10)
	if err != nil || events[0].Name != "moved" || events[0].Caller != "owner" {
		t.Errorf("the first events are %+v, %v", events, err)
	}
	if err := order.VerifyChain(nil, events); err != nil {
		t.Error(err)
	}
	if code, _, data := ask.call("POST", id.String()+"/sync", ""); code != http.StatusOK { // it works there
		t.Errorf("sync: %d %s", code, data)
	}
	c.wait(id, "in sync", func(o *order.Order) bool {
		return o.LeaseOwner == "" && o.VaultStatusOf(c.Now()) == order.VaultSucceeded
	})
	c.pastIsTold(ask, id)
}

// pastIsTold: the timeline of an order that was moved goes on with what came of it under its former id, page by page, and
// with nothing of whoever has that id now; another id cannot be slipped in.
func (c *clients) pastIsTold(ask *caller, id order.ID) {
	c.t.Helper()
	ask.refused("PUT", c.id.String()+orderV, strings.ReplaceAll(wishV, "%s", "stranger.example.com"), 409, "SecretTaken") // the moved order keeps its secret
	if code, _, data := ask.call("PUT", c.id.String()+orderV, strings.Replace(strings.ReplaceAll(wishV, "%s", "stranger.example.com"), `"productType"`, `"secretName":"stranger","productType"`, 1)); code > 201 {
		c.t.Fatalf("another order of that name: %d %s", code, data)
	}
	for _, top := range []string{"100", "1", "2", "3"} {
		var names []string
		pages := 0
		for next := id.String() + "/timeline?top=" + top; next != "" && pages < 200; pages++ {
			var page arm.List[order.Event]
			ask.get(next, &page)
			for _, e := range page.Value {
				names = append(names, e.Name)
				if strings.Contains(e.Text, "stranger") {
					c.t.Errorf("an event of another order: %s", e.Text)
				}
			}
			next = page.NextLink
		}
		i, j := slices.Index(names, "moved"), slices.Index(names, "moved-away")
		if i < 0 || j != i+1 || names[len(names)-1] != "created" && names[len(names)-1] != "ordered" || !slices.Contains(names[j:], "issued") {
			c.t.Errorf("%s at a time, %d pages: %v", top, pages, names)
		}
	}
	ask.refused("GET", id.String()+"/timeline?former="+order.Short("other").String(), "", 400, "InvalidCursor")
	ask.refused("GET", c.id.String()+"/timeline?former="+id.String(), "", 400, "InvalidCursor")
	var forged arm.List[order.Event]
	ask.get(id.String()+"/timeline?former="+c.id.String()+"&before=1000000", &forged)
	if len(forged.Value) == 0 || forged.Value[0].Name != "moved-away" {
		c.t.Errorf("before the end of the former id: %+v", forged.Value)
	}
}
