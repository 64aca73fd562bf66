package arm

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"certwright/internal/order"
)

// merge is what a merge patch (RFC 7396) says besides its values: what is null goes, or goes back to its default.
type merge struct {
	noTags bool
	tags   []string // those that are null
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
	var tags map[string]*string
	if err := json.Unmarshal(raw.Tags, &tags); err == nil {
		for _, k := range slices.Sorted(maps.Keys(tags)) {
			if tags[k] == nil {
				m.tags = append(m.tags, k)
			}
		}
	}
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
	switch {
	case w.merge == nil && w.Tags != nil:
		return w.Tags
	case w.merge == nil:
		return was
	case w.merge.noTags:
		return nil
	}
	tags := maps.Clone(was)
	if tags == nil {
		tags = map[string]string{}
	}
	maps.Copy(tags, w.Tags)
	for _, k := range w.merge.tags {
		delete(tags, k)
	}
	if len(tags) == 0 {
		return nil
	}
	return tags
}
