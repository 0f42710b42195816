/** Is the page still being told the truth? Decided from the time since the last message and the server's word on its engine. */

/** Heartbeats come every second; said before 3 s are over, drawing and the tenth-second tick included. */
export const SILENT_AFTER_MS = 2_000;
/** A connection known to be broken is given only the time that a quick reconnection needs. */
export const BROKEN_AFTER_MS = 1_500;
const RETRY_FIRST_MS = 250;
const RETRY_LONGEST_MS = 5_000;

export type LinkState = "live" | "silent" | "engine-lost";

export function linkState(sinceMessage_ms: number, engineConnected: boolean, broken: boolean): LinkState {
  if (sinceMessage_ms >= (broken ? BROKEN_AFTER_MS : SILENT_AFTER_MS)) return "silent";
  return engineConnected ? "live" : "engine-lost";
}

/** Pause before the nth reconnection (from 0): doubling up to 5 s, spread by a fifth so that desks do not return together. */
export function retryDelay(attempt: number, random: number): number {
  const delay_ms = Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** attempt);
  return delay_ms * (0.8 + 0.4 * random);
}
