package diagnose

// fromDNSSEC is what a zone that does not validate explains: its servers answer, and resolvers that
// validate throw the answers away.
var fromDNSSEC = append([]string{"dns-negative-cache", "dns-positive-cache"}, fromDNS...)

// rowsDNSSEC are the causes for which a signed zone does not validate.
var rowsDNSSEC = []Row{
	{
		ID: "dnssec-ds-left-after-unsigning", Per: perDomain, Node: nodeDNS, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sNoKeys},
		Title: "{parent} says that {zone} is signed, and it is not",
		Cause: "{parent} holds DS records for {zone} ({ds}), and the zone has no DNSKEY record: it was moved or unsigned, and the DS records were left. Resolvers that validate give SERVFAIL for all of it.",
		Fix:   Fix{Text: "Delete the DS records of {zone} at the registrar; or sign the zone again and give the registrar the new DS.", Command: "dig {zone} DS; dig {zone} DNSKEY"},
		Twins: []Twin{
			{ID: "dnssec-ds-mismatch", Because: "the zone has no key at all that could match"},
			{ID: "dns-all-ns-down", When: []sign{sNoKeys}, Because: "the name servers answer"},
		},
		Predicts: fromDNSSEC,
	},
	{
		ID: "dnssec-ds-mismatch", Per: perDomain, Node: nodeDNS, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sDSMismatch},
		Title: "The DS records of {zone} are of a key that the zone does not have",
		Cause: "{parent} holds {ds}; the zone's keys are {keys}, and none of them has this digest. The key was changed without telling the registrar, or the DS was copied wrongly.",
		Fix:   Fix{Text: "Give the registrar the DS record of the zone's present key.", Command: "dig {zone} DNSKEY | dnssec-dsfromkey -f - {zone}"},
		Twins: []Twin{
			{ID: "dnssec-ds-left-after-unsigning", Because: "the zone is signed and has keys"},
			{ID: "dnssec-rrsig-expired", Because: "no signature is reached: the chain breaks at the DS"},
			{ID: "dnssec-zsk-missing", Because: "the break is between parent and zone, not inside the zone"},
		},
		Predicts: fromDNSSEC,
	},
	{
		ID: "dnssec-rrsig-expired", Per: perDomain, Node: nodeDNS, Severity: Critical, Impact: blocksNow, Spare: sOtherValid,
		Must: []sign{sSigExpired}, MustNot: []sign{sOwnClock},
		Title: "Signatures of {zone} have expired",
		Cause: "{dnssec}. The signer has stopped, or signs no longer what is served.",
		Fix:   Fix{Text: "Sign {zone} again, and find out why its signer stopped.", Command: "dig {zone} SOA +dnssec"},
		Twins: []Twin{
			{ID: "dnssec-ds-mismatch", Because: "the DS records match a key of the zone"},
			{ID: "dnssec-rrsig-future", Because: "the end has passed, not the beginning to come"},
			{ID: "dnssec-zsk-missing", Because: "the key that made the signatures is published"},
		},
		Predicts: append([]string{"dnssec-zsk-missing", "dnssec-rrsig-invalid", "dnssec-denial-broken"}, fromDNSSEC...),
	},
	{
		ID: "dnssec-rrsig-future", Per: perDomain, Node: nodeDNS, Severity: Critical, Impact: blocksNow, Spare: sOtherValid,
		Must: []sign{sSigFuture}, MustNot: []sign{sOwnClock},
		Title: "Signatures of {zone} are not valid yet",
		Cause: "{dnssec}. The clock of the machine that signs runs ahead.",
		Fix:   Fix{Text: "Set the clock of the signer of {zone} right, and sign again.", Command: "dig {zone} SOA +dnssec; date -u"},
		Twins: []Twin{
			{ID: "dnssec-rrsig-expired", Because: "the beginning is to come, not the end past"},
			{ID: "dnssec-ds-mismatch", Because: "the DS records match a key of the zone"},
		},
		Predicts: fromDNSSEC,
	},
	{
		ID: "dnssec-zsk-missing", Per: perDomain, Node: nodeDNS, Severity: Critical, Impact: blocksNow, Spare: sOtherValid,
		Must: []sign{sSigNoKey}, MustNot: []sign{sDSMismatch, sNoKeys},
		Title: "{zone} is signed with a key that it does not publish",
		Cause: "{dnssec}; its DNSKEY records are {keys}. A key was taken out before the signatures that it made, or put to work before it was published.",
		Fix:   Fix{Text: "Publish the key again, or sign {zone} anew with the keys that are published.", Command: "dig {zone} DNSKEY; dig {zone} SOA +dnssec"},
		Twins: []Twin{
			{ID: "dnssec-ds-mismatch", Because: "the DS records match a key of the zone"},
			{ID: "dnssec-rrsig-missing", Because: "there are signatures, by another key"},
			{ID: "dnssec-rrsig-expired", Because: "the dates are not what is wrong"},
		},
		Predicts: append([]string{"dnssec-denial-broken"}, fromDNSSEC...),
	},
	{
		ID: "dnssec-rrsig-missing", Per: perDomain, Node: nodeDNS, Severity: Critical, Impact: blocksNow, Spare: sOtherValid,
		Must: []sign{sSigMissing}, MustNot: []sign{sNoEDNS},
		Title: "Records of {zone} carry no signature",
		Cause: "{dnssec}. The zone is signed, so that resolvers that validate refuse these records: they were added without signing again, or something on the way takes the signatures off.",
		Fix:   Fix{Text: "Sign {zone} again after every change, or let the name server do it by itself.", Command: "dig {zone} SOA +dnssec"},
		Twins: []Twin{
			{ID: "dnssec-rrsig-expired", Because: "there is no signature that could end"},
			{ID: "dnssec-ds-left-after-unsigning", Because: "the zone still has its keys"},
			{ID: "dnssec-zsk-missing", Because: "no signature is there, by whatever key"},
		},
		Predicts: append([]string{"dnssec-denial-broken"}, fromDNSSEC...),
	},
	{
		ID: "dnssec-rrsig-invalid", Per: perDomain, Node: nodeDNS, Severity: Critical, Impact: blocksNow, Spare: sOtherValid,
		Must:  []sign{sSigInvalid},
		Title: "Signatures of {zone} do not fit its records",
		Cause: "{dnssec}. A record was changed after it was signed, or the signature was damaged.",
		Fix:   Fix{Text: "Sign {zone} again after every change.", Command: "dig {zone} SOA +dnssec"},
		Twins: []Twin{
			{ID: "dnssec-rrsig-expired", Because: "the signatures' dates hold"},
			{ID: "dnssec-zsk-missing", Because: "the key is published"},
			{ID: "dnssec-rrsig-missing", Because: "there is a signature"},
		},
		Predicts: fromDNSSEC,
	},
	{
		ID: "dnssec-denial-broken", Per: perDomain, Node: nodeDNS, Severity: Critical, Impact: blocksLater, Spare: sOtherValid,
		Must:  []sign{sSigNoProof},
		Title: "{zone} cannot prove that something is not there",
		Cause: "{dnssec} (NSEC or NSEC3 records are missing or do not fit). What exists resolves; every \"no\" is refused by resolvers that validate, so that authorities cannot look for CAA records and hosts without IPv6 seem broken.",
		Fix:   Fix{Text: "Sign {zone} again in full, so that its NSEC or NSEC3 records are complete and signed.", Command: "dig nobody.{zone} A +dnssec"},
		Twins: []Twin{
			{ID: "caa-lookup-servfail", When: []sign{sSigNoProof}, Because: "the servers answer questions about CAA: the proof in the answer is what is wrong"},
			{ID: "dnssec-rrsig-expired", Because: "the signatures' dates hold"},
			{ID: "dnssec-ds-mismatch", Because: "what exists validates"},
		},
		Predicts: fromDNSSEC,
	},
	{
		ID: "dnssec-unsupported-alg", Per: perDomain, Node: nodeDNS, Severity: Info, Impact: hygiene, Note: true,
		Must:  []sign{sUnsupported},
		Title: "DS records of {zone} use an algorithm or digest that few can check ({ds}); resolvers treat the zone as unsigned, and it resolves",
		Cause: "Resolvers ignore DS records that they cannot check (RFC 4035 section 5.2).",
		Fix:   Fix{Text: "Sign {zone} with an algorithm in common use (13 or 8), and give the registrar a DS with digest type 2."},
		Twins: []Twin{{ID: "dnssec-ds-mismatch", Because: "what cannot be checked is ignored, not refused"}},
	},
}
