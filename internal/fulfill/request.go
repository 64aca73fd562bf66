package fulfill

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"certwright/internal/order"
	"certwright/internal/site"
)

// Asked is what a renewal or a rekey says of the version that it asks for. The zero value changes nothing of the wish.
type Asked struct {
	Delay      time.Duration   // rekey: the old version is revoked this long after the new one is there; <0 = it is not
	CSR        string          // a certificate request of whoever holds the key, as text
	External   *bool           // whether the key is theirs (true) or made here (false); nil = CSR says it, else as it was
	RSA        order.KeyType   // this RSA key in place of the order's; empty = as it was
	KeyTypes   []order.KeyType // these keys in place of all of the order's; nil = as they were
	Generation int64           // other than 0: the order must be of this one
	ReuseCSR   *bool           // whether later versions may be asked for with the same request; nil = as it was
}

// Renew asks for a new version now.
func (m *Mover) Renew(ctx context.Context, by order.By, id order.ID) (*order.Order, error) {
	return m.NewVersion(ctx, by, id, order.CmdRenew, Asked{Delay: -1})
}

// Rekey asks for a new version with a new key now. The old one is revoked delay after the new one is
// stored and once no target holds it; never, if delay is negative.
func (m *Mover) Rekey(ctx context.Context, by order.By, id order.ID, delay time.Duration) (*order.Order, error) {
	return m.NewVersion(ctx, by, id, order.CmdRekey, Asked{Delay: delay})
}

// NewVersion is Renew or Rekey with a say in the key of the version: a certificate request, who holds the key, its kind.
// What is said becomes part of the order's wish together with the command, or not at all. The same request again
// while a version is under way with it changes nothing.
func (m *Mover) NewVersion(ctx context.Context, by order.By, id order.ID, c order.Command, a Asked) (*order.Order, error) {
	return m.change(ctx, id, func(o *order.Order) ([]order.Result, error) {
		if o.Kind != order.Ordered { // before what is said is looked at: there is no issuer to say it to
			return nil, o.Allowed(c, m.Now())
		}
		if err := atGeneration(o, a.Generation); err != nil {
			return nil, err
		}
		spec, again, err := a.onto(o, c, m.Now())
		if err != nil || again {
			return nil, err
		}
		if err := o.AllowedWith(c, m.Now(), spec); err != nil {
			return nil, err
		}
		command := order.Commanded{By: by, Command: c, Delay: a.Delay}
		if sameWish(spec, o.Spec) {
			return []order.Result{command}, nil
		}
		var sites []site.Site
		if sites, err = m.checkSites(ctx, id, &spec); err != nil {
			return nil, err
		}
		return []order.Result{order.Rewished{By: by, Spec: spec, Sites: sites}, command}, nil
	})
}

func badAsked(code, property, message, fix string) *order.Refusal {
	return &order.Refusal{Kind: order.BadInput, Code: code, Property: property, Message: message, Fix: fix}
}

const (
	propCSR      = "csr"
	propExternal = "isPrivateKeyExternal"
	propTypes    = "keyTypes"
	propSize     = "keySize"
	propReuse    = "reuseCsr"
)

// onto is the order's wish as it becomes with what is asked. again: a version is under way with the same request.
func (a Asked) onto(o *order.Order, c order.Command, now time.Time) (spec order.Spec, again bool, err error) {
	spec = o.Clone().Spec
	given := strings.TrimSpace(a.CSR) != ""
	switch {
	case given && a.External != nil && !*a.External:
		return spec, false, badAsked("ConflictingProperties", propExternal, "it is false, which has the key made here, and csr brings one made elsewhere", "Leave one of the two away")
	case given:
		spec, again, err = a.bring(o, c, now)
	case a.External != nil && *a.External && !spec.ExternalKey:
		err = badAsked(order.CsrMissing, propCSR, "the key is to lie elsewhere, and there is no certificate request made with it", "Make one where the key is, and give it: --csr FILE")
	default:
		if a.External != nil && !*a.External {
			spec.ExternalKey, spec.CSR, spec.CSRGiven, spec.ReuseCSR = false, nil, time.Time{}, false
		}
		err = a.keyTypes(&spec)
	}
	if err != nil {
		return spec, false, err
	}
	if a.ReuseCSR != nil {
		spec.ReuseCSR = *a.ReuseCSR
	}
	return spec, again, checkReuse(&spec)
}

// bring takes a request on: it must be for the order's names, and a rekey's for a key that is new.
func (a Asked) bring(o *order.Order, c order.Command, now time.Time) (spec order.Spec, again bool, err error) {
	spec = o.Clone().Spec
	r, err := readRequest(a.CSR)
	if err != nil {
		return spec, false, err
	}
	if len(spec.KeyTypes) > 1 {
		return spec, false, badAsked("SeveralKeyTypes", propCSR, fmt.Sprintf("order %s has keys of several types side by side (%v), and one request is for one key", o.ID.Name, spec.KeyTypes),
			fmt.Sprintf("Let it have one type first, which ends the others: certwright order update %s --key-type %s, and then once more. Or keep them all, and order this key apart: certwright order create %s-csr --csr FILE --allow-duplicate", o.ID.Name, r.KeyType, o.ID.Name))
	}
	if err := sameNamesAs(r, spec.Names, fmt.Sprintf("Make the request for exactly those; or change the order first: certwright order update %s --dns NAME ...", o.ID.Name)); err != nil {
		return spec, false, err
	}
	if err := a.fits(r); err != nil {
		return spec, false, err
	}
	again = o.UnderWay(r.DER)
	if v := o.HasKey(r.KeyHash); v != nil && !again {
		switch {
		case v.State == order.VersionRevoked:
			return spec, false, badAsked("CsrKeyRevoked", propCSR, fmt.Sprintf("its key is that of version %d, which is revoked", v.Number), "Make a new key, and a request with it")
		case c == order.CmdRekey:
			return spec, false, badAsked("CsrKeyNotNew", propCSR, fmt.Sprintf("its key is that of version %d, and a rekey is for a new one", v.Number), "Make a new key, and a request with it; or use renew, which may keep the key")
		}
	}
	if !again {
		spec.KeyTypes, spec.ExternalKey, spec.CSR, spec.CSRGiven = []order.KeyType{r.KeyType}, true, r.DER, now
	}
	return spec, again, nil
}

func readRequest(text string) (*order.Request, error) {
	r, err := order.ReadRequest(text)
	if err != nil {
		return nil, badAsked("InvalidCsr", propCSR, "it cannot be used: "+err.Error(), "Send a PKCS#10 request as PEM or as its DER in base64, such as: openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out request.pem -subj /CN=NAME -addext subjectAltName=DNS:NAME")
	}
	return r, nil
}

func sameNamesAs(r *order.Request, names []order.Name, fix string) error {
	if r.Names(names) {
		return nil
	}
	o := &order.Order{Spec: order.Spec{Names: names}}
	return badAsked("CsrNamesMismatch", propCSR, fmt.Sprintf("it names %s; the order names %s", or(strings.Join(r.Words, ", "), "nothing"), strings.Join(o.Names(), ", ")), fix)
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// fits refuses a kind of key that is not the request's.
func (a Asked) fits(r *order.Request) error {
	switch {
	case a.RSA != "" && a.RSA != r.KeyType:
		return badAsked("CsrKeyMismatch", propSize, fmt.Sprintf("it asks for %s, and the key of csr is of type %s", a.RSA, r.KeyType), "Leave keySize away: the request says it")
	case a.KeyTypes != nil && !slices.Equal(a.KeyTypes, []order.KeyType{r.KeyType}):
		return badAsked("CsrKeyMismatch", propTypes, fmt.Sprintf("they are %v, and the key of csr is of type %s", a.KeyTypes, r.KeyType), "Leave keyTypes away: the request says it")
	}
	return nil
}

// keyTypes has keys of other kinds made here.
func (a Asked) keyTypes(spec *order.Spec) error {
	property := propTypes
	if a.KeyTypes == nil {
		property = propSize
	}
	types := a.KeyTypes
	if types == nil && a.RSA != "" {
		if types = withRSA(spec.KeyTypes, a.RSA); types == nil {
			return badAsked("KeyTypeAmbiguous", propSize, fmt.Sprintf("the order's keys are %v, and it is not clear which of them is to be %s", spec.KeyTypes, a.RSA), "Give all of them in keyTypes")
		}
	}
	if types == nil || slices.Equal(types, spec.KeyTypes) {
		return nil
	}
	if spec.ExternalKey {
		return badAsked("CsrKeyMismatch", property, "the key lies elsewhere, and what kind it is its certificate request says", "Give csr, with a key of that kind; or have the key made here: isPrivateKeyExternal false")
	}
	spec.KeyTypes = types
	return checkKeyTypes(spec)
}

// withRSA puts an RSA key type in the place of the RSA one, or of the only one; nil where there is no such place.
func withRSA(types []order.KeyType, k order.KeyType) []order.KeyType {
	if slices.Contains(types, k) {
		return types
	}
	at := slices.IndexFunc(types, func(t order.KeyType) bool { return strings.HasPrefix(string(t), "RSA-") })
	if at < 0 && len(types) == 1 {
		at = 0
	}
	if at < 0 {
		return nil
	}
	types = slices.Clone(types)
	types[at] = k
	return types
}

func checkKeyTypes(spec *order.Spec) error {
	for i, k := range spec.KeyTypes {
		if !slices.Contains(order.KeyTypes, k) {
			return badAsked("UnknownKeyType", propTypes, fmt.Sprintf("key type %q is not known", k), "Use one of "+keyTypeList())
		}
		if slices.Contains(spec.KeyTypes[:i], k) {
			return badAsked("DuplicateKeyType", propTypes, fmt.Sprintf("key type %s is given twice", k), "Give each key type once")
		}
	}
	if len(spec.KeyTypes) == 0 {
		return badAsked("KeyTypeMissing", propTypes, "a version needs a key", "Use one or more of "+keyTypeList())
	}
	return nil
}

func checkReuse(spec *order.Spec) error {
	if spec.ReuseCSR && len(spec.CSR) == 0 {
		return badAsked("ConflictingProperties", propReuse, "there is no certificate request that could be used again: the key is made here", "Leave it away, or give csr")
	}
	return nil
}

// requested makes a new order's wish that of its certificate request, where one is given: the names that it names, where
// none are given, and its kind of key.
func (w *Wish) requested(now time.Time) (*order.Request, error) {
	if strings.TrimSpace(w.CSR) == "" {
		return nil, nil
	}
	r, err := readRequest(w.CSR)
	if err != nil {
		return nil, err
	}
	if err := (Asked{KeyTypes: w.Spec.KeyTypes}).fits(r); err != nil {
		return nil, err
	}
	if len(w.Words) == 0 {
		w.Words = r.Words
	}
	w.Spec.KeyTypes, w.Spec.ExternalKey, w.Spec.CSR, w.Spec.CSRGiven = []order.KeyType{r.KeyType}, true, r.DER, now
	return r, nil
}
