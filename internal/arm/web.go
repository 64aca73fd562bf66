package arm

import (
	"time"

	"certwright/internal/order"
	"certwright/internal/site"
)

// WebSite are the properties of a site: some of Azure's, then Certwright's own.
type WebSite struct {
	State        string     `json:"state"`
	Enabled      bool       `json:"enabled"`
	HostNames    []string   `json:"hostNames"`
	EnabledHosts []string   `json:"enabledHostNames"`
	SSLStates    []SSLState `json:"hostNameSslStates"`
	DefaultHost  string     `json:"defaultHostName,omitempty"`
	Provisioning string     `json:"provisioningState"`
	Farm         string     `json:"serverFarmId"` // there are no plans here; clients look for a site's certificates in the group of its plan

	Webroot   string          `json:"webroot,omitempty"`
	Targets   []site.Target   `json:"targets"`
	Endpoints []site.Endpoint `json:"endpoints"`
}

// SSLState says what a host name of a site is served with.
type SSLState struct {
	Name       string `json:"name"`
	State      string `json:"sslState"`
	Thumbprint string `json:"thumbprint,omitempty"`
	HostType   string `json:"hostType"`
}

// SiteWish is the body with which a site is made or changed. Of Azure's properties those that mean something here are
// read; the others are for a platform that Certwright is not.
type SiteWish struct {
	Location   string `json:"location"`
	Tags       Tags   `json:"tags,omitempty"`
	Properties struct {
		HostNames *[]string        `json:"hostNames,omitempty"`
		SSLStates []SSLWish        `json:"hostNameSslStates,omitempty"`
		Webroot   *string          `json:"webroot,omitempty"`
		Targets   *[]site.Target   `json:"targets,omitempty"`
		Endpoints *[]site.Endpoint `json:"endpoints,omitempty"`
	} `json:"properties"`
}

// WebCertificate are the properties of an imported certificate.
type WebCertificate struct {
	FriendlyName  string            `json:"friendlyName,omitempty"`
	SubjectName   string            `json:"subjectName,omitempty"`
	HostNames     []string          `json:"hostNames"`
	Issuer        string            `json:"issuer,omitempty"`
	IssueDate     *time.Time        `json:"issueDate,omitempty"`
	Expires       *time.Time        `json:"expirationDate,omitempty"`
	Thumbprint    string            `json:"thumbprint,omitempty"`
	Valid         bool              `json:"valid"`
	KeyVaultID    string            `json:"keyVaultId"`
	SecretName    string            `json:"keyVaultSecretName"`
	SecretStatus  order.VaultStatus `json:"keyVaultSecretStatus"`
	ServerFarmID  string            `json:"serverFarmId,omitempty"`
	CanonicalName string            `json:"canonicalName,omitempty"`
}

// WebCertificateWish is the body with which a certificate is imported.
type WebCertificateWish struct {
	Location   string `json:"location"`
	Tags       Tags   `json:"tags,omitempty"`
	Properties struct {
		KeyVaultID   *string `json:"keyVaultId,omitempty"`
		SecretName   *string `json:"keyVaultSecretName,omitempty"`
		ServerFarmID *string `json:"serverFarmId,omitempty"`
		PFX          string  `json:"pfxBlob,omitempty"` // a certificate of one's own with its key, base64; it is never given back
		Password     string  `json:"password,omitempty"`
	} `json:"properties"`
}

// Binding are the properties of a host name's binding.
type Binding struct {
	Site       string `json:"siteName"`
	HostType   string `json:"hostNameType"`
	Record     string `json:"customHostNameDnsRecordType,omitempty"`
	Resource   string `json:"azureResourceName"`
	Kind       string `json:"azureResourceType"`
	State      string `json:"sslState"`
	Thumbprint string `json:"thumbprint,omitempty"`
}

// SSLWish is a state in the body of a site: with toUpdate it binds or unbinds a host name, without it only says how it is.
type SSLWish struct {
	Name       string `json:"name"`
	State      string `json:"sslState,omitempty"`
	Thumbprint string `json:"thumbprint,omitempty"`
	Update     bool   `json:"toUpdate,omitempty"`
}

// BindingWish is the body with which a host name is bound.
type BindingWish struct {
	Properties struct {
		State      string `json:"sslState,omitempty"`
		Thumbprint string `json:"thumbprint,omitempty"`
	} `json:"properties"`
}

// States of a binding.
const (
	Unbound = "Disabled"
	BySNI   = "SniEnabled"
	ByIP    = "IpBasedEnabled"
)
