package keyvault

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// operation is CertificateOperation.
type operation struct {
	ID        string     `json:"id"`
	Issuer    issuerRef  `json:"issuer"`
	CSR       string     `json:"csr,omitempty"`
	Cancel    bool       `json:"cancellation_requested"`
	Status    string     `json:"status"`
	Details   string     `json:"status_details,omitempty"`
	Error     *errorInfo `json:"error,omitempty"`
	Target    string     `json:"target,omitempty"`
	Keep      bool       `json:"preserveCertOrder,omitempty"`
	RequestID string     `json:"request_id,omitempty"`
}

// pendingObject is the object of a name whose operation is asked for.
func (h *Handler) pendingObject(q *request) (*object, error) {
	o, err := h.object(q, q.name(), "")
	if err == nil && (o.order != nil && o.order.Kind == order.Ordered || o.record.Pending != nil) {
		return o, nil
	}
	if errors.As(err, new(elsewhere)) {
		return nil, err
	}
	if err == nil || errors.Is(gone(err), secret.ErrNotFound) {
		return nil, &failure{http.StatusNotFound, "PendingCertificateNotFound", "", fmt.Sprintf("Pending certificate not found: %s.", q.name())}
	}
	return nil, err
}

// operationOf says how the operation stands: the order's word counts where an order does it.
func (h *Handler) operationOf(q *request, o *object) operation {
	out := operation{ID: q.id("certificates", o.name, "pending"), Keep: o.record.Keep, RequestID: o.pendingID()}
	if op := o.record.Pending; op != nil {
		out.Issuer.Name, out.Status, out.Cancel = op.Issuer, op.Status, op.Cancel
		if op.CSR != nil {
			out.CSR = base64.StdEncoding.EncodeToString(op.CSR)
		}
		if out.Status == inProgress {
			out.Details = "Waits for the signed certificate: send the request to an authority, and what it signs to pending/merge."
		}
	}
	if o.order != nil {
		h.orderStands(o, &out)
	}
	if out.Status == completed {
		out.Target = q.id("certificates", o.name, "")
	}
	return out
}

// orderStands fills in how an order stands.
func (h *Handler) orderStands(o *object, out *operation) {
	x, now := o.order, h.Now()
	out.Cancel = false
	if a := x.Running(o.key); a != nil && a.CSR != nil {
		out.CSR = base64.StdEncoding.EncodeToString(a.CSR)
	}
	if out.Issuer.Name == "" {
		out.Issuer.Name = x.Spec.Issuer
	}
	why := func(code string) {
		out.Status, out.Error = failed, &errorInfo{Code: code, Message: fmt.Sprintf("Order %s is %s. 'certwright order show %s' says why.", x.ID.Name, x.StatusOf(now), x.ID.Name)}
	}
	switch {
	case x.Canceled != nil:
		out.Status, out.Cancel = cancelled, true
	case x.StatusOf(now) == order.Denied:
		why("OrderDenied")
	case x.Ended():
		why("OrderEnded")
	case x.Running(o.key) != nil || wanted(x, o.key) || x.Current(o.key) == nil:
		out.Status, out.Details = inProgress, details(x.Path(now))
	default:
		out.Status = completed
	}
}

// wanted says whether a version is asked for and not begun; a renewal that is due some day is not meant.
func wanted(x *order.Order, k order.KeyType) bool {
	for _, n := range x.Needs {
		if n.KeyType == k {
			return true
		}
	}
	return false
}

// details says of a path what it waits for: the first stage that is not done.
func details(path []order.Stage) string {
	for _, s := range path {
		if s.State == order.Done || s.State == order.Absent {
			continue
		}
		text := fmt.Sprintf("%s: %s", s.Stage, s.State)
		if s.Owner != "" {
			text += " for " + s.Owner
		}
		if s.Problem != nil {
			return text + ": " + sentence(s.Problem)
		}
		if s.Next != "" {
			text += ": " + s.Next
		}
		return text
	}
	return ""
}

func (h *Handler) answerPending(w http.ResponseWriter, q *request, status int) error {
	o, err := h.pendingObject(q)
	if err != nil {
		return err
	}
	return write(w, status, h.operationOf(q, o))
}

func (h *Handler) getPending(w http.ResponseWriter, q *request) error {
	return h.answerPending(w, q, http.StatusOK)
}

// updatePending cancels: nothing else of an operation can be changed.
func (h *Handler) updatePending(w http.ResponseWriter, q *request) error {
	var body struct {
		Cancel *bool `json:"cancellation_requested"`
	}
	if err := read(q, &body); err != nil {
		return err
	}
	o, err := h.pendingObject(q)
	if err != nil {
		return err
	}
	if body.Cancel == nil || !*body.Cancel {
		return write(w, http.StatusOK, h.operationOf(q, o))
	}
	switch stands := h.operationOf(q, o).Status; {
	case stands != inProgress:
		return &failure{http.StatusConflict, "Conflict", "", fmt.Sprintf("The operation of certificate %s is %s and cannot be cancelled.", o.name, stands)}
	case o.order != nil:
		if _, err := h.Orders.Cancel(q.Context(), q.by, o.order.ID); err != nil {
			return err
		}
	default:
		o.record.Pending.Status, o.record.Pending.Cancel, o.record.Pending.Sealed = cancelled, true, nil
		if err := h.save(q.Context(), o.record); err != nil {
			return err
		}
	}
	return h.answerPending(w, q, http.StatusOK)
}

// deletePending forgets an operation; what is under way is given up with its key.
func (h *Handler) deletePending(w http.ResponseWriter, q *request) error {
	o, err := h.pendingObject(q)
	if err != nil {
		return err
	}
	out := h.operationOf(q, o)
	if o.order != nil && o.version != nil && out.Status == inProgress {
		return &failure{http.StatusConflict, "Conflict", "", fmt.Sprintf("Order %s has a version and is making the next one; that cannot be taken back.", o.order.ID.Name)}
	}
	if o.version == nil {
		err = h.giveUp(q, o)
	} else if o.record.Pending != nil {
		o.record.Pending = nil
		err = h.save(q.Context(), o.record)
	}
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, out)
}

// giveUp removes what is only being made: the order that has no version yet, the record with its key.
func (h *Handler) giveUp(q *request, o *object) error {
	if o.order != nil {
		if o.order.Canceled == nil && !o.order.Ended() {
			if _, err := h.Orders.Cancel(q.Context(), q.by, o.order.ID); err != nil {
				return err
			}
		}
		if _, err := h.Orders.Delete(q.Context(), q.by, o.order.ID, false); err != nil {
			return err
		}
	}
	h.told("pending certificate deleted", q, secret.Info{Vault: q.vault.Name, Name: o.name})
	return h.Items.DeleteItem(q.Context(), secret.ItemCertificate, q.vault.Name, o.name)
}

// merge brings the certificate that somebody signed for a pending request.
func (h *Handler) merge(w http.ResponseWriter, q *request) error {
	var body struct {
		Chain      [][]byte          `json:"x5c"` // standard base64 of the DER
		Attributes *attributes       `json:"attributes"`
		Tags       map[string]string `json:"tags"`
	}
	if err := read(q, &body); err != nil {
		return err
	}
	o, err := h.pendingObject(q)
	if err != nil {
		return err
	}
	if err := checkTags(body.Tags); err != nil {
		return err
	}
	op := o.record.Pending
	switch {
	case !o.record.open() || op.Sealed == nil:
		return &failure{http.StatusConflict, "Conflict", "", fmt.Sprintf("Certificate %s waits for no signed certificate: only one created with issuer %s does.", o.name, issuerUnknown)}
	case len(body.Chain) == 0:
		return bad("x5c", "it is empty: the signed certificate and its chain are expected")
	}
	key, err := h.Vault.OpenPending(q.vault.Name, o.name, op.ID, op.Sealed)
	if err != nil {
		return err
	}
	chain := fulfill.LeafFirst(body.Chain, key)
	if err := fulfill.Fits(chain, key); err != nil {
		return bad("x5c", "%v", err)
	}
	tags := body.Tags
	if tags == nil {
		tags = op.Tags
	}
	if a := body.Attributes; a != nil && a.Enabled != nil {
		op.Disabled = !*a.Enabled
	}
	i, err := h.Vault.SetCertificate(q.Context(), fulfill.Certificate{Vault: q.vault.Name, Name: o.name, ID: op.ID, Key: key, Chain: chain, Content: o.record.Policy.Secret.ContentType, Tags: tags, Author: q.by.Caller}, op.Disabled)
	if err != nil {
		return err
	}
	h.told("certificate merged", q, i)
	op.Status, op.Sealed = completed, nil
	if err := h.save(q.Context(), o.record); err != nil {
		return err
	}
	return write(w, http.StatusCreated, q.certWhole(i, o.record.Policy))
}
