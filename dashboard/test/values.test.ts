import { effect } from "@preact/signals";
import { describe, expect, it } from "vitest";
import { BAD, GOOD, UNCERTAIN } from "../src/model/quality";
import { Values } from "../src/model/values";
import { frame, tag } from "./plant";

const T = 1_790_000_000_000;

function plant(): Values {
  const values = new Values([tag("A.x"), tag("A.y"), tag("A.record.n", { polled: false }), tag("A.batch", { kind: "text" })]);
  values.applyLayouts([
    { id: 0, tags: ["A.y", "A.unknown", "A.x"] },
    { id: 1, tags: ["A.record.n"] },
  ]);
  return values;
}

describe("decoding", () => {
  it("puts each slot of a layout at its tag", () => {
    const values = plant();
    values.apply([frame(0, T, [1, 2, 3])], {});
    expect([...values.value.slice(0, 2)]).toEqual([3, 1]);
    expect([...values.quality.slice(0, 2)]).toEqual([GOOD, GOOD]);
  });

  it("takes quality and reason, and a null as Bad whatever is said of it", () => {
    const values = plant();
    values.apply([frame(0, T, [1, 2, null], { quality: [1, 0, 0], reason: ["UncertainSensorNotAccurate", null, "BadNoCommunication"] })], {});
    expect([values.quality[0], values.quality[1]]).toEqual([BAD, UNCERTAIN]);
    expect(values.reason[0]).toBe("BadNoCommunication");
    expect(values.value[0]).toBeNaN();
  });

  it("names unknown tags and forgets the layouts of an older snapshot", () => {
    const values = plant();
    expect(values.applyLayouts([{ id: 1, tags: ["A.x", "B.z"] }])).toEqual(["B.z"]);
    values.apply([frame(0, T, [1, 2, 3]), frame(1, T, [9, 9])], {});
    expect([values.value[0], values.value[1]]).toEqual([9, NaN]);
  });

  it("tells what is wrong with a device, and when that ends", () => {
    const values = plant();
    const told: (readonly string[])[] = [];
    effect(() => void told.push(values.faultsOf("A").value));
    const down = frame(0, T, [null, null, null], { failure: "A does not answer" });
    values.apply([down], {});
    values.apply([down], {});
    values.apply([frame(1, T, [1], { findings: ["of an older scan"] })], {});
    values.apply([frame(0, T + 1000, [1, 2, 3], { findings: ["A.x: no such node", "A.y reads 9"] })], {});
    values.apply([frame(0, T + 2000, [1, 2, 3])], {});
    expect(told).toEqual([[], ["A does not answer"], ["A.x: no such node", "A.y reads 9"], []]);
  });

  it("keeps texts, null among them", () => {
    const values = plant();
    values.apply([], { "A.batch": "B2611-03", "A.none": "?" });
    expect(values.text.get(3)).toBe("B2611-03");
    values.apply([], { "A.batch": null });
    expect(values.text.get(3)).toBeNull();
  });
});

describe("ages", () => {
  it("of polled tags count from receipt; never received is infinite", () => {
    const values = plant();
    expect(values.age_ms(0, T)).toBe(Infinity);
    values.apply([frame(0, T, [1, 2, 3])], {});
    expect(values.age_ms(0, T + 1050)).toBe(1000);
  });

  it("of records count from the device's own time, even when told again", () => {
    const values = plant();
    values.apply([frame(1, T, [5], { source_ms: T - 40_000 })], {});
    values.apply([frame(1, T + 1000, [5], { source_ms: T - 40_000 })], {});
    expect(values.age_ms(2, T + 1000)).toBe(41_000);
  });

  it("of a record from a clock ahead count from receipt", () => {
    const values = plant();
    values.apply([frame(1, T, [5], { source_ms: T + 3_600_000 })], {});
    expect(values.age_ms(2, T + 5_050)).toBe(5_000);
  });

  it("learn a counter's interval from its records", () => {
    const values = plant();
    for (const at of [0, 600_000]) values.apply([frame(1, T + at, [5], { source_ms: T + at })], {});
    expect(values.interval_ms[2]).toBe(600_000);
  });

  it("of a change are known only where the page saw it", () => {
    const values = plant();
    values.apply([frame(0, T, [1, 2, 3])], {});
    expect(values.changed_ms[0]).toBe(0);
    values.apply([frame(0, T + 1000, [1, 2, 4])], {});
    expect(values.changed_ms[0]).toBe(T + 1050);
  });
});

describe("waking", () => {
  it("tells each watched tag once a message, and listeners each frame", () => {
    const values = plant();
    const drawn: number[] = [];
    const heard: number[] = [];
    effect(() => void drawn.push(values.revision(0).value));
    const stop = values.listen(0, (_, time_ms) => heard.push(time_ms));
    values.apply([frame(0, T, [1, 2, 3]), frame(0, T + 1000, [1, 2, 4])], {});
    stop();
    values.apply([frame(0, T + 2000, [1, 2, 5])], {});
    expect(drawn).toEqual([0, 2, 3]);
    expect(heard).toEqual([T, T + 1000]);
  });
});
