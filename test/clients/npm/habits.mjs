// What people do with these clients besides calling operations: go on with a list or a poller that another process began, give up,
// ask for conditions, have their token taken away, and ask too often.
import assert from "node:assert/strict";
import { CertificateRegistrationManagementClient, restorePoller } from "@azure/arm-certificateregistration";
import { CertificateClient } from "@azure/keyvault-certificates";
import { SecretClient } from "@azure/keyvault-secrets";
import { credential, endpoint, group, refused, signIn, subscription } from "./common.mjs";
import { env, options, poll } from "./vault.mjs";

const retryOptions = { maxRetries: 0 };
const arm = (who) => new CertificateRegistrationManagementClient(who, subscription, { endpoint, retryOptions });
const client = arm(credential);
const orders = client.appServiceCertificateOrders;
const secrets = new SecretClient(env.VAULT, credential, options);
const certificates = new CertificateClient(env.VAULT, credential, options);
const wish = { location: "Global", distinguishedName: "CN=habits.example.com", productType: "StandardDomainValidatedSsl" };
const out = { refused: {} };
const api = async (method, path, body) => {
  const { token } = await credential.getToken(endpoint + "/.default");
  const answer = await fetch(endpoint + path, { method, body: body && JSON.stringify(body), headers: { authorization: `Bearer ${token}`, "content-type": "application/json" } });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.status === 204 ? null : answer.json();
};

// A list is gone on with where another left it.
const first = (await orders.listByResourceGroup("many").byPage().next()).value;
out.listed = first.map((o) => o.name);
for await (const page of orders.listByResourceGroup("many").byPage({ continuationToken: first.continuationToken })) out.listed.push(...page.map((o) => o.name));
for (const name of ["a", "b"]) await secrets.setSecret(`habit-${name}`, "x");

// A poller is gone on with by who only has its state.
const begun = orders.createOrUpdate(group, "habits", wish);
await begun.submitted();
const resumed = await restorePoller(client, await begun.serialize(), orders.createOrUpdate).pollUntilDone();
assert.equal(resumed.name, "habits");
assert.equal(resumed.status, "Pendingissuance");
const making = await certificates.beginCreateCertificate("habit-csr", { issuerName: "Unknown", subject: "CN=habit.example.com" }, poll);
const waiting = await certificates.beginCreateCertificate("habit-csr", {}, { ...poll, resumeFrom: making.toString() });
assert.equal(waiting.getOperationState().isCompleted, undefined);
await waiting.cancelOperation();
assert.equal((await (await certificates.getCertificateOperation("habit-csr")).getOperationState().certificateOperation).status, "cancelled");
const deleting = await secrets.beginDeleteSecret("habit-b", poll);
assert.equal((await (await secrets.beginDeleteSecret("habit-b", { ...poll, resumeFrom: deleting.toString() })).pollUntilDone()).name, "habit-b");

// Who gives up gets no answer, and what was not sent is not done.
const over = AbortSignal.abort();
for (const call of [() => orders.get(group, "shop", { abortSignal: over }), () => orders.createOrUpdate(group, "given-up", wish, { abortSignal: over }).pollUntilDone(), () => secrets.setSecret("habit-given-up", "x", { abortSignal: over })])
  assert.equal((await refused(call)).name, "AbortError");
out.refused.never = await refused(() => orders.get(group, "given-up"));

// Conditions, and what is on the wire, by the options that every call takes.
let seen;
const got = { onResponse: (answer) => (seen = answer) };
await orders.get(group, "habits", got);
const tag = seen.headers.get("etag");
const held = (etag) => ({ requestOptions: { headers: { "If-Match": etag, "x-ms-client-request-id": "of-mine" } }, ...got });
await orders.update(group, "habits", { productType: wish.productType, autoRenew: false }, held(tag));
assert.equal(seen.headers.get("x-ms-client-request-id"), "of-mine");
assert.notEqual(seen.headers.get("etag"), tag);
out.refused.stale = await refused(() => orders.update(group, "habits", { productType: wish.productType, autoRenew: true }, held(tag)));
out.refused.staleDelete = await refused(() => orders.delete(group, "habits", held(tag)));
await orders.delete(group, "habits");

// A token that is taken away counts no more, at once and at both planes; another of its name does.
const issued = async () => {
  const { token: secret } = await api("PUT", "/v1/tokens/habit", { role: "Contributor", scope: "/" });
  return signIn("habit", secret);
};
const who = await issued();
const mine = new SecretClient(env.VAULT, who, options);
assert.equal((await mine.getSecret("habit-a")).value, "x");
await arm(who).appServiceCertificateOrders.get(group, "shop");
await api("DELETE", "/v1/tokens/habit");
out.refused.secret = await refused(() => mine.getSecret("habit-a"));
out.refused.order = await refused(() => arm(who).appServiceCertificateOrders.get(group, "shop"));
const again = await issued();
assert.equal((await new SecretClient(env.VAULT, again, options).getSecret("habit-a")).value, "x");

// Who asks too often is told how long to wait.
const greedy = arm(again).appServiceCertificateOrders;
for (let i = 0; !out.refused.often && i < 1000; i++) {
  await greedy.get(group, "shop").catch((e) => {
    assert.equal(e.statusCode, 429, e.message);
    const wait = Number(e.response.headers.get("retry-after"));
    assert.ok(wait >= 1 && wait <= 60, e.response.headers.get("retry-after"));
    out.refused.often = { name: e.name, status: e.statusCode, code: e.code ?? e.details?.error?.code, message: e.message };
  });
}
out.refused.oftenSecret = await refused(() => new SecretClient(env.VAULT, again, options).getSecret("habit-a"));
console.log(JSON.stringify(out));
