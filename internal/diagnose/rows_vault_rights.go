package diagnose

// rowsVaultRights are the causes that lie in what Certwright's own principals may do in a vault: one stores orders, one reads what is deployed.
var rowsVaultRights = []Row{
	{
		ID: "vault-rbac-mode-switched", Per: perVault, Node: nodeVault, Severity: Warning, Impact: blocksLater,
		Must:  []sign{vSwitched},
		Title: "The permission model of vault {vault} was switched: {model} say who may, and Certwright has rights in the other one alone",
		Cause: "All that {other} gave has no effect any more, to everybody at once: to Certwright's own principals too, which can store nothing new there and read nothing for the targets.",
		Fix:   Fix{Text: "Give Certwright's principals, and whoever else needs the vault, their rights in the model that it has; or switch back.", Command: "certwright vault grant --vault {vault}"},
		Twins: []Twin{
			{ID: "vault-read-denied-target", When: []sign{vSwitched}, Because: "what is missing is still written in the model that has no effect: nothing was taken from one alone"},
			{ID: "vault-write-denied", When: []sign{vSwitched}, Because: "what is missing is still written in the model that has no effect"},
		},
		Predicts: append([]string{"vault-write-denied", "vault-read-denied-target"}, afterVault...),
	},
	{
		ID: "vault-write-denied", Per: perVault, Node: nodeVault, Severity: Warning, Impact: blocksLater,
		Must: []sign{vNoSet}, MustNot: []sign{vSwitched},
		Title: "Certwright may not write to vault {vault}",
		Cause: "The principal that stores orders, {storer}, has no permission to set secrets there: {model} say who may, and somebody took it away. What is stored serves on; the next version cannot be stored.",
		Fix:   Fix{Text: "Give it back (secrets get, list, set, delete); what is signed is stored then, and nothing is ordered again.", Command: "certwright vault grant --vault {vault}"},
		Twins: []Twin{
			{ID: "vault-read-denied-target", When: []sign{vNoSet}, WhenNot: []sign{vNoGet}, Because: "what is there may still be read for the targets"},
			{ID: "vault-rbac-mode-switched", Because: "no right is written in the other permission model"},
			{ID: "vault-not-found", Because: "the vault is there"},
		},
		Predicts: append([]string{"vault-read-denied-target"}, afterVault...),
	},
	{
		ID: "vault-read-denied-target", Per: perVault, Node: nodeVault, Severity: Warning, Impact: blocksLater,
		Must: []sign{vNoGet}, MustNot: []sign{vSwitched, vNoSet},
		Title: "What is deployed may not be read from vault {vault}",
		Cause: "The principal that reads for sites and targets, {reader}, has no permission to get secrets there: {model} say who may, and somebody took it away. The vault gets new versions; targets stay at what they have.",
		Fix:   Fix{Text: "Give it back (secrets get); the targets get the current version then.", Command: "certwright vault grant --vault {vault}"},
		Twins: []Twin{
			{ID: "vault-write-denied", WhenNot: []sign{vNoSet}, Because: "new versions are taken by the vault"},
			{ID: "vault-rbac-mode-switched", Because: "no right is written in the other permission model"},
			{ID: "vault-secret-disabled", Because: "the version is enabled"},
		},
		Predicts: afterVault,
	},
}
