// What every script here needs: a signed-in credential for a running Certwright, and where it is.
// ADDRESS is its host and port, TOKEN a token of the name CLIENT; NODE_EXTRA_CA_CERTS names its authority's roots.
import { webcrypto } from "node:crypto";
import { ClientSecretCredential } from "@azure/identity";

globalThis.crypto ??= webcrypto; // for Node.js 18, as Debian 12 has it

export const endpoint = `https://${process.env.ADDRESS}`;
export const subscription = "00000000-0000-0000-0000-000000000001";
export const group = "default";

export const credential = new ClientSecretCredential("00000000-0000-0000-0000-000000000002", process.env.CLIENT ?? "owner", process.env.TOKEN, {
  authorityHost: endpoint,
  disableInstanceDiscovery: true, // as in every private cloud: the host vouches for itself
});

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
