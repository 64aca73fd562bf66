// The activity log of @azure/arm-monitor: the five filters, a selection, paging.
import { MonitorClient } from "@azure/arm-monitor";
import { all, credential, endpoint, group, refused, subscription } from "./common.mjs";

// This client asks for a token of the public cloud whatever its endpoint: the server does not insist on an audience.
const client = new MonitorClient(credential, subscription, { endpoint });
const from = "2020-01-01T00:00:00Z";
const span = `eventTimestamp ge '${from}' and eventTimestamp le '2099-01-01T00:00:00Z'`;
const order = `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.CertificateRegistration/certificateOrders/shop`;
const log = (filter, options) => all(client.activityLogs.list(filter, options));

const out = { refused: {} };
const everything = await log(span);
out.first = everything[everything.length - 1];
out.count = everything.length;
out.group = (await log(`${span} and resourceGroupName eq '${group.toUpperCase()}'`)).length;
out.uri = (await log(`${span} and resourceUri eq '${order}'`)).map((e) => e.eventName.value);
out.provider = (await log(`${span} and resourceProvider eq 'Microsoft.CertificateRegistration'`)).length;
out.otherProvider = (await log(`${span} and resourceProvider eq 'Microsoft.Web'`)).length;
out.correlation = (await log(`${span} and correlationId eq '${out.first.correlationId}'`)).map((e) => e.correlationId);
out.selected = (await log(span, { select: "eventName,level" }))[0];
out.none = (await log(`eventTimestamp ge '2098-01-01T00:00:00Z'`)).length;
out.tenant = (await all(client.tenantActivityLogs.list({ filter: span }))).length;
out.categories = (await all(client.eventCategories.list())).map((c) => c.value);
out.refused.start = await refused(() => log(`resourceGroupName eq '${group}'`));
out.refused.two = await refused(() => log(`${span} and resourceGroupName eq 'a' and correlationId eq 'b'`));
out.refused.or = await refused(() => log(`${span} or level eq 'Error'`));
console.log(JSON.stringify(out));
