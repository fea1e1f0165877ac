// Takes the addresses (funding notes) out of package-lock.json; run by `npm run lock` after a change of dependencies.
import { readFileSync, writeFileSync } from "node:fs";

const path = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(path, "utf8")) as { packages: Record<string, Record<string, unknown>> };
for (const entry of Object.values(lock.packages)) {
  delete entry["funding"];
  delete entry["resolved"];
}
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
