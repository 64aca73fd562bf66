// Every operation of @azure/keyvault-secrets against a running Certwright.
import assert from "node:assert/strict";
import { SecretClient } from "@azure/keyvault-secrets";
import { credential } from "./common.mjs";
import { env, names, options, poll, refused, said } from "./vault.mjs";

const client = new SecretClient(env.VAULT, credential, options);

// The secret of an order: what App Service Certificates store.
const order = await client.getSecret(env.ORDER);
assert.equal(order.properties.contentType, "application/x-pkcs12");
assert.equal(order.properties.tags.CertificateState, "Ready");
assert.equal(order.properties.vaultUrl, env.VAULT);
assert.deepEqual((await client.getSecret(env.ORDER, { version: order.properties.version })).value, order.value);

// A life: set, get, update, versions.
const expiresOn = new Date(2030, 1, 1);
const one = await client.setSecret("js-life", "one", { contentType: "text/plain", tags: { a: "b" }, expiresOn, enabled: true });
assert.equal(one.value, "one");
assert.deepEqual(one.properties.tags, { a: "b" });
assert.deepEqual(one.properties.expiresOn, expiresOn);
assert.match(one.properties.version, /^[0-9a-f]{32}$/);
assert.equal(one.properties.recoveryLevel, "Recoverable+Purgeable");
const two = await client.setSecret("js-life", "two");
assert.equal((await client.getSecret("js-life")).value, "two");
assert.equal((await client.getSecret("JS-Life", { version: one.properties.version })).value, "one");
const updated = await client.updateSecretProperties("js-life", two.properties.version, { enabled: false, contentType: "x/y", tags: { c: "d" } });
assert.equal(updated.enabled, false);
assert.deepEqual(updated.tags, { c: "d" });
assert.equal(updated.contentType, "x/y");
await refused(() => client.getSecret("js-life", { version: two.properties.version }), 403, "Forbidden", "SecretDisabled");
await client.updateSecretProperties("js-life", two.properties.version, { enabled: true });
assert.equal((await client.setSecret("js-off", "x", { enabled: false })).properties.enabled, false);
await refused(() => client.getSecret("js-off", { version: undefined }), 403, "Forbidden", "SecretDisabled");
const versions = [];
for await (const v of client.listPropertiesOfSecretVersions("js-life")) versions.push(v.version);
assert.deepEqual(versions.sort(), [one.properties.version, two.properties.version].sort());
for await (const v of client.listPropertiesOfSecretVersions("js-none")) assert.fail(v.name);

// What cannot be.
await refused(() => client.getSecret("js-none"), 404, "SecretNotFound");
await refused(() => client.getSecret("js-life", { version: "0".repeat(32) }), 404, "SecretNotFound");
await refused(() => client.setSecret("js_life.", "x"), 400, "BadParameter");
await refused(() => client.setSecret("js-big", "x".repeat(26000)), 400, "BadParameter");
await refused(() => client.setSecret("js-when", "x", { notBefore: new Date(2030, 2), expiresOn }), 400, "BadParameter");
const stranger = new SecretClient(env.VAULT.replace("default", "nowhere"), credential, options);
await refused(() => stranger.getSecret("x"), 404, "VaultNotFound");

// Pages.
for (let i = 0; i < 7; i++) await client.setSecret(`js-many-${i}`, "x");
const pages = await names(client.listPropertiesOfSecrets(), 3);
assert.ok(pages.length >= 3 && pages.every((p, i) => p.length === 3 || i === pages.length - 1), JSON.stringify(pages));
for await (const p of client.listPropertiesOfSecrets()) assert.ok(p.id === `${env.VAULT}/secrets/${p.name}` && !p.version, p.id); // lists name no versions
for (let i = 0; i < 7; i++) assert.ok(pages.flat().includes(`js-many-${i}`));
assert.equal(new Set(pages.flat()).size, pages.flat().length);

// Deleted, recovered, purged, restored.
const backup = await client.backupSecret("js-life");
await refused(() => client.restoreSecretBackup(backup), 409, "Conflict");
const deleted = await (await client.beginDeleteSecret("js-life", poll)).pollUntilDone();
assert.equal(deleted.name, "js-life");
assert.equal(deleted.recoveryId, `${env.VAULT}/deletedsecrets/js-life`);
assert.equal(deleted.scheduledPurgeDate - deleted.deletedOn, 90 * 24 * 3600 * 1000);
await refused(() => client.getSecret("js-life"), 404, "SecretNotFound");
await refused(() => client.setSecret("js-life", "three"), 409, "Conflict", "ObjectIsDeletedButRecoverable");
assert.equal((await client.getDeletedSecret("js-life")).name, "js-life");
assert.ok((await names(client.listDeletedSecrets(), 5)).flat().includes("js-life"));
const recovered = await (await client.beginRecoverDeletedSecret("js-life", poll)).pollUntilDone();
assert.equal(recovered.name, "js-life");
assert.equal((await client.getSecret("js-life")).value, "two");
await refused(() => client.purgeDeletedSecret("js-life"), 404, "SecretNotFound");
await (await client.beginDeleteSecret("js-life", poll)).pollUntilDone();
await client.purgeDeletedSecret("js-life");
await refused(() => client.getDeletedSecret("js-life"), 404, "SecretNotFound");
assert.equal((await client.restoreSecretBackup(backup)).name, "js-life");
assert.equal((await client.getSecret("js-life")).value, "two");
assert.equal((await client.getSecret("js-life", { version: one.properties.version })).value, "one");
backup[backup.length >> 1] ^= 1;
await refused(() => client.restoreSecretBackup(backup), 400, "BadParameter");

said({ value: order.value, version: order.properties.version });
