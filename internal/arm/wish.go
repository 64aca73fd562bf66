package arm

import (
	"fmt"
	"strings"
	"time"

	"certwright/internal/order"
	"certwright/internal/site"
)

// Wish is the body with which an order is created or changed. A pointer that is nil leaves the property
// as it is (create: its default).
type Wish struct {
	Location   string            `json:"location,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Properties WishProperties    `json:"properties"`
}

// WishProperties are the writable properties of an order.
type WishProperties struct {
	DistinguishedName string           `json:"distinguishedName,omitempty"` // "CN=name": used where Names is empty
	ProductType       string           `json:"productType,omitempty"`       // accepted from Azure's clients; the names decide
	AutoRenew         *bool            `json:"autoRenew,omitempty"`         // default true
	Names             *[]string        `json:"names,omitempty"`
	Issuer            *string          `json:"issuer,omitempty"`
	Method            *order.Method    `json:"method,omitempty"`
	KeyTypes          *[]order.KeyType `json:"keyTypes,omitempty"`
	Validity          *string          `json:"validity,omitempty"` // such as "2160h", "10m"
	Profile           *string          `json:"profile,omitempty"`
	RenewAt           *float64         `json:"renewAt,omitempty"`
	Vault             *string          `json:"vault,omitempty"`
	SecretName        *string          `json:"secretName,omitempty"`
	ContentType       *string          `json:"contentType,omitempty"`
	Sites             *[]string        `json:"sites,omitempty"`
	Endpoints         *[]site.Endpoint `json:"endpoints,omitempty"`
	AllowDuplicate    bool             `json:"allowDuplicate,omitempty"`
}

// Apply writes the properties that are given over a wish; names are given back as words.
func (w Wish) Apply(s *order.Spec, words *[]string) error {
	p := w.Properties
	set(p.AutoRenew, &s.AutoRenew)
	set(p.Issuer, &s.Issuer)
	set(p.Method, &s.Method)
	set(p.KeyTypes, &s.KeyTypes)
	set(p.Profile, &s.Profile)
	set(p.RenewAt, &s.RenewAt)
	set(p.Vault, &s.Vault)
	set(p.SecretName, &s.Secret)
	set(p.ContentType, &s.Content)
	set(p.Sites, &s.Sites)
	set(p.Endpoints, &s.Endpoints)
	set(p.Names, words)
	if w.Tags != nil {
		s.Tags = w.Tags
	}
	if len(*words) == 0 && p.DistinguishedName != "" {
		cn, ok := strings.CutPrefix(p.DistinguishedName, "CN=")
		if !ok || strings.ContainsAny(cn, ",+") {
			return fmt.Errorf("distinguishedName %q is not of the form CN=name", p.DistinguishedName)
		}
		*words = []string{cn}
	}
	if p.Validity != nil {
		d, err := time.ParseDuration(*p.Validity)
		if err != nil {
			return fmt.Errorf("validity %q is no length of time: write it such as 2160h or 10m", *p.Validity)
		}
		s.Validity = d
	}
	return nil
}

func set[T any](from *T, to *T) {
	if from != nil {
		*to = *from
	}
}
