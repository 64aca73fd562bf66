// Lists of more than one page: certificate orders and the activity log.
import { CertificateRegistrationManagementClient } from "@azure/arm-certificateregistration";
import { MonitorClient } from "@azure/arm-monitor";
import { credential, endpoint, subscription } from "./common.mjs";

const orders = new CertificateRegistrationManagementClient(credential, subscription, { endpoint }).appServiceCertificateOrders;
const log = new MonitorClient(credential, subscription, { endpoint }).activityLogs;

// pages reads a list page by page.
async function pages(list, what) {
  const read = [];
  for await (const page of list.byPage()) read.push(page.map(what));
  return read;
}

const filter = "eventTimestamp ge '2020-01-01T00:00:00Z' and resourceGroupName eq 'many'";
console.log(JSON.stringify({
  all: await pages(orders.list(), (o) => o.name),
  group: await pages(orders.listByResourceGroup("many"), (o) => o.name),
  events: await pages(log.list(filter, { select: "eventName,resourceId" }), (e) => (e.eventName.value === "watched" ? e.resourceId : "")),
}));
