// The lock file must install from whatever registry a machine is set to.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const text = (name: string): string => readFileSync(new URL(`../${name}`, import.meta.url), "utf8");

it("package-lock.json carries no address", () => {
  expect(text("package-lock.json")).not.toMatch(/https?:\/\//);
  expect(text("package-lock.json")).not.toContain('"resolved"');
});

it(".npmrc keeps it so", () => expect(text(".npmrc")).toContain("omit-lockfile-registry-resolved=true"));

it("every dependency has one exact version", () => {
  const { dependencies, devDependencies } = JSON.parse(text("package.json")) as Record<string, Record<string, string>>;
  const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(([, v]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(v));
  expect(loose).toEqual([]);
});
