package order

import (
	"errors"
	"strings"
	"testing"
)

// refusals says for every state which commands are refused, with the code; all others are allowed.
var refusals = map[string]map[Command]string{
	"fresh": {CmdRenew: "OrderPending", CmdRekey: "OrderPending", CmdRevoke: "NothingIssued", CmdAgain: "OrderAlive", CmdExport: "NothingStored",
		CmdStore: "NothingToStore", CmdRecover: "NothingStored", CmdEnable: "NothingStored"},
	"waits for owner": {CmdRenew: "OrderPending", CmdRekey: "OrderPending", CmdRevoke: "NothingIssued", CmdAgain: "OrderAlive",
		CmdExport: "NothingStored", CmdStore: "NothingToStore", CmdRecover: "NothingStored", CmdEnable: "NothingStored"},
	"issued":        {CmdVerify: "NothingToVerify", CmdCancel: "OrderIssued", CmdAgain: "OrderAlive"},
	"renewing":      {CmdCancel: "OrderIssued", CmdAgain: "OrderAlive"},
	"renewal begun": {CmdRenew: "AttemptRunning", CmdCancel: "OrderIssued", CmdAgain: "OrderAlive"},
	"rekey wanted":  {CmdCancel: "OrderIssued", CmdAgain: "OrderAlive"},
	"rekey begun":   {CmdRenew: "AttemptRunning", CmdRekey: "AttemptRunning", CmdCancel: "OrderIssued", CmdAgain: "OrderAlive"},
	"expired":       {CmdRevoke: "AllExpired", CmdCancel: "OrderIssued", CmdAgain: "OrderAlive"},
	"pending revocation": {CmdVerify: "RevocationPending", CmdRenew: "RevocationPending", CmdRekey: "RevocationPending", CmdSync: "RevocationPending",
		CmdRevoke: "RevocationPending", CmdCancel: "RevocationPending", CmdAgain: "RevocationPending", CmdUpdate: "RevocationPending",
		CmdRetry: "RevocationPending", CmdStore: "RevocationPending", CmdRecover: "RevocationPending", CmdEnable: "RevocationPending"},
	"revoked":  but("OrderRevoked", CmdAgain, CmdDelete),
	"denied":   but("OrderDenied", CmdAgain, CmdDelete),
	"canceled": but("OrderCanceled", CmdAgain, CmdDelete),
	"deleting": but("OrderDeleting", CmdDelete),
	"imported": but("NoIssuer", CmdSync, CmdDelete, CmdUpdate, CmdExport, CmdRetry, CmdStore, CmdRecover, CmdEnable),
	"imported, no key": {CmdVerify: "NoIssuer", CmdRenew: "NoIssuer", CmdRekey: "NoIssuer", CmdRevoke: "NoIssuer", CmdCancel: "NoIssuer", CmdAgain: "NoIssuer", CmdExport: "ExternalPrivateKey",
		CmdStore: "ExternalPrivateKey", CmdRecover: "ExternalPrivateKey", CmdEnable: "ExternalPrivateKey"},
	"watched": but("OnlyWatched", CmdSync, CmdDelete, CmdUpdate, CmdRetry),
}

// but refuses all commands but some.
func but(code string, allowed ...Command) map[Command]string {
	m := map[Command]string{}
	for _, c := range Commands {
		if !in(c, allowed...) {
			m[c] = code
		}
	}
	return m
}

func TestEveryCommandInEveryState(t *testing.T) {
	t.Parallel()
	states := inState(t)
	for name, refused := range refusals {
		build := states[name]
		delete(states, name)
		for _, c := range Commands {
			t.Run(name+"/"+string(c), func(t *testing.T) {
				w := build()
				err := w.o.Allowed(c, w.now)
				if refused[c] == "" {
					if err != nil {
						t.Fatalf("refused: %v", err)
					}
					if c != CmdUpdate && len(w.give(Commanded{By: By{Caller: "ada"}, Command: c})) == 0 {
						t.Error("allowed, and no event says that it was given")
					}
					return
				}
				checkRefusal(t, err, c, refused[c])
			})
		}
	}
	for name := range states {
		t.Errorf("state %q has no line in the table", name)
	}
}

func checkRefusal(t *testing.T, err error, c Command, code string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) {
		t.Fatalf("got %v, want a refusal %s", err, code)
	}
	equal(t, "code", r.Code, code)
	equal(t, "kind", r.Kind, Conflict)
	if !strings.HasPrefix(r.Message, string(c)+" of order www is not possible: ") || strings.HasSuffix(r.Message, ": ") {
		t.Errorf("the message gives no reason: %q", r.Message)
	}
	if r.Fix == "" || !strings.HasSuffix(r.Error(), ". "+r.Fix) {
		t.Errorf("no fix is shown: %q", r.Error())
	}
	if got, ok := AsRefusal(err); !ok || got != r {
		t.Error("AsRefusal does not find it")
	}
}

// What a refusal advises must be possible.
func TestRefusalsAdviseWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for name, build := range inState(t) {
		w := build()
		for _, c := range Commands {
			r, ok := AsRefusal(w.o.Allowed(c, w.now))
			if !ok || strings.Contains(r.Fix, "then") {
				continue
			}
			fix := strings.ToLower(r.Fix)
			possible, named := false, false
			for _, other := range Commands {
				word := string(other)
				if other == CmdAgain {
					word = "'order again'"
				}
				if other != CmdUpdate && other != CmdExport && strings.Contains(fix, word) {
					named = true
					possible = possible || w.o.Allowed(other, w.now) == nil
				}
			}
			if named && !possible {
				t.Errorf("%s: %s is refused with %q, which is not possible", name, c, r.Fix)
			}
		}
	}
}
