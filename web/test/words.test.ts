// Alarms in words, and the finding of things by words.
import { afterEach, describe, expect, it } from "vitest";
import { measured, place, subjectName } from "../src/alarm_text.ts";
import { find, findableDevice, findableSpace } from "../src/find.ts";
import { setLang } from "../src/i18n.ts";
import { alarm, step } from "./sample.ts";

afterEach(() => setLang("zh"));

describe("an alarm in words", () => {
  it("tells value and limit with their unit, in the chosen language", () => {
    expect(measured(alarm())).toBe("温度 当时值 80 °C，限值 57 °C");
    setLang("en");
    expect(measured(alarm())).toBe("temperature Value 80 °C, limit 57 °C");
  });

  it("tells silence as a time, not as a temperature", () => {
    expect(measured(alarm({ quantity: "", unit: "s", value: 75 }))).toBe("已静默 1 分 15 秒");
    expect(measured(alarm({ rule_id: "system-device-missing", value: 75 }))).toBe("已静默 1 分 15 秒");
    expect(measured(alarm({ quantity: "", unit: "s", value: null }))).toBe("");
  });

  it("tells a switch without a limit", () => {
    expect(measured(alarm({ quantity: "panel_fire", quantity_zh: "主机火警", unit: "1" }))).toBe("主机火警");
  });

  it("tells the place without the levels nobody knows, or that there is none", () => {
    expect(place([...alarm().path, step("building", "h1")])).toBe("名s1 · 名c1 · 名h1");
    expect(place([])).toBe("未定位");
  });

  it("names what it is about", () => {
    expect(subjectName(alarm())).toBe("一号");
    expect(subjectName(alarm({ device_id: null, device_name: null }))).toBe("gw-01");
  });
});

describe("find", () => {
  const device = (id: string, name: string) =>
    findableDevice(
      { device_id: id, name, kind: "smoke", kind_zh: "感烟探测器", kind_en: "smoke detector", field: "fire", gateway_id: "g", space: null, placed_how: "within", interval_s: 10 },
      114,
      22,
    );
  const block = findableSpace({ code: "440303001", kind: "block", name: "桂园一号", name_en: "Guiyuan 1", parent: null, height_m: null, source: "", lon: 1, lat: 2 });
  const all = [device("smoke-001", "金光华一层"), device("x-smoke-001", "二层"), block];

  it("needs every word, in any letter case, and puts beginnings first", () => {
    expect(find(all, "SMOKE", 9).map((f) => f.id)).toEqual(["smoke-001", "x-smoke-001"]);
    expect(find(all, "smoke 金光", 9).map((f) => f.id)).toEqual(["smoke-001"]);
    expect(find(all, "guiyuan", 9).map((f) => f.kind)).toEqual(["space"]);
  });

  it("gives nothing for nothing, and no more than asked", () => {
    expect(find(all, "  ", 9)).toEqual([]);
    expect(find(all, "smoke", 1).length).toBe(1);
  });
});
