package faq_test

// unproven are ids with a row that neither a scenario nor a test of the judgement expects, each with the reason. An entry
// that is proven by now may go: TestRowsAreProven names it.
var unproven = map[string]string{
	"ca-idn-not-punycode":        "names are put into their A-label form before they are sent",
	"ca-replaces-rejected":       "the product leaves out a replaces that was refused and goes on, so no order ends in this state",
	"ca-builtin-name-constraint": "the built-in authority makes its own root, without constraints, and takes no other",
	"dns-txt-stale":              "a name keeps its token while the order has it, and an attempt that ended keeps no values to compare with: it needs dns-01",
	"dns-txt-token-not-digest":   "only dns-01 publishes a digest, and Certwright does not order by it yet",
	"dns-txt-at-apex":            "it is about a name with an underscore, as dns-01 has; the built-in authority wants the value at the domain itself",
	"dns-txt-missing-underscore": "it is about a name with an underscore, as dns-01 has",
	"tls-ct-missing":             "it needs a public log; no scenario has one",
	"tls-client-clock":           "only the client that fails can be looked at",
	"renew-verification-lapsed":  "what the new try failed for stands before it, or that this is over (ca-error-now-fixed)",
}
