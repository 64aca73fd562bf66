// Package site holds what serves certificates: sites, the host names they answer to, their targets
// (where and how a version is put) and their endpoints (where the wire is looked at). Pure.
package site

import "strings"

// Site is something that serves a certificate. An order that names a site is deployed to all its
// targets and looked at on all its endpoints.
type Site struct {
	Subscription string     `json:"subscription"`
	Group        string     `json:"group"`
	Name         string     `json:"name"`
	Revision     int64      `json:"revision"`
	HostNames    []string   `json:"hostNames,omitempty"`
	Webroot      string     `json:"webroot,omitempty"` // name of a configured webroot: proofs are published there
	Targets      []Target   `json:"targets,omitempty"`
	Endpoints    []Endpoint `json:"endpoints,omitempty"`

	Location string            `json:"location,omitempty"` // as whoever made it said, kept for their tools
	Tags     map[string]string `json:"tags,omitempty"`
}

// Kinds of target.
const KindFiles = "files"

// Target says where and how a version is put. It names roots and reload commands of the server's own
// configuration; it never holds a command.
type Target struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`               // KindFiles
	Disabled string `json:"disabled,omitempty"` // who switched it off; empty = on
	KeyType  string `json:"keyType,omitempty"`  // which of the order's key types; empty = its first
	Files    *Files `json:"files,omitempty"`    // settings of a files target
}

// NeedsKey says whether the private key is put there: a version whose key lies elsewhere cannot be.
func (t Target) NeedsKey() bool {
	return t.Files != nil && (t.Files.Key != "" || t.Files.PFX != "" || t.Files.Combined != "")
}

// Files are the settings of a files target. Every file name is relative to the root; an empty name
// means that file is not written. At least one must be named.
type Files struct {
	Root        string `json:"root"`                  // name of a configured file root
	Certificate string `json:"certificate,omitempty"` // the leaf alone, PEM
	Chain       string `json:"chain,omitempty"`       // the intermediates alone, PEM
	Fullchain   string `json:"fullchain,omitempty"`   // leaf, then intermediates, PEM
	Key         string `json:"key,omitempty"`         // the private key, PKCS#8 PEM
	PFX         string `json:"pfx,omitempty"`         // PKCS#12 without password
	Combined    string `json:"combined,omitempty"`    // leaf, intermediates and key in one PEM (HAProxy)
	Owner       string `json:"owner,omitempty"`       // user name; empty = as the server runs
	Group       string `json:"group,omitempty"`       // group name
	Mode        string `json:"mode,omitempty"`        // octal mode of files with a key; empty = 0600. Others are 0644
	Reload      string `json:"reload,omitempty"`      // name of a configured command; empty = none
}

// Endpoint is where a site's certificate is looked at on the wire.
type Endpoint struct {
	Address    string `json:"address"`              // host:port; every address of the host is looked at
	ServerName string `json:"serverName,omitempty"` // SNI to send; empty = the order's first DNS name
	KeyType    string `json:"keyType,omitempty"`    // which key type to ask for; empty = what the server prefers
	Target     string `json:"target,omitempty"`     // the target whose push shows here; empty = the site's only one
}

// Key names an endpoint within an order: address, server name and key type.
func (e Endpoint) Key() string {
	return strings.Join([]string{e.Address, e.ServerName, e.KeyType}, "|")
}

// Target returns the named target.
func (s *Site) Target(name string) (Target, bool) {
	for _, t := range s.Targets {
		if strings.EqualFold(t.Name, name) {
			return t, true
		}
	}
	return Target{}, false
}

// Import is a certificate of a vault that was made known to the sites of a resource group under a name: an Azure
// client does that before it binds host names to it.
type Import struct {
	Subscription string            `json:"subscription"`
	Group        string            `json:"group"`
	Name         string            `json:"name"`
	Revision     int64             `json:"revision"`
	VaultID      string            `json:"vaultId"` // as it was given
	Vault        string            `json:"vault"`
	Secret       string            `json:"secret"`
	Farm         string            `json:"serverFarmId,omitempty"` // kept for Azure's clients; it means nothing here
	Location     string            `json:"location,omitempty"`
	Tags         map[string]string `json:"tags,omitempty"`
	Uploaded     bool              `json:"uploaded,omitempty"` // it was brought as a PFX: the imported order of this name keeps it
}
