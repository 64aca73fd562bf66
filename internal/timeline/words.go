package timeline

import (
	"strings"

	"certwright/internal/order"
)

// kind is what is known of an event's name. Names that are not in the table are shown all the same,
// in the words of the event's own Text.
type kind struct {
	title  string // of an entry that this event gives its name to
	rank   int    // which of an entry's events names it: the highest; the first of equals
	opens  bool   // begins an operation of its own, even under a correlation already seen
	asks   bool   // is a wish: neither its success nor anything else is told by it
	begins bool   // is the beginning of a step whose end is another event
	waits  bool   // leaves the operation waiting for somebody
	fact   bool   // is seen, not done: it can show that something is wrong, but it is no operation's success
}

// kinds are the events that order records. A command's event outranks the steps that it sets going.
var kinds = map[string]kind{
	"created":              {title: "Order created", rank: 9, opens: true},
	"ordered-again":        {title: "Ordered again", rank: 9, opens: true},
	"imported":             {title: "Import", rank: 9, opens: true},
	"brought":              {title: "Import", rank: 8},
	"watched":              {title: "Watch", rank: 9, opens: true},
	"updated":              {title: "Settings changed", rank: 8, opens: true},
	"site-changed":         {title: "Site changed", rank: 8, opens: true, fact: true},
	"exported":             {title: "Export", rank: 9, opens: true},
	"renew-requested":      {title: "Renewal", rank: 9, opens: true, asks: true},
	"rekey-requested":      {title: "Rekey", rank: 9, opens: true, asks: true},
	"revoke-requested":     {title: "Revocation", rank: 9, opens: true, asks: true},
	"delete-requested":     {title: "Deletion", rank: 9, opens: true, asks: true},
	"sync-requested":       {title: "Sync", rank: 9, opens: true, asks: true},
	"verify-requested":     {title: "Domain verification", rank: 9, opens: true, asks: true},
	"deleted":              {title: "Deletion", rank: 9},
	"canceled":             {title: "Cancellation", rank: 9},
	"denied":               {title: "Certificate denied", rank: 9, opens: true},
	"expired":              {title: "Certificate expired", rank: 9, opens: true},
	"revoked":              {title: "Revocation", rank: 7},
	"version-revoked":      {title: "Revocation", rank: 5},
	"revoke-failed":        {title: "Revocation", rank: 5},
	"attempt-begun":        {title: "Issuance", rank: 6, begins: true},
	"attempt-failed":       {title: "Issuance", rank: 5},
	"attempt-retry":        {title: "Issuance", rank: 5},
	"csr-waiting":          {title: "Certificate request awaited", rank: 6, waits: true},
	"deploy-waiting":       {title: "Deployment by hand", rank: 2, waits: true},
	"attempt-waiting":      {title: "Issuance", rank: 5, waits: true},
	"issued":               {title: "Issuance", rank: 6},
	"issued-late":          {title: "Issuance", rank: 5},
	"verify-started":       {title: "Domain verification", rank: 4, begins: true},
	"name-verified":        {title: "Domain verification", rank: 4},
	"verify-failed":        {title: "Domain verification", rank: 4},
	"verify-waiting":       {title: "Domain verification", rank: 4, waits: true},
	"stored":               {title: "Stored in the vault", rank: 3},
	"stored-again":         {title: "Stored in the vault again", rank: 3},
	"store-failed":         {title: "Storing in the vault", rank: 3},
	"vault-out-of-sync":    {title: "Key Vault out of sync", rank: 3},
	"vault-changed":        {title: "Vault changed", rank: 8, opens: true, fact: true},
	"vault-created":        {title: "Vault made", rank: 9, opens: true},
	"vault-updated":        {title: "Vault changed", rank: 9, opens: true},
	"vault-deleted":        {title: "Vault deleted", rank: 9, opens: true},
	"vault-recovered":      {title: "Vault recovered", rank: 9, opens: true},
	"vault-purged":         {title: "Vault purged", rank: 9, opens: true},
	"vault-moved":          {title: "Vault moved here", rank: 9, opens: true},
	"vault-moved-away":     {title: "Vault moved away", rank: 9, opens: true},
	"group-created":        {title: "Resource group made", rank: 9, opens: true},
	"group-changed":        {title: "Resource group changed", rank: 9, opens: true},
	"group-deleted":        {title: "Resource group removed", rank: 9, opens: true},
	"subscription-created": {title: "Subscription made", rank: 9, opens: true},
	"subscription-changed": {title: "Subscription changed", rank: 9, opens: true},
	"vault-in-sync":        {title: "Key Vault in sync again", rank: 3},
	"synced":               {title: "Sync", rank: 3},
	"sync-skipped":         {title: "Sync", rank: 3},
	"deployed":             {title: "Deployment", rank: 2},
	"deploy-failed":        {title: "Deployment", rank: 2},
	"taken-back":           {title: "Taken back", rank: 2},
	"look-changed":         {title: "Change on the wire", rank: 1, fact: true},
	"renewal-window":       {title: "Renewal window", rank: 1, fact: true},
	"finding-appeared":     {title: "Not well", rank: 9, opens: true, fact: true},
	"finding-changed":      {title: "Not well for another cause", rank: 9, opens: true, fact: true},
	"finding-cleared":      {title: "Well again", rank: 9, opens: true},
}

// reasons give an attempt's entry its name where no command did.
var reasons = map[order.Reason]string{
	order.First:   "First issue",
	order.Renewal: "Renewal",
	order.Manual:  "Renewal",
	order.Rekey:   "Rekey",
}

// waits says whether an event leaves its operation waiting, known name or not.
func waits(name string) bool { return kinds[name].waits || strings.HasSuffix(name, "-waiting") }

// title is what an entry of these events is called.
func title(events []order.Event) string {
	best, rank := "", 0
	for _, e := range events {
		k := kinds[e.Name]
		if k.rank <= rank {
			continue
		}
		best, rank = k.title, k.rank
		if r := reasons[order.Reason(e.Properties["reason"])]; r != "" && e.Stage == order.StageIssue {
			best = r
		}
	}
	if best != "" {
		return best
	}
	return plainTitle(events[0])
}

// plainTitle makes words of a name or an operation that is not known here:
// "key-rotated" becomes "Key rotated", ".../certificateOrders/renew/action" becomes "Renew".
func plainTitle(e order.Event) string {
	s := e.Name
	if s == "" {
		parts := strings.Split(strings.TrimSuffix(e.Operation, "/action"), "/")
		s = parts[len(parts)-1]
	}
	s = strings.TrimSpace(strings.NewReplacer("-", " ", "_", " ").Replace(s))
	if s == "" {
		return "Event"
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// subject is the row that an event is about, from whichever of these properties it carries.
func subject(e order.Event) string {
	for _, k := range []string{"target", "endpoint", "identifier", "name", "keyType", "subject"} {
		if v := e.Properties[k]; v != "" {
			return v
		}
	}
	return ""
}
