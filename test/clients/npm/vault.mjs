// What the scripts of Azure's clients of Key Vault have in common.
//
// Besides what common.mjs needs: VAULT (https://NAME.SUFFIX:PORT), whose names are looked up at ADDRESS (*.localhost is not
// known everywhere), and ORDER, the secret of a stored order.
import https from "node:https";
import assert from "node:assert/strict";

export const env = process.env;

const [host] = env.ADDRESS.split(":");
const agent = new https.Agent({
  keepAlive: true,
  lookup: (_name, options, done) => (options.all ? done(null, [{ address: host, family: 4 }]) : done(null, host, 4)),
});
export const lookup = {
  position: "perCall",
  policy: { name: "lookup", sendRequest: (request, next) => ((request.agent = agent), next(request)) },
};
export const options = { additionalPolicies: [lookup], retryOptions: { maxRetries: 0 } };
export const poll = { intervalInMs: 20 };

// refused runs what must fail and says how it failed.
export async function refused(what, status, code, inner) {
  try {
    await what();
  } catch (err) {
    assert.equal(err.statusCode, status, err.message);
    assert.equal(err.code, code, err.message);
    const said = err.details.error;
    assert.ok(said.message.length > 10, "the error says nothing");
    if (inner) assert.equal((said.innererror ?? said.innerError).code, inner);
    return;
  }
  assert.fail(`${what} should be refused with ${status} ${code}`);
}

// names reads a list page by page.
export async function names(list, size) {
  const pages = [];
  for await (const page of list.byPage({ maxPageSize: size })) pages.push(page.map((v) => v.name));
  return pages;
}

// said prints what the test compares.
export function said(out) {
  console.log(JSON.stringify(out));
}
