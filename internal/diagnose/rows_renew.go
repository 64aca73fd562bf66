package diagnose

// rowsRenew are the causes for which the next version does not come, or comes too often.
var rowsRenew = []Row{
	{
		ID: "renew-not-due", Per: perOrder, Node: nodeRenewal, Severity: Info, Impact: hygiene, Note: true,
		Must: []sign{nWaits}, MustNot: []sign{nAdvanced},
		Title: "The renewal is not due before {renewAt}",
		Cause: "The newest version ends at {end}. That is a state, not a fault.",
		Fix:   Fix{Text: "Nothing. Renew at any time if you want to.", Command: "certwright order renew {order}"},
		Twins: []Twin{{ID: "renew-auto-off", WhenNot: []sign{oAutoOff}, Because: "automatic renewal is on"}},
	},
	{
		ID: "sub-disabled", Per: perOrder, Node: nodeRenewal, Severity: Critical, Impact: blocksNow, Spare: cServesWell,
		Must:  []sign{nSubOff},
		Title: "The subscription of {order} is not enabled: nothing new is ordered",
		Cause: "{what}. What was issued stays and is served on; versions and pushes that are under way go on.",
		Fix:   Fix{Text: "Enable the subscription. What waits is tried again by itself; 'certwright fix {order} --yes' has it tried now.", Command: "certwright subscription enable {subscription}", Action: ActionRetry},
		Twins: []Twin{
			{ID: "renew-auto-off", WhenNot: []sign{oAutoOff}, Because: "automatic renewal is on"},
			{ID: "ca-account-deactivated", When: []sign{nSubOff}, Because: "no authority was asked"},
		},
		Predicts: append([]string{"renew-verification-lapsed", "verify-lapsed", "verify-never-started"}, lapse...),
	},
	{
		ID: "renew-ari-advanced", Per: perOrder, Node: nodeRenewal, Severity: Info, Impact: hygiene,
		Must:  []sign{nAdvanced},
		Title: "The authority asks to renew {order} early, from {windowStart} on",
		Cause: "The suggested window lies long before the usual time: the authority has an incident, or will revoke. {why}",
		Fix:   Fix{Text: "Renew now; by itself Certwright does it in the suggested window.", Command: "certwright order renew {order}", Action: ActionRenew},
		Twins: []Twin{
			{ID: "renew-not-due", Because: "the suggested window has begun"},
			{ID: "renew-loop", Because: "the versions have not followed one another in haste"},
		},
	},
	{
		ID: "renew-ari-unreadable", Per: perOrder, Node: nodeCA, Severity: Info, Impact: hygiene,
		Must: []sign{nUnread}, MustNot: []sign{nNoDirectory},
		Title: "The authority's renewal information cannot be read",
		Cause: "It is offered and fails: {arierror}. The order's own time of renewal counts meanwhile: {renewAt}.",
		Fix:   Fix{Text: "Nothing: it is asked for again by and by."},
		Twins: []Twin{
			{ID: "renew-ari-advanced", Because: "no window could be read"},
			{ID: "ca-unreachable", When: []sign{nDirectory}, Because: "the authority's directory can be read"},
		},
	},
	{
		ID: "renew-external-csr", Per: perOrder, Node: nodeRenewal, Severity: Warning, Impact: blocksLater,
		Must:  []sign{nExternal},
		Title: "The next certificate of {order} needs whoever holds its key",
		Cause: "{extcause} Nobody but the holder of the key can make the request for the next one.",
		Fix:   Fix{Text: "{extfix}"},
		Twins: []Twin{
			{ID: "renew-auto-off", When: []sign{nExternal}, Because: "it is the key that is missing here, whether or not it is renewed by itself"},
			{ID: "renew-scheduler-stopped", When: []sign{nExternal}, Because: "there is nothing that could be done for it here"},
			{ID: "renew-verification-lapsed", When: []sign{nExternal}, Because: "no authority was asked yet, so no proof either"},
		},
		Predicts: []string{"tls-leaf-expired", "tls-leaf-expiring"},
	},
	{
		ID: "renew-san-added", Per: perOrder, Node: nodeVerify, Severity: Warning, Impact: blocksLater, Summary: true,
		Must:  []sign{nAdded, nAddedOnly},
		Title: "{added} was added to {order} and is not verified yet",
		Cause: "The other names are verified; the new one holds up the next version. The version in service lacks it.",
		Fix:   Fix{Text: "Publish the proof for {added}, then have it verified.", Command: "certwright order verify {order}", Action: ActionVerify},
		Twins: []Twin{
			{ID: "ca-order-sibling-failed", When: []sign{nAdded}, Because: "the name was never verified before"},
			{ID: "renew-verification-lapsed", Because: "no verification of an older name has lapsed"},
		},
		Predicts: []string{"verify-never-started"},
	},
	{
		ID: "renew-issued-not-stored", Per: perOrder, Node: nodeVault, Severity: Critical, Impact: blocksNow, Spare: cServesWell, Summary: true,
		Must:  []sign{nSigned, nStoreFail},
		Title: "A new version of {order} is issued, and the vault {vault} does not hold it",
		Cause: "The authority has signed; the key waits sealed on the attempt. {storefix}",
		Fix:   Fix{Text: "Mend the vault; the stored try is repeated by itself. Do not order again: that costs a certificate.", Command: "certwright order store {order}", Action: ActionStore},
		Twins: []Twin{
			{ID: "renew-auto-off", When: []sign{nSigned}, Because: "the renewal ran, up to the vault"},
			{ID: "renew-stored-not-synced", When: []sign{nSigned}, Because: "the vault does not hold the new version"},
		},
		Predicts: append([]string{"renew-stored-not-synced"}, lapse...),
	},
	{
		ID: "sync-key-external", Per: perOrder, Node: nodeFile, Severity: Warning, Impact: blocksLater,
		Must:  []sign{nByHand},
		Title: "The new certificate of {order} waits to be put where it serves by whoever holds its key",
		Cause: "{byhand}. Certwright has the certificate, not the key, and the target takes both.",
		Fix:   Fix{Text: "Whoever holds the key puts it there with the certificate, as 'certwright order export {order} --chain' gives it. Or leave key, pfx and combined out of the target's settings: then the certificate alone is put there, by itself."},
		Twins: []Twin{
			{ID: "sync-write-denied", When: []sign{nByHand}, Because: "nothing was written: what is missing is the key, not the right to write"},
			{ID: "renew-external-csr", WhenNot: []sign{nExternal}, Because: "the new certificate is there; no request is awaited"},
			{ID: "sync-disabled", WhenNot: []sign{oSwitched}, Because: "no target was switched off"},
		},
		Predicts: append([]string{"sync-*"}, late...),
	},
	{
		ID: "renew-loop", Per: perOrder, Node: nodeRenewal, Severity: Warning, Impact: blocksLater,
		Must:  []sign{nLoop},
		Title: "{order} was renewed {renewals} times within seven days",
		Cause: "Each of these versions has most of its life left. Something asks for a new one again and again: the authority's suggested window, or a step that is never counted as done.",
		Fix:   Fix{Text: "See in the timeline what asks for it.", Command: "certwright timeline {order}"},
		Twins: []Twin{
			{ID: "renew-ari-advanced", WhenNot: []sign{nAdvanced}, Because: "the authority asks for no early renewal"},
			{ID: "ca-rate-limit-exact-set", When: []sign{nLoop}, Because: "the limit, where it is met, follows from this"},
		},
		Predicts: []string{"ca-rate-limit-exact-set", "ca-rate-limit-registered-domain", "ca-rate-limit-new-orders"},
	},
	{
		ID: "renew-hook-failed", Per: perOrder, Node: nodeReload, Severity: Warning, Impact: blocksLater,
		Must:  []sign{nHook},
		Title: "The command after the push failed",
		Cause: "{what}. The server's own configuration is not what it complains of; what the command is for was not done.",
		Fix:   Fix{Text: "Mend what the command complains of, then sync again.", Command: "certwright order sync {order}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-reload-failed-own", When: []sign{nHook}, Because: "the command is no reload: the server is not touched by it"},
			{ID: "sync-reload-failed-unrelated", When: []sign{nHook}, Because: "the server's own test of its configuration passes"},
			{ID: "renew-auto-off", When: []sign{nHook}, Because: "the renewal ran to its end"},
		},
		Predicts: append(append([]string{"sync-reload-failed-unrelated"}, reloads...), late...),
	},
}
