package arm

import (
	"strings"
	"testing"
)

func TestRouterKeepsCaseAndIgnoresIt(t *testing.T) {
	var r Router[string]
	group := "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
	r.Add("GET", group, "group")
	r.Add("PUT", group, "make")
	r.Add("GET", group+"/providers/Microsoft.Web/sites/{site}", "site")
	r.Add("GET", group+"/providers/Microsoft.Web/sites/all", "all")
	r.Add("GET", "/{tenant}/oauth2/v2.0/token", "token")
	r.Add("GET", "/subscriptions/{s}/x", "x")
	for path, want := range map[string]string{
		"/subscriptions/S1/resourcegroups/G":                                   "group subscriptionId=S1 resourceGroupName=G",
		"/SUBSCRIPTIONS/S1/RESOURCEGROUPS/My%20G/":                             "group subscriptionId=S1 resourceGroupName=My G",
		"//subscriptions/a/resourceGroups/b":                                   "group subscriptionId=a resourceGroupName=b",
		"/subscriptions/a/resourceGroups/b/providers/microsoft.web/sites":      "",
		"/subscriptions/a/resourceGroups/b/providers/microsoft.web/SITES/Shop": "site subscriptionId=a resourceGroupName=b site=Shop",
		"/subscriptions/a/resourceGroups/b/providers/Microsoft.Web/sites/ALL":  "all subscriptionId=a resourceGroupName=b",
		"/subscriptions/oauth2/x":                                              "x s=oauth2",
		"/subscriptions/oauth2/v2.0":                                           "",
		"/T/oauth2/V2.0/token":                                                 "token tenant=T",
		"/subscriptions/%zz/x":                                                 "",
		"/":                                                                    "",
		"/subscriptions/a/x/more":                                              "",
		"/subscriptions/a%2Fb/x":                                               "x s=a/b",
		"/subscriptions/oauth2/v2.0/to":                                        "",
	} {
		f, ok := r.Find("GET", path)
		got := f.Value
		for _, name := range []string{"subscriptionId", "resourceGroupName", "site", "s", "tenant"} {
			if v, ok := f.Params[name]; ok {
				got += " " + name + "=" + v
			}
		}
		if ok != (want != "") || got != want {
			t.Errorf("%s: %q %v, want %q", path, got, ok, want)
		}
	}
	if f, ok := r.Find("DELETE", "/subscriptions/a/resourceGroups/b"); ok || strings.Join(f.Allowed, " ") != "GET PUT" {
		t.Errorf("a method that is not there: %v %v", ok, f.Allowed)
	}
	if f, ok := r.Find("HEAD", "/subscriptions/a/resourceGroups/b"); !ok || f.Value != "group" {
		t.Errorf("HEAD: %v %v", ok, f)
	}
	defer func() {
		if recover() == nil {
			t.Error("a second route for the same did not panic")
		}
	}()
	r.Add("GET", "/Subscriptions/{other}/X", "again")
}
