package diagnose

// rowsTXT are the causes for which a validation does not find its TXT record.
var rowsTXT = []Row{
	{
		ID: "dns-challenge-ns-delegated", Per: perDomain, Node: nodeVerify, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sNoneAnswers, sChallengeCut},
		Title: "{zone} is delegated to name servers that do not answer for it",
		Cause: "The challenge's own name is a zone of its own, on servers that are dead or do not have it: a delegation left from an earlier set-up. Whatever is written into the zone above is never seen.",
		Fix:   Fix{Text: "Delete the NS records at {zone}, or set the zone up on those servers."},
		Twins: []Twin{
			{ID: "dns-all-ns-down", Because: "only the challenge's own zone is affected"},
			{ID: "dns-txt-missing", Because: "the question does not even reach a server that could have the record"},
		},
	},
	{
		ID: "dns-challenge-cname-loop", Per: perDomain, Node: nodeVerify, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sCutLoop},
		Title: "The CNAMEs at {name} lead in a circle",
		Cause: "{cnames}: no TXT record is ever reached.",
		Fix:   Fix{Text: "Delete the CNAME at {name}, or let it lead to where the TXT record is written.", Command: "dig +norec {name} CNAME"},
		Twins: []Twin{
			{ID: "dns-challenge-cname-dangling", Because: "every name of the circle exists"},
			{ID: "dns-txt-missing", Because: "the question never ends at a name that could have the record"},
		},
	},
	{
		ID: "dns-challenge-cname-dangling", Per: perDomain, Node: nodeVerify, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sCutDangling},
		Title: "The CNAME at {name} leads to {target}, which does not exist",
		Cause: "{cnames}, and the last name is NXDOMAIN: the account or zone that it was made for is gone, or nothing was ever written there.",
		Fix:   Fix{Text: "Correct the CNAME at {name}, or delete it, so that the TXT record can be written there.", Command: "dig {name} TXT"},
		Twins: []Twin{
			{ID: "dns-challenge-cname-loop", Because: "the chain of CNAMEs ends"},
			{ID: "dns-txt-missing", Because: "a CNAME stands in the record's place"},
		},
		Predicts: []string{"dns-txt-missing"},
	},
	{
		ID: "dns-challenge-cname-wrong-target", Per: perDomain, Node: nodeVerify, Severity: Critical, Impact: blocksNow,
		Must: []sign{sCutOther}, MustNot: []sign{sTXTOld},
		Title: "The CNAME at {name} leads to {target}, where our value is not written",
		Cause: "{cnames}: the authority looks there and does not find {want}. The CNAME is of another account or an earlier set-up.",
		Fix:   Fix{Text: "Let the CNAME at {name} lead to where the value is written, or delete it.", Command: "dig {name} TXT"},
		Twins: []Twin{
			{ID: "dns-challenge-cname-dangling", Because: "the name that it leads to exists"},
			{ID: "dns-txt-stale", Because: "no value of ours is there, not even an old one"},
		},
		Predicts: []string{"dns-txt-missing", "dns-txt-wrong-value"},
	},
	txtRow("dns-txt-quoted", sTXTQuoted, "The TXT value at {name} stands there with quotes or words around it",
		"{found} is there, {want} is wanted: the panel took the quotes, or a name before the value, as part of it.", "Enter the bare value, without quotes: {want}.", "the value itself is right"),
	txtRow("dns-txt-token-not-digest", sTXTToken, "The TXT record at {name} holds the token, not its digest",
		"{found} is there; wanted is the digest of token and account key: {want}.", "Publish {want} instead.", "what stands there is the token of this very challenge"),
	txtRow("dns-txt-stale", sTXTOld, "The TXT record at {name} is of an earlier attempt",
		"{found} was the value of an earlier attempt of this order; now {want} is wanted.", "Publish {want}; delete the old value.", "what stands there was once the right value"),
	txtRow("dns-txt-second-value-overwritten", sTXTSecond, "Only one of the TXT values wanted at {name} is there",
		"Several values have to stand there together: a domain, its subdomains and its wildcard share the place. Wanted: {want}; only {found} is there: the provider replaced one value by the next, or only one was entered.", "Publish {want} as well, each value as a TXT record of its own of the same name.", "one of the values is right"),
	txtRow("dns-txt-double-label", sTXTDouble, "The TXT record is at {place}, one domain too deep",
		"The value is there under {place}: the panel appends the zone's name by itself.", "Enter the name without the zone, so that the record stands at {name}.", "the value was found at another name"),
	txtRow("dns-txt-at-apex", sTXTApex, "The TXT record is at {place} in place of {name}",
		"The value is there under {place}; the authority asks {name}.", "Move the record to {name}.", "the value was found at another name"),
	txtRow("dns-txt-missing-underscore", sTXTNoScore, "The TXT record is at {place}, without the underscore",
		"The value is there under {place}; the name has to begin with an underscore: {name}.", "Move the record to {name}.", "the value was found at another name"),
	txtRow("txt-not-at-root", sTXTElsewhere, "The TXT token is at {place} and not at {name}",
		"The value is there under {place}; for this method it has to stand at {name} itself (the name @ in many panels).", "Move the record to {name}.", "the value was found at another name"),
	{
		ID: "dns-txt-wildcard-shadow", Per: perDomain, Node: nodeVerify, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sTXTGone, sTXTShadow},
		Title: "A wildcard record answers for {name}",
		Cause: "A name that nobody uses gets the same answer: it comes from a wildcard, and no TXT record of its own is at {name}.",
		Fix:   Fix{Text: "Write the TXT record at {name} itself: a record of its own stands before the wildcard.", Command: "dig {name} TXT"},
		Twins: []Twin{
			{ID: "dns-txt-wrong-value", When: []sign{sTXTShadow}, Because: "what is there belongs to every name, not to this one"},
			{ID: "dns-txt-missing", Because: "there is an answer, from a wildcard"},
		},
		Predicts: []string{"dns-txt-missing", "dns-txt-wrong-value"},
	},
	{
		ID: "dns-txt-wrong-value", Per: perDomain, Node: nodeVerify, Severity: Critical, Impact: blocksNow,
		Must:    []sign{sTXTGone, sTXTOther},
		MustNot: []sign{sTXTQuoted, sTXTOld, sTXTToken, sTXTSecond, sTXTShadow, sCutOther, sTXTDouble, sTXTApex, sTXTNoScore, sTXTElsewhere},
		Title:   "The TXT record at {name} has another value",
		Cause:   "{found} is there, {want} is wanted: mistyped, or of another order.",
		Fix:     Fix{Text: "Publish {want} at {name}.", Command: "dig {name} TXT"},
		Twins: []Twin{
			{ID: "dns-txt-stale", Because: "it is no value of an earlier attempt"},
			{ID: "dns-txt-missing", Because: "a value of this kind is there"},
			{ID: "dns-txt-quoted", Because: "the letters themselves differ"},
		},
	},
	{
		ID: "dns-txt-missing", Per: perDomain, Node: nodeVerify, Severity: Critical, Impact: blocksNow,
		Must:    []sign{sTXTGone},
		MustNot: []sign{sTXTOther, sTXTQuoted, sTXTOld, sTXTToken, sTXTSecond, sTXTShadow, sCutOther, sCutDangling, sTXTDouble, sTXTApex, sTXTNoScore, sTXTElsewhere},
		Title:   "The TXT record at {name} is missing",
		Cause:   "Every name server of {zone} was asked, and none has {want}. Nobody has written it, or it was written into a copy of the zone that the world does not ask.",
		Fix:     Fix{Text: "Publish a TXT record at {name} with the value {want}.", Command: "dig {name} TXT"},
		Twins: []Twin{
			{ID: "dns-txt-wrong-value", Because: "no value that looks like it is there"},
			{ID: "dns-negative-cache", When: []sign{sTXTGone}, Because: "the name servers themselves do not have it"},
			{ID: "dns-txt-double-label", Because: "it is not under the name with the zone twice either"},
		},
	},
	{
		ID: "dns-txt-partly", Per: perDomain, Node: nodeVerify, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sTXTPartly},
		Title: "Only some name servers of {zone} have the TXT record at {name}",
		Cause: "The authority asks whichever server it likes, and from several places: as long as one lacks {want}, validation may fail.",
		Fix:   Fix{Text: "Wait until every name server has the record; if one stays behind, mend its zone transfer.", Command: "dig {zone} SOA +nssearch"},
		Twins: []Twin{
			{ID: "dns-txt-missing", Because: "some server has it"},
			{ID: "dns-negative-cache", When: []sign{sTXTPartly}, Because: "the servers themselves differ"},
		},
	},
}

// txtRow makes the row of a value that is there in another form or place.
func txtRow(id string, must sign, title, cause, fix, because string) Row {
	return Row{
		ID: id, Per: perDomain, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Must: []sign{must, sTXTGone},
		Title: title, Cause: cause, Fix: Fix{Text: fix, Command: "dig {name} TXT"},
		Twins: []Twin{{ID: "dns-txt-missing", Because: because}, {ID: "dns-txt-wrong-value", Because: because}},
	}
}
