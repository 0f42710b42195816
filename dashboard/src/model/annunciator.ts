/** Horn and lamp of each workshop as the engine says, and what this desk's loudspeaker should do about it. */

import { computed, signal } from "@preact/signals";
import { alarms, isUnacknowledged } from "./alarms";
import type { Alarm, Annunciator } from "./contract";

export type HornState = "sounding" | "silenced" | "quiet" | "unconfirmed" | "unknown";

export const annunciator = signal<Annunciator | null>(null);

/** The loudest truth over all areas. */
export function hornStateOf(current: Annunciator | null): HornState {
  if (!current) return "unknown";
  const { areas } = current;
  if (areas.some((area) => area.horn && !area.silenced)) return "sounding";
  if (areas.some((area) => !area.confirmed)) return "unconfirmed";
  return areas.some((area) => area.silenced) ? "silenced" : "quiet";
}

/** Priority of the worst unacknowledged P1 or P2 whose workshop is not silenced; null where the desk may be quiet. */
export function audiblePriority(current: Iterable<Alarm>, horn: Annunciator | null): 1 | 2 | null {
  const silenced = new Set(horn?.areas.filter((area) => area.silenced).map((area) => area.id));
  let worst: 1 | 2 | null = null;
  for (const alarm of current) {
    if (alarm.priority > 2 || !isUnacknowledged(alarm) || silenced.has(alarm.area ?? "")) continue;
    if (alarm.priority === 1) return 1;
    worst = 2;
  }
  return worst;
}

export const hornState = computed(() => hornStateOf(annunciator.value));
export const audible = computed(() => audiblePriority(alarms.value.values(), annunciator.value));
