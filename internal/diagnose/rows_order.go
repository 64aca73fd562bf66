package diagnose

// stale are the failures at the wire that follow when a newer certificate exists and does not arrive.
var stale = []string{"renew-stored-not-synced", "tls-leaf-expired", "tls-leaf-expiring", "sync-one-node-stale", "tls-v4-v6-differ", "tls-dual-key-one-stale",
	"tls-sni-ip-binding-differ", "tls-intermediate-expired", "tls-chain-*", "tls-name-mismatch", "tls-self-signed-default"}

// rowsOrder are the causes that an order's path shows: the serial in the vault, at the targets and on
// the wire, and why it stops between two of them.
var rowsOrder = []Row{
	{
		ID: "renew-auto-off", Per: perOrder, Node: nodeRenewal, Severity: Warning, Impact: blocksLater,
		Must:  []sign{oDue, oAutoOff},
		Title: "Automatic renewal of {order} is off, and its certificate ends at {end}",
		Cause: "The time of renewal has come, and the order is not to be renewed by itself.",
		Fix:   Fix{Text: "Switch automatic renewal on: the renewal is due, so it begins at once. Or renew it by hand now.", Command: "certwright order update {order} --auto-renew", Action: ActionResumeRenewal},
		Twins: []Twin{
			{ID: "renew-not-due", When: []sign{oDue}, Because: "the end, {end}, is near"},
			{ID: "renew-scheduler-stopped", When: []sign{oAutoOff}, Because: "nothing was to be done: the order says so itself"},
		},
		Predicts: []string{"tls-leaf-expired", "tls-leaf-expiring"},
	},
	{
		ID: "verify-never-started", Per: perOrder, Node: nodeVerify, Severity: Warning, Impact: blocksLater,
		Must:  []sign{oNeverTried},
		Title: "{order} waits for its owner to show control of {never}",
		Cause: "Nothing was tried yet: the owner has to publish the proof first, until {deadline}. {instruct}",
		Fix:   Fix{Text: "Publish what the order asks for, then have it verified.", Command: "certwright order verify {order}", Action: "verify"},
		Twins: []Twin{
			{ID: "verify-lapsed", WhenNot: []sign{oLapsed}, Because: "control was never shown, so it cannot have lapsed"},
		},
		Predicts: []string{"tls-self-signed-default"},
	},
	{
		ID: "renew-verification-lapsed", Per: perOrder, Node: nodeVerify, Severity: Warning, Impact: blocksLater,
		Must:  []sign{oLapsed},
		Title: "The verification of {lapsed} has lapsed and does not succeed again",
		Cause: "Control was shown once; the time for which the issuer re-uses that is over, and the new try failed.",
		Fix:   Fix{Text: "Publish the proof again and have it verified.", Command: "certwright order verify {order}", Action: "verify"},
		Twins: []Twin{
			{ID: "renew-auto-off", WhenNot: []sign{oAutoOff}, Because: "automatic renewal is on"},
			{ID: "verify-never-started", WhenNot: []sign{oNeverTried}, Because: "control was shown before"},
		},
		Predicts: []string{"tls-leaf-expired", "tls-leaf-expiring"},
	},
	{
		ID: "sync-disabled", Per: perOrder, Node: nodeBinding, Severity: Info, Impact: hygiene,
		Must:  []sign{oSwitched},
		Title: "The target {switched} was switched off, and holds an older certificate than the vault",
		Cause: "It was {switchedText}. The vault holds serial {current}; a target that is switched off is left out of every sync. That is somebody's decision, not a failure.",
		Fix:   Fix{Text: "Switch the target on again once that is wanted: it gets the current certificate then.", Command: "certwright order resume {order}", Action: ActionResumeTarget},
		Twins: []Twin{
			{ID: "sync-pending", When: []sign{oSwitched}, Because: "no sync will come while the target is switched off"},
			{ID: "sync-auth-failed", When: []sign{oSwitched}, Because: "nothing was tried, so nothing failed"},
		},
		Predicts: append([]string{"sync-reload-*", "sync-needs-restart"}, stale...),
	},
	{
		ID: "sync-no-binding", Per: perOrder, Node: nodeBinding, Severity: Info, Impact: blocksLater,
		Must:  []sign{oNoTarget},
		Title: "{order} is stored, and bound to nothing that serves it",
		Cause: "The vault holds serial {current}. No site with a target is assigned to the order, so no sync brings it anywhere.",
		Fix:   Fix{Text: "Make a site with a target for what serves it, and assign it to the order.", Command: "certwright site list"},
		Twins: []Twin{
			{ID: "sync-pending", When: []sign{oNoTarget}, Because: "there is no target that a sync could be due for"},
			{ID: "tls-sni-default-served", When: []sign{oNoTarget}, Because: "Certwright was never told of a server for it"},
			{ID: "sync-disabled", WhenNot: []sign{oSwitched}, Because: "no target was switched off"},
		},
		Predicts: append([]string{"tls-sni-default-served", "tls-untrusted-root"}, stale...),
	},
	{
		ID: "sync-pending", Per: perOrder, Node: nodeBinding, Severity: Info, Impact: hygiene, Note: true,
		Must: []sign{oSyncLater}, MustNot: []sign{oSyncFailed},
		Title: "{later} still holds the previous certificate; the next sync is at {laterAt}",
		Cause: "The sync is scheduled and has not come yet. That is a state, not a fault.",
		Fix:   Fix{Text: "Wait, or sync now.", Command: "certwright order sync {order}", Action: "sync"},
		Twins: []Twin{
			{ID: "vault-read-denied-target", When: []sign{oSyncLater}, Because: "no try has failed"},
		},
	},
	{
		ID: "renew-stored-not-synced", Per: perOrder, Summary: true, Node: nodeListener, Severity: Critical, Impact: blocksNow,
		Must: []sign{oBehind}, MustNot: []sign{oSyncLater},
		Title: "The vault holds a newer certificate than {order}'s targets and endpoints",
		Cause: "Serial {current} is stored and has not arrived. No step on the way reports a fault of its own.",
		Fix:   Fix{Text: "Sync now, and follow what happens.", Command: "certwright order sync {order} --wait", Action: "sync"},
		Twins: []Twin{
			{ID: "sync-pending", WhenNot: []sign{oSyncLater}, Because: "no later sync is scheduled for what is behind"},
			{ID: "renew-issued-not-stored", When: []sign{oBehind}, Because: "the vault holds the new certificate"},
		},
		Predicts: []string{"tls-leaf-expired", "tls-leaf-expiring"},
	},
}
