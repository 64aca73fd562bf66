// Every operation of @azure/keyvault-certificates against a running Certwright.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import crypto from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CertificateClient } from "@azure/keyvault-certificates";
import { SecretClient } from "@azure/keyvault-secrets";
import { credential } from "./common.mjs";
import { env, names, options, poll, refused, said } from "./vault.mjs";

const client = new CertificateClient(env.VAULT, credential, options);
const secrets = new SecretClient(env.VAULT, credential, options);
const dir = mkdtempSync(join(tmpdir(), "certwright-clients-"));
process.on("exit", () => rmSync(dir, { recursive: true }));
const openssl = (...args) => execFileSync("openssl", args, { cwd: dir, stdio: ["ignore", "pipe", "pipe"] });
const pending = async (name) => (await client.getCertificateOperation(name)).getOperationState().certificateOperation;
const x509 = (cer) => new crypto.X509Certificate(cer);

// The order, as a certificate object: the same version as its secret, never its key.
const order = await client.getCertificate(env.ORDER);
const secret = await secrets.getSecret(env.ORDER);
assert.equal(order.properties.version, secret.properties.version);
assert.equal(order.secretId, secret.properties.id);
assert.equal(order.properties.x509ThumbprintString.toUpperCase(), secret.properties.tags.Thumbprint);
assert.equal(order.policy.issuerName, "builtin");
assert.deepEqual(order.policy.subjectAlternativeNames.dnsNames, ["shop.example.com"]);
assert.equal(order.policy.keyType, "EC");
assert.ok(!JSON.stringify(order).includes(secret.value.slice(100, 140)));
assert.deepEqual((await client.getCertificateVersion(env.ORDER, order.properties.version)).cer, order.cer);
assert.equal((await pending(env.ORDER)).status, "completed");
await refused(() => client.importCertificate(env.ORDER, Buffer.from("x")), 409, "Conflict");

// Signed by itself, at once.
const self = await (await client.beginCreateCertificate("js-self", { issuerName: "Self", subject: "cn=MyCert, O=Example", keyType: "EC", keyCurveName: "P-384", validityInMonths: 3,
  subjectAlternativeNames: { dnsNames: ["self.example.com"], emails: ["ops@example.com"] }, lifetimeActions: [{ action: "AutoRenew", daysBeforeExpiry: 20 }] },
  { ...poll, tags: { team: "web" } })).pollUntilDone();
assert.equal(self.name, "js-self");
assert.deepEqual(self.properties.tags, { team: "web" });
const leaf = x509(self.cer);
assert.ok(leaf.verify(leaf.publicKey) && leaf.subject.includes("CN=MyCert") && leaf.subject.includes("O=Example"), leaf.subject);
assert.match(leaf.subjectAltName, /DNS:self.example.com/);
assert.equal(leaf.publicKey.asymmetricKeyDetails.namedCurve, "secp384r1");
assert.deepEqual(self.policy.lifetimeActions, [{ action: "AutoRenew", daysBeforeExpiry: 20, lifetimePercentage: undefined }]);
assert.equal((await secrets.getSecret("js-self")).properties.contentType, "application/x-pkcs12");
const again = await (await client.beginCreateCertificate("js-self", { issuerName: "Self", subject: "CN=MyCert", contentType: "application/x-pem-file" }, poll)).pollUntilDone();
assert.notEqual(again.properties.version, self.properties.version);
assert.match((await secrets.getSecret("js-self")).value, /BEGIN PRIVATE KEY/);
const versions = [];
for await (const v of client.listPropertiesOfCertificateVersions("js-self")) versions.push(v.version);
assert.deepEqual(versions.sort(), [self.properties.version, again.properties.version].sort());
const off = await client.updateCertificateProperties("js-self", again.properties.version, { enabled: false, tags: { x: "y" } });
assert.equal(off.properties.enabled, false);
assert.deepEqual(off.properties.tags, { x: "y" });
assert.equal((await client.getCertificate("js-self")).properties.version, self.properties.version, "the newest enabled one counts");
await client.updateCertificateProperties("js-self", again.properties.version, { enabled: true });

// Policies.
const policy = await client.getCertificatePolicy("js-self");
assert.equal(policy.subject, "CN=MyCert");
await client.updateCertificatePolicy("js-self", { ...policy, validityInMonths: 6 });
assert.equal((await client.getCertificatePolicy("js-self")).validityInMonths, 6);
await client.updateCertificatePolicy(env.ORDER, { ...order.policy, lifetimeActions: [{ action: "AutoRenew", lifetimePercentage: 50 }] });
const wish = await client.getCertificatePolicy(env.ORDER);
assert.deepEqual(wish.lifetimeActions, [{ action: "AutoRenew", lifetimePercentage: 50, daysBeforeExpiry: undefined }]);
assert.equal(wish.issuerName, "builtin");

// Signed elsewhere: key and request here, the certificate merged.
const poller = await client.beginCreateCertificate("js-csr", { issuerName: "Unknown", subject: "CN=csr.example.com", subjectAlternativeNames: { dnsNames: ["csr.example.com"] } }, poll);
const operation = await pending("js-csr");
assert.equal(operation.status, "inProgress");
await refused(() => client.importCertificate("js-csr", Buffer.from("x")), 409, "Conflict");
await secrets.setSecret("js-plain", "no certificate");
const listed = await names(client.listPropertiesOfCertificates(), 20);
assert.ok(!listed.flat().includes("js-csr") && !listed.flat().includes("js-plain"), JSON.stringify(listed));
for await (const c of client.listPropertiesOfCertificates()) {
  assert.ok(c.id === `${env.VAULT}/certificates/${c.name}` && !c.version, c.id);
  if (c.name === env.ORDER) assert.equal(c.x509ThumbprintString, order.properties.x509ThumbprintString);
}
assert.ok((await names(client.listPropertiesOfCertificates({ includePending: true }), 3)).flat().includes("js-csr"));
openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Elsewhere", "-days", "30");
writeFileSync(join(dir, "r.der"), operation.csr);
assert.match(openssl("req", "-inform", "DER", "-in", "r.der", "-noout", "-text", "-verify").toString(), /DNS:csr.example.com/);
openssl("x509", "-req", "-inform", "DER", "-in", "r.der", "-CA", "ca.pem", "-CAkey", "ca.key", "-copy_extensions", "copy", "-days", "20", "-out", "leaf.pem");
const der = (f) => openssl("x509", "-in", f, "-outform", "DER");
await refused(() => client.mergeCertificate("js-csr", [der("ca.pem")]), 400, "BadParameter");
const merged = await client.mergeCertificate("js-csr", [der("leaf.pem"), der("ca.pem")]);
assert.equal(x509(merged.cer).subject, "CN=csr.example.com");
assert.equal((await poller.pollUntilDone()).properties.version, merged.properties.version);
assert.equal((await pending("js-csr")).status, "completed");
await refused(() => client.mergeCertificate("js-csr", [der("leaf.pem")]), 409, "Conflict");
const stopped = await client.beginCreateCertificate("js-stop", { issuerName: "Unknown", subject: "CN=stop.example.com" }, poll);
await stopped.cancelOperation();
assert.equal((await pending("js-stop")).status, "cancelled");
await client.deleteCertificateOperation("js-stop");
await refused(() => client.getCertificateOperation("js-stop"), 404, "CertificateNotFound"); // it asks for the certificate first

// Ordered at an issuer: an order, which waits for somebody to show control of the name, and can be given up.
const ordered = await client.beginCreateCertificate("js-order", { issuerName: "builtin", subject: "CN=js-order.example.com", keyType: "EC" }, poll);
const state = await pending("js-order");
assert.equal(state.status, "inProgress");
assert.match(state.statusDetails, /verify|order|issue/);
assert.equal((await client.getCertificate("js-order")).properties.enabled, false);
await ordered.cancelOperation();
assert.equal((await pending("js-order")).status, "cancelled");
await (await client.beginDeleteCertificate("js-order", poll)).pollUntilDone();

// The order again: create under its name is a new version of it.
const next = await (await client.beginCreateCertificate(env.ORDER, { issuerName: "builtin", subject: "CN=shop.example.com", keyType: "EC" }, poll)).pollUntilDone();
assert.notEqual(next.properties.version, order.properties.version);
assert.equal((await secrets.getSecret(env.ORDER)).properties.version, next.properties.version);

// Brought: PFX with and without a password, PEM.
openssl("pkcs12", "-export", "-inkey", "ca.key", "-in", "ca.pem", "-out", "a.pfx", "-passout", "pass:sesame");
const pfx = await client.importCertificate("js-pfx", readFileSync(join(dir, "a.pfx")), { password: "sesame", tags: { from: "pfx" } });
assert.deepEqual(pfx.properties.tags, { from: "pfx" });
assert.equal(pfx.policy.issuerName, "Unknown");
assert.equal(x509(pfx.cer).fingerprint, x509(readFileSync(join(dir, "ca.pem"))).fingerprint);
await refused(() => client.importCertificate("js-bad", readFileSync(join(dir, "a.pfx")), { password: "wrong" }), 400, "BadParameter");
const pem = await client.importCertificate("js-pem", Buffer.concat([readFileSync(join(dir, "ca.pem")), readFileSync(join(dir, "ca.key"))]), { policy: { contentType: "application/x-pem-file" } });
assert.equal((await secrets.getSecret("js-pem")).properties.version, pem.properties.version);
await refused(() => client.importCertificate("js-bad", readFileSync(join(dir, "ca.pem"))), 400, "BadParameter");

// Issuers and contacts.
const issuer = await client.createIssuer("js-issuer", "builtin", { accountId: "abc", administratorContacts: [{ email: "a@example.com", firstName: "A" }] });
assert.equal(issuer.provider, "builtin");
assert.equal(issuer.accountId, "abc");
assert.equal(issuer.administratorContacts[0].email, "a@example.com");
await refused(() => client.createIssuer("js-none", "nobody"), 400, "BadParameter");
await refused(() => client.createIssuer("js-pwd", "builtin", { password: "x" }), 400, "BadParameter");
assert.equal((await client.updateIssuer("js-issuer", { provider: "builtin", accountId: "xyz" })).accountId, "xyz");
assert.equal((await client.getIssuer("js-issuer")).accountId, "xyz");
const issuers = [];
for await (const i of client.listPropertiesOfIssuers()) issuers.push(i.id.split("/").at(-1));
assert.deepEqual(issuers.sort(), ["builtin", "js-issuer"]);
assert.equal((await client.deleteIssuer("js-issuer")).accountId, "xyz");
await refused(() => client.getIssuer("js-issuer"), 404, "CertificateIssuerNotFound");
const people = [{ email: "ops@example.com", name: "Ops", phone: "1" }];
assert.deepEqual(await client.setContacts(people), people);
assert.deepEqual(await client.getContacts(), people);
await client.deleteContacts(); // this client reads the answer under another name than it has
await refused(() => client.getContacts(), 404, "ContactsNotFound");

// Deleted, recovered, purged, restored.
const backup = await client.backupCertificate("js-self");
await refused(() => client.restoreCertificateBackup(backup), 409, "Conflict");
await refused(() => secrets.restoreSecretBackup(backup), 400, "BadParameter");
const deleted = await (await client.beginDeleteCertificate("js-self", poll)).pollUntilDone();
assert.equal(deleted.recoveryId, `${env.VAULT}/deletedcertificates/js-self`);
await refused(() => client.getCertificate("js-self"), 404, "CertificateNotFound");
await refused(() => secrets.getSecret("js-self"), 404, "SecretNotFound");
assert.equal((await client.getDeletedCertificate("js-self")).policy.validityInMonths, 6);
await (await secrets.beginDeleteSecret("js-plain", poll)).pollUntilDone();
const gone = (await names(client.listDeletedCertificates(), 5)).flat();
assert.ok(gone.includes("js-self") && !gone.includes("js-plain"), JSON.stringify(gone));
const recovered = await (await client.beginRecoverDeletedCertificate("js-self", poll)).pollUntilDone();
assert.equal(recovered.name, "js-self");
await (await client.beginDeleteCertificate("js-self", poll)).pollUntilDone();
await client.purgeDeletedCertificate("js-self");
await refused(() => client.getDeletedCertificate("js-self"), 404, "CertificateNotFound");
const restored = await client.restoreCertificateBackup(backup);
assert.deepEqual(restored.cer, again.cer);
assert.equal((await client.getCertificatePolicy("js-self")).validityInMonths, 6);
assert.match((await secrets.getSecret("js-self")).value, /BEGIN PRIVATE KEY/);

// What cannot be.
await refused(() => client.getCertificate("js-none"), 404, "CertificateNotFound");
await refused(() => client.beginCreateCertificate("js-bad", { issuerName: "nobody", subject: "CN=a.example.com" }), 400, "BadParameter");
await refused(() => client.beginCreateCertificate("js-bad", { issuerName: "Self", subject: "CN=a", keyType: "RSA-HSM" }), 400, "BadParameter");
await refused(() => client.beginCreateCertificate("issuers", { issuerName: "Self", subject: "CN=a" }), 400, "BadParameter");

said({ thumbprint: next.properties.x509ThumbprintString, version: next.properties.version });
