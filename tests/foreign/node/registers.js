// registers.txt as maps of address to word, by table.
import fs from "node:fs";

export function registers() {
  const tables = { holding: new Map(), input: new Map(), discrete: new Map(), coil: new Map() };
  for (const line of fs.readFileSync(new URL("../registers.txt", import.meta.url), "utf8").split("\n")) {
    const [table, address, word] = line.split(/\s+/);
    if (table in tables) tables[table].set(Number(address), parseInt(word, 16));
  }
  return tables;
}

// A process of the tests ends with them: when its standard input does.
export function endWithParent() {
  process.stdin.on("end", () => process.exit(0)).resume();
}
