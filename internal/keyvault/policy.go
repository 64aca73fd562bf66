package keyvault

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"math"
	"slices"
	"strings"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// policy is CertificatePolicy. Read over another one it changes what it names.
type policy struct {
	ID         string      `json:"id,omitempty"`
	Key        keyProps    `json:"key_props"`
	Secret     secretProps `json:"secret_props"`
	X509       x509Props   `json:"x509_props"`
	Actions    []action    `json:"lifetime_actions,omitempty"`
	Issuer     issuerRef   `json:"issuer"`
	Attributes *attributes `json:"attributes,omitempty"`
}

type keyProps struct {
	Exportable *bool  `json:"exportable,omitempty"`
	Type       string `json:"kty,omitempty"`
	Size       int    `json:"key_size,omitempty"`
	Reuse      *bool  `json:"reuse_key,omitempty"`
	Curve      string `json:"crv,omitempty"`
}

type secretProps struct {
	ContentType string `json:"contentType,omitempty"`
}

type x509Props struct {
	Subject string   `json:"subject"`
	SANs    sans     `json:"sans"`
	EKUs    []string `json:"ekus,omitempty"`
	Usage   []string `json:"key_usage,omitempty"`
	Months  int      `json:"validity_months,omitempty"`
}

type sans struct {
	Emails []string `json:"emails,omitempty"`
	DNS    []string `json:"dns_names,omitempty"`
	UPNs   []string `json:"upns,omitempty"`
	URIs   []string `json:"uris,omitempty"`
	IPs    []string `json:"ipAddresses,omitempty"`
}

type action struct {
	Trigger trigger `json:"trigger"`
	Action  struct {
		Type string `json:"action_type"`
	} `json:"action"`
}

type trigger struct {
	Percentage int `json:"lifetime_percentage,omitempty"`
	Days       int `json:"days_before_expiry,omitempty"`
}

type issuerRef struct {
	Name         string `json:"name"`
	Type         string `json:"cty,omitempty"`
	Transparency *bool  `json:"cert_transparency,omitempty"`
}

// Issuers that are none: the certificate signs itself, or somebody else signs it.
const (
	issuerSelf    = "Self"
	issuerUnknown = "Unknown"
)

func (p *policy) is(issuer string) bool { return strings.EqualFold(p.Issuer.Name, issuer) }

// Names of extended key usages and of an action.
const (
	ekuServer = "1.3.6.1.5.5.7.3.1"
	ekuClient = "1.3.6.1.5.5.7.3.2"
	autoRenew = "AutoRenew"
)

// complete fills in Key Vault's defaults and refuses what no certificate here can be.
func (p *policy) complete() error {
	if p.Key.Type == "" {
		p.Key.Type = "RSA"
	}
	p.Key.Exportable = orTrue(p.Key.Exportable)
	if p.Secret.ContentType == "" {
		p.Secret.ContentType = secret.ContentPFX
	}
	if len(p.X509.EKUs) == 0 {
		p.X509.EKUs = []string{ekuServer, ekuClient}
	}
	if len(p.X509.Usage) == 0 {
		p.X509.Usage = []string{"digitalSignature", "keyEncipherment"}
	}
	if p.X509.Months == 0 {
		p.X509.Months = 12
	}
	if len(p.Actions) == 0 {
		a := action{Trigger: trigger{Percentage: 80}}
		a.Action.Type = autoRenew
		p.Actions = []action{a}
	}
	return p.check()
}

func orTrue(b *bool) *bool {
	if b == nil {
		yes := true
		return &yes
	}
	return b
}

func (p *policy) check() error {
	if _, err := p.keyType(); err != nil {
		return err
	}
	switch {
	case p.Issuer.Name == "":
		return bad("policy.issuer.name", "it is missing: the name of an issuer, %s or %s", issuerSelf, issuerUnknown)
	case !*p.Key.Exportable:
		return bad("policy.key_props.exportable", "it is false; a key must reach the servers that use it, so every key here is exportable to who may read the secret")
	case p.Secret.ContentType != secret.ContentPFX && p.Secret.ContentType != secret.ContentPEM:
		return bad("policy.secret_props.contentType", "%q is neither %s nor %s", p.Secret.ContentType, secret.ContentPFX, secret.ContentPEM)
	case p.X509.Months < 1 || p.X509.Months > 1200:
		return bad("policy.x509_props.validity_months", "%d is not between 1 and 1200", p.X509.Months)
	case p.X509.Subject == "" && len(p.names()) == 0 && len(p.X509.SANs.Emails)+len(p.X509.SANs.URIs) == 0:
		return bad("policy.x509_props", "there is neither a subject nor a name")
	case len(p.X509.SANs.UPNs) > 0:
		return bad("policy.x509_props.sans.upns", "principal names are of no use to servers and not supported")
	}
	for _, a := range p.Actions {
		t := a.Trigger
		if (t.Percentage == 0) == (t.Days == 0) || t.Percentage < 0 || t.Percentage > 99 || t.Days < 0 {
			return bad("policy.lifetime_actions", "a trigger is either a percentage of life of 1 to 99, or a number of days before the end")
		}
		if a.Action.Type != autoRenew && a.Action.Type != "EmailContacts" {
			return bad("policy.lifetime_actions", "action %q is neither AutoRenew nor EmailContacts", a.Action.Type)
		}
	}
	return nil
}

// keyType is the key that the policy asks for, of those that there are.
func (p *policy) keyType() (order.KeyType, error) {
	k := p.Key
	switch {
	case k.Type == "RSA" && (k.Size == 0 || k.Size == 2048):
		return order.RSA2048, nil
	case k.Type == "RSA" && k.Size == 3072:
		return order.RSA3072, nil
	case k.Type == "RSA" && k.Size == 4096:
		return order.RSA4096, nil
	case k.Type == "EC" && (k.Curve == "P-256" || k.Curve == "" && (k.Size == 0 || k.Size == 256)):
		return order.P256, nil
	case k.Type == "EC" && (k.Curve == "P-384" || k.Curve == "" && k.Size == 384):
		return order.P384, nil
	}
	return "", bad("policy.key_props", "a key of type %q, size %d, curve %q cannot be made here: RSA of 2048, 3072 or 4096 bits, or EC on P-256 or P-384", k.Type, k.Size, k.Curve)
}

// keyPropsOf says the same of a key type.
func keyPropsOf(k order.KeyType) keyProps {
	p := keyProps{Type: "RSA", Exportable: orTrue(nil), Reuse: new(bool)}
	switch k {
	case order.P256:
		p.Type, p.Size, p.Curve = "EC", 256, "P-256"
	case order.P384:
		p.Type, p.Size, p.Curve = "EC", 384, "P-384"
	case order.RSA2048:
		p.Size = 2048
	case order.RSA3072:
		p.Size = 3072
	case order.RSA4096:
		p.Size = 4096
	}
	return p
}

// names are the hosts and addresses, the subject's first.
func (p *policy) names() []string {
	var all []string
	if cn := commonName(p.X509.Subject); cn != "" {
		all = append(all, cn)
	}
	for _, n := range slices.Concat(p.X509.SANs.DNS, p.X509.SANs.IPs) {
		if !slices.ContainsFunc(all, func(s string) bool { return strings.EqualFold(s, n) }) {
			all = append(all, n)
		}
	}
	return all
}

// commonName of a subject, empty where it has none or cannot be read.
func commonName(subject string) string {
	name, err := parseName(subject)
	if err != nil {
		return ""
	}
	return name.CommonName
}

// month is the mean length of one.
const month = 365.25 * 24 * float64(time.Hour) / 12

// onto makes an order's wish say what the policy says. issuer is the service's name of the policy's issuer.
func (p *policy) onto(w *fulfill.Wish, issuer string) error {
	kt, err := p.keyType()
	if err != nil {
		return err
	}
	name, err := parseName(p.X509.Subject)
	if err != nil {
		return err
	}
	switch {
	case len(name.Names) > 1 || len(name.Names) == 1 && name.CommonName == "":
		return bad("policy.x509_props.subject", "%q: an authority that looks at domains alone certifies CN and names, nothing else: leave the rest out", p.X509.Subject)
	case len(p.X509.SANs.Emails)+len(p.X509.SANs.URIs) > 0:
		return bad("policy.x509_props.sans", "an order holds host names and addresses, no mail addresses and URIs")
	case p.Key.Reuse != nil && *p.Key.Reuse:
		return bad("policy.key_props.reuse_key", "it is true; every version of an order gets a new key")
	case slices.ContainsFunc(p.X509.EKUs, func(s string) bool { return s != ekuServer && s != ekuClient }):
		return bad("policy.x509_props.ekus", "issuers certify servers and their clients (%s, %s), nothing else", ekuServer, ekuClient)
	case slices.Contains(p.X509.Usage, "keyCertSign") || slices.Contains(p.X509.Usage, "cRLSign"):
		return bad("policy.x509_props.key_usage", "an authority cannot be ordered")
	}
	w.Issuer, w.Words, w.KeyTypes, w.Content = issuer, p.names(), []order.KeyType{kt}, p.Secret.ContentType
	w.Validity = time.Duration(float64(p.X509.Months) * month)
	w.AutoRenew, w.RenewAt = p.renewal(w.Validity)
	return nil
}

// renewal is whether the policy renews by itself, and after which fraction of a life.
func (p *policy) renewal(life time.Duration) (bool, float64) {
	for _, a := range p.Actions {
		if a.Action.Type != autoRenew {
			continue
		}
		if a.Trigger.Days > 0 {
			left := float64(a.Trigger.Days) * 24 * float64(time.Hour) / float64(life)
			return true, min(max(1-left, 0.01), 0.99)
		}
		return true, float64(a.Trigger.Percentage) / 100
	}
	return false, 0
}

// policyOfOrder says an order's wish as a policy: always as the order is now.
func policyOfOrder(o *order.Order, k order.KeyType) *policy {
	p := &policy{Key: keyPropsOf(k), Secret: secretProps{o.Spec.Content}, Issuer: issuerRef{Name: o.Spec.Issuer}}
	if o.Kind != order.Ordered {
		p.Issuer.Name = issuerUnknown
	}
	if p.Secret.ContentType == "" {
		p.Secret.ContentType = secret.ContentPFX
	}
	for i, n := range o.Spec.Names {
		if i == 0 {
			p.X509.Subject = "CN=" + n.Value
		}
		if n.Kind == order.IP {
			p.X509.SANs.IPs = append(p.X509.SANs.IPs, n.Value)
		} else {
			p.X509.SANs.DNS = append(p.X509.SANs.DNS, n.Value)
		}
	}
	p.X509.EKUs, p.X509.Usage = []string{ekuServer}, []string{"digitalSignature"}
	if p.Key.Type == "RSA" {
		p.X509.Usage = append(p.X509.Usage, "keyEncipherment")
	}
	life := o.Spec.Validity
	if v := o.Newest(k); life == 0 && v != nil {
		life = v.NotAfter.Sub(v.NotBefore)
	}
	p.X509.Months = max(1, int(math.Round(float64(life)/month)))
	share := o.Spec.RenewAt
	if share == 0 {
		share = order.DefaultRenew
	}
	a := action{Trigger: trigger{Percentage: min(99, max(1, int(math.Round(share*100))))}}
	a.Action.Type = autoRenew
	if !o.Spec.AutoRenew {
		a.Action.Type = "EmailContacts"
	}
	p.Actions = []action{a}
	yes := true
	p.Attributes = &attributes{Enabled: &yes, Created: at(&o.Created), Updated: at(&o.Updated)}
	return p
}

// keyOf says of a public key what keyPropsOf says of a key type.
func keyOf(public any) keyProps {
	p := keyProps{Exportable: orTrue(nil), Reuse: new(bool)}
	switch k := public.(type) {
	case *rsa.PublicKey:
		p.Type, p.Size = "RSA", k.N.BitLen()
	case *ecdsa.PublicKey:
		p.Type, p.Size, p.Curve = "EC", k.Curve.Params().BitSize, k.Curve.Params().Name
	}
	return p
}
