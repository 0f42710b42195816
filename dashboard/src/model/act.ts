/** What a person does here. An act knows that it is under way and, where it was refused, why, so that the answer stands beside the button. */

import { signal } from "@preact/signals";
import { alarms, mergeAlarms } from "./alarms";
import { annunciator } from "./annunciator";
import type { Alarm, Annunciator, Session } from "./contract";
import { lost } from "./feed";
import { post, Refusal } from "./http";
import { loginOpen, session } from "./session";
import { lossHeard } from "./sound";

export class Act {
  readonly pending = signal(false);
  readonly refusal = signal<Refusal | null>(null);

  async run(work: () => Promise<void>): Promise<void> {
    if (this.pending.value) return;
    this.pending.value = true;
    this.refusal.value = null;
    try {
      await work();
    } catch (error) {
      this.refusal.value = error instanceof Refusal ? error : new Refusal(-1, String(error));
    } finally {
      this.pending.value = false;
    }
  }
}

const acknowledgements = new Map<string, Act>();

function occurrenceKey(alarm: Alarm): string {
  return `${alarm.id}#${alarm.occurrence}`;
}

alarms.subscribe((current) => {
  const standing = new Set([...current.values()].map(occurrenceKey));
  for (const key of acknowledgements.keys()) if (!standing.has(key)) acknowledgements.delete(key);
});

/** One act per occurrence: the refusal of an old one does not cling to its successor. */
export function acknowledgement(alarm: Alarm): Act {
  const key = occurrenceKey(alarm);
  const known = acknowledgements.get(key);
  if (known) return known;
  const made = new Act();
  acknowledgements.set(key, made);
  return made;
}

export function acknowledge(alarm: Alarm, comment: string): Promise<void> {
  return acknowledgement(alarm).run(async () => {
    const body = { occurrence: alarm.occurrence, comment: comment.trim() || null };
    const answer = await post<Alarm>(`alarms/${encodeURIComponent(alarm.id)}/acknowledge`, body);
    alarms.value = mergeAlarms(alarms.value, [answer]);
  });
}

export const silencing = new Act();

/** Silences the plant's horns; while data is lost no horn can be reached, and only this desk's own tone stops. */
export function silence(): Promise<void> {
  if (lost.value) {
    lossHeard.value = true;
    return Promise.resolve();
  }
  return silencing.run(async () => {
    const { areas } = await post<Annunciator>("annunciator/silence", { area: null });
    const known = new Map(annunciator.value?.areas.map((area) => [area.id, area]));
    for (const area of areas) known.set(area.id, area);
    annunciator.value = { areas: [...known.values()] };
  });
}

export const login = new Act();

export function logIn(user: string, password: string): Promise<void> {
  return login.run(async () => {
    session.value = await post<Session>("session", { user, password });
    loginOpen.value = false;
  });
}

export function logOut(): void {
  session.value = null;
}
