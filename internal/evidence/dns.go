package evidence

// DNSAsk is a question to the walk through the DNS: about which host, and for what.
type DNSAsk struct {
	Host   string `json:"host"`             // without the "*." of a wildcard name
	Method string `json:"method,omitempty"` // the ACME validation method that is intended; empty = none
}
