package arm

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"certwright/internal/order"
)

// Localized is a word with the form that a person reads.
type Localized struct {
	Value     string `json:"value"`
	Localized string `json:"localizedValue"`
}

// EventData is an event as the activity log has it.
type EventData struct {
	Authorization *Authorization    `json:"authorization,omitempty"`
	Caller        string            `json:"caller,omitempty"`
	Description   string            `json:"description,omitempty"`
	ID            string            `json:"id,omitempty"`
	EventID       string            `json:"eventDataId,omitempty"`
	Correlation   string            `json:"correlationId,omitempty"`
	EventName     *Localized        `json:"eventName,omitempty"`
	Category      *Localized        `json:"category,omitempty"`
	HTTP          *HTTPInfo         `json:"httpRequest,omitempty"`
	Level         string            `json:"level,omitempty"`
	Group         string            `json:"resourceGroupName,omitempty"`
	Provider      *Localized        `json:"resourceProviderName,omitempty"`
	Resource      string            `json:"resourceId,omitempty"`
	Type          *Localized        `json:"resourceType,omitempty"`
	OperationID   string            `json:"operationId,omitempty"`
	Operation     *Localized        `json:"operationName,omitempty"`
	Properties    map[string]string `json:"properties,omitempty"`
	Status        *Localized        `json:"status,omitempty"`
	SubStatus     *Localized        `json:"subStatus,omitempty"`
	At            *time.Time        `json:"eventTimestamp,omitempty"`
	Submitted     *time.Time        `json:"submissionTimestamp,omitempty"`
	Subscription  string            `json:"subscriptionId,omitempty"`
	Tenant        string            `json:"tenantId,omitempty"`
	Claims        map[string]string `json:"claims,omitempty"`
}

// Authorization says what was needed for it.
type Authorization struct {
	Action string `json:"action"`
	Role   string `json:"role,omitempty"`
	Scope  string `json:"scope"`
}

// HTTPInfo is the request behind an event.
type HTTPInfo struct {
	Client  string `json:"clientRequestId,omitempty"`
	Address string `json:"clientIpAddress,omitempty"`
	Method  string `json:"method,omitempty"`
	URI     string `json:"uri,omitempty"`
}

func same(s string) *Localized { return &Localized{s, s} }

// Category is the one category that our events are of.
const Category = "Administrative"

// EventOf is an event of ours as the activity log's.
func EventOf(e *order.Event, tenant string) EventData {
	at := e.At.UTC()
	status := string(e.Status)
	provider, _, _ := strings.Cut(e.Order.TypeOf(), "/")
	if e.Status == order.Info {
		status = "Succeeded" // the log knows no facts without an outcome
	}
	d := EventData{Authorization: &Authorization{Action: e.Operation, Scope: e.Order.String()}, Caller: e.Caller, Description: e.Text, EventID: e.ID,
		ID:          e.Order.String() + "/events/" + e.ID + "/ticks/" + strconv.FormatInt(at.UnixNano()/100+621355968000000000, 10),
		Correlation: e.Correlation, EventName: same(e.Name), Category: same(Category), Level: string(e.Level), Group: e.Order.Group, Provider: same(provider), Resource: e.Order.String(),
		Type: same(e.Order.TypeOf()), OperationID: e.Correlation, Operation: same(e.Operation), Properties: map[string]string{"stage": string(e.Stage)}, Status: same(status), SubStatus: same(""),
		At: &at, Submitted: &at, Subscription: e.Order.Subscription, Tenant: tenant}
	if e.SubStatus != "" {
		d.SubStatus = same(e.SubStatus)
		if n, err := strconv.Atoi(e.SubStatus); err == nil && http.StatusText(n) != "" {
			d.SubStatus = &Localized{strings.ReplaceAll(http.StatusText(n), " ", ""), http.StatusText(n)}
		}
	}
	h := HTTPInfo{}
	for k, v := range e.Properties {
		switch k {
		case "clientRequestId":
			h.Client = v
		case "clientIpAddress":
			h.Address = v
		case "request":
			h.Method, h.URI, _ = strings.Cut(v, " ")
		default:
			d.Properties[k] = v
		}
	}
	if h != (HTTPInfo{}) {
		d.HTTP = &h
	}
	return d
}

// selectable are the names that $select may have: every property of an event.
var selectable = func() []string {
	var names []string
	for f := range fieldsOf(reflect.TypeFor[EventData]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}()

// Select keeps of an event what $select names; empty = all.
func Select(d EventData, names []string) (any, error) {
	if len(names) == 0 {
		return d, nil
	}
	var all map[string]json.RawMessage
	b, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	for name := range all {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			delete(all, name)
		}
	}
	return all, nil
}

// Selection reads $select.
func Selection(s string) ([]string, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	var names []string
	for _, n := range strings.Split(s, ",") {
		n = strings.TrimSpace(n)
		if !slices.ContainsFunc(selectable, func(k string) bool { return strings.EqualFold(n, k) }) {
			return nil, &order.Refusal{Kind: order.BadInput, Code: "InvalidSelect", Property: "$select", Message: "\"" + n + "\" is no property of an event", Fix: "Use " + strings.Join(selectable, ", ")}
		}
		names = append(names, n)
	}
	return names, nil
}
