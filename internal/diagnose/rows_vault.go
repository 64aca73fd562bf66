package diagnose

// afterVault is what follows further down when the vault does not give the certificate.
var afterVault = append([]string{"renew-issued-not-stored", "sync-pending", "sync-wrong-path", "sync-symlink-stale", "sync-reload-*"}, late...)

// rowsVault are the causes that lie in the vault. Labels (content type, attributes, names) are held against the value's own
// bytes and against what the order knows of its versions.
var rowsVault = []Row{
	{
		ID: "vault-not-found", Per: perVault, Node: nodeVault, Severity: Critical, Impact: blocksLater,
		Must:  []sign{vNoVault},
		Title: "There is no vault {vault}{gone}",
		Cause: "The order keeps its certificate there. {lost}",
		Fix:   Fix{Text: "{mend}", Command: "{mendcommand}", Action: ""},
		Twins: []Twin{
			{ID: "vault-secret-purged", Because: "it is the vault that is missing, not one secret in it"},
			{ID: "vault-unreachable", When: []sign{vNoVault}, Because: "the vaults were asked and answered: this one is not among them"},
		},
		Predicts: append([]string{"vault-secret-purged", "vault-write-denied"}, afterVault...),
	},
	{
		ID: "vault-secret-soft-deleted", Per: perVault, Node: nodeVault, Severity: Warning, Impact: blocksLater,
		Must:  []sign{vDeleted},
		Title: "The secret {secret} was deleted {deleted}; the vault still keeps it",
		Cause: "It is soft-deleted: nobody can read it or write a new version, and it is purged {purge}. The next sync and the next renewal fail on it.",
		Fix:   Fix{Text: "Recover the secret, with all its versions.", Command: "certwright vault recover {secret}", Action: ActionRecover},
		Twins: []Twin{
			{ID: "vault-secret-purged", Because: "the vault lists it among the deleted ones: it can be recovered"},
			{ID: "vault-not-found", Because: "the vault is there"},
			{ID: "vault-secret-disabled", When: []sign{vDeleted}, Because: "the whole secret was deleted, not one version switched off"},
		},
		Predicts: append([]string{"vault-write-denied"}, afterVault...),
	},
	{
		ID: "vault-wrong-name", Per: perVault, Node: nodeVault, Severity: Warning, Impact: blocksLater,
		Must:  []sign{vElsewhere, vAbsent},
		Title: "The certificate lies in the vault under another name: {elsewhere}, not {secret}",
		Cause: "The order reads secret {secret}, which is not there. The serial that it looks for is in {elsewhere}.",
		Fix:   Fix{Text: "Give the order the name {elsewhere}, or store the certificate under {secret}.", Command: "certwright vault list {elsewhere}"},
		Twins: []Twin{
			{ID: "vault-secret-purged", When: []sign{vElsewhere}, Because: "the certificate is in the vault, under another name"},
			{ID: "vault-secret-soft-deleted", Because: "no secret {secret} is among the deleted ones"},
		},
		Predicts: append([]string{"vault-secret-purged"}, afterVault...),
	},
	{
		ID: "vault-secret-purged", Per: perVault, Node: nodeVault, Severity: Warning, Impact: blocksLater,
		Must: []sign{vAbsent}, MustNot: []sign{vElsewhere},
		Title: "The secret {secret} is gone from the vault, and cannot be recovered",
		Cause: "It is neither there nor among the deleted ones: it was purged, or never stored. Its private key is lost with it; what is served goes on until it ends.",
		Fix:   Fix{Text: "Renew the order: the next version, with a new key, is stored again.", Command: "certwright order renew {order}", Action: ActionRenew},
		Twins: []Twin{
			{ID: "vault-secret-soft-deleted", Because: "it is not among the deleted secrets that can be recovered"},
			{ID: "vault-not-found", Because: "the vault is there"},
			{ID: "vault-wrong-name", Because: "no other secret of the vault holds its serial"},
		},
		Predicts: append([]string{"vault-secret-soft-deleted"}, afterVault...),
	},
	{
		ID: "vault-secret-disabled", Per: perVault, Node: nodeVault, Severity: Warning, Impact: blocksLater,
		Must:  []sign{vDisabled},
		Title: "The current version of {secret} is disabled",
		Cause: "Somebody set its attribute enabled to false. A disabled version is given to nobody, so no target can get it.",
		Fix:   Fix{Text: "Enable the version again; or renew, if it was disabled on purpose.", Command: "certwright order enable {order}", Action: ActionEnable},
		Twins: []Twin{
			{ID: "vault-read-denied-target", When: []sign{vDisabled}, Because: "the attribute of the version forbids it, to everybody alike"},
			{ID: "vault-secret-nbf-future", Because: "its nbf date does not lie ahead"},
			{ID: "vault-secret-soft-deleted", Because: "the secret is there"},
		},
		Predicts: afterVault,
	},
	{
		ID: "vault-secret-attr-expired", Per: perVault, Node: nodeVault, Severity: Warning, Impact: blocksLater,
		Must: []sign{vEnded}, MustNot: []sign{vDisabled},
		Title: "The vault's exp attribute of {secret} is past ({attribute}), though the certificate is valid",
		Cause: "The attribute is a label that somebody set, not the certificate's own end. Clients that heed it refuse the version.",
		Fix:   Fix{Text: "Set exp to the certificate's own end; a renewal writes it anew.", Command: "certwright order renew {order}", Action: ActionRenew},
		Twins: []Twin{
			{ID: "tls-leaf-expired", When: []sign{vEnded}, Because: "the certificate itself has not ended"},
			{ID: "vault-secret-disabled", Because: "the version is enabled"},
		},
		Predicts: afterVault,
	},
	{
		ID: "vault-secret-nbf-future", Per: perVault, Node: nodeVault, Severity: Warning, Impact: blocksLater,
		Must: []sign{vNotYet}, MustNot: []sign{vDisabled},
		Title: "The vault's nbf attribute of {secret} lies ahead ({attribute}), though the certificate is valid",
		Cause: "The attribute is a label that somebody set, not the certificate's own beginning. Until then clients that heed it refuse the version.",
		Fix:   Fix{Text: "Set nbf to the certificate's own beginning; a renewal writes it anew.", Command: "certwright order renew {order}", Action: ActionRenew},
		Twins: []Twin{
			{ID: "tls-not-yet-valid", When: []sign{vNotYet}, Because: "the certificate itself is valid already"},
			{ID: "vault-secret-disabled", Because: "the version is enabled"},
		},
		Predicts: afterVault,
	},
	{
		ID: "vault-dek-missing", Per: perVault, Node: nodeVault, Severity: Critical, Impact: blocksLater,
		Must:  []sign{vNoKEK},
		Title: "The value of {secret} cannot be opened: its key-encryption key is not configured",
		Cause: "The vault keeps the value sealed, and the key that opens it is none of those that this server has.",
		Fix:   Fix{Text: "Configure the former key-encryption key as an older one (kek.older) and start the server again.", Command: "certwright order sync {order}"},
		Twins: []Twin{
			{ID: "vault-sealed", When: []sign{vNoKEK}, Because: "the vault answers; it is this value's key that is missing"},
			{ID: "vault-corrupt", WhenNot: []sign{vCorrupt}, Because: "the envelope is whole, and names a key that is not configured"},
		},
		Predicts: append([]string{"vault-corrupt"}, afterVault...),
	},
	{
		ID: "vault-content-type", Per: perVault, Node: nodeVault, Severity: Warning, Impact: blocksLater,
		Must:  []sign{vType},
		Title: "The content type of {secret} says {type}, its bytes are {form}",
		Cause: "Whoever reads the value by its label fails to. It was written by {author} with the wrong content type.",
		Fix:   Fix{Text: "Set the content type that the bytes have, or renew the order: the next version is written right.", Command: "certwright order renew {order}", Action: ActionRenew},
		Twins: []Twin{
			{ID: "vault-corrupt", Because: "the value is whole: only its label is wrong"},
			{ID: "vault-pfx-password", Because: "no password is in the way"},
		},
		Predicts: append([]string{"vault-corrupt", "vault-overwritten"}, afterVault...),
	},
	{
		ID: "vault-wrong-object-kind", Per: perVault, Node: nodeVault, Severity: Warning, Impact: blocksLater,
		Must:  []sign{vPlain},
		Title: "{secret} holds a certificate as a plain secret: it cannot be read as a certificate",
		Cause: "The value is {form}, but its content type ({type}) is none of a certificate, so there is no certificate object beside the secret. Readers that ask for the certificate get nothing.",
		Fix:   Fix{Text: "Store it with a certificate's content type; a renewal of the order does.", Command: "certwright order renew {order}", Action: ActionRenew},
		Twins: []Twin{
			{ID: "vault-not-found", Because: "vault and secret are there"},
			{ID: "vault-content-type", Because: "no content type of a certificate is claimed, so none is wrong"},
		},
		Predicts: append([]string{"vault-content-type", "vault-corrupt", "vault-overwritten"}, afterVault...),
	},
	{
		ID: "vault-pfx-password", Per: perVault, Node: nodeVault, Severity: Warning, Impact: blocksLater,
		Must:  []sign{vLocked},
		Title: "The PKCS#12 in {secret} is protected by a password",
		Cause: "Its integrity check fails with the empty password that vaults use. It was written by {author}.",
		Fix:   Fix{Text: "Store it without a password, or renew the order: the next version is written right.", Command: "certwright order renew {order}", Action: ActionRenew},
		Twins: []Twin{
			{ID: "vault-corrupt", Because: "the bytes are a whole PKCS#12"},
			{ID: "vault-content-type", Because: "the content type is the right one"},
		},
		Predicts: append([]string{"vault-corrupt", "vault-overwritten"}, afterVault...),
	},
	{
		ID: "vault-corrupt", Per: perVault, Node: nodeVault, Severity: Critical, Impact: blocksLater,
		Must: []sign{vCorrupt}, MustNot: []sign{vNoKEK},
		Title: "The value of {secret} is damaged",
		Cause: "It does not read as a certificate with its key ({form}). It was cut, encoded twice, or changed by whatever wrote it.",
		Fix:   Fix{Text: "Renew the order: its next version is stored anew.", Command: "certwright order renew {order}", Action: ActionRenew},
		Twins: []Twin{
			{ID: "vault-content-type", Because: "no other content type would make the value readable"},
			{ID: "vault-pfx-password", Because: "it is not a password that keeps the value closed"},
			{ID: "vault-dek-missing", Because: "the key-encryption key is there"},
		},
		Predicts: append([]string{"vault-overwritten"}, afterVault...),
	},
	{
		ID: "vault-key-mismatch", Per: perVault, Node: nodeVault, Severity: Critical, Impact: blocksLater,
		Must:  []sign{vMismatch},
		Title: "The key in {secret} is not the one of its certificate",
		Cause: "The value holds serial {serial} and a key that does not belong to it: key and certificate were written one after the other, or by two writers.",
		Fix:   Fix{Text: "Renew the order: its next version is stored with its key.", Command: "certwright order renew {order}", Action: ActionRenew},
		Twins: []Twin{
			{ID: "sync-key-mismatch", When: []sign{vMismatch}, Because: "the pair is wrong in the vault already, the first place that it came to"},
			{ID: "vault-corrupt", Because: "key and certificate can both be read"},
		},
		Predicts: append([]string{"sync-key-mismatch", "sync-partial-pair", "vault-overwritten"}, afterVault...),
	},
	{
		ID: "vault-chain-missing", Per: perVault, Node: nodeVault, Severity: Warning, Impact: blocksLater,
		Must:  []sign{vShort},
		Title: "{secret} holds the leaf alone, without its chain",
		Cause: "The authority gave {chain} more with it. Targets that take the certificate from the vault cannot send what is not there.",
		Fix:   Fix{Text: "Store it with its chain; a renewal of the order does.", Command: "certwright order renew {order}", Action: ActionRenew},
		Twins: []Twin{
			{ID: "tls-chain-incomplete", When: []sign{vShort}, Because: "the chain is missing before any server comes into it"},
			{ID: "sync-chain-missing", When: []sign{vShort}, Because: "the vault's version is short itself"},
		},
		Predicts: []string{"tls-chain-incomplete", "tls-untrusted-root", "sync-chain-missing", "vault-overwritten"},
	},
	{
		ID: "vault-overwritten", Per: perVault, Node: nodeVault, Severity: Warning, Impact: blocksLater,
		Must:  []sign{vForeign, vStranger},
		Title: "{author} wrote another certificate over {secret}",
		Cause: "The newest version holds {serialwords}, which is not what the order stored: its current one is serial {current}. Whoever reads the newest version gets the other one.",
		Fix:   Fix{Text: "Find out who else writes there, and give one of the two another name. A renewal puts the order's next version on top.", Command: "certwright order renew {order}", Action: ActionRenew},
		Twins: []Twin{
			{ID: "renew-auto-off", When: []sign{vForeign}, Because: "a newer version is there: it is only not the order's"},
			{ID: "vault-wrong-name", Because: "the secret is there, with the order's version below the newest"},
		},
		Predicts: afterVault,
	},
}
