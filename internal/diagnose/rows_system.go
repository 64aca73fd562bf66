package diagnose

// What follows when nothing works at all, and when times are read by a clock that is off.
var (
	idle    = append([]string{"renew-scheduler-stopped", "renew-issued-not-stored", "renew-stored-not-synced", "sync-pending", "sys-queue-backlog", "sys-no-leader", "sys-worker-crashed-mid-order"}, lapse...)
	offTime = []string{"tls-leaf-expired", "tls-leaf-expiring", "tls-not-yet-valid", "tls-intermediate-expired", "tls-root-expired-path", "tls-untrusted-root", "tls-staple-expired", "dnssec-*",
		"ca-directory-untrusted", "ca-order-expired", "ca-authz-expired", "renew-scheduler-stopped", "renew-ari-advanced", "renew-auto-off", "renew-verification-lapsed", "verify-lapsed"}
)

// rowsSystem are the causes that lie with Certwright's own host, database and workers.
var rowsSystem = []Row{
	{
		ID: "sys-clock-ahead", Per: perSystem, Node: nodeClock, Severity: Critical, Impact: blocksNow,
		Must:  []sign{yAhead, ySecond},
		Title: "This machine's clock is {skew} ahead",
		Cause: "The clocks of {peers} say so. Certificates look older than they are from here, and what is renewed or expected by time comes too early.",
		Fix:   Fix{Text: "Set the clock and have it kept by NTP.", Command: "timedatectl set-ntp true; timedatectl"},
		Twins: []Twin{
			{ID: "sys-clock-behind", Because: "the other clocks show an earlier time than ours"},
			{ID: "tls-leaf-expired", When: []sign{yAhead, ySecond}, Because: "validity was read by a clock that is off"},
		},
		Predicts: offTime,
	},
	{
		ID: "sys-clock-behind", Per: perSystem, Node: nodeClock, Severity: Critical, Impact: blocksNow,
		Must:  []sign{yBehind, ySecond},
		Title: "This machine's clock is {skew} behind",
		Cause: "The clocks of {peers} say so. Fresh certificates look as if they were not valid yet from here, and renewals come too late.",
		Fix:   Fix{Text: "Set the clock and have it kept by NTP.", Command: "timedatectl set-ntp true; timedatectl"},
		Twins: []Twin{
			{ID: "sys-clock-ahead", Because: "the other clocks show a later time than ours"},
			{ID: "tls-not-yet-valid", When: []sign{yBehind, ySecond}, Because: "validity was read by a clock that is off"},
		},
		Predicts: offTime,
	},
	{
		ID: "sys-db-down", Per: perSystem, Node: nodeClock, Severity: Critical, Impact: blocksNow,
		Must:  []sign{yNoWrite, yDBDown},
		Title: "The database cannot be reached or opened",
		Cause: "{dberror}.",
		Fix:   Fix{Text: "See that the database server runs and takes connections (PostgreSQL), or that its file and folder can be opened (SQLite). Everything goes on by itself then."},
		Twins: []Twin{
			{ID: "sys-db-locked", Because: "it does not answer at all"},
			{ID: "sys-db-readonly", Because: "it does not answer at all"},
			{ID: "sys-db-full", Because: "it does not answer at all"},
		},
		Predicts: idle,
	},
	{
		ID: "sys-db-full", Per: perSystem, Node: nodeClock, Severity: Critical, Impact: blocksNow,
		Must:  []sign{yNoWrite, yFull},
		Title: "No space is left where the database lies",
		Cause: "The database answers questions and takes no write: {dberror}.",
		Fix:   Fix{Text: "Free space on the database's file system; everything goes on by itself then.", Command: "df -h; df -i"},
		Twins: []Twin{
			{ID: "sys-db-readonly", Because: "the database says that it is full, not that it may not be written"},
			{ID: "sys-db-locked", Because: "it refused at once, with no lock to wait for"},
			{ID: "sync-disk-full", When: []sign{yFull}, Because: "it is the database's own file system"},
		},
		Predicts: idle,
	},
	{
		ID: "sys-db-readonly", Per: perSystem, Node: nodeClock, Severity: Critical, Impact: blocksNow,
		Must:  []sign{yNoWrite, yReadOnly},
		Title: "The database may only be read",
		Cause: "It answers questions and takes no write: {dberror}.",
		Fix:   Fix{Text: "SQLite: check the mount, and owner and mode of the file and its folder. PostgreSQL: see whether the server is a standby, or default_transaction_read_only is on."},
		Twins: []Twin{
			{ID: "sys-db-full", Because: "the database says that it may not be written, not that it is full"},
			{ID: "sys-db-locked", Because: "it refused at once, with no lock to wait for"},
		},
		Predicts: idle,
	},
	{
		ID: "sys-db-locked", Per: perSystem, Node: nodeClock, Severity: Critical, Impact: blocksNow,
		Must:  []sign{yNoWrite, yLocked},
		Title: "Another transaction holds the database's lock",
		Cause: "The database answers questions, and a write got no turn within {wait}. {blocker}",
		Fix:   Fix{Text: "Look for another program, a backup or a shell that has the database open in a transaction, and end it.", Command: "fuser -v /var/lib/certwright/certwright.db; psql -c 'TABLE pg_stat_activity'"},
		Twins: []Twin{
			{ID: "sys-db-down", Because: "it answers questions"},
			{ID: "sys-db-readonly", Because: "the write waited; it was not refused"},
		},
		Predicts: idle,
	},
	{
		ID: "sys-migration-pending", Per: perSystem, Node: nodeClock, Severity: Critical, Impact: blocksNow,
		Must:     []sign{ySchemaOld},
		Title:    "The database's schema is older than the program",
		Cause:    "The schema has version {have}, this program needs {want}: a backup was restored beneath it, or an older program brought it back.",
		Fix:      Fix{Text: "Start Certwright again: it brings the schema up to date at its start."},
		Twins:    []Twin{{ID: "sys-db-readonly", Because: "the schema's own number says so"}, {ID: "sys-db-down", Because: "the database answers"}},
		Predicts: idle,
	},
	{
		ID: "sys-no-leader", Per: perSystem, Node: nodeClock, Severity: Warning, Impact: blocksLater,
		Must: []sign{yNoLeader, yLate}, MustNot: []sign{yNoWrite},
		Title:    "Nobody leads the periodic jobs",
		Cause:    "The leadership of {leader} has ended and no replica has taken it over, so that nobody looks for due orders; last at {sweep}. {sweeperror}",
		Fix:      Fix{Text: "Start Certwright again; on PostgreSQL see whether a dead session holds the leader's row."},
		Twins:    []Twin{{ID: "sys-db-locked", Because: "the database takes writes"}, {ID: "sys-queue-backlog", WhenNot: []sign{yMany}, Because: "few orders are due"}},
		Predicts: append([]string{"renew-scheduler-stopped", "sys-queue-backlog"}, lapse...),
	},
	{
		ID: "renew-scheduler-stopped", Per: perSystem, Node: nodeRenewal, Severity: Critical, Impact: blocksLater,
		Must: []sign{yLate}, MustNot: []sign{yNoLeader, yNoWrite},
		Title: "Nobody looks for due orders: last at {sweep}",
		Cause: "Node {node} should look every {every}. No order is renewed by itself while that lasts, whichever it is. {sweeperror}",
		Fix:   Fix{Text: "See the server's log and /readyz, and start Certwright again."},
		Twins: []Twin{
			{ID: "renew-auto-off", When: []sign{yLate}, Because: "every order is affected, not one whose renewal is off"},
			{ID: "sys-no-leader", Because: "somebody leads the periodic jobs"},
			{ID: "sys-queue-backlog", WhenNot: []sign{yMany}, Because: "few orders are due"},
		},
		Predicts: lapse,
	},
	{
		ID: "sys-queue-backlog", Per: perSystem, Node: nodeRenewal, Severity: Warning, Impact: blocksLater,
		Must: []sign{yWaits, yMany}, MustNot: []sign{yLate, yNoWrite},
		Title: "{due} orders are due and wait for a worker, the longest for {lag}",
		Cause: "More has come due than the workers take up. Nothing is lost: the orders come in their turn.",
		Fix:   Fix{Text: "Wait, give the server more workers, or start another replica."},
		Twins: []Twin{
			{ID: "renew-scheduler-stopped", Because: "due orders are looked for in time"},
			{ID: "sys-job-lease-stuck", When: []sign{yMany}, Because: "many orders wait, not one"},
		},
		Predicts: lapse,
	},
	{
		ID: "sys-worker-crashed-mid-order", Per: perSystem, Node: nodeRenewal, Severity: Warning, Impact: blocksLater,
		Must: []sign{yLeaseOver}, MustNot: []sign{yLeaseHeld},
		Title: "The worker that had this order is gone, and nobody has taken it up",
		Cause: "Node {holder} held it until {leaseEnd} and did not let it go as it does when it ends in order: it crashed or was killed in the middle.",
		Fix:   Fix{Text: "Start that node again, or any other: it takes the order up where it was.", Action: ActionRetry},
		Twins: []Twin{
			{ID: "sys-job-lease-stuck", Because: "the lease has ended"},
			{ID: "ca-order-stuck-processing", When: []sign{yLeaseOver}, Because: "nobody looks at the order here"},
		},
		Predicts: append([]string{"renew-issued-not-stored", "ca-order-expired"}, lapse...),
	},
	{
		ID: "sys-job-lease-stuck", Per: perSystem, Node: nodeRenewal, Severity: Warning, Impact: blocksLater,
		Must:     []sign{yLeaseHeld},
		Title:    "The worker that has this order does not get on with it",
		Cause:    "Node {holder} holds it until {leaseEnd} and renews that, but has written nothing for longer than a run may take: it hangs or was stopped.",
		Fix:      Fix{Text: "Start that node again; the order is taken up once its lease ends."},
		Twins:    []Twin{{ID: "sys-worker-crashed-mid-order", Because: "the lease still holds"}, {ID: "sys-queue-backlog", WhenNot: []sign{yMany}, Because: "few orders are due"}},
		Predicts: append([]string{"renew-issued-not-stored"}, lapse...),
	},
	{
		ID: "sys-files-exhausted", Per: perSystem, Node: nodeClock, Severity: Critical, Impact: blocksNow,
		Must:     []sign{yFiles},
		Title:    "The server may open no more files: {files} of {maxfiles} are open",
		Cause:    "Every connection and every file needs a descriptor; looks, pushes and requests fail one after the other.",
		Fix:      Fix{Text: "Raise the limit (LimitNOFILE of the unit, ulimit -n), and start Certwright again."},
		Twins:    []Twin{{ID: "sys-egress-down", When: []sign{yFiles}, Because: "the process itself is at its limit"}, {ID: "sys-db-down", When: []sign{yFiles}, Because: "the process itself is at its limit"}},
		Predicts: append([]string{"ca-unreachable", "sys-db-down"}, lapse...),
	},
	{
		ID: "sys-disk-full", Per: perSystem, Node: nodeClock, Severity: Critical, Impact: blocksLater,
		Must: []sign{yDiskFull}, MustNot: []sign{yFull},
		Title:    "The file system of the data directory {path} is full",
		Cause:    "Writes still succeed and will not for long: the database and the kept copies of targets lie there.",
		Fix:      Fix{Text: "Free space there.", Command: "df -h '{path}'; df -i '{path}'"},
		Twins:    []Twin{{ID: "sys-db-full", Because: "the database still takes writes"}, {ID: "sync-disk-full", When: []sign{yDiskFull}, Because: "it is the server's own data directory"}},
		Predicts: []string{"sync-disk-full"},
	},
}
