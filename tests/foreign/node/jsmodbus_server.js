// jsmodbus as a server. Not strict: beyond its memory it answers short, and it answers what came at once last in, first out.
//
//   node jsmodbus_server.js '{"port": 5020}'
//
// Optional: "rtu": true (RTU frames over TCP), "connections" and "idle" as in modbus_serial_server.js.
import net from "node:net";
import jsmodbus from "jsmodbus";
import { endWithParent, registers } from "./registers.js";

const asked = JSON.parse(process.argv[2]);
const UNIT = 7;
const tables = registers();
endWithParent();

function words(table, count) {
  const memory = Buffer.alloc(count * 2);
  for (const [address, word] of table) memory.writeUInt16BE(word, address * 2);
  return memory;
}

function bits(table, count) {
  const memory = Buffer.alloc(count / 8);
  for (const [address, bit] of table) memory[address >> 3] |= bit << (address & 7);
  return memory;
}

const memory = {
  holding: words(tables.holding, 38), input: words(tables.input, 102),
  coils: bits(tables.coil, 8), discrete: bits(tables.discrete, 8),
};
const listener = new net.Server();
if (asked.connections) listener.maxConnections = asked.connections;
listener.on("connection", (socket) => {
  socket.on("error", (error) => console.error(error.message));
  if (asked.idle) socket.setTimeout(asked.idle, () => socket.end());
  if (asked.rtu) new jsmodbus.server.RTU(socket, memory);
});
if (!asked.rtu) new jsmodbus.server.TCP(listener, memory);
listener.listen(asked.port, "127.0.0.1", () => {
  console.log(JSON.stringify({ url: `modbus${asked.rtu ? "-rtu" : ""}://127.0.0.1:${asked.port}/${UNIT}` }));
});
