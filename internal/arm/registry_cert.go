package arm

import "certwright/internal/order"

// certificateVersions are the API versions that clients of certificate orders send.
var certificateVersions = []string{"2024-11-01", "2024-04-01", "2023-12-01", "2023-01-01", "2022-09-01", "2022-03-01", "2021-03-01", "2021-02-01", "2021-01-15", "2021-01-01",
	"2020-12-01", "2020-10-01", "2020-09-01", "2020-06-01", "2019-08-01", "2018-02-01", "2015-08-01"}

const (
	inProvider = "/providers/" + order.Provider
	orders     = "AppServiceCertificateOrders_"
	oneOrder   = inGroup + inProvider + "/certificateOrders/{name}"
)

// certificateTypes are those of Microsoft.CertificateRegistration.
func certificateTypes() []Type {
	return []Type{
		{Provider: order.Provider, Versions: certificateVersions, Operations: []Operation{
			{ID: "CertificateRegistrationProvider_ListOperations", Method: "GET", Path: inProvider + "/operations", Action: order.Provider + "/operations/Read", Answer: List[Described]{}, Codes: []int{200}, Text: "List what the provider can do", Within: true},
			{ID: orders + "ValidatePurchaseInformation", Method: "POST", Path: inSubscription + inProvider + "/validateCertificateRegistrationInformation", Action: order.Provider + "/validateCertificateRegistrationInformation/Action",
				Body: Wish{}, Codes: []int{204}, Text: "Say whether an order would be taken"},
		}},
		{Provider: order.Provider, Name: "certificateOrders", Versions: certificateVersions, Capabilities: []string{"CrossResourceGroupResourceMove", "CrossSubscriptionResourceMove", "SupportsTags"}, Operations: orderOperations()},
		{Provider: order.Provider, Name: "certificateOrders/certificates", Versions: certificateVersions, Operations: linkOperations()},
		{Provider: order.Provider, Name: "certificateOrders/detectors", Versions: certificateVersions, Operations: []Operation{
			{ID: "CertificateOrdersDiagnostics_ListAppServiceCertificateOrderDetectorResponse", Method: "GET", Path: oneOrder + "/detectors", Action: order.Type + "/detectors/Read", Answer: List[Resource]{}, Codes: []int{200}, Text: "List the detectors of an order"},
			{ID: "CertificateOrdersDiagnostics_GetAppServiceCertificateOrderDetectorResponse", Method: "GET", Path: oneOrder + "/detectors/{child}", Action: order.Type + "/detectors/Read", Answer: Resource{Properties: Detected{}}, Codes: []int{200}, Text: "Look at the order now and say what a detector finds"},
		}},
	}
}

func orderOperations() []Operation {
	one := Resource{Properties: Properties{}}
	act := func(id, name, text string, body, answer any) Operation {
		o := Operation{ID: orders + id, Method: "POST", Path: oneOrder + "/" + name, Action: order.Type + "/" + name + "/Action", Body: body, Answer: answer, Codes: []int{204}, Text: text}
		if answer != nil {
			o.Codes = []int{200}
		}
		return o
	}
	return []Operation{
		{ID: orders + "List", Method: "GET", Path: inSubscription + inProvider + "/certificateOrders", Action: order.Type + "/Read", Answer: List[Resource]{}, Codes: []int{200}, Text: "List the orders of a subscription", Within: true},
		{ID: orders + "ListByResourceGroup", Method: "GET", Path: inGroup + inProvider + "/certificateOrders", Action: order.Type + "/Read", Answer: List[Resource]{}, Codes: []int{200}, Text: "List the orders of a resource group", Within: true},
		{ID: orders + "Get", Method: "GET", Path: oneOrder, Action: order.Type + "/Read", Answer: one, Codes: []int{200}, Text: "Read an order"},
		{ID: orders + "CreateOrUpdate", Method: "PUT", Path: oneOrder, Action: order.Type + "/Write", Body: Wish{}, Answer: one, Codes: []int{200, 201}, LRO: true, Text: "Order a certificate, or change an order"},
		{ID: orders + "Update", Method: "PATCH", Path: oneOrder, Action: order.Type + "/Write", Body: Wish{}, Answer: one, Codes: []int{200}, Text: "Change some properties of an order"},
		{ID: orders + "Delete", Method: "DELETE", Path: oneOrder, Action: order.Type + "/Delete", Codes: []int{200, 204}, Text: "Revoke and forget an order"},
		act("Reissue", "reissue", "Ask for a new version with a new key", Asked{}, nil),
		act("Renew", "renew", "Ask for a new version", Asked{}, nil),
		act("VerifyDomainOwnership", "verifyDomainOwnership", "Look for the proofs of control now", nil, nil),
		act("ResendEmail", "resendEmail", "Mail what has to be published to whom the server tells", nil, nil),
		act("ResendRequestEmails", "resendRequestEmails", "Mail what has to be published for one name", Named{}, nil),
		act("RetrieveCertificateActions", "retrieveCertificateActions", "List what happened to the order", nil, []ActionTaken{}),
		act("RetrieveCertificateEmailHistory", "retrieveEmailHistory", "List the mails that were sent", nil, []Mail{}),
		act("RetrieveSiteSeal", "retrieveSiteSeal", "A snippet of HTML that names the certificate", SealWish{}, Seal{}),
		{ID: "Certwright_OperationResult", Method: "GET", Path: oneOrder + "/operationResults/{child}", Action: order.Type + "/Read", Answer: Recorded(one), Codes: []int{200}, Text: "The end of a long-running operation: it is over once the order is recorded"},
	}
}

func linkOperations() []Operation {
	one, path, action := Resource{Properties: Link{}}, oneOrder+"/certificates", order.Type+"/certificates/"
	return []Operation{
		{ID: orders + "ListCertificates", Method: "GET", Path: path, Action: action + "Read", Answer: List[Resource]{}, Codes: []int{200}, Text: "List where an order is kept"},
		{ID: orders + "GetCertificate", Method: "GET", Path: path + "/{child}", Action: action + "Read", Answer: one, Codes: []int{200}, Text: "Read a link to a vault"},
		{ID: orders + "CreateOrUpdateCertificate", Method: "PUT", Path: path + "/{child}", Action: action + "Write", Body: LinkWish{}, Answer: one, Codes: []int{200, 201}, LRO: true, Text: "Keep an order at a secret of a vault, too"},
		{ID: orders + "UpdateCertificate", Method: "PATCH", Path: path + "/{child}", Action: action + "Write", Body: LinkWish{}, Answer: one, Codes: []int{200}, Text: "Change a link to a vault"},
		{ID: orders + "DeleteCertificate", Method: "DELETE", Path: path + "/{child}", Action: action + "Delete", Codes: []int{200, 204}, Text: "Forget a link to a vault"},
		{ID: "Certwright_LinkOperationResult", Method: "GET", Path: path + "/{child}/operationResults/{operation}", Action: action + "Read", Answer: Recorded(one), Codes: []int{200}, Text: "The end of a long-running operation: it is over once the link is recorded"},
	}
}
