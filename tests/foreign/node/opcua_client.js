// node-opcua as a client, unsecured unless told: reads nodes in a loop, or subscribes to them, and tells what that cost.
//
//   node opcua_client.js '{"url": "opc.tcp://...", "nodes": ["ns=2;s=Double"], "requests": 200}'      reads all, so many times
//   node opcua_client.js '{"url": "opc.tcp://...", "nodes": [...], "subscribe_s": 30, "interval_ms": 1000}'
//
// Optional: "brief": true leaves read[] empty; "namespace": URI that identifiers without ns= belong to; "warm": requests before
// the measurement (20); "split": nodes in one request (all); "user" and "password"; "policy" and "mode" of the secure channel.
// Prints one JSON line: requests, values (numbers that came), seconds, cpu_seconds (this process, user and system, without the
// connecting), and read[]: value and status of each node as they came last.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { OPCUACertificateManager } from "node-opcua-certificate-manager";
import {
  AttributeIds, ClientSubscription, MessageSecurityMode, OPCUAClient, SecurityPolicy, TimestampsToReturn, UserTokenType,
} from "node-opcua-client";

const words = process.argv[2]; // or @FILE that holds them: one argument takes 128 KB at most
const asked = JSON.parse(words.startsWith("@") ? fs.readFileSync(words.slice(1), "utf8") : words);

// Its keys go to a folder of its own: left alone, it would make some in the user's home.
const pki = fs.mkdtempSync(path.join(os.tmpdir(), "opcua-client-"));
process.on("exit", () => fs.rmSync(pki, { recursive: true, force: true }));
const client = OPCUAClient.create({
  clientCertificateManager: new OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: true }),
  securityMode: MessageSecurityMode[asked.mode ?? "None"], securityPolicy: SecurityPolicy[asked.policy ?? "None"],
  endpointMustExist: false, keepSessionAlive: false,
  connectionStrategy: { maxRetry: 0, initialDelay: 100 },
});
await client.connect(asked.url);
const session = await client.createSession(
  asked.user ? { type: UserTokenType.UserName, userName: asked.user, password: asked.password } : undefined,
);
const index = asked.namespace ? (await session.readNamespaceArray()).indexOf(asked.namespace) : 0;
const nodes = asked.nodes.map((identifier) => ({
  nodeId: asked.namespace ? `ns=${index};${identifier}` : identifier, attributeId: AttributeIds.Value,
}));
const last = nodes.map(() => null);
let values = 0;

function take(n, reading) {
  values += 1;
  last[n] = reading;
}

async function readAll() {
  const split = asked.split ?? nodes.length;
  for (let first = 0; first < nodes.length; first += split) {
    const readings = await session.read(nodes.slice(first, first + split));
    readings.forEach((reading, n) => take(first + n, reading));
  }
}

async function subscribe() {
  const subscription = ClientSubscription.create(session, {
    requestedPublishingInterval: asked.interval_ms ?? 1000, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 10,
    publishingEnabled: true, maxNotificationsPerPublish: 0, priority: 1,
  });
  const options = { samplingInterval: asked.interval_ms ?? 1000, discardOldest: true, queueSize: 2 };
  for (let first = 0; first < nodes.length; first += 1000) {
    const group = await subscription.monitorItems(nodes.slice(first, first + 1000), options, TimestampsToReturn.Source);
    group.on("changed", (_item, reading, n) => take(first + n, reading));
  }
  return subscription;
}

let subscription;
if (asked.subscribe_s) {
  subscription = await subscribe();
  await new Promise((go) => setTimeout(go, 2000)); // the first notification brings everything once
} else {
  for (let n = 0; n < (asked.warm ?? 20); n++) await readAll();
}
values = 0;
const began = process.hrtime.bigint();
const before = process.cpuUsage();
if (asked.subscribe_s) await new Promise((go) => setTimeout(go, asked.subscribe_s * 1000));
else for (let n = 0; n < asked.requests; n++) await readAll();
const spent = process.cpuUsage(before);
const seconds = Number(process.hrtime.bigint() - began) / 1e9;

const plain = (value) => (ArrayBuffer.isView(value) ? Array.from(value) : value ?? null);
console.log(JSON.stringify({
  requests: asked.requests ?? 0, values, seconds, cpu_seconds: (spent.user + spent.system) / 1e6,
  read: asked.brief
    ? []
    : last.map((reading) => reading && { value: plain(reading.value?.value), status: reading.statusCode.name }),
}));
await subscription?.terminate();
await session.close();
await client.disconnect();
process.exit(0);
