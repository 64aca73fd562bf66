// Importing and binding with @azure/arm-appservice: certificates, sites, host name bindings.
import { WebSiteManagementClient } from "@azure/arm-appservice";
import { all, credential, endpoint, group, refused, same, subscription } from "./common.mjs";

const client = new WebSiteManagementClient(credential, subscription, { endpoint });
const { certificates, webApps } = client;
const vault = `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.KeyVault/vaults/default`;
const farm = `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.Web/serverfarms/plan`;
const wish = { location: "West Europe", keyVaultId: vault, keyVaultSecretName: "shop", serverFarmId: farm };
const names = (list) => list.map((x) => x.name);

const out = { refused: {} };
const web = `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.Web`;
const version = "2025-05-01";
out.imported = await certificates.createOrUpdate(group, "imported", wish);
out.synced = await certificates.createOrUpdate(group, "imported", wish);
out.updated = await certificates.update(group, "imported", { serverFarmId: farm + "2" });
out.got = await same(() => certificates.get(group, "imported"), `${web}/certificates/imported`, version, "id", "location", "subjectName", "hostNames", "issuer", "issueDate", "expirationDate", "thumbprint", "keyVaultId", "keyVaultSecretName", "keyVaultSecretStatus", "serverFarmId");
await same(async () => (await all(certificates.list())).find((c) => c.name === "imported"), `${web}/certificates/imported`, version, "id", "thumbprint");
const far = "many"; // another group
await certificates.createOrUpdate(far, "far", wish);
await webApps.createOrUpdate(far, "far-site", { location: "West Europe", serverFarmId: farm }).pollUntilDone();
out.certificates = [names(await all(certificates.list())), names(await all(certificates.listByResourceGroup(group))), names(await all(certificates.listByResourceGroup(far)))];
out.refused.pending = await refused(() => certificates.createOrUpdate(group, "other", { ...wish, keyVaultSecretName: "nothing" }));
out.refused.vault = await refused(() => certificates.createOrUpdate(group, "other", { ...wish, keyVaultId: vault + "x" }));

out.site = await webApps.createOrUpdate(group, "npm-site", { location: "West Europe", serverFarmId: farm, httpsOnly: true, tags: { team: "web" } }).pollUntilDone();
out.patched = await webApps.update(group, "npm-site", { httpsOnly: true });
out.sites = [names(await all(webApps.list())), names(await all(webApps.listByResourceGroup(group))), names(await all(webApps.listByResourceGroup(far)))];
await webApps.delete(far, "far-site");
await certificates.delete(far, "far");
out.shop = await webApps.get(group, "shop");
out.bindings = names(await all(webApps.listHostNameBindings(group, "shop")));
out.binding = await webApps.getHostNameBinding(group, "shop", "shop.example.com");
await same(() => webApps.get(group, "shop"), `${web}/sites/shop`, version, "id", "hostNames", "enabledHostNames", "hostNameSslStates", "state");
await same(async () => (await all(webApps.list())).find((s) => s.name === "shop"), `${web}/sites/shop`, version, "id", "hostNames");
await same(() => webApps.getHostNameBinding(group, "shop", "shop.example.com"), `${web}/sites/shop/hostNameBindings/shop.example.com`, version, "id", "siteName", "hostNameType", "sslState", "thumbprint");
await same(async () => (await all(webApps.listHostNameBindings(group, "shop")))[0], `${web}/sites/shop/hostNameBindings/shop.example.com`, version, "id", "thumbprint");
out.refused.delete = await refused(() => certificates.delete(group, "imported"));

await webApps.deleteHostNameBinding(group, "shop", "shop.example.com");
await webApps.deleteHostNameBinding(group, "shop", "shop.example.com");
out.refused.binding = await refused(() => webApps.getHostNameBinding(group, "shop", "shop.example.com"));
out.bare = await webApps.createOrUpdateHostNameBinding(group, "shop", "shop.example.com", {});
const bind = { sslState: "SniEnabled", thumbprint: out.imported.thumbprint };
out.bound = await webApps.createOrUpdateHostNameBinding(group, "shop", "shop.example.com", bind);
out.refused.foreign = await refused(() => webApps.createOrUpdateHostNameBinding(group, "shop", "other.example.com", bind));
out.refused.unknown = await refused(() => webApps.createOrUpdateHostNameBinding(group, "shop", "shop.example.com", { ...bind, thumbprint: "00".repeat(20) }));
out.unbound = await webApps.createOrUpdateHostNameBinding(group, "shop", "shop.example.com", { sslState: "Disabled" });
// The other way to bind, by the site itself: as az webapp config ssl bind does it.
const states = (name, sslState, thumbprint) => ({ location: out.shop.location, hostNameSslStates: [{ name, sslState, thumbprint, toUpdate: true }] });
const put = (body) => webApps.createOrUpdate(group, "shop", body).pollUntilDone();
out.stated = await put(states("shop.example.com", "SniEnabled", out.imported.thumbprint));
out.echoed = await put({ location: out.shop.location, hostNameSslStates: [{ name: "shop.example.com", sslState: "Disabled" }] }); // what is not to be updated is no wish
out.refused.stated = await refused(() => put(states("new.example.com", "SniEnabled", "00".repeat(20))));
out.unstated = await put(states("shop.example.com", "Disabled"));

await certificates.delete(group, "imported");
await certificates.delete(group, "imported");
await webApps.delete(group, "npm-site");
await webApps.delete(group, "npm-site");
out.refused.gone = await refused(() => webApps.get(group, "npm-site"));
console.log(JSON.stringify(out));
