package arm

// vaultTypes are those of Microsoft.KeyVault that Certwright has.
func vaultTypes() []Type {
	const in = "/providers/" + vaultType
	const at, deleted = inGroup + in + "/{name}", "/providers/" + keyVault + "/locations/{location}/deletedVaults/{name}"
	own := func(id, path, text string) Operation {
		return Operation{ID: "Certwright_" + id, Method: "POST", Path: at + path, Action: vaultType + "/accessPolicies/Write", Body: OwnWish{}, Answer: Resource{Properties: Vault{}}, Codes: []int{200}, Text: text}
	}
	return []Type{
		{Provider: keyVault, Versions: vaultVersions, Operations: []Operation{
			{ID: "Vaults_CheckNameAvailability", Method: "POST", Path: inSubscription + "/providers/" + keyVault + "/checkNameAvailability", Action: keyVault + "/checkNameAvailability/Read", Body: NameWish{}, Answer: NameFree{}, Codes: []int{200}, Text: "Say whether a vault could have a name"},
		}},
		{Provider: keyVault, Name: "vaults", Versions: vaultVersions, Capabilities: []string{"CrossResourceGroupResourceMove", "CrossSubscriptionResourceMove", "SupportsTags"},
			Operations: append(crud("Vaults_", vaultType, in, VaultWish{}, Vault{}, "vault"),
				own("grantVaultAccess", "/grantAccess", "Let Certwright itself store in the vault and read there"),
				own("withdrawVaultAccess", "/withdrawAccess", "Take from Certwright itself what it may do in the vault"))},
		{Provider: keyVault, Name: "vaults/accessPolicies", Versions: vaultVersions, Operations: []Operation{
			{ID: "Vaults_UpdateAccessPolicy", Method: "PUT", Path: at + "/accessPolicies/{child}", Action: vaultType + "/accessPolicies/Write", Body: PoliciesWish{}, Answer: PoliciesWish{}, Codes: []int{200}, Text: "Add, replace or remove access policies of a vault"},
		}},
		{Provider: keyVault, Name: "deletedVaults", Versions: vaultVersions, Operations: []Operation{
			{ID: "Vaults_ListDeleted", Method: "GET", Path: inSubscription + "/providers/" + keyVault + "/deletedVaults", Action: keyVault + "/deletedVaults/Read", Answer: List[Resource]{}, Codes: []int{200}, Text: "List the soft-deleted vaults of a subscription", Within: true},
		}},
		{Provider: keyVault, Name: "locations/deletedVaults", Versions: vaultVersions, Operations: []Operation{
			{ID: "Vaults_GetDeleted", Method: "GET", Path: inSubscription + deleted, Action: keyVault + "/locations/deletedVaults/Read", Answer: Resource{Properties: DeletedVault{}}, Codes: []int{200}, Text: "Read a soft-deleted vault"},
			{ID: "Vaults_PurgeDeleted", Method: "POST", Path: inSubscription + deleted + "/purge", Action: keyVault + "/locations/deletedVaults/purge/Action", Codes: []int{200}, Text: "Purge a soft-deleted vault for good, with all that it held"},
		}},
	}
}
