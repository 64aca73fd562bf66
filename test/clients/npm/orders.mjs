// Every operation of @azure/arm-certificateregistration, and what came of each, as JSON.
import { execFileSync } from "node:child_process";
import { CertificateRegistrationManagementClient } from "@azure/arm-certificateregistration";
import { all, credential, endpoint, group, refused, same, subscription, until } from "./common.mjs";

const client = new CertificateRegistrationManagementClient(credential, subscription, { endpoint });
const orders = client.appServiceCertificateOrders;
const vault = `/subscriptions/${subscription}/resourcegroups/${group}/providers/microsoft.keyvault/vaults/default`;
const wish = { location: "Global", distinguishedName: "CN=npm.example.com", productType: "StandardDomainValidatedSsl", keySize: 2048, validityInYears: 1, tags: { team: "web" } };
const out = { refused: {} };
const path = (name) => `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.CertificateRegistration/certificateOrders/${name}`;
const version = "2024-11-01";
// A request of somebody who keeps the key: PEM, as openssl writes it.
const request = (name) => execFileSync("openssl", ["req", "-new", "-newkey", "rsa:3072", "-nodes", "-keyout", "/dev/null", "-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`], { stdio: ["ignore", "pipe", "ignore"] }).toString();

out.operations = (await all(client.certificateRegistrationProvider.listOperations())).map((o) => o.name);

await orders.validatePurchaseInformation(wish);
out.refused.validate = await refused(() => orders.validatePurchaseInformation({ ...wish, distinguishedName: "CN=no host name!" }));
out.created = await orders.createOrUpdate(group, "npm", wish).pollUntilDone();
out.again = await orders.createOrUpdate(group, "npm", wish).pollUntilDone();
out.got = await same(() => orders.get(group, "NPM"), path("npm"), version, "id", "location", "tags", "distinguishedName", "domainVerificationToken", "status", "provisioningState", "certificates");
await same(async () => (await all(orders.list())).find((o) => o.name === "npm"), path("npm"), version, "id", "tags", "status");
out.listed = (await all(orders.list())).map((o) => o.name);
out.inGroup = (await all(orders.listByResourceGroup("DEFAULT"))).map((o) => o.name);
out.inOther = (await all(orders.listByResourceGroup("many"))).map((o) => o.name);
out.updated = await orders.update(group, "npm", { productType: wish.productType, autoRenew: false });
out.refused.change = await refused(() => orders.update(group, "npm", { productType: wish.productType, keySize: 4096 }));
out.refused.unknown = await refused(() => orders.get(group, "nobody"));
out.refused.group = await refused(() => orders.createOrUpdate("nowhere", "npm", wish).pollUntilDone());

const link = { location: "Global", keyVaultId: vault, keyVaultSecretName: "npm-link" };
out.linked = await orders.createOrUpdateCertificate(group, "npm", "link", link).pollUntilDone();
out.link = await same(() => orders.getCertificate(group, "npm", "link"), path("npm/certificates/link"), version, "id", "location", "keyVaultId", "keyVaultSecretName", "provisioningState");
await same(async () => (await all(orders.listCertificates(group, "npm"))).find((l) => l.name === "link"), path("npm/certificates/link"), version, "id", "keyVaultId");
out.links = (await all(orders.listCertificates(group, "npm"))).map((l) => l.name);
out.relinked = await orders.updateCertificate(group, "npm", "link", { keyVaultId: vault, keyVaultSecretName: "npm-other" });
out.refused.vault = await refused(() => orders.createOrUpdateCertificate(group, "npm", "link", { ...link, keyVaultId: vault + "x" }).pollUntilDone());
await orders.deleteCertificate(group, "npm", "link");
await orders.deleteCertificate(group, "npm", "link");
out.refused.link = await refused(() => orders.getCertificate(group, "npm", "link"));

await orders.resendEmail(group, "npm");
await orders.resendRequestEmails(group, "npm", { name: "npm.example.com" });
out.refused.name = await refused(() => orders.resendRequestEmails(group, "npm", { name: "other.example.com" }));
out.mails = await orders.retrieveCertificateEmailHistory(group, "npm");
await orders.verifyDomainOwnership(group, "npm");
out.refused.seal = await refused(() => orders.retrieveSiteSeal(group, "npm", {}));

await orders.createOrUpdateCertificate(group, "shop", "copy", { location: "Global", keyVaultId: vault, keyVaultSecretName: "shop-copy" }).pollUntilDone();
await until(() => orders.getCertificate(group, "shop", "copy"), (l) => l.provisioningState === "Succeeded");
const serial = async () => (await orders.get(group, "shop")).serialNumber;
const settled = () => orders.get(group, "shop");
out.first = await serial();
await orders.renew(group, "shop", { keySize: 2048 });
await until(settled, (o) => o.serialNumber !== out.first && o.status === "Issued");
out.renewed = await serial();
await orders.reissue(group, "shop", { delayExistingRevokeInHours: 2 });
await until(settled, (o) => o.serialNumber !== out.renewed && o.status === "Issued" && o.certificates.copy.provisioningState === "Succeeded"); // copies come a moment later
out.shop = await same(() => orders.get(group, "shop"), path("shop"), version, "signedCertificate", "intermediate", "serialNumber", "expirationTime", "lastCertificateIssuanceTime", "certificates");
out.refused.csr = await refused(() => orders.reissue(group, "shop", { csr: "x", isPrivateKeyExternal: true }));
out.refused.noCsr = await refused(() => orders.reissue(group, "shop", { isPrivateKeyExternal: true }));
out.refused.keySize = await refused(() => orders.renew(group, "shop", { keySize: 1024 }));
out.refused.both = await refused(() => orders.reissue(group, "shop", { csr: request("shop.example.com"), isPrivateKeyExternal: false }));
out.refused.verify = await refused(() => orders.verifyDomainOwnership(group, "shop"));
out.actions = await orders.retrieveCertificateActions(group, "shop");
out.seal = await orders.retrieveSiteSeal(group, "shop", { lightTheme: true, locale: "en-us" });
out.dark = await orders.retrieveSiteSeal(group, "shop", {});
const diagnostics = client.certificateOrdersDiagnostics;
out.detectors = (await all(diagnostics.listAppServiceCertificateOrderDetectorResponse(group, "shop"))).map((d) => d.name);
out.detector = await same(() => diagnostics.getAppServiceCertificateOrderDetectorResponse(group, "shop", "AutoRenewStatus"), path("shop/detectors/AutoRenewStatus"), version, "metadata", "dataset", "status");
const [{ id, name, type, metadata }] = await all(diagnostics.listAppServiceCertificateOrderDetectorResponse(group, "shop")); // data sets are not listed
await same(() => ({ id, name, type, metadata }), path(`shop/detectors/${name}`), version, "id", "metadata");
const span = { startTime: new Date(Date.now() - 3600e3), endTime: new Date(), timeGrain: "PT10M" };
out.spanned = (await diagnostics.getAppServiceCertificateOrderDetectorResponse(group, "shop", "AutoRenewStatus", span)).name;
out.waiting = await diagnostics.getAppServiceCertificateOrderDetectorResponse(group, "npm", "Diagnosis");
out.unasked = await diagnostics.getAppServiceCertificateOrderDetectorResponse(group, "npm", "KeyVaultLink"); // what it waits for is not the vault's

// Keys that their owner keeps: of a new order, of one that had its key here, and back.
const own = { location: "Global", csr: request("own.example.com"), productType: wish.productType };
await orders.validatePurchaseInformation(own);
out.own = await orders.createOrUpdate(group, "own", own).pollUntilDone();
await orders.createOrUpdate(group, "own", own).pollUntilDone();
out.refused.other = await refused(() => orders.createOrUpdate(group, "own", { ...own, csr: request("own.example.com") }).pollUntilDone());
await orders.delete(group, "own");
await orders.reissue(group, "shop", { csr: request("shop.example.com"), isPrivateKeyExternal: true, delayExistingRevokeInHours: 4 });
out.external = await until(settled, (o) => o.serialNumber !== out.shop.serialNumber && o.status === "Issued");
out.refused.again = await refused(() => orders.renew(group, "shop", {}));
await orders.renew(group, "shop", { isPrivateKeyExternal: false, keySize: 4096 });
out.managed = await until(settled, (o) => o.serialNumber !== out.external.serialNumber && o.status === "Issued");

await orders.delete(group, "npm");
await orders.delete(group, "npm");
out.refused.gone = await refused(() => orders.get(group, "npm"));
out.refused.bound = await refused(() => orders.delete(group, "shop"));

console.log(JSON.stringify(out));
