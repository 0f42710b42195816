import { describe, expect, it } from "vitest";
import type { Tag } from "../src/model/contract";
import {
  decimalsFor,
  decimalsOf,
  formatAge,
  formatClockSpan,
  formatLimit,
  formatNumber,
  formatReading,
  unitText,
  zoned,
} from "../src/model/format";
import { tag } from "./plant";

describe("decimals", () => {
  it.each([
    [0.1, 1],
    [1, 0],
    [0.01, 2],
    [0.05, 2],
    [0.25, 1],
    [10, 0],
    [0, 0],
  ])("of resolution %s are %s", (resolution, decimals) => expect(decimalsOf(resolution)).toBe(decimals));

  it.each<[Partial<Tag>, number, number]>([
    [{ unit: "°C", resolution: 0.01 }, 37.02, 1],
    [{ unit: "%RH", resolution: 0.1 }, 45.2, 0],
    [{ unit: "Pa", resolution: 0.025 }, 15.01, 1],
    [{ unit: "ppm", resolution: 1 }, 0.4, 1],
    [{ unit: "ppm", resolution: 0.01 }, 12, 0],
    [{ unit: "1/m³", resolution: null }, 35.3, 0],
    [{ unit: "V", resolution: null }, 3, 2],
    [{ unit: "m³", resolution: null }, 0.0283, 4],
    [{ kind: "integer", unit: "s" }, 60, 0],
  ])("for %o", (given, value, decimals) => expect(decimalsFor(tag("x", given), value)).toBe(decimals));
});

describe("numbers", () => {
  it("keep trailing zeros", () => expect(formatNumber(37, 1)).toBe("37.0"));
  it("have a real minus", () => expect(formatNumber(-4.21, 1)).toBe("\u22124.2"));
  it("are never a negative zero", () => expect(formatNumber(-0.04, 1)).toBe("0.0"));
  it("group thousands but not decimals", () => expect(formatNumber(3520000.1234, 4)).toBe("3,520,000.1234"));
  it("of limits are as short as configured", () => {
    expect([10, 36.5, 0.36, -70, 352000].map(formatLimit)).toEqual(["10", "36.5", "0.36", "\u221270", "352,000"]);
  });
});

describe("readings", () => {
  const door = tag("D.door", { kind: "boolean", legend: { "0": { en: "closed", zh: "关" }, "1": { en: "open", zh: "开" } } });
  it("of states read as their legend", () => expect(formatReading(door, 1, "zh")).toBe("开"));
  it("outside the legend say so", () => expect(formatReading(door, 7, "en")).toBe("7?"));
  it("of plain booleans are yes and no", () => expect(formatReading(tag("b", { kind: "boolean" }), 0, "en")).toBe("no"));
  it("of clocks are dates", () => {
    const clock = tag("c", { kind: "integer", unit: "s", range: [0, 4294967295] });
    expect(formatReading(clock, 1_700_000_000, "en")).toBe("2023-11-14 22:13:20");
  });
  it("per cubic metre show their unit short", () => expect(unitText("1/m³")).toBe("/m³"));
});

describe("times", () => {
  it.each([
    [300, "1 s"],
    [4_400, "4 s"],
    [125_000, "2:05"],
    [11_220_000, "3 h 07"],
    [200_000_000, "2 d"],
  ])("an age of %s ms is %s", (age_ms, text) => expect(formatAge(age_ms)).toBe(text));
  it("a lost span counts like a clock", () => {
    expect([7_900, 760_000, 3_729_000].map(formatClockSpan)).toEqual(["00:07", "12:40", "1:02:09"]);
  });
  it("are in the plant's zone", () => {
    expect(zoned(Date.UTC(2026, 0, 31, 18, 5, 9), "Asia/Shanghai")).toEqual({ date: "2026-02-01", time: "02:05:09", zone: "UTC+8" });
  });
});
