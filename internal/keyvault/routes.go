package keyvault

import (
	"net/http"
	"strings"
)

// Route is one operation: what it answers, and the action that its caller must be allowed. The actions are those that Azure's
// roles for Key Vault list.
type Route struct {
	Method, Pattern, Action string
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
		{Method: "GET", Pattern: "/secrets", Action: kv + "secrets/readMetadata/action", handle: h.listSecrets},
		{Method: "POST", Pattern: "/secrets/restore", Action: kv + "secrets/restore/action", handle: h.restoreSecret, large: true},
		{Method: "PUT", Pattern: "/secrets/{name}", Action: kv + "secrets/setSecret/action", handle: h.setSecret},
		{Method: "DELETE", Pattern: "/secrets/{name}", Action: kv + "secrets/delete", handle: h.deleteSecret},
		{Method: "GET", Pattern: "/secrets/{name}", Action: kv + "secrets/getSecret/action", handle: h.getSecret},
		{Method: "PATCH", Pattern: "/secrets/{name}", Action: kv + "secrets/update/action", handle: h.updateSecret},
		{Method: "GET", Pattern: "/secrets/{name}/versions", Action: kv + "secrets/readMetadata/action", handle: h.listSecretVersions},
		{Method: "POST", Pattern: "/secrets/{name}/backup", Action: kv + "secrets/backup/action", handle: h.backupSecret},
		{Method: "GET", Pattern: "/secrets/{name}/{version?}", Action: kv + "secrets/getSecret/action", handle: h.getSecret},
		{Method: "PATCH", Pattern: "/secrets/{name}/{version?}", Action: kv + "secrets/update/action", handle: h.updateSecret},
		{Method: "GET", Pattern: "/deletedsecrets", Action: kv + "secrets/readMetadata/action", handle: h.listDeletedSecrets},
		{Method: "GET", Pattern: "/deletedsecrets/{name}", Action: kv + "secrets/readMetadata/action", handle: h.getDeletedSecret},
		{Method: "DELETE", Pattern: "/deletedsecrets/{name}", Action: kv + "secrets/purge/action", handle: h.purgeSecret},
		{Method: "POST", Pattern: "/deletedsecrets/{name}/recover", Action: kv + "secrets/recover/action", handle: h.recoverSecret},
	}
}
