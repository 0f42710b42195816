/** Day from 07:00, night from 19:00 in plant time, until a person chooses; never switched by itself while a P1 stands unacknowledged. */

import { signal } from "@preact/signals";
import { alarms, isUnacknowledged } from "./alarms";
import { halfSecond, serverNow } from "./clock";
import { zoned } from "./format";

export type Theme = "day" | "night";

const STORED = "telemetry.theme";
const DAY_HOUR = 7;
const NIGHT_HOUR = 19;

export function themeAt(hour: number): Theme {
  return hour >= DAY_HOUR && hour < NIGHT_HOUR ? "day" : "night";
}

function chosen(): Theme | null {
  const stored = sessionStorage.getItem(STORED);
  return stored === "day" || stored === "night" ? stored : null;
}

export const theme = signal<Theme>(chosen() ?? "day");

export function switchTheme(): void {
  theme.value = theme.value === "day" ? "night" : "day";
  sessionStorage.setItem(STORED, theme.value);
}

export function startTheme(timezone: string): void {
  theme.subscribe((current) => {
    document.documentElement.dataset["theme"] = current;
  });
  const byHour = (): Theme => themeAt(Number(zoned(serverNow(), timezone).time.slice(0, 2)));
  if (!chosen()) theme.value = byHour();
  halfSecond.subscribe(() => {
    if (chosen() || theme.peek() === byHour()) return;
    const urgent = [...alarms.peek().values()].some((alarm) => alarm.priority === 1 && isUnacknowledged(alarm));
    if (!urgent) theme.value = byHour();
  });
}
