package arm

const (
	web       = "Microsoft.Web"
	keyVault  = "Microsoft.KeyVault"
	inWeb     = "/providers/" + web
	oneSite   = inGroup + inWeb + "/sites/{name}"
	vaultType = keyVault + "/vaults"
)

// webVersions and vaultVersions are the API versions that clients of sites and vaults send.
var (
	webVersions = []string{"2025-05-01", "2025-03-01", "2024-11-01", "2024-04-01", "2023-12-01", "2023-01-01", "2022-09-01", "2022-03-01", "2021-03-01", "2021-02-01", "2021-01-15", "2021-01-01",
		"2020-12-01", "2020-10-01", "2020-09-01", "2020-06-01", "2019-08-01", "2018-11-01", "2018-02-01", "2016-08-01", "2016-03-01", "2015-08-01"}
	vaultVersions = []string{"2024-11-01", "2026-02-01", "2025-05-01", "2024-12-01-preview", "2024-04-01-preview", "2023-07-01", "2023-02-01", "2022-11-01", "2022-07-01", "2022-02-01-preview", "2021-11-01-preview",
		"2021-10-01", "2021-06-01-preview", "2021-04-01-preview", "2019-09-01", "2018-02-14", "2016-10-01", "2015-06-01"}
)

// webTypes are those of Microsoft.Web, and the vaults.
func webTypes() []Type {
	return append([]Type{
		{Provider: web, Name: "sites", Versions: webVersions, Operations: crud("WebApps_", web+"/sites", inWeb+"/sites", SiteWish{}, WebSite{}, "site")},
		{Provider: web, Name: "sites/hostNameBindings", Versions: webVersions, Operations: []Operation{
			{ID: "WebApps_ListHostNameBindings", Method: "GET", Path: oneSite + "/hostNameBindings", Action: web + "/sites/hostNameBindings/Read", Answer: List[Resource]{}, Codes: []int{200}, Text: "List the host names of a site"},
			{ID: "WebApps_GetHostNameBinding", Method: "GET", Path: oneSite + "/hostNameBindings/{child}", Action: web + "/sites/hostNameBindings/Read", Answer: Resource{Properties: Binding{}}, Codes: []int{200}, Text: "Read a host name of a site"},
			{ID: "WebApps_CreateOrUpdateHostNameBinding", Method: "PUT", Path: oneSite + "/hostNameBindings/{child}", Action: web + "/sites/hostNameBindings/Write", Body: BindingWish{}, Answer: Resource{Properties: Binding{}}, Codes: []int{200}, Text: "Bind a host name to an order's certificate"},
			{ID: "WebApps_DeleteHostNameBinding", Method: "DELETE", Path: oneSite + "/hostNameBindings/{child}", Action: web + "/sites/hostNameBindings/Delete", Codes: []int{200, 204}, Text: "Take a host name off a site"},
		}},
		{Provider: web, Name: "certificates", Versions: webVersions, Operations: crud("Certificates_", web+"/certificates", inWeb+"/certificates", WebCertificateWish{}, WebCertificate{}, "imported certificate")},
	}, vaultTypes()...)
}

// crud are the operations that every resource has.
func crud(prefix, action, path string, body, answer any, what string) []Operation {
	one, at := Resource{Properties: answer}, inGroup+path+"/{name}"
	return []Operation{
		{ID: prefix + "List", Method: "GET", Path: inSubscription + path, Action: action + "/Read", Answer: List[Resource]{}, Codes: []int{200}, Text: "List each " + what + " of a subscription", Within: true},
		{ID: prefix + "ListByResourceGroup", Method: "GET", Path: inGroup + path, Action: action + "/Read", Answer: List[Resource]{}, Codes: []int{200}, Text: "List each " + what + " of a group", Within: true},
		{ID: prefix + "Get", Method: "GET", Path: at, Action: action + "/Read", Answer: one, Codes: []int{200}, Text: "Read a " + what},
		{ID: prefix + "CreateOrUpdate", Method: "PUT", Path: at, Action: action + "/Write", Body: body, Answer: one, Codes: []int{200}, Text: "Make or change a " + what},
		{ID: prefix + "Delete", Method: "DELETE", Path: at, Action: action + "/Delete", Codes: []int{200, 204}, Text: "Remove a " + what},
		{ID: prefix + "Update", Method: "PATCH", Path: at, Action: action + "/Write", Body: body, Answer: one, Codes: []int{200}, Text: "Change some of a " + what},
	}
}
