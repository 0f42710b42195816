import { describe, expect, it } from "vitest";
import { compareAlarms, countByPriority, holdOrder, mergeAlarms, placesOf, worstByPlace } from "../src/model/alarms";
import { audiblePriority, hornStateOf } from "../src/model/annunciator";
import type { Alarm } from "../src/model/contract";
import { alarm } from "./plant";

const ids = (alarms: readonly Alarm[]): string[] => alarms.map((one) => one.id);
const seen = { state: "acknowledged", acknowledged: true } as const;

describe("order", () => {
  it("is unacknowledged, then priority, then newest, then set aside", () => {
    const given = [
      alarm("shelved", { priority: 1, state: "shelved" }),
      alarm("seen P1", { priority: 1, ...seen }),
      alarm("old P2", { priority: 2, raised_time: "2026-01-31T07:00:00Z" }),
      alarm("new P2", { priority: 2, raised_time: "2026-01-31T09:00:00Z" }),
      alarm("returned P1", { priority: 1, state: "returned-unacknowledged", active: false }),
    ];
    expect(ids(given.sort(compareAlarms))).toEqual(["returned P1", "new P2", "old P2", "seen P1", "shelved"]);
  });

  it("is held while a row is selected: none moves, new ones wait", () => {
    const [a, b, c] = [alarm("a"), alarm("b"), alarm("c")];
    expect(holdOrder([c, b, a], ["a", "gone", "b"])).toEqual({ rows: [a, b], waiting: 1 });
    expect(holdOrder([c, b, a], null)).toEqual({ rows: [c, b, a], waiting: 0 });
  });
});

describe("merging", () => {
  const known = new Map([["a", alarm("a", { occurrence: 5 })]]);
  it("takes a newer state", () => expect(mergeAlarms(known, [alarm("a", { occurrence: 5, ...seen })]).get("a")?.state).toBe("acknowledged"));
  it("removes what is normal", () => expect(mergeAlarms(known, [alarm("a", { occurrence: 5, state: "normal" })]).size).toBe(0));
  it("refuses an older occurrence", () => expect(mergeAlarms(known, [alarm("a", { occurrence: 4, state: "normal" })]).size).toBe(1));
  it("leaves the given map alone", () => expect(known.size).toBe(1));
});

describe("places", () => {
  it("are area, line, equipment and each part of the tag", () => {
    const given = alarm("x", { equipment: "L01-HCI", tag: "L01-HCI.cell03.co2" });
    expect(placesOf(given).sort()).toEqual(["L01", "L01-HCI", "L01-HCI.cell03", "L01-HCI.cell03.co2", "W1"]);
  });
  it("keep the worst: priority before acknowledgement", () => {
    const worst = worstByPlace([alarm("unseen P3", { priority: 3 }), alarm("seen P1", { priority: 1, ...seen }), alarm("shelved", { priority: 1, state: "shelved" })]);
    expect(worst.get("L01")?.id).toBe("seen P1");
  });
});

describe("counts and horn", () => {
  const p1 = alarm("p1", { priority: 1 });
  const p2 = alarm("p2", { priority: 2, area: "W2", ...seen });
  it("count unacknowledged and all, without those set aside", () => {
    const counts = countByPriority([p1, p2, alarm("s", { priority: 1, state: "shelved" })]);
    expect(counts.slice(0, 2)).toEqual([{ unacknowledged: 1, total: 1 }, { unacknowledged: 0, total: 1 }]);
  });
  const area = { id: "W1", horn: true, silenced: false, lamp: "fast", priority: 1, confirmed: true } as const;
  it("is audible until its area is silenced or it is seen", () => {
    expect(audiblePriority([p1, p2], { areas: [area] })).toBe(1);
    expect(audiblePriority([p1], { areas: [{ ...area, silenced: true }] })).toBeNull();
    expect(audiblePriority([p2], null)).toBeNull();
  });
  it("names the horn's state", () => {
    expect(hornStateOf({ areas: [area, { ...area, id: "W2", confirmed: false }] })).toBe("sounding");
    expect(hornStateOf({ areas: [{ ...area, horn: false, confirmed: false }] })).toBe("unconfirmed");
    expect(hornStateOf({ areas: [{ ...area, silenced: true }] })).toBe("silenced");
    expect(hornStateOf(null)).toBe("unknown");
  });
});
