package arm

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"certwright/internal/order"
	"certwright/internal/site"
)

// Wish is the body with which an order is created or changed. A pointer that is nil leaves the property
// as it is (create: its default).
type Wish struct {
	Echo
	Location   string         `json:"location,omitempty"`
	Tags       Tags           `json:"tags,omitempty"`
	Properties WishProperties `json:"properties"`

	merge *merge // of a PATCH
}

// WishProperties are the writable properties of an order.
type WishProperties struct {
	ReadOnly
	Certificates      map[string]*LinkBody `json:"certificates,omitempty"`      // a link that is null is taken away
	Years             *int                 `json:"validityInYears,omitempty"`   // kept for Azure's clients; the issuer decides
	KeySize           *int                 `json:"keySize,omitempty"`           // of an RSA key; keyTypes says more
	CSR               *string              `json:"csr,omitempty"`               // of a new order: its owner keeps the key
	ReuseCSR          *bool                `json:"reuseCsr,omitempty"`          // renewals may use it again
	DistinguishedName string               `json:"distinguishedName,omitempty"` // "CN=name": used where Names is empty
	ProductType       string               `json:"productType,omitempty"`       // accepted from Azure's clients; the names decide
	AutoRenew         *bool                `json:"autoRenew,omitempty"`         // default true
	Names             *[]string            `json:"names,omitempty"`
	Issuer            *string              `json:"issuer,omitempty"`
	Method            *order.Method        `json:"method,omitempty"`
	DNSAccount        *string              `json:"dnsAccount,omitempty"` // of the method dns-01
	KeyTypes          *[]order.KeyType     `json:"keyTypes,omitempty"`
	Validity          *string              `json:"validity,omitempty"` // such as "2160h", "10m"
	Profile           *string              `json:"profile,omitempty"`
	RenewAt           *float64             `json:"renewAt,omitempty"`
	Vault             *string              `json:"vault,omitempty"`
	SecretName        *string              `json:"secretName,omitempty"`
	ContentType       *string              `json:"contentType,omitempty"`
	Sites             *[]string            `json:"sites,omitempty"`
	Endpoints         *[]site.Endpoint     `json:"endpoints,omitempty"`
	AllowDuplicate    bool                 `json:"allowDuplicate,omitempty"`
}

// wished are the writable properties of an order.
var wished = func() map[string]reflect.Type {
	all := map[string]reflect.Type{}
	jsonFields(reflect.TypeFor[WishProperties](), all)
	return all
}()

// IsWished says whether a path begins with a writable property of an order.
func IsWished(path string) bool {
	first, _, _ := strings.Cut(path, ".")
	return wished[strings.ToLower(first)] != nil
}

// RSAOf is the key type that a size in bits stands for.
func RSAOf(bits int) (order.KeyType, error) {
	k := order.KeyType(fmt.Sprintf("RSA-%d", bits))
	if slices.Contains(order.KeyTypes, k) {
		return k, nil
	}
	return "", &order.Refusal{Kind: order.BadInput, Code: "UnknownKeySize", Property: "properties.keySize", Message: fmt.Sprintf("%d bits are no size of a key", bits), Fix: "Use 2048, 3072 or 4096, or keyTypes for an ECDSA key"}
}

// SizeOf is the size in bits of the first RSA key type; 0 = there is none.
func SizeOf(types []order.KeyType) int {
	for _, k := range types {
		if bits, ok := strings.CutPrefix(string(k), "RSA-"); ok {
			n, _ := strconv.Atoi(bits)
			return n
		}
	}
	return 0
}

// Azure's products.
const (
	ProductStandard = "StandardDomainValidatedSsl"
	ProductWildcard = "StandardDomainValidatedWildCardSsl"
)

// Fixed refuses a change of what is set when an order is created, for clients that do not know that names and
// keyTypes may be changed. A PUT with the keySize that the order was created with is the same definition sent again,
// whatever a reissue has made of the key since: it holds, and changes nothing of the key.
func (w Wish) Fixed(o *order.Order) error {
	p := w.Properties
	refuse := func(property string, is, given any, fix string) error {
		return &order.Refusal{Kind: order.Conflict, Code: "PropertyChangeNotAllowed", Property: "properties." + property, Message: fmt.Sprintf("it is %v and cannot be changed to %v", is, given), Fix: fix}
	}
	if p.DistinguishedName != "" && p.Names == nil && len(o.Spec.Names) > 0 && !strings.EqualFold(p.DistinguishedName, "CN="+o.Spec.Names[0].Value) {
		return refuse("distinguishedName", "CN="+o.Spec.Names[0].Value, p.DistinguishedName, "Give the new names in properties.names, or create another order")
	}
	former := w.merge == nil && p.KeySize != nil && o.Spec.FirstRSA != "" && *p.KeySize == SizeOf([]order.KeyType{o.Spec.FirstRSA})
	if p.KeySize != nil && p.KeyTypes == nil && *p.KeySize != SizeOf(o.Spec.KeyTypes) && !former {
		return refuse("keySize", SizeOf(o.Spec.KeyTypes), *p.KeySize, "Give the new key types in properties.keyTypes, or keySize to reissue or renew")
	}
	if p.Years != nil && o.Spec.Years != 0 && *p.Years != o.Spec.Years {
		return refuse("validityInYears", o.Spec.Years, *p.Years, "Create another order")
	}
	if p.ProductType != "" && p.Names == nil && p.ProductType != ProductOf(o.Spec.Names) && o.Kind == order.Ordered {
		return refuse("productType", ProductOf(o.Spec.Names), p.ProductType, "Create another order")
	}
	return w.FixedCSR(o)
}

// FixedCSR refuses a certificate request that the order does not have: one belongs to the version that is asked for with
// it. One that it has, or whose key a version of it has, is what a client sends back that has ordered with it.
func (w Wish) FixedCSR(o *order.Order) error {
	if w.Properties.CSR == nil || *w.Properties.CSR == "" {
		return nil
	}
	r, err := order.ReadRequest(*w.Properties.CSR)
	if err == nil && (o.Spec.ExternalKey && bytes.Equal(r.DER, o.Spec.CSR) || o.HasKey(r.KeyHash) != nil) {
		return nil
	}
	return &order.Refusal{Kind: order.Conflict, Code: "PropertyChangeNotAllowed", Property: "properties.csr", Message: "it is set when an order is created, and by a renewal or a rekey",
		Fix: fmt.Sprintf("Give it to the next version: certwright order renew %s --csr FILE, or rekey for a new key", o.ID.Name)}
}

// ProductOf is Azure's product for names.
func ProductOf(names []order.Name) string {
	for _, n := range names {
		if strings.HasPrefix(n.Value, "*.") {
			return ProductWildcard
		}
	}
	return ProductStandard
}

// Apply writes the properties that are given over a wish; names are given back as words.
func (w Wish) Apply(s *order.Spec, words *[]string) error {
	p := w.Properties
	if w.merge != nil {
		for _, name := range w.merge.reset {
			resets[name](s)
		}
	}
	set(p.AutoRenew, &s.AutoRenew)
	set(p.Issuer, &s.Issuer)
	set(p.Method, &s.Method)
	set(p.DNSAccount, &s.DNSAccount)
	set(p.KeyTypes, &s.KeyTypes)
	set(p.Profile, &s.Profile)
	set(p.RenewAt, &s.RenewAt)
	set(p.ReuseCSR, &s.ReuseCSR)
	set(p.Vault, &s.Vault)
	set(p.SecretName, &s.Secret)
	set(p.ContentType, &s.Content)
	set(p.Sites, &s.Sites)
	set(p.Endpoints, &s.Endpoints)
	set(p.Names, words)
	s.Tags = w.tagged(s.Tags)
	if len(*words) == 0 && p.DistinguishedName != "" {
		kind, cn, ok := strings.Cut(p.DistinguishedName, "=")
		if !ok || !strings.EqualFold(kind, "CN") || strings.ContainsAny(cn, ",+") {
			return &order.Refusal{Kind: order.BadInput, Code: "InvalidBody", Property: "properties.distinguishedName", Message: fmt.Sprintf("distinguishedName %q is not of the form CN=name", p.DistinguishedName), Fix: "Write CN=name; further names go into properties.names"}
		}
		*words = []string{cn}
	}
	if p.Years != nil {
		if *p.Years < 1 || *p.Years > 3 {
			return &order.Refusal{Kind: order.BadInput, Code: "OutOfRange", Property: "properties.validityInYears", Message: fmt.Sprintf("%d is not between 1 and 3", *p.Years), Fix: "Give 1; how long a certificate holds, its issuer and validity say"}
		}
		s.Years = *p.Years
	}
	if p.KeySize != nil && p.KeyTypes == nil && len(s.KeyTypes) == 0 {
		k, err := RSAOf(*p.KeySize)
		if err != nil {
			return err
		}
		s.KeyTypes = []order.KeyType{k}
	}
	if p.Validity != nil {
		d, err := time.ParseDuration(nonempty(*p.Validity, "0s"))
		if err != nil {
			return &order.Refusal{Kind: order.BadInput, Code: "InvalidBody", Property: "properties.validity", Message: fmt.Sprintf("validity %q is no length of time", *p.Validity), Fix: "Write it such as 2160h or 10m"}
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
