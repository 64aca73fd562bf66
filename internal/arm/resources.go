package arm

import (
	"time"

	"certwright/internal/order"
)

// Tenant is the directory.
type Tenant struct {
	ID   string `json:"id"`
	UUID string `json:"tenantId"`
	Name string `json:"displayName"`
}

// Subscription is a subscription as Azure shows it.
type Subscription struct {
	ID       string   `json:"id"`
	UUID     string   `json:"subscriptionId"`
	Tenant   string   `json:"tenantId"`
	Name     string   `json:"displayName"`
	State    string   `json:"state"`
	Source   string   `json:"authorizationSource"`
	Policies struct{} `json:"subscriptionPolicies"`
}

// SubscriptionOf is a subscription in Azure's shape.
func SubscriptionOf(s order.Subscription, tenant string) Subscription {
	return Subscription{ID: "/subscriptions/" + s.ID, UUID: s.ID, Tenant: tenant, Name: s.Name, State: s.State, Source: "RoleBased"}
}

// SubscriptionWish is the body with which a subscription is made or changed.
type SubscriptionWish struct {
	ID     *string `json:"id,omitempty"`
	UUID   *string `json:"subscriptionId,omitempty"`
	Tenant *string `json:"tenantId,omitempty"`
	Name   string  `json:"displayName"`
	State  string  `json:"state"`
	Source *string `json:"authorizationSource,omitempty"`

	Policies *struct{} `json:"subscriptionPolicies,omitempty"`
}

// GroupInfo is a resource group as Azure shows it.
type GroupInfo struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       string            `json:"type"`
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags,omitempty"`
	Properties struct {
		State string `json:"provisioningState"`
	} `json:"properties"`

	Placed bool `json:"-"` // somebody said where it lies
}

// GroupOf is a resource group in Azure's shape.
func GroupOf(g order.Group) GroupInfo {
	v := GroupInfo{ID: "/subscriptions/" + g.Subscription + "/resourceGroups/" + g.Name, Name: g.Name, Type: Resources + "/resourceGroups", Location: nonempty(g.Location, "global"), Tags: g.Tags}
	v.Properties.State, v.Placed = "Succeeded", g.Location != ""
	return v
}

// GroupWish is the body with which a resource group is made or changed.
type GroupWish struct {
	Echo
	Location   string `json:"location"`
	Tags       Tags   `json:"tags,omitempty"`
	Properties struct {
		State string `json:"provisioningState,omitempty"` // read-only
	} `json:"properties"`
	ManagedBy *string `json:"managedBy,omitempty"`
}

// MoveWish says what is to be moved where.
type MoveWish struct {
	Resources []string `json:"resources"`
	Target    string   `json:"targetResourceGroup"`
}

// Configured is something of the server's configuration that targets and sites may name. What it stands for is for
// whoever runs the server alone.
type Configured struct {
	Kind string `json:"kind"` // command, root or webroot
}

// Generic is a resource as lists over all types have it: without its properties.
type Generic struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Type     string            `json:"type"`
	Kind     string            `json:"kind,omitempty"`
	Location string            `json:"location"`
	Tags     map[string]string `json:"tags,omitempty"`
	Created  *time.Time        `json:"createdTime,omitempty"`
	Changed  *time.Time        `json:"changedTime,omitempty"`
	State    string            `json:"provisioningState,omitempty"` // where it is asked for
}

// GenericOf is an order as a resource without its properties.
func GenericOf(o *order.Order, now time.Time) Generic {
	return Generic{ID: o.ID.String(), Name: o.ID.Name, Type: order.Type, Kind: notOrdered(o), Location: "Global", Tags: o.Spec.Tags, Created: utc(o.Created), Changed: utc(o.Updated), State: provisioning(o, now)}
}

// ProviderInfo is a provider as Azure shows it.
type ProviderInfo struct {
	ID    string     `json:"id"`
	Name  string     `json:"namespace"`
	State string     `json:"registrationState"`
	Types []TypeInfo `json:"resourceTypes"`
}

// TypeInfo is a type of resource.
type TypeInfo struct {
	Name         string   `json:"resourceType"`
	Locations    []string `json:"locations"`
	Versions     []string `json:"apiVersions"`
	Default      string   `json:"defaultApiVersion,omitempty"`
	Capabilities string   `json:"capabilities"`
}

// ProviderOf is a provider in Azure's shape; false if there is none of that name.
func ProviderOf(scope, name string) (ProviderInfo, bool) {
	p := ProviderInfo{Name: name, State: "Registered", Types: []TypeInfo{}}
	for _, t := range TypesOf(name) {
		p.Name = t.Provider
		info := TypeInfo{Name: t.Name, Locations: []string{"global"}, Versions: t.Versions, Capabilities: "None"}
		if len(t.Versions) > 0 {
			info.Default = t.Versions[0]
		}
		for i, c := range t.Capabilities {
			if i == 0 {
				info.Capabilities = c
			} else {
				info.Capabilities += ", " + c
			}
		}
		p.Types = append(p.Types, info)
	}
	p.ID = scope + "/providers/" + p.Name
	return p, known(name)
}
