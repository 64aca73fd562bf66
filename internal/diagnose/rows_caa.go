package diagnose

// rowsCAA are the causes for which an authority may not issue, by the domain owner's CAA records.
var rowsCAA = []Row{
	caaRow("caa-deny-all", sCAADeny, "The CAA set at {caaat} lets nobody issue for {host}",
		"{caaset}: an empty issue property permits no authority at all.", "Add a property that permits {issuer}, or remove the set.",
		Twin{ID: "caa-issue-excludes-ca", Because: "no authority is named at all"}, Twin{ID: "caa-lookup-servfail", Because: "the set was read"}),
	caaRow("caa-issue-excludes-ca", sCAAExcludes, "The CAA set of {host} does not permit {issuer}",
		"{caaset}: other authorities are named, {issuer} is not.", "Add the record {caaat} CAA 0 issue \"{issuer}\", or use an authority that is named.",
		Twin{ID: "caa-parent-inherited", Because: "the set stands at the name itself"}, Twin{ID: "caa-accounturi-mismatch", Because: "the authority itself is not named"}, Twin{ID: "caa-lookup-servfail", Because: "the set was read"}),
	caaRow("caa-parent-inherited", sCAAParent, "{host} inherits a CAA set from {caaat} that does not permit {issuer}",
		"{host} has no CAA records of its own, so those of {caaat} hold: {caaset}. Somebody else may keep them.", "Add {issuer} to the set at {caaat}, or give {host} a set of its own with it.",
		Twin{ID: "caa-issue-excludes-ca", Because: "the set stands above the name, not at it"}, Twin{ID: "caa-lookup-servfail", Because: "the set was read"}),
	caaRow("caa-issuewild-excludes", sCAAWild, "The CAA set at {caaat} does not permit {issuer} for wildcard names",
		"{caaset}: for *.{host} the issuewild properties count alone, and they do not name {issuer}.", "Add the record {caaat} CAA 0 issuewild \"{issuer}\".",
		Twin{ID: "caa-issue-excludes-ca", Because: "the issuewild properties decide for a wildcard name"}, Twin{ID: "caa-lookup-servfail", Because: "the set was read"}),
	caaRow("caa-accounturi-mismatch", sCAAAccount, "The CAA set at {caaat} permits only the account {permitted}",
		"{property} permits {issuer} for one account alone, and this order uses another one: it was registered anew, or the record is of another installation.", "Put this account's URI into the record (accounturi), or use the account that it names.",
		Twin{ID: "caa-issue-excludes-ca", Because: "the authority is named; its parameter is what differs"}, Twin{ID: "caa-validationmethods", Because: "the account is what differs"}),
	caaRow("caa-validationmethods", sCAAMethod, "The CAA set at {caaat} does not permit validation by {method}",
		"{property}: only {methods} may be used, and {method} is intended.", "Validate by one of {methods}, or add {method} to the record (validationmethods).",
		Twin{ID: "caa-issue-excludes-ca", Because: "the authority may issue; the method is what differs"}, Twin{ID: "caa-accounturi-mismatch", Because: "the method is what differs"}),
	caaRow("caa-critical-unknown", sCAACritical, "The CAA set at {caaat} holds a critical property that authorities do not know",
		"{property}: its flag says that an authority which does not know it must refuse.", "Correct the property's name, or set its flag to 0.",
		Twin{ID: "caa-deny-all", Because: "the property is unknown, not a prohibition"}, Twin{ID: "caa-lookup-servfail", Because: "the set was read"}),
	caaRow("caa-malformed-param", sCAAMalform, "The CAA property for {issuer} at {caaat} cannot be read",
		"{caatext}. An authority takes such a property as permitting nobody.", "Correct the property: 0 issue \"{issuer}; parameter=value\".",
		Twin{ID: "caa-issue-excludes-ca", Because: "the authority is meant, only the text around it is wrong"}, Twin{ID: "caa-accounturi-mismatch", Because: "the parameters cannot be read at all"}),
	{
		ID: "caa-lookup-servfail", Per: perDomain, Node: nodeCAA, Severity: Critical, Impact: blocksNow, Spare: sNoIntent,
		Must:  []sign{sCAAFails, sOtherTypes},
		Title: "The name servers fail for questions about CAA at {caaname}",
		Cause: "They answer other types and fail for CAA (type 257). An authority that cannot look for CAA records must not issue.",
		Fix:   Fix{Text: "Bring the name servers' software up to date, or let its firewall pass unknown types: an empty answer is enough.", Command: "dig +norec {caaname} CAA"},
		Twins: []Twin{
			{ID: "dns-all-ns-down", When: []sign{sOtherTypes}, Because: "other types are answered"},
			{ID: "caa-truncated", Because: "the answer is an error, not one that is cut off"},
			{ID: "caa-deny-all", Because: "no set was read that could forbid anything"},
		},
	},
	{
		ID: "caa-truncated", Per: perDomain, Node: nodeCAA, Severity: Critical, Impact: blocksNow, Spare: sNoIntent,
		Must:  []sign{sCAATooBig},
		Title: "The CAA set at {caaname} does not fit into UDP, and TCP does not work",
		Cause: "The name servers cut the answer off, and TCP port 53 is closed. An authority that cannot read the whole set must not issue.",
		Fix:   Fix{Text: "Open TCP port 53 to the name servers, or make the CAA set shorter.", Command: "dig +norec +ignore {caaname} CAA; dig +norec +tcp {caaname} CAA"},
		Twins: []Twin{
			{ID: "caa-lookup-servfail", Because: "an answer comes, only too little of it"},
			{ID: "caa-deny-all", Because: "no set was read that could forbid anything"},
		},
	},
}

// caaRow makes the row of a set that was read and forbids: without an intention to issue, a note.
func caaRow(id string, must sign, title, cause, fix string, twins ...Twin) Row {
	note := sNoIntent
	if id == "caa-accounturi-mismatch" {
		note = sNoAccount
	}
	return Row{
		ID: id, Per: perDomain, Node: nodeCAA, Severity: Critical, Impact: blocksNow, NoteIf: note, Must: []sign{must},
		Title: title, Cause: cause, Fix: Fix{Text: fix, Command: "dig {caaat} CAA"}, Twins: twins,
	}
}
