/** What a reading may look like. Only a good, fresh reading wears the dress of a number to be trusted. */

export type Dress = "good" | "uncertain" | "bad" | "stale" | "missing";

export const GOOD = 0;
export const UNCERTAIN = 1;
export const BAD = 2;
export const NEVER = 3;

export const STALE_AFTER_MS = 3_000;
export const MISSING_AFTER_MS = 60_000;
/** A record comes once per interval: stale after one and a half of them. */
export const RECORD_STALE_INTERVALS = 1.5;
/** Assumed until two records have shown the counter's own interval. */
export const RECORD_INTERVAL_MS = 60_000;

export interface Freshness {
  quality: number;
  /** Time since the reading was received; infinite where none ever was. */
  age_ms: number;
  /** Interval of records, or null for a tag that is polled each second. */
  interval_ms: number | null;
  /** The feed itself is lost: nothing on the page is known to be true now. */
  lost: boolean;
}

export function dressOf({ quality, age_ms, interval_ms, lost }: Freshness): Dress {
  if (quality === NEVER || !Number.isFinite(age_ms)) return "missing";
  const staleAfter = interval_ms === null ? STALE_AFTER_MS : interval_ms * RECORD_STALE_INTERVALS;
  const missingAfter = interval_ms === null ? MISSING_AFTER_MS : staleAfter + MISSING_AFTER_MS;
  if (age_ms > missingAfter) return "missing";
  if (lost || age_ms > staleAfter) return "stale";
  if (quality === BAD) return "bad";
  return quality === UNCERTAIN ? "uncertain" : "good";
}

/** Text (a batch id) is kept on change and has no age: it is as fresh as the feed. */
export function dressOfText(text: string | null | undefined, lost: boolean): Dress {
  if (text === undefined) return "missing";
  if (lost) return "stale";
  return text === null ? "bad" : "good";
}
