package diagnose

// late are the words for a certificate that did not arrive, which every cause between vault and wire explains.
var late = append([]string{"sync-one-node-stale", "tls-untrusted-root", "tls-sni-default-served"}, stale...)

// reloads are the verdicts about a reload that a cause in the files or before them accounts for.
var reloads = []string{"sync-reload-failed-own", "sync-reload-not-run", "sync-needs-restart"}

// rowsSync are the causes between the vault and the wire that the target's machine shows: its directories, what its
// server reads, whether that was loaded, and by whom.
var rowsSync = []Row{
	{
		ID: "sync-readonly-fs", Per: perTarget, Node: nodeFile, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must:  []sign{tReadOnly, tLate},
		Title: "{dir} is on a file system that is mounted read-only, so {target} cannot get the new certificate",
		Cause: "Serial {current} is to be written there. The kernel refuses every write to that file system, whoever asks.",
		Fix:   Fix{Text: "Mount it writable (or give the target another root), then sync.", Command: "m=$(findmnt -nro TARGET -T {dir}) && mount -o remount,rw $m && mount -o remount,bind,rw $m && certwright order sync {order} --wait", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-write-denied", Because: "the mount is read-only: no owner or mode would change that"},
			{ID: "sync-disk-full", Because: "it is not space that is missing"},
		},
		Predicts: append(reloads, late...),
	},
	{
		ID: "sync-write-denied", Per: perTarget, Node: nodeFile, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must: []sign{tDenied, tLate}, MustNot: []sign{tReadOnly},
		Title: "{user} may not write in {dir}, so {target} cannot get the new certificate",
		Cause: "Serial {current} is to be written there. Owner and mode of the directory keep the user that Certwright runs as out.",
		Fix:   Fix{Text: "Give {user} write access to {dir} (owner, group or an access control list), then sync.", Command: "chown {user} {dir} && certwright order sync {order} --wait", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-readonly-fs", Because: "the file system is mounted writable"},
			{ID: "sync-disk-full", Because: "there is space left on the disk"},
		},
		Predicts: append(reloads, late...),
	},
	{
		ID: "sync-disk-full", Per: perTarget, Node: nodeFile, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must:  []sign{tFull, tLate},
		Title: "The disk under {dir} is full, so {target} cannot get the new certificate",
		Cause: "Serial {current} is to be written there, and no room is left for a chain and a key.",
		Fix:   Fix{Text: "Make space (or free inodes), then sync.", Command: "df -h {dir}; df -i {dir}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-write-denied", Because: "{dir} can be written by this user"},
			{ID: "sync-readonly-fs", Because: "the file system is mounted writable"},
		},
		Predicts: append([]string{"sync-empty-file", "sync-truncated", "sync-partial-pair"}, append(reloads, late...)...),
	},
	{
		ID: "sync-two-managers", Per: perTarget, Node: nodeFile, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must:  []sign{tForeign, tTouched, tOursOld},
		Title: "Something else manages {file} too: it holds a newer certificate that is not from {order}",
		Cause: "Certwright pushed serial {current}; at {since} the file was written again, with {what}. No order knows that serial, and it was issued after {order} began: another client renews the same name into the same file.",
		Fix:   Fix{Text: "Let only one of the two write the file: switch the other client off for this name (certbot renew --cert-name, acme.sh --remove, a configuration management run), then sync.", Command: "certwright order sync {order}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-reverted-by-config-mgmt", When: []sign{tForeign}, Because: "what was put back is no former certificate: it is newer than {order}"},
			{ID: "sync-key-mismatch", WhenNot: []sign{fPairWrong}, Because: "certificate and key fit each other"},
		},
		Predicts: append(reloads, late...),
	},
	{
		ID: "sync-reverted-by-config-mgmt", Per: perTarget, Node: nodeFile, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must: []sign{tTouched, tOursOld}, MustNot: []sign{tForeign},
		Title: "After the push somebody put a former certificate back into {file}",
		Cause: "Certwright pushed serial {current}; at {since} the file was written again and now holds {what}. A configuration management run, a cron job or a restore from a backup does that.",
		Fix:   Fix{Text: "Take the file out of what the other program manages (or give it the new version), then sync.", Command: "certwright order sync {order}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-haproxy-not-persisted", When: []sign{tTouched}, Because: "the push did write the file: it was changed again at {since}"},
			{ID: "sync-two-managers", Because: "what was put back is a former certificate, not one that another client obtained"},
			{ID: "sync-pending", When: []sign{tTouched}, Because: "the push was made, and undone"},
		},
		Predicts: append(reloads, late...),
	},
	{
		ID: "sync-haproxy-not-persisted", Per: perTarget, Node: nodeFile, Severity: Warning, Impact: blocksLater,
		Must: []sign{tBehind, tWell}, MustNot: []sign{tTouched, tTwo},
		Title: "HAProxy serves the new certificate from memory only: {other} still holds the former one",
		Cause: "Serial {current} was committed at the runtime socket; the file on disk holds serial {fileserial}. The next reload or restart brings the former certificate back.",
		Fix:   Fix{Text: "Write the new certificate to the file too.", Command: "certwright order sync {order}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-reverted-by-config-mgmt", WhenNot: []sign{tTouched}, Because: "the file was not written since the last push"},
			{ID: "sync-haproxy-uncommitted", Because: "the new certificate is live: no transaction is open"},
		},
		Predicts: []string{"renew-stored-not-synced"},
	},
	{
		ID: "sync-symlink-stale", Per: perTarget, Node: nodeFile, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must: []sign{tByLink, tFilesOld}, MustNot: []sign{tTouched, tTwo},
		Title: "{other} is a link that still leads to the former certificate",
		Cause: "The server reads {other} ({from}). On the way there, {link} leads to serial {fileserial}; serial {current} was written elsewhere.",
		Fix:   Fix{Text: "Point the link at the new file, then reload. If the link is one of Certwright's, a sync does both.", Command: "{links}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-wrong-path", When: []sign{tByLink}, Because: "the configured path is right: it is the link behind it that is not"},
			{ID: "sync-reload-not-run", Because: "a reload would read the former certificate again"},
		},
		Predicts: append(reloads, late...),
	},
	{
		ID: "sync-wrong-path", Per: perTarget, Node: nodeFile, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must: []sign{tReadsOther, tFilesOld, tNamed, tArrived, tOld}, MustNot: []sign{tByLink},
		Title: "The server reads {other}, the new certificate was written elsewhere",
		Cause: "Certwright writes serial {current} to the target's files. The server's configuration names {other} for the name ({from}), which holds serial {fileserial}.",
		Fix:   Fix{Text: "Name the same path on both sides: change the server's configuration to the target's files, or the target to the path that the server reads; or make the path that the server reads a link to the target's file. Then sync.", Command: "{links}"},
		Twins: []Twin{
			{ID: "sync-reload-not-run", Because: "a reload would read {other} again, which is old"},
			{ID: "sync-symlink-stale", Because: "no link lies on the way to {other}"},
		},
		Predicts: append(reloads, late...),
	},
	{
		ID: "sync-haproxy-crtlist-missing", Per: perTarget, Node: nodeFile, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must:  []sign{tNotListed, tHAProxy, tOld},
		Title: "HAProxy's certificate list {list} has no entry for the name",
		Cause: "The bind line takes its certificates from {list}, and none of its entries is for the name asked for; so clients get the default one. The new certificate in {file} is not loaded there.",
		Fix:   Fix{Text: "Add a line with {file} to {list} (and the name as its filter, if the list uses filters), then reload.", Command: "grep -n . {list}", Action: ""},
		Twins: []Twin{
			{ID: "tls-sni-default-served", When: []sign{tNotListed}, Because: "it is known why the default is served: the list lacks the entry"},
			{ID: "sync-reload-not-run", Because: "a reload would load the same list, without the name"},
		},
		Predicts: append([]string{"tls-name-mismatch", "tls-wildcard-depth", "tls-apex-missing", "tls-no-sni-client"}, append(reloads, late...)...),
	},
	{
		ID: "sync-haproxy-uncommitted", Per: perTarget, Node: nodeReload, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must:  []sign{tOpen, tOld},
		Title: "A new certificate was handed to HAProxy's runtime socket and never committed",
		Cause: "An update of {open} stands in an open transaction. Until it is committed HAProxy serves what it had: serial {oldserial}.",
		Fix:   Fix{Text: "Commit the transaction, or throw it away (abort ssl cert) and sync.", Command: "{heals}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-reload-not-run", When: []sign{tOpen}, Because: "the update went by the runtime socket, which needs a commit and no reload"},
			{ID: "sync-haproxy-not-persisted", Because: "nothing was committed, so memory holds the former one as well"},
		},
		Predicts: append(reloads, late...),
	},
	{
		ID: "sync-reload-not-permitted", Per: perTarget, Node: nodeReload, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must:  []sign{tForbidden, tLate},
		Title: "The reload command of {target} may not be run by the user that it runs as",
		Cause: "The command was started and refused: {reloadsaid}. The former files were put back.",
		Fix:   Fix{Text: "Allow that user the command (sudoers, polkit), or configure a user who may; then sync.", Command: "certwright order sync {order}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-reload-not-run", When: []sign{tForbidden}, Because: "the reload was tried"},
			{ID: "sync-reload-failed-own", When: []sign{tForbidden}, Because: "the server never got to see the files"},
		},
		Predicts: append(reloads, late...),
	},
	{
		ID: "sync-reload-failed-unrelated", Per: perTarget, Node: nodeReload, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must:  []sign{tLate, tTestElse},
		Title: "Every reload fails for a reason outside this certificate: {line}",
		Cause: "The server tests its whole configuration before it takes any of it. It says: {fault}. The files of this certificate are not what it complains of.",
		Fix:   Fix{Text: "Mend {line} (or take it out), then sync.", Command: "certwright order sync {order}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-reload-failed-own", When: []sign{tTestElse}, Because: "the complaint names neither the files of this certificate nor the lines that name them"},
			{ID: "sync-reload-not-run", When: []sign{tTestElse}, Because: "a reload cannot succeed while the configuration is broken"},
		},
		Predicts: append(reloads, late...),
	},
	{
		ID: "sync-reload-failed-own", Per: perTarget, Node: nodeReload, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must: []sign{tReloadBad, tOld}, MustNot: []sign{tTestElse},
		Title: "The reload failed, so {servedat} still serves the old certificate",
		Cause: "The server refuses the files that hold serial {current}. The command \"{reload}\" says: {reloadsaid}.",
		Fix:   Fix{Text: "Mend what the reload complains of, then sync again.", Command: "{reload}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-reload-not-run", When: []sign{tReloadBad}, Because: "the server was asked to load the files, and refuses them"},
			{ID: "sync-wrong-path", When: []sign{tReloadBad}, Because: "the server refused to load its configuration at all"},
			{ID: "sync-reload-failed-unrelated", Because: "what the server complains of is this certificate's"},
		},
		Predicts: append([]string{"sync-reload-not-run", "sync-needs-restart"}, late...),
	},
	{
		ID: "sync-old-master-alive", Per: perTarget, Node: nodeReload, Severity: Critical, Impact: blocksNow,
		Must:  []sign{tTwo},
		Title: "Two servers share the port of {servedat}, and one of them holds an older certificate",
		Cause: "Each listens on the same address and port, so clients get one or the other by chance. {process} holds what it read before the files were changed at {since}, or reads others.",
		Fix:   Fix{Text: "Stop the one that holds the older certificate ({process}): a signal to its master lets its connections end.", Command: "{stops}"},
		Twins: []Twin{
			{ID: "sync-one-node-stale", When: []sign{tTwo}, Because: "both processes run on this machine, behind one address"},
			{ID: "sync-old-workers", When: []sign{tTwo}, Because: "the older one accepts new connections: it has a listening socket of its own"},
			{ID: "sync-reload-not-run", Because: "one of the two did load the new files"},
		},
		Predicts: append([]string{"tls-sni-ip-binding-differ", "tls-dual-key-one-stale", "tls-no-sni-client", "tls-sni-default-served"}, append(reloads, late...)...),
	},
	{
		ID: "sync-old-workers", Per: perTarget, Node: nodeTrust, Severity: Info, Impact: hygiene,
		Must:  []sign{tLeaving},
		Title: "A former worker of the server still serves connections that were open before the last reload",
		Cause: "It takes no new connections; these get the new certificate. It ends when the last of its connections does.",
		Fix:   Fix{Text: "Nothing has to be done. worker_shutdown_timeout (nginx) or hard-stop-after (HAProxy) bounds how long it may stay."},
		Twins: []Twin{
			{ID: "sync-old-master-alive", Because: "it has no listening socket of its own any more"},
			{ID: "sync-reload-not-run", When: []sign{tLeaving}, Because: "a reload did start new workers"},
		},
	},
	{
		ID: "sync-reload-not-run", Per: perTarget, Node: nodeReload, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must: []sign{tOld, tHeldNew}, MustNot: []sign{tLoaded},
		Title: "{filesare}, but {servedat} still serves the old certificate: the server was not reloaded",
		Cause: "{held} The server has not read them since they were written at {since}, so it goes on with what it read before.",
		Fix:   Fix{Text: "Reload the server; and name a reload command at the target, so that every sync does it.", Command: "{reloads}", Action: ActionSync},
		Twins: []Twin{
			{ID: "sync-reload-failed-own", WhenNot: []sign{tReloadBad}, Because: "no reload was seen to fail"},
			{ID: "sync-wrong-path", When: []sign{tHeldNew}, Because: "without a reload the server reads no file at all"},
			{ID: "sync-pending", When: []sign{tHeldNew}, Because: "every target holds the current serial already"},
			{ID: "sync-needs-restart", Because: "the server was not told of the new files"},
		},
		Predicts: late,
	},
	{
		ID: "sync-needs-restart", Per: perTarget, Node: nodeProcess, Severity: Critical, Impact: blocksNow, Spare: tWell,
		Must: []sign{tOld, tHeldNew, tLoaded}, MustNot: []sign{tReloadBad, tNewWork, tReadsOther},
		Title: "{filesare} and the reload succeeded, but {servedat} still serves the old certificate",
		Cause: "{held} The reload command reported success. {process} reads its certificate at its start only, or does not take that command for a reload.",
		Fix:   Fix{Text: "Restart the server in place of reloading it; then let the target's reload command do that.", Command: "certwright order sync {order}"},
		Twins: []Twin{
			{ID: "sync-reload-not-run", Because: "a reload was run after the files were written"},
			{ID: "sync-reload-failed-own", Because: "the reload reported success"},
			{ID: "sync-wrong-path", WhenNot: []sign{tReadsOther}, Because: "the server reads the files that the target writes"},
		},
		Predicts: late,
	},
}
