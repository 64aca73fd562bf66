package arm

import (
	"crypto/x509"
	"encoding/base64"
	"time"

	"certwright/internal/order"
	"certwright/internal/site"
)

// Certificate details of a certificate order (CertificateDetails).
type Details struct {
	Version            int        `json:"version"`
	SerialNumber       string     `json:"serialNumber"`
	Thumbprint         string     `json:"thumbprint"`
	Subject            string     `json:"subject"`
	NotBefore          *time.Time `json:"notBefore"`
	NotAfter           *time.Time `json:"notAfter"`
	SignatureAlgorithm string     `json:"signatureAlgorithm"`
	Issuer             string     `json:"issuer"`
	RawData            string     `json:"rawData"`
}

// Link is an order's link to a vault's secret (AppServiceCertificate).
type Link struct {
	KeyVaultID         string            `json:"keyVaultId"`
	KeyVaultSecretName string            `json:"keyVaultSecretName"`
	ProvisioningState  order.VaultStatus `json:"provisioningState"`
}

// Properties of an order: those of App Service Certificates under their names, then what Certwright
// has besides.
type Properties struct {
	Certificates            map[string]Link `json:"certificates,omitempty"`
	DistinguishedName       string          `json:"distinguishedName"`
	DomainVerificationToken string          `json:"domainVerificationToken,omitempty"`
	KeySize                 int             `json:"keySize,omitempty"`
	ProductType             string          `json:"productType"`
	AutoRenew               bool            `json:"autoRenew"`
	ProvisioningState       string          `json:"provisioningState"`
	Status                  order.Status    `json:"status"`
	SignedCertificate       *Details        `json:"signedCertificate,omitempty"`
	Intermediate            *Details        `json:"intermediate,omitempty"`
	External                bool            `json:"isPrivateKeyExternal"`
	CSR                     []byte          `json:"csr,omitempty"` // of an order whose owner keeps the key: DER in base64
	ValidityInYears         int             `json:"validityInYears,omitempty"`
	SerialNumber            string          `json:"serialNumber,omitempty"`
	LastIssuance            *time.Time      `json:"lastCertificateIssuanceTime,omitempty"`
	ExpirationTime          *time.Time      `json:"expirationTime,omitempty"`
	NextAutoRenewal         *time.Time      `json:"nextAutoRenewalTimeStamp,omitempty"`
	NotRenewable            []string        `json:"appServiceCertificateNotRenewableReasons"`

	OrderKind    order.Kind        `json:"orderKind"`
	Names        []string          `json:"names"`
	Issuer       string            `json:"issuer,omitempty"`
	Method       order.Method      `json:"method,omitempty"`
	DNSAccount   string            `json:"dnsAccount,omitempty"`
	KeyTypes     []order.KeyType   `json:"keyTypes,omitempty"`
	Validity     string            `json:"validity,omitempty"`
	Profile      string            `json:"profile,omitempty"`
	RenewAt      float64           `json:"renewAt,omitempty"`
	ReuseCSR     bool              `json:"reuseCsr,omitempty"`
	Vault        string            `json:"vault,omitempty"`
	VaultStatus  order.VaultStatus `json:"vaultStatus,omitempty"`
	OutOfSync    bool              `json:"keyVaultOutOfSync,omitempty"`
	SecretName   string            `json:"secretName,omitempty"`
	ContentType  string            `json:"contentType,omitempty"`
	Sites        []string          `json:"sites,omitempty"`
	Endpoints    []site.Endpoint   `json:"endpoints,omitempty"`
	ImportedFrom string            `json:"importedFrom,omitempty"`

	Created     time.Time           `json:"createdTime"`
	Changed     time.Time           `json:"changedTime"`
	Ordered     time.Time           `json:"orderedTime"`
	DueAt       *time.Time          `json:"dueTime,omitempty"`
	Generation  int64               `json:"generation"`
	Revision    int64               `json:"revision"`       // any write at all: follow takes it
	Busy        bool                `json:"busy,omitempty"` // something is due now, or being done
	Path        []order.Stage       `json:"path"`
	Identifiers []order.Identifier  `json:"identifiers,omitempty"`
	Versions    []order.Version     `json:"versions,omitempty"`
	Attempts    []Attempt           `json:"attempts,omitempty"`
	Deployments []order.Deployment  `json:"deployments,omitempty"`
	Looks       []order.EndpointRow `json:"looks,omitempty"`
	Worst       order.Projection    `json:"summary"`
	LastEvent   int64               `json:"lastEvent"`
}

// Attempt is an attempt without what is sealed on it.
type Attempt struct {
	ID       string         `json:"id"`
	KeyType  order.KeyType  `json:"keyType"`
	Reason   order.Reason   `json:"reason"`
	Phase    order.Phase    `json:"phase"`
	Started  time.Time      `json:"started"`
	Finished *time.Time     `json:"finished,omitempty"`
	NextAt   *time.Time     `json:"nextAt,omitempty"`
	Issuer   string         `json:"issuer"`
	URL      string         `json:"url,omitempty"`
	Waiting  string         `json:"waiting,omitempty"`
	Instruct string         `json:"instruct,omitempty"`
	Problem  *order.Problem `json:"problem,omitempty"`
	Proofs   []order.Proof  `json:"proofs,omitempty"`
	Tries    int            `json:"tries,omitempty"`
	Version  int            `json:"version,omitempty"`
}

// Order is an order as a resource.
func Order(o *order.Order, now time.Time) Resource {
	return Resource{ID: o.ID.String(), Name: o.ID.Name, Type: order.Type, Kind: notOrdered(o), Location: "Global", Tags: o.Spec.Tags, ETag: ETag(o.Generation), Properties: properties(o, now)}
}

// notOrdered is the kind of an order that was not ordered here; else nothing.
func notOrdered(o *order.Order) string {
	if o.Kind == order.Ordered {
		return ""
	}
	return string(o.Kind)
}

func properties(o *order.Order, now time.Time) Properties {
	p := Properties{
		ValidityInYears: o.Spec.Years, KeySize: SizeOf(o.Spec.KeyTypes), External: o.Spec.ExternalKey, CSR: o.Spec.CSR, ReuseCSR: o.Spec.ReuseCSR,
		AutoRenew: o.Spec.AutoRenew, Status: o.StatusOf(now), ProvisioningState: provisioning(o, now), ProductType: ProductOf(o.Spec.Names), NotRenewable: notRenewable(o, now),
		OrderKind: o.Kind, Issuer: o.Spec.Issuer, Method: o.Spec.Method, DNSAccount: o.Spec.DNSAccount, KeyTypes: o.Spec.KeyTypes, Validity: seconds(o.Spec.Validity), Profile: o.Spec.Profile, RenewAt: o.Spec.RenewAt,
		Vault: o.Spec.Vault, ContentType: o.Spec.Content, Sites: o.Spec.Sites, Endpoints: o.Spec.Endpoints, ImportedFrom: o.Spec.ImportedFrom,
		Created: o.Created.UTC(), Changed: o.Updated.UTC(), Ordered: o.Ordered.UTC(), DueAt: utc(o.DueAt), Generation: o.Generation, Revision: o.Revision, Busy: busy(o, now), Path: o.Path(now), Identifiers: o.Identifiers,
		Versions: o.Versions, Deployments: o.Deployments, Looks: o.Endpoints, Worst: o.Project(now), LastEvent: o.Seq,
	}
	for _, n := range o.Spec.Names {
		p.Names = append(p.Names, n.Value)
	}
	if len(p.Names) > 0 {
		p.DistinguishedName = "CN=" + p.Names[0]
	}
	if len(o.Identifiers) > 0 {
		p.DomainVerificationToken = o.Identifiers[0].Token
	}
	for i := range o.Attempts {
		p.Attempts = append(p.Attempts, attempt(&o.Attempts[i]))
	}
	if o.Kind != order.Watched {
		p.VaultStatus = o.VaultStatusOf(now)
		p.OutOfSync = p.VaultStatus.OutOfSync()
		p.SecretName = o.SecretName()
		p.Certificates = map[string]Link{}
		for _, l := range Links(o, now) {
			p.Certificates[l.Name] = l.Properties.(Link)
		}
	}
	p.signed(o)
	return p
}

// notRenewable says in Azure's words why the order cannot be renewed.
func notRenewable(o *order.Order, now time.Time) []string {
	list := []string{}
	if r, ok := order.AsRefusal(o.Allowed(order.CmdRenew, now)); ok && r.Code != "AttemptRunning" && r.Code != "OrderPending" && r.Code != order.CsrMissing {
		list = append(list, "RegistrationStatusNotSupportedForRenewal")
	}
	for i := range o.Needs {
		if p := o.Needs[i].Problem; p != nil && p.ID == "sub-disabled" {
			return append(list, "SubscriptionNotActive")
		}
	}
	return list
}

// LinkType is the type of a link to a vault.
const LinkType = order.Type + "/certificates"

// Links are an order's links to vaults, by name; where its owner named none, that to its own secret.
func Links(o *order.Order, now time.Time) []Resource {
	var list []Resource
	add := func(name string, l Link) {
		list = append(list, Resource{ID: o.ID.String() + "/certificates/" + name, Name: name, Type: LinkType, Location: "Global", ETag: ETag(o.Generation), Properties: l})
	}
	if o.Kind == order.Watched {
		return list
	}
	for i := range o.Spec.Links {
		l := &o.Spec.Links[i]
		add(l.Name, Link{KeyVaultID: l.VaultID, KeyVaultSecretName: l.Secret, ProvisioningState: o.LinkStatus(l, now)})
	}
	if len(list) == 0 {
		add(o.ID.Name, Link{KeyVaultID: VaultID(o.ID, o.Spec.Vault), KeyVaultSecretName: o.SecretName(), ProvisioningState: o.VaultStatusOf(now)})
	}
	return list
}

// busy says whether something is due now, or a worker holds the order: what it shows may change in a moment.
func busy(o *order.Order, now time.Time) bool {
	return len(o.Next(now)) > 0 || o.LeaseOwner != "" && o.LeaseUntil.After(now)
}

// signed fills what the current version of the first key type gives.
func (p *Properties) signed(o *order.Order) {
	v := o.First()
	if v == nil {
		return
	}
	p.SerialNumber, p.LastIssuance, p.ExpirationTime = v.Serial, utc(v.Issued), utc(v.NotAfter)
	if o.Spec.AutoRenew && o.Kind == order.Ordered {
		p.NextAutoRenewal = utc(o.RenewTime(v))
	}
	for i, der := range order.DecodeChain(v.Chain) {
		d := details(der)
		switch i {
		case 0:
			p.SignedCertificate = d
		case 1:
			p.Intermediate = d
		}
	}
}

// details reads a certificate once for all that is said of it; nil if it cannot be read.
func details(der []byte) *Details {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return &Details{Version: c.Version, SerialNumber: order.SerialOf(c), Thumbprint: order.ThumbprintOf(der), Subject: c.Subject.String(), NotBefore: utc(c.NotBefore), NotAfter: utc(c.NotAfter),
		SignatureAlgorithm: c.SignatureAlgorithm.String(), Issuer: c.Issuer.String(), RawData: base64.StdEncoding.EncodeToString(der)}
}

func attempt(a *order.Attempt) Attempt {
	return Attempt{ID: a.ID, KeyType: a.KeyType, Reason: a.Reason, Phase: a.Phase, Started: a.Started.UTC(), Finished: a.Finished, NextAt: utc(a.DueAt), Issuer: a.Issuer, URL: a.URL,
		Waiting: a.Waiting, Instruct: a.Instruct, Problem: a.Problem, Proofs: a.Proofs, Tries: a.Tries, Version: a.Version}
}

// provisioning is ARM's word: whether the order as a resource is settled. An order that waits for a person
// has been recorded: it is Succeeded (else clients would wait for ever).
func provisioning(o *order.Order, now time.Time) string {
	switch {
	case o.Deleting:
		return "Deleting"
	case o.StatusOf(now) == order.Denied:
		return "Failed"
	case o.Canceled != nil:
		return "Canceled"
	}
	return "Succeeded"
}
