package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/site"
)

// SiteResource is a site in ARM's envelope.
func siteResource(s site.Site) arm.Resource {
	return arm.Resource{ID: "/subscriptions/" + s.Subscription + "/resourceGroups/" + s.Group + "/providers/Microsoft.Web/sites/" + s.Name, Name: s.Name, Type: "Microsoft.Web/sites", Location: or(s.Location, "Global"), Tags: s.Tags, ETag: arm.ETag(s.Revision), Properties: s}
}

func (a *API) listSites(w http.ResponseWriter, r *request) error {
	sites, err := a.Reader.ListSites(r.Context(), r.scope.Subscription, r.scope.Group)
	if err != nil {
		return err
	}
	list := arm.List[arm.Resource]{Value: []arm.Resource{}}
	for _, s := range sites {
		list.Value = append(list.Value, siteResource(s))
	}
	write(w, http.StatusOK, list)
	return nil
}

func (a *API) getSite(w http.ResponseWriter, r *request) error {
	s, err := a.siteAt(r)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", arm.ETag(s.Revision))
	write(w, http.StatusOK, siteResource(*s))
	return nil
}

// SiteBody is what putSite reads.
type SiteBody struct {
	arm.Echo
	Location   string    `json:"location,omitempty"`
	Properties site.Site `json:"properties"`
}

func (a *API) putSite(w http.ResponseWriter, r *request) error {
	var body SiteBody
	if err := read(r, &body); err != nil {
		return err
	}
	s := body.Properties
	s.Subscription, s.Group, s.Name, s.Revision = r.scope.Subscription, r.scope.Group, r.scope.Name, 0
	status := http.StatusCreated
	if old, err := a.Reader.LoadSite(r.Context(), s.Subscription, s.Group, s.Name); err == nil && r.Header.Get("If-None-Match") == "" {
		s.Subscription, s.Group, s.Name, s.Revision = old.Subscription, old.Group, old.Name, or0(r.generation, old.Revision)
		s.Location = or(s.Location, old.Location)
		if s.Tags == nil {
			s.Tags = old.Tags
		}
		status = http.StatusOK
	}
	saved, err := a.Service.SaveSite(r.Context(), r.by, s)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", arm.ETag(saved.Revision))
	write(w, status, siteResource(*saved))
	return nil
}

func (a *API) deleteSite(w http.ResponseWriter, r *request) error {
	if err := a.Service.DeleteSite(r.Context(), r.scope.Subscription, r.scope.Group, r.scope.Name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) listIssuers(w http.ResponseWriter, r *request) error {
	issuers, err := a.Issuers.List(r.Context())
	if err != nil {
		return err
	}
	write(w, http.StatusOK, arm.List[order.Issuer]{Value: issuers})
	return nil
}

func (a *API) getIssuer(w http.ResponseWriter, r *request) error {
	i, err := a.Issuers.Get(r.Context(), r.PathValue("issuer"))
	if err != nil {
		return err
	}
	write(w, http.StatusOK, i)
	return nil
}

// IssuerBody is what putIssuer reads.
type IssuerBody struct {
	Directory string   `json:"directory"`
	CAFile    string   `json:"caFile,omitempty"` // PEM text
	Contact   []string `json:"contact,omitempty"`
	EABKid    string   `json:"eabKid,omitempty"`
	EABKey    string   `json:"eabKey,omitempty"` // base64url, as authorities give it out
	Profile   string   `json:"profile,omitempty"`
	InFlight  int      `json:"inFlight,omitempty"`

	// What a GET shows besides may be sent back, and changes nothing.
	Name     json.RawMessage `json:"name,omitempty"`
	Kind     json.RawMessage `json:"kind,omitempty"`
	Revision json.RawMessage `json:"revision,omitempty"`
	Account  json.RawMessage `json:"account,omitempty"`
	Reuse    json.RawMessage `json:"reuse,omitempty"`
	Hold     json.RawMessage `json:"hold,omitempty"`
	Problem  json.RawMessage `json:"problem,omitempty"`
	Created  json.RawMessage `json:"created,omitempty"`
	Updated  json.RawMessage `json:"updated,omitempty"`
}

func (a *API) putIssuer(w http.ResponseWriter, r *request) error {
	var body IssuerBody
	if err := read(r, &body); err != nil {
		return err
	}
	if _, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(body.EABKey, "=")); err != nil {
		return &order.Refusal{Kind: order.BadInput, Code: "InvalidEABKey", Property: "eabKey", Message: "the HMAC key is not base64url", Fix: "Copy it as the authority shows it"}
	}
	ca := []byte(body.CAFile)
	if der, err := base64.StdEncoding.DecodeString(body.CAFile); err == nil { // as a GET shows it
		ca = der
	}
	status := http.StatusCreated
	if _, err := a.Issuers.Get(r.Context(), r.PathValue("issuer")); err == nil {
		status = http.StatusOK
	}
	i, err := a.Issuers.Add(r.Context(), order.Issuer{Name: r.PathValue("issuer"), Kind: order.IssuerACME, Directory: body.Directory, CAFile: ca, Contact: body.Contact,
		EABKid: body.EABKid, Profile: body.Profile, InFlight: body.InFlight}, secret.Bytes(body.EABKey))
	if err != nil {
		return err
	}
	write(w, status, i)
	return nil
}

func (a *API) deleteIssuer(w http.ResponseWriter, r *request) error {
	if err := a.Issuers.Remove(r.Context(), r.PathValue("issuer")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func secretList(w http.ResponseWriter, list []secret.Info, err error) error {
	if err != nil {
		return err
	}
	if list == nil {
		list = []secret.Info{}
	}
	write(w, http.StatusOK, arm.List[secret.Info]{Value: list})
	return nil
}

// noSecret says in an owner's words that a secret is not there; any other error stays as it is.
func noSecret(r *request, which string, err error) error {
	if !errors.Is(err, secret.ErrNotFound) {
		return err
	}
	fix := "See what there is with: certwright vault list"
	if which != "" {
		fix += " --deleted"
	}
	return &order.Refusal{Kind: order.NotFound, Code: "SecretNotFound", Message: fmt.Sprintf("there is no %ssecret %s in vault %s", which, r.PathValue("secret"), r.PathValue("vault")), Fix: fix}
}

func (a *API) listSecrets(w http.ResponseWriter, r *request) error {
	list, err := a.Secrets.List(r.Context(), r.vault.Name, r.URL.Query().Get("after"), 1000)
	return secretList(w, list, err)
}

func (a *API) listVersions(w http.ResponseWriter, r *request) error {
	list, err := a.Secrets.Versions(r.Context(), r.vault.Name, r.PathValue("secret"), r.URL.Query().Get("after"), 1000)
	if err == nil && len(list) == 0 && r.URL.Query().Get("after") == "" {
		err = secret.ErrNotFound
	}
	return secretList(w, list, noSecret(r, "", err))
}

func (a *API) listDeleted(w http.ResponseWriter, r *request) error {
	list, err := a.Secrets.ListDeleted(r.Context(), r.vault.Name, r.URL.Query().Get("after"), 1000)
	return secretList(w, list, err)
}

func (a *API) deleteSecret(w http.ResponseWriter, r *request) error {
	info, err := a.Plane.Delete(r.Context(), r.by, r.vault, r.PathValue("secret"))
	if err != nil {
		return noSecret(r, "", err)
	}
	write(w, http.StatusOK, info)
	return nil
}

func (a *API) recoverSecret(w http.ResponseWriter, r *request) error {
	if _, err := a.Plane.Recover(r.Context(), r.by, r.vault, r.PathValue("secret")); err != nil {
		return noSecret(r, "soft-deleted ", err)
	}
	return nothing(w, http.StatusNoContent)
}

func (a *API) purgeSecret(w http.ResponseWriter, r *request) error {
	if err := a.Plane.Purge(r.Context(), r.by, r.vault, r.PathValue("secret")); err != nil {
		return noSecret(r, "soft-deleted ", err)
	}
	return nothing(w, http.StatusNoContent)
}

func (a *API) version(w http.ResponseWriter, _ *request) error {
	write(w, http.StatusOK, Version{a.Version, a.Commits()})
	return nil
}

// Version is which program serves, and how often its database was written to since it began.
type Version struct {
	Version string `json:"version"`
	Commits int64  `json:"commits"`
}

func (a *API) health(w http.ResponseWriter, _ *request) error {
	write(w, http.StatusOK, map[string]string{"status": "alive"})
	return nil
}

// Readiness says whether the server can do its work; with why not, also in the words of every other error.
type Readiness struct {
	Status  string         `json:"status"`
	Because string         `json:"because,omitempty"`
	Error   *arm.ErrorInfo `json:"error,omitempty"`
	Notes   []string       `json:"notes,omitempty"` // worth knowing; it is ready all the same
}

// ready fails when Certwright cannot do its work: no database, or a sweep that is late.
func (a *API) ready(w http.ResponseWriter, r *request) error {
	if err := a.Ready(r.Context()); err != nil {
		e := arm.ErrorInfo{Code: "NotReady", Message: err.Error(), Fix: "See the server's log"}
		write(w, http.StatusServiceUnavailable, Readiness{Status: "not ready", Because: err.Error(), Error: &e})
		return nil
	}
	out := Readiness{Status: "ready"}
	if a.Notes != nil {
		out.Notes = a.Notes(r.Context())
	}
	write(w, http.StatusOK, out)
	return nil
}

// Told is the answer to a test of a notification: it arrived.
type Told struct {
	Said string `json:"said"`
}

func (a *API) testNotification(w http.ResponseWriter, r *request) error {
	said, err := a.TestNotify(r.Context(), r.scope.Name, r.by.Caller)
	if err != nil {
		return err
	}
	write(w, http.StatusOK, Told{said})
	return nil
}

// metrics answers Prometheus.
func (a *API) metrics(w http.ResponseWriter, r *request) error {
	a.Metrics.ServeHTTP(w, r.Request)
	return nil
}

func (a *API) roots(w http.ResponseWriter, _ *request) error {
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, err := w.Write(a.Roots())
	return err
}

func (a *API) crl(w http.ResponseWriter, r *request) error {
	der, err := a.CRL(r.Context(), strings.TrimSuffix(r.PathValue("file"), ".crl"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/pkix-crl")
	_, err = w.Write(der)
	return err
}
