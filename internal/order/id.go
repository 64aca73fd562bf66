package order

import (
	"fmt"
	"strings"
)

// The scope that short names live in.
const (
	DefaultSubscription = "00000000-0000-0000-0000-000000000001"
	DefaultGroup        = "default"
	Provider            = "Microsoft.CertificateRegistration"
	Type                = Provider + "/certificateOrders"
)

// ID names an order as Azure Resource Manager does. It keeps its case and compares without it. Events are of other resources,
// too: those have a type.
type ID struct {
	Subscription string `json:"subscription"`
	Group        string `json:"group"`
	Name         string `json:"name"`
	Type         string `json:"type,omitempty"` // empty = an order
}

// Types of what is no order and has events all the same. Of the last two the name is not in the id.
const (
	VaultType        = "Microsoft.KeyVault/vaults"
	GroupType        = "Microsoft.Resources/subscriptions/resourceGroups"
	SubscriptionType = "Microsoft.Resources/subscriptions"
)

// Short is the ID of an order in the default subscription and group.
func Short(name string) ID {
	return ID{Subscription: DefaultSubscription, Group: DefaultGroup, Name: name}
}

// VaultAt is the id of a vault.
func VaultAt(subscription, group, name string) ID {
	return ID{Subscription: subscription, Group: group, Name: name, Type: VaultType}
}

// String is the ARM resource id.
func (id ID) String() string {
	switch at := "/subscriptions/" + id.Subscription; id.Type {
	case SubscriptionType:
		return at
	case GroupType:
		return at + "/resourceGroups/" + id.Group
	default:
		return at + "/resourceGroups/" + id.Group + "/providers/" + id.TypeOf() + "/" + id.Name
	}
}

// TypeOf is the resource type, an order's too.
func (id ID) TypeOf() string {
	if id.Type == "" {
		return Type
	}
	return id.Type
}

// Of is the id of a resource by its type in words of any case.
func (id ID) Of(kind string) ID {
	if id.Type = kind; strings.EqualFold(kind, Type) {
		id.Type = ""
	}
	return id
}

// Key is the ID without case: what rows are keyed by.
func (id ID) Key() string { return strings.ToLower(id.String()) }

// Valid says whether the name can be a resource name: 1 to 64 of letters, digits, '-', '_' and '.',
// starting with a letter or digit.
func (id ID) Valid() error {
	if err := ValidName(id.Name); err != nil {
		return fmt.Errorf("order name: %w", err)
	}
	if id.Subscription == "" || id.Group == "" {
		return fmt.Errorf("order %s: subscription and resource group must not be empty", id.Name)
	}
	return nil
}

// ValidName is the rule for names of resources.
func ValidName(name string) error {
	if name == "" || len(name) > 64 {
		return fmt.Errorf("%q: must be 1 to 64 characters long", name)
	}
	for i, r := range name {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if i > 0 {
			ok = ok || r == '-' || r == '_' || r == '.'
		}
		if !ok {
			return fmt.Errorf("%q: character %d (%q) is not allowed: letters and digits, after the first also '-', '_' and '.'", name, i+1, r)
		}
	}
	return nil
}
