import { describe, expect, it } from "vitest";
import { linkState, retryDelay, SILENT_AFTER_MS } from "../src/model/link";
import { normalBand, placeOn, scaleOf, trendRange, type Scale } from "../src/model/scale";
import { tag } from "./plant";

const limit = (side: "low" | "high", value: number) => ({ alarm: `${side}-${value}`, side, value, priority: 2 });
const pressure = tag("p", { unit: "Pa", range: [-50, 120], setpoint: 38, limits: [limit("low", 0), limit("low", 20), limit("high", 100)] });

describe("bars", () => {
  it("span the tag's range and hold at the ends", () => {
    const scale = scaleOf(pressure) as Scale;
    expect([-80, -50, 35, 200].map((value) => placeOn(scale, value))).toEqual([0, 0, 0.5, 1]);
  });
  it("of particles are logarithmic and end a little beyond the limit", () => {
    const scale = scaleOf(tag("n", { unit: "1/m³", range: [0, 1e8], limits: [limit("high", 3520)] })) as Scale;
    expect(scale).toEqual({ low: 0, high: 105_600, logarithmic: true });
    expect(placeOn(scale, 0)).toBe(0);
    expect(placeOn(scale, 3520)).toBeCloseTo(0.71, 2);
  });
  it("are not for states, heartbeats, clocks or tags without a range", () => {
    const none = [
      tag("s", { kind: "state", legend: { "0": { en: "a", zh: "a" } }, range: [0, 3] }),
      tag("h", { kind: "integer", range: [0, 65535] }),
      tag("c", { kind: "integer", unit: "s", range: [0, 4294967295] }),
      tag("f", {}),
    ];
    expect(none.map(scaleOf)).toEqual([null, null, null, null]);
  });
  it("have a normal band between the innermost limits", () => expect(normalBand(pressure)).toEqual({ low: 20, high: 100 }));
});

describe("a trend's axis", () => {
  it("holds data, setpoint and near limits, not far ones", () => {
    const [low, high] = trendRange(pressure, 36, 39);
    expect(low).toBeLessThan(20);
    expect(high).toBeGreaterThan(39);
    expect(high).toBeLessThan(60);
  });
  it("is never thinner than ten resolutions", () => {
    const [low, high] = trendRange(tag("t", { resolution: 0.1 }), 5, 5);
    expect(high - low).toBeGreaterThanOrEqual(1);
  });
  it("of counts at zero starts at zero", () => {
    const [low, high] = trendRange(tag("n", { kind: "integer", unit: "1/m³", range: [0, 1e8], resolution: 1 }), 0, 0);
    expect(low).toBeGreaterThan(-1);
    expect(high).toBeGreaterThan(9);
  });
});

describe("the link", () => {
  it("is lost within three seconds of silence, at once when the engine is lost", () => {
    expect(SILENT_AFTER_MS).toBeLessThan(2_800);
    expect(linkState(1_600, true, false)).toBe("live");
    expect(linkState(SILENT_AFTER_MS, true, false)).toBe("silent");
    expect(linkState(100, false, false)).toBe("engine-lost");
  });
  it("is lost sooner when the connection is known to be broken, but not while it is quickly renewed", () => {
    expect(linkState(1_000, true, true)).toBe("live");
    expect(linkState(1_600, true, true)).toBe("silent");
  });
  it("is tried again soon, then at most every five seconds or so", () => {
    expect(retryDelay(0, 0.5)).toBe(250);
    expect(retryDelay(3, 0.5)).toBe(2_000);
    expect(retryDelay(30, 1)).toBeCloseTo(6_000);
  });
});
