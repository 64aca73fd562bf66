package web

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"certwright/internal/order"
)

// mostRequest bounds what the form of a certificate request may send.
const mostRequest = 64 << 10

// request takes a certificate request that whoever keeps the key has made, and asks for a version with it.
func (p *pages) request(w http.ResponseWriter, r *http.Request, v visit) {
	r.Body = http.MaxBytesReader(w, r.Body, mostRequest)
	id := orderID(r)
	err := r.ParseForm()
	switch csr := strings.TrimSpace(r.PostFormValue("csr")); {
	case err != nil:
		err = &order.Refusal{Kind: order.BadInput, Code: "InvalidCsr", Message: "what was sent is no form, or larger than a certificate request can be", Fix: "Paste the text of the request alone"}
	case strings.Contains(csr, "PRIVATE KEY"):
		err = &order.Refusal{Kind: order.BadInput, Code: "InvalidCsr", Message: "that is a private key, not a request: nothing of it is kept here, but it has left the machine where it was",
			Fix: "Make a new key there, and a request with it; paste the request"}
	default:
		err = p.Actions.Request(r.Context(), v.Who, id, csr, r.PostFormValue("reuse") != "")
	}
	if err != nil {
		p.refused(w, r, v, "request", err)
		return
	}
	if partial(r) {
		m, _ := doneWord("request")
		p.render(w, r, http.StatusOK, note(m.Tone, m.Title, m.Text))
		return
	}
	http.Redirect(w, r, orderPath(id)+"?did=request", http.StatusSeeOther)
}

// chain is a version's certificate with its intermediates as a file, never with a key; without a number that of the current one.
func (p *pages) chain(w http.ResponseWriter, r *http.Request, v visit) {
	o, ok := p.load(w, r, v)
	if !ok {
		return
	}
	version := o.First()
	q := r.URL.Query()
	if n := q.Get("version"); n != "" {
		number, _ := strconv.Atoi(n) // none has the number 0
		version = o.Version(number)
	}
	if key := q.Get("key"); version == nil || len(version.Chain) == 0 || key != "" && key != string(version.KeyType) {
		p.fail(w, r, v, http.StatusNotFound, "There is no such certificate", "Order "+o.ID.Name+" has none yet, or none of that version. Its page says what it waits for.")
		return
	}
	name := o.ID.Name + "-" + strconv.Itoa(version.Number) + ".pem"
	w.Header().Set("Content-Type", "application/pem-certificate-chain") // RFC 8555 section 9.1
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	_, _ = w.Write(version.Chain) // whoever asked is gone if this fails
}

// chainPath is where a version's certificate can be had.
func chainPath(id order.ID, v order.Version) string {
	return under(id, "chain") + "?version=" + strconv.Itoa(v.Number) + "&key=" + string(v.KeyType)
}

// brings says whether an order can take a certificate request: whoever keeps the key of a living order brings one.
func brings(v orderView) bool {
	dead := []order.Status{order.Denied, order.StatusCanceled, order.StatusRevoked, order.Pendingrevocation}
	return v.Order.Kind == order.Ordered && !slices.Contains(dead, v.Proj.Status)
}

// awaitsRequest says whether a version waits for nothing but a certificate request.
func awaitsRequest(v orderView) bool { return v.Root != nil && v.Root.ID == "renew-external-csr" }

// makeRequest is a command that makes a key and a request for exactly the order's names.
func makeRequest(o *order.Order) string {
	var names []string
	for _, n := range o.Spec.Names {
		kind := "DNS:"
		if n.Kind == order.IP {
			kind = "IP:"
		}
		names = append(names, kind+n.Value)
	}
	return "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + o.ID.Name + ".key -out " + o.ID.Name + ".csr -subj / -addext subjectAltName=" + strings.Join(names, ",")
}
