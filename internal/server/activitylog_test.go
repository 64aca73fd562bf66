package server

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"certwright/internal/arm"
	"certwright/internal/order"
	"certwright/internal/site"
	"certwright/internal/testworld"
)

// TestActivityLog: each filter gives its events and no others, newest first, and each event says all that is known of it.
func TestActivityLog(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	two := order.ID{Subscription: "22222222-2222-2222-2222-222222222222", Group: "there", Name: "far"}
	for _, err := range []error{l.Store.SaveGroup(t.Context(), order.Group{Subscription: order.DefaultSubscription, Name: "near"}), l.Store.SaveSubscription(t.Context(), two.Subscription, "Two", order.SubscriptionEnabled), l.Store.SaveGroup(t.Context(), order.Group{Subscription: two.Subscription, Name: "there"})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	near := order.Short("near")
	near.Group = "near"
	start := l.Now().UTC().Truncate(time.Second).Add(-time.Hour)
	var mine []order.Event
	for i, id := range []order.ID{order.Short("one"), near, two} {
		o := order.Fresh(id, order.Watched, order.Spec{Names: []order.Name{{Kind: order.DNS, Value: "w.example.com"}}, Endpoints: []site.Endpoint{{Address: "127.0.0.1:1"}}}, nil, l.Now())
		e := order.Event{Order: id, At: start.Add(time.Duration(i) * time.Minute).Add(123 * time.Millisecond), Caller: "tester", Correlation: "c-" + id.Name, Operation: order.Type + "/renew/action", Name: "tried-" + id.Name, Stage: order.StageIssue,
			Status: order.Failed, SubStatus: "409", Level: order.Error, Text: "It did not go.", Properties: map[string]string{"clientRequestId": "r-1", "clientIpAddress": "192.0.2.1", "request": "POST /x", "more": "m"}}
		if err := l.Store.CreateOrder(t.Context(), o, o.Project(l.Now()), []order.Event{e}); err != nil {
			t.Fatal(err)
		}
		events, err := l.Store.FollowOrder(t.Context(), id, 0, 1)
		if err != nil || len(events) != 1 {
			t.Fatal(events, err)
		}
		mine = append(mine, events[0])
	}
	const log = "/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter="
	here, at := "/subscriptions/"+order.DefaultSubscription, func(d time.Duration) string { return start.Add(d).Format(time.RFC3339Nano) }
	span := "eventTimestamp ge '" + at(0) + "'"
	for _, x := range []struct{ scope, filter, want string }{
		{"", span, "far near one"}, {here, span, "near one"}, {"/subscriptions/" + two.Subscription, span, "far"},
		{"", span + " and eventTimestamp le '" + at(2*time.Minute) + "'", "near one"},
		{"", span + " and eventTimestamp le '" + at(time.Minute+123*time.Millisecond) + "'", "near one"},
		{"", "eventTimestamp ge '" + at(time.Minute) + "' and eventTimestamp le '" + at(2*time.Minute) + "'", "near"},
		{here, span + " and resourceGroupName eq 'NEAR'", "near"}, {here, span + " and resourceGroupName eq 'nowhere'", ""}, {"", span + " and resourceGroupName eq 'there'", "far"},
		{here, span + " and resourceUri eq '" + strings.ToUpper(near.String()) + "'", "near"}, {here, span + " and resourceUri eq '" + two.String() + "'", ""}, {"", span + " and resourceUri eq '" + two.String() + "'", "far"},
		{here, span + " and correlationId eq 'c-one'", "one"}, {"", span + " and correlationId eq 'none'", ""},
		{here, span + " and resourceProvider eq 'microsoft.certificateregistration'", "near one"}, {here, span + " and resourceProvider eq 'Microsoft.Web'", ""},
	} {
		var got []string
		for next := x.scope + log + url.QueryEscape(x.filter); next != ""; {
			var page arm.List[arm.EventData]
			c.get(next, &page)
			for _, e := range page.Value {
				if strings.HasPrefix(e.EventName.Value, "tried-") {
					got = append(got, strings.TrimPrefix(e.EventName.Value, "tried-"))
				} else if strings.Contains(x.filter, "eq") && (x.want == "" || !strings.HasSuffix(e.Resource, "/"+x.want) && !strings.Contains(x.filter, "resourceProvider")) { // what happened meanwhile
					t.Errorf("%s %s has %+v", x.scope, x.filter, e)
				}
			}
			next = page.NextLink
		}
		if strings.Join(got, " ") != x.want {
			t.Errorf("%s %s: %v, want %s", x.scope, x.filter, got, x.want)
		}
	}
	var page arm.List[arm.EventData]
	c.get(here+log+url.QueryEscape(span+" and correlationId eq 'c-near'"), &page)
	e, is := page.Value[0], mine[1]
	word := func(l *arm.Localized) string { return l.Value }
	for what, pair := range map[string][2]string{
		"authorization": {e.Authorization.Action + " " + e.Authorization.Scope, is.Operation + " " + near.String()}, "caller": {e.Caller, "tester"}, "description": {e.Description, "It did not go."}, "eventDataId": {e.EventID, is.ID},
		"correlationId": {e.Correlation, "c-near"}, "eventName": {word(e.EventName), "tried-near"}, "category": {word(e.Category), "Administrative"}, "level": {e.Level, "Error"}, "resourceGroupName": {e.Group, "near"},
		"resourceProviderName": {word(e.Provider), order.Provider}, "resourceId": {e.Resource, near.String()}, "resourceType": {word(e.Type), order.Type}, "operationId": {e.OperationID, "c-near"}, "operationName": {word(e.Operation), is.Operation},
		"status": {word(e.Status), "Failed"}, "subStatus": {word(e.SubStatus), "Conflict"}, "eventTimestamp": {e.At.Format(time.RFC3339Nano), is.At.Format(time.RFC3339Nano)}, "submissionTimestamp": {e.Submitted.Format(time.RFC3339Nano), is.At.Format(time.RFC3339Nano)},
		"subscriptionId": {e.Subscription, order.DefaultSubscription}, "httpRequest": {e.HTTP.Client + e.HTTP.Address + e.HTTP.Method + e.HTTP.URI, "r-1192.0.2.1POST/x"}, "properties": {e.Properties["stage"] + e.Properties["more"], "issuem"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %q, want %q", what, pair[0], pair[1])
		}
	}
	if e.Tenant == "" || len(e.Properties) != 2 || !slices.IsSortedFunc(page.Value, func(a, b arm.EventData) int { return b.At.Compare(*a.At) }) {
		t.Errorf("the event is %+v", e)
	}
	for _, filter := range []string{"", "eventTimestamp le '" + at(0) + "'", "resourceGroupName eq 'near'", span + " and resourceGroupName eq 'near' and correlationId eq 'x'", span + " or level eq 'Error'", span + " and level eq 'Error'", "eventTimestamp ge 'yesterday'"} {
		c.refused("GET", here+log+url.QueryEscape(filter), "", 400, "InvalidFilter")
	}
}
