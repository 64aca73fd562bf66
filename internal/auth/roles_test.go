package auth

import (
	"strings"
	"testing"

	"certwright/internal/order"
)

func TestAllow(t *testing.T) {
	t.Parallel()
	const o = "Microsoft.CertificateRegistration/certificateOrders/"
	id := order.Short("www").String()
	for action, want := range map[string][3]bool{ // Reader, Contributor, Owner
		o + "Read":                         {true, true, true},
		o + "certificates/read":            {true, true, true},
		o + "Write":                        {false, true, true},
		o + "Delete":                       {false, true, true},
		o + "renew/Action":                 {false, true, true},
		o + "verifyDomainOwnership/action": {false, true, true},
		"Microsoft.KeyVault/vaults/secrets/readMetadata/action": {true, true, true},
		"Microsoft.KeyVault/vaults/secrets/getSecret/action":    {false, true, true},
		"Microsoft.Authorization/roleAssignments/write":         {false, false, true},
		"Certwright/tokens/read":                                {false, false, true},
		"certwright/TOKENS/delete":                              {false, false, true},
		"":                                                      {false, false, false},
		"read":                                                  {false, true, true}, // no provider: no Azure action
	} {
		for i, role := range []Role{Reader, Contributor, Owner} {
			if got := Allow(Principal{Role: role, Scope: "/"}, action, id); got != want[i] {
				t.Errorf("%s %s: %v, expected %v", role, action, got, want[i])
			}
		}
		if Allow(Principal{Role: "", Scope: "/"}, action, id) || Allow(Principal{Role: "owner", Scope: "/"}, action, id) {
			t.Errorf("%s: allowed without a role of the table", action)
		}
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	id := order.Short("www").String()
	group, _, _ := strings.Cut(id, "/providers")
	for name, tc := range map[string]struct {
		scope, id string
		want      bool
	}{
		"everything":            {"/", id, true},
		"everything, root":      {"/", "/", true},
		"its group":             {group, id, true},
		"its group, upper case": {strings.ToUpper(group), id, true},
		"its group, slash":      {group + "/", id, true},
		"itself":                {id, id, true},
		"half a segment":        {group[:len(group)-1], id, false},
		"group of longer name":  {group, strings.Replace(id, "/default/", "/default2/", 1), false},
		"another subscription":  {"/subscriptions/1", id, false},
		"below":                 {id, group, false},
		"narrow token, root":    {group, "/", false},
		"no scope":              {"", id, false},
		"no id":                 {"/", "", false},
		"climbs out":            {group, group + "/../other", false},
		"empty segment":         {group, group + "//x", false},
	} {
		if got := Covers(tc.scope, tc.id); got != tc.want {
			t.Errorf("%s: Covers(%q, %q) = %v", name, tc.scope, tc.id, got)
		}
	}
}
