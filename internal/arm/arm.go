// Package arm maps orders, sites and issuers to the shapes of Azure Resource Manager and back:
// envelopes, ids, errors. It is an encoding at the edge and nothing else: pure, no rules.
package arm

import (
	"encoding/json"
	"fmt"
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

// ETag is the owner's generation as an entity tag.
func ETag(generation int64) string { return `"` + strconv.FormatInt(generation, 10) + `"` }

// ParseETag reads one; 0 for "*" or nothing.
func ParseETag(s string) (int64, error) {
	s = strings.Trim(strings.TrimPrefix(strings.TrimSpace(s), "W/"), `"`)
	if s == "" || s == "*" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is no entity tag of an order", s)
	}
	return n, nil
}

// VaultID is the ARM id of a vault.
func VaultID(id order.ID, vault string) string {
	switch {
	case vault == "":
		return ""
	case strings.EqualFold(vault, "default"):
		id = order.Short("")
	}
	return fmt.Sprintf("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.KeyVault/vaults/%s", id.Subscription, id.Group, vault)
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

// Decode reads JSON strictly: an unknown property is an error that names it.
func Decode(data []byte, v any) error {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return decodeError(err)
	}
	if d.More() {
		return fmt.Errorf("there is more after the end of the JSON value")
	}
	return nil
}

func decodeError(err error) error {
	s := strings.TrimPrefix(err.Error(), "json: ")
	if name, ok := strings.CutPrefix(s, "unknown field "); ok {
		return fmt.Errorf("property %s is not known", name)
	}
	return fmt.Errorf("the body is not the JSON that is expected: %s", s)
}
