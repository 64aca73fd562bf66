package web

import (
	"strings"
	"time"

	"certwright/internal/order"
	"certwright/internal/timeline"
)

// Tones of a card, a badge or a mark. Each also has an icon and a word: no state is told by colour alone.
const (
	toneOK   = "ok"
	toneWait = "wait"
	toneBad  = "bad"
	toneOff  = "off"
)

// tile is the status of an order in the words of App Service Certificates: what it is, what it
// means, what to do.
type tile struct {
	Title, Text, Todo, Tone string
	State                   order.StageState // for the icon
}

// statusWords are the tile of each status (AZURE.md section 3.1).
var statusWords = map[order.Status]tile{
	order.Issued: {"Issued", "The certificate is issued and ready.", "Nothing has to be done.", toneOK, order.Done},
	order.Pendingissuance: {"Domain verification required", "Control of a name has still to be shown to the authority.",
		"Publish what is asked for below, then press Verify. Without it the order is denied 15 days after it was made.", toneWait, order.StateWait},
	order.Denied: {"Certificate denied", "The domain was not verified within 15 days. A denied order cannot be restored.",
		"Order again: the settings are kept.", toneBad, order.StateFail},
	order.StatusExpired: {"Certificate expired", "The current certificate is past its end: clients refuse it.",
		"Mend what is named below.", toneBad, order.StateFail},
	order.PendingRekey: {"Rekey", "A certificate with a new key is on its way. The present one keeps serving until then.",
		"Nothing has to be done unless a stage below says so.", toneWait, order.StateWait},
	order.StatusRevoked: {"Revoked", "All versions are withdrawn. This cannot be undone.",
		"Order a new certificate if the names are still served.", toneBad, order.Disabled},
	order.Pendingrevocation: {"Revocation under way", "The authority is being asked to withdraw all versions.",
		"Stop serving this certificate now.", toneWait, order.StateWait},
	order.StatusCanceled:  {"Canceled", "The order was called off before a certificate was issued.", "Order again if it is still wanted.", toneOff, order.Disabled},
	order.Unused:          {"Unused", "The order is not in use.", "", toneOff, order.Absent},
	order.NotSubmitted:    {"Not submitted", "The order has not gone to an authority yet.", "", toneOff, order.StateWait},
	outOfSync:             {"Key Vault out of sync", "The certificate is issued, but the vault does not hold it as it should.", "Press Sync once the vault can be reached again.", toneBad, order.StateFail},
	order.Status("Watch"): {"Watched", "Nothing is issued here: the endpoint is looked at and explained.", "", toneOK, order.Done},
}

// outOfSync is the tile of an issued order whose vault has a fault; not a status of its own.
const outOfSync order.Status = "OutOfSync"

// vaultTrouble says what is wrong with the vault, in words, for the out-of-sync tile.
var vaultTrouble = map[order.VaultStatus]string{
	order.VaultOrderFailed:    "The order failed, so there is nothing to store.",
	order.VaultNotPermitted:   "The vault refused the write: a permission, a lock or a policy forbids it.",
	order.VaultUnauthorized:   "Certwright has no access to the vault.",
	order.VaultNotExist:       "The vault does not exist any more: deleted, moved, or its subscription is disabled.",
	order.VaultSecretNotExist: "The secret is gone from the vault.",
	order.VaultUnknownError:   "The vault failed for a reason that it does not name.",
}

// tileOf is the tile of an order as it stands.
func tileOf(o *order.Order, pr order.Projection, stages []order.Stage, now time.Time) tile {
	t, ok := statusWords[pr.Status]
	if !ok {
		t = tile{string(pr.Status), "", "", toneOff, order.StateUnkno}
	}
	if text := vaultTrouble[pr.Vault]; text != "" && pr.Status == order.Issued {
		t = statusWords[outOfSync]
		t.Text += " " + text
		return t
	}
	if pr.Status == order.Pendingissuance {
		return pendingTile(t, o, stages)
	}
	switch {
	case pr.Status == order.StatusExpired && o.Spec.AutoRenew && o.Kind == order.Ordered:
		t.Todo = "Renewal goes on by itself and recovers once the cause below is gone."
	case pr.Status == order.StatusExpired && o.Kind != order.Ordered:
		t.Todo = "Nothing here can renew it: bring a new one (certwright order import), or order one."
	}
	if pr.Status == order.Issued {
		return issuedTile(t, o, pr, stages, now)
	}
	return t
}

// pendingTile tells who holds an order up that has no certificate yet, or a renewal: the owner of the
// name, a failure, or nobody, when all of it is under way by itself.
func pendingTile(t tile, o *order.Order, stages []order.Stage) tile {
	owner := false
	for _, s := range stages {
		if s.Problem != nil && s.Problem.ID == "renew-external-csr" && s.State == order.StateWait {
			return tile{"Certificate request awaited", sentence(s.Problem.Cause), sentence(s.Problem.Fix), toneWait, order.StateWait}
		}
		if s.State == order.StateFail {
			text := "There is no certificate yet, because " + stageTrouble[s.Stage] + "."
			if o.Kind == order.Watched {
				text = issuedAs[o.Kind] + ", but the endpoint could not be looked at."
			}
			return tile{stageWord[s.Stage] + " " + wordOf(s.State), text, "See below for the cause and what heals it.", toneBad, order.StateFail}
		}
		owner = owner || s.State == order.StateWait && s.Owner == order.OwnerOwner
	}
	switch {
	case o.Kind == order.Watched:
		return tile{"Not looked at yet", "Nothing is issued here: the endpoint will be looked at and explained.", "", toneWait, order.StateWait}
	case owner && len(o.Versions) > 0:
		t.Text = "The present certificate serves on, but the next one needs control of a name to be shown again."
		t.Todo = "Publish what is asked for below, then press Verify."
	case !owner:
		return tile{"Pending issuance", "The certificate is on its way; each stage below says how far it is.", "Nothing has to be done.", toneWait, order.StateWait}
	}
	return t
}

// issuedTile keeps "issued" from hiding that a later stage is not where it should be.
func issuedTile(t tile, o *order.Order, pr order.Projection, stages []order.Stage, now time.Time) tile {
	switch o.Kind {
	case order.Watched:
		t = statusWords["Watch"]
	case order.Imported:
		t.Title, t.Text = "Imported", "The certificate was brought, not issued here. It is stored, deployed and looked at like any other."
		if o.Spec.ExternalKey {
			t.Text = "The certificate was brought without its private key: it is looked at, and put where no key is needed."
		}
	}
	for _, s := range stages {
		if s.State != order.StateFail && s.State != order.Blocked {
			continue
		}
		t.Tone, t.State, t.Title = toneBad, order.StateFail, stageWord[s.Stage]+" "+wordOf(s.State)
		t.Text = firstOf(issuedAs[o.Kind], "The certificate is issued") + ", but " + stageTrouble[s.Stage] + "."
		t.Todo = "See below for the cause and what heals it."
		return t
	}
	switch {
	case pr.State == order.StateUnkno:
		t.Tone, t.State, t.Title = toneOff, order.StateUnkno, "Not verifiable"
		t.Text, t.Todo = "Not every part of the path can be seen from here; what cannot, and why, stands below.", ""
	case !o.Spec.AutoRenew && endsSoon(o, pr, now):
		t.Tone, t.State = toneWait, order.StateWait
		t.Todo = "It expires " + distance(pr.Expires, now) + " and nothing renews it: bring or order the next one."
	case pr.State == order.StateWait:
		t.Tone, t.State = toneWait, order.StateWait
		t.Todo = firstOf(sentence(pr.Text), t.Todo)
	}
	return t
}

// endsSoon says whether the last third of the current version's life has begun; of a certificate that is
// only watched the beginning is not known, so a month counts.
func endsSoon(o *order.Order, pr order.Projection, now time.Time) bool {
	if pr.Expires.IsZero() {
		return false
	}
	third := 30 * 24 * time.Hour
	for _, v := range o.Versions {
		if v.NotAfter.Equal(pr.Expires) {
			third = v.NotAfter.Sub(v.NotBefore) / 3
		}
	}
	return pr.Expires.Sub(now) < third
}

// issuedAs begins a sentence on an order that has what it needs, but not everywhere.
var issuedAs = map[order.Kind]string{order.Imported: "The certificate was brought", order.Watched: "Nothing is issued here"}

// stageTrouble is a stage that failed, as the end of a sentence.
var stageTrouble = map[order.StageName]string{
	order.StageOrder:  "the order cannot go on",
	order.StageVerify: "control of a name could not be shown",
	order.StageIssue:  "a version could not be issued",
	order.StageStore:  "the vault does not hold it",
	order.StageDeploy: "not every target has it",
	order.StageServe:  "not every endpoint serves it as it should",
}

var stageWord = map[order.StageName]string{
	order.StageOrder: "Order", order.StageVerify: "Verify", order.StageIssue: "Issue",
	order.StageStore: "Store", order.StageDeploy: "Deploy", order.StageServe: "Serve",
}

// rowsWord is what the rows of a stage are.
var rowsWord = map[order.StageName]string{
	order.StageOrder: "details", order.StageVerify: "names", order.StageIssue: "key types",
	order.StageStore: "secrets", order.StageDeploy: "targets", order.StageServe: "endpoints",
}

var stateWord = map[order.StageState]string{
	order.Done: "done", order.StateWait: "waiting", order.Blocked: "blocked", order.StateFail: "failed",
	order.Disabled: "off", order.StateUnkno: "not verifiable", order.Absent: "not part of this order",
}

func wordOf(s order.StageState) string { return firstOf(stateWord[s], string(s)) }

var stateTone = map[order.StageState]string{
	order.Done: toneOK, order.StateWait: toneWait, order.Blocked: toneWait, order.StateFail: toneBad,
	order.Disabled: toneOff, order.StateUnkno: toneOff, order.Absent: toneOff,
}

// stateNote is the mark of a fact in a timeline: no state of a stage.
const stateNote order.StageState = "note"

var outcomeState = map[timeline.Outcome]order.StageState{
	timeline.Succeeded: order.Done, timeline.Failed: order.StateFail, timeline.Waiting: order.StateWait,
	timeline.Running: order.StateWait, timeline.Noted: stateNote,
}

var ownerWord = map[string]string{
	order.OwnerUs: "Certwright, by itself", order.OwnerOwner: "the owner of the name",
	order.OwnerIssuer: "the certificate authority", order.OwnerAdmin: "the administrator",
}

func ownerOf(s string) string { return firstOf(ownerWord[s], s) }

// statusTitle is the tile's title for a status in lists and filters.
func statusTitle(s order.Status) string { return firstOf(statusWords[s].Title, string(s)) }

func firstOf(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

// sentence makes others' words begin with a capital and end with a stop.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	if first := s[0]; first >= 'a' && first <= 'z' && !strings.ContainsAny(strings.SplitN(s, " ", 2)[0], ".:/-_=") {
		s = string(first-'a'+'A') + s[1:]
	}
	if !strings.ContainsAny(s[len(s)-1:], ".!?:") {
		s += "."
	}
	return s
}

// distance is how far t is from now, in words: "in 41 days", "3 min ago".
func distance(t, now time.Time) string {
	d := t.Sub(now)
	switch {
	case d > -time.Second && d < time.Second:
		return "now"
	case d < 0:
		return timeline.Lasting(coarse(-d)) + " ago"
	}
	return "in " + timeline.Lasting(coarse(d))
}

// coarse drops seconds where minutes matter, so that a page does not change at every look.
func coarse(d time.Duration) time.Duration {
	if d >= 2*time.Minute {
		return d.Truncate(time.Minute)
	}
	return d.Truncate(time.Second)
}

// exact is a time as written everywhere: UTC, to the second when it is near.
func exact(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// day is the same where the hour does not matter.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// expiryWords are what a list says of an expiry: "expires in 41 days", and how serious that is.
func expiryWords(t, now time.Time, state order.StageState) (string, string) {
	switch {
	case t.IsZero():
		return "no certificate", toneOff
	case !t.After(now):
		return "expired " + distance(t, now), toneBad
	}
	tone := toneOK
	// How near is near depends on the lifetime, which a list does not know; what it knows is that
	// something is wrong, and then every week counts.
	if t.Sub(now) < 7*24*time.Hour && state != order.Done {
		tone = toneBad
	}
	return "expires " + distance(t, now), tone
}
