package faq_test

// unproven are ids with a row that neither a scenario nor a test of the judgement expects, each with the reason. An entry
// that is proven by now may go: TestRowsAreProven names it.
var unproven = map[string]string{
	"vault-pfx-password":               "no command writes such a version, and a sealed one cannot be made by hand; a Go test in another folder proves it on the real built-in vault",
	"vault-key-mismatch":               "no command writes such a version, and a sealed one cannot be made by hand; a Go test in another folder proves it on the real built-in vault",
	"vault-chain-missing":              "no command writes such a version, and a sealed one cannot be made by hand; a Go test in another folder proves it on the real built-in vault",
	"vault-overwritten":                "no command writes such a version, and a sealed one cannot be made by hand; a Go test in another folder proves it on the real built-in vault",
	"ca-idn-not-punycode":              "names are put into their A-label form before they are sent",
	"ca-replaces-rejected":             "the product leaves out a replaces that was refused and goes on, so no order ends in this state",
	"ca-builtin-root-expired":          "no scenario breaks it yet",
	"ca-builtin-name-constraint":       "no scenario breaks it yet",
	"ca-builtin-key-unavailable":       "no scenario breaks it yet",
	"caa-truncated":                    "no scenario breaks it yet",
	"dns-challenge-cname-wrong-target": "no scenario breaks it yet",
	"dns-txt-stale":                    "no scenario breaks it yet",
	"dns-txt-token-not-digest":         "no scenario breaks it yet",
	"dns-txt-at-apex":                  "no scenario breaks it yet",
	"dns-txt-missing-underscore":       "no scenario breaks it yet",
	"dns-txt-wildcard-shadow":          "no scenario breaks it yet",
	"dns-txt-second-value-overwritten": "no scenario breaks it yet",
	"dns-apex-cname":                   "no scenario breaks it yet",
	"http-stale-token":                 "no scenario breaks it yet",
	"tls-ct-missing":                   "it needs a public log; no scenario has one",
	"tls-client-clock":                 "only the client that fails can be looked at",
	"renew-verification-lapsed":        "no scenario breaks it yet",
	"dns-answer-too-big":               "no scenario breaks it yet",
	"dns-txt-partly":                   "no scenario breaks it yet",
}
