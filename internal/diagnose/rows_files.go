package diagnose

// broken are what follows when a server cannot load its files: it keeps the old certificate, or does not start.
var broken = append([]string{"sync-reload-failed-own", "sync-reload-not-run", "sync-needs-restart", "tls-port-closed"}, late...)

// rowsFiles are the causes that lie in the files which the server reads. The server's own words are no cause: the same
// words stand for a wrong key and for a wrong order, so the files themselves are read.
var rowsFiles = []Row{
	{
		ID: "sync-partial-pair", Per: perTarget, Node: nodeFile, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must:  []sign{fPairWrong, fHalf},
		Title: "Certificate and key on disk are of two versions: {file} and {key}",
		Cause: "The key belongs to {half}, the certificate beside it to another version: one of the two files was written and the other was not. The running process keeps what it has; the next reload or restart fails.",
		Fix:   Fix{Text: "Write both together.", Command: "certwright order sync {order}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-key-mismatch", When: []sign{fHalf}, Because: "the key is the right one for {half}, only not for the certificate beside it"},
			{ID: "sync-chain-order", Because: "the key fits no certificate of the file, in whatever place"},
			{ID: "vault-key-mismatch", When: []sign{fHalf}, Because: "the key belongs to another version, so nobody stored a wrong one"},
		},
		Predicts: broken,
	},
	{
		ID: "sync-key-mismatch", Per: perTarget, Node: nodeFile, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must: []sign{fPairWrong}, MustNot: []sign{fHalf, fOrder},
		Title: "The key in {key} belongs to no certificate in {file}",
		Cause: "The public halves differ, with each certificate of the file. A server refuses such a pair at its next reload or start.",
		Fix:   Fix{Text: "Put the certificate's own key there.", Command: "certwright order sync {order}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-chain-order", WhenNot: []sign{fOrder}, Because: "the key fits no certificate of the file, in whatever place"},
			{ID: "sync-partial-pair", Because: "the key is that of no version known here"},
		},
		Predicts: broken,
	},
	{
		ID: "sync-chain-order", Per: perTarget, Node: nodeFile, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must: []sign{fOrder}, MustNot: []sign{fAccepted},
		Title: "The certificates in {file} are in the wrong order",
		Cause: "The key fits one of them, but not the first. Servers take the first for the leaf, find that the key does not fit it, and refuse the file (with the same words as for a wrong key).",
		Fix:   Fix{Text: "Put the leaf first, then its issuers.", Command: "certwright order sync {order}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-key-mismatch", When: []sign{fOrder}, Because: "the key does fit a certificate of the file"},
			{ID: "tls-chain-order-served", When: []sign{fOrder}, Because: "the server does not come to serve this file"},
		},
		Predicts: broken,
	},
	{
		ID: "sync-chain-missing", Per: perTarget, Node: nodeFile, Severity: Critical, Impact: blocksNow,
		Must:  []sign{fShort},
		Title: "{file} holds the leaf alone; the vault has its chain",
		Cause: "The authority gave intermediates with this certificate, and the vault's version has them. The file that the server reads does not.",
		Fix:   Fix{Text: "Let the server read a file with the full chain (fullchain or combined), then sync.", Command: "certwright order sync {order}", Action: ActionSync},
		Twins: []Twin{
			{ID: "vault-chain-missing", WhenNot: []sign{fVaultShort}, Because: "the vault's version has the intermediates"},
			{ID: "tls-chain-incomplete", When: []sign{fShort}, Because: "the server sends what its file holds: it is the file that is short"},
		},
		Predicts: []string{"tls-chain-incomplete", "tls-untrusted-root", "tls-chain-wrong-intermediate"},
	},
	{
		ID: "sync-key-encrypted", Per: perTarget, Node: nodeFile, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must: []sign{fLocked}, MustNot: []sign{fAccepted},
		Title: "The private key in {file} is encrypted, and nobody is there to type its pass phrase",
		Cause: "A server that starts or reloads by itself cannot open it: it asks a terminal that is not there, waits, or gives up.",
		Fix:   Fix{Text: "Put the key there without a pass phrase, readable by the server alone (or give the server the phrase: ssl_password_file).", Command: "certwright order sync {order}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-key-mismatch", Because: "whether the key fits cannot be told while it is locked: that it is locked is enough"},
			{ID: "sync-key-unreadable", Because: "the server may open the file: it cannot open the key in it"},
		},
		Predicts: broken,
	},
	{
		ID: "sync-empty-file", Per: perTarget, Node: nodeFile, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must: []sign{fEmpty}, MustNot: []sign{fAccepted},
		Title: "{file} is empty",
		Cause: "It is there and has no bytes: a write was begun and did not come through, or the space had run out.",
		Fix:   Fix{Text: "Write it anew.", Command: "certwright order sync {order}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-format", Because: "there are no bytes that could be in a wrong format"},
			{ID: "sync-truncated", Because: "nothing at all is left of it"},
		},
		Predicts: broken,
	},
	{
		ID: "sync-truncated", Per: perTarget, Node: nodeFile, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must: []sign{fCut}, MustNot: []sign{fAccepted},
		Title: "{file} is cut or damaged",
		Cause: "A PEM block begins in it that does not end, or cannot be decoded: the file was written in part, or changed.",
		Fix:   Fix{Text: "Write it anew.", Command: "certwright order sync {order}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-format", Because: "it is PEM: only not whole"},
			{ID: "sync-empty-file", Because: "there is something in it"},
		},
		Predicts: broken,
	},
	{
		ID: "sync-format", Per: perTarget, Node: nodeFile, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must: []sign{fFormat}, MustNot: []sign{fAccepted},
		Title: "{file} is not PEM",
		Cause: "The server reads PEM there (text that begins with -----BEGIN). What is in the file is another format, such as DER or PKCS#12.",
		Fix:   Fix{Text: "Convert it, or let Certwright write it as PEM.", Command: "certwright order sync {order}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-empty-file", Because: "the file is not empty"},
			{ID: "sync-truncated", Because: "no PEM block begins in it"},
		},
		Predicts: broken,
	},
	{
		ID: "sync-pg-key-perms", Per: perTarget, Node: nodeRead, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must:  []sign{fPostgres},
		Title: "PostgreSQL refuses its key {key}: others than its owner may read it",
		Cause: "PostgreSQL takes a key file only with mode 0600 or less, or 0640 where root owns it. On a reload it keeps the former certificate and says so in its log alone; it does not start with such a key.",
		Fix:   Fix{Text: "Set the mode to 0600 (at the target too, so that the next push keeps it), then sync.", Command: "chmod 0600 {key} && {reloads}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-key-unreadable", When: []sign{fPostgres}, Because: "PostgreSQL may read the file: it refuses to, because others may as well"},
			{ID: "sync-reload-not-run", When: []sign{fPostgres}, Because: "a reload would refuse the key again"},
		},
		Predicts: append([]string{"sync-key-unreadable"}, broken...),
	},
	{
		ID: "sync-key-unreadable", Per: perTarget, Node: nodeRead, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must:  []sign{fUnreadable},
		Title: "The server may not read {file}",
		Cause: "Owner and mode of the file, or of a directory above it, keep the user out that the server reads it as.",
		Fix:   Fix{Text: "Give the server's user or group read access (owner, group and mode of the target), then sync.", Command: "namei -l {file}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-mac-denied", When: []sign{fUnreadable}, Because: "owner and mode alone forbid it"},
			{ID: "sync-key-encrypted", Because: "the key is not locked: the file is not readable"},
		},
		Predicts: broken,
	},
	{
		ID: "sync-bom-crlf", Per: perTarget, Node: nodeFile, Severity: Info, Impact: hygiene, Note: true,
		Must: []sign{fMarks}, MustNot: []sign{fCut, fEmpty},
		Title: "{file} has Windows line ends or a byte order mark; servers accept both",
		Cause: "An editor or a transfer put them there. OpenSSL, and the servers that use it, read over them.",
		Fix:   Fix{Text: "Nothing has to be done."},
		Twins: []Twin{{ID: "sync-truncated", Because: "every block in it is whole"}},
	},
}
