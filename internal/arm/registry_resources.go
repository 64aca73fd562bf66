package arm

import "certwright/internal/order"

// resourceVersions are the API versions that az, PowerShell, Terraform and the SDKs send for subscriptions, groups and
// lists of resources.
var resourceVersions = []string{"2024-11-01", "2025-04-01", "2025-03-01", "2024-07-01", "2024-03-01", "2023-07-01", "2022-12-01", "2022-09-01", "2021-04-01", "2021-01-01", "2020-10-01", "2020-08-01",
	"2020-06-01", "2020-01-01", "2019-11-01", "2019-10-01", "2019-08-01", "2019-07-01", "2019-06-01", "2019-05-10", "2019-05-01", "2019-03-01", "2018-05-01", "2018-02-01", "2017-05-10",
	"2016-09-01", "2016-06-01", "2016-02-01", "2015-11-01", "2015-01-01", "2014-04-01"}

// Resources is the provider of what resources lie in.
const Resources = "Microsoft.Resources"

// resourceTypes are those of Microsoft.Resources, and what Certwright has besides Azure.
func resourceTypes() []Type {
	read := Resources + "/subscriptions/"
	return []Type{
		{Provider: Resources, Versions: resourceVersions, Operations: []Operation{
			{ID: "Tenants_List", Method: "GET", Path: "/tenants", Action: Resources + "/tenants/Read", Answer: List[Tenant]{}, Codes: []int{200}, Text: "Name the one directory that there is", Within: true},
			{ID: "Providers_ListAtTenantScope", Method: "GET", Path: "/providers", Action: Resources + "/providers/Read", Answer: List[ProviderInfo]{}, Codes: []int{200}, Text: "List the providers with their types", Within: true},
			{ID: "Providers_GetAtTenantScope", Method: "GET", Path: "/providers/{provider}", Action: Resources + "/providers/Read", Answer: ProviderInfo{}, Codes: []int{200}, Text: "Read a provider with its types", Within: true},
			{ID: "Providers_List", Method: "GET", Path: inSubscription + "/providers", Action: Resources + "/providers/Read", Answer: List[ProviderInfo]{}, Codes: []int{200}, Text: "List the providers of a subscription", Within: true},
			{ID: "Providers_Get", Method: "GET", Path: inSubscription + "/providers/{provider}", Action: Resources + "/providers/Read", Answer: ProviderInfo{}, Codes: []int{200}, Text: "Read a provider of a subscription", Within: true},
			{ID: "Providers_Register", Method: "POST", Path: inSubscription + "/providers/{provider}/register", Action: read + "providers/register/Action", Answer: ProviderInfo{}, Codes: []int{200}, Text: "Register a provider: all are"},
			{ID: "Resources_MoveResources", Method: "POST", Path: inGroup + "/moveResources", Action: read + "resourceGroups/moveResources/Action", Body: MoveWish{}, Codes: []int{204}, Text: "Move orders and vaults to another resource group"},
			{ID: "Resources_ValidateMoveResources", Method: "POST", Path: inGroup + "/validateMoveResources", Action: read + "resourceGroups/validateMoveResources/Action", Body: MoveWish{}, Codes: []int{204}, Text: "Say whether they could be moved"},
			{ID: "Resources_List", Method: "GET", Path: inSubscription + "/resources", Action: read + "resources/Read", Answer: List[Generic]{}, Codes: []int{200}, Text: "List the resources of a subscription", Within: true},
			{ID: "Resources_ListByResourceGroup", Method: "GET", Path: inGroup + "/resources", Action: read + "resourceGroups/resources/Read", Answer: List[Generic]{}, Codes: []int{200}, Text: "List the resources of a group", Within: true},
		}},
		{Provider: Resources, Name: "subscriptions", Versions: resourceVersions, Operations: []Operation{
			{ID: "Subscriptions_List", Method: "GET", Path: "/subscriptions", Action: read + "Read", Answer: List[Subscription]{}, Codes: []int{200}, Text: "List the subscriptions", Within: true},
			{ID: "Subscriptions_Get", Method: "GET", Path: inSubscription, Action: read + "Read", Answer: Subscription{}, Codes: []int{200}, Text: "Read a subscription"},
			{ID: "Certwright_SaveSubscription", Method: "PUT", Path: inSubscription, Action: read + "Write", Body: SubscriptionWish{}, Answer: Subscription{}, Codes: []int{200, 201}, Text: "Make a subscription, or change its name and state"},
		}},
		{Provider: Resources, Name: "resourceGroups", Versions: resourceVersions, Operations: []Operation{
			{ID: "ResourceGroups_List", Method: "GET", Path: inSubscription + "/resourceGroups", Action: read + "resourceGroups/Read", Answer: List[GroupInfo]{}, Codes: []int{200}, Text: "List the resource groups of a subscription", Within: true},
			{ID: "ResourceGroups_Get", Method: "GET", Path: inGroup, Action: read + "resourceGroups/Read", Answer: GroupInfo{}, Codes: []int{200}, Text: "Read a resource group"},
			{ID: "ResourceGroups_CheckExistence", Method: "HEAD", Path: inGroup, Action: read + "resourceGroups/Read", Codes: []int{204}, Text: "Say whether a resource group is there"},
			{ID: "ResourceGroups_CreateOrUpdate", Method: "PUT", Path: inGroup, Action: read + "resourceGroups/Write", Body: GroupWish{}, Answer: GroupInfo{}, Codes: []int{200, 201}, Text: "Make a resource group"},
			{ID: "ResourceGroups_Update", Method: "PATCH", Path: inGroup, Action: read + "resourceGroups/Write", Body: GroupWish{}, Answer: GroupInfo{}, Codes: []int{200}, Text: "Change the tags of a resource group"},
			{ID: "ResourceGroups_Delete", Method: "DELETE", Path: inGroup, Action: read + "resourceGroups/Delete", Codes: []int{200}, Text: "Remove a resource group that is empty"},
		}},
		ourTypes(),
		manyTypes(),
		{Provider: ours, Name: "issuers", Versions: ourVersions, Operations: []Operation{
			{ID: "Certwright_ListIssuers", Method: "GET", Path: inOurs + "/issuers", Action: ours + "/issuers/Read", Answer: List[Resource]{}, Codes: []int{200}, Text: "List the issuers"},
			{ID: "Certwright_GetIssuer", Method: "GET", Path: inOurs + "/issuers/{issuer}", Action: ours + "/issuers/Read", Answer: Resource{Properties: order.Issuer{}}, Codes: []int{200}, Text: "Read an issuer"},
		}},
		{Provider: ours, Name: "commands", Versions: ourVersions, Operations: []Operation{
			{ID: "Certwright_ListCommands", Method: "GET", Path: inOurs + "/commands", Action: ours + "/commands/Read", Answer: List[Resource]{}, Codes: []int{200}, Text: "List the reload commands, roots and webroots that targets may name: they live in the server's configuration"},
		}},
		{Provider: ours, Name: "targets", Versions: ourVersions, Operations: []Operation{
			{ID: "Certwright_ListTargets", Method: "GET", Path: inGroup + inOurs + "/targets", Action: ours + "/targets/Read", Answer: List[Resource]{}, Codes: []int{200}, Text: "List the targets of a group's sites", Within: true},
		}},
		{Provider: ours, Name: "endpoints", Versions: ourVersions, Operations: []Operation{
			{ID: "Certwright_ListEndpoints", Method: "GET", Path: inGroup + inOurs + "/endpoints", Action: ours + "/endpoints/Read", Answer: List[Resource]{}, Codes: []int{200}, Text: "List the endpoints of a group's sites", Within: true},
		}},
	}
}

// made is an operation that makes something.
func made(o Operation) Operation {
	o.Codes = []int{201}
	return o
}

// ours is the provider of what Azure does not have.
const (
	ours   = "Certwright"
	inOurs = "/providers/" + ours
)

var ourVersions = []string{"2026-11-01"}

// ourTypes are the operations on orders that Azure has no word for. They need no API version.
func ourTypes() Type {
	one := Resource{Properties: Properties{}}
	act := func(name, right, text string) Operation {
		return Operation{ID: "Certwright_" + name, Method: "POST", Path: oneOrder + "/" + name, Action: order.Type + "/" + right, Answer: one, Codes: []int{200}, Text: text}
	}
	return Type{Provider: ours, Operations: []Operation{
		act("sync", "sync/Action", "Make every target hold the current version, and look"),
		act("revoke", "revoke/Action", "Withdraw all versions"),
		act("cancel", "cancel/Action", "Stop an order that has no version yet"),
		act("again", "Write", "Order once more with the same settings"),
		made(act("import", "Write", "Bring a certificate with its key")),
		made(act("watch", "Write", "Watch endpoints")),
		act("retry", "sync/Action", "Try now whatever failed"),
		{ID: "Certwright_chain", Method: "GET", Path: oneOrder + "/chain", Action: order.Type + "/Read", Codes: []int{200}, Kind: "application/pem-certificate-chain", Text: "The current certificate with its intermediates, as PEM"},
		{ID: "Certwright_diagnose", Method: "GET", Path: oneOrder + "/diagnose", Action: order.Type + "/detectors/Read", Codes: []int{200}, Text: "Look at everything now and say what is wrong, root cause first"},
		{ID: "Certwright_fix", Method: "POST", Path: oneOrder + "/fix", Action: order.Type + "/detectors/Read", Codes: []int{200}, Text: "Say what would heal the order; with do: true, do the first of it"},
		{ID: "Certwright_timeline", Method: "GET", Path: oneOrder + "/timeline", Action: order.Type + "/Read", Answer: List[order.Event]{}, Codes: []int{200}, Text: "What happened, newest first"},
		{ID: "Certwright_follow", Method: "GET", Path: oneOrder + "/follow", Action: order.Type + "/Read", Codes: []int{200}, Text: "Wait for the next event"},
	}}
}

// insightTypes are those of Microsoft.Insights: the activity log.
func insightTypes() []Type {
	const insights, values = "Microsoft.Insights", "/providers/Microsoft.Insights/eventtypes/management/values"
	log := func(id, path, text string) Operation {
		return Operation{ID: id, Method: "GET", Path: path, Action: insights + "/eventtypes/values/Read", Answer: List[EventData]{}, Codes: []int{200}, Text: text, Within: true}
	}
	return []Type{{Provider: insights, Versions: []string{"2015-04-01", "2017-03-01-preview"}, Operations: []Operation{
		log("ActivityLogs_List", inSubscription+values, "The activity log of a subscription"),
		log("TenantActivityLogs_List", values, "The activity log of everything"),
		{ID: "EventCategories_List", Method: "GET", Path: "/providers/Microsoft.Insights/eventcategories", Action: insights + "/eventCategories/Read", Answer: List[Localized]{}, Codes: []int{200}, Text: "List the categories of the activity log", Within: true},
	}}}
}
