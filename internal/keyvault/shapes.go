package keyvault

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"certwright/internal/secret"
)

// attributes are SecretAttributes and CertificateAttributes: times in Unix seconds.
type attributes struct {
	Enabled         *bool    `json:"enabled,omitempty"`
	NotBefore       *seconds `json:"nbf,omitempty"`
	Expires         *seconds `json:"exp,omitempty"`
	Created         *seconds `json:"created,omitempty"`
	Updated         *seconds `json:"updated,omitempty"`
	RecoveryLevel   string   `json:"recoveryLevel,omitempty"`
	RecoverableDays int      `json:"recoverableDays,omitempty"`
}

// seconds is a time in Unix seconds.
type seconds time.Time

// MarshalJSON writes whole seconds.
func (s seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, time.Time(s).Unix(), 10), nil
}

// UnmarshalJSON reads seconds, with or without a fraction.
func (s *seconds) UnmarshalJSON(data []byte) error {
	var f float64
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	if f < 0 || f > 253402300799 { // the end of the year 9999
		return fmt.Errorf("%g is no time in Unix seconds", f)
	}
	*s = seconds(time.Unix(int64(f), 0).UTC())
	return nil
}

func at(t *time.Time) *seconds {
	if t == nil || t.IsZero() {
		return nil
	}
	s := seconds(*t)
	return &s
}

func (s *seconds) time() *time.Time {
	if s == nil {
		return nil
	}
	t := time.Time(*s)
	return &t
}

// attributesOf are those of a version, with what its vault says of recovery.
func (q *request) attributesOf(a secret.Attributes) *attributes {
	return &attributes{Enabled: &a.Enabled, NotBefore: at(a.NotBefore), Expires: at(a.Expires), Created: at(&a.Created), Updated: at(&a.Updated),
		RecoveryLevel: q.vault.RecoveryLevel(), RecoverableDays: q.vault.SoftDelete}
}

// id is the address of an object: collection, name and, where given, version.
func (q *request) id(collection, name, version string) string {
	s := q.base + "/" + collection + "/" + url.PathEscape(name)
	if version != "" {
		s += "/" + version
	}
	return s
}

// secretBundle is SecretBundle and SecretItem; what is deleted has the last three.
type secretBundle struct {
	Value       *string           `json:"value,omitempty"`
	ID          string            `json:"id"`
	ContentType string            `json:"contentType,omitempty"`
	Attributes  *attributes       `json:"attributes"`
	Tags        map[string]string `json:"tags,omitempty"`
	Previous    string            `json:"previousVersion,omitempty"`
	deletion
}

// deletion is what a deleted object has besides.
type deletion struct {
	RecoveryID     string   `json:"recoveryId,omitempty"`
	DeletedDate    *seconds `json:"deletedDate,omitempty"`
	ScheduledPurge *seconds `json:"scheduledPurgeDate,omitempty"`
}

func (q *request) deletionOf(collection, name string, d *secret.Deleted) deletion {
	if d == nil {
		return deletion{}
	}
	return deletion{RecoveryID: q.id(collection, name, ""), DeletedDate: at(&d.At), ScheduledPurge: at(&d.Purge)}
}

// bundle is a secret without its value. Lists name it without its version.
func (q *request) bundle(i secret.Info, version string) secretBundle {
	return secretBundle{ID: q.id("secrets", i.Name, version), ContentType: i.ContentType, Attributes: q.attributesOf(i.Attributes), Tags: i.Tags,
		deletion: q.deletionOf("deletedsecrets", i.Name, i.Deleted)}
}

// blob is the value of a backup: base64url without padding; clients refuse other forms.
type blob struct {
	Value string `json:"value"`
}

func newBlob(b []byte) blob { return blob{base64.RawURLEncoding.EncodeToString(b)} }

// bytes takes padding too.
func (b blob) bytes() ([]byte, error) {
	out, err := base64.RawURLEncoding.DecodeString(trimPadding(b.Value))
	if err != nil || len(out) == 0 {
		return nil, bad("value", "it is no backup: base64url is expected")
	}
	return out, nil
}

func trimPadding(s string) string {
	for len(s) > 0 && s[len(s)-1] == '=' {
		s = s[:len(s)-1]
	}
	return s
}

// page is a list with a link to the rest of it.
type page[T any] struct {
	Value    []T     `json:"value"`
	NextLink *string `json:"nextLink"`
}

// Sizes of a page.
const (
	pageDefault = 25
	pageMax     = 1000
)

// paging reads where a list goes on and how much of it is wanted.
func (q *request) paging() (after string, limit int, err error) {
	limit = pageDefault
	query := q.URL.Query()
	if s := query.Get("maxresults"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return "", 0, bad("maxresults", "%q is not a number of 1 or more", s)
		}
		limit = min(n, pageMax)
	}
	if s := query.Get("$skiptoken"); s != "" {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			return "", 0, bad("$skiptoken", "it is not one of a nextLink")
		}
		after = string(b)
	}
	return after, limit, nil
}

// list writes a page of what read gives from after a name on, by name, and links to the next one if there is more.
func list[F, T any](w http.ResponseWriter, q *request, read func(after string, limit int) ([]F, error), key func(F) string, shape func(F) T) error {
	after, limit, err := q.paging()
	if err != nil {
		return err
	}
	l, err := read(after, limit+1)
	if err != nil {
		return err
	}
	out := page[T]{Value: []T{}}
	if len(l) > limit {
		l = l[:limit]
		out.NextLink = q.next(key(l[limit-1]))
	}
	for _, f := range l {
		out.Value = append(out.Value, shape(f))
	}
	return write(w, 200, out)
}

// next is the absolute address of the rest of a list: the same query, from after a name on.
func (q *request) next(after string) *string {
	query := q.URL.Query()
	query.Set("$skiptoken", base64.RawURLEncoding.EncodeToString([]byte(after)))
	path := q.URL.EscapedPath()
	base := q.base
	if q.viaPath {
		base = "https://" + q.Host
	}
	s := base + path + "?" + query.Encode()
	return &s
}
