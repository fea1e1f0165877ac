import { describe, expect, it } from "vitest";
import { clock, day, measure, moment, rate, span, unitSign, withUnit } from "../src/format.ts";

describe("measure", () => {
  it.each([
    [57, "57"],
    [57.30001, "57.3"],
    [0.27, "0.27"],
    [0.0041, "0.004"],
    [-0.0001, "0"],
    [1234.6, "1235"],
    [100, "100"],
    [120.06, "120.1"],
    [null, "—"],
    [Number.NaN, "—"],
  ])("%s is told as %s", (value, told) => expect(measure(value)).toBe(told));
});

describe("withUnit", () => {
  it.each([
    [57, "Cel", "57 °C"],
    [12.5, "%", "12.5%"],
    [3, "deg", "3°"],
    [1, "1", "1"],
    [0.5, "m3/s", "0.5 m³/s"],
    [null, "V", "—"],
  ])("%s %s is %s", (value, unit, told) => expect(withUnit(value, unit)).toBe(told));

  it("tells a rate per minute", () => expect(unitSign("Cel/min")).toBe("°C/min"));
  it("leaves an unknown unit as it is", () => expect(unitSign("furlong")).toBe("furlong"));
});

describe("times", () => {
  it("are the district's, whatever the offset they come in", () => {
    expect(clock("2026-07-01T00:00:00+00:00")).toBe("08:00:00");
    expect(clock("2026-06-30T16:05:09Z")).toBe("00:05:09");
  });

  it("carry the day when it is another one in the district", () => {
    const now = Date.parse("2026-07-01T00:30:00+08:00");
    expect(moment("2026-07-01T00:10:00+08:00", now)).toBe("00:10:00");
    expect(moment("2026-06-30T23:50:00+08:00", now)).toBe("06-30 23:50:00");
  });
});

describe("span", () => {
  it.each([
    [-4, "0 秒", "0 s"],
    [59.9, "59 秒", "59 s"],
    [65, "1 分 05 秒", "1 min 05 s"],
    [7260, "2 时 01 分", "2 h 01 min"],
    [90000, "1 天 1 时", "1 d 1 h"],
  ])("%s s", (seconds, zh, en) => {
    expect(span(seconds, "zh")).toBe(zh);
    expect(span(seconds, "en")).toBe(en);
  });
});

it("rate shows a decimal only while it matters", () => {
  expect([rate(0), rate(3.14), rate(1234.5)]).toEqual(["0", "3.1", "1,235"]);
});

it("a day has its year and is the district's", () => expect(day("2025-12-31T20:00:00Z")).toBe("2026-01-01"));
