// modbus-serial as a server with a strict map: exception 2 for whatever registers.txt does not name, or another unit than 7.
//
//   node modbus_serial_server.js '{"port": 5020}'
//
// Optional: "connections": how many at once (a further one is closed as soon as it comes); "idle": closes a connection after so
// many silent ms; "silent": a unit that is there and never answers. With "line": serial RTU on that terminal (19200 8N1) instead
// of TCP.
import modbus from "modbus-serial";
import { endWithParent, registers } from "./registers.js";

const asked = JSON.parse(process.argv[2]);
const UNIT = 7;
const tables = registers();
endWithParent();

const ILLEGAL_ADDRESS = 2;
const NO_SUCH_UNIT = 11;

function refusal(code) {
  return Object.assign(new Error("refused"), { modbusErrorCode: code });
}

async function read(table, address, unit) {
  if (unit === asked.silent) await new Promise(() => {});
  if (unit !== UNIT) throw refusal(NO_SUCH_UNIT);
  if (!tables[table].has(address)) throw refusal(ILLEGAL_ADDRESS);
  return tables[table].get(address);
}

async function write(table, address, value, unit) {
  await read(table, address, unit);
  tables[table].set(address, value);
}

const vector = {
  getHoldingRegister: (address, unit) => read("holding", address, unit),
  getInputRegister: (address, unit) => read("input", address, unit),
  getCoil: async (address, unit) => Boolean(await read("coil", address, unit)),
  getDiscreteInput: async (address, unit) => Boolean(await read("discrete", address, unit)),
  setRegister: (address, value, unit) => write("holding", address, value, unit),
  setCoil: (address, value, unit) => write("coil", address, value ? 1 : 0, unit),
};

if (asked.line) {
  const server = new modbus.ServerSerial(vector, {
    port: asked.line, baudRate: 19200, unitID: UNIT,
    openCallback: () => console.log(JSON.stringify({ url: `modbus-serial://${asked.line}/${UNIT}?baud=19200&parity=N` })),
  });
  server.on("error", (error) => console.error(error));
} else {
  const server = new modbus.ServerTCP(vector, { host: "127.0.0.1", port: asked.port });
  server.on("socketError", (error) => console.error(error.message));
  if (asked.connections) server._server.maxConnections = asked.connections;
  if (asked.idle) server._server.on("connection", (socket) => socket.setTimeout(asked.idle, () => socket.end()));
  server.on("initialized", () => console.log(JSON.stringify({ url: `modbus://127.0.0.1:${asked.port}/${UNIT}` })));
}
