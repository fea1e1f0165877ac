// Every word in both languages, no word without a user, no place-holder in one language only.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { levelWord, pick, setLang, t, WORDS, type Word } from "../src/i18n.ts";
import { MAPS_WORDS } from "../src/words/maps.ts";
import { PAST_WORDS } from "../src/words/past.ts";
import { PLACE_WORDS } from "../src/words/place.ts";
import { TWIN_WORDS } from "../src/words/twin.ts";
import { WATCH_WORDS } from "../src/words/watch.ts";

const SOURCE = new URL("../src/", import.meta.url).pathname;

function sources(): string {
  const files = readdirSync(SOURCE, { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => file.endsWith(".ts") && !file.endsWith("i18n.ts") && !file.startsWith("words/"))
    .map((file) => readFileSync(join(SOURCE, file), "utf8"))
    .join("\n");
}

const places = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1] ?? "").sort();

afterEach(() => setLang("zh"));

const TABLES = { WORDS, MAPS_WORDS, PAST_WORDS, PLACE_WORDS, TWIN_WORDS, WATCH_WORDS };

describe.each(Object.entries(TABLES))("the word table %s", (_table, table) => {
  const words = Object.entries(table);

  it.each(words)("%s has both languages with the same places", (_, { zh, en }) => {
    expect(zh.trim()).not.toBe("");
    expect(en.trim()).not.toBe("");
    expect(places(zh)).toEqual(places(en));
  });

  it("has Chinese under zh and none under en, but for the language's own name", () => {
    const han = /\p{Script=Han}/u;
    const wrong = words.filter(([key, { en }]) => han.test(en) && key !== "app.language");
    expect(wrong.map(([key]) => key)).toEqual([]);
  });

  it("has no word that nobody uses", () => {
    const code = sources();
    const families = [...code.matchAll(/`([a-z]+)\.\$\{/g)].map((m) => `${m[1]}.`);
    const unused = words
      .map(([key]) => key)
      .filter((key) => !code.includes(`"${key}"`) && !families.some((family) => key.startsWith(family)));
    expect(unused).toEqual([]);
  });
});

describe("t", () => {
  it("is Chinese first and follows the switch", () => {
    expect(t("alarm.acknowledge")).toBe("确认");
    setLang("en");
    expect(t("alarm.acknowledge")).toBe("Acknowledge");
  });

  it("fills places and leaves unknown ones visible", () => {
    expect(t("list.hidden", { n: 3 })).toContain("3");
    expect(t("list.hidden" as Word)).toContain("{n}");
  });
});

describe("levelWord", () => {
  it("names what it knows and leaves the rest as the server said it", () => {
    expect(levelWord("building")).toBe("楼栋");
    expect(levelWord("archipelago")).toBe("archipelago");
  });
});

describe("pick", () => {
  it("falls back to the other language rather than to nothing", () => {
    setLang("en");
    expect(pick({ zh: "桂园街道", en: "" })).toBe("桂园街道");
  });
});
