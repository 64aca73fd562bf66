package evidence

// CheckDNSAccount is the Check of an observation that holds a DNSAccount.
const CheckDNSAccount = "dns-account"

// DNSAccount is what a DNS account's server said to a signed question about one of its zones (ProbeDNS).
type DNSAccount struct {
	Name      string `json:"name"`
	Server    string `json:"server"`
	Zone      string `json:"zone"`
	Key       string `json:"key"`
	Algorithm string `json:"algorithm"`
	ID        string `json:"id,omitempty"`     // the finding that its words stand for; empty = all is well, or nothing is certain
	Detail    string `json:"detail,omitempty"` // its words
	Cause     string `json:"cause,omitempty"`
	Fix       string `json:"fix,omitempty"`
}
