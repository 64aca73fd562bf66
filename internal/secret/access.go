package secret

import (
	"fmt"
	"slices"
	"strings"
)

// AccessPolicy says what one principal may do in a vault (Key Vault: AccessPolicyEntry). Permissions are lower case.
type AccessPolicy struct {
	Principal    string   `json:"objectId"` // a token's name, or the id of one of Certwright's own principals
	Secrets      []string `json:"secrets,omitempty"`
	Certificates []string `json:"certificates,omitempty"`
	Keys         []string `json:"keys,omitempty"`    // kept for whoever wrote it: there are no routes of keys
	Storage      []string `json:"storage,omitempty"` // the same
}

// Permission is a right that an access policy gives: secrets/get, certificates/import.
type Permission string

// Permissions that Certwright's own steps need.
const (
	MayGet     Permission = "secrets/get"
	MayList    Permission = "secrets/list"
	MaySet     Permission = "secrets/set"
	MayDelete  Permission = "secrets/delete"
	MayRecover Permission = "secrets/recover"
	MayPurge   Permission = "secrets/purge"
	MayBackup  Permission = "secrets/backup"
	MayRestore Permission = "secrets/restore"
)

// permissions are those that Key Vault has, by kind of object.
var permissions = map[string][]string{
	"secrets":      {"all", "get", "list", "set", "delete", "backup", "restore", "recover", "purge"},
	"certificates": {"all", "get", "list", "delete", "create", "import", "update", "managecontacts", "getissuers", "listissuers", "setissuers", "deleteissuers", "manageissuers", "recover", "purge", "backup", "restore"},
	"keys": {"all", "encrypt", "decrypt", "wrapkey", "unwrapkey", "sign", "verify", "get", "list", "create", "update", "import", "delete", "backup", "restore", "recover", "purge", "release", "rotate",
		"getrotationpolicy", "setrotationpolicy"},
	"storage": {"all", "get", "list", "delete", "set", "update", "regeneratekey", "recover", "purge", "backup", "restore", "setsas", "listsas", "getsas", "deletesas"},
}

// Permissions are the words that a policy may use for a kind of object.
func Permissions(kind string) []string { return slices.Clone(permissions[kind]) }

// of are the policy's permissions of a kind.
func (p *AccessPolicy) of(kind string) *[]string {
	switch kind {
	case "secrets":
		return &p.Secrets
	case "certificates":
		return &p.Certificates
	case "keys":
		return &p.Keys
	}
	return &p.Storage
}

// Normal gives the policy in lower case, each permission once; an error names one that Key Vault has not.
func (p AccessPolicy) Normal() (AccessPolicy, error) {
	for kind, known := range permissions {
		list := p.of(kind)
		var out []string
		for _, word := range *list {
			word = strings.ToLower(word)
			if !slices.Contains(known, word) {
				return p, fmt.Errorf("%q is no permission of %s: use %s", word, kind, strings.Join(known, ", "))
			}
			if !slices.Contains(out, word) {
				out = append(out, word)
			}
		}
		*list = out
	}
	return p, nil
}

// Allows says whether the policy gives a permission. As in Key Vault, "all" is all but purge.
func (p AccessPolicy) Allows(right Permission) bool {
	kind, word, _ := strings.Cut(string(right), "/")
	list := *p.of(kind)
	switch {
	case slices.Contains(list, word), word != "purge" && slices.Contains(list, "all"):
		return true
	case kind == "certificates" && strings.HasSuffix(word, "issuers"):
		return slices.Contains(list, "manageissuers")
	}
	return false
}

// Allows says whether the vault's access policies give a principal a permission.
func (v VaultSettings) Allows(principal string, right Permission) bool {
	return slices.ContainsFunc(v.Policies, func(p AccessPolicy) bool { return strings.EqualFold(p.Principal, principal) && p.Allows(right) })
}

// Policy is the policy of a principal; nil if the vault has none of it.
func (v VaultSettings) Policy(principal string) *AccessPolicy {
	i := slices.IndexFunc(v.Policies, func(p AccessPolicy) bool { return strings.EqualFold(p.Principal, principal) })
	if i < 0 {
		return nil
	}
	return &v.Policies[i]
}

// Merge adds permissions to the policies that are there.
func (v *VaultSettings) Merge(more []AccessPolicy) {
	v.change(more, func(have, given []string) []string {
		for _, w := range given {
			if !slices.Contains(have, w) {
				have = append(have, w)
			}
		}
		return have
	})
}

// Remove takes permissions from the policies that are there. One that has none left goes.
func (v *VaultSettings) Remove(less []AccessPolicy) {
	v.change(less, func(have, given []string) []string {
		return slices.DeleteFunc(have, func(w string) bool { return slices.Contains(given, w) })
	})
	v.Policies = slices.DeleteFunc(v.Policies, func(p AccessPolicy) bool { return len(p.Secrets)+len(p.Certificates)+len(p.Keys)+len(p.Storage) == 0 })
}

func (v *VaultSettings) change(by []AccessPolicy, how func(have, given []string) []string) {
	v.Policies = slices.Clone(v.Policies)
	for _, b := range by {
		p := v.Policy(b.Principal)
		if p == nil {
			v.Policies = append(v.Policies, AccessPolicy{Principal: b.Principal})
			p = &v.Policies[len(v.Policies)-1]
		}
		for kind := range permissions {
			*p.of(kind) = how(slices.Clone(*p.of(kind)), *b.of(kind))
		}
	}
}

// Principal is one of Certwright's own in the rights of a vault. Its id is that of Azure's application that does the same, because
// these are the ids that scripts and templates name.
type Principal struct{ ID, Name, Does string }

// Certwright's own principals.
var (
	Storer  = Principal{"f3c21649-0979-4721-ac85-b0216b2cf413", "Microsoft.Azure.CertificateRegistration", "stores orders"}
	Fetcher = Principal{"abfa0a7c-a6b6-4736-8310-5855508787cd", "Microsoft.Azure.WebSites", "reads what sites serve"}
	Own     = []Principal{Storer, Fetcher}
)

// OwnPrincipal finds one of Certwright's own by its id or its name.
func OwnPrincipal(s string) (Principal, bool) {
	for _, p := range Own {
		if strings.EqualFold(s, p.ID) || strings.EqualFold(s, p.Name) {
			return p, true
		}
	}
	return Principal{}, false
}

// OwnPolicies are what Certwright needs in a vault: a fresh one has them.
func OwnPolicies() []AccessPolicy {
	return []AccessPolicy{
		{Principal: Storer.ID, Secrets: []string{"get", "list", "set", "delete", "recover"}, Certificates: []string{"get", "list"}},
		{Principal: Fetcher.ID, Secrets: []string{"get"}, Certificates: []string{"get"}},
	}
}

// Admits says whether one of Certwright's own principals may do something in the vault: by the policies, or by a role.
func (v VaultSettings) Admits(p Principal, right Permission) bool {
	if v.ByPolicy {
		return v.Allows(p.ID, right)
	}
	return !slices.Contains(v.NoRole, p.ID)
}

// Switched says whether what Admits refuses would be allowed by the other permission model, whose entries are still there, while the
// present one names none of Certwright's own principals: then the model was switched, and nothing was taken from one of them.
func (v VaultSettings) Switched(p Principal, right Permission) bool {
	named := func(own Principal) bool {
		if v.ByPolicy {
			return v.Policy(own.ID) != nil
		}
		return !slices.Contains(v.NoRole, own.ID)
	}
	other := v
	other.ByPolicy = !v.ByPolicy
	return !v.Admits(p, right) && other.Admits(p, right) && !slices.ContainsFunc(Own, named)
}

// Grant gives Certwright's own principals what they need, in the model that the vault has. ids empty = all of them.
func (v *VaultSettings) Grant(ids ...string) {
	if v.ByPolicy {
		v.Merge(slices.DeleteFunc(OwnPolicies(), func(p AccessPolicy) bool { return len(ids) > 0 && !slices.Contains(ids, p.Principal) }))
		return
	}
	v.NoRole = slices.DeleteFunc(slices.Clone(v.NoRole), func(id string) bool { return len(ids) == 0 || slices.Contains(ids, id) })
}

// Withdraw takes from Certwright's own principals all that they have, in the model that the vault has. ids empty = of all of them.
func (v *VaultSettings) Withdraw(ids ...string) {
	for _, p := range Own {
		if len(ids) > 0 && !slices.Contains(ids, p.ID) {
			continue
		}
		if v.ByPolicy {
			v.Policies = slices.DeleteFunc(slices.Clone(v.Policies), func(a AccessPolicy) bool { return strings.EqualFold(a.Principal, p.ID) })
		} else if !slices.Contains(v.NoRole, p.ID) {
			v.NoRole = append(slices.Clone(v.NoRole), p.ID)
		}
	}
}
