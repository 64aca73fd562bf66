package auth

import (
	"strings"

	"certwright/internal/secret"
)

// Role is what a token may do, on its scope. The names and their meaning are Azure's built-in roles'.
type Role string

// Roles.
const (
	Reader      Role = "Reader"      // sees everything but the values of secrets
	Contributor Role = "Contributor" // and orders, renews, syncs, revokes, deletes, reads secrets; hands out no access
	Owner       Role = "Owner"       // and hands out access

	// Of the vault's data plane alone.
	SecretsUser         Role = "Key Vault Secrets User"         // reads the values of secrets
	CertificatesOfficer Role = "Key Vault Certificates Officer" // does anything with certificate objects, their issuers and contacts
)

// Roles are all of them, in the order in which they are shown.
var Roles = []Role{Reader, Contributor, Owner, SecretsUser, CertificatesOfficer}

// grant lists patterns of actions, '*' for any text, without case (Azure: actions and notActions).
type grant struct{ actions, except []string }

// access is what hands out access, or shows who has it.
var access = []string{"Microsoft.Authorization/*", "Certwright/tokens/*"}

// grants is the table of roles. What is not listed is not allowed.
var grants = map[Role]grant{
	Reader: {
		// Key Vault calls the listing of secrets, without values, readMetadata.
		actions: []string{"*/read", "Microsoft.KeyVault/vaults/secrets/readMetadata/action"},
		except:  access,
	},
	Contributor: {actions: []string{"*"}, except: access},
	Owner:       {actions: []string{"*"}},
	SecretsUser: {actions: []string{"Microsoft.KeyVault/vaults/secrets/getSecret/action", "Microsoft.KeyVault/vaults/secrets/readMetadata/action"}},
	CertificatesOfficer: {actions: []string{"Microsoft.KeyVault/vaults/read", "Microsoft.KeyVault/vaults/certificates/*", "Microsoft.KeyVault/vaults/certificatecas/*",
		"Microsoft.KeyVault/vaults/certificatecontacts/*"}},
}

// Part is the part of what there is that a scope leaves of a question about a subscription and group; empty fields
// are not bounded. Below the group a scope names one resource by its type and name.
type Part struct{ Subscription, Group, Type, Name string }

// Within narrows a question to a scope. False: nothing of what was asked for lies within it.
func Within(scope, subscription, group string) (Part, bool) {
	parts, ok := segments(scope)
	in := Part{Subscription: subscription, Group: group}
	if !ok {
		return in, false
	}
	for i, want := range []struct { // of a scope: a word that is always the same, then a part of the id
		word string
		part *string
	}{{"subscriptions", &in.Subscription}, {"resourceGroups", &in.Group}} {
		if len(parts) < 2*i+1 {
			return in, true
		}
		if len(parts) < 2*i+2 || !strings.EqualFold(parts[2*i], want.word) || *want.part != "" && !strings.EqualFold(*want.part, parts[2*i+1]) {
			return in, false
		}
		*want.part = parts[2*i+1]
	}
	if rest := parts[min(4, len(parts)):]; len(rest) >= 4 && strings.EqualFold(rest[0], "providers") { // a scope below the resource is within it
		in.Type, in.Name = rest[1]+"/"+rest[2], rest[3]
	} else if len(rest) > 0 {
		return in, false
	}
	return in, true
}

// Allow says whether the principal may do the action (such as
// Microsoft.CertificateRegistration/certificateOrders/Read) on the scope, a resource's id or one above it.
func Allow(p Principal, action, scope string) bool {
	g, ok := grants[p.Role]
	return ok && action != "" && matches(g.actions, action) && !matches(g.except, action) && Covers(p.Scope, scope)
}

// RolesFor are the roles that may do an action, in words.
func RolesFor(action string) string {
	var may []string
	for _, r := range Roles {
		if Allow(Principal{Role: r, Scope: "/"}, action, "/") {
			may = append(may, string(r))
		}
	}
	return strings.Join(may, " or ")
}

// AllowData says whether the principal may do something on the data plane of a vault: by its access policies, whatever the principal's
// role and scope, where these say who may; else by its role, as Allow says.
func AllowData(p Principal, v secret.VaultSettings, action string, right secret.Permission, scope string) bool {
	if v.ByPolicy {
		_, own := secret.OwnPrincipal(p.Name) // a token that only bears such a name
		return right != "" && !own && v.Allows(p.Name, right)
	}
	return Allow(p, action, scope)
}

// Covers says whether the scope is the id's own or one above it: segment by segment, without case. An
// id with an empty, "." or ".." segment is covered by none.
func Covers(scope, id string) bool {
	s, ok := segments(scope)
	if !ok {
		return false
	}
	r, ok := segments(id)
	if !ok || len(r) < len(s) {
		return false
	}
	for i := range s {
		if !strings.EqualFold(s[i], r[i]) {
			return false
		}
	}
	return true
}

// segments splits an id; "/" has none. It must start with '/' and may end with one.
func segments(id string) ([]string, bool) {
	if !strings.HasPrefix(id, "/") {
		return nil, false
	}
	id = strings.TrimSuffix(id[1:], "/")
	if id == "" {
		return nil, true
	}
	parts := strings.Split(id, "/")
	for _, p := range parts {
		if p == "" || p == "." || p == ".." {
			return nil, false
		}
	}
	return parts, true
}

func matches(patterns []string, action string) bool {
	action = strings.ToLower(action)
	for _, p := range patterns {
		if match(strings.ToLower(p), action) {
			return true
		}
	}
	return false
}

// match is a pattern with at most one '*', which stands for any text.
func match(pattern, s string) bool {
	before, after, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	return len(s) >= len(before)+len(after) && strings.HasPrefix(s, before) && strings.HasSuffix(s, after)
}
