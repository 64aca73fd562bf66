package evidence

import (
	"fmt"
	"slices"
	"strings"
)

// CAA is one property of a CAA record set (RFC 8659 section 4).
type CAA struct {
	Flag      uint8      `json:"flag"`
	Tag       string     `json:"tag"` // lower case
	Value     string     `json:"value"`
	Domain    string     `json:"domain,omitempty"` // of issue and issuewild: the authority's domain; empty = nobody
	Params    []CAAParam `json:"params,omitempty"`
	Malformed string     `json:"malformed,omitempty"` // why the value cannot be read; such a property permits nobody
}

// CAAParam is a parameter of an issue or issuewild property.
type CAAParam struct {
	Tag   string `json:"tag"` // lower case
	Value string `json:"value"`
}

// Param returns the values of a parameter.
func (c CAA) Param(tag string) []string {
	var out []string
	for _, p := range c.Params {
		if p.Tag == tag {
			out = append(out, p.Value)
		}
	}
	return out
}

// Critical says whether an authority that does not know the tag must refuse. Bit 128 is the flag; bit 1
// counts too, because owners commonly mistake it for the flag and an authority errs on the side of refusing.
func (c CAA) Critical() bool { return c.Flag&(128|1) != 0 }

// String is the property as it stands in a zone file.
func (c CAA) String() string { return fmt.Sprintf("%d %s %q", c.Flag, c.Tag, c.Value) }

// ParseCAA reads one property. It never fails: what cannot be read is said in Malformed.
func ParseCAA(flag uint8, tag, value string) CAA {
	c := CAA{Flag: flag, Tag: strings.ToLower(tag), Value: value}
	if c.Tag != "issue" && c.Tag != "issuewild" {
		return c
	}
	domain, rest, _ := strings.Cut(value, ";")
	domain = strings.Trim(domain, " \t")
	if domain != "" && !isDomain(domain) {
		c.Malformed = fmt.Sprintf("%q is not a domain name (a missing \";\" before a parameter?)", domain)
		return c
	}
	for _, part := range strings.Split(rest, ";") {
		part = strings.Trim(part, " \t")
		if part == "" {
			continue // a lone ";" is how "nobody" is written, a trailing one is common and harmless
		}
		name, val, ok := strings.Cut(part, "=")
		name, val = strings.Trim(name, " \t"), strings.Trim(val, " \t")
		switch {
		case !ok:
			c.Malformed = fmt.Sprintf("parameter %q has no \"=\"", part)
		case !isLabel(name):
			c.Malformed = fmt.Sprintf("parameter name %q may hold only letters, digits and inner hyphens", name)
		case strings.IndexFunc(val, func(r rune) bool { return r < 0x21 || r > 0x7e }) >= 0:
			c.Malformed = fmt.Sprintf("the value of parameter %q holds a space or a character outside ASCII", name)
		}
		if c.Malformed != "" {
			c.Params = nil
			return c
		}
		c.Params = append(c.Params, CAAParam{Tag: strings.ToLower(name), Value: val})
	}
	c.Domain = strings.ToLower(domain)
	return c
}

func isDomain(s string) bool {
	for _, l := range strings.Split(s, ".") {
		if !isLabel(l) {
			return false
		}
	}
	return len(s) <= 253
}

func isLabel(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && (r != '-' || i == 0 || i == len(s)-1) {
			return false
		}
	}
	return s != "" && len(s) <= 63
}

// CAAQuery is who asks a CAA set for permission.
type CAAQuery struct {
	Domain   string // the authority's issuer domain
	Wildcard bool   // the certificate names *.name
	Account  string // the account's URI (RFC 8657 accounturi)
	Method   string // the validation method (RFC 8657 validationmethods); empty = not yet known, every list passes
}

// CAAVerdict is a set's answer. Empty ID = permitted.
type CAAVerdict struct {
	ID       string // finding id: caa-issue-excludes-ca, caa-deny-all ...
	Text     string // one sentence
	Property *CAA   // the property that decided, where one did
}

// JudgeCAA evaluates the relevant set found for a look-up (RFC 8659 section 3, RFC 8657) as strictly as an
// authority must. The look-up itself must have succeeded.
func (r Resolved) JudgeCAA(q CAAQuery) CAAVerdict {
	var issue, wild []CAA
	for _, c := range r.CAA {
		switch c.Tag {
		case "issue":
			issue = append(issue, c)
		case "issuewild":
			wild = append(wild, c)
		case "iodef", "contactemail", "contactphone", "issuemail", "issuevmc":
		default:
			if c.Critical() {
				return CAAVerdict{"caa-critical-unknown", fmt.Sprintf("CAA record for %s holds the critical property %q, which is not known here and so forbids issuance", r.FoundAt, c.Tag), &c}
			}
		}
	}
	set, tag := issue, "issue"
	if q.Wildcard && len(wild) > 0 {
		set, tag = wild, "issuewild"
	}
	if len(set) == 0 {
		return CAAVerdict{} // no property restricts this kind of name
	}
	return r.judgeSet(set, tag, q)
}

// judgeSet finds a property that permits, or the most telling reason why none does.
func (r Resolved) judgeSet(set []CAA, tag string, q CAAQuery) CAAVerdict {
	no := CAAVerdict{ID: "caa-issue-excludes-ca", Text: fmt.Sprintf("CAA record for %s prevents issuance: its %s properties name %s, not %s", r.FoundAt, tag, domainsOf(set), q.Domain), Property: &set[0]}
	switch {
	case !slices.ContainsFunc(set, func(c CAA) bool { return c.Domain != "" || c.Malformed != "" }):
		no.ID, no.Text = "caa-deny-all", fmt.Sprintf("CAA record for %s prevents issuance by anybody (%s \";\")", r.FoundAt, tag)
	case tag == "issuewild":
		no.ID = "caa-issuewild-excludes"
	case r.FoundAt != r.Name:
		no.ID = "caa-parent-inherited"
		no.Text += fmt.Sprintf("; %s itself has no CAA records and inherits them", r.Name)
	}
	for i, c := range set {
		if c.Malformed != "" {
			if strings.HasPrefix(strings.ToLower(strings.TrimSpace(c.Value)), q.Domain) {
				no = CAAVerdict{"caa-malformed-param", fmt.Sprintf("CAA record for %s cannot be read and so permits nobody: %s", r.FoundAt, c.Malformed), &set[i]}
			}
			continue
		}
		if c.Domain != q.Domain || q.Domain == "" {
			continue
		}
		accounts, methods := c.Param("accounturi"), c.Param("validationmethods")
		switch {
		case len(accounts) > 1 || len(methods) > 1:
			no = CAAVerdict{"caa-malformed-param", fmt.Sprintf("CAA record for %s gives a parameter twice (%s)", r.FoundAt, c.Value), &set[i]}
		case len(accounts) == 1 && accounts[0] != q.Account:
			no = CAAVerdict{"caa-accounturi-mismatch", fmt.Sprintf("CAA record for %s permits the account %s only, this one is %s", r.FoundAt, accounts[0], q.Account), &set[i]}
		case len(methods) == 1 && q.Method != "" && !slices.Contains(strings.Split(methods[0], ","), q.Method):
			no = CAAVerdict{"caa-validationmethods", fmt.Sprintf("CAA record for %s permits the validation methods %s only, control was shown by %s", r.FoundAt, methods[0], q.Method), &set[i]}
		default:
			return CAAVerdict{Property: &set[i]}
		}
	}
	return no
}

func domainsOf(set []CAA) string {
	var out []string
	for _, c := range set {
		if c.Domain == "" {
			out = append(out, fmt.Sprintf("%q", c.Value))
			continue
		}
		out = append(out, c.Domain)
	}
	return strings.Join(out, ", ")
}
