// Package arm maps orders, sites and issuers to the shapes of Azure Resource Manager and back:
// envelopes, ids, errors. It is an encoding at the edge and nothing else: pure, no rules.
package arm

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"certwright/internal/order"
)

// Resource is ARM's envelope.
type Resource struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       string            `json:"type"`
	Kind       string            `json:"kind,omitempty"`
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags,omitempty"`
	ETag       string            `json:"etag,omitempty"`
	Properties any               `json:"properties"`
}

// Over is what a long-running operation that is over came to: its state, as clients that poll for one want it, and the
// resource itself, for those that take the answer of a Location to be it.
type Over struct {
	Resource
	Status string `json:"status"`
}

// Recorded is the end of the operation that recorded a resource.
func Recorded(r Resource) Over { return Over{r, "Succeeded"} }

// List is ARM's page.
type List[T any] struct {
	Value    []T    `json:"value"`
	NextLink string `json:"nextLink,omitempty"`
}

// ErrorBody is the body of every error (DefaultErrorResponse of the certificate registration API).
type ErrorBody struct {
	Error ErrorInfo `json:"error"`
}

// ErrorInfo is what an error says. Fix is ours.
type ErrorInfo struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Target  string `json:"target,omitempty"`
	Fix     string `json:"fix,omitempty"`

	Details []ErrorInfo `json:"details,omitempty"`
	Inner   string      `json:"innererror,omitempty"`
}

// Refused is a refusal as an error. Many clients show the message alone, so it names the property, too.
func Refused(r *order.Refusal) ErrorInfo {
	e := ErrorInfo{Code: r.Code, Message: r.Message, Target: r.Property, Fix: r.Fix}
	if word := r.Property[strings.LastIndex(r.Property, ".")+1:]; !strings.Contains(r.Message, word) {
		e.Message = r.Property + ": " + r.Message
	}
	return e
}

// ETag is the owner's generation as an entity tag.
func ETag(generation int64) string { return `"` + strconv.FormatInt(generation, 10) + `"` }

// etag is an entity tag of a list (RFC 9110 section 8.8.3); clients that leave the quotes away are understood, too.
var etag = regexp.MustCompile(`^(?:W/)?(?:"([\x21\x23-\x7e]*)"|([0-9A-Za-z]+))$`)

// ParseETags reads the entity tags of an If-Match or If-None-Match; nil for "*" or nothing. One that a proxy has made
// weak is the same tag: it stands for what an owner wished, not for the bytes of an answer.
func ParseETags(s string) ([]string, error) {
	if s = strings.TrimSpace(s); s == "" || s == "*" {
		return nil, nil
	}
	var list []string
	for _, one := range strings.Split(s, ",") {
		m := etag.FindStringSubmatch(strings.TrimSpace(one))
		if m == nil {
			return nil, fmt.Errorf("%q is no entity tag: it is written as \"1\", several with commas between", one)
		}
		list = append(list, `"`+m[1]+m[2]+`"`)
	}
	return list, nil
}

// VaultID is the ARM id of a vault.
func VaultID(id order.ID, vault string) string {
	switch {
	case vault == "":
		return ""
	case strings.EqualFold(vault, "default"):
		id = order.Short("")
	}
	return order.VaultAt(id.Subscription, id.Group, vault).String()
}

// seconds writes a length of time for a person, empty when zero.
func seconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// utc is a time or nil, in UTC.
func utc(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
