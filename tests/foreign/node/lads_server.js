// node-opcua with the OPC Foundation's own LADS nodeset (OPC 30500-1): an incubator with one functional unit.
//
//   node lads_server.js '{"port": 4840, "pki": "/a/folder"}'
//
// Optional: "before": a namespace registered before ours, so that all indexes move. Identifiers are node-opcua's own choice:
// nothing but browse names finds a function. Prints one JSON line when it answers.
import { OPCUACertificateManager } from "node-opcua-certificate-manager";
import { nodesets } from "node-opcua-nodesets";
import { OPCUAServer } from "node-opcua-server";
import { StatusCodes } from "node-opcua-status-code";
import { DataType } from "node-opcua-variant";
import { endWithParent } from "./registers.js";

const asked = JSON.parse(process.argv[2]);
const LADS = "http://opcfoundation.org/UA/LADS/";
const DI = "http://opcfoundation.org/UA/DI/";

const certificates = new OPCUACertificateManager({ rootFolder: asked.pki, automaticallyAcceptUnknownCertificate: true });
await certificates.initialize();
const server = new OPCUAServer({
  port: asked.port,
  host: "127.0.0.1",
  hostname: "127.0.0.1",
  alternateHostname: ["127.0.0.1"],
  resourcePath: "/lads",
  nodeset_filename: [nodesets.standard, nodesets.di, nodesets.amb, nodesets.ia, nodesets.machinery, nodesets.lads],
  serverCertificateManager: certificates,
  userCertificateManager: certificates,
  serverInfo: { applicationUri: "urn:example:lads:server", productUri: "urn:example:lads" },
});
await server.initialize();

const space = server.engine.addressSpace;
if (asked.before) space.registerNamespace(asked.before);
const own = space.registerNamespace("urn:example:lads-incubator");
const lads = space.getNamespaceIndex(LADS);
const di = space.getNamespaceIndex(DI);
const deviceSet = space.rootFolder.objects.getFolderElementByName("DeviceSet", di);

const device = space.findObjectType("LADSDeviceType", lads).instantiate({
  browseName: { name: "Incubator", namespaceIndex: own.index }, namespace: own, componentOf: deviceSet,
});
const unit = space.findObjectType("FunctionalUnitType", lads).instantiate({
  browseName: { name: "Chamber", namespaceIndex: own.index }, namespace: own,
  componentOf: device.getComponentByName("FunctionalUnitSet", lads), optionals: ["FunctionSet"],
});
const functions = unit.getComponentByName("FunctionSet", lads);

function add(type, name, optionals = []) {
  return space.findObjectType(type, lads).instantiate({
    browseName: { name, namespaceIndex: own.index }, namespace: own, componentOf: functions, optionals,
  });
}

function set(owner, name, dataType, value, status = StatusCodes.Good) {
  const node = owner.getComponentByName(name, lads);
  node.setValueFromSource({ dataType, value }, status);
}

const temperature = add("AnalogControlFunctionType", "Temperature");
set(temperature, "CurrentValue", DataType.Double, 36.96875);
set(temperature, "TargetValue", DataType.Double, 37.0);
const co2 = add("AnalogControlFunctionType", "CO2");
set(co2, "CurrentValue", DataType.Double, 5.03125);
set(co2, "TargetValue", DataType.Double, 5.0);
const humidity = add("AnalogScalarSensorFunctionType", "Humidity");
set(humidity, "SensorValue", DataType.Double, 93.5, StatusCodes.UncertainSensorNotAccurate);
const door = add("TwoStateDiscreteSensorFunctionType", "Door");
set(door, "SensorValue", DataType.Boolean, true);

endWithParent();
await server.start();
console.log(JSON.stringify({ url: `opc.tcp://127.0.0.1:${asked.port}/lads`, namespaces: space.getNamespaceArray().map((one) => one.namespaceUri) }));
