package arm

import (
	"time"

	"certwright/internal/order"
)

// DNSAccountBody is a DNS account as whoever makes or changes it gives it: at the short path as it stands, in ARM's
// envelope as its properties.
type DNSAccountBody struct {
	Kind      string   `json:"kind"`
	Server    string   `json:"server"`
	Zones     []string `json:"zones"`
	Key       string   `json:"key"`
	Algorithm string   `json:"algorithm,omitempty"`
	Secret    string   `json:"secret,omitempty"` // base64; it is never given back. Left out: the one that is kept stays

	Name     *string    `json:"name,omitempty"` // read-only, as are the others: a client sends back what it has read
	Revision *int64     `json:"revision,omitempty"`
	Created  *time.Time `json:"created,omitempty"`
	Updated  *time.Time `json:"updated,omitempty"`
}

// Account is the account that the body speaks of.
func (b DNSAccountBody) Account(name string) order.DNSAccount {
	return order.DNSAccount{Name: name, Kind: b.Kind, Server: b.Server, Zones: b.Zones, Key: b.Key, Algorithm: b.Algorithm}
}

// DNSAccountWish is the envelope with which a DNS account is made or changed.
type DNSAccountWish struct {
	Echo
	Location   string            `json:"location,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Properties DNSAccountBody    `json:"properties"`
}

// DNSAccountTest is what came of a test of a DNS account, zone by zone.
type DNSAccountTest struct {
	Zones []order.ZoneTest `json:"zones"`
}

// DNSAccountOf is a DNS account as a resource.
func DNSAccountOf(a order.DNSAccount) Resource {
	return Resource{ID: inOurs + "/dnsAccounts/" + a.Name, Name: a.Name, Type: ours + "/dnsAccounts", Kind: a.Kind, Location: "Global", ETag: ETag(a.Revision), Properties: a}
}

// dnsAccountTypes are where TXT records may be written. They belong to the whole service, as issuers do.
func dnsAccountTypes() []Type {
	const path, action = inOurs + "/dnsAccounts", ours + "/dnsAccounts"
	one := Resource{Properties: order.DNSAccount{}}
	return []Type{{Provider: ours, Name: "dnsAccounts", Versions: ourVersions, Operations: []Operation{
		{ID: "Certwright_ListDNSAccounts", Method: "GET", Path: path, Action: action + "/Read", Answer: List[Resource]{}, Codes: []int{200}, Text: "List the DNS accounts"},
		{ID: "Certwright_GetDNSAccount", Method: "GET", Path: path + "/{account}", Action: action + "/Read", Answer: one, Codes: []int{200}, Text: "Read a DNS account, without its secret"},
		{ID: "Certwright_CreateOrUpdateDNSAccount", Method: "PUT", Path: path + "/{account}", Action: action + "/Write", Body: DNSAccountWish{}, Answer: one, Codes: []int{200, 201}, Text: "Make or change a DNS account"},
		{ID: "Certwright_DeleteDNSAccount", Method: "DELETE", Path: path + "/{account}", Action: action + "/Delete", Codes: []int{200, 204}, Text: "Remove a DNS account, and forget its secret"},
		{ID: "Certwright_TestDNSAccount", Method: "POST", Path: path + "/{account}/test", Action: action + "/test/Action", Answer: DNSAccountTest{}, Codes: []int{200}, Text: "Write a record into each zone of a DNS account, and take it away again"},
	}}}
}
