/** Current alarms: their order, their counts, and the worst one at each place. Plain functions; the signals are at the end. */

import { computed, signal } from "@preact/signals";
import type { Alarm } from "./contract";

export const PRIORITIES = [1, 2, 3, 4] as const;

export function isUnacknowledged(alarm: Alarm): boolean {
  return !isSetAside(alarm) && alarm.state.endsWith("unacknowledged");
}

/** Shelved, suppressed by design or out of service: listed, but not counted among what calls for a person. */
export function isSetAside(alarm: Alarm): boolean {
  return alarm.state === "shelved" || alarm.state === "suppressed" || alarm.state === "out-of-service";
}

function rank(alarm: Alarm): number {
  if (isSetAside(alarm)) return 2;
  return isUnacknowledged(alarm) ? 0 : 1;
}

/** Unacknowledged first, then priority, then newest; the id settles what is left, so that rows never swap. */
export function compareAlarms(a: Alarm, b: Alarm): number {
  return (
    rank(a) - rank(b) ||
    a.priority - b.priority ||
    Date.parse(b.raised_time) - Date.parse(a.raised_time) ||
    (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  );
}

/** The worst of two: priority before acknowledgement, so that a seen P1 is not hidden by an unseen P3. */
function worse(a: Alarm, b: Alarm | undefined): boolean {
  if (!b) return true;
  if (isSetAside(a) !== isSetAside(b)) return isSetAside(b);
  return a.priority - b.priority < 0 || (a.priority === b.priority && compareAlarms(a, b) < 0);
}

/** Area, line, equipment, each dotted part of the tag, and the tag: `L01-HCI`, `L01-HCI.cell03`, `L01-HCI.cell03.co2`. */
export function placesOf(alarm: Alarm): string[] {
  const places = [alarm.equipment];
  for (const place of [alarm.area, alarm.line]) if (place && place !== alarm.equipment) places.push(place);
  const parts = (alarm.tag ?? "").split(".");
  for (let length = 2; length <= parts.length; length++) places.push(parts.slice(0, length).join("."));
  return places;
}

export function worstByPlace(alarms: Iterable<Alarm>): Map<string, Alarm> {
  const worst = new Map<string, Alarm>();
  for (const alarm of alarms) {
    for (const place of placesOf(alarm)) if (worse(alarm, worst.get(place))) worst.set(place, alarm);
  }
  return worst;
}

export interface Count {
  unacknowledged: number;
  total: number;
}

/** Per priority 1 to 4, without those set aside. */
export function countByPriority(alarms: Iterable<Alarm>): Count[] {
  const counts = PRIORITIES.map(() => ({ unacknowledged: 0, total: 0 }));
  for (const alarm of alarms) {
    const count = counts[alarm.priority - 1];
    if (!count || isSetAside(alarm)) continue;
    count.total += 1;
    if (isUnacknowledged(alarm)) count.unacknowledged += 1;
  }
  return counts;
}

/** The map with the changed alarms merged in; an older occurrence never overwrites a newer one. */
export function mergeAlarms(known: ReadonlyMap<string, Alarm>, changed: readonly Alarm[]): Map<string, Alarm> {
  const merged = new Map(known);
  for (const alarm of changed) {
    const before = merged.get(alarm.id);
    if (before && before.occurrence > alarm.occurrence) continue;
    if (alarm.state === "normal") merged.delete(alarm.id);
    else merged.set(alarm.id, alarm);
  }
  return merged;
}

/**
 * While a person has a row selected the order is held, so that no row moves under the hand: known rows keep
 * their places, vanished ones leave, new ones wait and are counted.
 */
export function holdOrder(ordered: readonly Alarm[], held: readonly string[] | null): { rows: Alarm[]; waiting: number } {
  if (!held) return { rows: [...ordered], waiting: 0 };
  const byId = new Map(ordered.map((alarm) => [alarm.id, alarm]));
  const rows = held.flatMap((id) => byId.get(id) ?? []);
  return { rows, waiting: ordered.length - rows.length };
}

export const alarms = signal<ReadonlyMap<string, Alarm>>(new Map());
export const orderedAlarms = computed(() => [...alarms.value.values()].sort(compareAlarms));
export const worstAlarms = computed(() => worstByPlace(alarms.value.values()));
export const alarmCounts = computed(() => countByPriority(alarms.value.values()));
export const bannerAlarms = computed(() => orderedAlarms.value.filter(isUnacknowledged).slice(0, 3));
export const setAsideCount = computed(() => orderedAlarms.value.filter(isSetAside).length);
