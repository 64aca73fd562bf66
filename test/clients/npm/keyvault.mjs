// Managing vaults with @azure/arm-keyvault: every operation of vaults that Certwright has.
import { KeyVaultManagementClient } from "@azure/arm-keyvault";
import { all, credential, endpoint, group, refused, subscription } from "./common.mjs";

const { vaults } = new KeyVaultManagementClient(credential, subscription, { endpoint });
const tenantId = "00000000-0000-0000-0000-000000000002";
const sku = { family: "A", name: "standard" };
const names = (list) => list.map((x) => x.name);
const policy = (secrets, objectId = "npm-app") => ({ tenantId, objectId, permissions: { secrets, certificates: ["get"] } });

const out = { refused: {} };
out.free = await vaults.checkNameAvailability({ name: "kv-npm", type: "Microsoft.KeyVault/vaults" });
out.invalid = await vaults.checkNameAvailability({ name: "1", type: "Microsoft.KeyVault/vaults" });
out.made = await vaults.createOrUpdate(group, "kv-npm", {
  location: "westeurope",
  tags: { team: "web" },
  properties: { tenantId, sku, enableRbacAuthorization: false, softDeleteRetentionInDays: 7, accessPolicies: [policy(["get"])] },
});
out.taken = await vaults.checkNameAvailability({ name: "kv-npm", type: "Microsoft.KeyVault/vaults" });
out.added = await vaults.updateAccessPolicy(group, "kv-npm", "add", { properties: { accessPolicies: [policy(["list"])] } });
out.removed = await vaults.updateAccessPolicy(group, "kv-npm", "remove", { properties: { accessPolicies: [policy(["get"])] } });
out.updated = await vaults.update(group, "kv-npm", { tags: { team: "ops" }, properties: { enableRbacAuthorization: true } });
out.replaced = await vaults.updateAccessPolicy(group, "kv-npm", "replace", { properties: { accessPolicies: [] } });
out.got = await vaults.get(group, "kv-npm");
const far = "many"; // another group
await vaults.createOrUpdate(far, "kv-far", { location: "westeurope", properties: { tenantId, sku } });
out.lists = [await all(vaults.listByResourceGroup(group)), await all(vaults.listByResourceGroup(far)), await all(vaults.listBySubscription()), await all(vaults.list())].map(names);
out.refused.far = await refused(() => vaults.get(far, "kv-npm"));
out.refused.permission = await refused(() => vaults.updateAccessPolicy(group, "kv-npm", "add", { properties: { accessPolicies: [policy(["read"])] } }));
out.refused.premium = await refused(() => vaults.createOrUpdate(group, "kv-hsm", { location: "x", properties: { tenantId, sku: { family: "A", name: "premium" } } }));
out.refused.network = await refused(() => vaults.update(group, "kv-npm", { properties: { publicNetworkAccess: "Disabled" } }));

await vaults.updateAccessPolicy(group, "kv-npm", "add", { properties: { accessPolicies: [policy(["get"])] } });
await vaults.delete(group, "kv-npm");
await vaults.delete(group, "kv-npm");
out.refused.gone = await refused(() => vaults.get(group, "kv-npm"));
out.refused.again = await refused(() => vaults.createOrUpdate(group, "kv-npm", { location: "westeurope", properties: { tenantId, sku } }));
out.deleted = await all(vaults.listDeleted());
out.one = await vaults.getDeleted("kv-npm", "westeurope");
out.recovered = await vaults.createOrUpdate(group, "kv-npm", { location: "westeurope", properties: { tenantId, sku, createMode: "recover" } });
out.kept = await vaults.get(group, "kv-npm");
await vaults.delete(group, "kv-npm");
await vaults.purgeDeleted("kv-npm", "westeurope").pollUntilDone();
out.refused.purged = await refused(() => vaults.getDeleted("kv-npm", "westeurope"));
console.log(JSON.stringify(out));
