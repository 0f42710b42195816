import { describe, expect, it } from "vitest";
import { BAD, GOOD, UNCERTAIN } from "../src/model/quality";
import { Series } from "../src/model/series";

function series(...points: [time_s: number, value: number | null, quality?: number][]): Series {
  const made = new Series(3, 3600);
  for (const [time_s, value, quality = GOOD] of points) made.append(time_s, value, quality);
  return made;
}

describe("a trend's series", () => {
  it("puts a null where nothing was read for longer than the gap", () => {
    expect(series([0, 1], [1, 2], [10, 3]).columns()).toEqual([[0, 1, 2.5, 10], [1, 2, null, 3], [null, null, null, null]]);
  });

  it("leaves out what is repeated or older", () => {
    expect(series([5, 1], [5, 9], [4, 9], [6, 2]).value).toEqual([1, 2]);
  });

  it("makes Bad a null, whatever number came with it", () => {
    expect(series([0, 1], [1, 7, BAD], [2, null]).value).toEqual([1, null, null]);
  });

  it("draws an uncertain stretch as a line of its own that meets its neighbours", () => {
    const [, good, uncertain] = series([0, 1], [1, 2, UNCERTAIN], [2, 3], [3, 4]).columns();
    expect(good).toEqual([1, null, 3, 4]);
    expect(uncertain).toEqual([1, 2, 3, null]);
  });

  it("marks what is not good, up to now when nothing comes any more", () => {
    expect(series([0, 1], [1, null], [2, null], [3, 1]).blemishes(10)).toEqual([
      { from_s: 1, to_s: 3, quality: BAD },
      { from_s: 3, to_s: 10, quality: BAD },
    ]);
  });

  it("lets go of what has left the window", () => {
    const long = new Series(3, 100);
    for (let time_s = 0; time_s <= 400; time_s++) long.append(time_s, time_s, GOOD);
    expect(long.time_s[0]).toBeGreaterThanOrEqual(400 - 161);
    expect(long.time_s.length).toBe(long.value.length);
    expect(long.last_s).toBe(400);
  });

  it("goes on with what came while history was read, Bad among it", () => {
    expect(series([0, 1], [1, 2]).followedBy(series([1, 9], [2, null], [3, 4])).value).toEqual([1, 2, null, 4]);
  });

  it("is made from the api's rows", () => {
    const rows = [{ tag: "x", time: "2026-01-31T08:00:00Z", value: 1, quality: "Good", reason: null } as const];
    expect(Series.from(rows, 3, 3600).time_s).toEqual([Date.UTC(2026, 0, 31, 8) / 1000]);
  });
});
