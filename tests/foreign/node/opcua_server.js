// node-opcua as a server: every scalar type, what is Bad or null, values to write, a method, an alarm, every security policy.
//
//   node opcua_server.js '{"port": 4840, "pki": "/a/folder", "many": 120, "maxNodesPerRead": 50, "maxSessions": 10}'
//
// Optional: "anonymous": false, "trustAll": true, "changes": milliseconds between changes of every Many node.
// Prints one JSON line when it answers. The user "operator" has the password "correct horse".
import path from "node:path";
import { OPCUACertificateManager } from "node-opcua-certificate-manager";
import { nodesets } from "node-opcua-nodesets";
import { OPCUAServer } from "node-opcua-server";
import { MessageSecurityMode, SecurityPolicy } from "node-opcua-secure-channel";
import { StatusCodes } from "node-opcua-status-code";
import { DataType, Variant, VariantArrayType } from "node-opcua-variant";
import { endWithParent } from "./registers.js";

const asked = JSON.parse(process.argv[2]);
const URI = "urn:telemetry:foreign";

const certificates = new OPCUACertificateManager({
  rootFolder: asked.pki,
  automaticallyAcceptUnknownCertificate: asked.trustAll ?? false,
});
await certificates.initialize();

const server = new OPCUAServer({
  port: asked.port,
  host: "127.0.0.1",
  hostname: "127.0.0.1",
  alternateHostname: ["127.0.0.1"],
  resourcePath: "/foreign",
  nodeset_filename: [nodesets.standard],
  serverCertificateManager: certificates,
  userCertificateManager: certificates,
  serverInfo: { applicationUri: "urn:telemetry:foreign:server", productUri: "urn:telemetry:foreign" },
  securityPolicies: [
    SecurityPolicy.None,
    SecurityPolicy.Basic256Sha256,
    SecurityPolicy.Aes128_Sha256_RsaOaep,
    SecurityPolicy.Aes256_Sha256_RsaPss,
  ],
  securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
  allowAnonymous: asked.anonymous ?? true,
  userManager: { isValidUser: (name, password) => name === "operator" && password === "correct horse" },
  serverCapabilities: {
    maxSessions: asked.maxSessions ?? 10,
    operationLimits: { maxNodesPerRead: asked.maxNodesPerRead ?? 0, ...asked.limits },
  },
});
await server.initialize();

const space = server.engine.addressSpace;
space.installAlarmsAndConditionsService();
const own = space.registerNamespace(URI);
const { objects } = space.rootFolder;
const folder = own.addObject({
  organizedBy: objects, browseName: "Foreign", nodeId: "s=Foreign", notifierOf: objects.server,
});

function variable(name, type, value, more = {}) {
  return own.addVariable({
    componentOf: folder,
    browseName: name,
    nodeId: `s=${name}`,
    dataType: type,
    value: new Variant({ dataType: DataType[type], arrayType: VariantArrayType.Scalar, value }),
    ...more,
  });
}

const SCALARS = {
  Boolean: true, SByte: -8, Byte: 200, Int16: -1600, UInt16: 65000, Int32: -320000, UInt32: 4000000000,
  Int64: [0xffffffff, 0xfffffc18], UInt64: [0, 1234567], Float: 1.5, Double: -45.25, String: "批号 42",
};
for (const [type, value] of Object.entries(SCALARS)) variable(type, type, value);

variable("NotANumber", "Double", NaN);
variable("Failed", "Double", 21.5).setValueFromSource(
  { dataType: DataType.Double, value: 21.5 }, StatusCodes.BadSensorFailure);
variable("Doubtful", "Double", 22.5).setValueFromSource(
  { dataType: DataType.Double, value: 22.5 }, StatusCodes.UncertainSensorNotAccurate);
own.addVariable({
  componentOf: folder, browseName: "Null", nodeId: "s=Null", dataType: "Double", minimumSamplingInterval: 100,
  value: {
    timestamped_get: (reply) => reply(null, { value: new Variant({ dataType: DataType.Null }), statusCode: StatusCodes.Good }),
  },
});
variable("When", "DateTime", new Date("2026-01-02T03:04:05Z"));
own.addVariable({
  componentOf: folder, browseName: "Array", nodeId: "s=Array", dataType: "Double", valueRank: 1,
  value: new Variant({ dataType: DataType.Double, arrayType: VariantArrayType.Array, value: new Float64Array([1, 2, 3]) }),
});

for (const [type, value] of Object.entries({ Boolean: false, Int16: 0, UInt32: 0, Float: 0, Double: 0 })) {
  variable(`Set.${type}`, type, value, { minimumSamplingInterval: 0 });
}
variable("Set.Refused", "Double", 0, { accessLevel: "CurrentRead", userAccessLevel: "CurrentRead" });

const many = [];
for (let n = 1; n <= (asked.many ?? 120); n++) many.push(variable(`Many.${n}`, "Double", n + 0.5));
if (asked.changes) {
  let round = 0;
  setInterval(() => {
    round += 1;
    many.forEach((node, n) => node.setValueFromSource({ dataType: DataType.Double, value: n + 1.5 + round }));
  }, asked.changes);
}

const started = variable("Started", "Double", 0);
const start = own.addMethod(folder, {
  browseName: "Start", nodeId: "s=Start",
  inputArguments: [
    { name: "Concentration", dataType: DataType.Float },
    { name: "Minutes", dataType: DataType.UInt32 },
  ],
  outputArguments: [],
});
start.bindMethod((inputs, _context, reply) => {
  const [concentration, minutes] = inputs.map((input) => input.value);
  if (minutes > 1000) return reply(null, { statusCode: StatusCodes.BadOutOfRange });
  started.setValueFromSource({ dataType: DataType.Double, value: concentration * minutes });
  return reply(null, { statusCode: StatusCodes.Good, outputArguments: [] });
});

const level = variable("Level", "Double", 50, { eventSourceOf: folder });
own.instantiateNonExclusiveLimitAlarm("NonExclusiveLimitAlarmType", {
  browseName: "LevelAlarm", nodeId: "s=LevelAlarm", conditionName: "LevelAlarm",
  componentOf: folder, conditionSource: level, inputNode: level,
  highHighLimit: 95, highLimit: 80, lowLimit: 20, lowLowLimit: 5,
});

endWithParent();
await server.start();
console.log(JSON.stringify({
  url: `opc.tcp://127.0.0.1:${asked.port}/foreign`,
  certificate: path.resolve(asked.pki, "own/certs/certificate.pem"),
  trusted: path.resolve(asked.pki, "trusted/certs"),
}));
