package arm

import (
	"fmt"
	"testing"
	"time"
)

func TestFilterIsTakenApart(t *testing.T) {
	for in, want := range map[string]string{
		"name eq 'a'":                          "[{name eq a}]",
		" name EQ 'a and b'  AND x ne 'c''d' ": "[{name eq a and b} {x ne c'd}]", // and in a value joins nothing
		"substringof('sh', name)":              "[{name substringof sh}]",
		"startswith(tagName,'co''st')":         "[{tagName startswith co'st}]",
		"at ge 2026-11-28T02:04:05.123456":     "[{at ge 2026-11-28T02:04:05.123456}]",
		"":                                     "[]",
	} {
		if got, err := Filter(in); err != nil || fmt.Sprint(got) != want {
			t.Errorf("Filter(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"name", "name eq a", "name eq 'a' or name eq 'b'", "name eq 'a' and ", "name eq 'a", "contains(name,'a')", "name has 'a'"} {
		if got, err := Filter(in); err == nil {
			t.Errorf("Filter(%q) = %v, want an error", in, got)
		}
	}
}

// What az and PowerShell send.
func TestLogFilterOfClients(t *testing.T) {
	f, err := ParseLogFilter("eventTimestamp ge 2026-11-21T09:00:00.123456 and eventTimestamp le 2026-11-28T09:00:00.123456 and resourceId eq '/x' and caller eq 'Ops' and status eq 'failed'")
	if err != nil || !f.From.Equal(time.Date(2026, 11, 21, 9, 0, 0, 123456000, time.UTC)) || f.To.Day() != 28 || f.Resource != "/x" {
		t.Errorf("az: %+v, %v", f, err)
	}
	for takes, d := range map[bool]EventData{true: {Caller: "ops", Status: same("Failed")}, false: {Caller: "ops", Status: same("Succeeded")}} {
		if f.Takes(d) != takes {
			t.Errorf("%s by %s is taken: %v", d.Status.Value, d.Caller, !takes)
		}
	}
	if _, err := ParseLogFilter("eventTimestamp ge '2026-11-21T09:00:00Z' and eventChannels eq 'Admin, Operation'"); err != nil {
		t.Errorf("PowerShell: %v", err)
	}
}

func TestResourceFilter(t *testing.T) {
	g := Generic{ID: "/subscriptions/s/resourceGroups/Web/providers/A.B/things/Shop", Name: "Shop", Type: "A.B/things", Location: "West Europe", Tags: map[string]string{"Env": "Prod", "cost": "7"}}
	for in, want := range map[string]bool{
		"": true,
		"resourceType eq 'a.b/THINGS' and name eq 'shop'":  true,
		"resourceType ne 'A.B/things'":                     false,
		"resourceGroup eq 'web' and name ne 'x'":           true,
		"location eq 'westeurope'":                         true,
		"substringof('HO', name)":                          true,
		"substringof('x', name)":                           false,
		"substringof('we', resourceGroup)":                 true,
		"tagName eq 'env'":                                 true,
		"tagName eq 'env' and tagValue eq 'Prod'":          true,
		"tagName eq 'env' and tagValue eq 'prod'":          false, // values have a case
		"tagName eq 'env' and tagValue eq '7'":             false, // that is another tag's
		"startswith(tagName, 'CO')":                        true,
		"startswith(tagName, 'co') and tagValue eq 'Prod'": false,
	} {
		f, err := ParseResourceFilter(in, OfSubscription)
		if err != nil || f.Takes(g) != want {
			t.Errorf("%q takes it: %v, %v; want %v", in, f.Takes(g), err, want)
		}
	}
	for in, names := range map[string][]string{"resourceGroup eq 'web'": OfGroup, "kind eq 'x'": OfSubscription, "name eq 'x'": OfGroups, "tagValue eq 'x'": OfGroups, "startswith(name, 'x')": OfGroup} {
		if _, err := ParseResourceFilter(in, names); err == nil {
			t.Errorf("%s is taken among %v", in, names)
		}
	}
}

func TestTagsOver(t *testing.T) {
	one, two := "1", "2"
	was := map[string]string{"a": "1", "b": "1"}
	for _, c := range []struct {
		given Tags
		patch bool
		want  string
	}{
		{nil, true, "map[a:1 b:1]"}, {nil, false, "map[a:1 b:1]"},
		{Tags{"a": nil, "c": &two}, true, "map[b:1 c:2]"}, {Tags{"a": nil, "c": &one}, false, "map[c:1]"},
		{Tags{}, true, "map[a:1 b:1]"}, {Tags{}, false, "map[]"},
	} {
		if got := c.given.Over(was, c.patch); fmt.Sprint(got) != c.want {
			t.Errorf("%v over them, as a patch %v: %v, want %s", c.given, c.patch, got, c.want)
		}
	}
	if fmt.Sprint(was) != "map[a:1 b:1]" {
		t.Errorf("the tags that were: %v", was)
	}
}
