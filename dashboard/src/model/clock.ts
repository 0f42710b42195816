/** The server's time on this page: its last statement plus what our monotonic clock counted since, never the desk's own wall clock. */

import { signal } from "@preact/signals";

const TICK_MS = 100;

let anchor = { server_ms: Date.now(), monotonic_ms: performance.now() };

/** Counts half seconds of server time: what shows an age follows it. */
export const halfSecond = signal(0);

const tickers = new Set<() => void>();

export function serverNow(): number {
  return anchor.server_ms + performance.now() - anchor.monotonic_ms;
}

export function synchronise(server_ms: number): void {
  anchor = { server_ms, monotonic_ms: performance.now() };
}

/** Calls `act` every tenth of a second. */
export function onTick(act: () => void): void {
  tickers.add(act);
}

function tick(): void {
  for (const act of tickers) act();
  halfSecond.value = Math.floor(serverNow() / 500);
}

export function startClock(): void {
  setInterval(tick, TICK_MS);
  document.addEventListener("visibilitychange", tick);
}
