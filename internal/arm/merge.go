package arm

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"certwright/internal/order"
)

// Tags are the tags that a body gives; null takes one away.
type Tags map[string]*string

// TagsOf are tags as a body gives them.
func TagsOf(tags map[string]string) Tags {
	if tags == nil {
		return nil
	}
	given := Tags{}
	for name, value := range tags {
		given[name] = &value
	}
	return given
}

// Over are the tags that a body leaves of those that were: its own in their place or, of a patch, merged into them (RFC 7396).
// A body without tags leaves them as they are.
func (t Tags) Over(was map[string]string, patch bool) map[string]string {
	if t == nil {
		return was
	}
	tags := map[string]string{}
	if patch {
		maps.Copy(tags, was)
	}
	for name, value := range t {
		if value == nil {
			delete(tags, name)
		} else {
			tags[name] = *value
		}
	}
	if len(tags) == 0 {
		return nil
	}
	return tags
}

// merge is what a merge patch (RFC 7396) says besides its values: what is null goes, or goes back to its default.
type merge struct {
	noTags bool
	reset  []string // properties that are null
}

// resets are the properties that may be null in a patch, with their defaults.
var resets = map[string]func(*order.Spec){
	"autorenew":   func(s *order.Spec) { s.AutoRenew = true },
	"issuer":      func(s *order.Spec) { s.Issuer = order.BuiltinIssuer },
	"method":      func(s *order.Spec) { s.Method = "" },
	"dnsaccount":  func(s *order.Spec) { s.DNSAccount = "" },
	"keytypes":    func(s *order.Spec) { s.KeyTypes = nil },
	"reusecsr":    func(s *order.Spec) { s.ReuseCSR = false },
	"validity":    func(s *order.Spec) { s.Validity = 0 },
	"profile":     func(s *order.Spec) { s.Profile = "" },
	"renewat":     func(s *order.Spec) { s.RenewAt = 0 },
	"vault":       func(s *order.Spec) { s.Vault = "" },
	"secretname":  func(s *order.Spec) { s.Secret = "" },
	"contenttype": func(s *order.Spec) { s.Content = "" },
	"sites":       func(s *order.Spec) { s.Sites = nil },
	"endpoints":   func(s *order.Spec) { s.Endpoints = nil },
}

// DecodePatch reads the body of a PATCH of an order: what it names is set, null takes away, the rest stays. bare: it
// says nothing of properties at all.
func DecodePatch(data []byte) (w Wish, bare bool, err error) {
	if err := Decode(data, &w); err != nil {
		return w, false, err
	}
	var raw struct {
		Tags       json.RawMessage            `json:"tags"`
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := DecodeLoose(data, &raw); err != nil {
		return w, false, err
	}
	m := &merge{noTags: string(raw.Tags) == "null"}
	for _, k := range slices.Sorted(maps.Keys(raw.Properties)) {
		if string(raw.Properties[k]) != "null" {
			continue
		}
		if name := strings.ToLower(k); resets[name] != nil {
			m.reset = append(m.reset, name)
		} else if name == "names" {
			return w, false, &order.Refusal{Kind: order.BadInput, Code: "NamesMissing", Property: "properties.names", Message: "an order needs at least one name: names cannot be taken away", Fix: "Give the names, or leave the property away"}
		}
	}
	w.merge = m
	return w, raw.Properties == nil, nil
}

// tagged are the tags that a wish leaves: those given instead of those that were, or, of a patch, merged into them.
func (w Wish) tagged(was map[string]string) map[string]string {
	if w.merge != nil && w.merge.noTags {
		return nil
	}
	return w.Tags.Over(was, w.merge != nil)
}
