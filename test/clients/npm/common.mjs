// What every script here needs: a signed-in credential for a running Certwright, and where it is.
// ADDRESS is its host and port, TOKEN a token of the name CLIENT; NODE_EXTRA_CA_CERTS names its authority's roots.
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { ClientSecretCredential } from "@azure/identity";

globalThis.crypto ??= webcrypto; // for Node.js 18, as Debian 12 has it

export const endpoint = `https://${process.env.ADDRESS}`;
export const subscription = "00000000-0000-0000-0000-000000000001";
export const group = "default";

// signIn is a client id with its secret.
export const signIn = (client, secret) =>
  new ClientSecretCredential("00000000-0000-0000-0000-000000000002", client, secret, {
    authorityHost: endpoint,
    disableInstanceDiscovery: true, // as in every private cloud: the host vouches for itself
  });

export const credential = signIn(process.env.CLIENT ?? "owner", process.env.TOKEN);

// refused says how a call was refused; a call that was not is an error.
export async function refused(call) {
  try {
    await call();
  } catch (e) {
    return { name: e.name, status: e.statusCode, code: e.code ?? e.details?.error?.code, message: e.message };
  }
  throw new Error("it was not refused: " + call);
}

// all collects a paged list.
export async function all(pages) {
  const list = [];
  for await (const item of pages) list.push(item);
  return list;
}

// until calls again and again until what it gives is as wanted.
export async function until(get, wanted) {
  for (let i = 0; i < 300; i++) {
    const got = await get();
    if (wanted(got)) return got;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error("it never came: " + wanted + ", last " + JSON.stringify(await get()));
}

// same holds what a client makes of a resource against the resource as it is on the wire: every value that the client
// gives, wherever it has put it, and at least those of these names. An order moves by itself: a few tries are allowed.
export async function same(get, path, version, ...names) {
  for (let tries = 40; ; tries--) {
    const got = await get();
    const { token } = await credential.getToken(endpoint + "/.default");
    const answer = await fetch(`${endpoint}${path}?api-version=${version}`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(answer.status, 200, path);
    const raw = await answer.json();
    for (const name of names) assert.ok(got[name] !== undefined && got[name] !== null, `${path}: the client gives no ${name}: ${JSON.stringify(got)}`);
    try {
      equal({ ...raw, ...raw.properties }, got, path);
      return got;
    } catch (e) {
      if (tries === 0) throw e;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

function equal(raw, got, at) {
  if (got instanceof Date) return assert.equal(got.getTime(), new Date(raw).getTime(), at);
  if (got instanceof Uint8Array) return assert.equal(Buffer.from(got).toString("base64"), raw, at);
  if (got === null || typeof got !== "object") return assert.equal(got, raw, at);
  assert.equal(Array.isArray(got), Array.isArray(raw), at);
  if (Array.isArray(got)) assert.equal(got.length, raw.length, at);
  for (const [name, value] of Object.entries(got)) {
    if (value === undefined) continue;
    assert.ok(raw && typeof raw === "object", `${at}.${name}: the wire has ${raw}`);
    equal(raw[name] ?? raw.properties?.[name], value, `${at}.${name}`);
  }
}
