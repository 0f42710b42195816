// modbus-serial as a client: reads one block and prints its words (or booleans) as a JSON array.
//
//   node modbus_client.js '{"host": "127.0.0.1", "port": 5020, "unit": 7, "table": "holding", "first": 0, "count": 10}'
//
// Optional: "rtu": true (RTU frames over TCP, which this library calls telnet). Ends with 1 and its words where the server refuses.
import modbus from "modbus-serial";

const asked = JSON.parse(process.argv[2]);
const client = new modbus();
await client[asked.rtu ? "connectTelnet" : "connectTCP"](asked.host, { port: asked.port });
client.setID(asked.unit);
client.setTimeout(2000);
const READS = {
  coil: "readCoils", discrete: "readDiscreteInputs", holding: "readHoldingRegisters", input: "readInputRegisters",
};
try {
  const read = await client[READS[asked.table]](asked.first, asked.count);
  console.log(JSON.stringify(read.data.slice(0, asked.count)));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
client.close(() => process.exit());
