import { describe, expect, it } from "vitest";
import { BAD, dressOf, dressOfText, GOOD, NEVER, UNCERTAIN, type Dress, type Freshness } from "../src/model/quality";

const fresh: Freshness = { quality: GOOD, age_ms: 500, interval_ms: null, lost: false };

describe("the dress of a reading", () => {
  it.each<[string, Partial<Freshness>, Dress]>([
    ["good and fresh", {}, "good"],
    ["uncertain", { quality: UNCERTAIN }, "uncertain"],
    ["bad", { quality: BAD }, "bad"],
    ["never received", { quality: NEVER, age_ms: Infinity }, "missing"],
    ["at three seconds", { age_ms: 3_000 }, "good"],
    ["after three seconds", { age_ms: 3_001 }, "stale"],
    ["bad and old", { quality: BAD, age_ms: 5_000 }, "stale"],
    ["after a minute", { age_ms: 60_001 }, "missing"],
    ["fresh, but the feed is lost", { lost: true }, "stale"],
    ["a record within one and a half intervals", { age_ms: 89_000, interval_ms: 60_000 }, "good"],
    ["a record after one and a half intervals", { age_ms: 91_000, interval_ms: 60_000 }, "stale"],
    ["a record long after", { age_ms: 151_000, interval_ms: 60_000 }, "missing"],
  ])("%s", (_, given, dress) => expect(dressOf({ ...fresh, ...given })).toBe(dress));
});

describe("the dress of a text", () => {
  it("is good while the feed lives", () => expect(dressOfText("B2611-03", false)).toBe("good"));
  it("is good where it is empty", () => expect(dressOfText("", false)).toBe("good"));
  it("is bad where it is null", () => expect(dressOfText(null, false)).toBe("bad"));
  it("is stale without the feed", () => expect(dressOfText("B2611-03", true)).toBe("stale"));
  it("is missing where it never came", () => expect(dressOfText(undefined, false)).toBe("missing"));
});
