package faq_test

// unproven are ids with a row that neither a scenario nor a test of the judgement expects, each with the reason. An entry
// that is proven by now may go: TestRowsAreProven names it.
var unproven = map[string]string{
	"ca-idn-not-punycode":        "names are put into their A-label form before they are sent",
	"ca-replaces-rejected":       "the product leaves out a replaces that was refused and goes on, so no order ends in this state",
	"ca-builtin-name-constraint": "the built-in authority makes its own root, without constraints, and takes no other",
	"tls-client-clock":           "only the client that fails can be looked at",
	"renew-verification-lapsed":  "what the new try failed for stands before it, or that this is over (ca-error-now-fixed)",
}
