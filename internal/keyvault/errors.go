package keyvault

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"certwright/internal/auth"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// failure is an error in Key Vault's words.
type failure struct {
	status  int
	code    string
	inner   string // code of the inner error, empty = none
	message string
}

func (f *failure) Error() string { return f.message }

// bad is a request that cannot be: it names the property.
func bad(property, format string, args ...any) error {
	if property != "" {
		property = "Property " + property + ": "
	}
	return &failure{http.StatusBadRequest, "BadParameter", "", property + fmt.Sprintf(format, args...)}
}

// errorBody is KeyVaultError.
type errorBody struct {
	Error errorInfo `json:"error"`
}

type errorInfo struct {
	Code    string     `json:"code"`
	Message string     `json:"message"`
	Inner   *errorInfo `json:"innererror,omitempty"`
}

// fail answers with an error. What is not understood is ours: it is logged whole.
func (h *Handler) fail(w http.ResponseWriter, q *request, err error) {
	f := h.failureOf(q, err)
	if f.status == http.StatusUnauthorized {
		h.challenge(w, q)
	}
	if f.status == http.StatusInternalServerError {
		h.Logger.Error("request to a vault failed", "method", q.Method, "path", q.URL.Path, "error", err)
	}
	if r, ok := order.AsRefusal(err); ok && r.After > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(r.After.Seconds()))))
	}
	body := errorBody{errorInfo{Code: f.code, Message: f.message}}
	if f.inner != "" {
		body.Error.Inner = &errorInfo{Code: f.inner, Message: f.message}
	}
	_ = write(w, f.status, body)
}

// challenge tells a client where to get a token and for what. The resource is the host above the vault's, with its
// port: clients refuse one that their vault's host does not end with.
func (h *Handler) challenge(w http.ResponseWriter, q *request) {
	resource := "https://" + h.Suffix
	if u, err := url.Parse(q.base); err == nil && u.Port() != "" {
		resource += ":" + u.Port()
	}
	w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer authorization="%s", resource="%s"`, h.Login(), resource))
}

func (h *Handler) failureOf(q *request, err error) *failure {
	var f *failure
	var tooLarge *http.MaxBytesError
	var away elsewhere
	refusal, refused := order.AsRefusal(err)
	isCert := strings.Contains(q.URL.Path, "certificates")
	kind, code := "secret", "SecretNotFound"
	if isCert {
		kind, code = "certificate", "CertificateNotFound"
	}
	switch {
	case errors.As(err, &f):
		return f
	case auth.Strange(err):
		return &failure{http.StatusUnauthorized, "Unauthorized", "", "The request is not authenticated: " + err.Error() + "."}
	case errors.As(err, &tooLarge):
		return &failure{http.StatusRequestEntityTooLarge, "BadParameter", "RequestTooLarge", fmt.Sprintf("The body is larger than %d bytes.", tooLarge.Limit)}
	case refused:
		return ofRefusal(refusal)
	case errors.Is(err, secret.ErrDeleted):
		if q.Method == http.MethodGet { // to a reader it is not there
			return &failure{http.StatusNotFound, code, "", notHere(kind, q.name()) + " It was deleted and can be recovered."}
		}
		return &failure{http.StatusConflict, "Conflict", "ObjectIsDeletedButRecoverable",
			fmt.Sprintf("A %s named %s is deleted but recoverable, and its name cannot be used again: recover it, or purge it first.", kind, q.name())}
	case errors.As(err, &away):
		return &failure{http.StatusNotFound, code, "ExternalPrivateKey", notHere(kind, q.name()) + " " + sentence(away)}
	case errors.Is(err, secret.ErrNotFound), errors.Is(err, fulfill.ErrNotFound):
		return &failure{http.StatusNotFound, code, "", notHere(kind, q.name())}
	case errors.Is(err, secret.ErrDisabled):
		return &failure{http.StatusForbidden, "Forbidden", "SecretDisabled", fmt.Sprintf("Operation get is not allowed on the disabled secret %s.", q.name())}
	case errors.Is(err, secret.ErrProtected):
		return &failure{http.StatusForbidden, "Forbidden", "ForbiddenByPurgeProtection", fmt.Sprintf("Vault %s has purge protection: %s is purged by itself when its time is over.", q.vault.Name, q.name())}
	case errors.Is(err, secret.ErrTooLarge), errors.Is(err, secret.ErrBackup):
		return &failure{http.StatusBadRequest, "BadParameter", "", sentence(err)}
	case errors.Is(err, secret.ErrConflict), errors.Is(err, fulfill.ErrConflict), errors.Is(err, fulfill.ErrExists):
		return &failure{http.StatusConflict, "Conflict", "", fmt.Sprintf("A %s named %s is there already, or was changed meanwhile.", kind, q.name())}
	case errors.Is(err, secret.ErrNoVault):
		return &failure{http.StatusNotFound, "VaultNotFound", "", "The vault is not there any more."}
	}
	return ofProblem(err)
}

func ofProblem(err error) *failure {
	var p *order.Problem
	if !errors.As(err, &p) {
		return &failure{http.StatusInternalServerError, "InternalServerError", "", "Certwright could not do this; see its log."}
	}
	status := http.StatusInternalServerError
	if p.Class == order.GiveUp {
		status = http.StatusBadRequest
	}
	return &failure{status, "InternalServerError", p.ID, sentence(p)}
}

// sentence is an error for a person: what failed, why, and what to do.
func sentence(err error) string {
	var p *order.Problem
	if !errors.As(err, &p) {
		return err.Error()
	}
	s := p.Error()
	if p.Fix != "" && !strings.Contains(s, p.Fix) {
		s += ". " + p.Fix
	}
	return s
}

// elsewhere is the error of an order whose key its owner keeps: nothing of it is in the vault.
type elsewhere struct{ order string }

func (e elsewhere) Error() string {
	return fmt.Sprintf("Order %s was made with a certificate request of somebody who keeps its private key, so the vault holds nothing of it. 'certwright order export %s --chain' gives the certificate.", e.order, e.order)
}

// Is has it count as not found.
func (elsewhere) Is(target error) bool { return target == secret.ErrNotFound }

// gone is for what acts on a live object: one that is deleted is not there.
func gone(err error) error {
	if errors.Is(err, secret.ErrDeleted) {
		return secret.ErrNotFound
	}
	return err
}

// notDeleted says of an object that it is not among the deleted ones.
func notDeleted(kind string, q *request, err error) error {
	if errors.Is(err, secret.ErrNotFound) {
		return &failure{http.StatusNotFound, kind + "NotFound", "", fmt.Sprintf("Deleted %s not found: %s.", kind, q.name())}
	}
	return err
}

func notHere(kind, name string) string {
	return fmt.Sprintf("A %s with (name/id) %s was not found in this key vault.", kind, name)
}

// ofRefusal puts a no of an order into Key Vault's words.
func ofRefusal(r *order.Refusal) *failure {
	f := &failure{http.StatusBadRequest, "BadParameter", r.Code, r.Error()}
	switch r.Kind {
	case order.Forbidden:
		f.status, f.code, f.inner = http.StatusForbidden, "Forbidden", "ForbiddenByRbac"
	case order.Conflict, order.Stale:
		f.status, f.code = http.StatusConflict, "Conflict"
	case order.NotFound:
		f.status, f.code = http.StatusNotFound, "NotFound"
	case order.MediaType:
		f.status = http.StatusUnsupportedMediaType
	case order.TooMany:
		f.status, f.code = http.StatusTooManyRequests, "Throttled"
	}
	return f
}
