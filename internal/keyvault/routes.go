package keyvault

import (
	"net/http"
	"strings"

	"certwright/internal/secret"
)

// Route is one operation: what it answers, and what its caller must be allowed: the action, which Azure's roles for Key Vault list,
// or the permission in a vault whose access policies say who may.
type Route struct {
	Method, Pattern, Action string
	Permission              secret.Permission
	handle                  func(w http.ResponseWriter, q *request) error
	large                   bool // its body may be a backup
	segments                []string
}

const kv = "Microsoft.KeyVault/vaults/"

// Routes are all of them: 12 operations of secrets and 27 of certificates, some at two paths. A path is the first that fits, so fixed
// words come before names. {version?} may be empty: clients ask for the latest with a slash at the end.
func (h *Handler) Routes() []Route {
	l := append(h.secretRoutes(), h.certificateRoutes()...)
	for i := range l {
		l[i].segments = strings.Split(strings.TrimPrefix(l[i].Pattern, "/"), "/")
	}
	return l
}

func (h *Handler) secretRoutes() []Route {
	return []Route{
		{Method: "GET", Pattern: "/secrets", Action: kv + "secrets/readMetadata/action", Permission: "secrets/list", handle: h.listSecrets},
		{Method: "POST", Pattern: "/secrets/restore", Action: kv + "secrets/restore/action", Permission: "secrets/restore", handle: h.restoreSecret, large: true},
		{Method: "PUT", Pattern: "/secrets/{name}", Action: kv + "secrets/setSecret/action", Permission: "secrets/set", handle: h.setSecret},
		{Method: "DELETE", Pattern: "/secrets/{name}", Action: kv + "secrets/delete", Permission: "secrets/delete", handle: h.deleteSecret},
		{Method: "GET", Pattern: "/secrets/{name}", Action: kv + "secrets/getSecret/action", Permission: "secrets/get", handle: h.getSecret},
		{Method: "PATCH", Pattern: "/secrets/{name}", Action: kv + "secrets/update/action", Permission: "secrets/set", handle: h.updateSecret},
		{Method: "GET", Pattern: "/secrets/{name}/versions", Action: kv + "secrets/readMetadata/action", Permission: "secrets/list", handle: h.listSecretVersions},
		{Method: "POST", Pattern: "/secrets/{name}/backup", Action: kv + "secrets/backup/action", Permission: "secrets/backup", handle: h.backupSecret},
		{Method: "GET", Pattern: "/secrets/{name}/{version?}", Action: kv + "secrets/getSecret/action", Permission: "secrets/get", handle: h.getSecret},
		{Method: "PATCH", Pattern: "/secrets/{name}/{version?}", Action: kv + "secrets/update/action", Permission: "secrets/set", handle: h.updateSecret},
		{Method: "GET", Pattern: "/deletedsecrets", Action: kv + "secrets/readMetadata/action", Permission: "secrets/list", handle: h.listDeletedSecrets},
		{Method: "GET", Pattern: "/deletedsecrets/{name}", Action: kv + "secrets/readMetadata/action", Permission: "secrets/get", handle: h.getDeletedSecret},
		{Method: "DELETE", Pattern: "/deletedsecrets/{name}", Action: kv + "secrets/purge/action", Permission: "secrets/purge", handle: h.purgeSecret},
		{Method: "POST", Pattern: "/deletedsecrets/{name}/recover", Action: kv + "secrets/recover/action", Permission: "secrets/recover", handle: h.recoverSecret},
	}
}
